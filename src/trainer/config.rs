//! The configuration of a training run: a TOML file, every key with a default, unknown keys refused by name.

mod defaults;
mod validate;

use super::{LossConfig, TrainError};
use crate::engine::DeviceChoice;
use crate::tokenizer::{ModelArgs, ModelClass, Products, VitSize};
pub(super) use defaults::CUTOUT_OVERHANG;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Names of ViTs under which the sizes of encoder and decoder stand in `config.json`.
const ENCODER_NAME: &str = "vit_small_patch14_dinov2.lvd142m";
const OTHER_DECODER_NAME: &str = "vit_base_patch14_dinov2.lvd142m";

/// Everything that decides what a run computes, apart from the pictures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Seed of the initial weights and of the draws of pictures.
    pub seed: u64,
    /// Optimiser steps of the whole run; the cosine ends there.
    pub steps: u64,
    /// CPU threads that compute; 0 takes as many as the machine has. Figures do not depend on it.
    pub threads: usize,
    /// Where passes are computed, there and back; weights, the optimiser and pictures stay with the CPU. Figures differ
    /// between devices in their last digits, and a GPU takes a batch whole, without `optimiser.parts`.
    pub device: DeviceChoice,
    /// How the linear layers of blocks take the operands of their products on the CPU, there and back.
    pub products: Products,
    /// Which weights change.
    pub learns: Learns,
    /// What is trained.
    pub model: ModelConfig,
    /// Where its weights start.
    pub start: StartConfig,
    /// What it is trained on.
    pub data: DataConfig,
    /// What is minimised.
    pub loss: LossConfig,
    /// How.
    pub optimiser: OptimiserConfig,
    /// What is written, and how often.
    pub output: OutputConfig,
}

/// Which weights of a model a run changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Learns {
    /// All.
    #[default]
    All,
    /// What lies behind the tokens: pictures keep their tokens, so a generator of such tokens stays valid.
    Decoder,
}

impl Learns {
    /// Whether the weight of that key in the state dict is one of them.
    pub(super) fn includes(self, key: &str) -> bool {
        match self {
            Self::All => true,
            Self::Decoder => key.starts_with("decoder.") || key.starts_with("post_quant_conv."),
        }
    }
}

/// Which bottleneck a model has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrainedClass {
    /// Mixtures of codewords.
    #[default]
    SoftVq,
    /// Normal distributions.
    Kl,
    /// Nearest codewords.
    Vq,
    /// None.
    Ae,
}

impl From<TrainedClass> for ModelClass {
    fn from(class: TrainedClass) -> Self {
        match class {
            TrainedClass::SoftVq => Self::SoftVq,
            TrainedClass::Kl => Self::Kl,
            TrainedClass::Vq => Self::Vq,
            TrainedClass::Ae => Self::Ae,
        }
    }
}

/// Size of the model; see [`ModelArgs`] for what the reference calls the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelConfig {
    /// Which bottleneck.
    pub class: TrainedClass,
    /// Side of the square picture in pixels.
    pub image_size: usize,
    /// Side of a patch in pixels, encoder and decoder.
    pub patch_size: usize,
    /// Latent tokens (L).
    pub tokens: usize,
    /// Channels of a token (C).
    pub channels: usize,
    /// Codebooks (K).
    pub codebooks: usize,
    /// Codewords in each codebook (n).
    pub codebook_size: usize,
    /// Whether tokens and codewords are compared at unit length.
    pub codebook_l2_norm: bool,
    /// Temperature of the softmax over codewords.
    pub tau: f64,
    /// Width, depth and heads of the encoder's ViT.
    pub encoder: VitSize,
    /// Width, depth and heads of the decoder's ViT.
    pub decoder: VitSize,
}

/// Where weights start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StartConfig {
    /// A model to go on from, as a folder or a checkpoint file; its weights take the place of any other start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<PathBuf>,
    /// Which of the two.
    pub kind: StartKind,
    /// Temperature of the softmax over codewords at step 0, for a run with `tau_steps`.
    pub tau: f64,
    /// Steps over which the temperature goes from `tau` to the model's own; 0 has the model's from the start.
    pub tau_steps: u64,
    /// Sizes of the linear one.
    pub linear: LinearStart,
    /// Sizes of the near one.
    pub near: NearStart,
}

