//! Networks of fixed weights that look at pictures for a loss. They read `f32` pictures on the CPU and give gradients to
//! pictures alone.

mod chain;
mod convolution;
mod discriminator;
mod efficientnet;
mod heads;
mod resize;
mod taps;
mod vgg16;
mod vit;
mod weights;
mod window;

pub(super) use chain::{Chain, Tap};
pub use discriminator::{Discriminator, Sight};
pub(super) use efficientnet::STAGES;
pub use heads::{Norms, Statistics};
pub(super) use resize::{Resample, pool_sequence, resize};
pub(super) use taps::taps;
pub(super) use vit::{normalise, patch_features};

use super::TrainError;
use crate::tokenizer::picture_vit::PictureVit;
use std::path::Path;
use std::sync::Arc;
pub(super) use weights::NetworkWeights;

/// A convolutional network and what its channels count where their differences do.
#[derive(Debug)]
pub(super) struct ConvolutionalNetwork {
    pub(super) chain: Arc<Chain>,
    /// For each tap the weight of each channel; None where all count 1.
    pub(super) channel_weights: Option<Vec<Vec<f32>>>,
}

impl ConvolutionalNetwork {
    /// Reads EfficientNet-Lite0, whose taps are `stages` (1 to 7), or the VGG16 of LPIPS, whose taps are all its five.
    ///
    /// # Errors
    /// A file that cannot be read, or holds another network.
    pub(super) fn read(path: &Path, stages: &[usize]) -> Result<Self, TrainError> {
        match AnyNetwork::read(path, stages, 0)? {
            AnyNetwork::Convolutional(network) => Ok(network),
            AnyNetwork::Vit(_) => Err(TrainError::Network {
                path: path.to_owned(),
                reason: "it is a ViT; this term takes EfficientNet-Lite0 or the VGG16 of LPIPS".to_owned(),
            }),
        }
    }
}

/// A network of any kind.
#[derive(Debug)]
pub(super) enum AnyNetwork {
    Convolutional(ConvolutionalNetwork),
    Vit(Box<PictureVit>),
}

impl AnyNetwork {
    /// Reads EfficientNet-Lite0, whose taps are `stages`, the VGG16 of LPIPS, or a ViT with `num_heads` heads (0: as many
    /// as its width has 64 channels), told by their keys.
    ///
    /// # Errors
    /// A file that cannot be read, or holds none of these.
    pub(super) fn read(path: &Path, stages: &[usize], num_heads: usize) -> Result<Self, TrainError> {
        let mut weights = NetworkWeights::read(path)?;
        if weights.has(efficientnet::TELLTALE_KEY) {
            let chain = efficientnet::build(&mut weights, stages)?;
            return Ok(Self::Convolutional(ConvolutionalNetwork {
                chain: Arc::new(chain),
                channel_weights: None,
            }));
        }
        if weights.has(vgg16::TELLTALE_KEY) {
            let (chain, channel_weights) = vgg16::build(&mut weights)?;
            return Ok(Self::Convolutional(ConvolutionalNetwork {
                chain: Arc::new(chain),
                channel_weights: Some(channel_weights),
            }));
        }
        if let Some(prefix) = vit::prefix(&weights) {
            return Ok(Self::Vit(Box::new(vit::build(&mut weights, prefix, num_heads)?)));
        }
        Err(weights.error(format!(
            "it holds neither `{}` (EfficientNet-Lite0) nor `{}` (the VGG16 of LPIPS) nor `{}` (a ViT)",
            efficientnet::TELLTALE_KEY,
            vgg16::TELLTALE_KEY,
            vit::TELLTALE_KEY
        )))
    }
}
