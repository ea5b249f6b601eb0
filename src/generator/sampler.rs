use super::network::Pass;
use super::{
    Diffusion, Generator, GeneratorArgs, GeneratorClass, GeneratorError, Noise, Path, TRAINED_STEPS,
};
use candle_core::{DType, Device, Tensor};

/// Time of the last stochastic step; from there one noise-free step leads to 0.
const SDE_LAST_TIME: f64 = 0.04;

/// Classifier-free guidance: prediction = uncond + scale (cond - uncond) where `low` <= t <= `high`.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Guidance {
    /// 1 or less: no guidance.
    pub scale: f64,
    /// Interval of t in 0..1; sampling runs from 1 to 0. A DiT's t is its trained step over 999.
    pub low: f64,
    /// Upper end of that interval.
    pub high: f64,
}

impl Default for Guidance {
    fn default() -> Self {
        Self {
            scale: 1.0,
            low: 0.0,
            high: 1.0,
        }
    }
}

impl Guidance {
    fn acts_at(&self, t: f64) -> bool {
        self.scale > 1.0 && self.low <= t && t <= self.high
    }
}

/// How the path from noise to tokens is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Solver {
    /// SiT: probability-flow ODE, Euler steps.
    #[serde(rename = "ode")]
    Euler,
    /// SiT: probability-flow ODE, Heun's second-order steps (the last one is Euler's).
    Heun,
    /// SiT: reverse SDE with diffusion 2t, Euler-Maruyama.
    Sde,
    /// DiT: ancestral sampling with learned variance.
    Ddpm,
}

impl Solver {
    /// The generators it works with.
    pub fn class(self) -> GeneratorClass {
        match self {
            Self::Euler | Self::Heun | Self::Sde => GeneratorClass::Sit,
            Self::Ddpm => GeneratorClass::Dit,
        }
    }
}

/// What a sampling run is like.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Settings {
    /// How steps are made.
    pub solver: Solver,
    /// Interpolant of a SiT (matters to [`Solver::Sde`] and to what is estimated), noise schedule of a DiT.
    pub path: Path,
    /// Steps from pure noise, 1 or more; a DiT has 1000 at most. A run from t < 1 takes its share of them.
    pub steps: usize,
    /// Classifier-free guidance.
    pub guidance: Guidance,
}

impl Settings {
    /// What the reference samples this class with: 250 steps, no guidance; a SiT stochastically on the linear path, a
    /// DiT on the cosine schedule it was trained on.
    pub fn of(class: GeneratorClass) -> Self {
        let (solver, path) = match class {
            GeneratorClass::Sit => (Solver::Sde, Path::Linear),
            GeneratorClass::Dit => (Solver::Ddpm, Path::Cosine),
        };
        Self {
            solver,
            path,
            steps: 250,
            guidance: Guidance::default(),
        }
    }

    /// The same on the path that the generator says it was trained on.
    pub fn of_generator(class: GeneratorClass, args: &GeneratorArgs) -> Self {
        let usual = Self::of(class);
        Self {
            path: args.path().unwrap_or(usual.path),
            ..usual
        }
    }
}

/// Latents that a run starts from or keeps, in the generator's scale.
#[derive(Debug, Clone, PartialEq)]
pub struct Original {
    /// A batch of latents, row-major.
    pub data: Vec<f64>,
    /// How much of it is noise at the start: above 0 (nearly none) up to 1 (nothing but noise).
    pub t: f64,
    /// Tokens of the sequence that stay as they are.
    pub held: Vec<usize>,
}

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

/// The steps of a run, in the order they are made.
#[derive(Debug)]
enum Steps {
    /// Times from the start down to 0, one more than steps.
    Flow(Vec<f64>),
    /// A respaced process, of which the last `count` steps are walked backwards.
    Diffusion { process: Diffusion, count: usize },
}

