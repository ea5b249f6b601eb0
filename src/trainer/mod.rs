//! Training a tokenizer, and a generator of its tokens: pictures from folders, the losses of the paper, Adam, checkpoints that go on bit for bit.
//!
//! Sits on the tokenizer, whose passes it differentiates; has threads of its own for data and for the parts of a batch.

mod adversary;
mod background;
mod config;
mod data;
mod error;
mod evaluation;
mod generator;
mod history;
mod log;
mod loss;
mod networks;
mod noise;
mod optimiser;
mod presets;
mod record;
mod run;
mod start;
mod state;
mod values;
mod workers;

pub use background::{Order, Phase, Status, TrainingRun};
pub use config::{
    DataConfig, GroundColours, Learns, LinearStart, ModelConfig, NearStart, OptimiserConfig, OptimiserKind,
    OutputConfig, StartConfig, StartKind, TrainConfig, TrainedClass,
};
pub use data::{Batch, Composite, DataFolders, Library, Loader, Placement};
pub use error::TrainError;
pub use evaluation::{Evaluated, Evaluation, HeldOut};
pub use generator::{
    BankConfig, GeneratorConfig, GeneratorOutcome, GeneratorProgress, GeneratorRun, GeneratorTrainConfig,
    LabelTable, PictureConfig, SheetConfig,
};
pub use history::{Curve, History};
pub use loss::{
    AdversarialConfig, AdversarialForm, Aids, Alignment, AlignmentConfig, AlignmentMode, HARD_LOG_FLOOR,
    LecamAverages, Loss, LossConfig, LossWeights, Opponent, Perceptual, PerceptualConfig, Projection,
    SOFT_LOG_FLOOR, Scheduled, Terms, entropy_term, loss, reconstruction_terms, seam_term,
};
pub use networks::{Discriminator, Norms, Sight, Statistics};
pub use presets::{PRESETS, Preset};
pub use record::{RunRecord, Sheet};
pub use run::{Outcome, Progress, Run};

use crate::engine::{keep_launch_parameters, open_device};
use crate::picture::Planar;
use crate::tokenizer::{Math, ModelClass, Tokenizer};
use adversary::{Adversary, Pair, SavedAdversary};
use candle_core::backprop::GradStore;
use candle_core::{Device, Tensor};
use optimiser::{Optimiser, Parameter};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use workers::Workers;

/// Pictures that the first weights are fitted to.
const MEASURED_PICTURES: u64 = 256;

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

/// A model under training.
#[derive(Debug)]
pub struct Trainer {
    config: TrainConfig,
    /// One for each part of a batch, all of the same variables. A GPU takes a batch in one part.
    tokenizers: Vec<Tokenizer>,
    /// None where its weight stays 0.
    perceptual: Option<Perceptual>,
    /// None where its weight stays 0.
    alignment: Option<(Alignment, Projection)>,
    /// None where its weight stays 0.
    adversary: Option<Adversary>,
    optimiser: Optimiser,
    loader: Loader,
    workers: Workers,
    /// Where passes are computed.
    device: Device,
    step: u64,
}

