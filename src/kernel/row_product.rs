//! Products whose results are wanted as rows.

use super::product::{check_operand, store_rows};
use super::{
    Finish, FloatFormat, Format, Isa, Operand, PANEL, PackedWeight, Words, pack_rows, panels, product,
    read_rows,
};
use rayon::prelude::*;

/// Rows that are done panel after panel: their inputs stay in the cache meanwhile. Whole tiles of 12.
const BLOCK_ROWS: usize = 96;

/// What a layer's output becomes where it is wanted as rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activation {
    None,
    /// The exact one.
    Gelu,
    TanhGelu,
}

/// Row-major `x` [rows, inputs] times a weight of floats, plus its bias, to row-major [rows, outputs].
pub(crate) fn product_of_rows(
    isa: Isa,
    x: &[f32],
    weight: &PackedWeight,
    activation: Activation,
) -> Vec<f32> {
    let mut operand = Words::default();
    let (rows, operand) = packed(isa, x, weight, &mut operand);
    let mut panel_major = Words::zeroed(weight.output_panels() * rows * PANEL);
    let finish = match activation {
        Activation::None => Finish::Store(bytemuck::cast_slice_mut(panel_major.get_mut())),
        Activation::Gelu => Finish::Gelu(FloatFormat::F32, panel_major.get_mut()),
        Activation::TanhGelu => Finish::TanhGelu(FloatFormat::F32, panel_major.get_mut()),
    };
    let x = Operand::new(weight.float_format(), rows, operand);
    product(isa, &x, weight, finish);
    let mut values = vec![0.0; rows * weight.outputs()];
    read_rows(
        bytemuck::cast_slice(panel_major.get()),
        weight.outputs(),
        &mut values,
    );
    values
}

/// As [`product_of_rows`] without an activation, to the same bits, for many rows on few threads; in the memory of
/// `spare` beside the results'.
pub(crate) fn product_of_many_rows(
    isa: Isa,
    x: &[f32],
    weight: &PackedWeight,
    spare: &mut Words,
) -> Vec<f32> {
    let (rows, words) = packed(isa, x, weight, spare);
    product_to_rows(isa, &Operand::new(weight.float_format(), rows, words), weight)
}

/// `x` [rows, inputs] times a weight of floats, plus its bias, to row-major [rows, outputs], some rows at a time.
///
/// # Panics
/// An operand of another format than the weight's, or sizes that do not fit.
pub(crate) fn product_to_rows(isa: Isa, x: &Operand<'_>, weight: &PackedWeight) -> Vec<f32> {
    check_operand(x, weight);
    let outputs = weight.outputs();
    let mut values = vec![0.0; x.rows * outputs];
    values
        .par_chunks_mut((BLOCK_ROWS * outputs).max(1))
        .enumerate()
        .for_each(|(block, values)| {
            let mut stored = [0.0; BLOCK_ROWS * PANEL];
            let stored = &mut stored[..values.len() / outputs * PANEL];
            for panel in 0..panels(outputs) {
                store_rows(isa, x, block * BLOCK_ROWS, weight, panel, stored);
                let rows = values.chunks_exact_mut(outputs);
                for (values, stored) in rows.zip(stored.as_chunks::<PANEL>().0) {
                    let values = &mut values[panel * PANEL..];
                    match values.first_chunk_mut() {
                        Some(values) => *values = *stored,
                        None => values.copy_from_slice(&stored[..values.len()]),
                    }
                }
            }
        });
    values
}

/// The number of rows of `x` [rows, inputs], and their panels in the format of `weight`, in the memory of `spare`.
fn packed<'a>(isa: Isa, x: &[f32], weight: &PackedWeight, spare: &'a mut Words) -> (usize, &'a [u32]) {
    let rows = x.len() / weight.inputs().max(1);
    let format = weight.float_format();
    let words = spare.take(Format::from(format).words_of_panels(rows, weight.inner_panels()));
    pack_rows(isa, format, x, weight.inputs(), weight.grouping(), words);
    (rows, words)
}

#[cfg(test)]
mod tests {
    use super::super::Grouping;
    use super::*;

    #[test]
    fn rows_in_blocks_are_the_same_rows() {
        for (rows, inputs, outputs) in [(1, 1, 1), (97, 40, 33), (192, 32, 64), (205, 70, 100)] {
            let x: Vec<f32> = (0..rows * inputs)
                .map(|index| (index as f32 * 0.7).sin())
                .collect();
            let weight: Vec<f32> = (0..outputs * inputs)
                .map(|index| (index as f32 * 0.3).cos())
                .collect();
            let bias: Vec<f32> = (0..outputs).map(|index| index as f32).collect();
            for format in [FloatFormat::F32, FloatFormat::Bf16] {
                let grouping = Grouping::dense(inputs);
                let weight = PackedWeight::new(format, inputs, grouping, &bias, |output| {
                    (&weight[output * inputs..][..inputs], 1.0)
                });
                for isa in Isa::available() {
                    assert_eq!(
                        product_of_many_rows(isa, &x, &weight, &mut Words::default()),
                        product_of_rows(isa, &x, &weight, Activation::None),
                        "{isa:?} {format:?} {rows} x {inputs} x {outputs}"
                    );
                }
            }
        }
    }
}
