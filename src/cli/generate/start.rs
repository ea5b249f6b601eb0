//! What pictures are made from, where it is not noise alone: `--vary` and `--fill`.

use crate::cli::context::Context;
use crate::cli::edit;
use crate::cli::error::CliError;
use crate::cli::inputs;
use crate::cli::options::{FitArg, TokenList};
use crate::document::StartRecord;
use crate::engine::{GenerateFrom, Runner};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Noise level of a variation that none was given for.
const USUAL_STRENGTH: f64 = 0.5;
/// The same of tokens that are filled: nothing is left of what they were.
const FILL_STRENGTH: f64 = 1.0;

#[derive(Debug, clap::Args)]
pub(super) struct StartArgs {
    /// Start from these tokens with noise on them: a picture, one exported with its recipe, or a token file
    #[arg(long, value_name = "IN", conflicts_with_all = ["fill", "latents"])]
    vary: Option<PathBuf>,
    /// Make some tokens of this picture anew, named with --tokens, and hold the others: IN as for --vary
    #[arg(long, value_name = "IN", conflicts_with = "latents", requires = "tokens")]
    fill: Option<PathBuf>,
    /// Tokens that --fill makes anew, such as `0,3,8-11`
    #[arg(long, value_name = "LIST", requires = "fill")]
    tokens: Option<TokenList>,
    /// How much of the tokens is noise at the start, above 0 up to 1; 0.5 for --vary and 1 for --fill if not given
    #[arg(long, value_name = "S")]
    strength: Option<f64>,
    /// How the picture of --vary or --fill becomes the model's square
    #[arg(long, value_enum, default_value_t = FitArg::Crop)]
    fit: FitArg,
}

/// Where every picture of a run starts.
pub(super) struct GivenStart {
    pub(super) from: GenerateFrom,
    pub(super) record: StartRecord,
}

impl StartArgs {
    /// The picture that is varied or filled.
    pub(super) fn input(&self) -> Option<&Path> {
        self.vary.as_deref().or(self.fill.as_deref())
    }

    /// Refuses what makes no sense before anything is read.
    pub(super) fn check(&self) -> Result<(), CliError> {
        let Some(strength) = self.strength else {
            return Ok(());
        };
        if self.input().is_none() {
            return Err(CliError::usage("--strength goes with --vary or --fill"));
        }
        if !(strength > 0.0 && strength <= 1.0) {
            return Err(CliError::usage(format!(
                "--strength is {strength}; it lies above 0 and up to 1"
            )));
        }
        Ok(())
    }

    /// The start in tokens of the model; `None` where pictures are made from noise.
    pub(super) fn read(&self, context: &Context, runner: &Runner) -> Result<Option<GivenStart>, CliError> {
        let Some(input) = self.input() else {
            return Ok(None);
        };
        let progress = context.progress("Encoding");
        let state = edit::edited_state(context, runner, input, self.fit.into(), &progress)?;
        drop(progress);
        let count = state.z.count;
        let filled = match &self.tokens {
            Some(tokens) => Some(tokens.of(count)?),
            None => None,
        };
        let usual = if filled.is_some() {
            FILL_STRENGTH
        } else {
            USUAL_STRENGTH
        };
        let t = self.strength.unwrap_or(usual);
        Ok(Some(GivenStart {
            from: GenerateFrom::new(Arc::new(state.z), t, filled.as_deref()),
            record: StartRecord {
                picture: inputs::file_name(&inputs::split_number(input).0),
                t,
                tokens: filled,
            },
        }))
    }
}
