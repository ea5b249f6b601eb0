use super::GeneratorError;
use crate::kernel::{Activation, FloatFormat, Grouping, Isa, PANEL, PackedWeight, panels, product_of_rows};
use crate::tokenizer::TokenizerError;
use crate::tokenizer::by_hand::with_values;
use crate::tokenizer::checkpoint::{Checkpoint, Hasher, Reading};
use candle_core::{DType, Device, Result as CandleResult, Tensor};
use std::collections::HashMap;
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

/// Where tensors come from while a network is built.
pub(super) enum Source<'a> {
    Given(&'a HashMap<String, Tensor>),
    File {
        checkpoint: Checkpoint,
        reading: Reading<'a>,
        hasher: Hasher,
    },
}

impl Source<'_> {
    /// One tensor, f32. Keys and shapes were compared before.
    fn tensor(&mut self, key: &str) -> Result<Tensor, GeneratorError> {
        let missing = || TokenizerError::Input(format!("the tensor `{key}` is missing"));
        match self {
            Self::Given(tensors) => Ok(tensors.get(key).ok_or_else(missing)?.to_dtype(DType::F32)?),
            Self::File {
                checkpoint,
                reading,
                hasher,
            } => {
                let entry = checkpoint.entries().get(key).cloned().ok_or_else(missing)?;
                let values = reading.tensor(checkpoint, key, &entry, hasher)?;
                Ok(Tensor::from_vec(values, entry.shape, &Device::Cpu)?)
            }
        }
    }
}

/// Reads layers one tensor at a time, so that no more than one matrix is in memory twice.
pub(super) struct Weights<'a> {
    pub(super) source: Source<'a>,
    pub(super) device: &'a Device,
    /// Of the matrices; vectors are f32 in any case.
    pub(super) dtype: DType,
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

    /// How matrices are packed for the CPU; `None` where candle's products serve.
    pub(super) fn kernel_format(&self) -> Option<FloatFormat> {
        let has_kernels = self.device.is_cpu() && Isa::best().has_own_tile();
        match self.dtype {
            DType::F32 if has_kernels => Some(FloatFormat::F32),
            DType::BF16 if has_kernels => Some(FloatFormat::Bf16),
            _ => None,
        }
    }

    /// The layer `name`.{weight [out, ...], bias `[out]`}; further axes of the weight are one, flattened.
    pub(super) fn layer(&mut self, name: &str) -> Result<Layer, GeneratorError> {
        Ok(Layer {
            weight: self.source.tensor(&format!("{name}.weight"))?.flatten_from(1)?,
            bias: self.values(&format!("{name}.bias"))?,
        })
    }

    /// As [`Self::layer`], where the network computes.
    pub(super) fn dense(&mut self, name: &str) -> Result<Dense, GeneratorError> {
        let layer = self.layer(name)?;
        let bias = Tensor::new(layer.bias.as_slice(), self.device)?;
        if let Some(format) = self.kernel_format() {
            let packed = layer.pack(format, Grouping::dense(layer.inputs()?))?;
            return Ok(Dense {
                weight: Weight::Panels(Arc::new(packed)),
                bias,
            });
        }
        let packed = layer.weight.t()?.contiguous()?;
        // The state dict's form is freed before the next copy is made.
        drop(layer);
        Ok(Dense {
            weight: Weight::Transposed(packed.to_dtype(self.dtype)?.to_device(self.device)?),
            bias,
        })
    }
}

/// A dense layer as the state dict has it, f32 on the CPU.
pub(super) struct Layer {
    /// [out, in].
    weight: Tensor,
    bias: Vec<f32>,
}

impl Layer {
    pub(super) fn inputs(&self) -> CandleResult<usize> {
        self.weight.dim(1)
    }

    pub(super) fn pack(&self, format: FloatFormat, grouping: Grouping) -> CandleResult<PackedWeight> {
        self.pack_scaled(format, grouping, 0, 1.0)
    }

    /// The first `count` outputs are multiplied by `factor`.
    pub(super) fn pack_scaled(
        &self,
        format: FloatFormat,
        grouping: Grouping,
        count: usize,
        factor: f32,
    ) -> CandleResult<PackedWeight> {
        let factor = |output: usize| if output < count { factor } else { 1.0 };
        let bias = self.bias.iter().enumerate();
        let bias: Vec<f32> = bias.map(|(output, bias)| bias * factor(output)).collect();
        self.pack_rows(format, grouping, &bias, |output| (Some(output), factor(output)))
    }

    /// `PARTS` layers of as many outputs side by side, each in panels of its own, with `added` to what the layer of that
    /// index gives.
    pub(super) fn pack_parts<const PARTS: usize>(
        &self,
        format: FloatFormat,
        added: [f32; PARTS],
    ) -> CandleResult<PackedWeight> {
        let width = self.bias.len() / PARTS.max(1);
        let padded = panels(width) * PANEL;
        let mut bias = vec![0.0; PARTS * padded];
        let parts = self.bias.chunks_exact(width.max(1)).zip(&added);
        for (into, (part, added)) in bias.chunks_exact_mut(padded.max(1)).zip(parts) {
            for (into, bias) in into.iter_mut().zip(part) {
                *into = bias + added;
            }
        }
        let source = |output: usize| {
            let (part, within) = (output / padded, output % padded);
            ((within < width).then_some(part * width + within), 1.0)
        };
        self.pack_rows(format, Grouping::dense(self.inputs()?), &bias, source)
    }

    /// `source` names the output here of each output there, `None` where it is 0, with a factor.
    fn pack_rows(
        &self,
        format: FloatFormat,
        grouping: Grouping,
        bias: &[f32],
        source: impl Fn(usize) -> (Option<usize>, f32) + Sync,
    ) -> CandleResult<PackedWeight> {
        let inputs = self.inputs()?;
        let zeros = vec![0.0; inputs];
        with_values(&self.weight.contiguous()?, |values| {
            let row = |output: usize| match source(output) {
                (Some(output), factor) => (&values[output * inputs..][..inputs], factor),
                (None, factor) => (zeros.as_slice(), factor),
            };
            PackedWeight::new(format, inputs, grouping, bias, row)
        })
    }
}
