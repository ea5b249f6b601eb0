use std::path::{Path, PathBuf};

/// What the drivers say when memory cannot be had: CUDA, its libraries, Metal. candle passes on nothing but their words.
const MEMORY_FAULTS: [&str; 4] = [
    "OUT_OF_MEMORY",
    "out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "Failed to create metal resource",
];

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
    /// The GPU's memory does not hold what was asked for.
    #[error(
        "the memory of the GPU is full ({0}): close other programs and models that use it, take `--precision bf16`, or \
         choose the device `cpu`"
    )]
    DeviceMemory(String),
    /// A tensor operation or the device failed.
    #[error(transparent)]
    Candle(candle_core::Error),
}

impl From<candle_core::Error> for TokenizerError {
    fn from(error: candle_core::Error) -> Self {
        let reason = error.to_string();
        if MEMORY_FAULTS.iter().any(|fault| reason.contains(fault)) {
            Self::DeviceMemory(reason.lines().next().unwrap_or_default().to_owned())
        } else {
            Self::Candle(error)
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_memory_is_told_from_other_faults_of_a_device() {
        let of = |text: &str| TokenizerError::from(candle_core::Error::msg(text.to_owned()));
        let full = of("DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")\n  0: a frame");
        assert!(matches!(full, TokenizerError::DeviceMemory(_)));
        let message = full.to_string();
        assert!(
            message.contains("CUDA_ERROR_OUT_OF_MEMORY")
                && message.contains("`cpu`")
                && !message.contains("frame"),
            "{message}"
        );
        assert!(matches!(of("shape mismatch"), TokenizerError::Candle(_)));
    }
}
