//! Threads that compute. Each part of a batch runs on one thread from end to end: nothing waits for a neighbour between
//! two operations, and small operations are side by side too.

use super::TrainError;
use rayon::{ThreadPool, ThreadPoolBuilder};

#[derive(Debug)]
pub(super) struct Workers {
    /// One thread each.
    alone: Vec<ThreadPool>,
    /// As many threads as there are workers, for what is not cut into parts.
    together: ThreadPool,
}

impl Workers {
    /// `threads` workers, or one for each core where that is 0.
    pub(super) fn start(threads: usize) -> Result<Self, TrainError> {
        let threads = match threads {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            threads => threads,
        };
        let pool = |threads: usize| {
            ThreadPoolBuilder::new()
                .num_threads(threads)
                .thread_name(|index| format!("softscope-train-{index}"))
                .build()
                .map_err(|error| TrainError::Threads(error.to_string()))
        };
        Ok(Self {
            alone: (0..threads).map(|_| pool(1)).collect::<Result<_, _>>()?,
            together: pool(threads)?,
        })
    }

    /// Runs `work` on all threads together.
    pub(super) fn install<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.together.install(work)
    }

    /// `work` of each part, in order; worker w takes parts w, w + workers, ...
    pub(super) fn map<P: Sync, T: Send>(
        &self,
        parts: &[P],
        work: impl Fn(&P) -> Result<T, TrainError> + Sync,
    ) -> Result<Vec<T>, TrainError> {
        let workers = self.alone.len().max(1);
        let mut done: Vec<Option<Result<T, TrainError>>> = parts.iter().map(|_| None).collect();
        let mut shares: Vec<Vec<_>> = (0..workers).map(|_| Vec::new()).collect();
        for (index, pair) in parts.iter().zip(done.iter_mut()).enumerate() {
            if let Some(share) = shares.get_mut(index % workers) {
                share.push(pair);
            }
        }
        std::thread::scope(|scope| {
            for (pool, share) in self.alone.iter().zip(shares) {
                let work = &work;
                scope.spawn(move || {
                    pool.install(|| {
                        for (part, result) in share {
                            *result = Some(work(part));
                        }
                    });
                });
            }
        });
        done.into_iter()
            .map(|result| {
                result.unwrap_or_else(|| Err(TrainError::Threads("a part was not computed".to_owned())))
            })
            .collect()
    }
}
