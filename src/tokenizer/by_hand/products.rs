//! Products of linear layers, there and back.

use super::{Matrix, Pair, with_storage, with_values};
use crate::kernel::{
    FloatFormat, Format, Grouping, Isa, Operand, PackedWeight, Words, pack_columns, product_of_many_rows,
    product_to_rows,
};
use candle_core::{Result, Tensor};
use serde::{Deserialize, Serialize};

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
                let packed = PackedWeight::new(FloatFormat::Bf16, inputs, grouping, bias, |output| {
                    (row(output), 1.0)
                });
                product_of_many_rows(Isa::best(), x.values(), &packed)
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
                let packed = PackedWeight::of_columns(weight, inputs);
                product_of_many_rows(Isa::best(), pull.values(), &packed)
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
            Self::Bf16 => {
                let isa = Isa::best();
                let packed = PackedWeight::of_columns(x.values(), inputs);
                let mut words = Words::zeroed(Format::Bf16.operand_words(outputs, rows));
                pack_columns(isa, pull.values(), outputs, words.get_mut());
                let pull = Operand::new(FloatFormat::Bf16, outputs, words.get());
                Ok(product_to_rows(isa, &pull, &packed))
            }
        }
    }
}
