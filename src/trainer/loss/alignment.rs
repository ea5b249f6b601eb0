//! Tokens that agree with what a given network sees (REPA, arXiv 2410.06940, as SoftVQ-VAE's section 3.3 takes it).

use super::config::{AlignmentConfig, AlignmentMode};
use crate::tokenizer::TokenizerError;
use crate::trainer::networks::{AnyNetwork, Resample, patch_features, pool_sequence, resize, taps};
use crate::trainer::start::Noise;
use crate::trainer::{TrainConfig, TrainError};
use candle_core::{D, Device, Tensor, Var};
use std::collections::{BTreeMap, HashMap};

/// Length below which a vector is not stretched to unit length.
const SHORTEST_LENGTH: f64 = 1e-12;
/// Prefix of the projection's keys.
const PREFIX: &str = "projection.";
/// Layers of the projection in the reference's sequence.
const LAYERS: [usize; 3] = [0, 2, 4];

/// The network that tokens are aligned with, and how.
#[derive(Debug)]
pub struct Alignment {
    teacher: AnyNetwork,
    mode: AlignmentMode,
    /// Patches on a side that a convolutional teacher's map is brought to.
    grid: usize,
}

impl Alignment {
    /// Reads the teacher: a ViT, of which the tokens of patches are taken, or EfficientNet-Lite0, of which one stage is
    /// brought to a grid of `grid` x `grid`.
    ///
    /// # Errors
    /// A file that cannot be read, or holds another network; mode "repeat" with `tokens` that do not divide the patches.
    pub fn read(config: &AlignmentConfig, grid: usize, tokens: usize) -> Result<Self, TrainError> {
        let path = config.network.clone().unwrap_or_default();
        let teacher = AnyNetwork::read(&path, &[config.stage], config.heads)?;
        let grid = match &teacher {
            AnyNetwork::Vit(vit) => vit.grid_side(),
            AnyNetwork::Convolutional(_) => grid,
        };
        let patches = grid * grid;
        if config.mode == AlignmentMode::Repeat && !patches.is_multiple_of(tokens.max(1)) {
            return Err(TrainError::Network {
                path,
                reason: format!(
                    "it sees {patches} patches, which {tokens} tokens do not divide; set `loss.alignment.mode` to \
                     \"global\" or \"avg_1d\""
                ),
            });
        }
        Ok(Self {
            teacher,
            mode: config.mode,
            grid,
        })
    }

    /// Channels of the teacher's features.
    pub fn width(&self) -> usize {
        match &self.teacher {
            AnyNetwork::Vit(vit) => vit.width(),
            AnyNetwork::Convolutional(network) => network
                .chain
                .tap_sizes(1, 1)
                .last()
                .map_or(0, |(_, _, channels)| *channels),
        }
    }

    /// The teacher's features of pictures `x` [B, 3, H, W]: [B, N, D], without gradients.
    fn features(&self, x: &Tensor) -> Result<Tensor, TokenizerError> {
        match &self.teacher {
            AnyNetwork::Vit(vit) => patch_features(vit, x),
            AnyNetwork::Convolutional(network) => {
                let map = taps(&network.chain, &x.detach())?.pop();
                let map = map.ok_or_else(|| TokenizerError::Input("the network has no stage".to_owned()))?;
                let map = map.permute((0, 3, 1, 2))?.contiguous()?;
                let map = resize(&map, self.grid, self.grid, Resample::Area)?;
                Ok(map.flatten_from(2)?.transpose(1, 2)?.contiguous()?)
            }
        }
    }

    /// Minus the mean cosine between projected tokens `z` [B, L, C] and the teacher's features of `x`, which is on the CPU
    /// wherever `z` is. A scalar; gradients reach `z` and the projection.
    ///
    /// # Errors
    /// Other shapes than the projection's, a failing tensor operation.
    pub fn term(&self, z: &Tensor, x: &Tensor, projection: &Projection) -> Result<Tensor, TokenizerError> {
        let features = self.features(x)?.to_device(z.device())?;
        let (batch, length, channels) = z.dims3()?;
        let patches = features.dim(1)?;
        let (tokens, features) = match self.mode {
            AlignmentMode::Global => (z.mean_keepdim(1)?, features.mean_keepdim(1)?),
            AlignmentMode::Avg1d => (z.clone(), pool_sequence(&features, length)?),
            AlignmentMode::Repeat => {
                let times = patches / length.max(1);
                // Cosines of equal tokens differ by the features alone, so tokens are projected once.
                let features = features.reshape((batch * length, times, ()))?;
                let projected = unit(&projection.forward(&z.reshape((batch * length, 1, channels))?)?)?;
                let cosines = projected.broadcast_mul(&unit(&features)?)?.sum(D::Minus1)?;
                return Ok(cosines.mean_all()?.neg()?);
            }
        };
        let cosines = (unit(&projection.forward(&tokens)?)? * unit(&features)?)?.sum(D::Minus1)?;
        Ok(cosines.mean_all()?.neg()?)
    }

    /// First weights of the projection, by key.
    pub(in crate::trainer) fn first_projection(
        &self,
        config: &TrainConfig,
    ) -> Result<BTreeMap<String, Var>, TrainError> {
        let hidden = config.loss.alignment.hidden;
        let widths = [config.model.channels, hidden, hidden, self.width()];
        let mut weights = BTreeMap::new();
        for (layer, sizes) in LAYERS.into_iter().zip(widths.windows(2)) {
            let &[inputs, outputs] = sizes else { continue };
            let key = format!("{PREFIX}{layer}.weight");
            let deviation = 1.0 / (inputs.max(1) as f64).sqrt();
            let values = Noise::of_key(config.seed, &key).normal(outputs * inputs, deviation);
            let weight = Tensor::from_vec(values, (outputs, inputs), &Device::Cpu)?;
            weights.insert(key, Var::from_tensor(&weight)?);
            let bias = Var::zeros(outputs, candle_core::DType::F32, &Device::Cpu)?;
            weights.insert(format!("{PREFIX}{layer}.bias"), bias);
        }
        Ok(weights)
    }
}

/// Three linear layers with SiLU between them, from tokens to a teacher's features.
#[derive(Debug, Clone)]
pub struct Projection(Vec<(Tensor, Tensor)>);

impl Projection {
    /// Takes `projection.{0,2,4}.{weight,bias}`; None where they are not there.
    pub fn from_tensors(tensors: &HashMap<String, Tensor>) -> Option<Self> {
        let layers = LAYERS.into_iter().map(|layer| {
            let tensor = |name: &str| tensors.get(&format!("{PREFIX}{layer}.{name}")).cloned();
            Some((tensor("weight")?, tensor("bias")?))
        });
        layers.collect::<Option<Vec<_>>>().map(Self)
    }

    /// [A, B, C] to [A, B, D].
    fn forward(&self, tokens: &Tensor) -> Result<Tensor, TokenizerError> {
        let (first, second, channels) = tokens.dims3()?;
        let mut x = tokens.reshape((first * second, channels))?;
        for (index, (weight, bias)) in self.0.iter().enumerate() {
            if index > 0 {
                x = x.silu()?;
            }
            x = x.matmul(&weight.t()?)?.broadcast_add(bias)?;
        }
        Ok(x.reshape((first, second, ()))?)
    }
}

/// Unit length over the last dimension.
fn unit(vectors: &Tensor) -> candle_core::Result<Tensor> {
    let length = vectors.sqr()?.sum_keepdim(D::Minus1)?.sqrt()?;
    vectors.broadcast_div(&length.maximum(SHORTEST_LENGTH)?)
}
