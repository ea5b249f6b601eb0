//! Batches made ahead on threads of their own.

use super::library::Library;
use crate::picture::Planar;
use crate::trainer::{DataConfig, TrainError};
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Pictures of one batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Number of the batch in the run, from 0.
    pub index: u64,
    /// [B, 3, side, side] values, row-major, -1..1.
    pub values: Vec<f32>,
}

/// Hands out the batches of a run in order.
#[derive(Debug)]
pub struct Loader {
    /// Thread t makes batches t, t + threads, ...
    lanes: Vec<Receiver<Batch>>,
    next: u64,
    first: u64,
    // Tasks end when their lane is gone; each pool is one thread, on which the pictures' own parallel loops stay too.
    _pools: Vec<ThreadPool>,
}

/// What a batch is made of.
#[derive(Debug, Clone)]
struct Recipe {
    library: Arc<Library>,
    seed: u64,
    batch: usize,
    side: usize,
    config: DataConfig,
}

impl Recipe {
    fn batch(&self, index: u64) -> Batch {
        let mut values = Vec::with_capacity(self.batch * 3 * self.side * self.side);
        for place in 0..self.batch as u64 {
            let number = index * self.batch as u64 + place;
            let picture = self.library.picture(self.seed, number, self.side, &self.config);
            values.extend(Planar::from_rgb8(&picture).data);
        }
        Batch { index, values }
    }
}

impl Loader {
    /// Starts the threads at batch number `first`.
    ///
    /// # Errors
    /// The system gives no more threads.
    pub fn start(
        library: &Arc<Library>,
        config: &DataConfig,
        seed: u64,
        batch: usize,
        side: usize,
        first: u64,
    ) -> Result<Self, TrainError> {
        let recipe = Recipe {
            library: Arc::clone(library),
            seed,
            batch,
            side,
            config: config.clone(),
        };
        let (mut lanes, mut pools) = (Vec::new(), Vec::new());
        for lane in 0..config.threads as u64 {
            let pool = ThreadPoolBuilder::new()
                .num_threads(1)
                .thread_name(move |_| format!("softscope-data-{lane}"))
                .build()
                .map_err(|error| TrainError::Threads(error.to_string()))?;
            let (sender, receiver) = sync_channel(config.batches_ahead);
            let (recipe, step) = (recipe.clone(), config.threads as u64);
            pool.spawn(move || fill(&recipe, &sender, first + lane, step));
            lanes.push(receiver);
            pools.push(pool);
        }
        Ok(Self {
            lanes,
            next: first,
            first,
            _pools: pools,
        })
    }

    /// The next batch.
    ///
    /// # Errors
    /// A data thread that has ended.
    pub fn next_batch(&mut self) -> Result<Batch, TrainError> {
        let lane = ((self.next - self.first) % self.lanes.len().max(1) as u64) as usize;
        let batch = self.lanes.get(lane).and_then(|lane| lane.recv().ok());
        self.next += 1;
        batch.ok_or_else(|| TrainError::Threads("a data thread has ended".to_owned()))
    }
}

fn fill(recipe: &Recipe, lane: &SyncSender<Batch>, first: u64, step: u64) {
    let mut index = first;
    while lane.send(recipe.batch(index)).is_ok() {
        index += step;
    }
}
