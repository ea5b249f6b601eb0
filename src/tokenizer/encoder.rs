//! Picture to latent tokens: patches and learned tokens through a ViT (SoftVQ-VAE, section 3.1).

use super::by_hand::WeightGradients;
use super::layers::{After, Builder, Linear, RowChange};
use super::rotary::{Grid, Rotary};
use super::stage::VitStages;
use super::vit::{NormKind, Vit};
use super::{Math, ModelArgs, PassHook, Stage, TokenizerError};
use candle_core::Tensor;

#[derive(Debug, Clone)]
pub(super) struct Encoder {
    patch_embed: Linear,
    class_token: Tensor,
    /// [1, 1+N, D]; its first row belongs to the class token.
    positions: Tensor,
    latent_tokens: Tensor,
    latent_positions: Tensor,
    vit: Vit,
    /// To the tokens' channels.
    quant_conv: Linear,
    patch_size: usize,
}

impl Encoder {
    /// See [`Vit::train`].
    pub(super) fn train(&mut self, gradients: &WeightGradients) {
        self.vit.train(gradients);
    }

    pub(super) fn load(builder: &mut Builder<'_>, args: &ModelArgs) -> Result<Self, TokenizerError> {
        let size = args.encoder_size().map_err(TokenizerError::Input)?;
        let side = args.image_size / args.enc_patch_size;
        let grid = Grid {
            start: 1,
            side,
            after: args.num_latent_tokens,
        };
        let rotary = if args.use_rope {
            Some(Rotary::load(builder, "encoder.freqs", size, grid)?)
        } else {
            None
        };
        Ok(Self {
            patch_embed: builder.linear("encoder.model.patch_embed.proj", RowChange::None)?,
            class_token: builder.tensor("encoder.model.cls_token")?,
            positions: builder.tensor("encoder.model.pos_embed")?,
            latent_tokens: builder.tensor("encoder.latent_tokens")?,
            latent_positions: builder.tensor("encoder.latent_pos_embed")?,
            vit: Vit::load(builder, "encoder.model", size, NormKind::Affine, rotary)?,
            quant_conv: builder.linear("quant_conv", RowChange::None)?,
            patch_size: args.enc_patch_size,
        })
    }

    /// `x` [B, 3, H, W] to `h` [B, L, C], of a KL model [B, L, 2C].
    pub(super) fn forward(
        &self,
        x: &Tensor,
        math: Math,
        hook: &mut dyn PassHook,
    ) -> Result<Tensor, TokenizerError> {
        let patches = self
            .patch_embed
            .forward(&patches(x, self.patch_size)?, math, After::Nothing)?;
        hook.after(Stage::EncoderPatchEmbed, &patches)?;
        let (batch, patch_count, width) = patches.dims3()?;
        let latent_count = self.latent_tokens.dim(1)?;
        let class = (&self.class_token + self.positions.narrow(1, 0, 1)?)?;
        let latents = (&self.latent_tokens + &self.latent_positions)?;
        let sequence = Tensor::cat(
            &[
                class.broadcast_as((batch, 1, width))?,
                patches.broadcast_add(&self.positions.narrow(1, 1, patch_count)?)?,
                latents.broadcast_as((batch, latent_count, width))?,
            ],
            1,
        )?;
        hook.after(Stage::EncoderSequence, &sequence)?;
        let kept = 1 + patch_count..1 + patch_count + latent_count;
        if let Some(latents) = self.vit.forward_in_one(&sequence, math, kept.clone())? {
            return self.quant_conv.forward(&latents, math, After::Nothing);
        }
        let latents = self
            .vit
            .forward(sequence, None, math, kept, VitStages::Encoder(hook))?;
        hook.after(Stage::EncoderTokens, &latents)?;
        self.quant_conv.forward(&latents, math, After::Nothing)
    }
}

/// [B, 3, H, W] to [B, N, 3 p p], each vector ordered (channel, row, column) as a convolution's kernel is.
/// A product of these is faster on the CPU than candle's convolution.
pub(super) fn patches(x: &Tensor, patch: usize) -> Result<Tensor, TokenizerError> {
    let (batch, channels, height, width) = x.dims4()?;
    let (rows, columns) = (height / patch, width / patch);
    let patches = x
        .reshape((batch, channels, rows, patch, columns, patch))?
        .permute((0, 2, 4, 1, 3, 5))?
        .reshape((batch, rows * columns, channels * patch * patch))?;
    Ok(patches)
}
