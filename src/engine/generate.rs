//! A generation as the worker carries it out: one sampling step at a time, so that whatever is waited for elsewhere goes
//! between two steps, and inside of one.

use super::control::Part;
use super::perform::Backend;
use super::protocol::Stamp;
use super::runner::milliseconds;
use super::{
    Control, EngineError, GeneratorRunner, ModelInfo, check_generator_fits, latents_of_tokens,
    tokens_of_latents,
};
use crate::generator::{Noise, Original, Sampler, Settings, Start};
use crate::latent::{LatentState, Tokens};
use crate::picture::Rgb8;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Showing a picture may cost this share of what the steps cost.
const PREVIEW_SHARE: f64 = 0.5;

/// What previews of one picture may take however fast its steps are: a small generator is seen at every step.
const PREVIEW_ALLOWANCE: Duration = Duration::from_secs(2);

/// Class and seed of a picture to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PictureSeed {
    /// A row of the generator's label table.
    pub label: u32,
    /// Of its noise ([`Noise::Seeds`]).
    pub seed: u64,
}

/// Tokens that a generation starts from, in place of nothing but noise.
#[derive(Debug, Clone)]
pub struct GenerateFrom {
    /// As the tokenizer decodes them.
    pub tokens: Arc<Tokens>,
    /// How much of them is noise at the start: above 0, up to 1.
    pub t: f64,
    /// Tokens that stay as they are.
    pub held: Vec<usize>,
}

impl GenerateFrom {
    /// Starts from `tokens` at noise level `t`; where `filled` names tokens, all others are held.
    pub fn new(tokens: Arc<Tokens>, t: f64, filled: Option<&[usize]>) -> Self {
        let held = (0..tokens.count)
            .filter(|token| filled.is_some_and(|filled| !filled.contains(token)))
            .collect();
        Self { tokens, t, held }
    }

    /// The same in the scale of a generator of the model's tokens.
    pub fn original(&self, model: &ModelInfo) -> Original {
        Original {
            data: latents_of_tokens(&self.tokens, model),
            t: self.t,
            held: self.held.clone(),
        }
    }

    /// Puts the held tokens into `z` as they were given, not as rounding there and back left them.
    pub fn restore_held(&self, z: &mut Tokens) {
        for token in &self.held {
            let place = token * z.dim..(token + 1) * z.dim;
            if let (Some(row), Some(original)) =
                (z.values.get_mut(place.clone()), self.tokens.values.get(place))
            {
                row.copy_from_slice(original);
            }
        }
    }
}

/// What is to be generated, one picture after the other.
#[derive(Debug, Clone)]
pub struct GenerateJob {
    /// How every picture is sampled.
    pub settings: Settings,
    /// The pictures.
    pub pictures: Vec<PictureSeed>,
    /// `None`: from noise.
    pub from: Option<GenerateFrom>,
}

/// A step that was made.
#[derive(Debug, Clone)]
pub struct GenerationStep {
    /// Which picture, from 0.
    pub index: usize,
    /// Steps made of this picture.
    pub done: usize,
    /// Steps it takes.
    pub total: usize,
    /// The tokens seen behind the noise, as the tokenizer decodes them.
    pub tokens: Arc<LatentState>,
    /// Their picture; not of every step where decoding is slow.
    pub picture: Option<Arc<Rgb8>>,
    /// Share of the whole job, 0..1.
    pub fraction: f32,
    /// Time the rest of the job takes at the present pace.
    pub left_ms: f64,
}

/// A picture that is finished.
#[derive(Debug, Clone)]
pub struct GeneratedPicture {
    /// Which one, from 0.
    pub index: usize,
    /// Whether it was the job's last.
    pub is_last: bool,
    /// Its tokens.
    pub state: Arc<LatentState>,
    /// Their decode, by the reconstruction convention as any other picture of the library.
    pub picture: Arc<Rgb8>,
    /// Time in the decoder.
    pub decode_ms: f64,
}

/// What a turn of the worker brought.
pub(super) enum Turn {
    Step(GenerationStep),
    Picture(GeneratedPicture),
}

/// A job under way.
pub(super) struct Generation {
    stamp: Stamp,
    job: Arc<GenerateJob>,
    /// The picture being made.
    index: usize,
    sampler: Option<Sampler>,
    steps_done: usize,
    sampling: Duration,
    previewing: Duration,
    last_preview: Duration,
}

impl Generation {
    pub(super) fn new(stamp: Stamp, job: Arc<GenerateJob>) -> Self {
        Self {
            stamp,
            job,
            index: 0,
            sampler: None,
            steps_done: 0,
            sampling: Duration::ZERO,
            previewing: Duration::ZERO,
            last_preview: Duration::ZERO,
        }
    }

