use super::GeneratorError;
use crate::kernel::{Activation, FloatFormat, Grouping, Isa, PackedWeight, product_of_rows};
use crate::tokenizer::TokenizerError;
use crate::tokenizer::by_hand::with_values;
use crate::tokenizer::checkpoint::{Checkpoint, Reading};
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
    },
}

impl Source<'_> {
    /// One tensor, f32. Keys and shapes were compared before.
    fn tensor(&mut self, key: &str) -> Result<Tensor, GeneratorError> {
        let missing = || TokenizerError::Input(format!("the tensor `{key}` is missing"));
        match self {
            Self::Given(tensors) => Ok(tensors.get(key).ok_or_else(missing)?.to_dtype(DType::F32)?),
            Self::File { checkpoint, reading } => {
                let entry = checkpoint.entries().get(key).cloned().ok_or_else(missing)?;
                let values = reading.tensor(checkpoint, key, &entry)?;
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

    /// The layer `name`.{weight [out, ...], bias `[out]`}; further axes of the weight are one, flattened.
    pub(super) fn dense(&mut self, name: &str) -> Result<Dense, GeneratorError> {
        let weight = self.source.tensor(&format!("{name}.weight"))?.flatten_from(1)?;
        let bias = self.plain(&format!("{name}.bias"))?;
        let has_kernels = self.device.is_cpu() && Isa::best().has_own_tile();
        let format = match self.dtype {
            DType::F32 if has_kernels => Some(FloatFormat::F32),
            DType::BF16 if has_kernels => Some(FloatFormat::Bf16),
            _ => None,
        };
        if let Some(format) = format {
            let (_, inputs) = weight.dims2()?;
            let values_of_bias = bias.to_vec1::<f32>()?;
            let packed = with_values(&weight.contiguous()?, |values| {
                let row = |row: usize| (&values[row * inputs..][..inputs], 1.0);
                PackedWeight::new(format, inputs, Grouping::dense(inputs), &values_of_bias, row)
            })?;
            return Ok(Dense {
                weight: Weight::Panels(Arc::new(packed)),
                bias,
            });
        }
        let packed = weight.t()?.contiguous()?;
        // The state dict's form is freed before the next copy is made.
        drop(weight);
        Ok(Dense {
            weight: Weight::Transposed(packed.to_dtype(self.dtype)?.to_device(self.device)?),
            bias,
        })
    }
}
