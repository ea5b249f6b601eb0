//! The 1000-step diffusion that a DiT is trained on, and its walk in fewer steps (DDPM, arXiv 2006.11239; respacing
//! and learned variance, arXiv 2102.09672).

use super::Path;
use std::f64::consts::FRAC_PI_2;

/// Steps of the process in training.
pub const TRAINED_STEPS: usize = 1000;
/// Noise of the first and the last step of the linear schedule.
const LINEAR_BETAS: (f64, f64) = (1e-4, 0.02);
/// Keeps the cosine schedule from destroying everything in its last steps.
const LARGEST_BETA: f64 = 0.999;
const COSINE_OFFSET: f64 = 0.008;

/// Figures of every step of a respaced process, f64. Entry 0 is the step next to the data.
#[derive(Debug, Clone, PartialEq)]
pub struct Diffusion {
    /// The trained step that the network is told, 0..1000.
    pub timestep_map: Vec<usize>,
    /// Variance added by the step.
    pub betas: Vec<f64>,
    /// Share of the data's variance left after the step.
    pub alphas_cumprod: Vec<f64>,
    /// Logarithm of the posterior's variance; its first entry repeats the second, for the posterior at 0 has none.
    pub posterior_log_variance_clipped: Vec<f64>,
    /// Weight of the predicted data in the posterior's mean.
    pub posterior_mean_coef1: Vec<f64>,
    /// Weight of the state in the posterior's mean.
    pub posterior_mean_coef2: Vec<f64>,
}

/// What a step predicts: the posterior of the state before it, value by value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Posterior {
    /// Mean.
    pub mean: f64,
    /// Logarithm of the variance.
    pub log_variance: f64,
    /// The data that the predicted noise points to.
    pub data: f64,
}

impl Diffusion {
    /// The process of `steps` (1..=1000) steps, spread evenly over the trained ones, the first and the last included.
    pub fn new(schedule: Path, steps: usize) -> Self {
        let trained = trained_betas(schedule);
        let cumulative = cumulative_alphas(&trained);
        let timestep_map = spaced_steps(steps.clamp(1, TRAINED_STEPS));
        let mut before = 1.0;
        let betas = timestep_map
            .iter()
            .filter_map(|step| cumulative.get(*step))
            .map(|alpha| 1.0 - alpha / std::mem::replace(&mut before, *alpha))
            .collect();
        Self::from_betas(betas, timestep_map)
    }

    fn from_betas(betas: Vec<f64>, timestep_map: Vec<usize>) -> Self {
        let alphas_cumprod = cumulative_alphas(&betas);
        let before = std::iter::once(1.0).chain(alphas_cumprod.iter().copied());
        let rows = || betas.iter().zip(&alphas_cumprod).zip(before.clone());
        let mut logs: Vec<f64> = rows()
            .map(|((beta, alpha), before)| (beta * (1.0 - before) / (1.0 - alpha)).ln())
            .collect();
        let second = logs.get(1).copied().unwrap_or_else(|| f64::MIN_POSITIVE.ln());
        if let Some(first) = logs.first_mut() {
            *first = second;
        }
        Self {
            posterior_mean_coef1: rows()
                .map(|((beta, alpha), before)| beta * before.sqrt() / (1.0 - alpha))
                .collect(),
            posterior_mean_coef2: rows()
                .map(|((beta, alpha), before)| (1.0 - before) * (1.0 - beta).sqrt() / (1.0 - alpha))
                .collect(),
            posterior_log_variance_clipped: logs,
            timestep_map,
            betas,
            alphas_cumprod,
        }
    }

    /// Number of steps.
    pub fn steps(&self) -> usize {
        self.betas.len()
    }

    /// The step `index` as numbers; `None` past the last.
    pub fn step(&self, index: usize) -> Option<DiffusionStep> {
        Some(DiffusionStep {
            timestep: *self.timestep_map.get(index)?,
            log_beta: self.betas.get(index)?.ln(),
            alpha: *self.alphas_cumprod.get(index)?,
            log_variance: *self.posterior_log_variance_clipped.get(index)?,
            coef1: *self.posterior_mean_coef1.get(index)?,
            coef2: *self.posterior_mean_coef2.get(index)?,
        })
    }
}

/// One step of a [`Diffusion`].
#[derive(Debug, Clone, Copy)]
pub struct DiffusionStep {
    /// The trained step that the network is told, 0..1000.
    pub timestep: usize,
    log_beta: f64,
    alpha: f64,
    log_variance: f64,
    coef1: f64,
    coef2: f64,
}

impl DiffusionStep {
    /// (weight of the data, weight of the noise) in the state before this step.
    pub fn mixing_factors(&self) -> (f64, f64) {
        (self.alpha.sqrt(), (1.0 - self.alpha).sqrt())
    }

    /// From a value of the state, its predicted noise and `range`, the network's -1..1 between the smallest and the
    /// largest variance (arXiv 2102.09672, equation 15).
    pub fn posterior(&self, state: f64, noise: f64, range: f64) -> Posterior {
        let share = f64::midpoint(range, 1.0);
        let data = (1.0 / self.alpha).sqrt() * state - (1.0 / self.alpha - 1.0).sqrt() * noise;
        Posterior {
            mean: self.coef1 * data + self.coef2 * state,
            log_variance: share * self.log_beta + (1.0 - share) * self.log_variance,
            data,
        }
    }
}

fn trained_betas(schedule: Path) -> Vec<f64> {
    let steps = TRAINED_STEPS as f64;
    let kept = |t: f64| {
        ((t + COSINE_OFFSET) / (1.0 + COSINE_OFFSET) * FRAC_PI_2)
            .cos()
            .powi(2)
    };
    (0..TRAINED_STEPS)
        .map(|index| index as f64)
        .map(|index| match schedule {
            Path::Linear => LINEAR_BETAS.0 + (LINEAR_BETAS.1 - LINEAR_BETAS.0) * index / (steps - 1.0),
            Path::Cosine => (1.0 - kept((index + 1.0) / steps) / kept(index / steps)).min(LARGEST_BETA),
        })
        .collect()
}

fn cumulative_alphas(betas: &[f64]) -> Vec<f64> {
    betas
        .iter()
        .scan(1.0, |product, beta| {
            *product *= 1.0 - beta;
            Some(*product)
        })
        .collect()
}

/// Steps at even distances, the sum rounded half to even, as the reference adds them up.
fn spaced_steps(count: usize) -> Vec<usize> {
    let stride = (TRAINED_STEPS - 1) as f64 / (count.max(2) - 1) as f64;
    let mut position = 0.0_f64;
    (0..count)
        .map(|_| {
            let step = position.round_ties_even() as usize;
            position += if count > 1 { stride } else { 0.0 };
            step
        })
        .collect()
}
