//! Models kept loaded, so that going back to one is instant, within a limit of memory for their weights. The open
//! generator takes its part of the limit and never leaves for a tokenizer: tokenizers leave earlier.

use super::perform::Backend;
use crate::tokenizer::ModelFiles;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// A model and its files as they were when it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ShelfKey {
    name: String,
    config: FileMark,
    weights: FileMark,
}

/// A file by its place, length and time of change; a file that is not there has neither of the two.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FileMark {
    path: PathBuf,
    state: Option<(u64, Option<SystemTime>)>,
}

impl FileMark {
    fn of(path: &Path) -> Self {
        let state = |data: std::fs::Metadata| (data.len(), data.modified().ok());
        Self {
            path: path.canonicalize().unwrap_or_else(|_| path.to_owned()),
            state: std::fs::metadata(path).ok().map(state),
        }
    }
}

impl ShelfKey {
    /// Looks at the files without reading them.
    pub(super) fn of(files: &ModelFiles) -> Self {
        Self {
            name: files.name.clone(),
            config: FileMark::of(&files.config),
            weights: FileMark::of(&files.weights),
        }
    }

    /// Length of the weights file: about what the weights will take. Bytes.
    fn file_bytes(&self) -> u64 {
        self.weights.state.map_or(0, |(length, _)| length)
    }

    /// Whether both are of the same files, which changed between the two.
    fn is_other_version_of(&self, other: &Self) -> bool {
        self != other
            && self.name == other.name
            && self.config.path == other.config.path
            && self.weights.path == other.weights.path
    }
}

/// A model that left memory, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Eviction {
    /// Name of the model.
    pub model: String,
    /// Memory its weights took, bytes.
    pub weight_bytes: u64,
    /// Why it left.
    pub reason: EvictionReason,
}

/// Why a model left memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EvictionReason {
    /// It was the one used least recently, and all together, with the generator, would take more than the limit.
    MemoryLimit {
        /// The limit, bytes.
        limit_bytes: u64,
    },
    /// Its files changed on disk or are gone; they are read anew.
    FilesChanged,
    /// The GPU had no memory for another model beside it.
    DeviceMemory,
}

impl fmt::Display for Eviction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { model, .. } = self;
        let size = size_text(self.weight_bytes);
        match self.reason {
            EvictionReason::MemoryLimit { limit_bytes } => write!(
                f,
                "{model} ({size}) left memory: of the open models it was used least recently, and together (the generator \
                 counts too) they would take more than the limit of {} (`--memory-limit`). It is read again when it is \
                 needed",
                size_text(limit_bytes)
            ),
            EvictionReason::DeviceMemory => write!(
                f,
                "{model} ({size}) left memory: the GPU had none left for another model. It is read again when it is needed"
            ),
            EvictionReason::FilesChanged => {
                write!(
                    f,
                    "{model} ({size}) left memory: its files have changed or are gone, so they are read anew"
                )
            }
        }
    }
}

/// "52.4 MiB", "1.7 GiB".
fn size_text(bytes: u64) -> String {
    let mib = bytes as f64 / f64::from(1 << 20);
    if mib < 1000.0 {
        format!("{mib:.1} MiB")
    } else {
        format!("{:.1} GiB", mib / 1024.0)
    }
}

struct Shelved {
    key: ShelfKey,
    model: Arc<dyn Backend>,
}

impl Shelved {
    fn weight_bytes(&self) -> u64 {
        self.model.info().weight_bytes
    }
}

/// Loaded models, the one used least recently first. The model in use never leaves.
#[derive(Default)]
pub(super) struct Shelf {
    models: Vec<Shelved>,
    in_use: Option<Arc<dyn Backend>>,
    /// Memory that the weights of the open generator take, bytes.
    generator_bytes: u64,
}

impl Shelf {
    /// The model that encodes and decodes run on.
    pub(super) fn in_use(&self) -> Option<&dyn Backend> {
        self.in_use.as_deref()
    }

    /// Encodes and decodes run on `model` from here on.
    pub(super) fn set_in_use(&mut self, model: Arc<dyn Backend>) {
        self.in_use = Some(model);
    }

    /// A generator is open whose weights take `weight_bytes`, in place of the one before.
    pub(super) fn set_generator_bytes(&mut self, weight_bytes: u64) {
        self.generator_bytes = weight_bytes;
    }

    /// The model of these files as they are now; it counts as used last.
    pub(super) fn take(&mut self, key: &ShelfKey) -> Option<Arc<dyn Backend>> {
        let place = self.models.iter().position(|shelved| shelved.key == *key)?;
        let shelved = self.models.remove(place);
        let model = Arc::clone(&shelved.model);
        self.models.push(shelved);
        Some(model)
    }

    /// Lets older versions of the model of `key` leave, and then others until a model (a generator too) with a weights
    /// file as long as its fits into `limit_bytes`.
    pub(super) fn make_room(&mut self, key: &ShelfKey, limit_bytes: u64) -> Vec<Eviction> {
        let mut left = self.drop_outdated(key);
        left.extend(self.shrink_to(limit_bytes.saturating_sub(key.file_bytes()), limit_bytes));
        left
    }

    /// Keeps a model that was read from the files of `key`; it counts as used last.
    pub(super) fn put(&mut self, key: ShelfKey, model: Arc<dyn Backend>) {
        self.models.push(Shelved { key, model });
    }

    /// Lets older versions of the model used last leave, and then others until all together take no more than
    /// `limit_bytes`.
    pub(super) fn trim(&mut self, limit_bytes: u64) -> Vec<Eviction> {
        let newest = self.models.last().map(|shelved| shelved.key.clone());
        let mut left = newest.map_or_else(Vec::new, |key| self.drop_outdated(&key));
        left.extend(self.shrink_to(limit_bytes, limit_bytes));
        left
    }

    /// Lets all leave but the one in use: the device has no memory for another.
    pub(super) fn clear(&mut self) -> Vec<Eviction> {
        let mut left = Vec::new();
        while let Some(place) = self.models.iter().position(|shelved| !self.is_in_use(shelved)) {
            left.push(self.remove(place, EvictionReason::DeviceMemory));
        }
        left
    }

    fn drop_outdated(&mut self, key: &ShelfKey) -> Vec<Eviction> {
        let mut left = Vec::new();
        while let Some(place) = self
            .models
            .iter()
            .position(|shelved| shelved.key.is_other_version_of(key) && !self.is_in_use(shelved))
        {
            left.push(self.remove(place, EvictionReason::FilesChanged));
        }
        left
    }

    fn shrink_to(&mut self, target_bytes: u64, limit_bytes: u64) -> Vec<Eviction> {
        let mut left = Vec::new();
        while self.weight_bytes() > target_bytes
            && let Some(place) = self.models.iter().position(|shelved| !self.is_in_use(shelved))
        {
            left.push(self.remove(place, EvictionReason::MemoryLimit { limit_bytes }));
        }
        left
    }

    fn remove(&mut self, place: usize, reason: EvictionReason) -> Eviction {
        let shelved = self.models.remove(place);
        Eviction {
            model: shelved.key.name.clone(),
            weight_bytes: shelved.weight_bytes(),
            reason,
        }
    }

    fn is_in_use(&self, shelved: &Shelved) -> bool {
        self.in_use
            .as_ref()
            .is_some_and(|in_use| Arc::ptr_eq(in_use, &shelved.model))
    }

    fn weight_bytes(&self) -> u64 {
        self.generator_bytes + self.models.iter().map(Shelved::weight_bytes).sum::<u64>()
    }
}

#[cfg(test)]
mod tests;
