//! `softscope [FILE…]`: the window.

use super::{CliError, Context};
use crate::document::DocumentError;
use crate::ui::{self, Start};
use std::path::PathBuf;

pub(super) fn run(context: &Context, files: Vec<PathBuf>) -> Result<(), CliError> {
    if let Some(file) = files.iter().find(|file| !file.exists()) {
        // A bare word is more likely a mistyped command than a file.
        let is_word = file.extension().is_none() && file.components().count() == 1;
        return Err(match is_word {
            true => CliError::usage(format!("`{}` is neither a command nor a file", file.display())),
            false => DocumentError::Missing(file.clone()).into(),
        });
    }
    let model = context
        .model_name()
        .map(|name| context.places().resolve_model(name))
        .transpose()?;
    let start = Start {
        files,
        model,
        options: context.run_options(),
        memory_limit: context.memory_limit(),
    };
    ui::run(&start).map_err(CliError::Window)
}
