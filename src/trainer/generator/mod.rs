//! Training a class-conditional SiT on the tokens of a frozen tokenizer.

mod bank;
mod config;
mod evaluation;
mod labels;
mod pictures;
mod record;
mod run;
mod start;

pub use config::{BankConfig, GeneratorConfig, GeneratorTrainConfig, PictureConfig, SheetConfig};
pub use labels::LabelTable;
pub use run::{GeneratorOutcome, GeneratorProgress, GeneratorRun};

use super::data::Dice;
use super::optimiser::{Optimiser, Parameter};
use super::state::{self, Saved};
use super::workers::Workers;
use super::{StepReport, Terms, TrainConfig, TrainError};
use crate::engine::keep_launch_parameters;
use crate::generator::{
    FlowPoint, Generator, GeneratorArgs, GeneratorClass, TimeDraw, TrainableGenerator, flow_losses,
};
use bank::{Bank, Scale};
use candle_core::backprop::GradStore;
use candle_core::{Device, Tensor};
use pictures::Labelled;
use record::GeneratorRecord;
use std::collections::HashMap;

/// Keeps the draws of noise apart from those of pictures.
const NOISE_SEED: u64 = 0x6E01_5E5E_ED00_0001;

/// What a run computes with, beside its weights.
#[derive(Debug)]
struct Task {
    config: GeneratorTrainConfig,
    /// The schedule of the learning rate.
    common: TrainConfig,
    args: GeneratorArgs,
    classes: Vec<String>,
    scale: Scale,
    workers: Workers,
    /// Where passes are computed.
    device: Device,
}

/// A SiT under training.
#[derive(Debug)]
struct GeneratorTrainer {
    task: Task,
    /// One for each part of a batch, all of the same variables. A GPU takes a batch in one part.
    generators: Vec<TrainableGenerator>,
    optimiser: Optimiser,
    step: u64,
}

/// The drawn samples of one part of a batch.
#[derive(Default)]
struct Part {
    latents: Vec<f32>,
    noise: Vec<f32>,
    times: Vec<f64>,
    labels: Vec<u32>,
}

impl Part {
    /// Parts one after the other.
    fn joined(parts: Vec<Self>) -> Self {
        let mut all = Self::default();
        for part in parts {
            all.latents.extend(part.latents);
            all.noise.extend(part.noise);
            all.times.extend(part.times);
            all.labels.extend(part.labels);
        }
        all
    }
}

impl Task {
    /// Draws `count` samples from number `first` of the run on.
    fn part(&self, bank: &Bank, first: u64, count: usize) -> Part {
        let (config, values) = (&self.config.generator, self.scale.values());
        let mut part = Part {
            latents: Vec::with_capacity(count * values),
            noise: Vec::with_capacity(count * values),
            times: Vec::with_capacity(count),
            labels: Vec::with_capacity(count),
        };
        for number in first..first + count as u64 {
            let mut dice = Dice::of_picture(self.config.seed ^ NOISE_SEED, number);
            let Some((latents, label)) = bank.get(dice.index(bank.count()), values) else {
                continue;
            };
            let null_label = self.args.null_label().unwrap_or(label);
            let is_dropped = dice.is_below(config.label_dropout);
            part.labels.push(if is_dropped { null_label } else { label });
            let raw = match config.times {
                TimeDraw::Uniform => dice.unit(),
                TimeDraw::Lognormal => dice.normal(),
            };
            part.times.push(config.times.time(raw, config.path));
            part.latents.extend_from_slice(latents);
            part.noise.extend((0..values).map(|_| dice.normal() as f32));
        }
        part
    }

    /// Loss of a part, and its gradients.
    fn pass(&self, generator: &TrainableGenerator, part: &Part) -> Result<(f64, GradStore), TrainError> {
        let (point, t, labels) = self.inputs(part, &self.device)?;
        let _kept = keep_launch_parameters(&self.device);
        let prediction = generator.forward(&point.state, &t, &labels)?;
        let loss = flow_losses(&prediction, &point.velocity)?.mean(0)?;
        Ok((f64::from(loss.to_scalar::<f32>()?), generator.backward(&loss)?))
    }

    fn inputs(&self, part: &Part, device: &Device) -> Result<(FlowPoint, Tensor, Tensor), TrainError> {
        let count = part.labels.len();
        let shape = self.args.latent_shape(count);
        let tensor = |values: &[f32]| Tensor::from_slice(values, shape.as_slice(), device);
        let (latents, noise) = (tensor(&part.latents)?, tensor(&part.noise)?);
        let point = FlowPoint::new(self.config.generator.path, &latents, &noise, &part.times)?;
        let times: Vec<f32> = part.times.iter().map(|t| *t as f32).collect();
        let t = Tensor::from_vec(times, count, device)?;
        Ok((point, t, Tensor::from_slice(&part.labels, count, device)?))
    }
}

