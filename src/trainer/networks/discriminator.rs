//! A discriminator: heads that learn, on the read-outs of a network that does not.

use super::heads::{HeadTensor, Heads, Norms, Start, Statistics, as_sequence, head_tensors, unit_values};
use super::resize::{Resample, resize};
use super::weights::NetworkWeights;
use super::{AnyNetwork, normalise, taps};
use crate::tokenizer::picture_vit::PictureVit;
use crate::tokenizer::{Math, TokenizerError};
use crate::trainer::start::Noise;
use crate::trainer::{AdversarialConfig, TrainError};
use candle_core::{Device, Tensor, Var};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Blocks of a ViT after which it is read out, beside what enters block 0.
const READ_BLOCKS: [usize; 4] = [2, 5, 8, 11];

/// What a ViT is shown of a picture that is larger than its own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sight {
    /// All of it, shrunk.
    Whole,
    /// A crop that begins at these shares of what is left beside it, down and across.
    Crop(f64, f64),
}

/// The discriminator. A clone shares its parameters and has buffers of its own.
#[derive(Debug, Clone)]
pub struct Discriminator {
    backbone: Arc<AnyNetwork>,
    heads: Heads,
    parameters: BTreeMap<String, Var>,
}

impl Discriminator {
    /// Reads the network; its file may hold heads too (`heads.0.0.0.weight_orig`, ...), which are then started from.
    ///
    /// # Errors
    /// A file that cannot be read, or holds another network.
    pub fn read(config: &AdversarialConfig, seed: u64) -> Result<Self, TrainError> {
        let path = config.network.clone().unwrap_or_default();
        let mut backbone = AnyNetwork::read(&path, &config.stages, config.heads)?;
        if let AnyNetwork::Vit(vit) = &mut backbone {
            // The reference's discriminator, and none of its other ViTs.
            vit.approximate_gelu();
        }
        let mut stored = NetworkWeights::read(&path)?;
        let mut tensors = HashMap::new();
        let mut parameters = BTreeMap::new();
        for tensor in head_tensors(&channels(&backbone)) {
            let values = if stored.has(&tensor.key) {
                let values = stored.take_shaped(&tensor.key, &tensor.shape)?;
                Tensor::from_vec(values, tensor.shape.as_slice(), &Device::Cpu)?
            } else {
                first_values(&tensor, seed)?
            };
            if tensor.is_parameter {
                let var = Var::from_tensor(&values)?;
                tensors.insert(tensor.key.clone(), var.as_tensor().clone());
                parameters.insert(tensor.key, var);
            } else {
                tensors.insert(tensor.key, values);
            }
        }
        let count = channels(&backbone).len();
        Ok(Self {
            backbone: Arc::new(backbone),
            heads: Heads::from_tensors(&tensors, count)?,
            parameters,
        })
    }

    /// Takes parameters and buffers of a saved run; those that it lacks stay.
    pub(in crate::trainer) fn restore(
        &mut self,
        parameters: BTreeMap<String, Var>,
        buffers: &HashMap<String, Tensor>,
    ) -> Result<(), TrainError> {
        self.parameters.extend(parameters);
        let mut tensors: HashMap<String, Tensor> = self.heads.buffers().into_iter().collect();
        for (key, tensor) in &mut tensors {
            *tensor = buffers.get(key).unwrap_or(tensor).flatten_all()?;
        }
        for (key, var) in &self.parameters {
            tensors.insert(key.clone(), var.as_tensor().clone());
        }
        self.heads = Heads::from_tensors(&tensors, channels(&self.backbone).len())?;
        Ok(())
    }

    /// What learns by gradients, by key.
    pub fn parameters(&self) -> &BTreeMap<String, Var> {
        &self.parameters
    }

    /// What changes without gradients, by key: singular vectors and running statistics, `[n]` or [n, 1] each.
    pub fn buffers(&self) -> Vec<(String, Tensor)> {
        self.heads.buffers()
    }

