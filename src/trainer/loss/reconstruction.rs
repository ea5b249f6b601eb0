//! Distances between pictures, pixel by pixel, with their gradients worked out by hand.

use crate::trainer::values::{gradient_values, values};
use candle_core::{CpuStorage, CustomOp2, D, Device, Layout, Result, Shape, Tensor};

/// Distances between `found` and `wanted`, both `[B, 3, H, W]`: `[3]` with the mean absolute difference, the mean squared
/// difference, and the mean absolute difference of neighbouring pixels' differences (across plus down). Gradients reach
/// `found` alone.
///
/// # Errors
/// Other shapes, or tensors that are not f32.
pub fn reconstruction_terms(found: &Tensor, wanted: &Tensor) -> Result<Tensor> {
    if !found.device().is_cpu() {
        return composed(found, wanted);
    }
    found
        .contiguous()?
        .apply_op2(&wanted.contiguous()?, Reconstruction)
}

/// The same of candle's operations, for any device.
fn composed(found: &Tensor, wanted: &Tensor) -> Result<Tensor> {
    let error = (found - wanted.detach())?;
    let steps = |axis: D| -> Result<Tensor> {
        let count = error.dim(axis)?.saturating_sub(1);
        let step = (error.narrow(axis, 1, count)? - error.narrow(axis, 0, count)?)?;
        step.abs()?.mean_all()
    };
    let (absolute, square) = (error.abs()?.mean_all()?, error.sqr()?.mean_all()?);
    Tensor::stack(&[absolute, square, (steps(D::Minus1)? + steps(D::Minus2)?)?], 0)
}

struct Reconstruction;

/// Height and width of the planes of [.., H, W].
fn plane(layout: &Layout) -> Result<(usize, usize)> {
    match layout.dims() {
        [.., height, width] if *height > 1 && *width > 1 => Ok((*height, *width)),
        dims => Err(candle_core::Error::msg(format!(
            "pictures have two sides above 1 pixel, not {dims:?}"
        ))),
    }
}

/// Reciprocals of how many values each term is the mean of: (pixels, steps across, steps down).
fn shares(count: usize, height: usize, width: usize) -> (f64, f64, f64) {
    let planes = (count / (height * width)) as f64;
    let across = planes * (height * (width - 1)) as f64;
    let down = planes * ((height - 1) * width) as f64;
    (1.0 / count as f64, 1.0 / across, 1.0 / down)
}

fn differences(found: &[f32], wanted: &[f32]) -> Vec<f32> {
    found.iter().zip(wanted).map(|(a, b)| a - b).collect()
}

/// Sum of |next - this| over two runs of values.
fn steps(these: &[f32], next: &[f32]) -> f64 {
    let sum: f32 = these.iter().zip(next).map(|(a, b)| (b - a).abs()).sum();
    f64::from(sum)
}

/// Adds what |next - this| pulls on the values at each end.
fn add_step_gradient(at_these: &mut [f32], at_next: &mut [f32], these: &[f32], next: &[f32], weight: f32) {
    let places = at_these.iter_mut().zip(at_next);
    for ((at_this, at_next), (a, b)) in places.zip(these.iter().zip(next)) {
        let pull = sign(b - a) * weight;
        *at_this -= pull;
        *at_next += pull;
    }
}

/// -1, 0 or 1.
fn sign(value: f32) -> f32 {
    f32::from(i8::from(value > 0.0) - i8::from(value < 0.0))
}

