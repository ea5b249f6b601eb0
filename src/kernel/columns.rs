//! Operands in bf16 that lie the other way round: row-major values whose rows are summed over, so that a word is two
//! values one below the other.

use super::isa::{Isa, vectorised};
use super::math::bf16_bits;
use super::{Format, PANEL};
use rayon::prelude::*;

/// Words of a row of a panel.
const WORDS: usize = Format::Bf16.panel_words();

/// Row-major `values` [channels, rows] to panels of [`Format::Bf16`] activations [rows, channels].
pub(crate) fn pack_columns(isa: Isa, values: &[f32], rows: usize, words: &mut [u32]) {
    words
        .par_chunks_mut((rows * WORDS).max(1))
        .enumerate()
        .for_each(|(panel, words)| turn_panel(isa, values, rows, panel, words));
}

/// Two neighbouring rows' values from column `first` on; 0 beyond the last row and column.
#[inline(always)]
fn joined(values: &[f32], width: usize, row: usize, first: usize) -> [u32; PANEL] {
    let count = width.saturating_sub(first).min(PANEL);
    let part = |row: usize| values.get(row * width + first..row * width + first + count);
    let mut words = [0; PANEL];
    if let Some(low) = part(row) {
        for (word, low) in words.iter_mut().zip(low) {
            *word = u32::from(bf16_bits(*low));
        }
    }
    if let Some(high) = part(row + 1) {
        for (word, high) in words.iter_mut().zip(high) {
            *word |= u32::from(bf16_bits(*high)) << 16;
        }
    }
    words
}

vectorised! {
    /// Columns of `values` [inputs, `outputs`] as a weight's panel [inner words, PANEL].
    fn write_columns [] (isa, values: &[f32], outputs: usize, panel: usize, words: &mut [u32]) {
        for (word, words) in words.as_chunks_mut::<PANEL>().0.iter_mut().enumerate() {
            *words = joined(values, outputs, 2 * word, panel * PANEL);
        }
    }
}

/// Columns of `values` [inputs, `outputs`] as a weight's panel [inner words, PANEL].
pub(super) fn interleave_panel(isa: Isa, values: &[f32], outputs: usize, panel: usize, words: &mut [u32]) {
    write_columns(isa, values, outputs, panel, words);
}

vectorised! {
    /// A panel of activations [`rows`, WORDS] of values [channels, `rows`].
    fn turn_panel [] (isa, values: &[f32], rows: usize, panel: usize, words: &mut [u32]) {
        let mut lanes = [[0_u32; PANEL]; WORDS];
        for (index, words) in words.chunks_mut(PANEL * WORDS).enumerate() {
            for (word, lanes) in lanes.iter_mut().enumerate() {
                *lanes = joined(values, rows, panel * PANEL + 2 * word, index * PANEL);
            }
            for (lane, words) in words.as_chunks_mut::<WORDS>().0.iter_mut().enumerate() {
                for (word, lanes) in words.iter_mut().zip(&lanes) {
                    *word = lanes[lane];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{FloatFormat, Grouping, PackedWeight, pack_rows, panels};
    use super::*;

    /// [columns, rows] of [rows, columns].
    fn turned(values: &[f32], columns: usize) -> Vec<f32> {
        (0..columns)
            .flat_map(|column| values.iter().skip(column).step_by(columns).copied())
            .collect()
    }

    #[test]
    fn columns_become_the_same_operands_as_rows_turned_over() {
        for (inner, others) in [(1, 1), (5, 3), (32, 64), (33, 40), (100, 70), (64, 33)] {
            let values: Vec<f32> = (0..inner * others)
                .map(|index| (index % 997) as f32 * 0.37 - 100.0)
                .collect();
            let over = turned(&values, others);
            let weight = PackedWeight::new(
                FloatFormat::Bf16,
                inner,
                Grouping::dense(inner),
                &vec![0.0; others],
                |row| (&over[row * inner..][..inner], 1.0),
            );
            let found = PackedWeight::of_columns(&values, others);
            assert_eq!((found.inputs(), found.outputs()), (inner, others));
            assert_eq!(found.unpacked(), weight.unpacked());
            for isa in Isa::available() {
                let mut expected = vec![7; Format::Bf16.operand_words(others, inner)];
                let mut found = expected.clone();
                let dense = Grouping::dense(inner);
                pack_rows(isa, FloatFormat::Bf16, &over, inner, dense, &mut expected);
                pack_columns(isa, &values, others, &mut found);
                assert_eq!(found, expected, "{isa:?} {inner} {others}");
                assert_eq!(found.len(), panels(inner) * others * WORDS);
            }
        }
    }
}
