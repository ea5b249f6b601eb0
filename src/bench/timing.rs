use std::time::{Duration, Instant};

/// Times of the runs of one stage.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Timing {
    /// The least disturbed run.
    pub best_ms: f64,
    /// Half of the runs were faster.
    pub median_ms: f64,
    /// Runs that count.
    pub runs: usize,
}

impl Timing {
    /// Runs `work` until `budget` is spent, [`super::Effort::LEAST_RUNS`] times at least; the first run does not count.
    ///
    /// # Errors
    /// The first that `work` returns.
    pub fn of_runs<E>(budget: Duration, mut work: impl FnMut() -> Result<(), E>) -> Result<Self, E> {
        work()?;
        let started = Instant::now();
        let mut times_ms = Vec::new();
        while times_ms.len() + 1 < super::Effort::LEAST_RUNS || started.elapsed() < budget {
            let run = Instant::now();
            work()?;
            times_ms.push(run.elapsed().as_secs_f64() * 1e3);
        }
        Ok(Self::of_times(times_ms))
    }

    /// As [`Self::of_runs`] of two kinds of work that take turns, so that whatever else the machine does meets both;
    /// `prepare` runs before each of them and does not count.
    ///
    /// # Errors
    /// The first that any of them returns.
    pub(super) fn by_turns<E>(
        budget: Duration,
        mut prepare: impl FnMut() -> Result<(), E>,
        mut first: impl FnMut() -> Result<(), E>,
        mut second: impl FnMut() -> Result<(), E>,
    ) -> Result<[Self; 2], E> {
        let mut times_ms = [Vec::new(), Vec::new()];
        Self::of_runs(budget, || {
            let [of_first, of_second] = &mut times_ms;
            prepare()?;
            of_first.push(milliseconds(&mut first)?);
            prepare()?;
            of_second.push(milliseconds(&mut second)?);
            Ok(())
        })?;
        Ok(times_ms.map(|times_ms| Self::of_times(times_ms.into_iter().skip(1).collect())))
    }

    /// The time of each of `count` equal parts of a run.
    pub(super) fn shared_by(self, count: usize) -> Self {
        Self {
            best_ms: self.best_ms / count as f64,
            median_ms: self.median_ms / count as f64,
            runs: self.runs,
        }
    }

    /// The summary of single times.
    pub(super) fn of_times(mut times_ms: Vec<f64>) -> Self {
        times_ms.sort_by(f64::total_cmp);
        Self {
            best_ms: times_ms.first().copied().unwrap_or(0.0),
            median_ms: quantile(&times_ms, 0.5),
            runs: times_ms.len(),
        }
    }
}

fn milliseconds<E>(work: impl FnOnce() -> Result<(), E>) -> Result<f64, E> {
    let started = Instant::now();
    work()?;
    Ok(started.elapsed().as_secs_f64() * 1e3)
}

/// The value below which the share `q` of sorted values lies, by the nearest rank; 0 without values.
pub(super) fn quantile(sorted: &[f64], q: f64) -> f64 {
    let rank = (q * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_the_nearest_rank() {
        let sorted = [1.0, 2.0, 3.0, 4.0];
        assert_eq!(quantile(&sorted, 0.5), 2.0);
        assert_eq!(quantile(&sorted, 0.95), 4.0);
        assert_eq!(quantile(&sorted, 0.0), 1.0);
        assert_eq!(quantile(&[], 0.5), 0.0);
    }

    #[test]
    fn at_least_the_least_runs_are_made_and_the_first_is_left_out() {
        let mut calls = 0;
        let timing = Timing::of_runs(Duration::ZERO, || {
            calls += 1;
            Ok::<_, ()>(())
        });
        assert_eq!(calls, super::super::Effort::LEAST_RUNS);
        assert_eq!(timing.unwrap().runs, calls - 1);
    }

    #[test]
    fn turns_are_taken_one_after_the_other_and_the_first_of_each_is_left_out() {
        let order = std::cell::RefCell::new(String::new());
        let turn = |name| {
            order.borrow_mut().push(name);
            Ok::<_, ()>(())
        };
        let [first, second] =
            Timing::by_turns(Duration::ZERO, || turn('-'), || turn('a'), || turn('b')).unwrap();
        assert_eq!(*order.borrow(), "-a-b".repeat(super::super::Effort::LEAST_RUNS));
        assert_eq!(
            [first.runs, second.runs],
            [super::super::Effort::LEAST_RUNS - 1; 2]
        );
    }

    #[test]
    fn a_failing_run_ends_it() {
        let mut calls = 0;
        let result = Timing::of_runs(Duration::from_secs(60), || {
            calls += 1;
            if calls < 3 { Ok(()) } else { Err(calls) }
        });
        assert_eq!(result, Err(3));
    }
}
