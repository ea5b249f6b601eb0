//! Changes of colour, place and completeness that a discriminator sees pictures through (DiffAugment, arXiv 2006.10738);
//! gradients pass.

use crate::trainer::networks::Sight;
use candle_core::{Device, Result, Tensor};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Keeps these draws apart from what the same seed draws elsewhere.
const STREAMS: u64 = 0x6175_676D_0000_0000;
/// Largest shift, as a part of the side.
const SHIFT: f64 = 0.125;

/// How much is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::trainer) enum Strength {
    /// Each kind of change at even odds; a fifth of the sides is cut out.
    Weak,
    /// All of them; half of the sides is cut out.
    Strong,
}

/// Draws for the pictures of a batch.
#[derive(Debug, Clone)]
pub(in crate::trainer) struct Augmentation {
    /// Brightness, saturation and contrast of each picture.
    colours: Option<Vec<[f32; 3]>>,
    /// Pixels down and right.
    shifts: Option<Vec<[isize; 2]>>,
    /// Side of the cut-out square, and its middles.
    cuts: Option<(usize, Vec<[usize; 2]>)>,
    pub(in crate::trainer) sight: Sight,
}

impl Augmentation {
    /// Draws for `pictures` pictures of `side` pixels; a seed and a stream give the same draws each time.
    pub(in crate::trainer) fn draw(
        (seed, stream): (u64, u64),
        strength: Strength,
        pictures: usize,
        side: usize,
    ) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed ^ STREAMS);
        random.set_stream(stream);
        let mut unit = || (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        let mut is_on = || strength == Strength::Strong || unit() < 0.5;
        let (has_colour, has_shift, has_cut) = (is_on(), is_on(), is_on());
        let cut_share = if strength == Strength::Strong { 0.5 } else { 0.2 };
        let cut = (side as f64 * cut_share).round() as usize;
        let reach = (side as f64 * SHIFT).round();
        let (mut colours, mut shifts, mut cuts) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..pictures {
            colours.push([unit() - 0.5, 2.0 * unit(), 0.5 + unit()].map(|value| value as f32));
            shifts.push(
                [unit(), unit()].map(|value| (value * (2.0 * reach + 1.0)).floor() as isize - reach as isize),
            );
            let middles = side + 1 - cut % 2;
            cuts.push([unit(), unit()].map(|value| (value * middles as f64) as usize));
        }
        let sight = if unit() < 0.5 {
            Sight::Crop(unit(), unit())
        } else {
            Sight::Whole
        };
        Self {
            colours: has_colour.then_some(colours),
            shifts: has_shift.then_some(shifts),
            cuts: has_cut.then_some((cut, cuts)),
            sight,
        }
    }

    /// `x` [B, 3, H, W] with as many pictures as were drawn for.
    pub(in crate::trainer) fn apply(&self, x: &Tensor) -> Result<Tensor> {
        let mut x = x.clone();
        if let Some(colours) = &self.colours {
            x = recolour(&x, colours)?;
        }
        if let Some(shifts) = &self.shifts {
            let moved = shifts
                .iter()
                .enumerate()
                .map(|(index, [down, right])| shift(&shift(&x.narrow(0, index, 1)?, 2, *down)?, 3, *right))
                .collect::<Result<Vec<_>>>()?;
            x = Tensor::cat(&moved, 0)?;
        }
        if let Some((cut, middles)) = &self.cuts {
            let (_, _, height, width) = x.dims4()?;
            x = x.broadcast_mul(&mask(*cut, middles, height, width)?)?;
        }
        Ok(x)
    }
}

fn recolour(x: &Tensor, colours: &[[f32; 3]]) -> Result<Tensor> {
    let column = |index: usize| {
        let values: Vec<f32> = colours.iter().filter_map(|row| row.get(index).copied()).collect();
        Tensor::from_vec(values, (colours.len(), 1, 1, 1), &Device::Cpu)
    };
    let x = x.broadcast_add(&column(0)?)?;
    let grey = x.mean_keepdim(1)?;
    let x = x
        .broadcast_sub(&grey)?
        .broadcast_mul(&column(1)?)?
        .broadcast_add(&grey)?;
    let mean = x.mean_keepdim((1, 2, 3))?;
    x.broadcast_sub(&mean)?
        .broadcast_mul(&column(2)?)?
        .broadcast_add(&mean)
}

/// Moves along an axis; 0 comes in.
fn shift(x: &Tensor, axis: usize, by: isize) -> Result<Tensor> {
    let (side, count) = (x.dim(axis)?, by.unsigned_abs());
    if by >= 0 {
        x.narrow(axis, 0, side.saturating_sub(count))?
            .pad_with_zeros(axis, count, 0)
    } else {
        x.narrow(axis, count, side.saturating_sub(count))?
            .pad_with_zeros(axis, 0, count)
    }
}

/// [B, 1, H, W]: 0 in the cut-out squares, 1 elsewhere.
fn mask(cut: usize, middles: &[[usize; 2]], height: usize, width: usize) -> Result<Tensor> {
    let is_cut = |middle: usize, place: usize| {
        let from = middle as isize - (cut / 2) as isize;
        (from..from + cut as isize).contains(&(place as isize))
    };
    let mut values = Vec::with_capacity(middles.len() * height * width);
    for [down, across] in middles {
        for y in 0..height {
            values.extend((0..width).map(|x| f32::from(!(is_cut(*down, y) && is_cut(*across, x)))));
        }
    }
    Tensor::from_vec(values, (middles.len(), 1, height, width), &Device::Cpu)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strong_changes_cut_move_and_recolour_every_picture() {
        let x = Tensor::ones((3, 3, 16, 16), candle_core::DType::F32, &Device::Cpu).unwrap();
        let drawn = Augmentation::draw((1, 4), Strength::Strong, 3, 16);
        let changed = drawn.apply(&x).unwrap();
        assert_eq!(changed.dims(), x.dims());
        let values = changed.flatten_from(1).unwrap().to_vec2::<f32>().unwrap();
        for picture in &values {
            let black = picture.iter().filter(|value| **value == 0.0).count();
            // A corner of the square at least stays inside.
            assert!(black >= 3 * 16, "{black} values are 0");
        }
        assert_ne!(values[0], values[1]);
        let again = Augmentation::draw((1, 4), Strength::Strong, 3, 16)
            .apply(&x)
            .unwrap();
        assert_eq!(again.flatten_from(1).unwrap().to_vec2::<f32>().unwrap(), values);
    }

    #[test]
    fn weak_changes_are_left_away_at_even_odds() {
        let drawn = |stream| Augmentation::draw((7, stream), Strength::Weak, 1, 16);
        let with_cut = (0..200).filter(|stream| drawn(*stream).cuts.is_some()).count();
        assert!((60..140).contains(&with_cut), "{with_cut} of 200");
    }

    #[test]
    fn a_shift_brings_zeros_in() {
        let x = Tensor::from_vec(vec![1.0_f32, 2.0, 3.0], (1, 1, 1, 3), &Device::Cpu).unwrap();
        let row = |by| {
            shift(&x, 3, by)
                .unwrap()
                .flatten_all()
                .unwrap()
                .to_vec1::<f32>()
                .unwrap()
        };
        assert_eq!(
            (row(1), row(-2), row(0)),
            (vec![0.0, 1.0, 2.0], vec![3.0, 0.0, 0.0], vec![1.0, 2.0, 3.0])
        );
    }
}
