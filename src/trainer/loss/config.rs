//! Which terms a loss has, and how their weights change over a run.

use super::{AdversarialForm, LossWeights};
use crate::trainer::networks::STAGES;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A weight that changes over the run: 0 before `from_step`, then a straight line over `ramp_steps` up to `weight`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scheduled {
    /// The weight at the end of the ramp.
    pub weight: f64,
    /// First step with a weight above 0.
    pub from_step: u64,
    /// Steps from 0 to the whole weight.
    pub ramp_steps: u64,
}

impl Scheduled {
    const fn always(weight: f64) -> Self {
        Self {
            weight,
            from_step: 0,
            ramp_steps: 0,
        }
    }

    /// The weight at a step.
    pub fn at(&self, step: u64) -> f64 {
        if step < self.from_step {
            return 0.0;
        }
        let done = (step - self.from_step + 1) as f64 / self.ramp_steps.max(1) as f64;
        self.weight * done.min(1.0)
    }
}

/// Terms of the loss, on values of -1..1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LossConfig {
    /// Mean absolute difference.
    pub l1: Scheduled,
    /// Mean squared difference.
    pub mse: Scheduled,
    /// Mean absolute difference of the differences between neighbouring pixels.
    pub gradient_l1: Scheduled,
    /// The same between patches alone.
    pub seam_l1: Scheduled,
    /// Mean entropy of a token's codewords less the entropy of their mean (the paper's section 3.2); of SoftVQ and VQ.
    pub entropy: Scheduled,
    /// Divergence of the tokens from the standard normal distribution, nats a picture; of KL.
    pub kl: Scheduled,
    /// Mean squared difference between tokens and codewords, of which codewords learn; of VQ.
    pub codebook: Scheduled,
    /// The same, of which tokens learn.
    pub commitment: Scheduled,
    /// Distance in the eyes of a network.
    pub perceptual: PerceptualConfig,
    /// Agreement of the tokens with a network's features.
    pub alignment: AlignmentConfig,
    /// What a discriminator makes of reconstructions.
    pub adversarial: AdversarialConfig,
}

/// The perceptual distance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PerceptualConfig {
    /// As in [`Scheduled`].
    pub weight: f64,
    /// As in [`Scheduled`].
    pub from_step: u64,
    /// As in [`Scheduled`].
    pub ramp_steps: u64,
    /// File or folder of EfficientNet-Lite0 or of the VGG16 of LPIPS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<PathBuf>,
    /// Stages of EfficientNet-Lite0 (1 to 7) whose outputs are compared.
    pub stages: Vec<usize>,
}

impl Default for PerceptualConfig {
    fn default() -> Self {
        Self {
            weight: 0.0,
            from_step: 0,
            ramp_steps: 0,
            network: None,
            stages: vec![1, 2, 3, 5],
        }
    }
}

impl PerceptualConfig {
    fn schedule(&self) -> Scheduled {
        Scheduled {
            weight: self.weight,
            from_step: self.from_step,
            ramp_steps: self.ramp_steps,
        }
    }

    /// The network, where the run ever asks for it.
    pub fn network_in_use(&self) -> Option<&Path> {
        self.network.as_deref().filter(|_| self.weight > 0.0)
    }
}

/// Which of a picture's features a token is held against.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlignmentMode {
    /// Token i against patches i N/L to (i+1) N/L, one by one.
    #[default]
    Repeat,
    /// The mean of all tokens against that of all patches.
    Global,
    /// Token i against the mean of its share of the patches.
    #[serde(rename = "avg_1d")]
    Avg1d,
}

/// Agreement of the tokens with a network's features.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AlignmentConfig {
    /// As in [`Scheduled`].
    pub weight: f64,
    /// As in [`Scheduled`].
    pub from_step: u64,
    /// As in [`Scheduled`].
    pub ramp_steps: u64,
    /// File or folder of a ViT or of EfficientNet-Lite0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<PathBuf>,
    /// Which features a token is held against.
    pub mode: AlignmentMode,
    /// Width of the projection's two inner layers.
    pub hidden: usize,
    /// Stage of EfficientNet-Lite0 (1 to 7) whose output is brought to the grid of patches.
    pub stage: usize,
    /// Attention heads of a ViT; 0 for heads of 64 channels.
    pub heads: usize,
}

impl Default for AlignmentConfig {
    fn default() -> Self {
        Self {
            weight: 0.0,
            from_step: 0,
            ramp_steps: 0,
            network: None,
            mode: AlignmentMode::default(),
            hidden: 1024,
            stage: 5,
            heads: 0,
        }
    }
}

impl AlignmentConfig {
    fn schedule(&self) -> Scheduled {
        Scheduled {
            weight: self.weight,
            from_step: self.from_step,
            ramp_steps: self.ramp_steps,
        }
    }

    /// Whether the run ever asks for it.
    pub fn is_used(&self) -> bool {
        self.weight > 0.0
    }
}