    /// The same discriminator, its parameters closed to gradients.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self {
            heads: self.heads.detached(),
            ..self.clone()
        }
    }

    /// One step of the power iteration behind the spectral norms; the reference makes one before each training pass.
    ///
    /// # Errors
    /// A failing tensor operation.
    pub fn advance(&mut self) -> Result<(), TrainError> {
        Ok(self.heads.advance()?)
    }

    /// Takes the statistics of a training pass into the running ones.
    ///
    /// # Errors
    /// A failing tensor operation.
    pub fn track(&mut self, statistics: &Statistics) -> Result<(), TrainError> {
        Ok(self.heads.track(statistics)?)
    }

    /// Features of pictures `x` [B, 3, H, W], values of -1..1: [B, L, C] for each head.
    ///
    /// # Errors
    /// Another shape, a failing tensor operation.
    pub fn readouts(&self, x: &Tensor, sight: Sight) -> Result<Vec<Tensor>, TokenizerError> {
        match &*self.backbone {
            AnyNetwork::Convolutional(network) => {
                let maps = taps(&network.chain, x)?;
                Ok(maps.iter().map(as_sequence).collect::<candle_core::Result<_>>()?)
            }
            AnyNetwork::Vit(vit) => vit_readouts(vit, x, sight),
        }
    }

    /// Logits [B, sum of L] of pictures, high for real ones; gradients reach pictures and parameters.
    ///
    /// # Errors
    /// Another shape, a failing tensor operation.
    pub fn logits(
        &self,
        x: &Tensor,
        sight: Sight,
        norms: Norms,
    ) -> Result<(Tensor, Statistics), TokenizerError> {
        Ok(self.heads.logits(&self.readouts(x, sight)?, norms)?)
    }
}

/// Channels of each read-out.
fn channels(backbone: &AnyNetwork) -> Vec<usize> {
    match backbone {
        AnyNetwork::Convolutional(network) => {
            let sizes = network.chain.tap_sizes(1, 1);
            sizes.into_iter().map(|(_, _, channels)| channels).collect()
        }
        AnyNetwork::Vit(vit) => vec![vit.width(); READ_BLOCKS.len() + 1],
    }
}

fn first_values(tensor: &HeadTensor, seed: u64) -> candle_core::Result<Tensor> {
    let count: usize = tensor.shape.iter().product();
    let mut noise = Noise::of_key(seed, &tensor.key);
    let values = match tensor.start {
        Start::Constant(value) => Tensor::from_vec(vec![value; count], count, &Device::Cpu)?,
        Start::Normal(deviation) => Tensor::from_vec(noise.normal(count, deviation), count, &Device::Cpu)?,
        Start::Unit => unit_values(noise.normal(count, 1.0))?,
    };
    values.reshape(tensor.shape.as_slice())
}

/// Patches plus the class token, before block 0 and after some blocks.
fn vit_readouts(vit: &PictureVit, x: &Tensor, sight: Sight) -> Result<Vec<Tensor>, TokenizerError> {
    let side = vit.image_size();
    let (_, _, height, width) = x.dims4()?;
    let x = match sight {
        Sight::Crop(down, across) if height > side && width > side => {
            let start =
                |share: f64, size: usize| ((share * (size - side + 1) as f64) as usize).min(size - side);
            x.narrow(2, start(down, height), side)?
                .narrow(3, start(across, width), side)?
        }
        _ if height > side => resize(x, side, side, Resample::Area)?,
        _ => resize(x, side, side, Resample::Bicubic)?,
    };
    let readout = |tokens: &Tensor| {
        let patches = tokens.narrow(1, 1, tokens.dim(1)? - 1)?;
        patches.broadcast_add(&tokens.narrow(1, 0, 1)?)
    };
    let mut first = None;
    let mut others = Vec::new();
    vit.forward(
        &normalise(&x)?,
        Math::Differentiable,
        |tokens| {
            first = Some(readout(tokens)?);
            Ok(())
        },
        |index, tokens| {
            if READ_BLOCKS.contains(&index) {
                others.push(readout(tokens)?);
            }
            Ok(())
        },
    )?;
    Ok(first.into_iter().chain(others).collect())
}
