use super::TokenizerError;
use candle_core::{DType, Device, Tensor};
use std::sync::OnceLock;

/// A point of a pass where its hook is called; every output is [B, sequence, D] f32.
///
/// Sequences are [class, patches, latents] in the encoder and [class, mask tokens, latents] in the decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Patches as vectors, before positions are added [B, N, D].
    EncoderPatchEmbed,
    /// What enters the encoder's first block.
    EncoderSequence,
    /// Output of an encoder block.
    EncoderBlock(usize),
    /// Output of the encoder's last norm.
    EncoderNorm,
    /// The latent tokens after the norm [B, L, D], which `quant_conv` reads.
    EncoderTokens,
    /// `post_quant_conv` of the tokens [B, L, D].
    DecoderPostQuant,
    /// What enters the decoder's first block.
    DecoderSequence,
    /// Output of a decoder block.
    DecoderBlock(usize),
    /// Output of the decoder's last norm.
    DecoderNorm,
    /// What enters the pixel head [B, N, D].
    DecoderImageTokens,
}

/// Sees the output of every stage of a pass; an error ends the pass there
/// ([`TokenizerError::Cancelled`] is how a pass is cancelled between blocks).
pub trait PassHook {
    /// Whether [`Self::after`] reads outputs. Where it does not, it may get an empty tensor, and a pass leaves out what
    /// nobody reads.
    fn reads_outputs(&self) -> bool {
        true
    }

    /// Called once for each stage, in order.
    ///
    /// # Errors
    /// Whatever ends the pass.
    fn after(&mut self, stage: Stage, output: &Tensor) -> Result<(), TokenizerError>;
}

/// Who is told where a ViT's pass is.
pub(super) enum VitStages<'a> {
    Encoder(&'a mut dyn PassHook),
    Decoder(&'a mut dyn PassHook),
    /// Sees every block's output.
    Blocks(&'a mut AfterBlock<'a>),
}

type AfterBlock<'a> = dyn FnMut(usize, &Tensor) -> Result<(), TokenizerError> + 'a;

impl VitStages<'_> {
    pub(super) fn reads_outputs(&self) -> bool {
        match self {
            Self::Encoder(hook) | Self::Decoder(hook) => hook.reads_outputs(),
            Self::Blocks(_) => true,
        }
    }

    /// `output` is only made where it is read.
    pub(super) fn after_block(
        &mut self,
        index: usize,
        output: impl FnOnce() -> Result<Tensor, TokenizerError>,
    ) -> Result<(), TokenizerError> {
        let output = self.output(output)?;
        match self {
            Self::Encoder(hook) => hook.after(Stage::EncoderBlock(index), &output),
            Self::Decoder(hook) => hook.after(Stage::DecoderBlock(index), &output),
            Self::Blocks(after_block) => after_block(index, &output),
        }
    }

    /// As [`Self::after_block`].
    pub(super) fn after_norm(
        &mut self,
        output: impl FnOnce() -> Result<Tensor, TokenizerError>,
    ) -> Result<(), TokenizerError> {
        let output = self.output(output)?;
        match self {
            Self::Encoder(hook) => hook.after(Stage::EncoderNorm, &output),
            Self::Decoder(hook) => hook.after(Stage::DecoderNorm, &output),
            Self::Blocks(_) => Ok(()),
        }
    }

    fn output(
        &self,
        output: impl FnOnce() -> Result<Tensor, TokenizerError>,
    ) -> Result<Tensor, TokenizerError> {
        if self.reads_outputs() {
            return output();
        }
        nothing()
    }
}

/// An empty tensor, the same every time: a pass allocates nothing for those who read nothing.
fn nothing() -> Result<Tensor, TokenizerError> {
    static NOTHING: OnceLock<Tensor> = OnceLock::new();
    if let Some(nothing) = NOTHING.get() {
        return Ok(nothing.clone());
    }
    let made = Tensor::zeros(0, DType::F32, &Device::Cpu)?;
    Ok(NOTHING.get_or_init(|| made).clone())
}

/// Lets a pass run through.
#[derive(Debug, Clone, Copy)]
pub struct NoHook;

impl PassHook for NoHook {
    fn reads_outputs(&self) -> bool {
        false
    }

    fn after(&mut self, _stage: Stage, _output: &Tensor) -> Result<(), TokenizerError> {
        Ok(())
    }
}
