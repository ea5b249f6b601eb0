//! How far pictures are from each other in the eyes of a network (LPIPS, arXiv 1801.03924, equation 1).

use crate::trainer::TrainError;
use crate::trainer::networks::{ConvolutionalNetwork, Tap};
use crate::trainer::values::{gradient_values, values};
use candle_core::{CpuStorage, CustomOp2, Device, Layout, Result, Shape, Tensor};
use std::path::Path;
use std::sync::{Arc, OnceLock};

/// Added to the length of a place's features before they are divided by it.
const LENGTH_FLOOR: f32 = 1e-10;

/// A network that compares pictures. A clone shares its weights.
#[derive(Debug, Clone)]
pub struct Perceptual(Arc<ConvolutionalNetwork>);

impl Perceptual {
    /// Reads the network: EfficientNet-Lite0, compared after `stages` (1 to 7), or the VGG16 of LPIPS with its channel
    /// weights.
    ///
    /// # Errors
    /// A file that cannot be read, or holds another network.
    pub fn read(path: &Path, stages: &[usize]) -> std::result::Result<Self, TrainError> {
        Ok(Self(Arc::new(ConvolutionalNetwork::read(path, stages)?)))
    }

    /// Of pictures `found` and `wanted` [B, 3, H, W] on values of -1..1: `[B]`, the squared differences of unit-length
    /// features, weighted by channel, summed over channels, averaged over places, summed over taps. Gradients reach
    /// `found` alone.
    ///
    /// # Errors
    /// Other shapes, or tensors that are not f32 on the CPU.
    pub fn distances(&self, found: &Tensor, wanted: &Tensor) -> Result<Tensor> {
        let op = Distances {
            perceptual: self.clone(),
            gradient: OnceLock::new(),
        };
        found.contiguous()?.apply_op2(&wanted.contiguous()?, op)
    }

    /// The maps of every tap for pictures [B, 3, H, W]: [B, C, h, w] each, without gradients.
    ///
    /// # Errors
    /// As [`Self::distances`].
    pub fn features(&self, pictures: &Tensor) -> Result<Vec<Tensor>> {
        let (batch, _, height, width) = pictures.dims4()?;
        let pass = self
            .0
            .chain
            .forward(&gradient_values(pictures)?, (batch, height, width))?;
        pass.taps()
            .map(|tap| {
                let shape = (batch, tap.height, tap.width, tap.channels);
                Tensor::from_slice(tap.values, shape, &Device::Cpu)?
                    .permute((0, 3, 1, 2))?
                    .contiguous()
            })
            .collect()
    }
}

struct Distances {
    perceptual: Perceptual,
    /// Of each picture's own distance, known once the distances are.
    gradient: OnceLock<Vec<f32>>,
}

impl CustomOp2 for Distances {
    fn name(&self) -> &'static str {
        "perceptual-distances"
    }

    fn cpu_fwd(
        &self,
        found: &CpuStorage,
        found_layout: &Layout,
        wanted: &CpuStorage,
        wanted_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let &[batch, _, height, width] = found_layout.dims() else {
            return Err(candle_core::Error::msg("pictures have four axes"));
        };
        let ConvolutionalNetwork {
            chain,
            channel_weights,
        } = &*self.perceptual.0;
        let sizes = (batch, height, width);
        let wanted = chain.forward(values(wanted, wanted_layout)?, sizes)?;
        let found = chain.forward(values(found, found_layout)?, sizes)?;
        let mut distances = vec![0.0_f32; batch];
        let mut pulls = Vec::new();
        for (index, (found, wanted)) in found.taps().zip(wanted.taps()).enumerate() {
            let weights = channel_weights.as_ref().and_then(|weights| weights.get(index));
            pulls.push(add_distances(
                &mut distances,
                found,
                wanted,
                weights.map(Vec::as_slice),
            ));
        }
        // An operation runs forward once.
        let _ = self.gradient.set(chain.back(&found, pulls)?);
        Ok((CpuStorage::F32(distances), Shape::from(batch)))
    }

    fn bwd(
        &self,
        found: &Tensor,
        _wanted: &Tensor,
        _distances: &Tensor,
        pull: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let pulls = gradient_values(pull)?;
        let mut gradient = self.gradient.get().cloned().unwrap_or_default();
        let per_picture = (gradient.len() / pulls.len().max(1)).max(1);
        for (picture, pull) in gradient.chunks_exact_mut(per_picture).zip(pulls) {
            picture.iter_mut().for_each(|value| *value *= pull);
        }
        Ok((
            Some(Tensor::from_vec(gradient, found.shape(), &Device::Cpu)?),
            None,
        ))
    }
}

/// Adds what one tap tells to each picture's distance; gives back the gradient at `found`'s map.
fn add_distances(
    distances: &mut [f32],
    found: Tap<'_>,
    wanted: Tap<'_>,
    weights: Option<&[f32]>,
) -> Vec<f32> {
    let places = found.height * found.width;
    let share = 1.0 / places as f32;
    let mut pull = vec![0.0; found.values.len()];
    let per_picture = (places * found.channels).max(1);
    let pictures = pull
        .chunks_exact_mut(per_picture)
        .zip(found.values.chunks_exact(per_picture))
        .zip(wanted.values.chunks_exact(per_picture));
    for (distance, ((pull, found_map), wanted_map)) in distances.iter_mut().zip(pictures) {
        let rows = pull
            .chunks_exact_mut(found.channels)
            .zip(found_map.chunks_exact(found.channels))
            .zip(wanted_map.chunks_exact(found.channels));
        let sum: f32 = rows
            .map(|((pull, found), wanted)| place_distance(pull, found, wanted, weights, share))
            .sum();
        *distance += sum * share;
    }
    pull
}

/// Of one place; `pull` becomes its gradient times `share`.
fn place_distance(
    pull: &mut [f32],
    found: &[f32],
    wanted: &[f32],
    weights: Option<&[f32]>,
    share: f32,
) -> f32 {
    let length = |values: &[f32]| values.iter().map(|value| value * value).sum::<f32>().sqrt();
    let (found_length, wanted_length) = (length(found), length(wanted));
    let (found_unit, wanted_unit) = (
        1.0 / (found_length + LENGTH_FLOOR),
        1.0 / (wanted_length + LENGTH_FLOOR),
    );
    let (mut distance, mut along) = (0.0, 0.0);
    for (channel, (pull, (found, wanted))) in pull.iter_mut().zip(found.iter().zip(wanted)).enumerate() {
        let weight = weights.map_or(1.0, |weights| weights.get(channel).copied().unwrap_or_default());
        let difference = found * found_unit - wanted * wanted_unit;
        distance += weight * difference * difference;
        *pull = 2.0 * share * weight * difference;
        along += *pull * found;
    }
    // The part along the features changes their length alone.
    let along = if found_length > 0.0 {
        along * found_unit / found_length
    } else {
        0.0
    };
    for (pull, found) in pull.iter_mut().zip(found) {
        *pull = (*pull - along * found) * found_unit;
    }
    distance
}
