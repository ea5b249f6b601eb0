//! A plain ViT over pictures (timm's, as DINO and DINOv2 are) of fixed weights, whose tokens are features.

use super::encoder::patches;
use super::layers::{After, Builder, Form, Linear, RowChange};
use super::source::GivenSource;
use super::stage::VitStages;
use super::vit::{NormKind, Vit};
use super::{Math, TokenizerError, VitSize};
use candle_core::{DType, Device, Tensor};
use std::collections::HashMap;

/// Under which the blocks' builder looks for keys.
const PREFIX: &str = "vit";
/// Channels of a head in every published size.
const HEAD_WIDTH: usize = 64;

/// The network; gradients can reach pictures.
#[derive(Debug, Clone)]
pub(crate) struct PictureVit {
    patch_embed: Linear,
    class_token: Tensor,
    /// [1, 1+N, D]
    positions: Tensor,
    vit: Vit,
    patch_size: usize,
    width: usize,
}

impl PictureVit {
    /// Builds the network from tensors under timm's keys (`patch_embed.proj.weight`, ...). Blocks without layer-scale are
    /// taken as if it were 1. `num_heads`: 0 for heads of 64 channels.
    ///
    /// # Errors
    /// Missing keys, heads that do not divide the width, positions that are no square.
    pub(crate) fn from_tensors(
        tensors: HashMap<String, Tensor>,
        num_heads: usize,
    ) -> Result<Self, TokenizerError> {
        let kernel = tensors.get("patch_embed.proj.weight").map(Tensor::dims);
        let Some(&[width, 3, patch_size, _]) = kernel else {
            return Err(refused(
                "`patch_embed.proj.weight` is missing or not [D, 3, p, p]",
            ));
        };
        let depth = (0..)
            .take_while(|index| tensors.contains_key(&format!("blocks.{index}.norm1.weight")))
            .count();
        let heads = if num_heads == 0 {
            (width / HEAD_WIDTH).max(1)
        } else {
            num_heads
        };
        if depth == 0 || !width.is_multiple_of(heads) {
            return Err(refused(&format!(
                "it has {depth} blocks of {width} channels, which {heads} heads cannot share"
            )));
        }
        let mut tensors: HashMap<String, Tensor> = tensors
            .into_iter()
            .map(|(key, tensor)| (format!("{PREFIX}.{key}"), tensor))
            .collect();
        for index in 0..depth {
            for scale in ["ls1", "ls2"] {
                let key = format!("{PREFIX}.blocks.{index}.{scale}.gamma");
                let ones = Tensor::ones(width, DType::F32, &Device::Cpu)?;
                tensors.entry(key).or_insert(ones);
            }
        }
        let mut source = GivenSource { tensors };
        let mut builder = Builder {
            source: &mut source,
            device: &Device::Cpu,
            dtype: DType::F32,
            form: Form::AsGiven,
            readers: 1,
        };
        let size = VitSize {
            embed_dim: width,
            depth,
            num_heads: heads,
        };
        let vit = Self {
            patch_embed: builder.linear(&format!("{PREFIX}.patch_embed.proj"), RowChange::None)?,
            class_token: builder.tensor(&format!("{PREFIX}.cls_token"))?,
            positions: builder.tensor(&format!("{PREFIX}.pos_embed"))?,
            vit: Vit::load(&mut builder, PREFIX, size, NormKind::Affine, None)?,
            patch_size,
            width,
        };
        let (_, positions, _) = vit.positions.dims3()?;
        if vit.grid_side().pow(2) + 1 != positions {
            return Err(refused(&format!(
                "`pos_embed` has {positions} rows, which is no square and a class token"
            )));
        }
        Ok(vit)
    }

    /// Lets blocks compute GELU by its tanh approximation.
    pub(crate) fn approximate_gelu(&mut self) {
        self.vit.approximate_gelu();
    }

    /// Patches on a side.
    pub(crate) fn grid_side(&self) -> usize {
        self.positions.dim(1).unwrap_or(1).saturating_sub(1).isqrt()
    }

    /// Pixels on a side.
    pub(crate) fn image_size(&self) -> usize {
        self.grid_side() * self.patch_size
    }

    /// Channels of a token.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// `x` [B, 3, S, S], normalised as the network was trained, to tokens [B, 1+N, D] after the last norm. `before_blocks`
    /// sees the tokens that enter block 0, `after_block` those that leave each.
    pub(crate) fn forward(
        &self,
        x: &Tensor,
        math: Math,
        before_blocks: impl FnOnce(&Tensor) -> Result<(), TokenizerError>,
        mut after_block: impl FnMut(usize, &Tensor) -> Result<(), TokenizerError>,
    ) -> Result<Tensor, TokenizerError> {
        let embedded = self
            .patch_embed
            .forward(&patches(x, self.patch_size)?, math, After::Nothing)?;
        let (batch, _, width) = embedded.dims3()?;
        let class = self.class_token.broadcast_as((batch, 1, width))?;
        let sequence = Tensor::cat(&[&class, &embedded], 1)?.broadcast_add(&self.positions)?;
        before_blocks(&sequence)?;
        let all = 0..sequence.dim(1)?;
        self.vit
            .forward(sequence, None, math, all, VitStages::Blocks(&mut after_block))
    }
}

fn refused(reason: &str) -> TokenizerError {
    TokenizerError::Input(format!("this is not a ViT over pictures: {reason}"))
}
