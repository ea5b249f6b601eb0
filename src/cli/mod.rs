//! The command line. Sits on the same calls as the window, one file per command.
//!
//! Results go to stdout (a table, or one JSON object with `--json`); progress and notes go to stderr. The exit code is 0
//! when done, 2 for wrong usage, 1 for anything else, with one message on stderr.

mod atlas;
mod attribute;
mod bench;
mod compare;
mod composites;
mod context;
mod decode;
mod directions;
mod edit;
mod encode;
mod error;
mod generate;
mod inputs;
mod inspect;
mod interpolate;
mod map;
mod metrics;
mod models;
mod options;
mod outputs;
mod paint;
mod probe;
mod progress;
mod reconstruct;
mod report;
mod structure;
mod table;
mod train;
mod transfer_bar;
mod window;

use crate::engine::expected_threads;
use clap::{Parser, Subcommand};
use context::Context;
use error::CliError;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Parser)]
#[command(
    name = "softscope",
    version,
    about = "A microscope for the latent tokens of SoftVQ-VAE and its family",
    long_about = "A microscope for the latent tokens of SoftVQ-VAE and its family.\n\n\
                  Without a command it opens the window, with the files given. Every command runs without a window.",
    after_help = "Exit codes: 0 done, 1 failed (one message on stderr), 2 wrong usage."
)]
struct Cli {
    #[command(flatten)]
    global: options::GlobalArgs,
    #[command(subcommand)]
    command: Option<Command>,
    /// Pictures, recipe pictures, sessions or folders to open in the window
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Pictures to tokens
    Encode(encode::Args),
    /// Tokens to pictures
    Decode(decode::Args),
    /// Pictures through the tokenizer and back, with PSNR, SSIM and MSE
    Reconstruct(reconstruct::Args),
    /// What is behind every token: its mixture of codewords, its codeword, its distribution or its values
    Inspect(inspect::Args),
    /// Apply a recipe of token edits
    Edit(edit::Args),
    /// Pictures between two pictures
    Interpolate(interpolate::Args),
    /// Distances between two pictures, or between models on one picture
    Compare(compare::Args),
    /// New pictures with a SiT or DiT
    Generate(generate::Args),
    /// What every token does to the picture: influence maps, ranked
    Attribute(attribute::Args),
    /// How a picture is made up of its tokens: pairs, orders, directions
    Structure(structure::Args),
    /// What can be read off the tokens by a line: linear probes against labels
    Probe(probe::Args),
    /// Directions in the latent: between two kinds of pictures, or principal components
    Directions(directions::Args),
    /// What codewords a folder of pictures is made of: usage, dead ones, pairs, those that use each most
    Atlas(atlas::Args),
    /// All tokens of a folder of pictures in the plane, before and after the quantiser
    Map(map::Args),
    /// Move tokens until a region of the picture looks as painted and the rest stays
    Paint(paint::Args),
    /// One page with all of this for a model and a folder
    Report(report::Args),
    /// How fast models are here: time and rate of each stage, latency of a drag
    Bench(bench::Args),
    /// Train a tokenizer on folders of pictures
    Train(train::Args),
    /// The models at hand, and whether a checkpoint fits
    Models(models::Args),
}

/// What the arguments ask for.
#[derive(Debug)]
pub struct Program(Cli);

impl Program {
    /// Reads the arguments and starts no thread. The error is the exit code when there is nothing to run: 2 after wrong
    /// usage, 0 after help and version; what was to be said is printed.
    pub fn from_arguments() -> Result<Self, ExitCode> {
        std::panic::set_hook(Box::new(|panic| error::report(&error::internal_error(panic))));
        Cli::try_parse().map(Self).map_err(|usage| {
            // Help and version come this way too; a closed stdout is then nothing to report.
            let _ = usage.print();
            ExitCode::from(if usage.use_stderr() { 2 } else { 0 })
        })
    }

    /// Into how many pieces each product of this run should be cut: a training run cuts its batches itself and leaves
    /// products whole; everything else shares a product among its threads.
    pub fn product_pieces(&self) -> usize {
        match self.0.command {
            Some(Command::Train(_)) => 1,
            _ => self
                .0
                .global
                .run_options()
                .threads
                .unwrap_or_else(expected_threads),
        }
    }

    /// Runs the command, or opens the window. Exit code 0 done, 2 wrong usage, 1 anything else.
    pub fn run(self) -> ExitCode {
        match std::panic::catch_unwind(AssertUnwindSafe(|| run(self.0))) {
            Ok(Ok(())) => ExitCode::SUCCESS,
            // The reader of a pipe has seen enough: not a failure of this program.
            Ok(Err(CliError::Stdout(error))) if error.kind() == std::io::ErrorKind::BrokenPipe => {
                ExitCode::SUCCESS
            }
            Ok(Err(failure)) => {
                error::report(&failure.to_string());
                ExitCode::from(failure.exit_code())
            }
            // The panic hook has told.
            Err(_) => ExitCode::FAILURE,
        }
    }
}

fn run(cli: Cli) -> Result<(), CliError> {
    let takes_several_models = matches!(cli.command, Some(Command::Bench(_)));
    let context = Context::new(cli.global, takes_several_models)?;
    let Some(command) = cli.command else {
        return window::run(&context, cli.files);
    };
    if let Some(stray) = cli.files.first() {
        return Err(CliError::usage(format!(
            "`{}` stands before the command; give files after it",
            stray.display()
        )));
    }
    match command {
        Command::Encode(args) => encode::run(&context, &args),
        Command::Decode(args) => decode::run(&context, &args),
        Command::Reconstruct(args) => reconstruct::run(&context, &args),
        Command::Inspect(args) => inspect::run(&context, &args),
        Command::Edit(args) => edit::run(&context, &args),
        Command::Interpolate(args) => interpolate::run(&context, &args),
        Command::Compare(args) => compare::run(&context, &args),
        Command::Generate(args) => generate::run(&context, &args),
        Command::Attribute(args) => attribute::run(&context, &args),
        Command::Structure(args) => structure::run(&context, &args),
        Command::Probe(args) => probe::run(&context, &args),
        Command::Directions(args) => directions::run(&context, &args),
        Command::Atlas(args) => atlas::run(&context, &args),
        Command::Map(args) => map::run(&context, &args),
        Command::Paint(args) => paint::run(&context, &args),
        Command::Report(args) => report::run(&context, &args),
        Command::Bench(args) => bench::run(&context, &args),
        Command::Train(args) => train::run(&context, &args),
        Command::Models(args) => models::run(&context, &args),
    }
}
