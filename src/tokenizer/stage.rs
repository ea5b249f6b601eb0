use super::TokenizerError;
use candle_core::Tensor;

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
    /// Called once for each stage, in order.
    ///
    /// # Errors
    /// Whatever ends the pass.
    fn after(&mut self, stage: Stage, output: &Tensor) -> Result<(), TokenizerError>;
}

/// Lets a pass run through.
#[derive(Debug, Clone, Copy)]
pub struct NoHook;

impl PassHook for NoHook {
    fn after(&mut self, _stage: Stage, _output: &Tensor) -> Result<(), TokenizerError> {
        Ok(())
    }
}
