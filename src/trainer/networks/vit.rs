//! ViTs of fixed weights from a file.

use super::resize::{Resample, resize};
use super::weights::{NetworkWeights, Stored};
use crate::tokenizer::picture_vit::PictureVit;
use crate::tokenizer::{Math, TokenizerError};
use crate::trainer::TrainError;
use candle_core::{Device, Tensor};
use std::collections::HashMap;

/// Keys of a ViT begin with one of these.
const PREFIXES: [&str; 5] = ["", "dino_proxy.", "repa_model.", "model.", "encoder.model."];
/// A key that tells such a network.
pub(super) const TELLTALE_KEY: &str = "patch_embed.proj.weight";

/// Means and deviations of ImageNet's colours on values of 0..1.
const MEANS: [f64; 3] = [0.485, 0.456, 0.406];
const DEVIATIONS: [f64; 3] = [0.229, 0.224, 0.225];

pub(super) fn prefix(weights: &NetworkWeights) -> Option<&'static str> {
    PREFIXES
        .into_iter()
        .find(|prefix| weights.has(&format!("{prefix}{TELLTALE_KEY}")))
}

/// `num_heads`: 0 for heads of 64 channels.
pub(super) fn build(
    weights: &mut NetworkWeights,
    prefix: &str,
    num_heads: usize,
) -> Result<PictureVit, TrainError> {
    let keys: Vec<String> = weights.keys().map(str::to_owned).collect();
    let mut tensors = HashMap::new();
    for key in keys {
        if let Some(name) = key.strip_prefix(prefix) {
            let Stored { shape, values } = weights.take(&key)?;
            tensors.insert(name.to_owned(), Tensor::from_vec(values, shape, &Device::Cpu)?);
        }
    }
    PictureVit::from_tensors(tensors, num_heads).map_err(|error| match error {
        TokenizerError::Input(reason) => weights.error(reason),
        other => other.into(),
    })
}

/// Values of -1..1 [B, 3, H, W] with ImageNet's statistics.
pub(in crate::trainer) fn normalise(x: &Tensor) -> candle_core::Result<Tensor> {
    let row = |values: [f64; 3]| {
        Tensor::new(&values.map(|value| value as f32), &Device::Cpu)?.reshape((1, 3, 1, 1))
    };
    let factors = row(DEVIATIONS.map(|deviation| 0.5 / deviation))?;
    let shifts = row([0, 1, 2].map(|channel: usize| (0.5 - MEANS[channel]) / DEVIATIONS[channel]))?;
    x.broadcast_mul(&factors)?.broadcast_add(&shifts)
}

/// The tokens of patches [B, N, D] after the last norm, without gradients, for `x` [B, 3, H, W] of any size.
pub(in crate::trainer) fn patch_features(vit: &PictureVit, x: &Tensor) -> Result<Tensor, TokenizerError> {
    let side = vit.image_size();
    let how = if x.dim(2)? > side {
        Resample::Area
    } else {
        Resample::Bicubic
    };
    let x = resize(&normalise(&x.detach())?, side, side, how)?;
    let tokens = vit.forward(&x, Math::Fused, |_| Ok(()), |_, _| Ok(()))?;
    Ok(tokens.narrow(1, 1, vit.grid_side().pow(2))?)
}
