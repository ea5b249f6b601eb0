use super::GeneratorError;
use crate::kernel::{
    Activation, FloatFormat, Grouping, Isa, PANEL, PackedWeight, Packing, panels, product_of_rows,
};
use crate::tokenizer::by_hand::with_values;
use crate::tokenizer::layers::panel_format;
use crate::tokenizer::source::{self, Source};
use candle_core::{DType, Device, Result as CandleResult, Tensor};
use std::sync::Arc;

/// A dense layer.
#[derive(Debug, Clone)]
pub(super) struct Dense {
    weight: Weight,
    bias: Tensor,
}

#[derive(Debug, Clone)]
enum Weight {
    /// [in, out], the layout candle multiplies fastest.
    Transposed(Tensor),
    /// For the CPU's own products; holds the bias too.
    Panels(Arc<PackedWeight>),
}

impl Dense {
    /// Format of the matrix; None where it is packed.
    pub(super) fn dtype(&self) -> Option<DType> {
        match &self.weight {
            Weight::Transposed(weight) => Some(weight.dtype()),
            Weight::Panels(_) => None,
        }
    }

    /// `x` [.., in] f32 to [.., out] f32.
    pub(super) fn forward(&self, x: &Tensor) -> CandleResult<Tensor> {
        let mut shape = x.dims().to_vec();
        let rows = x.elem_count() / shape.last().copied().unwrap_or(1).max(1);
        let flat = x.reshape((rows, ()))?;
        if let Some(last) = shape.last_mut() {
            *last = self.bias.elem_count();
        }
        match &self.weight {
            Weight::Panels(packed) => {
                let y = with_values(&flat.contiguous()?, |x| {
                    product_of_rows(Isa::best(), x, packed, Activation::None)
                })?;
                Tensor::from_vec(y, shape, x.device())
            }
            Weight::Transposed(weight) => product(&flat, weight)?.broadcast_add(&self.bias)?.reshape(shape),
        }
    }
}

/// candle's product.
fn product(x: &Tensor, weight: &Tensor) -> CandleResult<Tensor> {
    let dtype = weight.dtype();
    if dtype == DType::F32 {
        return x.matmul(weight);
    }
    // The CPU has no half-precision product: only the weights are widened there.
    if weight.device().is_cpu() {
        return x.matmul(&weight.to_dtype(DType::F32)?);
    }
    x.to_dtype(dtype)?.matmul(weight)?.to_dtype(DType::F32)
}

/// Takes tensors from a source into their places. Matrices are packed while they are read, or read one at a time.
pub(super) struct Weights<'a> {
    pub(super) source: &'a mut dyn Source,
    pub(super) device: &'a Device,
    /// Of the matrices; vectors are f32 in any case.
    pub(super) dtype: DType,
    /// Threads that blocks may be read on.
    pub(super) readers: usize,
}

impl Weights<'_> {
    /// A vector or table, f32.
    pub(super) fn plain(&mut self, key: &str) -> Result<Tensor, GeneratorError> {
        Ok(self.source.tensor(key)?.to_device(self.device)?)
    }

    /// A vector where it is read.
    pub(super) fn values(&mut self, key: &str) -> Result<Vec<f32>, GeneratorError> {
        Ok(self.source.tensor(key)?.to_vec1()?)
    }

    /// `count` parts of one kind, in their order, side by side where there are readers.
    pub(super) fn each<T: Send>(
        &mut self,
        count: usize,
        load: impl Fn(&mut Weights<'_>, usize) -> Result<T, GeneratorError> + Sync,
    ) -> Result<Vec<T>, GeneratorError> {
        let (device, dtype) = (self.device, self.dtype);
        source::each(self.source, self.readers, count, |source, index| {
            let mut weights = Weights {
                source,
                device,
                dtype,
                readers: 1,
            };
            load(&mut weights, index)
        })
    }

    /// How matrices are packed for the CPU; `None` where candle's products serve.
    pub(super) fn kernel_format(&self) -> Option<FloatFormat> {
        panel_format(self.device, self.dtype)
    }

    /// The layer `name`.{weight [out, ...], bias `[out]`}; further axes of the weight are one, flattened.
    pub(super) fn layer(&mut self, name: &str) -> Result<Layer<'_>, GeneratorError> {
        let weight = format!("{name}.weight");
        Ok(Layer {
            inputs: self.source.shape(&weight)?.iter().skip(1).product(),
            bias: self.values(&format!("{name}.bias"))?,
            source: self.source,
            weight,
        })
    }

    /// As [`Self::layer`], where the network computes.
    pub(super) fn dense(&mut self, name: &str) -> Result<Dense, GeneratorError> {
        let (device, dtype, format) = (self.device, self.dtype, self.kernel_format());
        let layer = self.layer(name)?;
        let bias = Tensor::new(layer.bias.as_slice(), device)?;
        let weight = if let Some(format) = format {
            let grouping = Grouping::dense(layer.inputs);
            Weight::Panels(Arc::new(layer.pack(format, grouping)?))
        } else {
            // The state dict's form is freed before the next copy is made.
            let transposed = layer.whole()?.t()?.contiguous()?;
            Weight::Transposed(transposed.to_dtype(dtype)?.to_device(device)?)
        };
        Ok(Dense { weight, bias })
    }
}

