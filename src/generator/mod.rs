//! Class-conditional generators of latent tokens in candle: SiT (arXiv 2401.08740) and the samplers that the published
//! models use. No user interface, no threads.

mod path;
mod sampler;
mod sit;
mod weights;

pub use path::Path;
pub use sampler::{Guidance, SampleStep, Solver, sample};
pub use sit::{Sit, SitArgs};

/// What can go wrong between a generator's files and its tokens.
#[derive(Debug, thiserror::Error)]
pub enum GeneratorError {
    /// The configuration asks for something this network cannot be.
    #[error("generator config: {0}")]
    Config(String),
    /// State-dict entries that are absent.
    #[error("the generator's weights lack {}: use the file that belongs to its config.json", .0.join(", "))]
    MissingKeys(Vec<String>),
    /// A state-dict entry of another shape than the configuration says.
    #[error("generator weight {key} has shape {found:?}, the config asks for {expected:?}")]
    WrongShape {
        /// State-dict key.
        key: String,
        /// Shape that the configuration asks for.
        expected: Vec<usize>,
        /// Shape in the file.
        found: Vec<usize>,
    },
    /// The observer of a sampling run ended it.
    #[error("cancelled")]
    Cancelled,
    /// A tensor operation failed.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}
