//! The same model in PyTorch, run alternately with ours, so that whatever else the machine does meets both.

use super::error::AgainstError;
use super::memory;
use super::python::{ComparedStage, Python, Side};
use crate::engine::{EngineError, GeneratorRunner, NoControl, RunOptions, Runner};
use crate::generator::{GeneratorArgs, GeneratorClass, TRAINED_STEPS};
use crate::picture::Planar;
use crate::tokenizer::{ModelArgs, ModelFiles};
use candle_core::{Device, Tensor};
use std::path::Path;
use std::time::Duration;

/// PyTorch's sides.
const TOKENIZER: (&str, &str) = (
    "tokenizer_pytorch.py",
    include_str!("../../benches/tokenizer_pytorch.py"),
);
const GENERATOR: (&str, &str) = (
    "generator_pytorch.py",
    include_str!("../../benches/generator_pytorch.py"),
);

/// One precision of a model, ours beside PyTorch's.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Comparison {
    /// Such as "f32", of weights and products on both sides.
    pub precision: String,
    /// PyTorch's version.
    pub torch: String,
    /// "encode" and "decode" of a tokenizer, "evaluate" of a generator.
    pub stages: Vec<ComparedStage>,
    /// Our largest resident memory since the model began to load, bytes.
    pub our_peak_bytes: Option<u64>,
    /// The Python process's.
    pub their_peak_bytes: u64,
}

/// Loads a model on both sides, on the same kind of device, and runs them by turns.
///
/// # Errors
/// A Python that does not start or has no torch, a model that it does not take, outputs that differ, and what our own
/// passes return.
pub fn compare(
    python: &Path,
    files: &ModelFiles,
    options: &RunOptions,
    per_stage: Duration,
    picture: impl FnOnce(u32) -> Planar,
) -> Result<Comparison, AgainstError> {
    memory::reset_peak();
    let runner = Runner::open(files, options, &NoControl)?;
    let info = runner.info();
    let input = [picture(u32::try_from(info.args.image_size).unwrap_or(u32::MAX))];
    let state = runner
        .encode(&input, &NoControl)?
        .pop()
        .ok_or_else(|| EngineError::Model("it gave nothing for one picture".to_owned()))?;
    let side = Side {
        script: TOKENIZER,
        config: info.args.to_json(),
        weights: &files.weights,
        device: runner.tokenizer().device(),
        precision: &info.precision,
        threads: info.threads,
        options: &["--sizes", &sizes(&info.args)?.to_string()],
    };
    let mut python = Python::start(python, &side)?;
    let tokens = &state.z;
    let [picture] = &input;
    let encoded = || {
        Ok(runner
            .encode(&input, &NoControl)?
            .pop()
            .map(|state| state.z.values))
    };
    let encode = python.compare("encode", &picture.data, per_stage, encoded)?;
    let decoded = || {
        Ok(runner
            .decode(&[tokens], &NoControl)?
            .pop()
            .map(|picture| picture.data))
    };
    let decode = python.compare("decode", &tokens.values, per_stage, decoded)?;
    Comparison::of(&info.precision, vec![encode, decode], &mut python)
}

/// Loads a generator on both sides, on the same kind of device, and evaluates it by turns as a guided step of one
/// picture does: the latents twice, with a class and without.
///
/// # Errors
/// As [`compare`].
pub fn compare_generator(
    python: &Path,
    files: &ModelFiles,
    options: &RunOptions,
    budget: Duration,
) -> Result<Comparison, AgainstError> {
    memory::reset_peak();
    let runner = GeneratorRunner::open(files, options, &NoControl)?;
    let info = runner.info();
    let side = Side {
        script: GENERATOR,
        config: serde_json::json!(info.args),
        weights: &files.weights,
        device: runner.device(),
        precision: &info.precision,
        threads: runner.threads(),
        options: &[],
    };
    let mut python = Python::start(python, &side)?;
    let given = Evaluation::guided(&info.args, info.class);
    let [x, t, labels] = given.tensors(&info.args).map_err(EngineError::from)?;
    let evaluated = || runner.evaluate(&x, &t, &labels).map(Some);
    let stage = python.compare("evaluate", &given.values(), budget, evaluated)?;
    Comparison::of(&info.precision, vec![stage], &mut python)
}

impl Comparison {
    fn of(precision: &str, stages: Vec<ComparedStage>, python: &mut Python) -> Result<Self, AgainstError> {
        Ok(Self {
            precision: precision.to_owned(),
            torch: python.torch().to_owned(),
            stages,
            our_peak_bytes: memory::peak_bytes(),
            their_peak_bytes: python.peak_bytes()?,
        })
    }
}

