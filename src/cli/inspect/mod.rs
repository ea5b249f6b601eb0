//! `softscope inspect IN [--token I]… [--top K] [--csv F]`

mod figures;
mod mixtures;

use super::context::{Context, model_json};
use super::error::CliError;
use super::inputs;
use super::options::{FitArg, TokenList};
use super::outputs;
use crate::document::write_atomically;
use crate::latent::{LatentSpace, LatentState};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A picture, or tokens (.safetensors with `z`; with `weights` or `h` too the mixtures are exact)
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// Only these tokens, such as `5` or `0,3,8-11`; may be given several times
    #[arg(long = "token", value_name = "I")]
    tokens: Vec<TokenList>,
    /// How many codewords of each token are shown: the heaviest (SoftVQ) or the nearest (VQ); of AE models, values
    #[arg(long, value_name = "K", default_value_t = 5)]
    top: usize,
    /// Also write every figure to this file as CSV
    #[arg(long, value_name = "F.csv")]
    csv: Option<PathBuf>,
    /// How a picture becomes the model's square
    #[arg(long, value_enum, default_value_t = FitArg::Crop)]
    fit: FitArg,
}

/// Tokens to report on, with the number of their picture in a token file (0 for a picture).
struct Chosen<'a> {
    space: &'a LatentSpace,
    states: Vec<(usize, &'a LatentState)>,
    tokens: &'a [usize],
    /// Entries of the list that ends a row.
    top: usize,
    has_several_pictures: bool,
}

impl Chosen<'_> {
    /// As a row of text begins: the token, after its picture where there are several.
    fn name(&self, picture: usize, token: usize) -> String {
        if self.has_several_pictures {
            format!("{picture}/{token}")
        } else {
            token.to_string()
        }
    }
}

/// The figures of all chosen tokens in every form.
struct Report {
    text: String,
    csv: String,
    /// One object for each token.
    tokens: serde_json::Value,
    /// Over all tokens; null for none.
    mean: serde_json::Value,
    /// In words, by key.
    units: serde_json::Value,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), CliError> {
    if let Some(csv) = &args.csv {
        outputs::guard(csv, &[&args.input])?;
    }
    let (file, number) = inputs::split_number(&args.input);
    let runner = context.open_model()?;
    let info = runner.info();
    let progress = context.progress("Inspecting");
    let states = inputs::read_states(&runner, &file, args.fit.into(), &progress)?.states;
    drop(progress);
    if let (Some(index), true) = (number, number >= Some(states.len())) {
        return Err(CliError::NoSuchPicture {
            path: file,
            index,
            count: states.len(),
        });
    }

    let tokens = chosen_tokens(&args.tokens, info.space.token_count)?;
    let is_wanted = |picture: usize| number.is_none_or(|number| number == picture);
    let chosen = Chosen {
        space: &info.space,
        states: states
            .iter()
            .enumerate()
            .filter(|(picture, _)| is_wanted(*picture))
            .collect(),
        tokens: &tokens,
        top: args.top,
        has_several_pictures: states.len() > 1,
    };
    let report = match info.space.mixing() {
        Some(codebook) => mixtures::report(&chosen, codebook),
        None => figures::report(&chosen),
    };
    if let Some(path) = &args.csv {
        write_atomically(path, report.csv.as_bytes())?;
        context.note(&format!("Wrote {}", path.display()));
    }
    let json = serde_json::json!({
        "command": "inspect",
        "model": model_json(info),
        "input": args.input,
        "units": report.units,
        "mean": report.mean,
        "tokens": report.tokens,
    });
    context.results(&report.text, &json)
}

/// The tokens named by any `--token`, in order and once; all where none is given.
fn chosen_tokens(lists: &[TokenList], count: usize) -> Result<Vec<usize>, CliError> {
    if lists.is_empty() {
        return TokenList::All.of(count);
    }
    let mut tokens = Vec::new();
    for list in lists {
        tokens.extend(list.of(count)?);
    }
    tokens.sort_unstable();
    tokens.dedup();
    Ok(tokens)
}
