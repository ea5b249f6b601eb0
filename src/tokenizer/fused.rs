//! What surrounds the products of a pass, each in one sweep over memory, on the CPU and without gradients.
//!
//! Loops are written so that the compiler turns them into vector instructions: no calls into libm, sums in lanes.

use crate::kernel::math::{exp_of_negative, gelu, gelu_tanh_and_slope, largest, sum};
use candle_core::{CpuStorage, CustomOp3, InplaceOp1, InplaceOp2, InplaceOp3, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

/// Values that one task of the thread pool takes at least; below that, handing it out costs more than it saves.
const TASK_VALUES: usize = 8192;
/// Values side by side that the compiler turns into vectors.
const LANES: usize = 16;

/// `y` [rows, out] += `bias` `[out]`, then what follows the layer.
pub(crate) fn add_bias(y: &Tensor, bias: &Tensor) -> Result<()> {
    y.inplace_op2(
        bias,
        &AddBias {
            activation: Activation::Identity,
        },
    )
}

/// `y` = GELU(`y` + `bias`), the exact one.
pub(super) fn add_bias_gelu(y: &Tensor, bias: &Tensor) -> Result<()> {
    y.inplace_op2(
        bias,
        &AddBias {
            activation: Activation::Gelu,
        },
    )
}

/// `y` += `bias` + `residual`; `residual` has as many values as `y`, in the same order.
pub(super) fn add_bias_and_residual(y: &Tensor, bias: &Tensor, residual: &Tensor) -> Result<()> {
    y.inplace_op3(bias, residual, &AddBiasAndResidual)
}

/// `x` = softmax(`x` * `scale`) over the last dimension, in place.
pub(crate) fn softmax(x: &Tensor, scale: f64) -> Result<()> {
    x.inplace_op1(&Softmax { scale: scale as f32 })
}

/// `x` = GELU(`x`) by the tangens hyperbolicus, in place.
pub(crate) fn gelu_tanh(x: &Tensor) -> Result<()> {
    x.inplace_op1(&GeluTanh)
}

/// LayerNorm over the last dimension.
pub(crate) fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, epsilon: f32) -> Result<Tensor> {
    x.apply_op3_no_bwd(weight, bias, &LayerNorm { epsilon })
}

fn values<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    layout
        .contiguous_offsets()
        .and_then(|(start, end)| storage.as_slice::<f32>().ok()?.get(start..end))
        .ok_or_else(not_contiguous)
}

fn values_mut<'a>(storage: &'a mut CpuStorage, layout: &Layout) -> Result<&'a mut [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(values), Some((start, end))) => {
            values.get_mut(start..end).ok_or_else(not_contiguous)
        }
        _ => Err(not_contiguous()),
    }
}

fn not_contiguous() -> candle_core::Error {
    candle_core::Error::msg("a fused operation takes contiguous f32 tensors")
}

/// Calls `work` with every row of `width` values and its number, in parallel.
fn for_each_row(values: &mut [f32], width: usize, work: impl Fn(usize, &mut [f32]) + Sync) {
    let width = width.max(1);
    let rows = TASK_VALUES.div_ceil(width);
    values
        .par_chunks_mut(rows * width)
        .enumerate()
        .for_each(|(task, chunk)| {
            for (row, values) in chunk.chunks_mut(width).enumerate() {
                work(task * rows + row, values);
            }
        });
}

#[derive(Debug, Clone, Copy)]
enum Activation {
    Identity,
    Gelu,
}

struct AddBias {
    activation: Activation,
}

impl InplaceOp2 for AddBias {
    fn name(&self) -> &'static str {
        "add-bias"
    }

    fn cpu_fwd(
        &self,
        y: &mut CpuStorage,
        y_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<()> {
        let bias = values(bias, bias_layout)?;
        let activation = self.activation;
        for_each_row(values_mut(y, y_layout)?, bias.len(), |_, row| match activation {
            Activation::Identity => row.iter_mut().zip(bias).for_each(|(y, bias)| *y += bias),
            Activation::Gelu => row
                .iter_mut()
                .zip(bias)
                .for_each(|(y, bias)| *y = gelu(*y + bias)),
        });
        Ok(())
    }
}

struct AddBiasAndResidual;

impl InplaceOp3 for AddBiasAndResidual {
    fn name(&self) -> &'static str {
        "add-bias-and-residual"
    }

    fn cpu_fwd(
        &self,
        y: &mut CpuStorage,
        y_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
        residual: &CpuStorage,
        residual_layout: &Layout,
    ) -> Result<()> {
        let bias = values(bias, bias_layout)?;
        let residual = values(residual, residual_layout)?;
        let y = values_mut(y, y_layout)?;
        if residual.len() != y.len() {
            return Err(candle_core::Error::msg(
                "a residual has as many values as what it is added to",
            ));
        }
        let width = bias.len();
        for_each_row(y, width, |row, y| {
            let residual = residual.get(row * width..).unwrap_or_default();
            for ((y, bias), residual) in y.iter_mut().zip(bias).zip(residual) {
                *y += bias + residual;
            }
        });
        Ok(())
    }
}

struct Softmax {
    scale: f32,
}