/// What a network is given: a batch of latents with time and label of each.
struct Evaluation {
    latents: Vec<f32>,
    time: f32,
    labels: Vec<u32>,
}

impl Evaluation {
    /// One picture halfway from noise, with the first class and with none.
    fn guided(args: &GeneratorArgs, class: GeneratorClass) -> Self {
        let values: usize = args.latent_shape(1).iter().product();
        // A wave as strong as the latents: the time does not depend on it.
        let picture = (0..values).map(|index| (0.7 * index as f64).sin() * std::f64::consts::SQRT_2);
        let picture: Vec<f32> = picture.map(|value| value as f32).collect();
        Self {
            latents: picture.repeat(2),
            time: match class {
                GeneratorClass::Sit => 0.5,
                GeneratorClass::Dit => (TRAINED_STEPS / 2) as f32,
            },
            labels: vec![0, args.null_label().unwrap_or_default()],
        }
    }

    fn tensors(&self, args: &GeneratorArgs) -> candle_core::Result<[Tensor; 3]> {
        let batch = self.labels.len();
        Ok([
            Tensor::from_vec(self.latents.clone(), args.latent_shape(batch), &Device::Cpu)?,
            Tensor::full(self.time, batch, &Device::Cpu)?,
            Tensor::from_vec(self.labels.clone(), batch, &Device::Cpu)?,
        ])
    }

    /// The same in the order that PyTorch's side reads.
    fn values(&self) -> Vec<f32> {
        let times = self.labels.iter().map(|_| self.time);
        let labels = self.labels.iter().map(|label| *label as f32);
        self.latents.iter().copied().chain(times).chain(labels).collect()
    }
}

/// What the configuration does not tell: depth and heads of both sides.
pub(super) fn sizes(args: &ModelArgs) -> Result<serde_json::Value, AgainstError> {
    if args.to_pixel != "linear" {
        return Err(AgainstError::NotInPython(format!(
            "its pixel head is `{}`",
            args.to_pixel
        )));
    }
    let unknown = |reason| AgainstError::NotInPython(reason);
    Ok(serde_json::json!({
        "encoder": args.encoder_size().map_err(unknown)?,
        "decoder": args.decoder_size().map_err(unknown)?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(changes: &serde_json::Value) -> GeneratorArgs {
        let mut config = serde_json::json!({
            "input_size": 4, "in_channels": 6, "hidden_size": 24, "depth": 2, "num_heads": 3, "mlp_ratio": 2.0,
            "num_classes": 5,
        });
        config
            .as_object_mut()
            .unwrap()
            .extend(changes.as_object().unwrap().clone());
        serde_json::from_value(config).unwrap()
    }

    #[test]
    fn an_evaluation_is_one_picture_with_and_without_its_class() {
        let sit = args(&serde_json::json!({}));
        let given = Evaluation::guided(&sit, GeneratorClass::Sit);
        let values = given.values();
        let (first, rest) = values.split_at(4 * 6);
        assert_eq!(first, &rest[..4 * 6]);
        assert_eq!(rest[4 * 6..], [0.5, 0.5, 0.0, 5.0]);
        assert_eq!(given.tensors(&sit).unwrap()[0].dims(), [2, 4, 6]);

        let squares =
            args(&serde_json::json!({"vae_1d": false, "learn_sigma": true, "class_dropout_prob": 0.0}));
        let given = Evaluation::guided(&squares, GeneratorClass::Dit);
        assert_eq!(given.values()[2 * 6 * 4 * 4..], [500.0, 500.0, 0.0, 0.0]);
        assert_eq!(given.tensors(&squares).unwrap()[0].dims(), [2, 6, 4, 4]);
    }

    #[cfg(unix)]
    #[test]
    fn a_side_that_gives_something_else_is_no_comparison() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let liar = folder.path().join("python");
        let program = r#"#!/bin/sh
echo '{"torch": "none"}'
while IFS='	' read -r stage given out; do
    if [ "$stage" = memory ]; then echo '{"peak_bytes": 1}'; else cp "$given" "$out"; echo '{"ms": 1}'; fi
done
"#;
        std::fs::write(&liar, program).unwrap();
        std::fs::set_permissions(&liar, std::fs::Permissions::from_mode(0o755)).unwrap();
        let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/softscope-sit");
        let files = ModelFiles::locate(&model).unwrap();
        let options = RunOptions {
            threads: Some(1),
            ..RunOptions::default()
        };
        let compare = |python: &Path| compare_generator(python, &files, &options, Duration::ZERO);
        assert!(matches!(
            compare(&liar),
            Err(AgainstError::Differs {
                stage: "evaluate",
                ..
            })
        ));
        assert!(matches!(compare(Path::new("true")), Err(AgainstError::Ended(_))));
    }
}
