//! The discriminator's side of a run: its own steps, between those of the tokenizer.

use super::loss::{AdversarialConfig, Augmentation, LecamAverages, Strength};
use super::networks::{Discriminator, Norms, Statistics};
use super::optimiser::{Optimiser, Parameter};
use super::workers::Workers;
use super::{TrainConfig, TrainError};
use candle_core::Tensor;
use candle_core::backprop::GradStore;
use std::collections::{BTreeMap, HashMap};

/// Prefix of its parameters' keys in a state file.
pub(super) const PREFIX: &str = "discriminator.";

/// Uses that draws of augmentations are kept apart by.
#[derive(Debug, Clone, Copy)]
enum Use {
    Generator,
    Real,
    Fake,
    StrongReal,
    StrongFake,
}

/// Streams that a picture's number has for itself.
const USES: u64 = 5;

/// Pictures of one part of a batch.
#[derive(Debug)]
pub(super) struct Pair {
    /// [B, 3, H, W]
    pub(super) real: Tensor,
    /// Its reconstructions, without gradients.
    pub(super) fake: Tensor,
    /// Number of the first in the run.
    pub(super) first_picture: u64,
}

/// Unweighted terms of the discriminator's loss.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct CriticTerms {
    pub(super) discriminator: f64,
    pub(super) lecam: f64,
    pub(super) consistency: f64,
}

/// What a saved run knows of its discriminator.
#[derive(Debug, Default)]
pub(super) struct SavedAdversary {
    /// With their keys' prefix; none where the run had no discriminator.
    pub(super) parameters: Vec<Parameter>,
    pub(super) buffers: HashMap<String, Tensor>,
    pub(super) averages: LecamAverages,
}

/// Logits of one part.
struct Views {
    real: Tensor,
    fake: Tensor,
    /// None where consistency does not count.
    strong: Option<(Tensor, Tensor)>,
    statistics: Vec<Statistics>,
}

#[derive(Debug)]
pub(super) struct Adversary {
    config: AdversarialConfig,
    seed: u64,
    discriminator: Discriminator,
    pub(super) optimiser: Optimiser,
    pub(super) averages: LecamAverages,
    /// Norm of the gradients added since the last step.
    norm: f64,
}

impl Adversary {
    /// None where the run never asks for it.
    pub(super) fn start(config: &TrainConfig, saved: SavedAdversary) -> Result<Option<Self>, TrainError> {
        let adversarial = config.loss.adversarial.clone();
        if !adversarial.is_used() {
            return Ok(None);
        }
        let mut discriminator = Discriminator::read(&adversarial, config.seed)?;
        let parameters = if saved.parameters.is_empty() {
            let fresh = discriminator.parameters().iter();
            fresh
                .map(|(key, var)| Parameter::new(format!("{PREFIX}{key}"), var.clone()))
                .collect::<candle_core::Result<_>>()?
        } else {
            let mut vars = BTreeMap::new();
            for parameter in &saved.parameters {
                let key = parameter.key.strip_prefix(PREFIX).unwrap_or_default();
                let asked = discriminator.parameters().get(key).map(|var| var.dims());
                if asked != Some(parameter.var.dims()) {
                    return Err(TrainError::Network {
                        path: adversarial.network.unwrap_or_default(),
                        reason: format!(
                            "the run was started with another discriminator (`{key}` does not fit); set \
                             `loss.adversarial` back or start a new run"
                        ),
                    });
                }
                vars.insert(key.to_owned(), parameter.var.clone());
            }
            discriminator.restore(vars, &saved.buffers)?;
            saved.parameters
        };
        Ok(Some(Self {
            config: adversarial,
            seed: config.seed,
            discriminator,
            optimiser: Optimiser::new(config.optimiser.clone(), parameters),
            averages: saved.averages,
            norm: 0.0,
        }))
    }

    /// Whether it takes part in a step.
    pub(super) fn is_active(&self, step: u64) -> bool {
        step >= self.config.from_step
    }

    /// The discriminator as the tokenizer meets it.
    pub(super) fn opponent(&self) -> Discriminator {
        self.discriminator.detached()
    }

    /// What the opponent sees a part of a batch through.
    pub(super) fn opponent_augmentation(
        &self,
        first_picture: u64,
        pictures: usize,
        side: usize,
    ) -> Augmentation {
        self.augmentation(first_picture, Use::Generator, pictures, side)
    }

