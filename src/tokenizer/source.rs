//! Where a model's tensors come from while it is built: a checkpoint or given tensors.

use super::TokenizerError;
use super::checkpoint::{Checkpoint, Entry, Hasher, Reading};
use super::layers::{panel_format, with_values};
use candle_core::{DType, Device, Tensor};
use std::collections::HashMap;
use std::num::NonZero;

/// Most threads that one model is read on: more wait for memory.
pub(super) const MOST_READERS: usize = 8;

/// How many threads read a model side by side, two for each core, so that one packs while another waits for the disk, where
/// its matrices have this type there.
pub(crate) fn reader_count(device: &Device, dtype: DType) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let most = if panel_format(device, dtype).is_some() || !device.is_cpu() {
        MOST_READERS
    } else if dtype == DType::F32 {
        // Each has a matrix twice while it is made.
        2
    } else {
        // Beside half weights that matrix weighs twice as much.
        1
    };
    (2 * cores).min(most)
}

/// An error that may stand for another one elsewhere.
pub(crate) trait MayBeCancelled {
    fn is_cancelled(&self) -> bool;
}

impl MayBeCancelled for TokenizerError {
    fn is_cancelled(&self) -> bool {
        matches!(self, Self::Cancelled)
    }
}

/// `count` parts of one kind, in their order, read side by side by as many as `readers` where the source can be shared. What
/// fails stops all else.
pub(crate) fn each<T: Send, E: MayBeCancelled + Send>(
    source: &mut dyn Source,
    readers: usize,
    count: usize,
    load: impl Fn(&mut dyn Source, usize) -> Result<T, E> + Sync,
) -> Result<Vec<T>, E> {
    let readers = readers.min(count);
    let sources: Vec<_> = (0..readers).map_while(|_| source.fork()).collect();
    if readers < 2 || sources.len() < readers {
        drop(sources);
        return (0..count).map(|index| load(source, index)).collect();
    }
    let read = |reader: usize, source: &mut dyn Source| {
        let indices = reader * count / readers..(reader + 1) * count / readers;
        let parts: Result<Vec<T>, E> = indices.map(|index| load(source, index)).collect();
        parts.inspect_err(|_| source.give_up())
    };
    let read = &read;
    let parts = std::thread::scope(|scope| {
        let threads: Vec<_> = sources
            .into_iter()
            .enumerate()
            .map(|(reader, mut source)| scope.spawn(move || read(reader, &mut *source)))
            .collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, _>| {
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        threads.into_iter().map(join).collect()
    });
    Ok(one_reason(parts)?.into_iter().flatten().collect())
}

/// All of what was read side by side. The reason why something failed comes before what was given up for it.
fn one_reason<T, E: MayBeCancelled>(parts: Vec<Result<T, E>>) -> Result<Vec<T>, E> {
    let is_reason = |part: &Result<T, E>| matches!(part, Err(error) if !error.is_cancelled());
    match parts.iter().position(is_reason) {
        Some(at) => parts.into_iter().skip(at).take(1).collect(),
        None => parts.into_iter().collect(),
    }
}

/// Gives each tensor once, f32, as the state dict has it.
pub(crate) trait Source {
    fn tensor(&mut self, key: &str) -> Result<Tensor, TokenizerError>;

    /// Another source of the same tensors, for a thread of its own; None where all are given by one.
    fn fork(&self) -> Option<Box<dyn Source + Send + '_>>;

    /// Nothing more is wanted, of its forks neither.
    fn give_up(&self);

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
pub(crate) struct FileSource<'a, 'p> {
    checkpoint: &'a Checkpoint,
    reading: &'a Reading<'p>,
    hasher: Hasher,
}

impl<'a, 'p> FileSource<'a, 'p> {
    pub(crate) fn new(checkpoint: &'a Checkpoint, reading: &'a Reading<'p>) -> Self {
        Self {
            checkpoint,
            reading,
            hasher: reading.hasher(),
        }
    }

    fn entry(&self, key: &str) -> Result<Entry, TokenizerError> {
        let entry = self.checkpoint.entries().get(key).cloned();
        entry.ok_or_else(|| missing(key))
    }
}

impl Source for FileSource<'_, '_> {
    fn fork(&self) -> Option<Box<dyn Source + Send + '_>> {
        Some(Box::new(FileSource::new(self.checkpoint, self.reading)))
    }

    fn give_up(&self) {
        self.reading.stop();
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
pub(crate) struct GivenSource {
    pub(crate) tensors: HashMap<String, Tensor>,
}

impl Source for GivenSource {
    fn fork(&self) -> Option<Box<dyn Source + Send + '_>> {
        None
    }

    fn give_up(&self) {}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_comes_before_what_was_given_up_for_it() {
        let input = || Err(TokenizerError::Input("why".to_owned()));
        let parts: Vec<Result<u8, _>> = vec![Ok(1), Err(TokenizerError::Cancelled), input(), Ok(2)];
        assert!(matches!(one_reason(parts), Err(TokenizerError::Input(_))));
    }
}
