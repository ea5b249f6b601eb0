use super::{GeneratorError, Path, Sit};
use candle_core::{DType, Tensor};

/// Time of the last stochastic step; from there one noise-free step leads to 0.
const SDE_LAST_TIME: f64 = 0.04;

/// Classifier-free guidance: velocity or drift = uncond + scale (cond - uncond) where `low` <= t <= `high`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Guidance {
    /// 1 or less: no guidance.
    pub scale: f64,
    /// Interval of t in 0..1; sampling runs from 1 to 0.
    pub low: f64,
    /// Upper end of that interval.
    pub high: f64,
}

impl Guidance {
    fn acts_at(&self, t: f64) -> bool {
        self.scale > 1.0 && self.low <= t && t <= self.high
    }
}

/// How the path from noise to tokens is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Solver {
    /// Probability-flow ODE, Euler steps.
    Euler,
    /// Probability-flow ODE, Heun's second-order steps (the last one is Euler's).
    Heun,
    /// Reverse SDE with diffusion 2t, Euler-Maruyama.
    Sde(Path),
}

/// A step just done, for progress and live decoding.
pub struct SampleStep<'a> {
    /// Steps done, 1..=`total`.
    pub done: usize,
    /// Steps in all.
    pub total: usize,
    /// Time reached, 1 (noise) to 0 (data).
    pub t: f64,
    /// State, f64, the shape of the latents.
    pub state: &'a Tensor,
}

struct Drift<'a> {
    sit: &'a Sit,
    labels: &'a Tensor,
    guidance: Guidance,
}

impl Drift<'_> {
    /// The guided field at (`x` f64, `t`). Guidance is switched by `switch_t`: a Heun correction keeps its step's choice.
    fn at(
        &self,
        x: &Tensor,
        t: f64,
        switch_t: f64,
        score_path: Option<Path>,
    ) -> Result<Tensor, GeneratorError> {
        let guided = self.guidance.acts_at(switch_t);
        let (input, labels) = if guided {
            let null = Tensor::full(self.sit.null_label(), self.labels.dims1()?, self.labels.device())?;
            (Tensor::cat(&[x, x], 0)?, Tensor::cat(&[self.labels, &null], 0)?)
        } else {
            (x.clone(), self.labels.clone())
        };
        let times = Tensor::full(t as f32, input.dim(0)?, input.device())?;
        let velocity = self
            .sit
            .forward(&input.to_dtype(DType::F32)?, &times, &labels)?
            .to_dtype(DType::F64)?;
        let field = match score_path {
            None => velocity,
            Some(path) => {
                // Reverse drift: v - (diffusion / 2) score, diffusion = 2t.
                let (a, b) = path.score_factors(t);
                ((velocity * (1.0 - t * a))? - (input * (t * b))?)?
            }
        };
        if !guided {
            return Ok(field);
        }
        let batch = x.dim(0)?;
        let (cond, uncond) = (field.narrow(0, 0, batch)?, field.narrow(0, batch, batch)?);
        Ok((&uncond + ((cond - &uncond)? * self.guidance.scale)?)?)
    }
}

/// Times of the steps, from 1 downwards.
fn times(solver: Solver, steps: usize) -> Vec<f64> {
    match solver {
        Solver::Euler | Solver::Heun => (0..=steps).map(|i| 1.0 - i as f64 / steps as f64).collect(),
        Solver::Sde(_) => {
            let last = (steps - 1).max(1) as f64;
            let mut times: Vec<f64> = (0..steps)
                .map(|i| 1.0 + (SDE_LAST_TIME - 1.0) * i as f64 / last)
                .collect();
            times.push(0.0);
            times
        }
    }
}

/// Runs a sampler of `steps` >= 1 steps from noise `z0` ([`Sit::latent_shape`]) with labels `[B]` u32; returns the
/// tokens in the generator's scale as f64 (times the latent deviation plus mean before they are decoded).
///
/// `noise(i)` is the i-th standard normal draw of an SDE run, the shape of `z0`; an ODE asks for none. `observe` sees
/// every step and ends the run by returning false.
///
/// # Errors
/// [`GeneratorError::Cancelled`] when `observe` says so; a failed operation.
pub fn sample(
    sit: &Sit,
    z0: &Tensor,
    labels: &Tensor,
    steps: usize,
    guidance: Guidance,
    solver: Solver,
    noise: &mut dyn FnMut(usize) -> Result<Tensor, GeneratorError>,
    observe: &mut dyn FnMut(&SampleStep<'_>) -> bool,
) -> Result<Tensor, GeneratorError> {
    if steps == 0 {
        return Err(GeneratorError::Config(
            "sampling needs at least 1 step".to_owned(),
        ));
    }
    let drift = Drift {
        sit,
        labels,
        guidance,
    };
    let times = times(solver, steps);
    let mut state = z0.to_dtype(DType::F64)?;
    for (index, pair) in times.windows(2).enumerate() {
        let &[t, next] = pair else { continue };
        let dt = next - t;
        let is_last = index + 1 == steps;
        state = match solver {
            Solver::Euler => (&state + (drift.at(&state, t, t, None)? * dt)?)?,
            Solver::Heun => {
                let first = drift.at(&state, t, t, None)?;
                let predicted = (&state + (&first * dt)?)?;
                if is_last {
                    predicted
                } else {
                    let second = drift.at(&predicted, next, t, None)?;
                    (&state + ((first + second)? * (0.5 * dt))?)?
                }
            }
            Solver::Sde(path) => {
                let moved = (&state + (drift.at(&state, t, t, Some(path))? * dt)?)?;
                if is_last {
                    moved
                } else {
                    let draw = noise(index)?.to_dtype(DType::F64)?;
                    (moved + (draw * ((2.0 * t).sqrt() * dt.abs().sqrt()))?)?
                }
            }
        };
        let step = SampleStep {
            done: index + 1,
            total: steps,
            t: next,
            state: &state,
        };
        if !observe(&step) {
            return Err(GeneratorError::Cancelled);
        }
    }
    Ok(state)
}