    fn augmentation(&self, first_picture: u64, purpose: Use, pictures: usize, side: usize) -> Augmentation {
        let strength = match purpose {
            Use::Generator | Use::Real | Use::Fake => Strength::Weak,
            Use::StrongReal | Use::StrongFake => Strength::Strong,
        };
        let stream = first_picture * USES + purpose as u64;
        Augmentation::draw((self.seed, stream), strength, pictures, side)
    }

    /// Adds the gradients of a batch, times `factor`.
    pub(super) fn learn(
        &mut self,
        workers: &Workers,
        pairs: &[Pair],
        factor: f64,
    ) -> Result<CriticTerms, TrainError> {
        self.discriminator.advance()?;
        let views = workers.map(pairs, |pair| self.views(pair))?;
        let share = 1.0 / pairs.len().max(1) as f64;
        let mean = |logits: fn(&Views) -> &Tensor| -> Result<f64, TrainError> {
            let mut sum = 0.0;
            for view in &views {
                sum += f64::from(logits(view).mean_all()?.to_scalar::<f32>()?);
            }
            Ok(sum * share)
        };
        self.averages
            .update(mean(|view| &view.real)?, mean(|view| &view.fake)?);
        let learned = workers.map(&views, |view| self.gradients(view))?;
        let mut terms = CriticTerms::default();
        for (part, _) in &learned {
            terms.discriminator += part.discriminator * share;
            terms.lecam += part.lecam * share;
            terms.consistency += part.consistency * share;
        }
        let stores: Vec<&GradStore> = learned.iter().map(|(_, store)| store).collect();
        let optimiser = &mut self.optimiser;
        self.norm = workers.install(|| optimiser.add(&stores, factor * share))?;
        for statistics in views.iter().flat_map(|view| &view.statistics) {
            self.discriminator.track(statistics)?;
        }
        Ok(terms)
    }

    fn views(&self, pair: &Pair) -> Result<Views, TrainError> {
        let (pictures, _, side, _) = pair.real.dims4()?;
        let mut statistics = Vec::new();
        let mut logits = |x: &Tensor, purpose: Use| -> Result<Tensor, TrainError> {
            let augmentation = self.augmentation(pair.first_picture, purpose, pictures, side);
            let seen = augmentation.apply(x)?;
            let (logits, new) = self
                .discriminator
                .logits(&seen, augmentation.sight, Norms::Batch)?;
            statistics.push(new);
            Ok(logits)
        };
        let (real, fake) = (logits(&pair.real, Use::Real)?, logits(&pair.fake, Use::Fake)?);
        let strong = if self.config.consistency > 0.0 {
            Some((
                logits(&pair.real, Use::StrongReal)?,
                logits(&pair.fake, Use::StrongFake)?,
            ))
        } else {
            None
        };
        Ok(Views {
            real,
            fake,
            strong,
            statistics,
        })
    }

    fn gradients(&self, view: &Views) -> Result<(CriticTerms, GradStore), TrainError> {
        let Views {
            real, fake, strong, ..
        } = view;
        let config = &self.config;
        let discriminator = config.form.of_discriminator(real, fake)?;
        let lecam = self.averages.term(real, fake)?;
        let mut loss = ((&discriminator + (&lecam * config.lecam)?)? * config.discriminator_weight)?;
        let mut consistency = 0.0;
        if let Some((strong_real, strong_fake)) = strong {
            let difference = |weak: &Tensor, strong: &Tensor| (weak - strong)?.sqr()?.mean_all();
            let term = (difference(real, strong_real)? + difference(fake, strong_fake)?)?;
            consistency = f64::from(term.to_scalar::<f32>()?);
            loss = (loss + (term * config.consistency)?)?;
        }
        let terms = CriticTerms {
            discriminator: f64::from(discriminator.to_scalar::<f32>()?),
            lecam: f64::from(lecam.to_scalar::<f32>()?),
            consistency,
        };
        Ok((terms, loss.backward()?))
    }

    /// Moves its parameters by what was added; `step` and `learning_rate` are the tokenizer's.
    pub(super) fn step(
        &mut self,
        workers: &Workers,
        step: u64,
        learning_rate: f64,
    ) -> Result<(), TrainError> {
        let rate = learning_rate * self.config.learning_rate_share;
        let own_step = step - self.config.from_step.min(step);
        let (optimiser, norm) = (&mut self.optimiser, self.norm);
        workers.install(|| optimiser.step(own_step, norm, rate))
    }

    /// What changes without gradients, by key.
    pub(super) fn buffers(&self) -> Vec<(String, Tensor)> {
        self.discriminator.buffers()
    }
}
