//! What can go wrong in a command, and how it is told.

use crate::bench::AgainstError;
use crate::document::{DocumentError, RecipeError};
use crate::engine::EngineError;
use crate::generator::GeneratorError;
use crate::hub::HubError;
use crate::latent::EditError;
use crate::picture::PictureError;
use crate::tokenizer::TokenizerError;
use crate::trainer::TrainError;
use std::path::PathBuf;

/// Ends a command. Display is the one message on stderr: what, which file or key, what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// Options that make no sense together; exit code 2.
    #[error("{0}; see `softscope --help`")]
    Usage(String),
    #[error(transparent)]
    Document(#[from] DocumentError),
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    #[error(transparent)]
    Generator(#[from] GeneratorError),
    #[error(transparent)]
    Hub(#[from] HubError),
    #[error(transparent)]
    Picture(#[from] PictureError),
    #[error(transparent)]
    Edit(#[from] EditError),
    #[error(transparent)]
    Train(#[from] TrainError),
    #[error(transparent)]
    Against(#[from] AgainstError),
    #[error("cannot create the folder {}: {source}; choose another --out", .path.display())]
    Folder { path: PathBuf, source: std::io::Error },
    #[error("{} is a file, not a folder; choose another --out", .0.display())]
    NotAFolder(PathBuf),
    #[error("{} holds no pictures with transparency to lay over a ground", .0.display())]
    NoCutouts(PathBuf),
    #[error("{0}")]
    TooFewPictures(String),
    #[error("the model {model} is {class}: it has no codewords; choose a SoftVQ or VQ model with --model")]
    NoCodebook { model: String, class: String },
    #[error("{} marks no pixel: paint white on black, or opaque on transparent", .0.display())]
    EmptyMask(PathBuf),
    #[error("{} is an input; choose another --out, inputs are never overwritten", .0.display())]
    WouldOverwriteInput(PathBuf),
    #[error("{} and {} would both become {}; rename one or give them to two runs", .first.display(), .second.display(), .output.display())]
    SameOutput {
        first: PathBuf,
        second: PathBuf,
        output: PathBuf,
    },
    #[error("{} holds noise for {} x {} tokens and the generator {generator} takes {} x {}; make noise of that shape", .path.display(), .found.0, .found.1, .expected.0, .expected.1)]
    LatentsDoNotFit {
        path: PathBuf,
        found: (usize, usize),
        generator: String,
        expected: (usize, usize),
    },
    #[error("Ctrl-C cannot be caught: {0}; training would lose its last steps, so it was not begun")]
    Signals(#[source] std::io::Error),
    #[error("{} holds {count} pictures, numbered from 0; there is no number {index}", .path.display())]
    NoSuchPicture {
        path: PathBuf,
        index: usize,
        count: usize,
    },
    #[error("there is no token {token}: the model has {count}, numbered from 0")]
    NoSuchToken { token: usize, count: usize },
    #[error("{} has no recipe inside; give one with --recipe", .0.display())]
    NoRecipe(PathBuf),
    #[error("{} is {} x {} and {} is {} x {}; only pictures of one size can be compared", .a.display(), .a_size.0, .a_size.1, .b.display(), .b_size.0, .b_size.1)]
    DifferentSizes {
        a: PathBuf,
        a_size: (u32, u32),
        b: PathBuf,
        b_size: (u32, u32),
    },
    #[error("{} is under 7 pixels on a side, too small for SSIM; compare larger pictures", .0.display())]
    TooSmall(PathBuf),
    #[error("{} of {total} models could not be compared: {}; their rows say why", .failed.len(), .failed.join(", "))]
    ModelsFailed { failed: Vec<String>, total: usize },
    #[error("the model {model} does not load: {problems}; `softscope models check` lists every key")]
    ModelDoesNotFit { model: String, problems: String },
    #[error("{name} is a folder of its own, {}, and not from the hub; delete the folder to remove the model", .folder.display())]
    NotFromTheHub { name: String, folder: PathBuf },
    #[error("the model gave nothing for one picture; please report this")]
    Nothing,
    #[error("cannot write results to standard output: {0}")]
    Stdout(#[source] std::io::Error),
    #[error("{0}")]
    Window(String),
}

impl CliError {
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        CliError::Usage(what.into())
    }

    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            CliError::Usage(_) => 2,
            _ => 1,
        }
    }
}

/// Writes the one message of a failed command.
pub(crate) fn report(message: &str) {
    use std::io::Write;
    // Where stderr is closed there is nobody left to tell.
    let _ = writeln!(std::io::stderr(), "softscope: {}", without_backtrace(message));
}

/// A panic as one line, for a person who can only report it.
pub(crate) fn internal_error(panic: &std::panic::PanicHookInfo<'_>) -> String {
    let what = panic
        .payload()
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.payload().downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "unknown".to_owned());
    let place = panic
        .location()
        .map(|at| format!(" ({}:{})", at.file(), at.line()))
        .unwrap_or_default();
    let what = what.lines().next().unwrap_or_default();
    format!("internal error: {what}{place}; this is a fault of Softscope, please report it")
}

/// Errors of candle print a backtrace after their text where `RUST_BACKTRACE` is set; it is cut off here.
fn without_backtrace(message: &str) -> String {
    let is_frame = |line: &str| {
        line.trim_start()
            .split_once(": ")
            .is_some_and(|(number, _)| number.parse::<usize>().is_ok())
    };
    let lines: Vec<&str> = message.lines().take_while(|line| !is_frame(line)).collect();
    lines.join("\n").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backtraces_are_cut_off() {
        let message =
            "shape mismatch in `a`\n   0: candle_core::error::Error::bt\n             at src/error.rs:1\n";
        assert_eq!(without_backtrace(message), "shape mismatch in `a`");
        assert_eq!(
            without_backtrace("missing keys:\n  a.b\n  c"),
            "missing keys:\n  a.b\n  c"
        );
    }

    #[test]
    fn wrong_usage_has_its_own_exit_code() {
        assert_eq!(CliError::usage("no").exit_code(), 2);
        assert_eq!(CliError::Nothing.exit_code(), 1);
    }
}