/// How the first weights are chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StartKind {
    /// Linear where the model's sizes allow it, else near.
    #[default]
    Auto,
    /// The whole model begins as a linear code of neighbouring patches, fitted to pictures.
    Linear,
    /// Random, but with positions from which latent tokens and patches find each other.
    Near,
}

/// Sizes of a start as a linear code.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LinearStart {
    /// Root mean square of a patch's values beside the position code's 1: small keeps norms nearly linear.
    pub patch_scale: f64,
    /// How far strong cosines of a patch are held back when it is read: 0 not at all, 1 to the strength of the weakest.
    pub patch_evenness: f64,
    /// The constant part of a token before it is brought to unit length, beside 1 for the part that tells pictures
    /// apart: large keeps the quantiser nearly linear and its mixtures wide.
    pub token_level: f64,
    /// How far strong components of a token are held back, as `patch_evenness`.
    pub token_evenness: f64,
    /// What every codeword has of the tokens' constant part, 0..1.
    pub codeword_level: f64,
    /// Root mean square of a token's values where the decoder reads it.
    pub decoder_scale: f64,
}

/// Sizes of a random start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NearStart {
    /// Height of the position code's waves.
    pub position_scale: f64,
    /// Its fastest wave, radians for each patch.
    pub fastest_wave: f64,
    /// Its longest wave over its shortest.
    pub wave_ratio: f64,
    /// What queries and keys are multiplied by: 0 attends everywhere, 1 nearly to a token itself alone.
    pub attention_gain: f64,
    /// What `post_quant_conv` is multiplied by: tokens are means of many codewords, and short.
    pub post_quant_scale: f64,
    /// Layer-scale of every block.
    pub layer_scale: f64,
    /// Root mean square of a patch's vector.
    pub patch_scale: f64,
    /// How far strong cosines of a patch are held back when it is read: 0 not at all, 1 to the strength of the weakest.
    pub patch_evenness: f64,
    /// Part of a cosine's usual strength that one unit of a painting token is worth.
    pub pixel_scale: f64,
}

/// Which pictures are drawn and what is done to them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataConfig {
    /// Share of pictures that are cut-outs (pictures with transparency) over a ground, 0..1.
    pub composite_share: f64,
    /// Share of those grounds that are plain or a gradient instead of a photograph, 0..1.
    pub plain_ground_share: f64,
    /// Largest share of the draws of photographs that one package (file name before `__`) may have, 0..1.
    pub package_cap: f64,
    /// Smallest part of a photograph's shorter side that a crop covers, above 0, up to 1.
    pub smallest_crop: f64,
    /// Smallest and largest side of a cut-out, as a part of the picture's side.
    pub cutout_size: [f64; 2],
    /// Largest turn of a cut-out, degrees to either side.
    pub cutout_turn_degrees: f64,
    /// How far a cut-out may reach over the picture's edge, as a part of the picture's side, 0..1.
    pub cutout_overhang: f64,
    /// Colours of plain grounds and gradients.
    pub ground_colours: GroundColours,
    /// Share of pictures kept for evaluation by the hash of their name, in folders without `train` and `val`.
    pub held_out_share: f64,
    /// Threads that make crops and composites.
    pub threads: usize,
    /// Batches made ahead by each of them.
    pub batches_ahead: usize,
}

/// Colours that plain grounds are drawn of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GroundColours {
    /// All.
    #[default]
    Any,
    /// Light greys with a breath of colour: what lies on them is then most of what tells pictures apart.
    Pale,
}

/// Which of Adam's two forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimiserKind {
    /// Without weight decay.
    Adam,
    /// With decoupled weight decay on matrices.
    AdamW,
}

/// How weights move.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptimiserConfig {
    /// Which form.
    pub kind: OptimiserKind,
    /// Pictures of one optimiser step.
    pub batch: usize,
    /// Parts that a batch is cut into and computed side by side, their gradients averaged. The entropy of the mean
    /// is taken within a part.
    pub parts: usize,
    /// Batches whose gradients are averaged for one step.
    pub accumulate: usize,
    /// Highest learning rate.
    pub learning_rate: f64,
    /// Steps over which it rises from 0.
    pub warmup_steps: u64,
    /// What is left of it at the end of the cosine, as a part.
    pub final_share: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Of `adamw`, times the learning rate each step.
    pub weight_decay: f64,
    /// Gradients whose norm over all weights is larger are scaled down to it; 0 does not.
    pub clip: f64,
    /// Decay of the running average of weights that is written as the model.
    pub ema: f64,
}

