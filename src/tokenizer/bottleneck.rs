//! What lies between encoder and decoder, for each class of model.

use super::gaussian::Gaussian;
use super::layers::Builder;
use super::nearest::NearestQuantiser;
use super::quantiser::Quantiser;
use super::{Encoding, Math, ModelArgs, ModelClass, TokenizerError};
use candle_core::Tensor;

/// What an encoder pass knows of its tokens beside their values.
#[derive(Debug, Clone)]
pub enum Posterior {
    /// SoftVQ: mixtures of codewords.
    Mixture {
        /// `w` [B, L, n], f32: the weights of each token over the codewords of its segment; rows sum to 1.
        weights: Tensor,
    },
    /// VQ: nearest codewords.
    Nearest {
        /// [B, L], u32.
        indices: Tensor,
        /// Squared Euclidean distances [B, L, n], f32, to every codeword; between unit vectors where the model
        /// normalises.
        distances: Tensor,
    },
    /// KL: normal distributions; `z` is their mean.
    Gaussian(Gaussian),
    /// AE: nothing; `z` is `h`.
    Point,
}

#[derive(Debug, Clone)]
pub(super) enum Bottleneck {
    Soft(Quantiser),
    Hard(NearestQuantiser),
    Gaussian,
    Identity,
}

impl Bottleneck {
    pub(super) fn load(
        builder: &mut Builder<'_>,
        args: &ModelArgs,
        class: ModelClass,
    ) -> Result<Self, TokenizerError> {
        Ok(match class {
            ModelClass::SoftVq => Self::Soft(Quantiser::load(builder, args)?),
            ModelClass::Vq => Self::Hard(NearestQuantiser::load(builder, args)?),
            ModelClass::Kl => Self::Gaussian,
            ModelClass::Ae => Self::Identity,
        })
    }

    /// Codebooks as stored [K, n, C].
    pub(super) fn codebook(&self) -> Result<Option<Tensor>, TokenizerError> {
        Ok(match self {
            Self::Soft(quantiser) => Some(quantiser.embedding().clone()),
            Self::Hard(quantiser) => Some(quantiser.embedding().unsqueeze(0)?),
            Self::Gaussian | Self::Identity => None,
        })
    }

    /// `h` [B, L, C], of KL [B, L, 2C], to `z` and what is behind it.
    pub(super) fn forward(&self, h: Tensor, tau: f64, math: Math) -> Result<Encoding, TokenizerError> {
        let (z, posterior) = match self {
            Self::Soft(quantiser) => {
                let mixtures = quantiser.forward(&h, tau, math)?;
                let weights = mixtures.weights;
                (mixtures.z, Posterior::Mixture { weights })
            }
            Self::Hard(quantiser) => {
                let nearest = quantiser.forward(&h, math)?;
                let posterior = Posterior::Nearest {
                    indices: nearest.indices,
                    distances: nearest.distances,
                };
                (nearest.z, posterior)
            }
            Self::Gaussian => {
                let gaussian = Gaussian::new(&h)?;
                (gaussian.mean.clone(), Posterior::Gaussian(gaussian))
            }
            Self::Identity => (h.clone(), Posterior::Point),
        };
        Ok(Encoding { h, z, posterior })
    }
}
