//! Where a model's tensors come from while it is built: a checkpoint or given tensors.

use super::TokenizerError;
use super::checkpoint::{Checkpoint, Hasher, Reading};
use candle_core::{DType, Device, Tensor};
use std::collections::HashMap;

/// Gives each tensor once, f32, as the state dict has it.
pub(super) trait Source {
    fn tensor(&mut self, key: &str) -> Result<Tensor, TokenizerError>;
}

/// Reads tensors from a checkpoint when they are asked for, onto the CPU.
pub(super) struct FileSource<'a, 'p> {
    pub(super) checkpoint: &'a Checkpoint,
    pub(super) reading: &'a Reading<'p>,
    pub(super) hasher: Hasher,
}

impl Source for FileSource<'_, '_> {
    fn tensor(&mut self, key: &str) -> Result<Tensor, TokenizerError> {
        let Some(entry) = self.checkpoint.entries().get(key).cloned() else {
            return Err(missing(key));
        };
        let values = self
            .reading
            .tensor(self.checkpoint, key, &entry, &mut self.hasher)?;
        Ok(Tensor::from_vec(values, entry.shape, &Device::Cpu)?)
    }
}

/// Hands out given tensors; where they belong to variables, gradients find their way back.
pub(super) struct GivenSource {
    pub(super) tensors: HashMap<String, Tensor>,
}

impl Source for GivenSource {
    fn tensor(&mut self, key: &str) -> Result<Tensor, TokenizerError> {
        let tensor = self.tensors.remove(key).ok_or_else(|| missing(key))?;
        Ok(tensor.to_dtype(DType::F32)?)
    }
}

fn missing(key: &str) -> TokenizerError {
    TokenizerError::Input(format!("the tensor `{key}` is missing"))
}
