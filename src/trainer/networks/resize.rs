//! Pictures in another size, by products with one matrix for each side, so that gradients pass.

use candle_core::{Device, Result, Tensor};

/// The reference's bicubic kernel (PyTorch's).
const CUBIC: f64 = -0.75;

/// How values in between are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::trainer) enum Resample {
    /// Over four neighbours, without a blur where it shrinks.
    Bicubic,
    /// Means of the areas that new places cover.
    Area,
}

/// `x` [.., H, W] to [.., height, width].
pub(in crate::trainer) fn resize(x: &Tensor, height: usize, width: usize, how: Resample) -> Result<Tensor> {
    let mut dims = x.dims().to_vec();
    let (Some(old_width), Some(old_height)) = (dims.pop(), dims.pop()) else {
        return Err(candle_core::Error::msg("pictures have two sides"));
    };
    if (old_height, old_width) == (height, width) {
        return Ok(x.clone());
    }
    let planes: usize = dims.iter().product();
    let across = x
        .reshape((planes * old_height, old_width))?
        .matmul(&matrix(old_width, width, how)?.t()?)?;
    let turned = across
        .reshape((planes, old_height, width))?
        .transpose(1, 2)?
        .contiguous()?;
    let down = turned
        .reshape((planes * width, old_height))?
        .matmul(&matrix(old_height, height, how)?.t()?)?;
    dims.extend([height, width]);
    down.reshape((planes, width, height))?
        .transpose(1, 2)?
        .contiguous()?
        .reshape(dims)
}

/// `values` [.., from, C] averaged to [.., to, C], each new place over those that it covers.
pub(in crate::trainer) fn pool_sequence(values: &Tensor, to: usize) -> Result<Tensor> {
    let (batch, from, channels) = values.dims3()?;
    let matrix = matrix(from, to, Resample::Area)?.broadcast_as((batch, to, from))?;
    matrix
        .contiguous()?
        .matmul(&values.contiguous()?)?
        .reshape((batch, to, channels))
}

/// [to, from]
fn matrix(from: usize, to: usize, how: Resample) -> Result<Tensor> {
    let mut weights = vec![0.0_f32; from * to];
    for (place, row) in weights.chunks_exact_mut(from.max(1)).enumerate() {
        match how {
            Resample::Bicubic => bicubic_row(row, place, to),
            Resample::Area => {
                let (start, end) = (place * from / to, ((place + 1) * from).div_ceil(to));
                let share = 1.0 / (end - start) as f32;
                row.iter_mut()
                    .take(end)
                    .skip(start)
                    .for_each(|weight| *weight = share);
            }
        }
    }
    Tensor::from_vec(weights, (to, from), &Device::Cpu)
}

fn bicubic_row(row: &mut [f32], place: usize, to: usize) {
    let last = row.len() as isize - 1;
    let middle = (place as f64 + 0.5) * row.len() as f64 / to as f64 - 0.5;
    let first = middle.floor();
    for tap in -1..=2_isize {
        let distance = (middle - first - tap as f64).abs();
        let weight = if distance <= 1.0 {
            ((CUBIC + 2.0) * distance - (CUBIC + 3.0)) * distance * distance + 1.0
        } else {
            ((distance - 5.0) * distance + 8.0) * distance * CUBIC - 4.0 * CUBIC
        };
        let read = (first as isize + tap).clamp(0, last) as usize;
        if let Some(value) = row.get_mut(read) {
            *value += weight as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_stays_one_and_a_mean_is_kept() {
        let x = Tensor::from_vec(
            (0..24).map(|v| v as f32).collect::<Vec<_>>(),
            (1, 4, 6),
            &Device::Cpu,
        )
        .unwrap();
        let one = x.ones_like().unwrap();
        for how in [Resample::Bicubic, Resample::Area] {
            for (height, width) in [(8, 9), (2, 3), (4, 6)] {
                let all = resize(&one, height, width, how).unwrap();
                assert_eq!(all.dims(), [1, height, width]);
                let off = ((all - 1.0).unwrap()).abs().unwrap().max_all().unwrap();
                assert!(off.to_scalar::<f32>().unwrap() < 1e-6);
            }
        }
        let small = resize(&x, 2, 3, Resample::Area).unwrap();
        assert_eq!(
            small.flatten_all().unwrap().to_vec1::<f32>().unwrap(),
            [3.5, 5.5, 7.5, 15.5, 17.5, 19.5]
        );
    }

    #[test]
    fn bicubic_has_the_references_weights_half_way() {
        let mut row = [0.0; 8];
        bicubic_row(&mut row, 3, 4);
        // Twice as small: half way between places 6 and 7, the last of which stands for the one behind it too.
        let expected = [0.0, 0.0, 0.0, 0.0, 0.0, -0.093_75, 0.593_75, 0.5];
        assert!(
            row.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6),
            "{row:?}"
        );
    }
}
