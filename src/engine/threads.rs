//! How many CPU threads a model's products get. More is not always faster: small models spend their time on handing
//! work out, hyper-threads share one multiplier. So it is measured on the model itself.

use super::{Control, EngineError};
use crate::tokenizer::{PassHook, Stage, TokenizerError};
use candle_core::Tensor;
use rayon::ThreadPool;
use std::time::{Duration, Instant};

/// Time the measurement may add to loading a model, all counts together. The last block under way when it is spent
/// still finishes: on a large model one block of one thread is about a tenth of a second.
pub(super) const BUDGET: Duration = Duration::from_millis(300);

/// A smaller count that much slower than the best is past the turning point: still smaller ones are not tried.
const CLEARLY_SLOWER: f64 = 1.5;

/// The expected count stays unless another takes at most this share of its time. A start is a noisy moment (the window
/// draws its first frames meanwhile), and the count lasts as long as the model.
const CLEARLY_FASTER: f64 = 0.9;

/// Starts a pool of `threads` threads.
pub(super) fn pool(threads: usize) -> Result<ThreadPool, EngineError> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|index| format!("softscope-cpu-{index}"))
        // As candle does it in its own pool: performance cores where the system tells them apart.
        .start_handler(|_| candle_core::utils::set_thread_affinity())
        .build()
        .map_err(|error| EngineError::Threads {
            threads,
            reason: error.to_string(),
        })
}

/// How many threads should be fastest where nothing was measured: the physical (or performance) cores, or what
/// RAYON_NUM_THREADS says. Starts none.
pub fn expected_threads() -> usize {
    candle_core::utils::get_num_threads()
}

/// Counts worth trying on this machine: the expected one first, then the others, most first.
pub(super) fn candidates() -> Vec<usize> {
    let logical = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    // candle cuts every product into the expected number of pieces.
    candidates_for(expected_threads(), logical)
}

fn candidates_for(physical: usize, logical: usize) -> Vec<usize> {
    let logical = logical.max(1);
    let expected = physical.clamp(1, logical);
    let powers = std::iter::successors(Some(1_usize), |count| count.checked_mul(2));
    let mut others: Vec<usize> = powers
        .take_while(|count| *count < logical)
        .chain([logical])
        .collect();
    others.retain(|count| *count != expected);
    others.reverse();
    std::iter::once(expected).chain(others).collect()
}

/// Measures the pools of `candidates` (the expected count first, then most first) with `cost`, which gets a share of the
/// budget, and returns the best pool.
pub(super) fn fastest(
    candidates: &[usize],
    mut cost: impl FnMut(&ThreadPool, Duration) -> Result<Duration, EngineError>,
) -> Result<ThreadPool, EngineError> {
    let [expected, others @ ..] = candidates else {
        return pool(1);
    };
    let mut best_pool = pool(*expected)?;
    if others.is_empty() {
        return Ok(best_pool);
    }
    let started = Instant::now();
    let mut best_cost = cost(&best_pool, BUDGET / candidates.len() as u32)?;
    for (index, count) in others.iter().enumerate() {
        let left = BUDGET.saturating_sub(started.elapsed());
        if left.is_zero() {
            break;
        }
        let candidate = pool(*count)?;
        let candidate_cost = cost(&candidate, left / (others.len() - index) as u32)?;
        if count < expected && candidate_cost > best_cost.mul_f64(CLEARLY_SLOWER) {
            break;
        }
        if candidate_cost < best_cost.mul_f64(CLEARLY_FASTER) {
            // The machine may only have been busier a moment ago: the one in possession gets a second chance.
            best_cost = best_cost.min(cost(&best_pool, left / candidates.len() as u32)?);
        }
        if candidate_cost < best_cost.mul_f64(CLEARLY_FASTER) {
            best_pool = candidate;
            best_cost = candidate_cost;
        }
    }
    Ok(best_pool)
}

/// Times the blocks of decoder passes and ends the pass when its time is up.
pub(super) struct BlockTimer<'a> {
    control: &'a dyn Control,
    deadline: Instant,
    last_stage: Instant,
    blocks: Vec<Duration>,
}

