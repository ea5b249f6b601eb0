//! The steps of a run, laid out before the first is made.

use super::{Settings, Solver};
use crate::generator::{Diffusion, Path};

/// Time of the last stochastic step; from there one noise-free step leads to 0.
const SDE_LAST_TIME: f64 = 0.04;

/// The steps of a run, in the order they are made.
#[derive(Debug)]
pub(super) enum Steps {
    /// Times from the start down to 0, one more than steps.
    Flow(Vec<f64>),
    /// A respaced process, of which the last `count` steps are walked backwards.
    Diffusion { process: Diffusion, count: usize },
}

impl Steps {
    pub(super) fn new(settings: &Settings, start_t: f64) -> Self {
        let count = ((settings.steps as f64 * start_t).ceil() as usize).clamp(1, settings.steps);
        match settings.solver {
            Solver::Euler | Solver::Heun => Self::Flow(
                (0..=count)
                    .map(|i| start_t * (1.0 - i as f64 / count as f64))
                    .collect(),
            ),
            Solver::Sde if start_t <= SDE_LAST_TIME => Self::Flow(vec![start_t, 0.0]),
            Solver::Sde => {
                let last = (count - 1).max(1) as f64;
                let stochastic = (0..count).map(|i| start_t + (SDE_LAST_TIME - start_t) * i as f64 / last);
                Self::Flow(stochastic.chain([0.0]).collect())
            }
            Solver::Ddpm => Self::Diffusion {
                process: Diffusion::new(settings.path, settings.steps),
                count,
            },
        }
    }

    pub(super) fn count(&self) -> usize {
        match self {
            Self::Flow(times) => times.len() - 1,
            Self::Diffusion { count, .. } => *count,
        }
    }

    /// What data and noise are weighted with in the state before step `index`, from 0.
    pub(super) fn mixing_factors(&self, path: Path, index: usize) -> (f64, f64) {
        match self {
            Self::Flow(times) => path.mixing_factors(times.get(index).copied().unwrap_or_default()),
            Self::Diffusion { process, count } => (count.checked_sub(index + 1))
                .and_then(|step| process.step(step))
                .map_or((1.0, 0.0), |step| step.mixing_factors()),
        }
    }
}
