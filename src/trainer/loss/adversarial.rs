//! What discriminator and tokenizer want of logits, high for real pictures (SoftVQ-VAE, section 3.3).

use candle_core::{Result, Tensor};
use serde::{Deserialize, Serialize};

/// Decay of LeCAM's averages.
const LECAM_DECAY: f64 = 0.999;

/// How logits become a loss.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdversarialForm {
    /// Until logits are 1 away from 0 (arXiv 1705.02894).
    #[default]
    Hinge,
    /// Logarithms of probabilities.
    Vanilla,
    /// As the reference has it, which takes logits for targets: straight lines.
    NonSaturating,
}

impl AdversarialForm {
    /// What the discriminator minimises, a scalar.
    ///
    /// # Errors
    /// A failing tensor operation.
    pub fn of_discriminator(self, real: &Tensor, fake: &Tensor) -> Result<Tensor> {
        let sum = match self {
            Self::Hinge => ((1.0 - real)?.relu()?.mean_all()? + (fake + 1.0)?.relu()?.mean_all()?)?,
            Self::Vanilla => (softplus(&real.neg()?)?.mean_all()? + softplus(fake)?.mean_all()?)?,
            Self::NonSaturating => {
                let constant = 1.0_f64.exp().ln_1p() + std::f64::consts::LN_2;
                (real.mean_all()?.neg()? + constant)?
            }
        };
        sum * 0.5
    }

    /// What the tokenizer minimises, a scalar.
    ///
    /// # Errors
    /// A failing tensor operation.
    pub fn of_generator(self, fake: &Tensor) -> Result<Tensor> {
        let raised = fake.mean_all()?.neg()?;
        match self {
            Self::Hinge | Self::Vanilla => Ok(raised),
            Self::NonSaturating => raised + 1.0_f64.exp().ln_1p(),
        }
    }
}

/// ln(1 + e^x)
fn softplus(x: &Tensor) -> Result<Tensor> {
    x.relu()? + (x.abs()?.neg()?.exp()? + 1.0)?.log()?
}

/// Running means of logits, which LeCAM (arXiv 2104.03310) holds the discriminator to.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct LecamAverages {
    /// Of real pictures.
    pub real: f64,
    /// Of reconstructions.
    pub fake: f64,
}

impl LecamAverages {
    /// Takes the means of new logits in; to be called before [`Self::term`].
    pub fn update(&mut self, real_mean: f64, fake_mean: f64) {
        self.real += (1.0 - LECAM_DECAY) * (real_mean - self.real);
        self.fake += (1.0 - LECAM_DECAY) * (fake_mean - self.fake);
    }

    /// Mean squares of how far real logits are above the fakes' average, and fakes below that of real ones. A scalar.
    ///
    /// # Errors
    /// A failing tensor operation.
    pub fn term(&self, real: &Tensor, fake: &Tensor) -> Result<Tensor> {
        let above = (real - self.fake)?.relu()?.sqr()?.mean_all()?;
        let below = (self.real - fake)?.relu()?.sqr()?.mean_all()?;
        above + below
    }
}