    /// Of the request it carries out.
    pub(super) fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// Makes the next step, or the picture after the last one. Cancelled, it goes on where it stopped at the next turn.
    pub(super) fn turn(
        &mut self,
        generator: &GeneratorRunner,
        model: &dyn Backend,
        control: &dyn Control,
    ) -> Result<Turn, EngineError> {
        let mut sampler = match self.sampler.take() {
            Some(sampler) => sampler,
            None => self.start(generator, model)?,
        };
        // What runs inside of a turn is a small part of the whole: the bar shows the whole.
        let fraction = self.fraction(sampler.total());
        let control = Part {
            whole: control,
            from: fraction,
            to: fraction,
        };
        control.progress(0.0);
        let result = self.turn_of(&mut sampler, generator, model, &control);
        match result {
            Ok(Turn::Picture(_)) => self.index += 1,
            _ => self.sampler = Some(sampler),
        }
        result
    }

    fn turn_of(
        &mut self,
        sampler: &mut Sampler,
        generator: &GeneratorRunner,
        model: &dyn Backend,
        control: &dyn Control,
    ) -> Result<Turn, EngineError> {
        if sampler.is_finished() {
            return self.finish(sampler, model, control).map(Turn::Picture);
        }
        let started = Instant::now();
        let stepped = generator.step(sampler, control);
        self.sampling += started.elapsed();
        stepped?;
        self.steps_done += 1;
        let state = state_of(sampler.estimate(), model)?;
        Ok(Turn::Step(GenerationStep {
            index: self.index,
            done: sampler.done(),
            total: sampler.total(),
            picture: self.preview(&state, sampler, model, control)?,
            tokens: Arc::new(state),
            fraction: self.fraction(sampler.total()),
            left_ms: self.left_ms(sampler.total()),
        }))
    }

    fn start(&self, generator: &GeneratorRunner, model: &dyn Backend) -> Result<Sampler, EngineError> {
        let (info, space) = (model.info(), &model.info().space);
        let generator_info = generator.info();
        check_generator_fits(
            &generator_info.name,
            &generator_info.args,
            (&info.name, space.token_count, space.dim),
        )?;
        let picture = self
            .job
            .pictures
            .get(self.index)
            .ok_or_else(|| EngineError::Model("there is no picture to generate".to_owned()))?;
        generator.sampler(
            self.job.settings,
            Start {
                labels: vec![picture.label],
                noise: Noise::Seeds(vec![picture.seed]),
                original: self.job.from.as_ref().map(|from| from.original(info)),
            },
        )
    }

    /// The finished picture. Held tokens are the very ones that were given.
    fn finish(
        &self,
        sampler: &Sampler,
        model: &dyn Backend,
        control: &dyn Control,
    ) -> Result<GeneratedPicture, EngineError> {
        let mut state = state_of(sampler.state(), model)?;
        if let Some(from) = &self.job.from {
            from.restore_held(&mut state.z);
        }
        let started = Instant::now();
        let planar = model.decode(&state.z, control)?;
        Ok(GeneratedPicture {
            index: self.index,
            is_last: self.index + 1 >= self.job.pictures.len(),
            state: Arc::new(state),
            picture: Arc::new(planar.to_rgb8()),
            decode_ms: milliseconds(started.elapsed()),
        })
    }

    /// The picture of the present estimate, where decoding it does not hold the steps up too much.
    fn preview(
        &mut self,
        state: &LatentState,
        sampler: &Sampler,
        model: &dyn Backend,
        control: &dyn Control,
    ) -> Result<Option<Arc<Rgb8>>, EngineError> {
        let allowance = PREVIEW_ALLOWANCE * (1 + self.index) as u32;
        let affordable = allowance + self.sampling.mul_f64(PREVIEW_SHARE);
        let is_affordable = self.previewing + self.last_preview <= affordable || sampler.done() == 1;
        if !is_affordable || sampler.is_finished() {
            return Ok(None);
        }
        let started = Instant::now();
        let decoded = model.decode(&state.z, control);
        self.last_preview = started.elapsed();
        self.previewing += self.last_preview;
        match decoded {
            Ok(planar) => Ok(Some(Arc::new(planar.to_rgb8()))),
            // The step itself is made; only its picture has to wait.
            Err(EngineError::Cancelled) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn steps_in_all(&self, per_picture: usize) -> usize {
        (per_picture * self.job.pictures.len()).max(1)
    }

    fn fraction(&self, per_picture: usize) -> f32 {
        self.steps_done as f32 / self.steps_in_all(per_picture) as f32
    }

    fn left_ms(&self, per_picture: usize) -> f64 {
        let left = self.steps_in_all(per_picture).saturating_sub(self.steps_done);
        let spent = milliseconds(self.sampling + self.previewing);
        spent / self.steps_done.max(1) as f64 * left as f64
    }
}

fn state_of(latents: &[f64], model: &dyn Backend) -> Result<LatentState, EngineError> {
    let info = model.info();
    let z = tokens_of_latents(latents, info)
        .into_iter()
        .next()
        .ok_or_else(|| EngineError::Model("it has no tokens to generate".to_owned()))?;
    Ok(LatentState::from_z(z))
}
