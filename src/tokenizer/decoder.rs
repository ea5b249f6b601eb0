//! Latent tokens to picture: mask tokens and projected latents through a ViT, then a pixel head
//! (SoftVQ-VAE, section 3.1).

use super::adaptive::Steering;
use super::by_hand::WeightGradients;
use super::head::PixelHead;
use super::layers::{After, Builder, Linear, RowChange};
use super::rotary::{Grid, Rotary};
use super::stage::VitStages;
use super::vit::{NormKind, Vit};
use super::{Math, ModelArgs, PassHook, Stage, TokenizerError};
use candle_core::Tensor;
use std::sync::{Arc, OnceLock};

#[derive(Debug, Clone)]
pub(super) struct Decoder {
    post_quant_conv: Linear,
    fixed: FixedTokens,
    latent_positions: Tensor,
    norms: NormKind,
    vit: Vit,
    /// `vit` with weights in 8 bits; None within where the processor has no products of them.
    preview: Arc<OnceLock<Option<Vit>>>,
    head: PixelHead,
    /// Image tokens (N).
    patch_count: usize,
}

/// The part of the decoder's sequence that is the same for every picture: class and mask tokens with positions.
#[derive(Debug, Clone)]
enum FixedTokens {
    /// Computed once [1, 1+N, D], or [1, N, D] without a class token.
    Ready(Tensor),
    /// Computed at each pass, so that gradients reach its parts.
    Parts {
        class_token: Option<Tensor>,
        mask_token: Tensor,
        /// None with rotary positions.
        positions: Option<Tensor>,
        patch_count: usize,
    },
}

impl FixedTokens {
    fn load(builder: &mut Builder<'_>, args: &ModelArgs) -> Result<Self, TokenizerError> {
        let class_token = if args.dec_cls_token {
            Some(builder.tensor("decoder.model.cls_token")?)
        } else {
            None
        };
        let positions = if args.use_rope {
            None
        } else {
            Some(builder.tensor("decoder.model.pos_embed")?)
        };
        let mask_token = builder.tensor("decoder.mask_token")?;
        let parts = Self::Parts {
            class_token,
            mask_token,
            positions,
            patch_count: args.decoder_patches(),
        };
        Ok(if builder.is_packed() {
            Self::Ready(parts.tokens()?)
        } else {
            parts
        })
    }

    fn tokens(&self) -> Result<Tensor, TokenizerError> {
        match self {
            Self::Ready(tokens) => Ok(tokens.clone()),
            Self::Parts {
                class_token,
                mask_token,
                positions,
                patch_count,
            } => {
                let masks = mask_token.broadcast_as((1, *patch_count, mask_token.dim(2)?))?;
                let tokens = match class_token {
                    Some(class_token) => Tensor::cat(&[class_token, &masks], 1)?,
                    None => masks,
                };
                Ok(match positions {
                    Some(positions) => (tokens + positions)?,
                    None => tokens,
                })
            }
        }
    }
}

impl Decoder {
    /// See [`Vit::train`].
    pub(super) fn train(&mut self, gradients: &WeightGradients) {
        self.vit.train(gradients);
    }

    pub(super) fn load(builder: &mut Builder<'_>, args: &ModelArgs) -> Result<Self, TokenizerError> {
        let size = args.decoder_size().map_err(TokenizerError::Input)?;
        let grid = Grid {
            start: usize::from(args.dec_cls_token),
            side: args.image_size / args.dec_patch_size,
            after: args.num_latent_tokens,
        };
        let rotary = if args.use_rope {
            Some(Rotary::load(builder, "decoder.freqs", size, grid)?)
        } else {
            None
        };
        let norms = if args.has_adaptive_norm_decoder() {
            NormKind::Adaptive
        } else {
            NormKind::Affine
        };
        Ok(Self {
            post_quant_conv: builder.linear("post_quant_conv", RowChange::None)?,
            fixed: FixedTokens::load(builder, args)?,
            latent_positions: builder.tensor("decoder.latent_pos_embed")?,
            norms,
            vit: Vit::load(builder, "decoder.model", size, norms, rotary)?,
            preview: Arc::default(),
            head: PixelHead::load(builder, args)?,
            patch_count: args.decoder_patches(),
        })
    }

    /// Whether [`Self::preview`] has been or can be made ready.
    pub(super) fn has_preview(&self) -> bool {
        self.preview().is_some()
    }

    /// The transformer in 8 bits, made when it is first asked for.
    fn preview(&self) -> Option<&Vit> {
        self.preview.get_or_init(|| self.vit.quantised()).as_ref()
    }

    /// As [`Self::forward`], with weights in 8 bits where there is a transformer of such.
    pub(super) fn forward_preview(
        &self,
        z: &Tensor,
        hook: &mut dyn PassHook,
    ) -> Result<Tensor, TokenizerError> {
        let vit = self.preview().unwrap_or(&self.vit);
        self.forward_through(vit, z, Math::Fused, hook)
    }

    /// `z` [B, L, C] to [B, 3, H, W].
    pub(super) fn forward(
        &self,
        z: &Tensor,
        math: Math,
        hook: &mut dyn PassHook,
    ) -> Result<Tensor, TokenizerError> {
        self.forward_through(&self.vit, z, math, hook)
    }

    fn forward_through(
        &self,
        vit: &Vit,
        z: &Tensor,
        math: Math,
        hook: &mut dyn PassHook,
    ) -> Result<Tensor, TokenizerError> {
        let latents = self.post_quant_conv.forward(z, math, After::Nothing)?;
        hook.after(Stage::DecoderPostQuant, &latents)?;
        let fixed = self.fixed.tokens()?;
        let (_, fixed_count, width) = fixed.dims3()?;
        let fixed = fixed.broadcast_as((z.dim(0)?, fixed_count, width))?;
        let sequence = Tensor::cat(&[fixed, latents.broadcast_add(&self.latent_positions)?], 1)?;
        hook.after(Stage::DecoderSequence, &sequence)?;
        let kept = fixed_count - self.patch_count..fixed_count;
        if let Some(image_tokens) = vit.forward_in_one(&sequence, math, kept.clone())? {
            return self.head.forward(&image_tokens, math);
        }
        let steering = match self.norms {
            NormKind::Affine => None,
            NormKind::Adaptive => Some(Steering::new(z)?),
        };
        let stages = VitStages::Decoder(hook);
        let image_tokens = vit.forward(sequence, steering.as_ref(), math, kept, stages)?;
        hook.after(Stage::DecoderImageTokens, &image_tokens)?;
        self.head.forward(&image_tokens, math)
    }
}
