use super::GeneratorError;
use candle_core::{Result as CandleResult, Tensor};
use std::collections::HashMap;

/// A dense layer with its weight laid out [in, out], the layout candle multiplies fastest.
pub(super) struct Dense {
    weight: Tensor,
    bias: Tensor,
}

impl Dense {
    /// `x` [.., in] to [.., out].
    pub(super) fn forward(&self, x: &Tensor) -> CandleResult<Tensor> {
        let mut shape = x.dims().to_vec();
        let rows = x.elem_count() / shape.last().copied().unwrap_or(1).max(1);
        let flat = x.reshape((rows, ()))?;
        if let Some(last) = shape.last_mut() {
            *last = self.bias.elem_count();
        }
        flat.matmul(&self.weight)?
            .broadcast_add(&self.bias)?
            .reshape(shape)
    }
}

/// A state dict with checks: what is missing is gathered, so that one error names it all.
pub(super) struct Weights<'a> {
    tensors: &'a HashMap<String, Tensor>,
    missing: Vec<String>,
}

impl<'a> Weights<'a> {
    pub(super) fn new(tensors: &'a HashMap<String, Tensor>) -> Self {
        Self {
            tensors,
            missing: Vec::new(),
        }
    }

    /// The entry `key`; when it is absent zeros stand in until [`Weights::finish`] reports it.
    pub(super) fn get(&mut self, key: &str, shape: &[usize]) -> Result<Tensor, GeneratorError> {
        let Some(tensor) = self.tensors.get(key) else {
            self.missing.push(key.to_owned());
            return Ok(Tensor::zeros(
                shape,
                candle_core::DType::F32,
                &candle_core::Device::Cpu,
            )?);
        };
        if tensor.dims() != shape {
            return Err(GeneratorError::WrongShape {
                key: key.to_owned(),
                expected: shape.to_vec(),
                found: tensor.dims().to_vec(),
            });
        }
        Ok(tensor.clone())
    }

    /// The dense layer `name`.{weight [out, in], bias `[out]`}.
    pub(super) fn dense(&mut self, name: &str, input: usize, output: usize) -> Result<Dense, GeneratorError> {
        let weight = self.get(&format!("{name}.weight"), &[output, input])?;
        let bias = self.get(&format!("{name}.bias"), &[output])?;
        Ok(Dense {
            weight: weight.t()?.contiguous()?,
            bias,
        })
    }

    /// The patch embedding `name`.{weight [out, channels, p, p], bias `[out]`} as a dense layer over flattened patches.
    pub(super) fn patch_dense(
        &mut self,
        name: &str,
        channels: usize,
        patch: usize,
        output: usize,
    ) -> Result<Dense, GeneratorError> {
        let weight = self.get(&format!("{name}.weight"), &[output, channels, patch, patch])?;
        let bias = self.get(&format!("{name}.bias"), &[output])?;
        Ok(Dense {
            weight: weight.flatten_from(1)?.t()?.contiguous()?,
            bias,
        })
    }

    /// An error that lists every key that was asked for and is absent.
    pub(super) fn finish(self) -> Result<(), GeneratorError> {
        if self.missing.is_empty() {
            Ok(())
        } else {
            Err(GeneratorError::MissingKeys(self.missing))
        }
    }
}
