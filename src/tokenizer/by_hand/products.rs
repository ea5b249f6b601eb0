//! Products of linear layers, there and back.

use super::{Matrix, Pair, with_storage, with_values};
use crate::kernel::{
    FloatFormat, Format, Grouping, Isa, Operand, PackedWeight, Words, pack_columns, product_of_many_rows,
    product_to_rows,
};
use candle_core::{Result, Tensor};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;

/// How the products of linear layers take their operands where a model is trained on the CPU. Sums, weights and
/// gradients are f32 in either case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Products {
    /// As they are.
    #[default]
    F32,
    /// Rounded to bfloat16, 8 bits of mantissa. Faster where the processor multiplies such numbers (AVX-512 BF16).
    Bf16,
}

/// Memory of the last product's operands, for the next one's.
#[derive(Default)]
struct Spare {
    operand: Words,
    weight: Words,
}

impl Spare {
    /// `x` times `weight`, whose memory comes back.
    fn product(&mut self, x: &[f32], weight: PackedWeight) -> Vec<f32> {
        let values = product_of_many_rows(Isa::best(), x, &weight, &mut self.operand);
        self.weight = weight.into_words();
        values
    }
}

/// Calls `work` with this thread's spare memory.
fn with_spare<T>(work: impl FnOnce(&mut Spare) -> T) -> T {
    thread_local! {
        static SPARE: RefCell<Spare> = RefCell::default();
    }
    // Taken, not borrowed: a thread that waits within `work` may take up another product.
    let mut spare = SPARE.take();
    let result = work(&mut spare);
    SPARE.set(spare);
    result
}

impl Products {
    /// `x` [rows, in] through a linear layer.
    pub(crate) fn linear(self, x: &Matrix, (weight, bias): &Pair, rows: usize) -> Result<Vec<f32>> {
        let (outputs, inputs) = weight.dims2()?;
        with_values(bias, |bias| match self {
            Self::F32 => {
                let mut y = with_storage(weight, |weight| {
                    x.times(false, weight, true, (1, rows, outputs, inputs))
                })?;
                for row in y.chunks_exact_mut(outputs) {
                    row.iter_mut().zip(bias).for_each(|(y, bias)| *y += bias);
                }
                Ok(y)
            }
            Self::Bf16 => with_values(weight, |weight| {
                let row = |output: usize| weight.chunks_exact(inputs).nth(output).unwrap_or_default();
                let grouping = Grouping::dense(inputs);
                with_spare(|spare| {
                    let words = &mut spare.weight;
                    let packed =
                        PackedWeight::new_in(words, FloatFormat::Bf16, inputs, grouping, bias, |output| {
                            (row(output), 1.0)
                        });
                    spare.product(x.values(), packed)
                })
            }),
        })?
    }

    /// The gradient of a linear layer's input, from `pull` on its output [rows, out].
    pub(super) fn input_back(self, pull: &Matrix, weight: &Tensor, rows: usize) -> Result<Vec<f32>> {
        let (outputs, inputs) = weight.dims2()?;
        match self {
            Self::F32 => with_storage(weight, |weight| {
                pull.times(false, weight, false, (1, rows, inputs, outputs))
            }),
            Self::Bf16 => with_values(weight, |weight| {
                with_spare(|spare| {
                    let packed = PackedWeight::of_columns(weight, inputs, &mut spare.weight);
                    spare.product(pull.values(), packed)
                })
            }),
        }
    }

    /// The gradient of a linear layer's weight, from its input [rows, in] and `pull` on its output [rows, out].
    pub(super) fn weight_back(
        self,
        pull: &Matrix,
        x: &Matrix,
        (outputs, inputs): (usize, usize),
        rows: usize,
    ) -> Result<Vec<f32>> {
        match self {
            Self::F32 => pull.times(true, x.storage(), false, (1, outputs, inputs, rows)),
            Self::Bf16 => Ok(with_spare(|spare| {
                let isa = Isa::best();
                let packed = PackedWeight::of_columns(x.values(), inputs, &mut spare.weight);
                let words = spare.operand.take(Format::Bf16.operand_words(outputs, rows));
                pack_columns(isa, pull.values(), outputs, words);
                let pull = Operand::new(FloatFormat::Bf16, outputs, words);
                let gradient = product_to_rows(isa, &pull, &packed);
                spare.weight = packed.into_words();
                gradient
            })),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    /// Whole numbers that bf16 holds.
    fn whole(count: usize, seed: usize) -> Vec<f32> {
        (0..count)
            .map(|index| ((index * 7919 + seed * 104_729) % 15) as f32 - 7.0)
            .collect()
    }

    #[test]
    fn products_of_what_bf16_holds_are_the_same() {
        for (rows, inputs, outputs) in [(1, 1, 1), (5, 33, 70), (64, 96, 32), (131, 40, 3)] {
            let tensor = |values, dims: &[usize]| Tensor::from_vec(values, dims, &Device::Cpu).unwrap();
            let pair = (
                tensor(whole(outputs * inputs, 1), &[outputs, inputs]),
                tensor(whole(outputs, 2), &[outputs]),
            );
            let x = Matrix::new(whole(rows * inputs, 3));
            let pull = Matrix::new(whole(rows * outputs, 4));
            let all = |products: Products| {
                [
                    products.linear(&x, &pair, rows).unwrap(),
                    products.input_back(&pull, &pair.0, rows).unwrap(),
                    products.weight_back(&pull, &x, (outputs, inputs), rows).unwrap(),
                ]
            };
            assert_eq!(
                all(Products::Bf16),
                all(Products::F32),
                "{rows} x {inputs} x {outputs}"
            );
        }
    }
}
