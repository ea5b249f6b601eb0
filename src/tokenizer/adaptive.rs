//! Norms of the adaptive kind ("movq"): nothing learned for each channel; the raw latents shift and scale their own
//! tokens, all others are only normalised.

use super::layers::{After, Builder, LayerNorm, Linear};
use super::{Math, TokenizerError};
use candle_core::Tensor;

/// Latents [B, L, C] as the modulations read them: after SiLU, before `post_quant_conv`.
#[derive(Debug, Clone)]
pub(super) struct Steering(Tensor);

impl Steering {
    /// `z` [B, L, C].
    pub(super) fn new(z: &Tensor) -> Result<Self, TokenizerError> {
        Ok(Self(z.silu()?))
    }

    /// [B, L, C].
    pub(super) fn values(&self) -> &Tensor {
        &self.0
    }
}

#[derive(Debug, Clone)]
pub(super) struct AdaptiveNorm {
    norm: LayerNorm,
    /// From C channels to a shift and a scale of each of D.
    shift: Linear,
    scale: Linear,
}

impl AdaptiveNorm {
    /// The two norms of a block, whose modulations the state dict keeps as one layer [4D, C]: that of the attention,
    /// then that of the MLP.
    pub(super) fn load_pair(
        builder: &mut Builder<'_>,
        block: &str,
        width: usize,
    ) -> Result<(Self, Self), TokenizerError> {
        let mut norms = Self::load_all(builder, block, width)?;
        match (norms.pop(), norms.pop()) {
            (Some(mlp), Some(attention)) => Ok((attention, mlp)),
            _ => Err(TokenizerError::Input(format!(
                "the modulation of `{block}` is too small for two norms"
            ))),
        }
    }

    /// The norm after the last block, with a layer [2D, C].
    pub(super) fn load(
        builder: &mut Builder<'_>,
        prefix: &str,
        width: usize,
    ) -> Result<Self, TokenizerError> {
        Self::load_all(builder, prefix, width)?
            .pop()
            .ok_or_else(|| TokenizerError::Input(format!("the modulation of `{prefix}` is too small")))
    }

    /// The norms of a layer behind a SiLU (`adaLN_modulation`): shift and scale of each.
    fn load_all(builder: &mut Builder<'_>, prefix: &str, width: usize) -> Result<Vec<Self>, TokenizerError> {
        let norm = builder.plain_norm(width)?;
        let mut layers = builder
            .stacked_linears(&format!("{prefix}.adaLN_modulation.1"), width)?
            .into_iter();
        let mut norms = Vec::new();
        while let (Some(shift), Some(scale)) = (layers.next(), layers.next()) {
            norms.push(Self {
                norm: norm.clone(),
                shift,
                scale,
            });
        }
        Ok(norms)
    }

    /// The norm itself, and the layers that make shift and scale of the steering latents.
    pub(super) fn parts(&self) -> (&LayerNorm, &Linear, &Linear) {
        (&self.norm, &self.shift, &self.scale)
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
        let (length, latent_count) = (normalised.dim(1)?, steering.0.dim(1)?);
        let others = length.saturating_sub(latent_count);
        let shift = self.shift.forward(&steering.0, math, After::Nothing)?;
        // The reference multiplies by the scale itself, not by one more.
        let scale = self.scale.forward(&steering.0, math, After::Nothing)?;
        let latents = ((normalised.narrow(1, others, latent_count)? * scale)? + shift)?;
        Ok(Tensor::cat(&[&normalised.narrow(1, 0, others)?, &latents], 1)?)
    }
}
