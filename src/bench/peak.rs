//! What this machine's matrix products reach, to hold a model's rate against: the fastest there is here of each
//! precision, candle's own or the kernels'.

use super::{LinearProduct, ProductFormat, Timing};
use crate::engine::EngineError;
use candle_core::{DType, Device, Tensor};
use std::time::Duration;

/// Shapes of a large transformer's products (rows, inner, columns): the best of them is the peak.
const SHAPES: [(usize, usize, usize); 3] = [(324, 1024, 4096), (516, 1024, 1024), (288, 768, 3072)];
const PER_SHAPE: Duration = Duration::from_millis(200);
/// What fills a GPU (rows, inner, columns), beside the same.
const LARGE: (usize, usize, usize) = (4096, 4096, 4096);
/// Products that a GPU is given before it is waited for: launching them is then no part of their time.
const IN_A_ROW: usize = 8;

/// GFLOP/s of the fastest of a few large products on a GPU, by candle, which has none of 8 bits there.
pub(super) fn gflop_per_s_on_gpu(device: &Device, dtype: DType) -> Result<f64, EngineError> {
    let mut best = 0.0_f64;
    for (rows, inner, columns) in SHAPES.into_iter().chain([LARGE]) {
        let left = Tensor::ones((rows, inner), dtype, device)?;
        let right = Tensor::ones((inner, columns), dtype, device)?;
        let timing = Timing::of_runs(PER_SHAPE, || {
            for _ in 0..IN_A_ROW {
                left.matmul(&right)?;
            }
            device.synchronize().map_err(EngineError::from)
        })?;
        let gflop = 2.0 * (IN_A_ROW * rows * inner * columns) as f64 / 1e9;
        best = best.max(gflop / (timing.best_ms / 1e3));
    }
    Ok(best)
}

/// GFLOP/s of the fastest of a few large products on the calling thread's pool.
pub(super) fn gflop_per_s(format: ProductFormat) -> Result<f64, EngineError> {
    let mut best = 0.0_f64;
    for shape in SHAPES {
        let gflop = 2.0 * (shape.0 * shape.1 * shape.2) as f64 / 1e9;
        let kernel = of_kernel(format, shape);
        let timing = match of_candle(format, shape)? {
            Some(candle) if candle.best_ms < kernel.best_ms => candle,
            _ => kernel,
        };
        best = best.max(gflop / (timing.best_ms / 1e3));
    }
    Ok(best)
}

/// candle's product; None where it has none of this format.
fn of_candle(
    format: ProductFormat,
    (rows, inner, columns): (usize, usize, usize),
) -> Result<Option<Timing>, EngineError> {
    let dtype = match format {
        ProductFormat::F32 => DType::F32,
        ProductFormat::Bf16 => DType::BF16,
        ProductFormat::Int8 => return Ok(None),
    };
    let left = Tensor::ones((rows, inner), dtype, &Device::Cpu)?;
    let right = Tensor::ones((inner, columns), dtype, &Device::Cpu)?;
    let timing = Timing::of_runs(PER_SHAPE, || {
        left.matmul(&right).map(drop).map_err(EngineError::from)
    })?;
    Ok(Some(timing))
}

fn of_kernel(format: ProductFormat, (rows, inner, columns): (usize, usize, usize)) -> Timing {
    let (x, weight) = (vec![1.0; rows * inner], vec![1.0; columns * inner]);
    let mut product = LinearProduct::new(format, inner, &x, &weight);
    let timing = Timing::of_runs(PER_SHAPE, || {
        product.run();
        Ok::<_, std::convert::Infallible>(())
    });
    match timing {
        Ok(timing) => timing,
        Err(never) => match never {},
    }
}
