//! How fast a model is here: each stage's time and rate beside what the machine's own matrix products reach, and the
//! latency of a drag through the worker thread. Every ratio is of figures taken in the same run.

mod against;
mod batch;
mod drag;
mod error;
mod flops;
mod generator;
mod load;
mod memory;
mod peak;
mod preflight;
mod product;
mod python;
mod timing;

pub use against::{Comparison, compare, compare_generator};
pub use batch::BatchBench;
pub use drag::{DragLatency, PreviewedDrag};
pub use error::AgainstError;
pub use generator::{GeneratorBench, TOKEN_COUNTS, TokenCost, measure_generator, token_costs};
pub use load::{LoadBench, LoadTurns};
pub use preflight::Preflight;
pub use product::{LinearProduct, ProductFormat};
pub use python::ComparedStage;
pub use timing::Timing;

use crate::engine::{Control, EngineError, NoControl, Precision, RunOptions, Runner};
use crate::latent::{Edit, LatentSpace, LatentState};
use crate::picture::Planar;
use crate::tokenizer::ModelFiles;
use candle_core::DType;
use std::sync::Arc;
use std::time::Duration;

/// How long to measure.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Time for each stage; at least [`Effort::LEAST_RUNS`] runs are made however long they take.
    pub per_stage: Duration,
    /// Positions of the scripted drag.
    pub drag_positions: usize,
}

impl Effort {
    /// Runs of a stage that are made in any case; the first is not counted, for caches are cold.
    pub const LEAST_RUNS: usize = 4;
}

/// What was measured of one stage.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Stage {
    /// "load", "encode", "decode", "preview" (a decode in 8 bits, where there is one) or "edit".
    pub stage: &'static str,
    /// Its times.
    #[serde(flatten)]
    pub timing: Timing,
    /// Floating-point operations of one run, in units of 10^9 (a multiplication and an addition are two); `None` where the
    /// stage is not made of products.
    pub gflop: Option<f64>,
    /// `gflop` over the best time.
    pub gflop_per_s: Option<f64>,
    /// `gflop_per_s` over the machine's measured peak.
    pub peak_ratio: Option<f64>,
}

/// What was measured of one model.
#[derive(Debug, Clone, serde::Serialize)]
pub struct ModelBench {
    /// As `--model` names it.
    pub model: String,
    /// [`crate::engine::ModelInfo::hash`].
    pub hash: String,
    /// Such as "CPU".
    pub device: String,
    /// Such as "f32".
    pub precision: String,
    /// CPU threads the products use; 1 on a GPU.
    pub threads: usize,
    /// Memory that the weights take on the device, bytes.
    pub weight_bytes: u64,
    /// What large matrix products of this precision reach on this device, on a CPU with these threads, GFLOP/s.
    pub peak_gflop_per_s: f64,
    /// The same of products of 8-bit integers, by which the preview is judged; `None` where there is no preview.
    pub preview_peak_gop_per_s: Option<f64>,
    /// The same model in PyTorch, where a Python was given; one for each precision.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub against: Vec<Comparison>,
    /// In the order of a picture's way.
    pub stages: Vec<Stage>,
    /// What a load takes beside a read of the weights.
    pub load: LoadBench,
    /// A drag of one codeword weight through the worker thread.
    pub drag: DragLatency,
    /// The same over positions that were decoded ahead.
    pub previewed_drag: PreviewedDrag,
    /// Whether it pays to decode these in one batch.
    pub batch: BatchBench,
    /// Largest resident memory of the process since the model began to load, bytes; `None` where the system does not tell.
    pub peak_memory_bytes: Option<u64>,
}

