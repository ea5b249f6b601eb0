//! The hash of tensors while they are read: XXH3 (128 bits), which takes less time than the memory they come from. It tells
//! models apart; what guards a download against being changed is its SHA-256.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use twox_hash::XxHash3_128;

/// Hexadecimal digits of a model's hash.
const SHOWN_DIGITS: usize = 16;

/// The digest of each key's tensor, so that neither the order of reading nor the number of readers matters.
#[derive(Debug, Clone, Default)]
pub(super) struct Digests(Arc<Mutex<BTreeMap<String, u128>>>);

impl Digests {
    fn insert(&self, key: &str, digest: u128) {
        let mut digests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        digests.insert(key.to_owned(), digest);
    }

    /// The hash of all keys and digests.
    pub(super) fn whole(&self) -> String {
        let mut hash = XxHash3_128::new();
        for (key, digest) in &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            hash.write(key.as_bytes());
            hash.write(&[0]);
            hash.write(&digest.to_be_bytes());
        }
        let mut text = format!("{:032x}", hash.finish_128());
        text.truncate(SHOWN_DIGITS);
        text
    }
}

/// One reader's tensor that is being hashed, with the memory that its pieces are read into.
pub(crate) struct Hasher {
    hash: XxHash3_128,
    digests: Digests,
    piece: Vec<u8>,
}

impl Hasher {
    pub(super) fn new(digests: &Digests) -> Self {
        Self {
            hash: XxHash3_128::new(),
            digests: digests.clone(),
            piece: Vec::new(),
        }
    }

    /// The next `length` bytes of the tensor: `fill` reads them, `take` uses them, and they are hashed between the two.
    pub(super) fn piece<T, E>(
        &mut self,
        length: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
        take: impl FnOnce(&[u8]) -> Result<T, E>,
    ) -> Result<T, E> {
        self.piece.resize(length, 0);
        fill(&mut self.piece)?;
        self.hash.write(&self.piece);
        take(&self.piece)
    }

    /// A tensor is its stored values and then its shape.
    pub(super) fn end(&mut self, key: &str, shape: &[usize]) {
        for dim in shape.iter().chain([&shape.len()]) {
            self.hash.write(&(*dim as u64).to_le_bytes());
        }
        let hash = std::mem::replace(&mut self.hash, XxHash3_128::new());
        self.digests.insert(key, hash.finish_128());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each tensor given in pieces of so many bytes.
    fn hash_of(tensors: &[(&str, &[u8], &[usize])], piece_bytes: usize) -> String {
        let digests = Digests::default();
        let mut hasher = Hasher::new(&digests);
        for (key, bytes, shape) in tensors {
            for piece in bytes.chunks(piece_bytes) {
                let fill = |into: &mut [u8]| {
                    into.copy_from_slice(piece);
                    Ok::<(), ()>(())
                };
                let taken = hasher.piece(piece.len(), fill, |bytes| Ok(bytes.to_vec()));
                assert_eq!(taken.unwrap(), piece);
            }
            hasher.end(key, shape);
        }
        digests.whole()
    }

    /// The definition itself is in `tests/hashes.rs`.
    #[test]
    fn keys_shapes_and_values_count_and_nothing_else_does() {
        let bytes: Vec<u8> = (0..5000).map(|index| (index % 251) as u8).collect();
        let (some, other) = (("a", &bytes[..], &[50, 25][..]), ("b", &bytes[..96], &[24][..]));
        let whole = hash_of(&[some, other], 512);
        assert_eq!(whole.len(), SHOWN_DIGITS);
        assert_eq!(hash_of(&[some, other], 96), whole);
        assert_eq!(hash_of(&[other, some], 4096), whole);
        let mut changed = bytes.clone();
        changed[4321] ^= 1;
        let unlike = [
            vec![some],
            vec![some, ("c", other.1, other.2)],
            vec![some, ("b", other.1, &[24, 1])],
            vec![some, ("b", &bytes[1..97], other.2)],
            vec![("a", &changed, some.2), other],
        ];
        for tensors in unlike {
            assert_ne!(hash_of(&tensors, 512), whole);
        }
    }
}
