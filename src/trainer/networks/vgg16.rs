//! VGG16 (arXiv 1409.1556) with the channel weights of LPIPS (arXiv 1801.03924), under the keys of the reference's loss.

use super::chain::{Chain, Kind, Layer};
use super::convolution::{Activation, Dense};
use super::weights::NetworkWeights;
use super::window::Window;
use crate::trainer::TrainError;

/// A key that tells such a network.
pub(super) const TELLTALE_KEY: &str = "net.slice1.0.weight";

/// Indices of the convolutions in the reference's sequence and their output channels, slice by slice; every slice but
/// the first begins with a max-pool and each ends at a tap.
const SLICES: [(&[usize], usize); 5] = [
    (&[0, 2], 64),
    (&[5, 7], 128),
    (&[10, 12, 14], 256),
    (&[17, 19, 21], 512),
    (&[24, 26, 28], 512),
];

/// Means and deviations of ImageNet's colours on values of -1..1, as LPIPS has them.
const MEANS: [f32; 3] = [-0.030, -0.088, -0.188];
const DEVIATIONS: [f32; 3] = [0.458, 0.448, 0.450];

/// The network with all five taps, and the weight of each channel of each.
pub(super) fn build(weights: &mut NetworkWeights) -> Result<(Chain, Vec<Vec<f32>>), TrainError> {
    let mut layers = Vec::new();
    let mut channel_weights = Vec::new();
    let mut inputs = 3;
    for (slice, (convolutions, outputs)) in SLICES.into_iter().enumerate() {
        if slice > 0 {
            layers.push(Layer {
                kind: Kind::MaxPool,
                activation: Activation::None,
                adds: None,
                is_tap: false,
            });
        }
        for (index, convolution) in convolutions.iter().enumerate() {
            let prefix = format!("net.slice{}.{convolution}", slice + 1);
            let kernel = weights.take_shaped(&format!("{prefix}.weight"), &[outputs, inputs, 3, 3])?;
            let bias = weights.take_shaped(&format!("{prefix}.bias"), &[outputs])?;
            let window = Window { kernel: 3, stride: 1 };
            layers.push(Layer {
                kind: Kind::Dense(Dense::new(window, &kernel, bias, inputs)),
                activation: Activation::Relu,
                adds: None,
                is_tap: index + 1 == convolutions.len(),
            });
            inputs = outputs;
        }
        let key = format!("lin{slice}.model.1.weight");
        channel_weights.push(weights.take_shaped(&key, &[1, outputs, 1, 1])?);
    }
    Ok((Chain::new(layers, MEANS, DEVIATIONS), channel_weights))
}
