//! Activations to 8 bits, a tile of rows at a time: all that is read of them stays in the cache of its core.

use super::PANEL;
use super::format::{Format, Levels, Tiling};
use super::isa::{Isa, vectorised};
use super::math::{bf16_pair, higher, in_halves, lower};
use super::tile::MOST_ROWS;
use rayon::prelude::*;

/// Largest 8-bit activation.
const MOST_LEVEL: f32 = 255.0;
/// 1.5 * 2^23: adding it rounds to the nearest integer, which the low bits then hold.
const ROUNDER: f32 = 12_582_912.0;
/// Words of a row of a panel in bf16.
const PAIRS: usize = Format::Bf16.panel_words();

/// Panel-major `x` of bf16 to 8 bits: 0..255 are spread over each row's range, which holds 0.
pub(crate) fn quantise(isa: Isa, x: &[u32], rows: usize, levels: &mut Vec<Levels>, words: &mut [u32]) {
    let panels = x.len() / (rows * PAIRS).max(1);
    for_each_tile(rows, panels, levels, words, |first, levels, words| {
        quantise_tile(isa, x, rows, first, levels, words);
    });
}

/// Calls `work` with the first row of each tile, its levels and its words.
pub(super) fn for_each_tile(
    rows: usize,
    panels: usize,
    levels: &mut Vec<Levels>,
    words: &mut [u32],
    work: impl Fn(usize, &mut [Levels], &mut [u32]) + Sync,
) {
    let tiling = Tiling::new(rows);
    levels.clear();
    levels.resize(rows, Levels::default());
    levels
        .par_chunks_mut(tiling.height)
        .zip(words.par_chunks_mut(tiling.tile_words(panels).max(1)))
        .enumerate()
        .for_each(|(tile, (levels, words))| work(tile * tiling.height, levels, words));
}

vectorised! {
    fn quantise_tile [] (isa, x: &[u32], rows: usize, first: usize, levels: &mut [Levels], words: &mut [u32]) {
        let count = levels.len();
        let mut ranges = Ranges::new();
        for x in x.as_chunks::<PAIRS>().0.chunks_exact(rows) {
            for (row, x) in x[first..first + count].iter().enumerate() {
                ranges.widen_pairs(row, x);
            }
        }
        let scalings = ranges.levels(levels);
        let panels_of_words = words.as_chunks_mut().0.iter_mut();
        for (x, words) in x.as_chunks::<PAIRS>().0.chunks_exact(rows).zip(panels_of_words) {
            for (row, (x, scaling)) in x[first..first + count].iter().zip(&scalings).enumerate() {
                scaling.round_pairs(x, row, words);
            }
        }
    }
}

/// Lowest and highest of every lane of the rows of a tile, and 0.
pub(super) struct Ranges {
    lowest: [[f32; PANEL]; MOST_ROWS],
    highest: [[f32; PANEL]; MOST_ROWS],
}

impl Ranges {
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self {
            lowest: [[0.0; PANEL]; MOST_ROWS],
            highest: [[0.0; PANEL]; MOST_ROWS],
        }
    }

    #[inline(always)]
    pub(super) fn widen(&mut self, row: usize, values: &[f32; PANEL]) {
        let lanes = self.lowest[row].iter_mut().zip(&mut self.highest[row]);
        for ((lowest, highest), value) in lanes.zip(values) {
            *lowest = lower(*value, *lowest);
            *highest = higher(*value, *highest);
        }
    }

    /// As [`Self::widen`]; which lane a value belongs to does not matter.
    #[inline(always)]
    fn widen_pairs(&mut self, row: usize, pairs: &[u32; PAIRS]) {
        let (lowest, more_lowest) = self.lowest[row].split_at_mut(PAIRS);
        let (highest, more_highest) = self.highest[row].split_at_mut(PAIRS);
        for lane in 0..PAIRS {
            let (first, second) = bf16_pair(pairs[lane]);
            lowest[lane] = lower(first, lowest[lane]);
            highest[lane] = higher(first, highest[lane]);
            more_lowest[lane] = lower(second, more_lowest[lane]);
            more_highest[lane] = higher(second, more_highest[lane]);
        }
    }

    /// The levels of each row, and how values come to them.
    #[inline(always)]
    pub(super) fn levels(&self, levels: &mut [Levels]) -> [Scaling; MOST_ROWS] {
        let mut scalings = [Scaling::default(); MOST_ROWS];
        let ranges = self.lowest.iter().zip(&self.highest);
        for ((levels, scaling), (lowest, highest)) in levels.iter_mut().zip(&mut scalings).zip(ranges) {
            let lowest = in_halves(lowest, lower);
            let range = in_halves(highest, higher) - lowest;
            levels.scale = if range > 0.0 { range / MOST_LEVEL } else { 1.0 };
            levels.zero = (-lowest / levels.scale).round_ties_even() as i32;
            *scaling = Scaling {
                factor: 1.0 / levels.scale,
                zero: levels.zero as f32,
            };
        }
        scalings
    }
}

