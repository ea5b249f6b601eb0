use crate::document::DocumentError;
use crate::engine::EngineError;
use crate::generator::GeneratorError;
use crate::picture::PictureError;
use crate::tokenizer::TokenizerError;
use std::path::{Path, PathBuf};

/// What can go wrong in a training run. Messages are shown to a person as they are.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The configuration is not one.
    #[error("{}: {reason}", path.display())]
    Config {
        /// The TOML file.
        path: PathBuf,
        /// Which key, and what is wrong with it.
        reason: String,
    },
    /// A network that a loss asks for is not one.
    #[error("cannot use the network {}: {reason}", path.display())]
    Network {
        /// Its file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The system refused a read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The folder of results cannot be used.
    #[error("cannot use the folder {}: {source}; choose another --out", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Nothing to train on.
    #[error("{folders} hold no {missing}; {remedy}")]
    NoPictures {
        /// The folders looked through.
        folders: String,
        /// Kind of picture.
        missing: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// The folder holds a run already.
    #[error("{} holds a run already; continue it with --resume or choose another --out", .0.display())]
    RunExists(PathBuf),
    /// There is nothing to continue.
    #[error("{} holds no run to continue; leave --resume away to start one", .0.display())]
    NoRun(PathBuf),
    /// A saved state that does not belong to this run or is damaged.
    #[error("{}: {reason}", path.display())]
    State {
        /// The state file.
        path: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// The loss or a gradient is not a number any more.
    #[error(
        "the {what} of step {step} is not finite: the run has diverged; lower `optimiser.learning_rate` and continue from \
         the last checkpoint with --resume"
    )]
    Diverged {
        /// "loss" or "gradient".
        what: &'static str,
        /// Number of the step, from 0.
        step: u64,
    },
    /// The compute or data threads could not be started, or one ended early.
    #[error("cannot run the threads of the training: {0}")]
    Threads(String),
    /// A picture that cannot be read.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// The model refuses.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The generator refuses.
    #[error(transparent)]
    Generator(#[from] GeneratorError),
    /// A file that cannot be written or read.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The device that is to compute cannot be had.
    #[error(transparent)]
    Device(#[from] EngineError),
    /// A tensor operation failed.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

impl TrainError {
    /// A state whose run had another `key`.
    pub(super) fn other_run(state: &Path, key: &str) -> Self {
        Self::State {
            path: state.to_owned(),
            reason: format!("the run was started with another {key}; set it back or start a new run"),
        }
    }

    /// Folders without what is needed of them.
    pub(super) fn no_pictures(folders: &[PathBuf], missing: &'static str, remedy: &'static str) -> Self {
        let names: Vec<String> = folders
            .iter()
            .map(|folder| folder.display().to_string())
            .collect();
        Self::NoPictures {
            folders: names.join(", "),
            missing,
            remedy,
        }
    }
}
