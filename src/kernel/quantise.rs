//! Activations to 8 bits, a tile of rows at a time: all that is read of them stays in the cache of its core.

use super::PANEL;
use super::format::{FloatFormat, Format, Levels, Tiling};
use super::isa::{Isa, vectorised};
use super::tile::MOST_ROWS;
use rayon::prelude::*;

/// Largest 8-bit activation.
const MOST_LEVEL: f32 = 255.0;
/// 1.5 * 2^23: adding it rounds to the nearest integer, which the low bits then hold.
const ROUNDER: f32 = 12_582_912.0;

/// Panel-major `x` to 8 bits: 0..255 are spread over each row's range, which holds 0.
pub(crate) fn quantise(
    isa: Isa,
    format: FloatFormat,
    x: &[u32],
    rows: usize,
    levels: &mut Vec<Levels>,
    words: &mut [u32],
) {
    let panels = x.len() / (rows * Format::from(format).panel_words()).max(1);
    for_each_tile(rows, panels, levels, words, |first, levels, words| {
        quantise_tile(isa, x, format, rows, first, levels, words);
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
    fn quantise_tile [] (
        isa,
        x: &[u32],
        format: FloatFormat,
        rows: usize,
        first: usize,
        levels: &mut [Levels],
        words: &mut [u32],
    ) {
        // Each format has loops of its own, without a choice inside.
        match format {
            FloatFormat::F32 => quantise_as(FloatFormat::F32, x, rows, first, levels, words),
            FloatFormat::Bf16 => quantise_as(FloatFormat::Bf16, x, rows, first, levels, words),
        }
    }
}

#[inline(always)]
fn quantise_as(
    format: FloatFormat,
    x: &[u32],
    rows: usize,
    first: usize,
    levels: &mut [Levels],
    words: &mut [u32],
) {
    let row_words = Format::from(format).panel_words();
    let of_tile = first * row_words..(first + levels.len()) * row_words;
    let mut ranges = Ranges::new();
    let mut values = [0.0; PANEL];
    for x in x.chunks_exact(rows * row_words) {
        for (row, x) in x[of_tile.clone()].chunks_exact(row_words).enumerate() {
            format.decode(x, &mut values);
            ranges.widen(row, &values);
        }
    }
    ranges.levels(levels);
    let panels_of_words = words.as_chunks_mut().0.iter_mut();
    for (x, words) in x.chunks_exact(rows * row_words).zip(panels_of_words) {
        let x = x[of_tile.clone()].chunks_exact(row_words);
        for (row, (x, levels)) in x.zip(&*levels).enumerate() {
            format.decode(x, &mut values);
            round(&values, *levels, row, words);
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
        for (lane, value) in self.lowest[row].iter_mut().zip(values) {
            *lane = if *value < *lane { *value } else { *lane };
        }
        for (lane, value) in self.highest[row].iter_mut().zip(values) {
            *lane = if *value > *lane { *value } else { *lane };
        }
    }

    #[inline(always)]
    pub(super) fn levels(&self, levels: &mut [Levels]) {
        for ((levels, lowest), highest) in levels.iter_mut().zip(&self.lowest).zip(&self.highest) {
            let lowest = lowest.iter().copied().fold(0.0, f32::min);
            let range = highest.iter().copied().fold(0.0, f32::max) - lowest;
            levels.scale = if range > 0.0 { range / MOST_LEVEL } else { 1.0 };
            levels.zero = (-lowest / levels.scale).round_ties_even() as i32;
        }
    }
}

/// A row of a panel to its place among the words of a tile's panel.
#[inline(always)]
pub(super) fn round(
    values: &[f32; PANEL],
    levels: Levels,
    row: usize,
    words: &mut [u32; Tiling::PANEL_WORDS],
) {
    let (factor, zero) = (1.0 / levels.scale, levels.zero as f32);
    let mut bytes = [0_u8; PANEL];
    for (byte, value) in bytes.iter_mut().zip(values) {
        let level = value * factor + zero;
        let level = if level > 0.0 { level } else { 0.0 };
        let level = if level < MOST_LEVEL { level } else { MOST_LEVEL };
        *byte = (level + ROUNDER).to_bits() as u8;
    }
    let of_row: [u32; Format::Int8.panel_words()] = bytemuck::cast(bytes);
    for (words, word) in words.as_chunks_mut::<MOST_ROWS>().0.iter_mut().zip(of_row) {
        words[row] = word;
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Operand, panels};
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
                for format in [FloatFormat::F32, FloatFormat::Bf16] {
                    check(isa, format, &x, rows);
                }
            }
        }
    }

    fn check(isa: Isa, format: FloatFormat, x: &[f32], rows: usize) {
        let panels = x.len() / (rows * PANEL);
        let mut floats = vec![0; Format::from(format).words_of_panels(rows, panels)];
        format.encode(x, &mut floats);
        let mut levels = Vec::new();
        let mut words = vec![0; Format::Int8.words_of_panels(rows, panels)];
        quantise(isa, format, &floats, rows, &mut levels, &mut words);
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
            let rounded = if format == FloatFormat::Bf16 {
                4e-3 * value.abs()
            } else {
                0.0
            };
            assert!(
                (found - value).abs() <= 0.51 * scale + 1e-6 + rounded,
                "{value} became {found}, levels of {scale}"
            );
        }
    }
}