/// How values of a row become levels.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Scaling {
    factor: f32,
    zero: f32,
}

impl Scaling {
    /// The level in the low bits; 0 for what is no number.
    #[inline(always)]
    fn level(self, value: f32) -> u32 {
        let level = higher(value * self.factor + self.zero, 0.0);
        (lower(level, MOST_LEVEL) + ROUNDER).to_bits()
    }

    /// A row of a panel to its place among the words of a tile's panel.
    #[inline(always)]
    pub(super) fn round(self, values: &[f32; PANEL], row: usize, words: &mut [u32; Tiling::PANEL_WORDS]) {
        let mut bytes = [0_u8; PANEL];
        for (byte, value) in bytes.iter_mut().zip(values) {
            *byte = self.level(*value) as u8;
        }
        place(&bytemuck::cast(bytes), row, words);
    }

    #[inline(always)]
    fn round_pairs(self, pairs: &[u32; PAIRS], row: usize, words: &mut [u32; Tiling::PANEL_WORDS]) {
        let mut bytes = [0_u16; PAIRS];
        for (bytes, pair) in bytes.iter_mut().zip(pairs) {
            let (first, second) = bf16_pair(*pair);
            *bytes = u16::from_le((self.level(first) & 0xff | self.level(second) << 8) as u16);
        }
        place(&bytemuck::cast(bytes), row, words);
    }
}

#[inline(always)]
fn place(of_row: &[u32; Format::Int8.panel_words()], row: usize, words: &mut [u32; Tiling::PANEL_WORDS]) {
    for (words, word) in words.as_chunks_mut::<MOST_ROWS>().0.iter_mut().zip(of_row) {
        words[row] = *word;
    }
}

#[cfg(test)]
mod tests {
    use super::super::{FloatFormat, Operand, panels};
    use super::*;

    #[test]
    fn values_stand_within_half_a_level() {
        for rows in [1, 12, 13, 19, 37] {
            let channels = 70;
            let size = panels(channels) * rows * PANEL;
            let x: Vec<f32> = (0..size)
                .map(|index| {
                    let is_inside = index / (rows * PANEL) * PANEL + index % PANEL < channels;
                    let value = (index * 7919 % 2003) as f32 / 100.0 - 3.0;
                    if is_inside && index / PANEL % rows != 5 {
                        value
                    } else {
                        0.0
                    }
                })
                .collect();
            for isa in Isa::available() {
                check(isa, &x, rows);
            }
        }
    }

    fn check(isa: Isa, x: &[f32], rows: usize) {
        let panels = x.len() / (rows * PANEL);
        let mut floats = vec![0; Format::Bf16.words_of_panels(rows, panels)];
        FloatFormat::Bf16.encode(x, &mut floats);
        let mut levels = Vec::new();
        let mut words = vec![0; Format::Int8.words_of_panels(rows, panels)];
        quantise(isa, &floats, rows, &mut levels, &mut words);
        let operand = Operand {
            format: Format::Int8,
            rows,
            words: &words,
            levels: &levels,
        };
        for (index, value) in x.iter().enumerate() {
            let (panel, row, lane) = (index / (rows * PANEL), index / PANEL % rows, index % PANEL);
            let (tile, step) = operand.tile(row, panels);
            let word = tile[panel * step + lane / 4 * MOST_ROWS + row % Tiling::new(rows).height];
            let byte = word.to_ne_bytes()[lane % 4];
            let Levels { scale, zero } = levels[row];
            let found = scale * (i32::from(byte) - zero) as f32;
            let rounded = value.abs() / 256.0;
            assert!(
                (found - value).abs() <= 0.51 * scale + 1e-6 + rounded,
                "{value} became {found}, levels of {scale}"
            );
        }
    }
}