impl<'a> BlockTimer<'a> {
    pub(super) fn new(control: &'a dyn Control, share: Duration) -> Self {
        let now = Instant::now();
        Self {
            control,
            deadline: now + share,
            last_stage: now,
            blocks: Vec::new(),
        }
    }

    /// Whether the share is spent on at least one block.
    pub(super) fn is_over(&self) -> bool {
        !self.blocks.is_empty() && Instant::now() >= self.deadline
    }

    /// Time of an undisturbed block: the lower quartile, for other programs only ever add to it.
    pub(super) fn undisturbed_block(mut self) -> Duration {
        self.blocks.sort_unstable();
        self.blocks
            .get(self.blocks.len() / 4)
            .copied()
            .unwrap_or(Duration::from_secs(1))
    }
}

impl PassHook for BlockTimer<'_> {
    fn reads_outputs(&self) -> bool {
        false
    }

    fn after(&mut self, stage: Stage, _output: &Tensor) -> Result<(), TokenizerError> {
        let now = Instant::now();
        if matches!(stage, Stage::DecoderBlock(_)) {
            self.blocks.push(now - self.last_stage);
        }
        self.last_stage = now;
        if self.is_over() || self.control.is_cancelled() {
            return Err(TokenizerError::Cancelled);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_begin_with_the_expected_count_and_hold_powers_of_two() {
        assert_eq!(candidates_for(2, 2), [2, 1]);
        assert_eq!(candidates_for(6, 12), [6, 12, 8, 4, 2, 1]);
        assert_eq!(candidates_for(1, 1), [1]);
        // A container may allow fewer threads than the machine has cores.
        assert_eq!(candidates_for(64, 3), [3, 2, 1]);
        assert_eq!(candidates_for(0, 0), [1]);
    }

    fn chosen(costs: &[(usize, u64)]) -> (usize, Vec<usize>) {
        let candidates: Vec<usize> = costs.iter().map(|(count, _)| *count).collect();
        let mut tried = Vec::new();
        let pool = fastest(&candidates, |pool, share| {
            assert!(share <= BUDGET);
            let count = pool.current_num_threads();
            if !tried.contains(&count) {
                tried.push(count);
            }
            let (_, cost) = costs.iter().find(|(candidate, _)| *candidate == count).unwrap();
            Ok(Duration::from_micros(*cost))
        })
        .unwrap();
        (pool.current_num_threads(), tried)
    }

    #[test]
    fn the_fastest_count_wins_and_a_hopeless_descent_ends_early() {
        assert_eq!(
            chosen(&[(4, 900), (3, 700), (2, 1100), (1, 2000)]),
            (3, vec![4, 3, 2])
        );
        assert_eq!(chosen(&[(2, 500), (1, 1000)]), (2, vec![2, 1]));
        assert_eq!(chosen(&[(2, 1000), (1, 500)]), (1, vec![2, 1]));
    }

    #[test]
    fn hyper_threads_that_do_not_help_end_nothing() {
        assert_eq!(chosen(&[(2, 1000), (4, 3000), (1, 600)]), (1, vec![2, 4, 1]));
    }

    #[test]
    fn a_small_lead_does_not_beat_the_expected_count() {
        assert_eq!(chosen(&[(2, 1000), (1, 930)]).0, 2);
        assert_eq!(chosen(&[(2, 1000), (1, 890)]).0, 1);
    }

    #[test]
    fn a_count_measured_in_a_busy_moment_is_measured_again() {
        let mut expected_costs = [2000, 600].into_iter();
        let pool = fastest(&[2, 1], |pool, _| {
            let cost = if pool.current_num_threads() == 1 {
                1000
            } else {
                expected_costs.next().unwrap()
            };
            Ok(Duration::from_micros(cost))
        });
        assert_eq!(pool.unwrap().current_num_threads(), 2);
    }

    #[test]
    fn a_single_candidate_is_not_measured() {
        assert_eq!(chosen(&[(1, 5)]), (1, vec![]));
    }

    #[test]
    fn a_failing_model_is_reported() {
        let result = fastest(&[2, 1], |_, _| Err(EngineError::Cancelled));
        assert!(matches!(result, Err(EngineError::Cancelled)));
    }
}
