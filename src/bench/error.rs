use crate::engine::EngineError;
use std::path::PathBuf;

/// Why a model was not compared with PyTorch.
#[derive(Debug, thiserror::Error)]
pub enum AgainstError {
    /// Our own side.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// No program of that name, or none that may be run.
    #[error("cannot start {} ({source}): give the path of a Python that has torch with --against", .path.display())]
    Python {
        /// As given.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Its last words.
    #[error("PyTorch's side ended: {0}; --against needs a Python with torch and numpy")]
    Ended(String),
    /// The script builds linear heads and ViTs of known size.
    #[error("PyTorch's side does not build this model: {0}; leave out --against for it")]
    NotInPython(String),
    /// Both sides must be the same model.
    #[error(
        "{stage}: PyTorch's output differs by {difference:.1e} (relative RMS, at most {limit:.0e} is rounding): the \
         two sides are not the same model, so their times say nothing"
    )]
    Differs {
        /// As [`super::ComparedStage::stage`].
        stage: &'static str,
        /// Found.
        difference: f64,
        /// Allowed.
        limit: f64,
    },
    /// Files that carry inputs and outputs between the two.
    #[error("cannot write to the folder for temporary files: {0}; make room there or set TMPDIR")]
    Files(#[source] std::io::Error),
}
