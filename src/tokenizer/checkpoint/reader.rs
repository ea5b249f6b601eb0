//! Reading one tensor: file to vector in small pieces, checked and converted on the way and handed on to be hashed.

use super::hashing::{Digests, Hasher};
use super::{Checkpoint, Entry, Shard, StoredType};
use crate::kernel::math::bf16_value;
use crate::tokenizer::TokenizerError;
use half::f16;
use std::fs::File;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes read at once, so few that hash and conversion find them in the cache; a multiple of every element size.
const PIECE_BYTES: u64 = 1 << 18;

/// Told bytes read and bytes in all; returns false to cancel.
pub(crate) type Progress<'a> = &'a mut (dyn FnMut(u64, u64) -> bool + Send);

/// A pass over the wanted tensors of a checkpoint: counts bytes and hashes keys, shapes and stored values. Several threads
/// may read at once.
pub(crate) struct Reading<'a> {
    ledger: Mutex<Ledger<'a>>,
    digests: Digests,
    total_bytes: u64,
}

struct Ledger<'a> {
    progress: Progress<'a>,
    read_bytes: u64,
    is_stopped: bool,
}

impl<'a> Reading<'a> {
    /// `total_bytes`: what all tensors of this pass take in the file.
    pub(crate) fn new(total_bytes: u64, progress: Progress<'a>) -> Self {
        let ledger = Ledger {
            progress,
            read_bytes: 0,
            is_stopped: false,
        };
        Self {
            ledger: Mutex::new(ledger),
            digests: Digests::default(),
            total_bytes,
        }
    }

    /// What a reader gives to [`Self::tensor`].
    pub(crate) fn hasher(&self) -> Hasher {
        Hasher::new(&self.digests)
    }

    /// A thread that panicked with the ledger left it whole.
    fn ledger(&self) -> MutexGuard<'_, Ledger<'a>> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the pass: every read from here on is [`TokenizerError::Cancelled`].
    pub(crate) fn stop(&self) {
        self.ledger().is_stopped = true;
    }

    fn count(&self, bytes: u64) -> Result<(), TokenizerError> {
        let mut ledger = self.ledger();
        ledger.read_bytes += bytes;
        let read_bytes = ledger.read_bytes;
        ledger.is_stopped = ledger.is_stopped || !(ledger.progress)(read_bytes, self.total_bytes);
        if ledger.is_stopped {
            return Err(TokenizerError::Cancelled);
        }
        Ok(())
    }

    /// Reads one tensor as row-major f32.
    ///
    /// # Errors
    /// A failing read, a value that is not finite, or [`TokenizerError::Cancelled`].
    pub(crate) fn tensor(
        &self,
        checkpoint: &Checkpoint,
        key: &str,
        entry: &Entry,
        hasher: &mut Hasher,
    ) -> Result<Vec<f32>, TokenizerError> {
        let shard = checkpoint.shard(key, entry)?;
        let values = self.span(shard, key, entry, hasher)?;
        let Some(strides) = &entry.strides else {
            return Ok(values);
        };
        let values = gather(&values, &entry.shape, strides);
        match not_finite(&values) {
            Some(index) => Err(shard.has_not_finite(key, index)),
            None => Ok(values),
        }
    }

    /// As [`Self::tensor`], without ever having the whole: `take` is given the values in order, `piece` at a time but for
    /// the last.
    ///
    /// # Errors
    /// As [`Self::tensor`].
    pub(crate) fn tensor_by_pieces(
        &self,
        checkpoint: &Checkpoint,
        key: &str,
        entry: &Entry,
        hasher: &mut Hasher,
        piece: usize,
        take: &mut dyn FnMut(&[f32]),
    ) -> Result<(), TokenizerError> {
        if entry.strides.is_some() {
            let values = self.tensor(checkpoint, key, entry, hasher)?;
            values.chunks(piece.max(1)).for_each(take);
            return Ok(());
        }
        let shard = checkpoint.shard(key, entry)?;
        let piece_bytes = (piece * entry.stored_type.size()) as u64;
        let mut values = Vec::new();
        self.pieces(shard, key, entry, hasher, piece_bytes, |bytes| {
            let values = as_they_are(entry.stored_type, bytes).unwrap_or_else(|| {
                values.clear();
                convert(entry.stored_type, bytes, &mut values);
                &values
            });
            let not_finite = not_finite(values);
            if not_finite.is_none() {
                take(values);
            }
            not_finite
        })
    }

