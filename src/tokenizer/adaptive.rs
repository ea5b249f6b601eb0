//! Norms of the adaptive kind ("movq"): nothing learned for each channel; the raw latents shift and scale their own
//! tokens, all others are only normalised.

use super::layers::{After, Builder, LayerNorm, Linear, RowChange};
use super::{Math, TokenizerError};
use candle_core::{D, Tensor};

/// Latents [B, L, C] as the modulations read them: after SiLU, before `post_quant_conv`.
#[derive(Debug, Clone)]
pub(super) struct Steering(Tensor);

impl Steering {
    /// `z` [B, L, C].
    pub(super) fn new(z: &Tensor) -> Result<Self, TokenizerError> {
        Ok(Self(z.silu()?))
    }
}

#[derive(Debug, Clone)]
pub(super) struct AdaptiveNorm {
    norm: LayerNorm,
    /// From C channels to shift and scale `[2D]`.
    modulation: Linear,
}

impl AdaptiveNorm {
    /// The two norms of a block, whose modulations the state dict keeps as one layer [4D, C]: that of the attention,
    /// then that of the MLP.
    pub(super) fn load_pair(
        builder: &mut Builder<'_>,
        block: &str,
        width: usize,
    ) -> Result<(Self, Self), TokenizerError> {
        let norm = builder.plain_norm(width)?;
        let (attention, mlp) = modulation(builder, block)?.split(2 * width)?;
        let with = |modulation| Self {
            norm: norm.clone(),
            modulation,
        };
        Ok((with(attention), with(mlp)))
    }

    /// The norm after the last block, with a layer [2D, C].
    pub(super) fn load(
        builder: &mut Builder<'_>,
        prefix: &str,
        width: usize,
    ) -> Result<Self, TokenizerError> {
        Ok(Self {
            norm: builder.plain_norm(width)?,
            modulation: modulation(builder, prefix)?,
        })
    }

    /// `x` [B, T, D]; its last L tokens are the latents that steer. Without steering all tokens are only normalised.
    pub(super) fn forward(
        &self,
        x: &Tensor,
        steering: Option<&Steering>,
        math: Math,
    ) -> Result<Tensor, TokenizerError> {
        let normalised = self.norm.forward(x, math)?;
        let Some(steering) = steering else {
            return Ok(normalised);
        };
        let modulation = self.modulation.forward(&steering.0, math, After::Nothing)?;
        let (length, width) = (normalised.dim(1)?, normalised.dim(2)?);
        let latent_count = modulation.dim(1)?;
        let others = length.saturating_sub(latent_count);
        let shift = modulation.narrow(D::Minus1, 0, width)?;
        // The reference multiplies by the scale itself, not by one more.
        let scale = modulation.narrow(D::Minus1, width, width)?;
        let latents = ((normalised.narrow(1, others, latent_count)? * scale)? + shift)?;
        Ok(Tensor::cat(&[&normalised.narrow(1, 0, others)?, &latents], 1)?)
    }
}

/// The linear layer behind a SiLU in the reference's `adaLN_modulation`.
fn modulation(builder: &mut Builder<'_>, prefix: &str) -> Result<Linear, TokenizerError> {
    builder.linear(&format!("{prefix}.adaLN_modulation.1"), RowChange::None)
}
