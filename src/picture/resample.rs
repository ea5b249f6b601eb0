//! Resampling bit for bit as Pillow does it for 8-bit pictures: two passes, each in fixed point with
//! coefficients worked out in f64, rounded to bytes in between.

use super::Rgb8;
use super::rgb8::CHANNELS;
use rayon::prelude::*;
use std::ops::Range;

/// Fraction bits of a coefficient: 32 less 8 of the byte and 2 for overshoot and sign.
const PRECISION_BITS: u32 = 32 - 8 - 2;
/// One half in fixed point: makes the final shift round.
const HALF: i32 = 1 << (PRECISION_BITS - 1);
/// Pillow's bicubic.
const BICUBIC_A: f64 = -0.5;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filter {
    Box,
    Bicubic,
}

impl Filter {
    /// Half the filter's width, in source pixels when enlarging.
    fn support(self) -> f64 {
        match self {
            Self::Box => 0.5,
            Self::Bicubic => 2.0,
        }
    }

    fn weight(self, x: f64) -> f64 {
        match self {
            Self::Box if x > -0.5 && x <= 0.5 => 1.0,
            Self::Box => 0.0,
            Self::Bicubic => bicubic(x.abs()),
        }
    }
}

fn bicubic(x: f64) -> f64 {
    if x < 1.0 {
        ((BICUBIC_A + 2.0) * x - (BICUBIC_A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * BICUBIC_A
    } else {
        0.0
    }
}

/// Which part of the whole resized side is wanted.
#[derive(Debug, Clone)]
pub(super) struct Side {
    /// Length of the whole side after resizing.
    pub(super) whole: u64,
    /// The pixels of it that are made.
    pub(super) wanted: Range<u64>,
}

impl Side {
    /// All of it.
    pub(super) fn whole(length: u32) -> Self {
        Self {
            whole: length.into(),
            wanted: 0..length.into(),
        }
    }

    /// The `length` pixels in the middle, the offset rounded down.
    pub(super) fn middle(whole: u64, length: u32) -> Self {
        let offset = whole.saturating_sub(length.into()) / 2;
        Self {
            whole,
            wanted: offset..offset + u64::from(length),
        }
    }
}

/// The source pixels that make one output pixel.
struct Tap {
    start: usize,
    /// Fixed point, [`PRECISION_BITS`] fraction bits.
    weights: Vec<i32>,
}

/// The part `columns.wanted` x `rows.wanted` of the picture resized to `columns.whole` x `rows.whole`. Only that part
/// is worked out, so that a sliver enlarged to a square takes no memory for what is cut off.
pub(super) fn resample(picture: &Rgb8, columns: &Side, rows: &Side, filter: Filter) -> Rgb8 {
    let source = Band {
        bytes: picture.as_bytes(),
        stride: picture.width() as usize * CHANNELS,
        first_row: 0,
    };
    let column_taps = taps(picture.width(), columns, filter);
    let row_taps = taps(picture.height(), rows, filter);
    let data = if vertical_first(picture, columns, rows) {
        let down = vertical(&source, &row_taps);
        horizontal(
            &Band {
                bytes: &down,
                ..source
            },
            &column_taps,
        )
    } else {
        let used = source.rows_under(&row_taps);
        let across = horizontal(&used, &column_taps);
        vertical(
            &Band {
                bytes: &across,
                stride: column_taps.len() * CHANNELS,
                ..used
            },
            &row_taps,
        )
    };
    let (width, height) = (column_taps.len() as u32, row_taps.len() as u32);
    Rgb8::new(width, height, data).unwrap_or_else(|_| Rgb8::filled(width, height, [0; CHANNELS]))
}

/// Pillow's rule for the order of the passes, which shows in the rounding between them: vertical first where the
/// height shrinks by more than twice the pixels the width does.
fn vertical_first(picture: &Rgb8, columns: &Side, rows: &Side) -> bool {
    let shrink = |from: u32, side: &Side| i128::from(from) - i128::from(side.whole);
    let down = shrink(picture.height(), rows);
    down > 0 && down > 2 * shrink(picture.width(), columns)
}

/// Some rows of a picture.
struct Band<'a> {
    bytes: &'a [u8],
    /// Bytes per row.
    stride: usize,
    /// Index in the picture of the first row held.
    first_row: usize,
}

impl Band<'_> {
    /// The rows that `taps` read.
    fn rows_under(&self, taps: &[Tap]) -> Self {
        let first_row = taps.iter().map(|tap| tap.start).min().unwrap_or(0);
        let end_row = taps
            .iter()
            .map(|tap| tap.start + tap.weights.len())
            .max()
            .unwrap_or(0);
        let bytes = self
            .bytes
            .get(first_row * self.stride..end_row * self.stride)
            .unwrap_or_default();
        Self {
            bytes,
            stride: self.stride,
            first_row,
        }
    }
}

