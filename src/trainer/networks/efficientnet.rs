//! EfficientNet-Lite0 (arXiv 1905.11946 without its squeeze-excite and with ReLU6), as far as a stage.

use super::chain::{Chain, Kind, Layer};
use super::convolution::{Activation, Dense, Depthwise};
use super::weights::NetworkWeights;
use super::window::Window;
use crate::trainer::TrainError;

/// A key that tells such a network.
pub(super) const TELLTALE_KEY: &str = "_conv_stem.weight";
/// Stages, counted from 1.
pub(in crate::trainer) const STAGES: usize = 7;
/// Of every batch norm.
const NORM_EPSILON: f32 = 1e-3;
/// A picture enters as (v - 127) / 128 with v = 127.5 (x + 1) in 0..255.
const MEAN: f32 = -0.5 / 127.5;
const DEVIATION: f32 = 128.0 / 127.5;

/// Blocks of a stage.
struct Stage {
    repeats: usize,
    kernel: usize,
    /// Of its first block.
    stride: usize,
    is_expanded: bool,
}

const fn stage(repeats: usize, kernel: usize, stride: usize, is_expanded: bool) -> Stage {
    Stage {
        repeats,
        kernel,
        stride,
        is_expanded,
    }
}

const NETWORK: [Stage; STAGES] = [
    stage(1, 3, 1, false),
    stage(2, 3, 2, true),
    stage(2, 5, 2, true),
    stage(3, 3, 2, true),
    stage(3, 5, 1, true),
    stage(4, 5, 2, true),
    stage(1, 3, 1, true),
];

/// The network up to the last of `stages` (1 to 7), whose outputs are its taps.
pub(super) fn build(weights: &mut NetworkWeights, stages: &[usize]) -> Result<Chain, TrainError> {
    let mut builder = Builder {
        weights,
        layers: Vec::new(),
        channels: 3,
    };
    let stem = Window { kernel: 3, stride: 2 };
    builder.dense("_conv_stem", "_bn0", stem, Activation::Relu6)?;
    let mut block = 0;
    for (index, stage) in NETWORK.iter().enumerate() {
        for repeat in 0..stage.repeats {
            let window = Window {
                kernel: stage.kernel,
                stride: if repeat == 0 { stage.stride } else { 1 },
            };
            builder.block(block, window, stage.is_expanded)?;
            block += 1;
        }
        if stages.contains(&(index + 1))
            && let Some(layer) = builder.layers.last_mut()
        {
            layer.is_tap = true;
        }
    }
    Ok(Chain::new(builder.layers, [MEAN; 3], [DEVIATION; 3]))
}

struct Builder<'a> {
    weights: &'a mut NetworkWeights,
    layers: Vec<Layer>,
    channels: usize,
}

impl Builder<'_> {
    /// An inverted bottleneck.
    fn block(&mut self, index: usize, window: Window, is_expanded: bool) -> Result<(), TrainError> {
        let prefix = format!("_blocks.{index}.");
        let before = self.layers.len().checked_sub(1);
        let channels = self.channels;
        let point = Window { kernel: 1, stride: 1 };
        let key = |name: &str| format!("{prefix}{name}");
        if is_expanded {
            self.dense(&key("_expand_conv"), &key("_bn0"), point, Activation::Relu6)?;
        }
        self.depthwise(&key("_depthwise_conv"), &key("_bn1"), window)?;
        self.dense(&key("_project_conv"), &key("_bn2"), point, Activation::None)?;
        if window.stride == 1
            && self.channels == channels
            && let Some(layer) = self.layers.last_mut()
        {
            layer.adds = before;
        }
        Ok(())
    }

    fn dense(
        &mut self,
        convolution: &str,
        norm: &str,
        window: Window,
        activation: Activation,
    ) -> Result<(), TrainError> {
        let key = format!("{convolution}.weight");
        let stored = self.weights.take(&key)?;
        let outputs = stored.shape.first().copied().unwrap_or_default();
        let shape = [outputs, self.channels, window.kernel, window.kernel];
        if stored.shape != shape {
            let text = format!("`{key}` is {:?}, not {shape:?}", stored.shape);
            return Err(self.weights.error(text));
        }
        let (weights, bias) = self.with_norm(stored.values, norm, outputs)?;
        let kind = Kind::Dense(Dense::new(window, &weights, bias, self.channels));
        self.channels = outputs;
        self.push(kind, activation);
        Ok(())
    }

    fn depthwise(&mut self, convolution: &str, norm: &str, window: Window) -> Result<(), TrainError> {
        let key = format!("{convolution}.weight");
        let shape = [self.channels, 1, window.kernel, window.kernel];
        let weights = self.weights.take_shaped(&key, &shape)?;
        let (weights, bias) = self.with_norm(weights, norm, self.channels)?;
        self.push(
            Kind::Depthwise(Depthwise::new(window, &weights, bias)),
            Activation::Relu6,
        );
        Ok(())
    }

    fn push(&mut self, kind: Kind, activation: Activation) {
        self.layers.push(Layer {
            kind,
            activation,
            adds: None,
            is_tap: false,
        });
    }

    /// Weights [outputs, ...] with the batch norm behind them multiplied in, and the bias that is left of it.
    fn with_norm(
        &mut self,
        mut weights: Vec<f32>,
        norm: &str,
        outputs: usize,
    ) -> Result<(Vec<f32>, Vec<f32>), TrainError> {
        let mut of_norm = |name: &str| self.weights.take_shaped(&format!("{norm}.{name}"), &[outputs]);
        let (gains, mut bias) = (of_norm("weight")?, of_norm("bias")?);
        let (means, variances) = (of_norm("running_mean")?, of_norm("running_var")?);
        let per_output = weights.len() / outputs.max(1);
        let rows = weights.chunks_exact_mut(per_output.max(1));
        let norms = gains.iter().zip(&variances).zip(&means);
        for ((row, bias), ((gain, variance), mean)) in rows.zip(bias.iter_mut()).zip(norms) {
            let factor = gain / (variance + NORM_EPSILON).sqrt();
            row.iter_mut().for_each(|weight| *weight *= factor);
            *bias -= mean * factor;
        }
        Ok((weights, bias))
    }
}
