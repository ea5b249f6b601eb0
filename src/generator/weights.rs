use super::GeneratorError;
use crate::tokenizer::TokenizerError;
use crate::tokenizer::checkpoint::{Checkpoint, Reading};
use crate::tokenizer::fused;
use candle_core::{DType, Device, Result as CandleResult, Tensor};
use std::collections::HashMap;

/// A dense layer with its weight laid out [in, out], the layout candle multiplies fastest.
#[derive(Debug, Clone)]
pub(super) struct Dense {
    weight: Tensor,
    bias: Tensor,
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
        let y = self.product(&flat)?;
        if y.device().is_cpu() {
            // The product is new and nobody else's.
            fused::add_bias(&y, &self.bias)?;
            return y.reshape(shape);
        }
        y.broadcast_add(&self.bias)?.reshape(shape)
    }

    fn product(&self, x: &Tensor) -> CandleResult<Tensor> {
        let dtype = self.weight.dtype();
        if dtype == DType::F32 {
            return x.matmul(&self.weight);
        }
        // The CPU has no half-precision product: only the weights are widened there.
        if self.weight.device().is_cpu() {
            return x.matmul(&self.weight.to_dtype(DType::F32)?);
        }
        x.to_dtype(dtype)?.matmul(&self.weight)?.to_dtype(DType::F32)
    }
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
        let packed = weight.t()?.contiguous()?;
        // The state dict's form is freed before the next copy is made.
        drop(weight);
        Ok(Dense {
            weight: packed.to_dtype(self.dtype)?.to_device(self.device)?,
            bias: self.plain(&format!("{name}.bias"))?,
        })
    }
}
