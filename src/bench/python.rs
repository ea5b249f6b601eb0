//! A model in PyTorch, in a process of its own that runs it when asked.

use super::error::AgainstError;
use super::timing::Timing;
use crate::engine::EngineError;
use candle_core::Device;
use serde::Deserialize;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// What the programs share; they find it beside them.
const SHARED: (&str, &str) = ("pytorch_side.py", include_str!("../../benches/pytorch_side.py"));
/// How long each side rests before the other's turn: threads that wait for work by spinning have then gone to sleep.
const REST: Duration = Duration::from_millis(40);
/// Relative RMS by which outputs may differ: rounding alone stays far below.
const MOST_DIFFERENCE_F32: f64 = 1e-3;
const MOST_DIFFERENCE_BF16: f64 = 0.1;

/// One stage on both sides.
#[derive(Debug, Clone, serde::Serialize)]
pub struct ComparedStage {
    /// "encode" and "decode" of a tokenizer, "evaluate" of a generator.
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

/// Which model a process runs, and how.
pub(super) struct Side<'a> {
    /// File name and text of the program.
    pub(super) script: (&'static str, &'static str),
    pub(super) config: serde_json::Value,
    pub(super) weights: &'a Path,
    pub(super) device: &'a Device,
    /// "f32" or "bf16".
    pub(super) precision: &'a str,
    pub(super) threads: usize,
    /// Further options of the program.
    pub(super) options: &'a [&'a str],
}

/// A Python process with the model in PyTorch.
pub(super) struct Python {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    folder: tempfile::TempDir,
    torch: String,
    most_difference: f64,
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

/// What [`Python::start`] needs beside the model, in a program that ends at once.
const PROBE: &str = "import sys, numpy, torch; torch.zeros(1, device=sys.argv[1]); print(torch.__version__)";

impl Python {
    /// Whether `python` starts, has torch and numpy, and has `device`.
    pub(super) fn check(python: &Path, device: &Device) -> Result<(), AgainstError> {
        let probe = Command::new(python)
            .args(["-c", PROBE, device_in_torch(device)])
            .stdin(Stdio::null())
            .output()
            .map_err(|source| not_started(python, source))?;
        if probe.status.success() && !probe.stdout.is_empty() {
            return Ok(());
        }
        Err(ended(&String::from_utf8_lossy(&probe.stderr)))
    }

    pub(super) fn start(python: &Path, side: &Side<'_>) -> Result<Self, AgainstError> {
        let folder = tempfile::tempdir().map_err(AgainstError::Files)?;
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).map_err(AgainstError::Files)?;
            Ok::<_, AgainstError>(path)
        };
        write(SHARED.0, SHARED.1)?;
        let script = write(side.script.0, side.script.1)?;
        let config = write("config.json", &side.config.to_string())?;
        let errors = std::fs::File::create(folder.path().join("errors")).map_err(AgainstError::Files)?;
        let mut child = Command::new(python)
            .arg(script)
            .arg("--config")
            .arg(config)
            .arg("--weights")
            .arg(side.weights)
            .args(["--device", device_in_torch(side.device)])
            .args(["--precision", side.precision])
            .args(["--threads", &side.threads.to_string()])
            .args(side.options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .map_err(|source| not_started(python, source))?;
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
            most_difference: if side.precision == "f32" {
                MOST_DIFFERENCE_F32
            } else {
                MOST_DIFFERENCE_BF16
            },
        };
        started.torch = started.answer::<Started>()?.torch;
        Ok(started)
    }

    /// PyTorch's version.
    pub(super) fn torch(&self) -> &str {
        &self.torch
    }

    /// Checks that both sides give the same for `input`, then times them by turns.
    pub(super) fn compare(
        &mut self,
        stage: &'static str,
        input: &[f32],
        budget: Duration,
        ours: impl Fn() -> Result<Option<Vec<f32>>, EngineError>,
    ) -> Result<ComparedStage, AgainstError> {
        let (given, out) = (self.folder.path().join("given"), self.folder.path().join("out"));
        std::fs::write(&given, bytemuck::cast_slice::<f32, u8>(input)).map_err(AgainstError::Files)?;
        self.run(stage, &given, &out)?;
        let found = ours()?.unwrap_or_default();
        let theirs = std::fs::read(&out).map_err(AgainstError::Files)?;
        let (difference, limit) = (relative_rms(&found, &theirs), self.most_difference);
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

    /// Largest resident memory of the process.
    pub(super) fn peak_bytes(&mut self) -> Result<u64, AgainstError> {
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

    /// Why the process ended.
    fn ended(&self) -> AgainstError {
        ended(&std::fs::read_to_string(self.folder.path().join("errors")).unwrap_or_default())
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        // It may have ended by itself, and there is nothing more to be done where it cannot be ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn not_started(python: &Path, source: std::io::Error) -> AgainstError {
    AgainstError::Python {
        path: python.to_owned(),
        source,
    }
}

/// The last line that a process wrote to its standard error.
fn ended(errors: &str) -> AgainstError {
    let last = errors.lines().rfind(|line| !line.trim().is_empty());
    AgainstError::Ended(last.unwrap_or("it said nothing").to_owned())
}

/// PyTorch's name of a device.
fn device_in_torch(device: &Device) -> &'static str {
    match device {
        Device::Cpu => "cpu",
        Device::Cuda(_) => "cuda",
        Device::Metal(_) => "mps",
    }
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
