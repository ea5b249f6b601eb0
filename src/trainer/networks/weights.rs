//! The tensors of a network's file.

use crate::tokenizer::checkpoint::{Checkpoint, Reading};
use crate::trainer::TrainError;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// In a folder, the file that is meant.
const FILE_NAME: &str = "model.safetensors";

/// One tensor, row-major.
#[derive(Debug, Clone, Default)]
pub(in crate::trainer) struct Stored {
    pub(in crate::trainer) shape: Vec<usize>,
    pub(in crate::trainer) values: Vec<f32>,
}

/// All tensors of a file that are numbers with a fraction, by key.
#[derive(Debug)]
pub(in crate::trainer) struct NetworkWeights {
    path: PathBuf,
    tensors: BTreeMap<String, Stored>,
}

impl NetworkWeights {
    /// Reads a safetensors or PyTorch file, or `model.safetensors` of a folder.
    ///
    /// # Errors
    /// A file that cannot be read or is damaged.
    pub(in crate::trainer) fn read(path: &Path) -> Result<Self, TrainError> {
        let path = if path.is_dir() {
            path.join(FILE_NAME)
        } else {
            path.to_owned()
        };
        let checkpoint = Checkpoint::open(&path)?;
        let entries = checkpoint.entries().clone();
        let mut progress = |_, _| true;
        let reading = Reading::new(0, &mut progress);
        let mut hasher = reading.hasher();
        let mut tensors = BTreeMap::new();
        for (key, entry) in entries {
            // Counters have no place in a network.
            if entry.stored_type.size() == 0 {
                continue;
            }
            let values = reading.tensor(&checkpoint, &key, &entry, &mut hasher)?;
            let shape = entry.shape;
            tensors.insert(key, Stored { shape, values });
        }
        Ok(Self { path, tensors })
    }

    pub(in crate::trainer) fn keys(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    pub(in crate::trainer) fn has(&self, key: &str) -> bool {
        self.tensors.contains_key(key)
    }

    /// Hands a tensor over.
    pub(in crate::trainer) fn take(&mut self, key: &str) -> Result<Stored, TrainError> {
        let stored = self.tensors.remove(key);
        stored.ok_or_else(|| self.error(format!("`{key}` is missing")))
    }

    /// Hands a tensor of this shape over.
    pub(in crate::trainer) fn take_shaped(
        &mut self,
        key: &str,
        shape: &[usize],
    ) -> Result<Vec<f32>, TrainError> {
        let stored = self.take(key)?;
        if stored.shape == shape {
            Ok(stored.values)
        } else {
            Err(self.error(format!("`{key}` is {:?}, not {shape:?}", stored.shape)))
        }
    }

    pub(in crate::trainer) fn error(&self, reason: String) -> TrainError {
        TrainError::Network {
            path: self.path.clone(),
            reason,
        }
    }
}
