//! Convolutional networks of fixed weights as a list of layers: pictures in, the maps of some layers out, and from pulls
//! on these back to a pull on the pictures.

use super::convolution::{Activation, Dense, Depthwise, max_pool, max_pool_back, pooled};
use super::window::Size;
use crate::tokenizer::by_hand::Matrix;
use candle_core::{Error, Result};

#[derive(Debug)]
pub(super) enum Kind {
    Dense(Dense),
    Depthwise(Depthwise),
    /// Halves the sides.
    MaxPool,
}

impl Kind {
    fn output_size(&self, input: Size) -> Size {
        match self {
            Self::Dense(dense) => dense.output_size(input),
            Self::Depthwise(depthwise) => depthwise.output_size(input),
            Self::MaxPool => pooled(input),
        }
    }
}

#[derive(Debug)]
pub(super) struct Layer {
    pub(super) kind: Kind,
    pub(super) activation: Activation,
    /// The layer whose output is added to this one's.
    pub(super) adds: Option<usize>,
    pub(super) is_tap: bool,
}

/// A network as far as its last tap.
#[derive(Debug)]
pub(in crate::trainer) struct Chain {
    layers: Vec<Layer>,
    /// What is taken from a channel of a picture in -1..1, and what the rest is divided by.
    means: [f32; 3],
    deviations: [f32; 3],
}

/// The map of one tap, [B, H, W, C] row-major.
#[derive(Debug, Clone, Copy)]
pub(in crate::trainer) struct Tap<'a> {
    pub(in crate::trainer) values: &'a [f32],
    pub(in crate::trainer) height: usize,
    pub(in crate::trainer) width: usize,
    pub(in crate::trainer) channels: usize,
}

/// What a way back needs of the way there.
#[derive(Debug)]
pub(in crate::trainer) struct Pass {
    input: Size,
    outputs: Vec<Output>,
}

#[derive(Debug)]
struct Output {
    size: Size,
    values: Matrix,
    /// Of a max-pool: which corner each value came from.
    chosen: Vec<u8>,
    is_tap: bool,
}

impl Pass {
    pub(in crate::trainer) fn taps(&self) -> impl Iterator<Item = Tap<'_>> {
        let taps = self.outputs.iter().filter(|output| output.is_tap);
        taps.map(|output| Tap {
            values: output.values.values(),
            height: output.size.height,
            width: output.size.width,
            channels: output.size.channels,
        })
    }
}

impl Chain {
    /// Layers behind the last tap are left away.
    pub(super) fn new(mut layers: Vec<Layer>, means: [f32; 3], deviations: [f32; 3]) -> Self {
        let used = layers.iter().rposition(|layer| layer.is_tap);
        layers.truncate(used.map_or(0, |last| last + 1));
        Self {
            layers,
            means,
            deviations,
        }
    }

    /// Height, width and channels of each tap for pictures of these sides.
    pub(in crate::trainer) fn tap_sizes(&self, height: usize, width: usize) -> Vec<(usize, usize, usize)> {
        let mut size = Size {
            batch: 1,
            height,
            width,
            channels: 3,
        };
        let mut taps = Vec::new();
        for layer in &self.layers {
            size = layer.kind.output_size(size);
            if layer.is_tap {
                taps.push((size.height, size.width, size.channels));
            }
        }
        taps
    }

    /// `pictures` [B, 3, H, W], values of -1..1.
    pub(in crate::trainer) fn forward(
        &self,
        pictures: &[f32],
        (batch, height, width): (usize, usize, usize),
    ) -> Result<Pass> {
        let input = Size {
            batch,
            height,
            width,
            channels: 3,
        };
        if pictures.len() != input.values() {
            return Err(Error::msg("pictures have three channels"));
        }
        let entered = Matrix::new(self.enter(pictures, input));
        let mut outputs: Vec<Output> = Vec::with_capacity(self.layers.len());
        for layer in &self.layers {
            let (x, size) = outputs
                .last()
                .map_or((&entered, input), |output| (&output.values, output.size));
            let mut chosen = Vec::new();
            let mut values = match &layer.kind {
                Kind::Dense(dense) => dense.forward(x, size, layer.activation)?,
                Kind::Depthwise(depthwise) => depthwise.forward(x.values(), size, layer.activation),
                Kind::MaxPool => {
                    let (values, corners) = max_pool(x.values(), size);
                    chosen = corners;
                    values
                }
            };
            if let Some(other) = layer.adds.and_then(|index| outputs.get(index)) {
                add(&mut values, other.values.values());
            }
            outputs.push(Output {
                size: layer.kind.output_size(size),
                values: Matrix::new(values),
                chosen,
                is_tap: layer.is_tap,
            });
        }
        Ok(Pass { input, outputs })
    }

