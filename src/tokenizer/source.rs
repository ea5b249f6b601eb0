//! Where a model's tensors come from while it is built: a checkpoint or given tensors.

use super::TokenizerError;
use super::checkpoint::{Checkpoint, Entry, Hasher, Reading};
use super::layers::with_values;
use candle_core::{DType, Device, Tensor};
use std::collections::HashMap;

/// Gives each tensor once, f32, as the state dict has it.
pub(super) trait Source {
    fn tensor(&mut self, key: &str) -> Result<Tensor, TokenizerError>;

    /// Another source of the same tensors, for a thread of its own; None where all are given by one.
    fn fork(&self) -> Option<Box<dyn Source + Send + '_>>;

    /// Of a tensor that was not given yet.
    fn shape(&self, key: &str) -> Result<Vec<usize>, TokenizerError>;

    /// Gives a tensor's values in order, `piece` at a time but for the last, to `take`.
    fn by_pieces(
        &mut self,
        key: &str,
        piece: usize,
        take: &mut dyn FnMut(&[f32]),
    ) -> Result<(), TokenizerError>;
}

/// Reads tensors from a checkpoint when they are asked for, onto the CPU.
pub(super) struct FileSource<'a, 'p> {
    checkpoint: &'a Checkpoint,
    reading: &'a Reading<'p>,
    /// That read side by side, this one included.
    readers: usize,
    hasher: Hasher,
}

impl<'a, 'p> FileSource<'a, 'p> {
    pub(super) fn new(checkpoint: &'a Checkpoint, reading: &'a Reading<'p>, readers: usize) -> Self {
        Self {
            checkpoint,
            reading,
            readers,
            hasher: reading.hasher(readers),
        }
    }

    fn entry(&self, key: &str) -> Result<Entry, TokenizerError> {
        let entry = self.checkpoint.entries().get(key).cloned();
        entry.ok_or_else(|| missing(key))
    }
}

impl Source for FileSource<'_, '_> {
    fn fork(&self) -> Option<Box<dyn Source + Send + '_>> {
        let Self {
            checkpoint,
            reading,
            readers,
            ..
        } = *self;
        Some(Box::new(FileSource::new(checkpoint, reading, readers)))
    }

    fn tensor(&mut self, key: &str) -> Result<Tensor, TokenizerError> {
        let entry = self.entry(key)?;
        let values = self
            .reading
            .tensor(self.checkpoint, key, &entry, &mut self.hasher)?;
        Ok(Tensor::from_vec(values, entry.shape, &Device::Cpu)?)
    }

    fn shape(&self, key: &str) -> Result<Vec<usize>, TokenizerError> {
        Ok(self.entry(key)?.shape)
    }

    fn by_pieces(
        &mut self,
        key: &str,
        piece: usize,
        take: &mut dyn FnMut(&[f32]),
    ) -> Result<(), TokenizerError> {
        let entry = self.entry(key)?;
        self.reading
            .tensor_by_pieces(self.checkpoint, key, &entry, &mut self.hasher, piece, take)
    }
}

/// Hands out given tensors; where they belong to variables, gradients find their way back.
pub(super) struct GivenSource {
    pub(super) tensors: HashMap<String, Tensor>,
}

impl Source for GivenSource {
    fn fork(&self) -> Option<Box<dyn Source + Send + '_>> {
        None
    }

    fn tensor(&mut self, key: &str) -> Result<Tensor, TokenizerError> {
        let tensor = self.tensors.remove(key).ok_or_else(|| missing(key))?;
        Ok(tensor.to_dtype(DType::F32)?)
    }

    fn shape(&self, key: &str) -> Result<Vec<usize>, TokenizerError> {
        let tensor = self.tensors.get(key).ok_or_else(|| missing(key))?;
        Ok(tensor.dims().to_vec())
    }

    fn by_pieces(
        &mut self,
        key: &str,
        piece: usize,
        take: &mut dyn FnMut(&[f32]),
    ) -> Result<(), TokenizerError> {
        let tensor = self.tensor(key)?;
        with_values(&tensor, |values| values.chunks(piece.max(1)).for_each(take))
    }
}

fn missing(key: &str) -> TokenizerError {
    TokenizerError::Input(format!("the tensor `{key}` is missing"))
}
