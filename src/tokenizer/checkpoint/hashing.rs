//! SHA-256 of tensors while they are read.

use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// Pieces that wait for the thread at most: it has work while a matrix is packed, and they weigh little beside one.
const WAITING_PIECES: usize = 8;

/// A digest for each key, so that the order of reading does not matter.
pub(super) type Digests = Arc<Mutex<BTreeMap<String, [u8; 32]>>>;

/// What one reader of tensors hands on to be hashed: on a thread of its own where a core is left for that, which ends
/// when this is dropped, else at once.
pub(crate) struct Hasher(Place);

enum Place {
    Here {
        digesting: Box<Digesting>,
        spare: Vec<u8>,
    },
    Aside {
        /// `None` once all is handed on.
        parts: Option<SyncSender<Part>>,
        spares: Receiver<Vec<u8>>,
        thread: Option<JoinHandle<()>>,
    },
}

/// A tensor is its shape, its pieces and its end.
enum Part {
    Shape(Vec<usize>),
    Piece(Vec<u8>),
    End(String),
}

impl Hasher {
    /// One of `readers` side by side.
    pub(super) fn start(digests: &Digests, readers: usize) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        if cores >= 2 * readers
            && let Ok(place) = Self::aside(digests)
        {
            return Self(place);
        }
        Self(Place::Here {
            digesting: Box::new(Digesting::new(digests)),
            spare: Vec::new(),
        })
    }

    fn aside(digests: &Digests) -> std::io::Result<Place> {
        let (parts, given) = mpsc::sync_channel(WAITING_PIECES);
        let (used, spares) = mpsc::channel();
        let mut digesting = Digesting::new(digests);
        let thread = std::thread::Builder::new()
            .name("softscope-hash".to_owned())
            .spawn(move || {
                for part in given {
                    if let Some(piece) = digesting.take(part) {
                        // A reader that is done needs no more.
                        let _ = used.send(piece);
                    }
                }
            })?;
        Ok(Place::Aside {
            parts: Some(parts),
            spares,
            thread: Some(thread),
        })
    }

    /// Memory for the next piece.
    pub(super) fn piece(&mut self, length: usize) -> Vec<u8> {
        let mut piece = match &mut self.0 {
            Place::Here { spare, .. } => std::mem::take(spare),
            Place::Aside { spares, .. } => spares.try_recv().unwrap_or_default(),
        };
        piece.resize(length, 0);
        piece
    }

    pub(super) fn begin(&mut self, shape: &[usize]) {
        self.hand_on(Part::Shape(shape.to_vec()));
    }

    pub(super) fn update(&mut self, piece: Vec<u8>) {
        self.hand_on(Part::Piece(piece));
    }

    pub(super) fn end(&mut self, key: &str) {
        self.hand_on(Part::End(key.to_owned()));
    }

    fn hand_on(&mut self, part: Part) {
        match &mut self.0 {
            Place::Here { digesting, spare } => *spare = digesting.take(part).unwrap_or_default(),
            Place::Aside { parts, .. } => {
                let is_taken = parts.as_ref().is_some_and(|parts| parts.send(part).is_ok());
                if !is_taken {
                    self.join();
                }
            }
        }
    }

    /// Waits for the thread; a panic of it is one of this thread.
    fn join(&mut self) {
        if let Place::Aside { parts, thread, .. } = &mut self.0 {
            drop(parts.take());
            if let Some(Err(panic)) = thread.take().map(JoinHandle::join)
                && !std::thread::panicking()
            {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

impl Drop for Hasher {
    fn drop(&mut self) {
        self.join();
    }
}

/// The tensor that is being hashed, and where its digest goes.
struct Digesting {
    hash: Sha256,
    digests: Digests,
}

impl Digesting {
    fn new(digests: &Digests) -> Self {
        Self {
            hash: Sha256::new(),
            digests: Arc::clone(digests),
        }
    }

    /// Gives back the memory of a piece.
    fn take(&mut self, part: Part) -> Option<Vec<u8>> {
        match part {
            Part::Shape(shape) => {
                self.hash = Sha256::new();
                for dim in shape {
                    self.hash.update((dim as u64).to_le_bytes());
                }
            }
            Part::Piece(piece) => {
                self.hash.update(&piece);
                return Some(piece);
            }
            Part::End(key) => {
                let digest = self.hash.finalize_reset().into();
                let mut digests = self.digests.lock().unwrap_or_else(PoisonError::into_inner);
                digests.insert(key, digest);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digests_of(place: impl Fn(&Digests) -> Place) -> BTreeMap<String, [u8; 32]> {
        let digests = Digests::default();
        let mut hasher = Hasher(place(&digests));
        for (key, pieces) in [("a", 0), ("b", 1), ("c", 5 * WAITING_PIECES)] {
            hasher.begin(&[pieces, 3]);
            for index in 0..pieces {
                let mut piece = hasher.piece(1 + index % 3);
                piece.fill(index as u8);
                hasher.update(piece);
            }
            hasher.end(key);
        }
        drop(hasher);
        Arc::into_inner(digests).unwrap().into_inner().unwrap()
    }

    #[test]
    fn a_thread_gives_the_same_digests_and_has_ended_with_its_hasher() {
        let here = digests_of(|digests| Place::Here {
            digesting: Box::new(Digesting::new(digests)),
            spare: Vec::new(),
        });
        assert_eq!(here, digests_of(|digests| Hasher::aside(digests).unwrap()));
        assert_eq!(here.keys().collect::<Vec<_>>(), ["a", "b", "c"]);
        let expected = Sha256::new()
            .chain_update(1_u64.to_le_bytes())
            .chain_update(3_u64.to_le_bytes())
            .chain_update([0]);
        assert_eq!(here["b"], <[u8; 32]>::from(expected.finalize()));
    }
}
