//! What generating costs: a step of a generator, and how the cost of a SiT grows with the number of tokens.

use super::against::Comparison;
use super::timing::Timing;
use crate::engine::{EngineError, GeneratorRunner, NoControl, RunOptions, expected_threads, open_device};
use crate::generator::{Generator, GeneratorArgs, GeneratorClass, Noise, Settings, Start, generator_shapes};
use crate::tokenizer::ModelFiles;
use candle_core::{DType, Device, Tensor};
use std::collections::HashMap;
use std::time::Duration;

/// Width and heads of the published SiT-XL; two of its 28 blocks, which cost the same each.
const WIDTH: usize = 1152;
const HEADS: usize = 16;
const DEPTH: usize = 2;
/// Values of a token, as in softvq-l-64.
const TOKEN_VALUES: usize = 32;
/// Tokens of the paper's models (32, 64) and of what they are held against: 256 for 256 pixels, 1024 for 512.
pub const TOKEN_COUNTS: [usize; 5] = [32, 64, 128, 256, 1024];

/// A step of a generator for one picture.
#[derive(Debug, Clone, serde::Serialize)]
pub struct GeneratorBench {
    /// As `--generator` names it.
    pub generator: String,
    /// [`crate::engine::GeneratorInfo::hash`].
    pub hash: String,
    /// Such as "CPU".
    pub device: String,
    /// Such as "f32".
    pub precision: String,
    /// Time to load it.
    pub load_ms: f64,
    /// Times of single steps, with the generator's usual guidance.
    pub step: Timing,
    /// The same generator in PyTorch, where a Python was given; one for each precision.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub against: Vec<Comparison>,
}

/// One evaluation of a SiT over a sequence.
#[derive(Debug, Clone, serde::Serialize)]
pub struct TokenCost {
    /// Length of the sequence.
    pub tokens: usize,
    /// Times of evaluations of one picture.
    pub evaluation: Timing,
}

/// Loads a generator and times its steps.
///
/// # Errors
/// As [`GeneratorRunner::open`], and what its steps return.
pub fn measure_generator(
    files: &ModelFiles,
    options: &RunOptions,
    budget: Duration,
) -> Result<GeneratorBench, EngineError> {
    /// More than are ever made in one measurement.
    const STEPS: usize = 10_000;
    let runner = GeneratorRunner::open(files, options, &NoControl)?;
    let info = runner.info();
    let mut settings = Settings::of_generator(info.class, &info.args);
    settings.steps = match info.class {
        GeneratorClass::Sit => STEPS,
        GeneratorClass::Dit => settings.steps,
    };
    let begin = || {
        let start = Start {
            labels: vec![0],
            noise: Noise::Seeds(vec![0]),
            original: None,
        };
        runner.sampler(settings, start)
    };
    let mut sampler = begin()?;
    let step = Timing::of_runs(budget, || {
        if sampler.is_finished() {
            sampler = begin()?;
        }
        runner.step(&mut sampler, &NoControl)
    })?;
    Ok(GeneratorBench {
        generator: info.name.clone(),
        hash: info.hash.clone(),
        device: info.device.clone(),
        precision: info.precision.clone(),
        load_ms: info.load_ms,
        step,
        against: Vec::new(),
    })
}

/// A SiT of the published width over sequences of several lengths, one picture at a time, in f32.
///
/// # Errors
/// A device that cannot be had or fails, threads that the system refuses.
pub fn token_costs(
    options: &RunOptions,
    counts: &[usize],
    per_count: Duration,
) -> Result<Vec<TokenCost>, EngineError> {
    let device = &open_device(options.device)?;
    let threads = options
        .threads
        .filter(|threads| *threads > 0)
        .unwrap_or_else(expected_threads);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|error| EngineError::Threads {
            threads,
            reason: error.to_string(),
        })?;
    pool.install(|| {
        counts
            .iter()
            .map(|&tokens| {
                let network = network(tokens, device)?;
                let x = Tensor::ones((1, tokens, TOKEN_VALUES), DType::F32, device)?;
                let t = Tensor::full(0.5_f32, 1, device)?;
                let label = Tensor::zeros(1, DType::U32, device)?;
                let evaluation = Timing::of_runs(per_count, || {
                    network.forward(&x, &t, &label)?;
                    device.synchronize().map_err(EngineError::from)
                })?;
                Ok(TokenCost { tokens, evaluation })
            })
            .collect()
    })
}

/// A SiT whose weights are all the same small number: the time does not depend on them.
fn network(tokens: usize, device: &Device) -> Result<Generator, EngineError> {
    let args = GeneratorArgs {
        input_size: tokens,
        in_channels: TOKEN_VALUES,
        patch_size: 1,
        hidden_size: WIDTH,
        depth: DEPTH,
        num_heads: HEADS,
        mlp_ratio: 4.0,
        num_classes: 1,
        class_dropout_prob: 0.0,
        qk_norm: false,
        vae_1d: true,
        learn_sigma: None,
        path_type: None,
        class_names: None,
        guidance_scale: None,
    };
    let shapes = generator_shapes(&args, GeneratorClass::Sit).map_err(EngineError::Model)?;
    let tensors = shapes
        .into_iter()
        .map(|(key, shape)| Ok((key, Tensor::full(0.01_f32, shape, &Device::Cpu)?)))
        .collect::<Result<HashMap<_, _>, candle_core::Error>>()?;
    Ok(Generator::from_tensors(args, &tensors, device)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_count_is_timed() {
        let options = RunOptions {
            threads: Some(1),
            ..RunOptions::default()
        };
        let costs = token_costs(&options, &[3, 17], Duration::ZERO).unwrap();
        let tokens: Vec<_> = costs.iter().map(|cost| cost.tokens).collect();
        assert_eq!(tokens, [3, 17]);
        assert!(costs.iter().all(|cost| cost.evaluation.best_ms > 0.0));
    }
}
