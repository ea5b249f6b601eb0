//! Training a tokenizer: pictures from folders, the losses of the paper, Adam, checkpoints that go on bit for bit.
//!
//! Sits on the tokenizer, whose passes it differentiates; has threads of its own for data and for the parts of a batch.

mod config;
mod cosines;
mod data;
mod error;
mod evaluation;
mod log;
mod loss;
mod optimiser;
mod run;
mod start;
mod state;
mod values;
mod workers;

pub use config::{
    DataConfig, LossConfig, ModelConfig, OptimiserConfig, OptimiserKind, OutputConfig, Scheduled,
    StartConfig, TrainConfig,
};
pub use data::{Batch, Composite, DataFolders, Library, Loader, Placement};
pub use error::TrainError;
pub use evaluation::{Evaluated, Evaluation, HeldOut};
pub use loss::{entropy_term, reconstruction_terms};
pub use run::{Outcome, Progress, Run};

use crate::picture::Planar;
use crate::tokenizer::{Math, NoHook, Tokenizer, TokenizerError};
use candle_core::backprop::GradStore;
use candle_core::{Device, Tensor};
use cosines::PatchCosines;
use optimiser::{Optimiser, Parameter};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use workers::Workers;

/// Pictures whose patches decide what the first layer reads.
const MEASURED_PICTURES: u64 = 256;

/// The terms of a loss, unweighted, and their weighted sum.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Terms {
    /// The weighted sum.
    pub loss: f64,
    /// Mean absolute difference.
    pub l1: f64,
    /// Mean squared difference.
    pub mse: f64,
    /// Mean absolute difference of neighbouring pixels' differences.
    pub gradient_l1: f64,
    /// See [`entropy_term`]; 0 where its weight is.
    pub entropy: f64,
}

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepReport {
    /// Number of the step, from 0.
    pub step: u64,
    /// Means over the step's pictures.
    pub terms: Terms,
    /// Norm of the gradient before clipping.
    pub gradient_norm: f64,
    /// The rate it was applied at.
    pub learning_rate: f64,
}

/// Weights of the terms at one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LossWeights {
    /// Of the mean absolute difference.
    pub l1: f64,
    /// Of the mean squared difference.
    pub mse: f64,
    /// Of the neighbouring pixels' differences.
    pub gradient_l1: f64,
    /// Of the entropy term.
    pub entropy: f64,
}

impl LossConfig {
    /// The weights at a step.
    pub fn at(&self, step: u64) -> LossWeights {
        LossWeights {
            l1: self.l1.at(step),
            mse: self.mse.at(step),
            gradient_l1: self.gradient_l1.at(step),
            entropy: self.entropy.at(step),
        }
    }
}

/// The loss of a batch `x` [B, 3, H, W] and its terms; gradients reach the variables that `tokenizer` was built of.
///
/// # Errors
/// Another shape than the model's, a failing tensor operation.
pub fn loss(
    tokenizer: &Tokenizer,
    x: &Tensor,
    weights: &LossWeights,
) -> Result<(Tensor, Terms), TokenizerError> {
    let encoding = tokenizer.encode(x, &mut NoHook)?;
    let found = tokenizer.decode(&encoding.z, &mut NoHook)?;
    let distances = reconstruction_terms(&found, x)?;
    let shares = [weights.l1, weights.mse, weights.gradient_l1].map(|weight| weight as f32);
    let mut loss = (&distances * Tensor::new(&shares, x.device())?)?.sum_all()?;
    let mut entropy = 0.0;
    if weights.entropy != 0.0 {
        let term = entropy_term(&tokenizer.similarities(&encoding.h)?)?;
        entropy = f64::from(term.to_scalar::<f32>()?);
        loss = (loss + (term * weights.entropy)?)?;
    }
    let distances = distances.to_vec1::<f32>()?;
    let distance = |index: usize| f64::from(distances.get(index).copied().unwrap_or(f32::NAN));
    let terms = Terms {
        loss: f64::from(loss.to_scalar::<f32>()?),
        l1: distance(0),
        mse: distance(1),
        gradient_l1: distance(2),
        entropy,
    };
    Ok((loss, terms))
}

/// A model under training.
#[derive(Debug)]
pub struct Trainer {
    config: TrainConfig,
    /// One for each part of a batch, all of the same variables.
    tokenizers: Vec<Tokenizer>,
    optimiser: Optimiser,
    loader: Loader,
    workers: Workers,
    step: u64,
}

impl Trainer {
    /// Starts from fresh weights.
    ///
    /// # Errors
    /// A configuration of which no model can be built; no threads.
    pub fn start(config: &TrainConfig, library: &Arc<Library>) -> Result<Self, TrainError> {
        let model = &config.model;
        let pictures: Vec<Planar> = (0..MEASURED_PICTURES)
            .map(|index| {
                Planar::from_rgb8(&library.picture(config.seed, index, model.image_size, &config.data))
            })
            .collect();
        let cosines = PatchCosines::measure(&pictures, model.patch_size, &config.start);
        let parameters = start::first_weights(config, &cosines)?
            .into_iter()
            .map(|(key, var)| Parameter::new(key, var))
            .collect::<candle_core::Result<_>>()?;
        Self::build(config, library, parameters, 0)
    }

    /// Goes on from a state file.
    ///
    /// # Errors
    /// A file that is damaged or belongs to another model.
    pub fn resume(config: &TrainConfig, library: &Arc<Library>, state: &Path) -> Result<Self, TrainError> {
        let saved = state::read_state(state)?;
        let problem = if saved.config.model != config.model {
            Some("`model`")
        } else if saved.config.seed != config.seed {
            Some("`seed`")
        } else if saved.config.optimiser.batch != config.optimiser.batch
            || saved.config.optimiser.accumulate != config.optimiser.accumulate
        {
            Some("`optimiser.batch` or `optimiser.accumulate`")
        } else {
            None
        };
        match problem {
            Some(key) => Err(TrainError::State {
                path: state.to_owned(),
                reason: format!("the run was started with another {key}; set it back or start a new run"),
            }),
            None => Self::build(config, library, saved.parameters, saved.step),
        }
    }

