//! Networks of fixed weights that look at pictures for a loss. They read `f32` pictures on the CPU and give gradients to
//! pictures alone.

mod chain;
mod convolution;
mod efficientnet;
mod vgg16;
mod weights;
mod window;

pub(super) use chain::{Chain, Tap};
pub(super) use efficientnet::STAGES;

use super::TrainError;
use std::path::Path;
use weights::NetworkWeights;

/// A convolutional network and what its channels count where their differences do.
#[derive(Debug)]
pub(super) struct ConvolutionalNetwork {
    pub(super) chain: Chain,
    /// For each tap the weight of each channel; None where all count 1.
    pub(super) channel_weights: Option<Vec<Vec<f32>>>,
}

impl ConvolutionalNetwork {
    /// Reads EfficientNet-Lite0, whose taps are `stages` (1 to 7), or the VGG16 of LPIPS, whose taps are all its five.
    ///
    /// # Errors
    /// A file that cannot be read, or holds another network.
    pub(super) fn read(path: &Path, stages: &[usize]) -> Result<Self, TrainError> {
        let mut weights = NetworkWeights::read(path)?;
        if weights.has(efficientnet::TELLTALE_KEY) {
            let chain = efficientnet::build(&mut weights, stages)?;
            return Ok(Self {
                chain,
                channel_weights: None,
            });
        }
        if weights.has(vgg16::TELLTALE_KEY) {
            let (chain, channel_weights) = vgg16::build(&mut weights)?;
            return Ok(Self {
                chain,
                channel_weights: Some(channel_weights),
            });
        }
        Err(weights.error(format!(
            "it holds neither `{}` (EfficientNet-Lite0) nor `{}` (the VGG16 of LPIPS)",
            efficientnet::TELLTALE_KEY,
            vgg16::TELLTALE_KEY
        )))
    }
}
