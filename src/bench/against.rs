//! The same model in PyTorch, run alternately with ours, so that whatever else the machine does meets both.

use super::error::AgainstError;
use super::memory;
use super::timing::Timing;
use crate::engine::{EngineError, NoControl, RunOptions, Runner};
use crate::picture::Planar;
use crate::tokenizer::{ModelFiles, Tokenizer};
use candle_core::Device;
use serde::Deserialize;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// PyTorch's side.
const SCRIPT: &str = include_str!("../../benches/tokenizer_pytorch.py");
/// How long each side rests before the other's turn: threads that wait for work by spinning have then gone to sleep.
const REST: Duration = Duration::from_millis(40);
/// Relative RMS by which outputs may differ: rounding alone stays far below.
const MOST_DIFFERENCE_F32: f64 = 1e-3;
const MOST_DIFFERENCE_BF16: f64 = 0.1;

/// One precision of a model, ours beside PyTorch's.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Comparison {
    /// Such as "f32", of weights and products on both sides.
    pub precision: String,
    /// PyTorch's version.
    pub torch: String,
    /// "encode" and "decode".
    pub stages: Vec<ComparedStage>,
    /// Our largest resident memory since the model began to load, bytes.
    pub our_peak_bytes: Option<u64>,
    /// The Python process's.
    pub their_peak_bytes: u64,
}

/// One stage on both sides.
#[derive(Debug, Clone, serde::Serialize)]
pub struct ComparedStage {
    /// "encode" or "decode".
    pub stage: &'static str,
    /// Our times.
    pub ours: Timing,
    /// PyTorch's.
    pub theirs: Timing,
    /// PyTorch's best time over ours: above 1, ours is faster.
    pub speed_ratio: f64,
    /// The same of the medians.
    pub median_ratio: f64,
    /// Relative RMS between both outputs.
    pub difference: f64,
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
    let mut python = Python::start(python, files, &runner)?;
    let limit = if info.precision == "f32" {
        MOST_DIFFERENCE_F32
    } else {
        MOST_DIFFERENCE_BF16
    };
    let tokens = &state.z;
    let [picture] = &input;
    let encoded = || {
        Ok(runner
            .encode(&input, &NoControl)?
            .pop()
            .map(|state| state.z.values))
    };
    let encode = python.compare("encode", &picture.data, limit, per_stage, encoded)?;
    let decoded = || {
        Ok(runner
            .decode(&[tokens], &NoControl)?
            .pop()
            .map(|picture| picture.data))
    };
    let decode = python.compare("decode", &tokens.values, limit, per_stage, decoded)?;
    Ok(Comparison {
        precision: info.precision.clone(),
        torch: python.torch.clone(),
        stages: vec![encode, decode],
        our_peak_bytes: memory::peak_bytes(),
        their_peak_bytes: python.peak_bytes()?,
    })
}

/// A Python process with the model in PyTorch.
struct Python {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    folder: tempfile::TempDir,
    torch: String,
}

#[derive(Deserialize)]
struct Started {
    torch: String,
}

#[derive(Deserialize)]
struct Timed {
    ms: f64,
}

#[derive(Deserialize)]
struct Peak {
    peak_bytes: u64,
}