    /// From pulls on the taps, in order, to that on the pictures [B, 3, H, W].
    pub(in crate::trainer) fn back(&self, pass: &Pass, pulls: Vec<Vec<f32>>) -> Result<Vec<f32>> {
        let mut tap_pulls = pulls.into_iter().rev();
        let mut waiting: Vec<Option<Vec<f32>>> = self.layers.iter().map(|_| None).collect();
        let mut of_input = vec![0.0; pass.input.values()];
        for (index, (layer, output)) in self.layers.iter().zip(&pass.outputs).enumerate().rev() {
            if layer.is_tap {
                let pull = tap_pulls
                    .next()
                    .ok_or_else(|| Error::msg("a tap without a pull"))?;
                wait(&mut waiting, index, pull);
            }
            let Some(mut pull) = waiting.get_mut(index).and_then(Option::take) else {
                continue;
            };
            if let Some(other) = layer.adds {
                wait(&mut waiting, other, pull.clone());
            }
            layer.activation.back(&mut pull, output.values.values());
            let before = index.checked_sub(1).and_then(|before| pass.outputs.get(before));
            let size = before.map_or(pass.input, |before| before.size);
            let pull = match &layer.kind {
                Kind::Dense(dense) => dense.back(pull, size)?,
                Kind::Depthwise(depthwise) => depthwise.back(&pull, size),
                Kind::MaxPool => max_pool_back(&pull, &output.chosen, size),
            };
            match index.checked_sub(1) {
                Some(before) => wait(&mut waiting, before, pull),
                None => add(&mut of_input, &pull),
            }
        }
        Ok(self.leave(&of_input, pass.input))
    }

    /// [B, 3, H, W] to [B, H, W, 3], normalised.
    fn enter(&self, pictures: &[f32], size: Size) -> Vec<f32> {
        let mut values = Vec::with_capacity(size.values());
        for picture in pictures.chunks_exact(size.per_map()) {
            for place in 0..size.places() {
                let planes = picture.iter().skip(place).step_by(size.places());
                let colours = planes.zip(self.means.iter().zip(&self.deviations));
                values.extend(colours.map(|(value, (mean, deviation))| (value - mean) / deviation));
            }
        }
        values
    }

    /// The way back of [`Self::enter`].
    fn leave(&self, pull: &[f32], size: Size) -> Vec<f32> {
        let mut pictures = vec![0.0; size.values()];
        let maps = pull.chunks_exact(size.per_map());
        for (picture, map) in pictures.chunks_exact_mut(size.per_map()).zip(maps) {
            let planes = picture.chunks_exact_mut(size.places()).zip(&self.deviations);
            for (channel, (plane, deviation)) in planes.enumerate() {
                let pulls = map.iter().skip(channel).step_by(3);
                plane
                    .iter_mut()
                    .zip(pulls)
                    .for_each(|(value, pull)| *value = pull / deviation);
            }
        }
        pictures
    }
}

fn add(sums: &mut [f32], values: &[f32]) {
    sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
}

/// Adds a pull to those that wait at a layer.
fn wait(waiting: &mut [Option<Vec<f32>>], index: usize, pull: Vec<f32>) {
    if let Some(place) = waiting.get_mut(index) {
        match place {
            Some(sum) => add(sum, &pull),
            None => *place = Some(pull),
        }
    }
}
