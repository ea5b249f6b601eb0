//! What this machine's matrix products reach, to hold a model's rate against.

use super::Timing;
use crate::engine::EngineError;
use candle_core::{DType, Device, Tensor};
use std::time::Duration;

/// Shapes of a large transformer's products (rows, inner, columns): the best of them is the peak.
const SHAPES: [(usize, usize, usize); 3] = [(321, 1024, 4096), (512, 1024, 1024), (768, 2048, 2048)];
const PER_SHAPE: Duration = Duration::from_millis(300);

/// GFLOP/s of the fastest of a few large products on the calling thread's pool, in f32 or bf16.
pub(super) fn gflop_per_s(is_bf16: bool) -> Result<f64, EngineError> {
    let dtype = if is_bf16 { DType::BF16 } else { DType::F32 };
    let mut best = 0.0_f64;
    for (rows, inner, columns) in SHAPES {
        let left = Tensor::ones((rows, inner), dtype, &Device::Cpu)?;
        let right = Tensor::ones((inner, columns), dtype, &Device::Cpu)?;
        let timing = Timing::of_runs(PER_SHAPE, || {
            left.matmul(&right).map(drop).map_err(EngineError::from)
        })?;
        let gflop = 2.0 * (rows * inner * columns) as f64 / 1e9;
        best = best.max(gflop / (timing.best_ms / 1e3));
    }
    Ok(best)
}