impl GeneratorTrainer {
    /// Starts from fresh weights.
    fn start(task: Task) -> Result<Self, TrainError> {
        let parameters = start::first_weights(&task.config, &task.args)?
            .into_iter()
            .map(|(key, var)| Parameter::new(key, var))
            .collect::<candle_core::Result<_>>()?;
        Self::build(task, parameters, 0)
    }

    /// Goes on from a state.
    fn resume(task: Task, saved: Saved<GeneratorRecord>) -> Result<Self, TrainError> {
        Self::build(task, saved.parameters, saved.step)
    }

    fn build(task: Task, mut parameters: Vec<Parameter>, step: u64) -> Result<Self, TrainError> {
        for parameter in &mut parameters {
            parameter.place(&task.device)?;
        }
        let tensors: HashMap<String, Tensor> = parameters
            .iter()
            .map(|parameter| (parameter.key.clone(), parameter.in_graph()))
            .collect();
        let parts = if task.device.is_cpu() {
            task.config.optimiser.parts
        } else {
            1
        };
        let generators = (0..parts)
            .map(|_| {
                let generator =
                    TrainableGenerator::new(task.args.clone(), GeneratorClass::Sit, tensors.clone())?;
                Ok(generator.with_products(task.config.products))
            })
            .collect::<Result<_, TrainError>>()?;
        Ok(Self {
            optimiser: Optimiser::new(task.config.optimiser.clone(), parameters),
            generators,
            task,
            step,
        })
    }

    /// One step of the optimiser on samples of `bank`, a block of which is renewed of `pictures` where it is time.
    fn step(&mut self, bank: &mut Bank, pictures: &Labelled) -> Result<StepReport, TrainError> {
        let (task, step) = (&self.task, self.step);
        bank.renew(step, pictures, &task.scale, &task.workers)?;
        let config = &task.config.optimiser;
        let of_part = config.batch / config.parts;
        let passes = (config.parts * config.accumulate) as u64;
        let (mut loss, mut norm) = (0.0, 0.0);
        for batch in 0..config.accumulate as u64 {
            let first = step * passes + batch * config.parts as u64;
            let numbers: Vec<u64> = (first..first + config.parts as u64).collect();
            let mut drawn = task.workers.map(&numbers, |number| {
                Ok(task.part(bank, number * of_part as u64, of_part))
            })?;
            if self.generators.len() == 1 {
                drawn = vec![Part::joined(drawn)];
            }
            let parts: Vec<(&TrainableGenerator, Part)> = self.generators.iter().zip(drawn).collect();
            let done = task
                .workers
                .map(&parts, |(generator, part)| task.pass(generator, part))?;
            let share = 1.0 / (self.generators.len() * config.accumulate) as f64;
            loss += done.iter().map(|(loss, _)| loss * share).sum::<f64>();
            let stores: Vec<&GradStore> = done.iter().map(|(_, gradients)| gradients).collect();
            let optimiser = &mut self.optimiser;
            norm = task.workers.install(|| optimiser.add(&stores, share))?;
        }
        if !loss.is_finite() {
            return Err(TrainError::Diverged { what: "loss", step });
        }
        let learning_rate = task.common.learning_rate(step);
        let optimiser = &mut self.optimiser;
        task.workers
            .install(|| optimiser.step(step, norm, learning_rate))?;
        self.step += 1;
        Ok(StepReport {
            step,
            terms: Terms {
                loss,
                mse: loss,
                ..Terms::default()
            },
            gradient_norm: norm,
            learning_rate,
        })
    }

    /// The generator of the averaged weights.
    fn averaged(&self) -> Result<Generator, TrainError> {
        let mut tensors = HashMap::new();
        for parameter in &self.optimiser.parameters {
            let average = Tensor::from_slice(&parameter.average, parameter.var.dims(), &Device::Cpu)?;
            tensors.insert(parameter.key.clone(), average);
        }
        Ok(Generator::from_tensors(
            self.task.args.clone(),
            &tensors,
            &Device::Cpu,
        )?)
    }

    /// `config.json` of the averaged weights.
    fn model_config(&self) -> String {
        let task = &self.task;
        let config = task.config.model_config(task.scale.shape(), &task.classes);
        format!("{:#}\n", serde_json::Value::Object(config))
    }

    /// `model.safetensors` of the averaged weights.
    fn model_bytes(&self) -> Vec<u8> {
        state::model_bytes(&self.optimiser.parameters)
    }

    /// All that a run needs to go on, beside its pictures.
    fn state_bytes(&self) -> Result<Vec<u8>, TrainError> {
        let record = GeneratorRecord {
            classes: self.task.classes.clone(),
            tokenizer_hash: self.task.scale.tokenizer.hash().to_owned(),
            token_shape: self.task.scale.shape().into(),
            config: self.task.config.clone(),
        };
        state::state_bytes(self.step, &record, &self.optimiser.parameters, None)
    }
}