impl InplaceOp1 for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn cpu_fwd(&self, x: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let width = layout.dims().last().copied().unwrap_or(1);
        let scale = self.scale;
        for_each_row(values_mut(x, layout)?, width, |_, row| {
            let top = largest(row);
            for value in row.iter_mut() {
                *value = exp_of_negative((*value - top) * scale);
            }
            let factor = 1.0 / sum(row, |value| value);
            for value in row.iter_mut() {
                *value *= factor;
            }
        });
        Ok(())
    }
}

struct GeluTanh;

impl InplaceOp1 for GeluTanh {
    fn name(&self) -> &'static str {
        "gelu-tanh"
    }

    fn cpu_fwd(&self, x: &mut CpuStorage, layout: &Layout) -> Result<()> {
        for_each_row(values_mut(x, layout)?, LANES, |_, values| {
            values
                .iter_mut()
                .for_each(|value| *value = gelu_tanh_and_slope(*value).0);
        });
        Ok(())
    }
}

struct LayerNorm {
    epsilon: f32,
}

impl CustomOp3 for LayerNorm {
    fn name(&self) -> &'static str {
        "layer-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let mut y = values(x, x_layout)?.to_vec();
        let (weight, bias) = (values(weight, weight_layout)?, values(bias, bias_layout)?);
        let count = weight.len() as f32;
        for_each_row(&mut y, weight.len(), |_, row| {
            let mean = sum(row, |value| value) / count;
            // The spread around the mean, not the mean square less the squared mean, which cancels.
            let variance = sum(row, |value| (value - mean) * (value - mean)) / count;
            let factor = 1.0 / (variance + self.epsilon).sqrt();
            for ((value, weight), bias) in row.iter_mut().zip(weight).zip(bias) {
                *value = (*value - mean) * factor * weight + bias;
            }
        });
        Ok((CpuStorage::F32(y), x_layout.shape().clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{D, Device};
    use candle_nn::ops;

    fn wave(count: usize, size: f32) -> Vec<f32> {
        (0..count)
            .map(|index| size * ((index * 7919 % 2003) as f32 / 1001.0 - 1.0))
            .collect()
    }

    fn difference(found: &Tensor, expected: &Tensor) -> f32 {
        (found - expected)
            .unwrap()
            .abs()
            .unwrap()
            .max_all()
            .unwrap()
            .to_scalar()
            .unwrap()
    }

    #[test]
    fn gelu_is_the_exact_one() {
        let x = Tensor::from_vec(
            (-12_000..12_000).map(|step| step as f32 / 1000.0).collect(),
            24_000,
            &Device::Cpu,
        );
        let x = x.unwrap();
        let expected = x.gelu_erf().unwrap();
        let zero = Tensor::zeros(24_000, candle_core::DType::F32, &Device::Cpu).unwrap();
        add_bias_gelu(&x, &zero).unwrap();
        assert!(difference(&x, &expected) < 2e-6);
        assert!(gelu(f32::NAN).is_nan());
    }

    #[test]
    fn gelu_by_tanh_is_the_plain_operation() {
        let x = Tensor::from_vec(wave(3 * 37, 6.0), (3, 37), &Device::Cpu).unwrap();
        let expected = x.gelu().unwrap();
        gelu_tanh(&x).unwrap();
        assert!(difference(&x, &expected) < 2e-6);
    }

    #[test]
    fn sums_norms_and_softmax_agree_with_the_plain_operations() {
        for (rows, width) in [(1, 1), (3, 7), (97, 192), (321, 1024)] {
            let tensor =
                |size| Tensor::from_vec(wave(rows * width, size), (rows, width), &Device::Cpu).unwrap();
            let vector = |size| Tensor::from_vec(wave(width, size), width, &Device::Cpu).unwrap();
            let (x, weight, bias) = (tensor(3.0), vector(1.5), vector(0.5));

            let expected = ops::layer_norm_slow(&x, &weight, &bias, 1e-6).unwrap();
            assert!(difference(&layer_norm(&x, &weight, &bias, 1e-6).unwrap(), &expected) < 5e-6);

            let y = tensor(2.0);
            let expected = (y.broadcast_add(&bias).unwrap() + &x).unwrap();
            add_bias_and_residual(&y, &bias, &x).unwrap();
            assert!(difference(&y, &expected) < 1e-6);

            let y = tensor(2.0);
            let expected = y.broadcast_add(&bias).unwrap();
            add_bias(&y, &bias).unwrap();
            assert!(difference(&y, &expected) < 1e-6);

            let y = tensor(20.0);
            let expected = ops::softmax(&(&y * 0.7).unwrap(), D::Minus1).unwrap();
            softmax(&y, 0.7).unwrap();
            assert!(difference(&y, &expected) < 1e-6);
        }
    }

    #[test]
    fn views_that_are_not_contiguous_are_refused() {
        let x = Tensor::zeros((4, 8), candle_core::DType::F32, &Device::Cpu).unwrap();
        assert!(softmax(&x.t().unwrap(), 1.0).is_err());
        assert!(add_bias_and_residual(&x, &x.get(0).unwrap(), &x.narrow(0, 0, 2).unwrap()).is_err());
    }
}
