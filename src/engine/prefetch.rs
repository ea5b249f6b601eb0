//! Decoding ahead of the hand: a few positions at a time, as many together as pay on this model and device.

use super::edit_cache::EditCache;
use super::perform::Backend;
use super::protocol::{PrefetchJob, Prefetched, Stamp};
use super::runner::milliseconds;
use super::{Control, EngineError};
use crate::latent::{LatentState, Tokens};
use std::sync::Arc;
use std::time::Instant;

/// Most positions in one batch: a newer request waits for a block of all of them.
const MOST_IN_BATCH: usize = 8;
/// A larger batch is kept where a picture of it takes at most this share of its time in the smaller one.
const PAYS: f64 = 0.9;

/// How many positions are decoded together: doubled from one on as long as that makes a picture cheaper. A GPU shares
/// the reading of weights and the launches; a CPU that is busy with one picture gains nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
struct BatchSize {
    size: usize,
    /// Time of a picture in the best size so far, ms.
    best_ms: Option<f64>,
    is_settled: bool,
}

impl Default for BatchSize {
    fn default() -> Self {
        Self {
            size: 1,
            best_ms: None,
            is_settled: false,
        }
    }
}

impl BatchSize {
    /// Learns from a batch of `count` pictures.
    fn took(&mut self, count: usize, decode_ms: f64) {
        if self.is_settled || count < self.size {
            return;
        }
        let each_ms = decode_ms / count as f64;
        if self.best_ms.is_some_and(|best_ms| each_ms > PAYS * best_ms) {
            self.size = (self.size / 2).max(1);
            self.is_settled = true;
        } else {
            self.best_ms = Some(each_ms);
            self.size = (self.size * 2).min(MOST_IN_BATCH);
            self.is_settled = self.size == count;
        }
    }
}

/// What the worker keeps between the turns of a prefetch.
#[derive(Debug, Default)]
pub(super) struct Prefetching {
    batch: BatchSize,
    /// The request under way, and how many of its positions are decoded.
    under_way: Option<(Stamp, usize)>,
}

impl Prefetching {
    /// Decodes the next positions of `job`.
    ///
    /// # Errors
    /// An edit that cannot be applied, what the decoder returns, [`EngineError::Cancelled`].
    pub(super) fn turn(
        &mut self,
        stamp: Stamp,
        job: &PrefetchJob,
        model: &dyn Backend,
        cache: &mut EditCache,
        control: &dyn Control,
    ) -> Result<Prefetched, EngineError> {
        let first = match self.under_way.take() {
            Some((known, done)) if known == stamp => done,
            _ => 0,
        };
        let lists = job.positions.iter().skip(first).take(self.batch.size);
        let states: Vec<Arc<LatentState>> = lists
            .map(|edits| cache.apply(&model.info().space, &job.base, edits))
            .collect::<Result<_, _>>()?;
        let tokens: Vec<&Tokens> = states.iter().map(|state| &state.z).collect();
        let started = Instant::now();
        let planars = model.decode_ahead(&tokens, control)?;
        let decode_ms = milliseconds(started.elapsed());
        self.batch.took(tokens.len(), decode_ms);
        let done = first + tokens.len();
        self.under_way = Some((stamp, done));
        Ok(Prefetched {
            first,
            pictures: planars.iter().map(|planar| Arc::new(planar.to_rgb8())).collect(),
            decode_ms,
            is_last: done >= job.positions.len(),
        })
    }

    /// Another model may pay for other batches.
    pub(super) fn forget_model(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(ms_of: impl Fn(usize) -> f64) -> Vec<usize> {
        let mut batch = BatchSize::default();
        (0..6)
            .map(|_| {
                let size = batch.size;
                batch.took(size, ms_of(size));
                size
            })
            .collect()
    }

    #[test]
    fn batches_grow_while_a_picture_gets_cheaper() {
        assert_eq!(sizes(|_| 10.0), [1, 2, 4, 8, 8, 8]);
        assert_eq!(sizes(|size| 10.0 * size as f64), [1, 2, 1, 1, 1, 1]);
        let cheaper_up_to_two = |size: usize| if size <= 2 { 10.0 } else { 5.0 * size as f64 };
        assert_eq!(sizes(cheaper_up_to_two), [1, 2, 4, 2, 2, 2]);
    }

    #[test]
    fn the_rest_of_a_list_says_nothing_about_its_size() {
        let mut batch = BatchSize::default();
        batch.took(1, 10.0);
        let before = batch;
        batch.took(1, 500.0);
        assert_eq!(batch, before);
    }
}
