//! Convolutions of fixed weights and their way back to the input. Maps are [B, H, W, C]: a dense kernel is then one
//! product over runs copied from rows, and a depthwise one multiplies channels side by side.

use super::window::{Size, Window};
use crate::tokenizer::by_hand::Matrix;
use candle_core::Result;

/// What follows a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Activation {
    None,
    Relu,
    Relu6,
}

impl Activation {
    fn apply(self, values: &mut [f32]) {
        let top = match self {
            Self::None => return,
            Self::Relu => f32::INFINITY,
            Self::Relu6 => 6.0,
        };
        values
            .iter_mut()
            .for_each(|value| *value = value.max(0.0).min(top));
    }

    /// `pull` becomes that before the activation, told from what came out.
    pub(super) fn back(self, pull: &mut [f32], output: &[f32]) {
        let top = match self {
            Self::None => return,
            Self::Relu => f32::INFINITY,
            Self::Relu6 => 6.0,
        };
        for (pull, output) in pull.iter_mut().zip(output) {
            *pull = if *output > 0.0 && *output < top {
                *pull
            } else {
                0.0
            };
        }
    }
}

/// Every output channel reads every input channel.
#[derive(Debug)]
pub(super) struct Dense {
    window: Window,
    /// [kernel x kernel x in, out]
    weights: Matrix,
    bias: Vec<f32>,
    inputs: usize,
}

impl Dense {
    /// `weights` [out, in, kernel, kernel] as a state dict has them.
    pub(super) fn new(window: Window, weights: &[f32], bias: Vec<f32>, inputs: usize) -> Self {
        let outputs = bias.len();
        let places = window.kernel * window.kernel;
        let mut packed = vec![0.0; places * inputs * outputs];
        for (index, value) in weights.iter().enumerate() {
            let (output, input, place) = (index / (inputs * places), index / places % inputs, index % places);
            if let Some(to) = packed.get_mut((place * inputs + input) * outputs + output) {
                *to = *value;
            }
        }
        Self {
            window,
            weights: Matrix::new(packed),
            bias,
            inputs,
        }
    }

    pub(super) fn output_size(&self, input: Size) -> Size {
        self.window.output_size(input, self.bias.len())
    }

    /// Values that one place of the output reads.
    fn reads(&self) -> usize {
        self.window.kernel * self.window.kernel * self.inputs
    }

    pub(super) fn forward(&self, x: &Matrix, size: Size, activation: Activation) -> Result<Vec<f32>> {
        let (outputs, reads) = (self.bias.len(), self.reads());
        let out = self.output_size(size);
        let product = |rows: &Matrix, count: usize| {
            rows.times(false, self.weights.storage(), false, (1, count, outputs, reads))
        };
        let mut y = if self.window.is_point() {
            product(x, out.batch * out.places())?
        } else {
            let mut y = Vec::with_capacity(out.values());
            for map in x.values().chunks_exact(size.per_map()) {
                let rows = Matrix::new(unfold(map, size, self.window));
                y.extend(product(&rows, out.places())?);
            }
            y
        };
        for row in y.chunks_exact_mut(outputs) {
            row.iter_mut().zip(&self.bias).for_each(|(y, bias)| *y += bias);
        }
        activation.apply(&mut y);
        Ok(y)
    }

    /// From the pull on the output (before its activation) to that on the input of `size`.
    pub(super) fn back(&self, pull: Vec<f32>, size: Size) -> Result<Vec<f32>> {
        let (outputs, reads) = (self.bias.len(), self.reads());
        let out = self.output_size(size);
        let product = |pull: &Matrix, count: usize| {
            pull.times(false, self.weights.storage(), true, (1, count, reads, outputs))
        };
        if self.window.is_point() {
            return product(&Matrix::new(pull), out.batch * out.places());
        }
        let mut x = vec![0.0; size.values()];
        let maps = x.chunks_exact_mut(size.per_map());
        for (map, pull) in maps.zip(pull.chunks_exact(out.per_map())) {
            let rows = product(&Matrix::new(pull.to_vec()), out.places())?;
            fold(&rows, map, size, self.window);
        }
        Ok(x)
    }
}

/// Calls `work` with each run of a row that a kernel's row reads: where it starts in the map [H, W, C], where in the
/// rows [places, kernel x kernel x C], and how many values it has.
fn for_each_run(size: Size, window: Window, mut work: impl FnMut(usize, usize, usize)) {
    let channels = size.channels;
    let reads = window.kernel * window.kernel * channels;
    let (height, width) = (window.output_side(size.height), window.output_side(size.width));
    for y in 0..height {
        let rows = window.span(size.height, y);
        for x in 0..width {
            let columns = window.span(size.width, x);
            for row in 0..rows.count {
                let from = ((rows.start + row) * size.width + columns.start) * channels;
                let kernel_place = (rows.in_kernel + row) * window.kernel + columns.in_kernel;
                let to = (y * width + x) * reads + kernel_place * channels;
                work(from, to, columns.count * channels);
            }
        }
    }
}

/// A map [H, W, C] to what each place of the output reads: [places, kernel x kernel x C].
fn unfold(map: &[f32], size: Size, window: Window) -> Vec<f32> {
    let out = window.output_size(size, size.channels);
    let mut rows = vec![0.0; out.places() * window.kernel * window.kernel * size.channels];
    for_each_run(size, window, |from, to, count| {
        if let (Some(to), Some(from)) = (rows.get_mut(to..to + count), map.get(from..from + count)) {
            to.copy_from_slice(from);
        }
    });
    rows
}

