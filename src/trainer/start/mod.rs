//! Weights to start from.

mod cosines;
mod fit;
mod layout;
mod linear;
mod near;
mod noise;

pub(super) use layout::linear_fits;
pub(super) use noise::Noise;

use super::networks::NetworkWeights;
use super::{StartKind, TrainConfig, TrainError};
use crate::picture::Planar;
use crate::tokenizer::{TokenizerError, parameter_shapes};
use candle_core::{Device, Tensor, Var};
use cosines::PatchCosines;
use std::collections::BTreeMap;
use std::path::Path;

/// Shapes by state-dict key.
type Shapes = BTreeMap<String, Vec<usize>>;
/// Tensors by state-dict key, f32 on the CPU.
type Weights = BTreeMap<String, Tensor>;

/// The first weights of a run by key, sorted, fitted to `pictures` of the model's size.
///
/// # Errors
/// A configuration of which no model can be built.
pub(super) fn first_weights(
    config: &TrainConfig,
    pictures: &[Planar],
) -> Result<BTreeMap<String, Var>, TrainError> {
    let args = config.model.args();
    let shapes = parameter_shapes(&args, config.model.class.into()).map_err(TokenizerError::Input)?;
    if let Some(path) = &config.start.from {
        return weights_of(path, &shapes);
    }
    let cosines = PatchCosines::measure(pictures, config.model.patch_size);
    let is_linear = match config.start.kind {
        StartKind::Near => false,
        StartKind::Linear => true,
        StartKind::Auto => linear_fits(&config.model).is_ok(),
    };
    let weights = near::weights(config, &args, &shapes, &cosines)?;
    let weights = if is_linear {
        linear::weights(config, weights, pictures, &cosines)?
    } else {
        weights
    };
    weights
        .into_iter()
        .map(|(key, tensor)| Ok((key, Var::from_tensor(&tensor)?)))
        .collect()
}

/// The weights of a model of the same sizes.
fn weights_of(path: &Path, shapes: &Shapes) -> Result<BTreeMap<String, Var>, TrainError> {
    let mut file = NetworkWeights::read(path)?;
    shapes
        .iter()
        .map(|(key, shape)| {
            let values = file.take_shaped(key, shape)?;
            let tensor = Tensor::from_vec(values, shape.as_slice(), &Device::Cpu)?;
            Ok((key.clone(), Var::from_tensor(&tensor)?))
        })
        .collect()
}

/// Rows and columns of a grid of `count` cells, as square as their number allows.
fn cells(count: usize) -> (usize, usize) {
    let columns = (1..=count.isqrt())
        .rev()
        .find(|columns| count.is_multiple_of(*columns))
        .unwrap_or(1);
    (count / columns, columns)
}
