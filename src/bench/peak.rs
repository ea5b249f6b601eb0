//! What this machine's matrix products reach, to hold a model's rate against: the fastest there is here of each
//! precision, candle's own or the kernels'.

use super::Timing;
use crate::engine::EngineError;
use crate::kernel::{
    Finish, FloatFormat, Format, Grouping, Isa, Levels, Operand, PackedWeight, Words, product,
};
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
pub(super) fn gflop_per_s(format: Format) -> Result<f64, EngineError> {
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
    format: Format,
    (rows, inner, columns): (usize, usize, usize),
) -> Result<Option<Timing>, EngineError> {
    let dtype = match format {
        Format::F32 => DType::F32,
        Format::Bf16 => DType::BF16,
        Format::Int8 => return Ok(None),
    };
    let left = Tensor::ones((rows, inner), dtype, &Device::Cpu)?;
    let right = Tensor::ones((inner, columns), dtype, &Device::Cpu)?;
    let timing = Timing::of_runs(PER_SHAPE, || {
        left.matmul(&right).map(drop).map_err(EngineError::from)
    })?;
    Ok(Some(timing))
}

fn of_kernel(format: Format, (rows, inner, columns): (usize, usize, usize)) -> Timing {
    let isa = Isa::best();
    let float = if format == Format::Bf16 {
        FloatFormat::Bf16
    } else {
        FloatFormat::F32
    };
    let row = vec![1.0; inner];
    let weight = PackedWeight::new(float, inner, Grouping::dense(inner), &vec![0.0; columns], |_| {
        (&row, 1.0)
    });
    let weight = if format == Format::Int8 {
        weight.quantised(isa)
    } else {
        weight
    };
    let operand = Words::zeroed(format.operand_words(rows, inner));
    let levels = vec![Levels { scale: 1.0, zero: 0 }; rows];
    let x = Operand {
        format,
        rows,
        words: operand.get(),
        levels: if format == Format::Int8 { &levels } else { &[] },
    };
    let mut out = Words::zeroed(Format::F32.operand_words(rows, columns));
    let out = out.take_f32(Format::F32.operand_words(rows, columns));
    let timing = Timing::of_runs(PER_SHAPE, || {
        product(isa, &x, &weight, Finish::Store(out));
        Ok::<_, std::convert::Infallible>(())
    });
    match timing {
        Ok(timing) => timing,
        Err(never) => match never {},
    }
}