/// The way back of [`unfold`]: adds to `map`.
fn fold(rows: &[f32], map: &mut [f32], size: Size, window: Window) {
    for_each_run(size, window, |from, to, count| {
        if let (Some(map), Some(rows)) = (map.get_mut(from..from + count), rows.get(to..to + count)) {
            map.iter_mut().zip(rows).for_each(|(map, row)| *map += row);
        }
    });
}

/// Every channel has a kernel of its own.
#[derive(Debug)]
pub(super) struct Depthwise {
    window: Window,
    /// [kernel x kernel, C]
    weights: Vec<f32>,
    bias: Vec<f32>,
}

impl Depthwise {
    /// `weights` [C, 1, kernel, kernel] as a state dict has them.
    pub(super) fn new(window: Window, weights: &[f32], bias: Vec<f32>) -> Self {
        let (places, channels) = (window.kernel * window.kernel, bias.len());
        let packed = (0..places * channels)
            .map(|index| {
                let from = index % channels * places + index / channels;
                weights.get(from).copied().unwrap_or_default()
            })
            .collect();
        Self {
            window,
            weights: packed,
            bias,
        }
    }

    pub(super) fn output_size(&self, input: Size) -> Size {
        self.window.output_size(input, input.channels)
    }

    /// Calls `work` with the places of an output value's channels, of an input value's, and the kernel between them.
    fn for_each_pair(&self, size: Size, mut work: impl FnMut(usize, usize, &[f32])) {
        let channels = size.channels;
        for_each_run(size, self.window, |from, to, count| {
            let reads = self.window.kernel * self.window.kernel * channels;
            let kernels = self.weights.get(to % reads..).unwrap_or_default();
            for (index, kernel) in kernels.chunks_exact(channels).take(count / channels).enumerate() {
                work(to / reads * channels, from + index * channels, kernel);
            }
        });
    }

    pub(super) fn forward(&self, x: &[f32], size: Size, activation: Activation) -> Vec<f32> {
        let out = self.output_size(size);
        let mut y = Vec::with_capacity(out.values());
        for map in x.chunks_exact(size.per_map()) {
            let start = y.len();
            (0..out.places()).for_each(|_| y.extend_from_slice(&self.bias));
            let y = y.get_mut(start..).unwrap_or_default();
            self.for_each_pair(size, |to, from, kernel| {
                add_product(y, to, map, from, kernel);
            });
        }
        activation.apply(&mut y);
        y
    }

    /// As [`Dense::back`].
    pub(super) fn back(&self, pull: &[f32], size: Size) -> Vec<f32> {
        let out = self.output_size(size);
        let mut x = vec![0.0; size.values()];
        let maps = x.chunks_exact_mut(size.per_map());
        for (map, pull) in maps.zip(pull.chunks_exact(out.per_map())) {
            self.for_each_pair(size, |to, from, kernel| {
                add_product(map, from, pull, to, kernel);
            });
        }
        x
    }
}

/// `sums[at..]` += `values[of..]` * `kernel`, channel by channel.
fn add_product(sums: &mut [f32], at: usize, values: &[f32], of: usize, kernel: &[f32]) {
    let (Some(sums), Some(values)) = (
        sums.get_mut(at..at + kernel.len()),
        values.get(of..of + kernel.len()),
    ) else {
        return;
    };
    for ((sum, value), weight) in sums.iter_mut().zip(values).zip(kernel) {
        *sum += value * weight;
    }
}

/// The largest of each 2 x 2 places, and which of the four it was; an odd last row or column is left out.
pub(super) fn max_pool(x: &[f32], size: Size) -> (Vec<f32>, Vec<u8>) {
    let out = pooled(size);
    let mut y = Vec::with_capacity(out.values());
    let mut chosen = Vec::with_capacity(out.values());
    for index in 0..out.values() {
        let mut best = (f32::NEG_INFINITY, 0);
        for corner in 0..4_u8 {
            let value = x.get(corner_place(size, out, index, corner)).copied();
            let value = value.unwrap_or(f32::NEG_INFINITY);
            if value > best.0 {
                best = (value, corner);
            }
        }
        y.push(best.0);
        chosen.push(best.1);
    }
    (y, chosen)
}

/// The way back of [`max_pool`].
pub(super) fn max_pool_back(pull: &[f32], chosen: &[u8], size: Size) -> Vec<f32> {
    let out = pooled(size);
    let mut x = vec![0.0; size.values()];
    for (index, (pull, corner)) in pull.iter().zip(chosen).enumerate() {
        if let Some(value) = x.get_mut(corner_place(size, out, index, *corner)) {
            *value += pull;
        }
    }
    x
}

pub(super) fn pooled(size: Size) -> Size {
    Size {
        height: size.height / 2,
        width: size.width / 2,
        ..size
    }
}

/// Where corner 0 to 3 of the four places behind an output value lies.
fn corner_place(size: Size, out: Size, index: usize, corner: u8) -> usize {
    let (place, channel) = (index / out.channels, index % out.channels);
    let (row, column) = (place / out.width, place % out.width);
    let (map, row) = (row / out.height, row % out.height);
    let (down, across) = (usize::from(corner / 2), usize::from(corner % 2));
    ((map * size.height + 2 * row + down) * size.width + 2 * column + across) * size.channels + channel
}