impl Python {
    fn start(python: &Path, files: &ModelFiles, runner: &Runner) -> Result<Self, AgainstError> {
        let folder = tempfile::tempdir().map_err(AgainstError::Files)?;
        let script = folder.path().join("tokenizer_pytorch.py");
        let config = folder.path().join("config.json");
        let info = runner.info();
        std::fs::write(&script, SCRIPT).map_err(AgainstError::Files)?;
        std::fs::write(&config, info.args.to_json().to_string()).map_err(AgainstError::Files)?;
        let errors = std::fs::File::create(folder.path().join("errors")).map_err(AgainstError::Files)?;
        let mut child = Command::new(python)
            .arg(script)
            .arg("--config")
            .arg(config)
            .arg("--weights")
            .arg(&files.weights)
            .args(["--sizes", &sizes(runner.tokenizer())?.to_string()])
            .args(["--device", device_in_torch(runner)])
            .args(["--precision", &info.precision])
            .args(["--threads", &info.threads.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .map_err(|source| AgainstError::Python {
                path: python.to_owned(),
                source,
            })?;
        let (Some(requests), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(AgainstError::Ended(
                "it has no standard input and output".to_owned(),
            ));
        };
        let mut started = Self {
            child,
            requests,
            answers: BufReader::new(answers),
            folder,
            torch: String::new(),
        };
        started.torch = started.answer::<Started>()?.torch;
        Ok(started)
    }

    /// Checks that both sides give the same for `input`, then times them by turns.
    fn compare(
        &mut self,
        stage: &'static str,
        input: &[f32],
        limit: f64,
        budget: Duration,
        ours: impl Fn() -> Result<Option<Vec<f32>>, EngineError>,
    ) -> Result<ComparedStage, AgainstError> {
        let (given, out) = (self.folder.path().join("given"), self.folder.path().join("out"));
        std::fs::write(&given, bytemuck::cast_slice::<f32, u8>(input)).map_err(AgainstError::Files)?;
        self.run(stage, &given, &out)?;
        let found = ours()?.unwrap_or_default();
        let theirs = std::fs::read(&out).map_err(AgainstError::Files)?;
        let difference = relative_rms(&found, &theirs);
        if difference.is_nan() || difference > limit {
            return Err(AgainstError::Differs {
                stage,
                difference,
                limit,
            });
        }
        let nowhere = PathBuf::from("-");
        let (mut our_times, mut their_times) = (Vec::new(), Vec::new());
        let started = Instant::now();
        while our_times.len() + 1 < super::Effort::LEAST_RUNS || started.elapsed() < 2 * budget {
            std::thread::sleep(REST);
            their_times.push(self.run(stage, &given, &nowhere)?);
            std::thread::sleep(REST);
            let run = Instant::now();
            ours()?;
            our_times.push(run.elapsed().as_secs_f64() * 1e3);
        }
        let (ours, theirs) = (Timing::of_times(our_times), Timing::of_times(their_times));
        Ok(ComparedStage {
            stage,
            ours,
            theirs,
            speed_ratio: theirs.best_ms / ours.best_ms,
            median_ratio: theirs.median_ms / ours.median_ms,
            difference,
        })
    }

    fn run(&mut self, stage: &str, given: &Path, out: &Path) -> Result<f64, AgainstError> {
        let request = format!("{stage}\t{}\t{}\n", given.display(), out.display());
        Ok(self.ask::<Timed>(&request)?.ms)
    }

    fn peak_bytes(&mut self) -> Result<u64, AgainstError> {
        Ok(self.ask::<Peak>("memory\n")?.peak_bytes)
    }

    fn ask<T: for<'de> Deserialize<'de>>(&mut self, request: &str) -> Result<T, AgainstError> {
        if self.requests.write_all(request.as_bytes()).is_err() {
            return Err(self.ended());
        }
        self.answer()
    }

    fn answer<T: for<'de> Deserialize<'de>>(&mut self) -> Result<T, AgainstError> {
        let mut line = String::new();
        match self.answers.read_line(&mut line) {
            Ok(length) if length > 0 => {
                serde_json::from_str(&line).map_err(|_| AgainstError::Ended(line.trim().to_owned()))
            }
            _ => Err(self.ended()),
        }
    }

    /// Why the process ended: the last line it wrote to its standard error.
    fn ended(&self) -> AgainstError {
        let errors = std::fs::read_to_string(self.folder.path().join("errors")).unwrap_or_default();
        let last = errors.lines().rfind(|line| !line.trim().is_empty());
        AgainstError::Ended(last.unwrap_or("it said nothing").to_owned())
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        // It may have ended by itself, and there is nothing more to be done where it cannot be ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// PyTorch's name of the device that ours runs on.
fn device_in_torch(runner: &Runner) -> &'static str {
    match runner.tokenizer().device() {
        Device::Cpu => "cpu",
        Device::Cuda(_) => "cuda",
        Device::Metal(_) => "mps",
    }
}

/// What the configuration does not tell: depth and heads of both sides.
fn sizes(tokenizer: &Tokenizer) -> Result<serde_json::Value, AgainstError> {
    let args = tokenizer.args();
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

/// Root of the mean squared difference over that of the second values, which are f32 as bytes.
fn relative_rms(found: &[f32], expected: &[u8]) -> f64 {
    let (expected, _) = expected.as_chunks::<4>();
    if expected.len() != found.len() {
        return f64::NAN;
    }
    let mut difference = 0.0;
    let mut size = 0.0;
    for (found, expected) in found.iter().zip(expected) {
        let expected = f64::from(f32::from_ne_bytes(*expected));
        difference += (f64::from(*found) - expected).powi(2);
        size += expected.powi(2);
    }
    (difference / size).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_relative_to_the_expected() {
        let bytes = |values: &[f32]| bytemuck::cast_slice::<f32, u8>(values).to_vec();
        assert_eq!(relative_rms(&[1.0, 2.0], &bytes(&[1.0, 2.0])), 0.0);
        assert!((relative_rms(&[3.0, 4.4], &bytes(&[3.0, 4.0])) - 0.08).abs() < 1e-6);
        assert!(relative_rms(&[1.0], &bytes(&[1.0, 2.0])).is_nan());
    }
}