/// A dense layer whose weight is still to be read.
pub(super) struct Layer<'a> {
    source: &'a mut dyn Source,
    /// Key of the weight.
    weight: String,
    inputs: usize,
    bias: Vec<f32>,
}

impl Layer<'_> {
    /// The weight as the state dict has it, [out, in], f32 on the CPU.
    fn whole(self) -> Result<Tensor, GeneratorError> {
        Ok(self.source.tensor(&self.weight)?.flatten_from(1)?)
    }

    pub(super) fn pack(
        self,
        format: FloatFormat,
        grouping: Grouping,
    ) -> Result<PackedWeight, GeneratorError> {
        self.pack_scaled(format, grouping, 0, 1.0)
    }

    /// The first `count` outputs are multiplied by `factor`.
    pub(super) fn pack_scaled(
        self,
        format: FloatFormat,
        grouping: Grouping,
        count: usize,
        factor: f32,
    ) -> Result<PackedWeight, GeneratorError> {
        let factor = |output: usize| if output < count { factor } else { 1.0 };
        let bias = self.bias.iter().enumerate();
        let bias: Vec<f32> = bias.map(|(output, bias)| bias * factor(output)).collect();
        self.pack_pieces(format, grouping, &bias, PANEL, factor)
    }

    /// `PARTS` layers of as many outputs side by side, each in panels of its own, with `added` to what the layer of that
    /// index gives.
    pub(super) fn pack_parts<const PARTS: usize>(
        self,
        format: FloatFormat,
        added: [f32; PARTS],
    ) -> Result<PackedWeight, GeneratorError> {
        let width = self.bias.len() / PARTS.max(1);
        let padded = panels(width) * PANEL;
        let mut bias = vec![0.0; PARTS * padded];
        let parts = self.bias.chunks_exact(width.max(1)).zip(&added);
        for (into, (part, added)) in bias.chunks_exact_mut(padded.max(1)).zip(parts) {
            for (into, bias) in into.iter_mut().zip(part) {
                *into = bias + added;
            }
        }
        // A panel at a time where no part ends within one, else a part.
        let piece = if width == padded { PANEL } else { width };
        let grouping = Grouping::dense(self.inputs);
        self.pack_pieces(format, grouping, &bias, piece, |_| 1.0)
    }

    /// Outputs arrive `piece` at a time, and each piece begins a panel; `bias` has all factors in it.
    fn pack_pieces(
        self,
        format: FloatFormat,
        grouping: Grouping,
        bias: &[f32],
        piece: usize,
        factor: impl Fn(usize) -> f32,
    ) -> Result<PackedWeight, GeneratorError> {
        let mut packing = Packing::new(format, self.inputs, bias.len(), grouping);
        self.source
            .by_pieces(&self.weight, self.inputs * piece, &mut |rows| {
                packing.rows(rows, &factor);
                packing.end_panel();
            })?;
        Ok(packing.finish(bias))
    }
}
