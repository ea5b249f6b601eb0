//! What is minimised: the objective of SoftVQ-VAE (section 3.3) and of its siblings, term by term.

mod adversarial;
mod alignment;
mod augmentation;
mod config;
mod entropy;
mod perceptual;
mod reconstruction;
mod seam;

pub use adversarial::{AdversarialForm, LecamAverages};
pub use alignment::{Alignment, Projection};
pub(super) use augmentation::{Augmentation, Strength};
pub use config::{
    AdversarialConfig, AlignmentConfig, AlignmentMode, LossConfig, PerceptualConfig, Scheduled,
};
pub use entropy::{HARD_LOG_FLOOR, SOFT_LOG_FLOOR, entropy_term};
pub use perceptual::Perceptual;
pub use reconstruction::reconstruction_terms;
pub use seam::seam_term;

use super::networks::{Discriminator, Norms};
use crate::tokenizer::{Encoding, NoHook, Posterior, Tokenizer, TokenizerError};
use candle_core::{Device, Tensor};

/// The terms of a loss, unweighted, and their weighted sum. A term is 0 where its weight is, or where the model's class
/// has none.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Terms {
    /// The weighted sum.
    pub loss: f64,
    /// Mean absolute difference.
    pub l1: f64,
    /// Mean squared difference.
    pub mse: f64,
    /// Mean absolute difference of neighbouring pixels' differences.
    pub gradient_l1: f64,
    /// See [`seam_term`].
    pub seam_l1: f64,
    /// See [`entropy_term`].
    pub entropy: f64,
    /// Divergence of a KL model's tokens from the standard normal distribution, nats a picture.
    pub kl_nats: f64,
    /// Mean squared difference between a VQ model's tokens and their codewords, of which the codewords learn.
    pub codebook: f64,
    /// The same, of which the tokens learn.
    pub commitment: f64,
    /// See [`Perceptual::distances`].
    pub perceptual: f64,
    /// See [`Alignment::term`].
    pub alignment: f64,
    /// What a discriminator makes of reconstructions; see [`AdversarialForm::of_generator`].
    pub adversarial: f64,
    /// The discriminator's own loss; see [`AdversarialForm::of_discriminator`].
    pub discriminator: f64,
    /// See [`LecamAverages::term`].
    pub lecam: f64,
    /// Mean squared difference of the discriminator's logits between weak and strong changes of pictures.
    pub consistency: f64,
}

/// Weights of the terms at one step.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct LossWeights {
    /// Of the mean absolute difference.
    pub l1: f64,
    /// Of the mean squared difference.
    pub mse: f64,
    /// Of the neighbouring pixels' differences.
    pub gradient_l1: f64,
    /// Of the steps between patches.
    pub seam_l1: f64,
    /// Of the entropy term.
    pub entropy: f64,
    /// Of a KL model's divergence.
    pub kl: f64,
    /// Of what a VQ model's codewords learn from.
    pub codebook: f64,
    /// Of what its tokens learn from.
    pub commitment: f64,
    /// Of the distance in the eyes of a network.
    pub perceptual: f64,
    /// Of the agreement with a network's features.
    pub alignment: f64,
    /// Of what a discriminator makes of reconstructions.
    pub adversarial: f64,
}

/// A discriminator as the tokenizer meets it.
#[derive(Debug)]
pub struct Opponent<'a> {
    pub(super) discriminator: &'a Discriminator,
    pub(super) form: AdversarialForm,
    pub(super) augmentation: Augmentation,
}

/// What the loss of a part of a batch reads beside the model and its pictures.
#[derive(Debug, Clone, Copy, Default)]
pub struct Aids<'a> {
    /// Standard normal values [B, L, D] with which tokens of a KL model are drawn; without them their means are decoded.
    pub noise: Option<&'a Tensor>,
    /// What the perceptual distance is measured with; without it there is none.
    pub perceptual: Option<&'a Perceptual>,
    /// What tokens are aligned with; without it they are not.
    pub alignment: Option<(&'a Alignment, &'a Projection)>,
    /// Who judges reconstructions; without it nobody does.
    pub opponent: Option<&'a Opponent<'a>>,
}

/// The loss of a part of a batch.
#[derive(Debug, Clone)]
pub struct Loss {
    /// The weighted sum, a scalar.
    pub total: Tensor,
    /// Its terms.
    pub terms: Terms,
    /// The pictures as decoded [B, 3, H, W].
    pub found: Tensor,
}

/// A weighted sum under construction.
struct Sum {
    loss: Tensor,
}

impl Sum {
    /// Adds a scalar; gives back its value.
    fn add(&mut self, term: &Tensor, weight: f64) -> Result<f64, TokenizerError> {
        let there = term.to_device(self.loss.device())?;
        self.loss = (&self.loss + (there * weight)?)?;
        Ok(f64::from(term.to_scalar::<f32>()?))
    }
}

