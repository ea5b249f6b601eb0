mod original;
mod settings;
mod steps;

use super::network::Pass;
use super::{Generator, GeneratorError, Noise, TRAINED_STEPS};
use candle_core::{DType, Device, Tensor};
pub use original::Original;
pub use settings::{Guidance, Settings, Solver};
use steps::Steps;

/// Where a run starts.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    /// A class for each picture of the batch; the generator's null label is allowed.
    pub labels: Vec<u32>,
    /// Starting noise and draws.
    pub noise: Noise,
    /// `None`: nothing but noise.
    pub original: Option<Original>,
}

/// The network's answers within a step. A step that was interrupted finds them again when it is asked for once more.
#[derive(Default)]
struct Evaluations {
    done: Vec<Vec<f64>>,
    pending: Option<Pass>,
}

/// A sampling run, step by step: between steps it may be looked at, put aside or dropped. The state is f64 on the CPU,
/// the network computes in f32 where it lies.
pub struct Sampler {
    settings: Settings,
    steps: Steps,
    labels: Vec<u32>,
    noise: Noise,
    start_noise: Vec<f64>,
    original: Option<Original>,
    /// Shape of the batch.
    shape: Vec<usize>,
    /// Values of one token of the sequence (0 in 2-D, where tokens cannot be held).
    token_width: usize,
    null_label: u32,
    state: Vec<f64>,
    estimate: Vec<f64>,
    done: usize,
    evaluations: Evaluations,
}

impl Sampler {
    /// Prepares a run. Nothing is computed yet.
    ///
    /// # Errors
    /// Settings that this generator cannot follow, labels it does not have, latents or noise of another shape.
    pub fn new(generator: &Generator, settings: Settings, start: Start) -> Result<Self, GeneratorError> {
        settings.check(generator)?;
        let args = generator.args();
        let rows = args.label_rows();
        if let Some(label) = start.labels.iter().find(|label| **label as usize >= rows) {
            return Err(GeneratorError::sampling(format!(
                "there is no class {label}: this generator has {}, numbered from 0",
                args.num_classes
            )));
        }
        let shape = args.latent_shape(start.labels.len());
        let values: usize = shape.iter().skip(1).product();
        let tokens = args.token_shape();
        if let Some(original) = &start.original {
            original.check(start.labels.len() * values, tokens)?;
        }
        let start_t = start.original.as_ref().map_or(1.0, |original| original.t);
        let steps = Steps::new(&settings, start_t);
        let draws = match settings.solver {
            Solver::Euler | Solver::Heun => 0,
            Solver::Sde | Solver::Ddpm => steps.count() - 1,
        };
        start.noise.check(start.labels.len(), values, draws)?;
        let start_noise = start.noise.start(values);
        let mut sampler = Self {
            state: start_noise.clone(),
            estimate: start_noise.clone(),
            steps,
            labels: start.labels,
            noise: start.noise,
            start_noise,
            original: start.original,
            shape,
            token_width: tokens.map_or(0, |(_, width)| width),
            null_label: args.null_label().unwrap_or_default(),
            settings,
            done: 0,
            evaluations: Evaluations::default(),
        };
        sampler.mix_original(|_| true);
        Ok(sampler)
    }

    /// Steps done.
    pub fn done(&self) -> usize {
        self.done
    }

    /// Steps in all.
    pub fn total(&self) -> usize {
        self.steps.count()
    }

    /// Whether the last step is done; [`Self::state`] is then the result.
    pub fn is_finished(&self) -> bool {
        self.done >= self.total()
    }

    /// The latents as far as they are, row-major [B, L, D] (or [B, C, S, S]): from noise to the result, in the
    /// generator's scale (times the latent deviation plus mean before they are decoded).
    pub fn state(&self) -> &[f64] {
        &self.state
    }

    /// The data that the last step saw behind the noise; like [`Self::state`] at the end.
    pub fn estimate(&self) -> &[f64] {
        &self.estimate
    }