    /// The elements of `entry` as they lie in the file.
    fn span(
        &self,
        shard: &Shard,
        key: &str,
        entry: &Entry,
        hasher: &mut Hasher,
    ) -> Result<Vec<f32>, TokenizerError> {
        let mut values = Vec::new();
        values.try_reserve_exact(entry.span).map_err(|_| {
            TokenizerError::checkpoint(&shard.path, format!("`{key}` does not fit into memory"))
        })?;
        self.pieces(shard, key, entry, hasher, PIECE_BYTES, |bytes| {
            let before = values.len();
            convert(entry.stored_type, bytes, &mut values);
            // What lies between strides is nobody's.
            if entry.strides.is_some() {
                return None;
            }
            values.get(before..).and_then(not_finite)
        })?;
        Ok(values)
    }

    /// Reads, hashes and counts the bytes of `entry` as they lie in the file, `piece_bytes` at a time but for the last;
    /// `take` tells where in a piece a value is not finite.
    fn pieces(
        &self,
        shard: &Shard,
        key: &str,
        entry: &Entry,
        hasher: &mut Hasher,
        piece_bytes: u64,
        mut take: impl FnMut(&[u8]) -> Option<usize>,
    ) -> Result<(), TokenizerError> {
        let Shard { path, file, ahead } = shard;
        let stored_bytes = entry.stored_bytes();
        let mut done = 0;
        while done < stored_bytes {
            let piece_bytes = (stored_bytes - done).min(piece_bytes.max(1));
            let at = entry.offset + done;
            let fill = |piece: &mut [u8]| {
                ahead.of_read_at(file, at);
                read_at(file, piece, at).map_err(|source| TokenizerError::read(path, source))
            };
            hasher.piece(piece_bytes as usize, fill, |piece| match take(piece) {
                Some(index) => {
                    let before = done as usize / entry.stored_type.size().max(1);
                    Err(shard.has_not_finite(key, before + index))
                }
                None => Ok(()),
            })?;
            done += piece_bytes;
            self.count(piece_bytes)?;
        }
        hasher.end(key, &entry.shape);
        Ok(())
    }

    /// First 16 hex digits of the hash of all that was read.
    pub(crate) fn finish(self) -> String {
        self.digests.whole()
    }
}

/// Fills `bytes` from `offset`, wherever other threads read.
#[cfg(unix)]
fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

#[cfg(windows)]
fn read_at(file: &File, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, bytes, offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                bytes = bytes.get_mut(count..).unwrap_or_default();
                offset += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Values that need no conversion, where the bytes begin at a whole one.
fn as_they_are(stored_type: StoredType, bytes: &[u8]) -> Option<&[f32]> {
    let is_f32 = stored_type == StoredType::F32 && cfg!(target_endian = "little");
    is_f32.then(|| bytemuck::try_cast_slice(bytes).ok())?
}

fn convert(stored_type: StoredType, bytes: &[u8], values: &mut Vec<f32>) {
    match stored_type {
        StoredType::F64 => extend(bytes, values, |bytes| f64::from_le_bytes(bytes) as f32),
        StoredType::F32 => extend(bytes, values, f32::from_le_bytes),
        StoredType::F16 => extend(bytes, values, |bytes| f16::from_le_bytes(bytes).to_f32()),
        // The upper half of an f32; what is no number is refused by whoever reads.
        StoredType::Bf16 => extend(bytes, values, |bytes| bf16_value(u16::from_le_bytes(bytes))),
        // Refused before reading begins: nothing is known about its elements.
        StoredType::Other => {}
    }
}

fn extend<const N: usize>(bytes: &[u8], values: &mut Vec<f32>, decode: impl Fn([u8; N]) -> f32) {
    values.extend(bytes.as_chunks::<N>().0.iter().map(|element| decode(*element)));
}

impl Shard {
    fn has_not_finite(&self, key: &str, index: usize) -> TokenizerError {
        TokenizerError::NotFinite {
            path: self.path.clone(),
            key: key.to_owned(),
            index,
        }
    }
}

/// Where the first value stands that is no number or infinite.
fn not_finite(values: &[f32]) -> Option<usize> {
    // Whole runs at once: a search for the first one is not vectorised.
    let is_finite = values.iter().fold(true, |all, value| all & value.is_finite());
    (!is_finite).then(|| values.iter().position(|value| !value.is_finite()))?
}

/// Row-major order from a strided span.
fn gather(span: &[f32], shape: &[usize], strides: &[usize]) -> Vec<f32> {
    let count = shape.iter().product();
    let mut index = vec![0_usize; shape.len()];
    let mut values = Vec::with_capacity(count);
    for _ in 0..count {
        let at: usize = index
            .iter()
            .zip(strides)
            .map(|(position, stride)| position * stride)
            .sum();
        // The index was checked to end inside of the span; NaN would be reported, not shown.
        values.push(span.get(at).copied().unwrap_or(f32::NAN));
        for (position, dim) in index.iter_mut().zip(shape).rev() {
            *position += 1;
            if *position < *dim {
                break;
            }
            *position = 0;
        }
    }
    values
}