/// The loss of a batch `x` [B, 3, H, W] and its terms; gradients reach the variables that `tokenizer` was built of. What
/// `aids` hold computes on the CPU, wherever the tokenizer does.
///
/// # Errors
/// Another shape than the model's, a failing tensor operation.
pub fn loss(
    tokenizer: &Tokenizer,
    x: &Tensor,
    weights: &LossWeights,
    aids: &Aids<'_>,
) -> Result<Loss, TokenizerError> {
    let encoding = tokenizer.encode(x, &mut NoHook)?;
    let z = match (&encoding.posterior, aids.noise) {
        (Posterior::Gaussian(gaussian), Some(noise)) => gaussian.sample(&noise.to_device(x.device())?)?,
        _ => encoding.z.clone(),
    };
    let found = tokenizer.decode(&z, &mut NoHook)?;
    let distances = reconstruction_terms(&found, x)?;
    let shares = [weights.l1, weights.mse, weights.gradient_l1].map(|weight| weight as f32);
    let mut sum = Sum {
        loss: (&distances * Tensor::new(&shares, x.device())?)?.sum_all()?,
    };
    let distances = distances.to_vec1::<f32>()?;
    let distance = |index: usize| f64::from(distances.get(index).copied().unwrap_or(f32::NAN));
    let mut terms = Terms {
        l1: distance(0),
        mse: distance(1),
        gradient_l1: distance(2),
        ..Terms::default()
    };
    if weights.seam_l1 != 0.0 {
        let term = seam_term(&found, x, tokenizer.args().dec_patch_size)?;
        terms.seam_l1 = sum.add(&term, weights.seam_l1)?;
    }
    add_token_terms(tokenizer, &encoding, weights, &mut sum, &mut terms)?;
    if let (Some(perceptual), true) = (aids.perceptual, weights.perceptual != 0.0) {
        let distance = perceptual.distances(&on_cpu(&found)?, &on_cpu(x)?)?.mean_all()?;
        terms.perceptual = sum.add(&distance, weights.perceptual)?;
    }
    if let (Some((alignment, projection)), true) = (aids.alignment, weights.alignment != 0.0) {
        let term = alignment.term(&encoding.z, &on_cpu(x)?, projection)?;
        terms.alignment = sum.add(&term, weights.alignment)?;
    }
    if let (Some(opponent), true) = (aids.opponent, weights.adversarial != 0.0) {
        let seen = opponent.augmentation.apply(&on_cpu(&found)?)?;
        let sight = opponent.augmentation.sight;
        let (logits, _) = opponent.discriminator.logits(&seen, sight, Norms::Batch)?;
        terms.adversarial = sum.add(&opponent.form.of_generator(&logits)?, weights.adversarial)?;
    }
    terms.loss = f64::from(sum.loss.to_scalar::<f32>()?);
    Ok(Loss {
        total: sum.loss,
        terms,
        found,
    })
}

/// Pictures where the networks that judge them are; gradients find the way back.
fn on_cpu(pictures: &Tensor) -> Result<Tensor, TokenizerError> {
    Ok(pictures.to_device(&Device::Cpu)?)
}

/// The terms that a class of models has of its own.
fn add_token_terms(
    tokenizer: &Tokenizer,
    encoding: &Encoding,
    weights: &LossWeights,
    sum: &mut Sum,
    terms: &mut Terms,
) -> Result<(), TokenizerError> {
    let log_floor = match &encoding.posterior {
        Posterior::Mixture { .. } => SOFT_LOG_FLOOR,
        Posterior::Nearest { indices, .. } => {
            let nearest = tokenizer.nearest_terms(&encoding.h, indices)?;
            terms.codebook = sum.add(&nearest.codebook, weights.codebook)?;
            terms.commitment = sum.add(&nearest.commitment, weights.commitment)?;
            HARD_LOG_FLOOR
        }
        Posterior::Gaussian(gaussian) => {
            let kl_nats = gaussian.kl_nats()?.sum(1)?.mean_all()?;
            terms.kl_nats = sum.add(&kl_nats, weights.kl)?;
            return Ok(());
        }
        Posterior::Point => return Ok(()),
    };
    if weights.entropy != 0.0 {
        let term = entropy_term(&tokenizer.similarities(&encoding.h)?, log_floor)?;
        terms.entropy = sum.add(&term, weights.entropy)?;
    }
    Ok(())
}

impl Terms {
    /// Adds a share of other terms.
    pub(super) fn add(&mut self, other: &Self, factor: f64) {
        for (sum, value) in self.all_mut().into_iter().zip(other.all()) {
            *sum += value * factor;
        }
    }

    fn all_mut(&mut self) -> [&mut f64; 15] {
        [
            &mut self.loss,
            &mut self.l1,
            &mut self.mse,
            &mut self.gradient_l1,
            &mut self.entropy,
            &mut self.kl_nats,
            &mut self.codebook,
            &mut self.commitment,
            &mut self.perceptual,
            &mut self.alignment,
            &mut self.adversarial,
            &mut self.discriminator,
            &mut self.lecam,
            &mut self.consistency,
            &mut self.seam_l1,
        ]
    }

    /// Every term under its name in the log, the weighted sum first.
    pub fn named(&self) -> Vec<(&'static str, f64)> {
        const NAMES: [&str; 15] = [
            "loss",
            "l1",
            "mse",
            "gradient_l1",
            "entropy",
            "kl_nats",
            "codebook",
            "commitment",
            "perceptual",
            "alignment",
            "adversarial",
            "discriminator",
            "lecam",
            "consistency",
            "seam_l1",
        ];
        NAMES.into_iter().zip(self.all()).collect()
    }

    fn all(mut self) -> [f64; 15] {
        self.all_mut().map(|value| *value)
    }
}
