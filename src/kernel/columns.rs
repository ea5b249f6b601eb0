//! Operands in bf16 that lie the other way round: row-major values whose rows are summed over, so that a word is two
//! values one below the other.

use super::isa::{Isa, vectorised};
use super::math::bf16_bits;
use super::{Format, PANEL};

/// Words of a row of a panel.
const WORDS: usize = Format::Bf16.panel_words();

vectorised! {
    /// Row-major `values` [channels, rows] to panels of [`Format::Bf16`] activations [rows, channels].
    fn turn [] (isa, values: &[f32], rows: usize, words: &mut [u32]) {
        let mut lanes = [[0_u32; PANEL]; WORDS];
        for (panel, words) in words.chunks_mut((rows * WORDS).max(1)).enumerate() {
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
}

/// Row-major `values` [channels, rows] to panels of [`Format::Bf16`] activations [rows, channels], on this thread.
pub(crate) fn pack_columns(isa: Isa, values: &[f32], rows: usize, words: &mut [u32]) {
    turn(isa, values, rows, words);
}

vectorised! {
    fn interleave [] (isa, values: &[f32], outputs: usize, panel_words: usize, words: &mut [u32]) {
        // Row after row: memory is read from end to end.
        for word in 0..panel_words / PANEL {
            let panels = words.chunks_exact_mut(panel_words);
            for (panel, words) in panels.enumerate() {
                let joined = joined(values, outputs, 2 * word, panel * PANEL);
                if let Some(words) = words.as_chunks_mut::<PANEL>().0.get_mut(word) {
                    *words = joined;
                }
            }
        }
    }
}

/// Row-major `values` [inputs, `outputs`] to panels of a [`Format::Bf16`] weight, each column the weights of an output.
pub(super) fn interleave_columns(
    isa: Isa,
    values: &[f32],
    outputs: usize,
    panel_words: usize,
    words: &mut [u32],
) {
    interleave(isa, values, outputs, panel_words, words);
}

/// Two neighbouring rows' values from column `first` on; 0 beyond the last row and column.
#[inline(always)]
fn joined(values: &[f32], width: usize, row: usize, first: usize) -> [u32; PANEL] {
    let part = |row: usize| {
        values
            .get(row * width + first..(row + 1) * width)
            .unwrap_or_default()
    };
    let (low, high) = (part(row), part(row + 1));
    match (low.first_chunk(), high.first_chunk()) {
        (Some(low), Some(high)) => pairs(low, high),
        _ => pairs(&padded(low), &padded(high)),
    }
}

#[inline(always)]
fn pairs(low: &[f32; PANEL], high: &[f32; PANEL]) -> [u32; PANEL] {
    let mut words = [0; PANEL];
    for ((word, low), high) in words.iter_mut().zip(low).zip(high) {
        *word = u32::from(bf16_bits(*low)) | u32::from(bf16_bits(*high)) << 16;
    }
    words
}

fn padded(values: &[f32]) -> [f32; PANEL] {
    let mut lanes = [0.0; PANEL];
    lanes
        .iter_mut()
        .zip(values)
        .for_each(|(lane, value)| *lane = *value);
    lanes
}

#[cfg(test)]
mod tests {
    use super::super::{FloatFormat, Grouping, PackedWeight, Words, pack_rows, panels};
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
            let found = PackedWeight::of_columns(&values, others, &mut Words::default());
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