/// What one worker computes of a batch.
struct Part<'a> {
    tokenizer: &'a Tokenizer,
    x: Tensor,
    /// Of a KL model.
    noise: Option<Tensor>,
    /// Number of its first picture in the run.
    first_picture: u64,
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
        let parameters = start::first_weights(config, &pictures)?
            .into_iter()
            .map(|(key, var)| Parameter::new(key, var))
            .collect::<candle_core::Result<_>>()?;
        Self::build(config, library, parameters, SavedAdversary::default(), 0)
    }

    /// Goes on from a state file.
    ///
    /// # Errors
    /// A file that is damaged or belongs to another model.
    pub fn resume(config: &TrainConfig, library: &Arc<Library>, state: &Path) -> Result<Self, TrainError> {
        let saved = state::read_state::<TrainConfig>(state)?;
        let problem = if !saved.config.model.has_the_weights_of(&config.model) {
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
            Some(key) => Err(TrainError::other_run(state, key)),
            None => Self::build(config, library, saved.parameters, saved.adversary, saved.step),
        }
    }

    fn build(
        config: &TrainConfig,
        library: &Arc<Library>,
        mut parameters: Vec<Parameter>,
        adversary: SavedAdversary,
        step: u64,
    ) -> Result<Self, TrainError> {
        let alignment = aligned(config, &mut parameters)?;
        let device = open_device(config.device)?;
        for parameter in &mut parameters {
            parameter.is_fixed = !config.learns.includes(&parameter.key);
            parameter.place(&device)?;
        }
        let tensors: HashMap<String, Tensor> = parameters
            .iter()
            .map(|parameter| (parameter.key.clone(), parameter.in_graph()))
            .collect();
        let parts = if device.is_cpu() {
            config.optimiser.parts
        } else {
            1
        };
        let tokenizers = (0..parts)
            .map(|_| {
                let tokenizer = Tokenizer::for_training(config.args_at(step), tensors.clone())?;
                Ok(tokenizer.with_products(config.products))
            })
            .collect::<Result<_, TrainError>>()?;
        let optimiser = config.optimiser.clone();
        let loader = Loader::start(
            library,
            &config.data,
            config.seed,
            optimiser.batch,
            config.model.image_size,
            step * optimiser.accumulate as u64,
        )?;
        let perceptual = &config.loss.perceptual;
        let alignment = match alignment {
            Some(alignment) => Projection::from_tensors(&tensors).map(|projection| (alignment, projection)),
            None => None,
        };
        Ok(Self {
            tokenizers,
            perceptual: match perceptual.network_in_use() {
                Some(path) => Some(Perceptual::read(path, &perceptual.stages)?),
                None => None,
            },
            alignment,
            adversary: Adversary::start(config, adversary)?,
            optimiser: Optimiser::new(optimiser, parameters),
            loader,
            workers: Workers::start(config.threads)?,
            device,
            config: config.clone(),
            step,
        })
    }

    /// Steps done since the start of the run.
    pub fn steps_done(&self) -> u64 {
        self.step
    }

    /// One step of the optimiser, and of the discriminator's where there is one.
    ///
    /// # Errors
    /// A loss or gradient that is not finite; a failing tensor operation.
    pub fn step(&mut self) -> Result<StepReport, TrainError> {
        let step = self.step;
        let batches = self.config.optimiser.accumulate as f64;
        let tau = self.config.tau(step);
        for tokenizer in &mut self.tokenizers {
            tokenizer.set_tau(tau);
        }
        let mut terms = Terms::default();
        let mut norm = 0.0;
        for batch in 0..self.config.optimiser.accumulate {
            let (of_batch, norm_so_far, pairs) = self.learn(batch)?;
            terms.add(&of_batch, 1.0 / batches);
            norm = norm_so_far;
            if let Some(adversary) = self.adversary.as_mut().filter(|_| !pairs.is_empty()) {
                let critic = adversary.learn(&self.workers, &pairs, 1.0 / batches)?;
                terms.discriminator += critic.discriminator / batches;
                terms.lecam += critic.lecam / batches;
                terms.consistency += critic.consistency / batches;
            }
        }
        if !terms.loss.is_finite() {
            return Err(TrainError::Diverged { what: "loss", step });
        }
        let learning_rate = self.config.learning_rate(step);
        let optimiser = &mut self.optimiser;
        self.workers
            .install(|| optimiser.step(step, norm, learning_rate))?;
        if let Some(adversary) = self
            .adversary
            .as_mut()
            .filter(|adversary| adversary.is_active(step))
        {
            adversary.step(&self.workers, step, learning_rate)?;
        }
        self.step += 1;
        Ok(StepReport {
            step,
            terms,
            gradient_norm: norm,
            learning_rate,
        })
    }

    /// Adds the gradients of batch number `batch` of this step. Gives back its terms, the norm of the gradients so far,
    /// and pictures with their reconstructions where a discriminator is to see them.
    fn learn(&mut self, batch: usize) -> Result<(Terms, f64, Vec<Pair>), TrainError> {
        let weights = self.config.loss.at(self.step);
        let optimiser = &self.config.optimiser;
        let share = 1.0 / self.tokenizers.len() as f64;
        let factor = share / optimiser.accumulate as f64;
        let values = self.loader.next_batch()?.values;
        let parts = self.parts(&values, batch)?;
        let adversary = self.adversary.as_ref();
        let adversary = adversary.filter(|adversary| adversary.is_active(self.step));
        let opponent = adversary.map(Adversary::opponent);
        let done = self.workers.map(&parts, |part| {
            let pictures = part.x.dim(0)?;
            let opponent = adversary
                .zip(opponent.as_ref())
                .map(|(adversary, discriminator)| Opponent {
                    discriminator,
                    form: self.config.loss.adversarial.form,
                    augmentation: adversary.opponent_augmentation(
                        part.first_picture,
                        pictures,
                        self.config.model.image_size,
                    ),
                });
            let aids = Aids {
                noise: part.noise.as_ref(),
                perceptual: self.perceptual.as_ref(),
                alignment: self
                    .alignment
                    .as_ref()
                    .map(|(teacher, projection)| (teacher, projection)),
                opponent: opponent.as_ref(),
            };
            let _kept = keep_launch_parameters(part.x.device());
            let loss = loss(part.tokenizer, &part.x, &weights, &aids)?;
            let gradients = part.tokenizer.backward(&loss.total)?;
            Ok((loss.terms, gradients, loss.found.detach()))
        })?;
        let pairs = match adversary {
            Some(_) => parts
                .iter()
                .zip(&done)
                .map(|(part, (_, _, found))| {
                    Ok(Pair {
                        real: part.x.to_device(&Device::Cpu)?,
                        fake: found.to_device(&Device::Cpu)?,
                        first_picture: part.first_picture,
                    })
                })
                .collect::<Result<_, TrainError>>()?,
            None => Vec::new(),
        };
        let mut terms = Terms::default();
        for (of_part, ..) in &done {
            terms.add(of_part, share);
        }
        let stores: Vec<&GradStore> = done.iter().map(|(_, gradients, _)| gradients).collect();
        let optimiser = &mut self.optimiser;
        let norm = self.workers.install(|| optimiser.add(&stores, factor))?;
        Ok((terms, norm, pairs))
    }

    /// Batch number `batch` of this step, cut.
    fn parts(&self, values: &[f32], batch: usize) -> Result<Vec<Part<'_>>, TrainError> {
        let (model, optimiser) = (&self.config.model, &self.config.optimiser);
        let of_part = optimiser.batch / self.tokenizers.len().max(1);
        let per_picture = 3 * model.image_size * model.image_size;
        let batches_before = self.step * optimiser.accumulate as u64 + batch as u64;
        let tokens = (of_part, model.tokens, model.channels);
        let parts = self.tokenizers.iter().zip(values.chunks(of_part * per_picture));
        parts
            .enumerate()
            .map(|(index, (tokenizer, values))| {
                let first_picture = batches_before * optimiser.batch as u64 + (index * of_part) as u64;
                let shape = (of_part, 3, model.image_size, model.image_size);
                let noise = match ModelClass::from(model.class) {
                    ModelClass::Kl => Some(noise::of_tokens(self.config.seed, first_picture, tokens)?),
                    _ => None,
                };
                Ok(Part {
                    first_picture,
                    tokenizer,
                    x: Tensor::from_slice(values, shape, &self.device)?,
                    noise,
                })
            })
            .collect()
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
            self.config.args_at(self.step),
            tensors,
            Math::Fused,
        )?)
    }

    /// `config.json` of the averaged weights, with the mean and deviation of held-out tokens for generators.
    pub fn model_config(&self, figures: &Evaluation) -> String {
        let mut args = self.config.args_at(self.step);
        let loss = &self.config.loss;
        args.entropy_loss_ratio = loss.entropy.weight;
        args.kl_loss_weight = loss.kl.weight;
        args.commit_loss_beta = loss.commitment.weight;
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
        state::state_bytes(
            self.step,
            &self.config,
            &self.optimiser.parameters,
            self.adversary.as_ref(),
        )
    }
}

/// The teacher that tokens are aligned with, where there is one; `parameters` gain a projection where they lack it.
fn aligned(config: &TrainConfig, parameters: &mut Vec<Parameter>) -> Result<Option<Alignment>, TrainError> {
    let model = &config.model;
    if !config.loss.alignment.is_used() {
        return Ok(None);
    }
    let grid = model.image_size / model.patch_size;
    let alignment = Alignment::read(&config.loss.alignment, grid, model.tokens)?;
    for (key, var) in alignment.first_projection(config)? {
        let known = parameters.iter().find(|parameter| parameter.key == key);
        match known {
            Some(known) if known.var.dims() == var.dims() => {}
            Some(known) => {
                let (found, asked) = (known.var.dims(), var.dims());
                return Err(TrainError::Network {
                    path: config.loss.alignment.network.clone().unwrap_or_default(),
                    reason: format!(
                        "the run was started with a `{key}` of {found:?} where it asks for {asked:?}; set \
                         `loss.alignment` back or start a new run"
                    ),
                });
            }
            None => parameters.push(Parameter::new(key, var)?),
        }
    }
    // The order in which a state file gives them: sums over parameters depend on it in their last bit.
    parameters.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(Some(alignment))
}
