//! `softscope models`: what there is, what could be, whether it fits.

mod check;
mod get;
mod list;

use super::context::Context;
use super::error::CliError;
use clap::Subcommand;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The models that `--model` knows by name
    List {
        /// The released models too, with their published figures
        #[arg(long)]
        available: bool,
    },
    /// Whether a checkpoint fits its configuration, without loading the weights
    Check {
        /// Name of a model at hand, folder, checkpoint file or hub id
        #[arg(value_name = "M")]
        model: String,
    },
    /// Fetch a model from the hub into the cache that Python's tools use too
    ///
    /// What is interrupted goes on where it stopped. HF_ENDPOINT names a mirror, HF_TOKEN a token, HF_HUB_CACHE
    /// another folder; HTTPS_PROXY and NO_PROXY are honoured, HF_HUB_OFFLINE forbids to fetch.
    Download {
        /// Id on the hub, such as SoftVQVAE/softvq-l-64; `models list --available` lists the released ones
        #[arg(value_name = "ID")]
        id: String,
        /// Branch, tag or commit; the newest if not given
        #[arg(long, value_name = "R")]
        revision: Option<String>,
    },
    /// Remove a downloaded model from the cache
    Remove {
        /// Id on the hub
        #[arg(value_name = "ID")]
        id: String,
        /// Only this branch, tag or commit; all if not given
        #[arg(long, value_name = "R")]
        revision: Option<String>,
    },
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), CliError> {
    match &args.command {
        Command::List { available } => list::list(context, *available),
        Command::Check { model } => check::check(context, model),
        Command::Download { id, revision } => get::download(context, id, revision.as_deref()),
        Command::Remove { id, revision } => get::remove(context, id, revision.as_deref()),
    }
}
