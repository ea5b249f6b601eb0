use crate::generator::GeneratorError;
use crate::latent::EditError;
use crate::tokenizer::TokenizerError;

/// What can go wrong in the engine. Every message says what, why and what to do.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The caller asked to stop; nothing came out.
    #[error("cancelled")]
    Cancelled,
    /// Reading a model, or a pass through it.
    #[error(transparent)]
    Tokenizer(TokenizerError),
    /// Reading a generator, or a sampling run.
    #[error(transparent)]
    Generator(GeneratorError),
    /// Work was asked for before a generator was open.
    #[error("no generator is open: open one first (panel Generate)")]
    NoGenerator,
    /// A generator makes tokens that the tokenizer in use does not decode.
    #[error(
        "the generator {generator} makes {shape} and the tokenizer {model} decodes {model_count} x {model_dim} \
         (tokens x values): choose the tokenizer it was trained on (`--model`), or another generator"
    )]
    GeneratorShape {
        /// Name of the generator.
        generator: String,
        /// What it makes, in words.
        shape: String,
        /// Name of the tokenizer.
        model: String,
        /// Rows the tokenizer decodes.
        model_count: usize,
        /// Values in a row it decodes.
        model_dim: usize,
    },
    /// An edit of the list cannot be applied.
    #[error("edit {} of {count} cannot be applied: {source}", .index + 1)]
    Edit {
        /// Place in the edit list, from 0.
        index: usize,
        /// Length of the edit list.
        count: usize,
        /// Why.
        source: EditError,
    },
    /// A device was asked for that this build cannot drive.
    #[error(
        "this build cannot run on {device}: build with `cargo build --release --features {feature}` on a machine \
         that has it, or choose the device `auto` or `cpu`"
    )]
    DeviceNotBuilt {
        /// "CUDA" or "Metal".
        device: &'static str,
        /// The cargo feature that adds it.
        feature: &'static str,
    },
    /// A device was asked for that is built in and does not start here.
    #[error(
        "{device} does not start on this machine ({reason}): check its driver, or choose the device `cpu`"
    )]
    DeviceAbsent {
        /// "CUDA" or "Metal".
        device: &'static str,
        /// What the driver said.
        reason: String,
    },
    /// The operating system refused the CPU threads.
    #[error("cannot start {threads} CPU threads ({reason}): choose fewer with `--threads`")]
    Threads {
        /// Threads asked for.
        threads: usize,
        /// What the system said.
        reason: String,
    },
    /// A picture that is not the square the model reads.
    #[error(
        "the picture is {width}x{height} pixels and the model reads {side}x{side}: fit the picture to the model first"
    )]
    PictureSize {
        /// Columns of the picture.
        width: u32,
        /// Rows of the picture.
        height: u32,
        /// Both sides of what the model reads.
        side: usize,
    },
    /// Tokens of another shape than the model's.
    #[error(
        "the tokens are {count} x {dim} and the model's are {model_count} x {model_dim} (tokens x values): \
         they were made by another model, open that one or encode the picture again"
    )]
    TokenShape {
        /// Rows given.
        count: usize,
        /// Values in a row given.
        dim: usize,
        /// Rows the model decodes.
        model_count: usize,
        /// Values in a row the model decodes.
        model_dim: usize,
    },
    /// The configuration and the weights of a model contradict each other, or a size makes no sense.
    #[error(
        "the model cannot be used: {0}; check its config.json against its weights with `softscope models check`"
    )]
    Model(String),
    /// Work was asked for before a model was open.
    #[error("no model is open: open one first (menu Model, or `--model` on the command line)")]
    NoModel,
    /// A fault inside the program that ended one task.
    #[error("internal error while {doing}: {reason}; what was open is kept, please report this message")]
    Internal {
        /// What was being done, such as "decoding".
        doing: &'static str,
        /// Text of the fault.
        reason: String,
    },
}

impl EngineError {
    /// Whether the GPU's memory was full.
    pub(super) fn is_of_device_memory(&self) -> bool {
        matches!(
            self,
            Self::Tokenizer(TokenizerError::DeviceMemory(_))
                | Self::Generator(GeneratorError::Files(TokenizerError::DeviceMemory(_)))
        )
    }
}

impl From<TokenizerError> for EngineError {
    fn from(error: TokenizerError) -> Self {
        match error {
            TokenizerError::Cancelled => Self::Cancelled,
            other => Self::Tokenizer(other),
        }
    }
}

impl From<GeneratorError> for EngineError {
    fn from(error: GeneratorError) -> Self {
        match error {
            GeneratorError::Cancelled => Self::Cancelled,
            other => Self::Generator(other),
        }
    }
}

impl From<candle_core::Error> for EngineError {
    fn from(error: candle_core::Error) -> Self {
        Self::from(TokenizerError::from(error))
    }
}
