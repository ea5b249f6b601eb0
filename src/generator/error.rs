use crate::tokenizer::TokenizerError;
use crate::tokenizer::source::MayBeCancelled;
use std::path::PathBuf;

/// What can go wrong between a generator's files and its tokens. Messages are shown to a person as they are.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GeneratorError {
    /// The configuration asks for something this network cannot be.
    #[error("{}: {reason}", .path.display())]
    Config {
        /// The configuration file.
        path: PathBuf,
        /// Which key, and what is wrong with it.
        reason: String,
    },
    /// Files that cannot be read, or weights that do not fit their configuration.
    #[error(transparent)]
    Files(TokenizerError),
    /// A sampling run that this generator cannot do.
    #[error("{0}")]
    Sampling(String),
    /// Who asked for the step wants it no more.
    #[error("cancelled")]
    Cancelled,
    /// A tensor operation or the device failed.
    #[error(transparent)]
    Candle(candle_core::Error),
}

impl GeneratorError {
    pub(super) fn sampling(reason: impl Into<String>) -> Self {
        Self::Sampling(reason.into())
    }
}

impl MayBeCancelled for GeneratorError {
    fn is_cancelled(&self) -> bool {
        matches!(self, Self::Cancelled)
    }
}

impl From<candle_core::Error> for GeneratorError {
    fn from(error: candle_core::Error) -> Self {
        Self::from(TokenizerError::from(error))
    }
}

impl From<TokenizerError> for GeneratorError {
    fn from(error: TokenizerError) -> Self {
        match error {
            TokenizerError::Cancelled => Self::Cancelled,
            TokenizerError::Candle(error) => Self::Candle(error),
            other => Self::Files(other),
        }
    }
}