fn taps(in_size: u32, side: &Side, filter: Filter) -> Vec<Tap> {
    let in_size = in_size as usize;
    if side.whole == in_size as u64 {
        // A side that keeps its length is copied: a weight of one gives each byte back as it is.
        let copy = |index| Tap {
            start: index as usize,
            weights: vec![1 << PRECISION_BITS],
        };
        return side.wanted.clone().map(copy).collect();
    }
    let scale = in_size as f64 / side.whole as f64;
    let filter_scale = scale.max(1.0);
    let support = filter.support() * filter_scale;
    let step = 1.0 / filter_scale;
    side.wanted
        .clone()
        .map(|index| {
            let centre = (index as f64 + 0.5) * scale;
            // Casts truncate and saturate, as the clipping at the sides needs.
            let start = (centre - support + 0.5) as usize;
            let end = ((centre + support + 0.5) as usize).min(in_size);
            let position = |source: usize| (source as f64 - centre + 0.5) * step;
            let weights: Vec<f64> = (start..end)
                .map(|source| filter.weight(position(source)))
                .collect();
            let sum: f64 = weights.iter().sum();
            let norm = if sum == 0.0 { 1.0 } else { sum };
            Tap {
                start,
                weights: weights.iter().map(|weight| to_fixed(weight / norm)).collect(),
            }
        })
        .collect()
}

fn to_fixed(weight: f64) -> i32 {
    let scaled = weight * f64::from(1 << PRECISION_BITS);
    // Away from zero at one half; the cast truncates.
    if weight < 0.0 {
        (scaled - 0.5) as i32
    } else {
        (scaled + 0.5) as i32
    }
}

fn to_byte(sum: i32) -> u8 {
    (sum >> PRECISION_BITS).clamp(0, 255) as u8
}

fn horizontal(source: &Band, taps: &[Tap]) -> Vec<u8> {
    let rows = source.bytes.len() / source.stride;
    let mut out = vec![0u8; rows * taps.len() * CHANNELS];
    let out_rows = out.par_chunks_mut((taps.len() * CHANNELS).max(1));
    out_rows
        .zip(source.bytes.par_chunks(source.stride))
        .for_each(|(out, row)| {
            let pixels = row.as_chunks::<CHANNELS>().0;
            for (out, tap) in out.as_chunks_mut::<CHANNELS>().0.iter_mut().zip(taps) {
                let mut sums = [HALF; CHANNELS];
                for (pixel, weight) in pixels.iter().skip(tap.start).zip(&tap.weights) {
                    for (sum, byte) in sums.iter_mut().zip(pixel) {
                        *sum += i32::from(*byte) * weight;
                    }
                }
                *out = sums.map(to_byte);
            }
        });
    out
}

fn vertical(source: &Band, taps: &[Tap]) -> Vec<u8> {
    let stride = source.stride;
    let mut out = vec![0u8; taps.len() * stride];
    out.par_chunks_mut(stride).zip(taps).for_each_init(
        || vec![0i32; stride],
        |sums, (out, tap)| {
            sums.fill(HALF);
            let rows = source
                .bytes
                .chunks_exact(stride)
                .skip(tap.start - source.first_row);
            for (row, weight) in rows.zip(&tap.weights) {
                for (sum, byte) in sums.iter_mut().zip(row) {
                    *sum += i32::from(*byte) * weight;
                }
            }
            for (out, sum) in out.iter_mut().zip(sums.iter()) {
                *out = to_byte(*sum);
            }
        },
    );
    out
}