impl Steps {
    fn new(settings: &Settings, start_t: f64) -> Self {
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

    fn count(&self) -> usize {
        match self {
            Self::Flow(times) => times.len() - 1,
            Self::Diffusion { count, .. } => *count,
        }
    }

    /// What data and noise are weighted with in the state before step `index`, from 0.
    fn mixing_factors(&self, path: Path, index: usize) -> (f64, f64) {
        match self {
            Self::Flow(times) => path.mixing_factors(times.get(index).copied().unwrap_or_default()),
            Self::Diffusion { process, count } => (count.checked_sub(index + 1))
                .and_then(|step| process.step(step))
                .map_or((1.0, 0.0), |step| step.mixing_factors()),
        }
    }
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
        check_settings(generator, &settings)?;
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
            check_original(original, start.labels.len() * values, tokens)?;
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

    /// Puts the originals, noised as the next step expects it, where `is_wanted` says so of the token.
    fn mix_original(&mut self, is_wanted: impl Fn(usize) -> bool) {
        let Some(original) = &self.original else { return };
        let (alpha, sigma) = self.steps.mixing_factors(self.settings.path, self.done);
        let (count, width) = (self.shape.get(1).copied().unwrap_or(1).max(1), self.token_width);
        let values = original.data.iter().zip(&self.start_noise);
        for (index, (state, (data, noise))) in self.state.iter_mut().zip(values).enumerate() {
            let token = index.checked_div(width).unwrap_or_default() % count;
            if is_wanted(token) {
                *state = alpha * data + sigma * noise;
            }
        }
    }

    /// As RePaint does it (arXiv 2201.09865): before every step the held tokens are their originals at its noise level.
    fn mix_original_held(&mut self) {
        if let Some(original) = &self.original
            && !original.held.is_empty()
        {
            let held = original.held.clone();
            self.mix_original(|token| held.contains(&token));
        }
    }

    /// Held tokens are known at every step, and exactly so at the end.
    fn restore_held(&mut self) {
        let Some(original) = &self.original else { return };
        let is_finished = self.done >= self.steps.count();
        let width = self.token_width.max(1);
        let tokens_per_picture = self.shape.get(1).copied().unwrap_or(1).max(1);
        for (index, chunk) in original.data.chunks_exact(width).enumerate() {
            if !original.held.contains(&(index % tokens_per_picture)) {
                continue;
            }
            let place = index * width..(index + 1) * width;
            if let Some(estimate) = self.estimate.get_mut(place.clone()) {
                estimate.copy_from_slice(chunk);
            }
            if let Some(state) = self.state.get_mut(place).filter(|_| is_finished) {
                state.copy_from_slice(chunk);
            }
        }
    }
}

fn combine(a: &[f64], b: &[f64], with: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| with(*a, *b)).collect()
}

fn check_settings(generator: &Generator, settings: &Settings) -> Result<(), GeneratorError> {
    let refuse = |text: String| Err(GeneratorError::sampling(text));
    let class = generator.class();
    if settings.solver.class() != class {
        return refuse(match class {
            GeneratorClass::Sit => "a SiT is sampled with ode, heun or sde, not with ddpm".to_owned(),
            GeneratorClass::Dit => "a DiT is sampled with ddpm, not with ode, heun or sde".to_owned(),
        });
    }
    if settings.steps == 0 {
        return refuse("sampling needs at least 1 step".to_owned());
    }
    if class == GeneratorClass::Dit && settings.steps > TRAINED_STEPS {
        return refuse(format!(
            "a DiT has {TRAINED_STEPS} steps; {} are too many",
            settings.steps
        ));
    }
    let Guidance { scale, low, high } = settings.guidance;
    if !scale.is_finite() || !(0.0..=1.0).contains(&low) || !(0.0..=1.0).contains(&high) {
        return refuse(format!(
            "guidance of scale {scale} from {low} to {high}: the interval lies in 0 to 1"
        ));
    }
    if scale > 1.0 && generator.args().null_label().is_none() {
        return refuse(
            "this generator was trained without a label for \"no class\" and cannot be guided: take the scale 1"
                .to_owned(),
        );
    }
    Ok(())
}

fn check_original(
    original: &Original,
    values: usize,
    tokens: Option<(usize, usize)>,
) -> Result<(), GeneratorError> {
    let refuse = |text: String| Err(GeneratorError::sampling(text));
    if original.data.len() != values {
        return refuse(format!(
            "the given tokens are {} values and the generator's are {values}: they belong to another model",
            original.data.len()
        ));
    }
    if !(original.t > 0.0 && original.t <= 1.0) {
        return refuse(format!(
            "the noise level is {}; it lies above 0 and up to 1",
            original.t
        ));
    }
    let count = tokens.map_or(0, |(count, _)| count);
    match original.held.iter().find(|token| **token >= count) {
        Some(token) => refuse(format!("there is no token {token}: the generator has {count}")),
        None => Ok(()),
    }
}
