//! Reading one tensor: file to vector in small pieces, checked, hashed and converted on the way.

use super::{Checkpoint, Entry, Shard, StoredType};
use crate::tokenizer::TokenizerError;
use half::{bf16, f16};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::{Read, Seek, SeekFrom};

/// Bytes read at once; a multiple of every element size.
const PIECE_BYTES: usize = 1 << 20;

/// Told bytes read and bytes in all; returns false to cancel.
pub(crate) type Progress<'a> = &'a mut dyn FnMut(u64, u64) -> bool;

/// A pass over the wanted tensors of a checkpoint: counts bytes and hashes keys, shapes and stored values.
pub(crate) struct Reading<'a> {
    progress: Progress<'a>,
    /// A digest for each key, so that the order of reading does not matter.
    digests: BTreeMap<String, [u8; 32]>,
    read_bytes: u64,
    total_bytes: u64,
    piece: Vec<u8>,
}

impl<'a> Reading<'a> {
    /// `total_bytes`: what all tensors of this pass take in the file.
    pub(crate) fn new(total_bytes: u64, progress: Progress<'a>) -> Self {
        Self {
            progress,
            digests: BTreeMap::new(),
            read_bytes: 0,
            total_bytes,
            piece: Vec::new(),
        }
    }

    /// Reads one tensor as row-major f32.
    ///
    /// # Errors
    /// A failing read, a value that is not finite, or [`TokenizerError::Cancelled`].
    pub(crate) fn tensor(
        &mut self,
        checkpoint: &mut Checkpoint,
        key: &str,
        entry: &Entry,
    ) -> Result<Vec<f32>, TokenizerError> {
        let mut hash = Sha256::new();
        for dim in &entry.shape {
            hash.update((*dim as u64).to_le_bytes());
        }
        let Some(Shard { path, file }) = checkpoint.shards.get_mut(entry.shard) else {
            return Err(TokenizerError::Input(format!(
                "`{key}` is in no file of this checkpoint"
            )));
        };
        let mut values = Vec::new();
        values
            .try_reserve_exact(entry.span)
            .map_err(|_| TokenizerError::checkpoint(path, format!("`{key}` does not fit into memory")))?;
        let read_error = |source| TokenizerError::read(path, source);
        file.seek(SeekFrom::Start(entry.offset)).map_err(read_error)?;
        let mut left = entry.stored_bytes();
        while left > 0 {
            let length = left.min(PIECE_BYTES as u64);
            self.piece.resize(length as usize, 0);
            file.read_exact(&mut self.piece).map_err(read_error)?;
            hash.update(&self.piece);
            convert(entry.stored_type, &self.piece, &mut values);
            left -= length;
            self.read_bytes += length;
            if !(self.progress)(self.read_bytes, self.total_bytes) {
                return Err(TokenizerError::Cancelled);
            }
        }
        self.digests.insert(key.to_owned(), hash.finalize().into());
        let values = match &entry.strides {
            Some(strides) => gather(&values, &entry.shape, strides),
            None => values,
        };
        match values.iter().position(|value| !value.is_finite()) {
            Some(index) => Err(TokenizerError::NotFinite {
                path: path.clone(),
                key: key.to_owned(),
                index,
            }),
            None => Ok(values),
        }
    }

    /// First 16 hex digits of the SHA-256 over what was read.
    pub(crate) fn finish(self) -> String {
        let mut hash = Sha256::new();
        for (key, digest) in &self.digests {
            hash.update(key.as_bytes());
            hash.update([0]);
            hash.update(digest);
        }
        hash.finalize()
            .iter()
            .take(8)
            .fold(String::new(), |mut text, byte| {
                // Writing into a String cannot fail.
                let _ = write!(text, "{byte:02x}");
                text
            })
    }
}

fn convert(stored_type: StoredType, bytes: &[u8], values: &mut Vec<f32>) {
    match stored_type {
        StoredType::F64 => extend(bytes, values, |bytes| f64::from_le_bytes(bytes) as f32),
        StoredType::F32 => extend(bytes, values, f32::from_le_bytes),
        StoredType::F16 => extend(bytes, values, |bytes| f16::from_le_bytes(bytes).to_f32()),
        StoredType::Bf16 => extend(bytes, values, |bytes| bf16::from_le_bytes(bytes).to_f32()),
        // Refused before reading begins: nothing is known about its elements.
        StoredType::Other => {}
    }
}

fn extend<const N: usize>(bytes: &[u8], values: &mut Vec<f32>, decode: impl Fn([u8; N]) -> f32) {
    values.extend(bytes.as_chunks::<N>().0.iter().map(|element| decode(*element)));
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