/// What a run writes beside its log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutputConfig {
    /// Steps between rows of the log.
    pub log_every: u64,
    /// Steps between evaluations on held-out pictures, each with a sample sheet.
    pub evaluate_every: u64,
    /// Steps between checkpoints.
    pub checkpoint_every: u64,
    /// Held-out photographs and composites, each, that an evaluation takes at most.
    pub evaluated_pictures: usize,
}

impl TrainConfig {
    /// Reads a TOML file.
    ///
    /// # Errors
    /// An unreadable file, bad TOML, an unknown key, an impossible value; the message names file and key.
    pub fn read(path: &Path) -> Result<Self, TrainError> {
        let text = std::fs::read_to_string(path).map_err(|source| TrainError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text).map_err(|reason| TrainError::Config {
            path: path.to_owned(),
            reason,
        })
    }

    /// Takes a configuration from TOML text.
    ///
    /// # Errors
    /// A message that names the key.
    pub fn parse(text: &str) -> Result<Self, String> {
        let config: Self = toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
        config.validate()?;
        Ok(config)
    }

    /// The configuration as TOML, every key written out.
    ///
    /// # Errors
    /// A value that TOML cannot hold, such as a seed above 2^63.
    pub fn to_toml(&self) -> Result<String, String> {
        toml::to_string(self).map_err(|error| error.to_string())
    }

    /// Pictures that one optimiser step takes.
    pub fn pictures_per_step(&self) -> usize {
        self.optimiser.batch * self.optimiser.accumulate
    }

    /// Temperature of the softmax over codewords at a step: by equal factors from the start's to the model's.
    pub fn tau(&self, step: u64) -> f64 {
        let (first, last) = (self.start.tau, self.model.tau);
        if step >= self.start.tau_steps {
            return last;
        }
        first * (last / first).powf(step as f64 / self.start.tau_steps as f64)
    }

    /// The model in the reference's words, with the temperature of a step.
    pub(super) fn args_at(&self, step: u64) -> ModelArgs {
        ModelArgs {
            tau: self.tau(step),
            ..self.model.args()
        }
    }

    /// The learning rate at a step: a straight line up, then a cosine down to its final share.
    pub fn learning_rate(&self, step: u64) -> f64 {
        let OptimiserConfig {
            learning_rate,
            warmup_steps,
            final_share,
            ..
        } = self.optimiser;
        if step < warmup_steps {
            return learning_rate * (step + 1) as f64 / warmup_steps as f64;
        }
        let length = self.steps.saturating_sub(warmup_steps).max(1);
        let done = ((step - warmup_steps) as f64 / length as f64).min(1.0);
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * done).cos());
        learning_rate * (final_share + (1.0 - final_share) * cosine)
    }
}

impl ModelConfig {
    /// Whether a run of `other` can go on with this one's weights: everything but the temperature is the same.
    pub(super) fn has_the_weights_of(&self, other: &Self) -> bool {
        let mut same_tau = self.clone();
        same_tau.tau = other.tau;
        same_tau == *other
    }

    /// The same model in the reference's words.
    pub fn args(&self) -> ModelArgs {
        let decoder_name = if self.encoder == self.decoder {
            ENCODER_NAME
        } else {
            OTHER_DECODER_NAME
        };
        ModelArgs {
            image_size: self.image_size,
            base_image_size: self.image_size,
            codebook_size: self.codebook_size,
            codebook_embed_dim: self.channels,
            codebook_l2_norm: self.codebook_l2_norm,
            codebook_show_usage: false,
            commit_loss_beta: 0.0,
            vq_loss_ratio: 0.0,
            tau: self.tau,
            num_codebooks: self.codebooks,
            enc_type: "vit".to_owned(),
            dec_type: "vit".to_owned(),
            encoder_model: ENCODER_NAME.to_owned(),
            decoder_model: decoder_name.to_owned(),
            num_latent_tokens: self.tokens,
            enc_pretrained: false,
            enc_patch_size: self.patch_size,
            dec_patch_size: self.patch_size,
            vit_overrides: BTreeMap::from([
                (decoder_name.to_owned(), self.decoder),
                (ENCODER_NAME.to_owned(), self.encoder),
            ]),
            ..ModelArgs::default()
        }
    }
}