/// A discriminator, and what the tokenizer is to make of it. It begins to learn at `from_step` too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdversarialConfig {
    /// As in [`Scheduled`], of the tokenizer's term.
    pub weight: f64,
    /// As in [`Scheduled`].
    pub from_step: u64,
    /// As in [`Scheduled`].
    pub ramp_steps: u64,
    /// File or folder of a ViT (DINO ViT-S/16 in the paper), of EfficientNet-Lite0 or of the VGG16 of LPIPS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<PathBuf>,
    /// Stages of EfficientNet-Lite0 (1 to 7) that have heads.
    pub stages: Vec<usize>,
    /// Attention heads of a ViT; 0 for heads of 64 channels.
    pub heads: usize,
    /// How logits become a loss.
    pub form: AdversarialForm,
    /// What the discriminator's loss and LeCAM count, beside consistency.
    pub discriminator_weight: f64,
    /// Weight of LeCAM within that.
    pub lecam: f64,
    /// Weight of the mean squared difference between the logits of weakly and strongly changed pictures.
    pub consistency: f64,
    /// The discriminator's learning rate as a part of the tokenizer's.
    pub learning_rate_share: f64,
}

impl Default for AdversarialConfig {
    fn default() -> Self {
        Self {
            weight: 0.0,
            from_step: 20_000,
            ramp_steps: 0,
            network: None,
            stages: vec![2, 3, 5],
            heads: 0,
            form: AdversarialForm::default(),
            discriminator_weight: 0.2,
            lecam: 0.001,
            consistency: 4.0,
            learning_rate_share: 1.0,
        }
    }
}

impl AdversarialConfig {
    fn schedule(&self) -> Scheduled {
        Scheduled {
            weight: self.weight,
            from_step: self.from_step,
            ramp_steps: self.ramp_steps,
        }
    }

    /// Whether the run ever asks for it.
    pub fn is_used(&self) -> bool {
        self.weight > 0.0
    }
}

impl Default for LossConfig {
    fn default() -> Self {
        Self {
            l1: Scheduled::always(0.5),
            mse: Scheduled::always(1.0),
            gradient_l1: Scheduled::always(0.3),
            seam_l1: Scheduled::always(0.0),
            entropy: Scheduled::always(0.01),
            kl: Scheduled::always(1e-6),
            codebook: Scheduled::always(1.0),
            commitment: Scheduled::always(0.25),
            perceptual: PerceptualConfig::default(),
            alignment: AlignmentConfig::default(),
            adversarial: AdversarialConfig::default(),
        }
    }
}

impl LossConfig {
    /// The weights at a step.
    pub fn at(&self, step: u64) -> LossWeights {
        LossWeights {
            l1: self.l1.at(step),
            mse: self.mse.at(step),
            gradient_l1: self.gradient_l1.at(step),
            seam_l1: self.seam_l1.at(step),
            entropy: self.entropy.at(step),
            kl: self.kl.at(step),
            codebook: self.codebook.at(step),
            commitment: self.commitment.at(step),
            perceptual: self.perceptual.schedule().at(step),
            alignment: self.alignment.schedule().at(step),
            adversarial: self.adversarial.schedule().at(step),
        }
    }

    /// Refuses values with which no run can be.
    pub(in crate::trainer) fn validate(&self) -> Result<(), String> {
        for (key, value) in [
            ("l1.weight", self.l1.weight),
            ("mse.weight", self.mse.weight),
            ("gradient_l1.weight", self.gradient_l1.weight),
            ("seam_l1.weight", self.seam_l1.weight),
            ("entropy.weight", self.entropy.weight),
            ("kl.weight", self.kl.weight),
            ("codebook.weight", self.codebook.weight),
            ("commitment.weight", self.commitment.weight),
            ("perceptual.weight", self.perceptual.weight),
            ("alignment.weight", self.alignment.weight),
            ("adversarial.weight", self.adversarial.weight),
            (
                "adversarial.discriminator_weight",
                self.adversarial.discriminator_weight,
            ),
            ("adversarial.lecam", self.adversarial.lecam),
            ("adversarial.consistency", self.adversarial.consistency),
            (
                "adversarial.learning_rate_share",
                self.adversarial.learning_rate_share,
            ),
        ] {
            if !(value.is_finite() && value >= 0.0) {
                return Err(format!("`loss.{key}` is {value}; it must be 0 or more"));
            }
        }
        require_network(
            "perceptual",
            self.perceptual.weight,
            self.perceptual.network.as_ref(),
        )?;
        validate_stages("perceptual.stages", &self.perceptual.stages)?;
        require_network(
            "alignment",
            self.alignment.weight,
            self.alignment.network.as_ref(),
        )?;
        require_network(
            "adversarial",
            self.adversarial.weight,
            self.adversarial.network.as_ref(),
        )?;
        validate_stages("adversarial.stages", &self.adversarial.stages)?;
        if self.alignment.hidden == 0 {
            return Err("`loss.alignment.hidden` is 0; it must be at least 1".to_owned());
        }
        validate_stages("alignment.stage", &[self.alignment.stage])
    }
}

fn require_network(term: &str, weight: f64, network: Option<&PathBuf>) -> Result<(), String> {
    if weight > 0.0 && network.is_none() {
        return Err(format!(
            "`loss.{term}.network` is missing; name the file of a network, or set `loss.{term}.weight` to 0"
        ));
    }
    Ok(())
}

fn validate_stages(key: &str, stages: &[usize]) -> Result<(), String> {
    if stages.is_empty() || stages.iter().any(|stage| !(1..=STAGES).contains(stage)) {
        return Err(format!(
            "`loss.{key}` is {stages:?}; it must name stages from 1 to {STAGES}"
        ));
    }
    Ok(())
}
