//! What is read next, asked of the disk ahead of time. While tensors are hashed and packed the disk would else be idle,
//! and of itself the system fetches little at once.

use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};

/// Bytes asked for at once, as the system counts them in one go on any disk.
const STEP_BYTES: u64 = 1 << 17;

/// How far ahead of a read, bytes: tens of milliseconds of a fast disk.
const AHEAD_BYTES: u64 = 1 << 25;

/// Which parts of a file have been asked for; several threads may read at once.
#[derive(Debug)]
pub(super) struct Ahead {
    is_asked: Box<[AtomicBool]>,
}

impl Ahead {
    pub(super) fn new(file_bytes: u64) -> Self {
        let steps = file_bytes.div_ceil(STEP_BYTES);
        Self {
            is_asked: (0..steps).map(|_| AtomicBool::new(false)).collect(),
        }
    }

    /// Has the system fetch what follows `offset`, once.
    pub(super) fn of_read_at(&self, file: &File, offset: u64) {
        let first = offset / STEP_BYTES;
        let steps = self.is_asked.iter().enumerate();
        let window = steps
            .skip(first as usize)
            .take((AHEAD_BYTES / STEP_BYTES) as usize);
        for (step, is_asked) in window {
            // Most have been: looking takes less than writing.
            if !is_asked.load(Ordering::Relaxed) && !is_asked.swap(true, Ordering::Relaxed) {
                ask(file, step as u64 * STEP_BYTES);
            }
        }
    }
}

/// A request that fails is a read that waits a little longer.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn ask(file: &File, offset: u64) {
    let length = std::num::NonZero::new(STEP_BYTES);
    let _ = rustix::fs::fadvise(file, offset, length, rustix::fs::Advice::WillNeed);
}

#[cfg(target_vendor = "apple")]
fn ask(file: &File, offset: u64) {
    let _ = rustix::fs::fcntl_rdadvise(file, offset, STEP_BYTES);
}

/// Elsewhere the system decides alone.
#[cfg(not(any(
    target_os = "linux",
    target_os = "android",
    target_os = "freebsd",
    target_vendor = "apple"
)))]
fn ask(_file: &File, _offset: u64) {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn every_part_is_asked_for_once_and_nothing_beyond_the_file() {
        let mut file = tempfile::tempfile().unwrap();
        let bytes = AHEAD_BYTES + 3 * STEP_BYTES + 5;
        file.set_len(bytes).unwrap();
        file.write_all(&[1]).unwrap();
        let ahead = Ahead::new(bytes);
        let asked = || {
            let steps = ahead.is_asked.iter();
            steps.filter(|step| step.load(Ordering::Relaxed)).count() as u64
        };
        assert_eq!(ahead.is_asked.len() as u64, AHEAD_BYTES / STEP_BYTES + 4);
        ahead.of_read_at(&file, 0);
        assert_eq!(asked(), AHEAD_BYTES / STEP_BYTES);
        ahead.of_read_at(&file, STEP_BYTES - 1);
        assert_eq!(asked(), AHEAD_BYTES / STEP_BYTES);
        ahead.of_read_at(&file, 2 * STEP_BYTES);
        assert_eq!(asked(), AHEAD_BYTES / STEP_BYTES + 2);
        ahead.of_read_at(&file, bytes - 1);
        assert_eq!(asked(), AHEAD_BYTES / STEP_BYTES + 3);
        ahead.of_read_at(&file, u64::MAX);
    }
}