    /// Makes the next step; none where the run is finished. `go_on` is asked before every block of the network; once
    /// it says no the step ends with [`GeneratorError::Cancelled`], and asking for it again goes on where it stopped.
    ///
    /// # Errors
    /// Cancellation, a failing device.
    pub fn step(
        &mut self,
        generator: &Generator,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<(), GeneratorError> {
        if self.is_finished() {
            return Ok(());
        }
        self.mix_original_held();
        match self.settings.solver {
            Solver::Euler | Solver::Heun | Solver::Sde => self.flow_step(generator, go_on)?,
            Solver::Ddpm => self.diffusion_step(generator, go_on)?,
        }
        self.evaluations = Evaluations::default();
        self.done += 1;
        if self.is_finished() {
            self.estimate.clone_from(&self.state);
        }
        self.restore_held();
        Ok(())
    }

    fn flow_step(
        &mut self,
        generator: &Generator,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<(), GeneratorError> {
        let Steps::Flow(times) = &self.steps else {
            return Ok(());
        };
        let [t, next] = [self.done, self.done + 1].map(|index| times.get(index).copied().unwrap_or_default());
        let (dt, is_last, path) = (next - t, self.done + 1 == self.total(), self.settings.path);
        // Guidance is switched by the step's own time: a Heun correction keeps the choice.
        let guided = self.settings.guidance.acts_at(t);
        let state = self.state.clone();
        let velocity = self.velocity(generator, 0, &state, t, guided, go_on)?;
        let moved: Vec<f64> = match self.settings.solver {
            Solver::Heun if !is_last => {
                let predicted = combine(&state, &velocity, |x, v| x + dt * v);
                let second = self.velocity(generator, 1, &predicted, next, guided, go_on)?;
                let mean = combine(&velocity, &second, |a, b| 0.5 * (a + b));
                combine(&state, &mean, |x, v| x + dt * v)
            }
            Solver::Sde => {
                // Reverse drift: v - (diffusion / 2) score, diffusion = 2t.
                let (a, b) = path.score_factors(t);
                let drifted = combine(&state, &velocity, |x, v| x + dt * (v - t * (a * v + b * x)));
                if is_last {
                    drifted
                } else {
                    let deviation = (2.0 * t * dt.abs()).sqrt();
                    combine(&drifted, &self.draw(), |x, e| x + deviation * e)
                }
            }
            _ => combine(&state, &velocity, |x, v| x + dt * v),
        };
        let (a, b) = path.data_factors(t);
        self.estimate = combine(&state, &velocity, |x, v| a * v + b * x);
        self.state = moved;
        Ok(())
    }

    fn diffusion_step(
        &mut self,
        generator: &Generator,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<(), GeneratorError> {
        let Steps::Diffusion { process, count } = &self.steps else {
            return Ok(());
        };
        let Some(step) = process.step(count - 1 - self.done) else {
            return Ok(());
        };
        let is_last = self.done + 1 == *count;
        let guided = (self.settings.guidance).acts_at(step.timestep as f64 / (TRAINED_STEPS - 1) as f64);
        let state = self.state.clone();
        let output = self.evaluate(generator, 0, &state, step.timestep as f32, guided, go_on)?;
        let (noise, range) = self.noise_and_range(&output, guided);
        let draw = if is_last { Vec::new() } else { self.draw() };
        for (index, (state, estimate)) in self.state.iter_mut().zip(&mut self.estimate).enumerate() {
            let at = |values: &[f64]| values.get(index).copied().unwrap_or_default();
            let posterior = step.posterior(*state, at(&noise), at(&range));
            *state = posterior.mean + (0.5 * posterior.log_variance).exp() * at(&draw);
            *estimate = posterior.data;
        }
        Ok(())
    }

    /// The guided velocity at (`x`, `t`), the step's evaluation number `index`.
    fn velocity(
        &mut self,
        generator: &Generator,
        index: usize,
        x: &[f64],
        t: f64,
        guided: bool,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<Vec<f64>, GeneratorError> {
        let output = self.evaluate(generator, index, x, t as f32, guided, go_on)?;
        Ok(if guided { self.guide(&output) } else { output })
    }

    /// A guided DiT prediction taken apart: noise (guided), and the variance's place of the conditional half.
    fn noise_and_range(&self, output: &[f64], guided: bool) -> (Vec<f64>, Vec<f64>) {
        let per_picture: usize = self.shape.iter().skip(1).product();
        // Noise and range stand side by side in each token, or in each picture of a 2-D generator.
        let width = if self.token_width > 0 {
            self.token_width
        } else {
            per_picture
        };
        let half = |offset: usize| -> Vec<f64> {
            output
                .chunks_exact(2 * width.max(1))
                .flat_map(|both| both.iter().skip(offset).take(width).copied())
                .collect()
        };
        let (noise, range) = (half(0), half(width));
        if guided {
            (self.guide(&noise), range)
        } else {
            (noise, range)
        }
    }

    /// uncond + scale (cond - uncond) of a doubled batch.
    fn guide(&self, output: &[f64]) -> Vec<f64> {
        let (cond, uncond) = output.split_at(output.len() / 2);
        let scale = self.settings.guidance.scale;
        combine(cond, uncond, |cond, uncond| uncond + scale * (cond - uncond))
    }

    /// What the network says at `x`, the batch doubled by its unconditional half where `guided`.
    fn evaluate(
        &mut self,
        generator: &Generator,
        index: usize,
        x: &[f64],
        t: f32,
        guided: bool,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<Vec<f64>, GeneratorError> {
        if let Some(done) = self.evaluations.done.get(index) {
            return Ok(done.clone());
        }
        let mut pass = match self.evaluations.pending.take() {
            Some(pass) => pass,
            None => self.begin(generator, x, t, guided)?,
        };
        let Some(output) = generator.network.advance(&mut pass, go_on)? else {
            self.evaluations.pending = Some(pass);
            return Err(GeneratorError::Cancelled);
        };
        let output: Vec<f64> = output
            .to_device(&Device::Cpu)?
            .flatten_all()?
            .to_dtype(DType::F64)?
            .to_vec1()?;
        self.evaluations.done.push(output.clone());
        Ok(output)
    }

    fn begin(&self, generator: &Generator, x: &[f64], t: f32, guided: bool) -> Result<Pass, GeneratorError> {
        let mut values: Vec<f32> = x.iter().map(|value| *value as f32).collect();
        let mut labels = self.labels.clone();
        let mut shape = self.shape.clone();
        if guided {
            values.extend_from_within(..);
            labels.resize(2 * labels.len(), self.null_label);
            shape.iter_mut().take(1).for_each(|batch| *batch *= 2);
        }
        let batch = labels.len();
        let x = Tensor::from_vec(values, shape, &Device::Cpu)?;
        let times = Tensor::full(t, batch, &Device::Cpu)?;
        let labels = Tensor::from_vec(labels, batch, &Device::Cpu)?;
        Ok(generator.begin(&x, &times, &labels)?)
    }

    /// The random values of this step.
    fn draw(&self) -> Vec<f64> {
        self.noise.draw(self.done, self.shape.iter().skip(1).product())
    }
}

fn combine(a: &[f64], b: &[f64], with: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| with(*a, *b)).collect()
}