impl CustomOp2 for Reconstruction {
    fn name(&self) -> &'static str {
        "reconstruction-terms"
    }

    fn cpu_fwd(
        &self,
        found: &CpuStorage,
        found_layout: &Layout,
        wanted: &CpuStorage,
        wanted_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let difference = differences(values(found, found_layout)?, values(wanted, wanted_layout)?);
        let (height, width) = plane(found_layout)?;
        let (pixel_share, across_share, down_share) = shares(difference.len(), height, width);
        let (mut absolute, mut square, mut across, mut down) = (0.0, 0.0, 0.0, 0.0);
        for plane in difference.chunks_exact(height * width) {
            for row in plane.chunks_exact(width) {
                absolute += f64::from(row.iter().map(|value| value.abs()).sum::<f32>());
                square += f64::from(row.iter().map(|value| value * value).sum::<f32>());
                across += steps(row, row.get(1..).unwrap_or_default());
            }
            let below = plane.get(width..).unwrap_or_default();
            for (row, next) in plane.chunks_exact(width).zip(below.chunks_exact(width)) {
                down += steps(row, next);
            }
        }
        let terms = vec![
            (absolute * pixel_share) as f32,
            (square * pixel_share) as f32,
            (across * across_share + down * down_share) as f32,
        ];
        Ok((CpuStorage::F32(terms), Shape::from(3)))
    }

    fn bwd(
        &self,
        found: &Tensor,
        wanted: &Tensor,
        _terms: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let weights = gradient_values(gradient)?;
        let [l1, mse, steps] = weights.as_slice() else {
            return Err(candle_core::Error::msg("three terms have three gradients"));
        };
        let difference = differences(&gradient_values(found)?, &gradient_values(wanted)?);
        let (height, width) = plane(found.layout())?;
        let (pixel_share, across_share, down_share) = shares(difference.len(), height, width);
        let (l1, mse) = (l1 * pixel_share as f32, 2.0 * mse * pixel_share as f32);
        let mut pull: Vec<f32> = difference
            .iter()
            .map(|value| l1 * sign(*value) + mse * value)
            .collect();
        if *steps != 0.0 {
            let (across, down) = (steps * across_share as f32, steps * down_share as f32);
            let planes = pull
                .chunks_exact_mut(height * width)
                .zip(difference.chunks_exact(height * width));
            for (pull, plane) in planes {
                add_plane_gradient(pull, plane, width, across, down);
            }
        }
        Ok((Some(Tensor::from_vec(pull, found.shape(), &Device::Cpu)?), None))
    }
}

fn add_plane_gradient(pull: &mut [f32], plane: &[f32], width: usize, across: f32, down: f32) {
    for (pull, row) in pull.chunks_exact_mut(width).zip(plane.chunks_exact(width)) {
        // The pulls of a row's steps, then each pixel gets those on its two sides.
        let mut left = 0.0;
        for (place, (a, b)) in row.iter().zip(row.iter().skip(1)).enumerate() {
            let step = sign(b - a) * across;
            if let Some(value) = pull.get_mut(place) {
                *value += left - step;
            }
            left = step;
        }
        if let Some(value) = pull.last_mut() {
            *value += left;
        }
    }
    for row in 1..plane.len() / width {
        let (above, below) = pull.split_at_mut(row * width);
        let (these, next) = plane.split_at(row * width);
        let start = (row - 1) * width;
        if let (Some(at_this), Some(at_next), Some(this), Some(next)) = (
            above.get_mut(start..),
            below.get_mut(..width),
            these.get(start..),
            next.get(..width),
        ) {
            add_step_gradient(at_this, at_next, this, next, down);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Var;

    #[test]
    fn candles_operations_give_the_same_terms_and_gradients() {
        let values =
            |seed: f32| -> Vec<f32> { (1..=2 * 3 * 5 * 4).map(|i| (i as f32 * seed).sin()).collect() };
        let tensor = |seed| Tensor::from_vec(values(seed), (2, 3, 5, 4), &Device::Cpu).unwrap();
        let (found, wanted) = (Var::from_tensor(&tensor(0.7)).unwrap(), tensor(1.3));
        let weights = Tensor::new(&[0.5_f32, 1.0, 0.3], &Device::Cpu).unwrap();
        let of = |terms: Result<Tensor>| {
            let terms = terms.unwrap();
            let loss = (&terms * &weights).unwrap().sum_all().unwrap();
            let gradient = loss.backward().unwrap().get(&found).unwrap().clone();
            (
                terms.to_vec1::<f32>().unwrap(),
                gradient_values(&gradient).unwrap(),
            )
        };
        let (terms, gradient) = of(reconstruction_terms(&found, &wanted));
        let (composed_terms, composed_gradient) = of(composed(&found, &wanted));
        for (a, b) in terms
            .iter()
            .zip(&composed_terms)
            .chain(gradient.iter().zip(&composed_gradient))
        {
            assert!((a - b).abs() < 1e-6, "{a} and {b}");
        }
    }
}