    fn build(
        config: &TrainConfig,
        library: &Arc<Library>,
        parameters: Vec<Parameter>,
        step: u64,
    ) -> Result<Self, TrainError> {
        let tensors: HashMap<String, Tensor> = parameters
            .iter()
            .map(|parameter| (parameter.key.clone(), parameter.var.as_tensor().clone()))
            .collect();
        let tokenizers = (0..config.optimiser.parts)
            .map(|_| Tokenizer::for_training(config.model.args(), tensors.clone()))
            .collect::<Result<_, _>>()?;
        let optimiser = config.optimiser.clone();
        let loader = Loader::start(
            library,
            &config.data,
            config.seed,
            optimiser.batch,
            config.model.image_size,
            step * optimiser.accumulate as u64,
        )?;
        Ok(Self {
            tokenizers,
            optimiser: Optimiser::new(optimiser, parameters),
            loader,
            workers: Workers::start(config.threads)?,
            config: config.clone(),
            step,
        })
    }

    /// Steps done since the start of the run.
    pub fn steps_done(&self) -> u64 {
        self.step
    }

    /// One step of the optimiser.
    ///
    /// # Errors
    /// A loss or gradient that is not finite; a failing tensor operation.
    pub fn step(&mut self) -> Result<StepReport, TrainError> {
        let weights = self.config.loss.at(self.step);
        let passes = (self.config.optimiser.parts * self.config.optimiser.accumulate) as f64;
        let mut terms = Terms::default();
        let mut norm = 0.0;
        for _ in 0..self.config.optimiser.accumulate {
            let parts = self.parts()?;
            let parts: Vec<(&Tokenizer, Tensor)> = self.tokenizers.iter().zip(parts).collect();
            let done = self.workers.map(&parts, |(tokenizer, x)| {
                let (loss, terms) = loss(tokenizer, x, &weights)?;
                Ok((terms, tokenizer.backward(&loss)?))
            })?;
            for (of_part, _) in &done {
                terms.add(of_part, 1.0 / passes);
            }
            let stores: Vec<&GradStore> = done.iter().map(|(_, gradients)| gradients).collect();
            let optimiser = &mut self.optimiser;
            norm = self.workers.install(|| optimiser.add(&stores, 1.0 / passes))?;
        }
        let step = self.step;
        if !terms.loss.is_finite() {
            return Err(TrainError::Diverged { what: "loss", step });
        }
        let learning_rate = self.config.learning_rate(step);
        let optimiser = &mut self.optimiser;
        self.workers
            .install(|| optimiser.step(step, norm, learning_rate))?;
        self.step += 1;
        Ok(StepReport {
            step,
            terms,
            gradient_norm: norm,
            learning_rate,
        })
    }

    /// The next batch, cut.
    fn parts(&mut self) -> Result<Vec<Tensor>, TrainError> {
        let values = self.loader.next_batch()?.values;
        let side = self.config.model.image_size;
        let of_part = self.config.optimiser.batch / self.config.optimiser.parts;
        let shape = (of_part, 3, side, side);
        let parts = values.chunks(of_part * 3 * side * side);
        Ok(parts
            .map(|part| Tensor::from_slice(part, shape, &Device::Cpu))
            .collect::<candle_core::Result<_>>()?)
    }

    /// Figures of the averaged weights on held-out pictures.
    ///
    /// # Errors
    /// A failing tensor operation.
    pub fn evaluate(&self, held_out: &HeldOut) -> Result<Evaluated, TrainError> {
        let tokenizer = self.averaged()?;
        self.workers.install(|| held_out.evaluate(&tokenizer))
    }

    fn averaged(&self) -> Result<Tokenizer, TrainError> {
        let mut tensors = HashMap::new();
        for parameter in &self.optimiser.parameters {
            let average = Tensor::from_slice(&parameter.average, parameter.var.dims(), &Device::Cpu)?;
            tensors.insert(parameter.key.clone(), average);
        }
        Ok(Tokenizer::from_tensors(
            self.config.model.args(),
            tensors,
            Math::Fused,
        )?)
    }

    /// `config.json` of the averaged weights, with the mean and deviation of held-out tokens for generators.
    pub fn model_config(&self, figures: &Evaluation) -> String {
        let mut args = self.config.model.args();
        args.entropy_loss_ratio = self.config.loss.entropy.weight;
        if figures.latent_deviation > 0.0 {
            args.vq_mean = figures.latent_mean;
            args.vq_std = figures.latent_deviation;
        }
        format!("{:#}\n", args.to_json())
    }

    /// `model.safetensors` of the averaged weights.
    pub fn model_bytes(&self) -> Vec<u8> {
        state::model_bytes(&self.optimiser.parameters)
    }

    /// All that [`Self::resume`] needs.
    ///
    /// # Errors
    /// A configuration that TOML cannot hold.
    pub fn state_bytes(&self) -> Result<Vec<u8>, TrainError> {
        state::state_bytes(self.step, &self.config, &self.optimiser.parameters)
    }
}

impl Terms {
    fn add(&mut self, other: &Self, factor: f64) {
        self.loss += other.loss * factor;
        self.l1 += other.l1 * factor;
        self.mse += other.mse * factor;
        self.gradient_l1 += other.gradient_l1 * factor;
        self.entropy += other.entropy * factor;
    }
}
