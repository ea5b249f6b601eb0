use std::path::{Path, PathBuf};

/// What can go wrong between a model's files and its outputs.
///
/// Messages name the file and the key and say what to do; they are shown to a person as they are.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenizerError {
    /// The hook or the progress callback asked to stop.
    #[error("cancelled")]
    Cancelled,
    /// Nothing that could be a model lies at this path.
    #[error("{path}: {reason}", path = .path.display())]
    NotAModel {
        /// Where a model was looked for.
        path: PathBuf,
        /// What was expected there.
        reason: String,
    },
    /// The system refused a read.
    #[error("cannot read {path}: {source}", path = .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// `config.json` is not what the reference writes.
    #[error("{path}: {reason}", path = .path.display())]
    Config {
        /// The configuration file.
        path: PathBuf,
        /// Which key, and what is wrong with it.
        reason: String,
    },
    /// The checkpoint's container is damaged or of an unknown form.
    #[error("{path}: {reason}", path = .path.display())]
    Checkpoint {
        /// The checkpoint file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// The checkpoint does not fit its configuration; every key concerned is listed.
    #[error("{path} does not fit its configuration:{problems}\nUse the config.json that belongs to this checkpoint", path = .path.display())]
    Keys {
        /// The checkpoint file.
        path: PathBuf,
        /// One line per key, each after a line break.
        problems: String,
    },
    /// The model uses parts of the reference that Softscope does not run.
    #[error("{path}: this model cannot be run: {features}", path = .path.display())]
    Unsupported {
        /// The file that shows it.
        path: PathBuf,
        /// The features, separated by `; `.
        features: String,
    },
    /// A weight is NaN or infinite.
    #[error(
        "{path}: `{key}` holds a value that is not finite (element {index}); the checkpoint is damaged or its training diverged",
        path = .path.display()
    )]
    NotFinite {
        /// The checkpoint file.
        path: PathBuf,
        /// The state-dict key.
        key: String,
        /// Row-major position of the first such value.
        index: usize,
    },
    /// A tensor handed to the model does not fit it.
    #[error("{0}")]
    Input(String),
    /// A tensor operation or the device failed.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

impl TokenizerError {
    pub(super) fn read(path: &Path, source: std::io::Error) -> Self {
        Self::Read {
            path: path.to_owned(),
            source,
        }
    }

    pub(super) fn checkpoint(path: &Path, reason: impl Into<String>) -> Self {
        Self::Checkpoint {
            path: path.to_owned(),
            reason: reason.into(),
        }
    }
}
