//! Class-conditional generators of latent tokens in candle: SiT (arXiv 2401.08740) and DiT (arXiv 2212.09748), and the
//! samplers that the published models use. No user interface, no threads but while a model is read.

mod args;
mod blocks;
mod check;
mod cpu_blocks;
mod diffusion;
mod error;
mod loss;
mod network;
mod noise;
mod path;
mod sampler;
mod schema;
mod trained;
mod weights;

pub use args::{GeneratorArgs, GeneratorClass};
pub use check::{GeneratorReport, check, require_loadable};
pub use diffusion::{Diffusion, DiffusionStep, Posterior, TRAINED_STEPS};
pub use error::GeneratorError;
pub use loss::{DiffusionLosses, FlowPoint, TimeDraw, diffusion_losses, flow_losses, noised_latents};
pub use noise::Noise;
pub use path::Path;
pub use sampler::{Guidance, Original, Sampler, Settings, Solver, Start};
pub use trained::{TrainableGenerator, generator_shapes};

use crate::tokenizer::ModelFiles;
use crate::tokenizer::checkpoint::{Checkpoint, Entry, Reading};
use crate::tokenizer::source::{FileSource, GivenSource, reader_count};
use candle_core::{DType, Device, Result as CandleResult, Tensor};
use check::Plan;
use network::{Network, Pass};
use std::collections::HashMap;
use weights::Weights;

/// A loaded generator.
#[derive(Debug)]
pub struct Generator {
    args: GeneratorArgs,
    class: GeneratorClass,
    network: Network,
    device: Device,
    hash: String,
    parameter_count: usize,
}

impl Generator {
    /// Reads a generator; its class is told from configuration and state dict. `progress` is told bytes read and bytes
    /// in all, and returns false to cancel.
    ///
    /// `dtype` is that of the matrices (f32, f16 or bf16). Several threads read, each a tensor or less at a time, so the
    /// peak is little over the weights' size.
    ///
    /// # Errors
    /// Unreadable or damaged files, a configuration that makes no network, one error with every missing and wrongly
    /// shaped key, weights that are not finite, [`GeneratorError::Cancelled`].
    pub fn load(
        files: &ModelFiles,
        device: &Device,
        dtype: DType,
        progress: &mut (dyn FnMut(u64, u64) -> bool + Send),
    ) -> Result<Self, GeneratorError> {
        Self::load_by(reader_count(device, dtype), files, device, dtype, progress)
    }

    /// As [`Self::load`], by so many threads.
    fn load_by(
        readers: usize,
        files: &ModelFiles,
        device: &Device,
        dtype: DType,
        progress: &mut (dyn FnMut(u64, u64) -> bool + Send),
    ) -> Result<Self, GeneratorError> {
        let args = GeneratorArgs::read(&files.config)?;
        let checkpoint = Checkpoint::open(&files.weights)?;
        let plan = Plan::new(&args, checkpoint.entries());
        plan.require_loadable(&files.weights)?;
        let total_bytes = plan.used(checkpoint.entries()).map(Entry::stored_bytes).sum();
        let reading = Reading::new(total_bytes, progress);
        let mut weights = Weights {
            source: &mut FileSource::new(&checkpoint, &reading),
            device,
            dtype,
            readers,
        };
        let mut generator = Self::build(args, &plan, &mut weights)?;
        generator.hash = reading.finish();
        Ok(generator)
    }

    /// Builds a generator from tensors by state-dict key, for tests. It has no hash.
    ///
    /// # Errors
    /// As [`Self::load`], for configuration, keys and shapes.
    pub fn from_tensors(
        args: GeneratorArgs,
        tensors: &HashMap<String, Tensor>,
        device: &Device,
    ) -> Result<Self, GeneratorError> {
        args.check().map_err(|reason| GeneratorError::Config {
            path: "the given configuration".into(),
            reason,
        })?;
        let entries = tensors
            .iter()
            .map(|(key, tensor)| (key.clone(), Entry::of_tensor(tensor)))
            .collect();
        let plan = Plan::new(&args, &entries);
        plan.require_loadable(std::path::Path::new("the given tensors"))?;
        let mut weights = Weights {
            source: &mut GivenSource {
                tensors: tensors.clone(),
            },
            device,
            dtype: DType::F32,
            readers: 1,
        };
        Self::build(args, &plan, &mut weights)
    }

    fn build(args: GeneratorArgs, plan: &Plan, weights: &mut Weights<'_>) -> Result<Self, GeneratorError> {
        Ok(Self {
            network: Network::load(args.clone(), plan.class, weights)?,
            class: plan.class,
            device: weights.device.clone(),
            hash: String::new(),
            parameter_count: plan
                .keys
                .values()
                .map(|shape| shape.iter().product::<usize>())
                .sum(),
            args,
        })
    }

    /// The configuration.
    pub fn args(&self) -> &GeneratorArgs {
        &self.args
    }

    /// SiT or DiT.
    pub fn class(&self) -> GeneratorClass {
        self.class
    }

    /// XXH3 (first 16 hex digits of 128 bits) over the state dict, as [`crate::tokenizer::Tokenizer::hash`] takes it.
    /// Empty for a generator that was not read from a file.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Number of parameters in use.
    pub fn parameter_count(&self) -> usize {
        self.parameter_count
    }

    /// What the network predicts at latents `x` ([`GeneratorArgs::latent_shape`], f32), times `t` `[B]` f32 (SiT: 0..1,
    /// DiT: 0..999) and labels `[B]` u32. SiT: velocity, the shape of `x`. DiT: noise, then the variance's place between
    /// its bounds, [B, L, 2 D].
    ///
    /// # Errors
    /// Tensors of other shapes, a failing device.
    pub fn forward(&self, x: &Tensor, t: &Tensor, labels: &Tensor) -> Result<Tensor, GeneratorError> {
        let mut pass = self.begin(x, t, labels)?;
        self.network
            .advance(&mut pass, &mut || true)?
            .ok_or(GeneratorError::Cancelled)
    }

    fn begin(&self, x: &Tensor, t: &Tensor, labels: &Tensor) -> CandleResult<Pass> {
        let place = |tensor: &Tensor| tensor.to_device(&self.device);
        self.network.begin(&place(x)?, &place(t)?, &place(labels)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generator_is_the_same_whatever_the_number_of_its_readers() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("models/softscope-sit");
        let files = ModelFiles::locate(&folder).unwrap();
        let load = |readers, dtype, most: usize| {
            let mut told = 0;
            Generator::load_by(readers, &files, &Device::Cpu, dtype, &mut |_, _| {
                told += 1;
                told < most
            })
        };
        for dtype in [DType::F32, DType::BF16] {
            let (one, many) = (
                load(1, dtype, usize::MAX).unwrap(),
                load(5, dtype, usize::MAX).unwrap(),
            );
            assert_eq!(one.hash(), many.hash());
            let x = Tensor::randn(0.0_f32, 1.0, one.args().latent_shape(1), &Device::Cpu).unwrap();
            let velocity = |generator: &Generator| -> Vec<f32> {
                let t = Tensor::new(&[0.25_f32], &Device::Cpu).unwrap();
                let labels = Tensor::new(&[3_u32], &Device::Cpu).unwrap();
                let velocity = generator.forward(&x, &t, &labels).unwrap();
                velocity.flatten_all().unwrap().to_vec1().unwrap()
            };
            assert_eq!(velocity(&one), velocity(&many));
        }
        assert!(matches!(load(5, DType::F32, 20), Err(GeneratorError::Cancelled)));
    }
}