/// Loads and measures a model. `picture` makes the input for a side in pixels.
///
/// # Errors
/// As [`Runner::open`], and what the model's passes return.
pub fn measure(
    files: &ModelFiles,
    options: &RunOptions,
    effort: Effort,
    picture: impl FnOnce(u32) -> Planar,
    control: &dyn Control,
) -> Result<ModelBench, EngineError> {
    memory::reset_peak();
    let runner = Runner::open(files, options, control)?;
    let info = Arc::clone(runner.info());
    let side = u32::try_from(info.args.image_size).unwrap_or(u32::MAX);
    let input = [picture(side)];
    let encodes = Timing::of_runs(effort.per_stage, || runner.encode(&input, &NoControl).map(drop))?;
    let state = runner
        .encode(&input, &NoControl)?
        .pop()
        .ok_or_else(|| EngineError::Model("it gave nothing for one picture".to_owned()))?;
    let decodes = Timing::of_runs(effort.per_stage, || {
        runner.decode(&[&state.z], &NoControl).map(drop)
    })?;
    let edits = Timing::of_runs(effort.per_stage, || edit_all(&info.space, &state))?;
    let peak_memory_bytes = memory::peak_bytes();
    let previews = preview_times(&runner, &state, effort.per_stage)?;
    let batch = BatchBench::of(&runner, &state, effort.per_stage)?;
    let peak_of = |format| runner.on_threads(|| peak::gflop_per_s(format));
    let (format, dtype) = match options.precision {
        Precision::Bf16 => (ProductFormat::Bf16, DType::BF16),
        Precision::Auto | Precision::F32 => (ProductFormat::F32, DType::F32),
    };
    let device = runner.tokenizer().device().clone();
    let peak_gflop_per_s = if device.is_cpu() {
        peak_of(format)?
    } else {
        peak::gflop_per_s_on_gpu(&device, dtype)?
    };
    let preview_peak_gop_per_s = previews.map(|_| peak_of(ProductFormat::Int8)).transpose()?;
    drop(runner);
    let options = RunOptions {
        threads: Some(info.threads),
        ..*options
    };
    let load = LoadBench::of(files, &options, effort.per_stage)?;
    let dragged = drag::Rig::new(files, &options, &state)?;
    let drag = dragged.drag(effort.drag_positions)?;
    let previewed_drag = dragged.previewed_drag(effort.drag_positions)?;
    let rate = Rate {
        peak_gflop_per_s: Some(peak_gflop_per_s),
    };
    let mut stages = vec![
        rate.stage("load", load.warm.load, None),
        rate.stage("encode", encodes, flops::encode(&info.args)),
        rate.stage("decode", decodes, flops::decode(&info.args)),
    ];
    let preview_rate = Rate {
        peak_gflop_per_s: preview_peak_gop_per_s,
    };
    stages.extend(previews.map(|times| preview_rate.stage("preview", times, flops::decode(&info.args))));
    stages.push(rate.stage("edit", edits, None));
    Ok(ModelBench {
        model: info.name.clone(),
        hash: info.hash.clone(),
        device: info.device.clone(),
        precision: info.precision.clone(),
        threads: info.threads,
        weight_bytes: info.weight_bytes,
        peak_gflop_per_s,
        preview_peak_gop_per_s,
        against: Vec::new(),
        stages,
        load,
        drag,
        previewed_drag,
        batch,
        peak_memory_bytes,
    })
}

/// Decodes in 8 bits; `None` where there are none.
fn preview_times(
    runner: &Runner,
    state: &LatentState,
    budget: Duration,
) -> Result<Option<Timing>, EngineError> {
    if !runner.prepare_preview() {
        return Ok(None);
    }
    let decode = || runner.decode_preview(&[&state.z], &NoControl).map(drop);
    Ok(Some(Timing::of_runs(budget, decode)?))
}

/// An edit of every token.
fn edit_all(space: &LatentSpace, original: &LatentState) -> Result<(), EngineError> {
    let edit = Edit::Scale {
        tokens: (0..space.token_count).collect(),
        factor: 0.5,
    };
    crate::latent::apply(space, original, &mut original.clone(), &edit)
        .map_err(|error| EngineError::Model(error.to_string()))
}

struct Rate {
    peak_gflop_per_s: Option<f64>,
}

impl Rate {
    fn stage(&self, stage: &'static str, timing: Timing, gflop: Option<f64>) -> Stage {
        let gflop_per_s = gflop.map(|gflop| gflop / (timing.best_ms / 1e3));
        Stage {
            stage,
            timing,
            gflop,
            gflop_per_s,
            peak_ratio: gflop_per_s
                .zip(self.peak_gflop_per_s)
                .map(|(rate, peak)| rate / peak),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_work_over_the_best_time() {
        let timing = Timing {
            best_ms: 10.0,
            median_ms: 20.0,
            runs: 3,
        };
        let rate = Rate {
            peak_gflop_per_s: Some(400.0),
        };
        let stage = rate.stage("decode", timing, Some(2.0));
        assert_eq!(stage.gflop_per_s, Some(200.0));
        assert_eq!(stage.peak_ratio, Some(0.5));
        assert_eq!(rate.stage("load", timing, None).peak_ratio, None);
    }
}
