//! Shift, scale and gate that the condition gives each picture (adaLN-Zero, arXiv 2212.09748), with their way back.

use crate::tokenizer::by_hand::{Matrix, SavedNorm, norm_input_back};

/// Which parts of a modulation shift and scale a norm, and which one gates what follows.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) shift: usize,
    pub(super) scale: usize,
    pub(super) gate: usize,
}

/// Of the attention of a block.
pub(super) const ATTENTION: Place = Place {
    shift: 0,
    scale: 1,
    gate: 2,
};
/// Of the MLP of a block.
pub(super) const MLP: Place = Place {
    shift: 3,
    scale: 4,
    gate: 5,
};

/// [B, parts, D] values, or their gradients.
pub(super) struct Modulation {
    values: Vec<f32>,
    width: usize,
    parts: usize,
    /// Tokens of each sequence.
    length: usize,
}

impl Modulation {
    /// Of sequences of `length` tokens of `width` values.
    pub(super) fn new(values: Vec<f32>, batch: usize, width: usize, length: usize) -> Self {
        Self {
            parts: values.len() / (batch * width).max(1),
            values,
            width,
            length,
        }
    }

    /// The same, all 0: for gradients.
    pub(super) fn zeros_like(&self) -> Self {
        Self {
            values: vec![0.0; self.values.len()],
            ..*self
        }
    }

    pub(super) fn into_values(self) -> Vec<f32> {
        self.values
    }

    fn part(&self, batch: usize, part: usize) -> &[f32] {
        let start = (batch * self.parts + part) * self.width;
        self.values.get(start..start + self.width).unwrap_or_default()
    }

    fn part_mut(&mut self, batch: usize, part: usize) -> &mut [f32] {
        let start = (batch * self.parts + part) * self.width;
        self.values.get_mut(start..start + self.width).unwrap_or_default()
    }

    /// Values of one sequence.
    fn sequence(&self) -> usize {
        self.length * self.width
    }

    /// A norm's unit rows [B T, D] times (1 + scale) plus shift.
    pub(super) fn apply(&self, norm: &SavedNorm, place: Place) -> Matrix {
        let mut modulated = norm.unit.clone();
        for (batch, sequence) in modulated.chunks_exact_mut(self.sequence()).enumerate() {
            let (shift, scale) = (self.part(batch, place.shift), self.part(batch, place.scale));
            for row in sequence.chunks_exact_mut(self.width) {
                for ((value, shift), scale) in row.iter_mut().zip(shift).zip(scale) {
                    *value = *value * (1.0 + scale) + shift;
                }
            }
        }
        Matrix::new(modulated)
    }

    /// The way back of [`Self::apply`] and of the norm: adds to `sums` the gradient of what was normalised, and to
    /// `gradient` those of shift and scale.
    pub(super) fn apply_back(
        &self,
        pull: &[f32],
        norm: &SavedNorm,
        place: Place,
        gradient: &mut Self,
        sums: &mut [f32],
    ) {
        let sequence = self.sequence();
        let rows = pull.chunks_exact(sequence).zip(norm.unit.chunks_exact(sequence));
        let sums = sums
            .chunks_exact_mut(sequence)
            .zip(norm.factors.chunks_exact(self.length));
        let mut weight = vec![0.0; self.width];
        for (batch, ((pull, unit), (sums, factors))) in rows.zip(sums).enumerate() {
            for (weight, scale) in weight.iter_mut().zip(self.part(batch, place.scale)) {
                *weight = 1.0 + scale;
            }
            norm_input_back(pull, unit, factors, &weight, sums);
            for row in pull.chunks_exact(self.width) {
                let shift = gradient.part_mut(batch, place.shift);
                shift.iter_mut().zip(row).for_each(|(sum, pull)| *sum += pull);
            }
            add_products(gradient.part_mut(batch, place.scale), pull, unit);
        }
    }

    /// `x` += gate * `y`
    pub(super) fn add_gated(&self, x: &mut [f32], y: &[f32], place: Place) {
        let sequence = self.sequence();
        let sequences = x.chunks_exact_mut(sequence).zip(y.chunks_exact(sequence));
        for (batch, (x, y)) in sequences.enumerate() {
            let gate = self.part(batch, place.gate);
            let rows = x.chunks_exact_mut(self.width).zip(y.chunks_exact(self.width));
            for (x, y) in rows {
                for ((x, y), gate) in x.iter_mut().zip(y).zip(gate) {
                    *x += gate * y;
                }
            }
        }
    }

    /// The gradient of `y` in [`Self::add_gated`]; that of the gate is added to `gradient`.
    pub(super) fn gate_back(&self, pull: &[f32], y: &[f32], place: Place, gradient: &mut Self) -> Matrix {
        let sequence = self.sequence();
        let mut before = pull.to_vec();
        let sequences = before.chunks_exact_mut(sequence).zip(y.chunks_exact(sequence));
        for (batch, (pull, y)) in sequences.enumerate() {
            add_products(gradient.part_mut(batch, place.gate), pull, y);
            let gate = self.part(batch, place.gate);
            for row in pull.chunks_exact_mut(self.width) {
                row.iter_mut().zip(gate).for_each(|(value, gate)| *value *= gate);
            }
        }
        Matrix::new(before)
    }
}

/// `sums` += the products of `a` and `b`, row by row.
fn add_products(sums: &mut [f32], a: &[f32], b: &[f32]) {
    let width = sums.len().max(1);
    for (a, b) in a.chunks_exact(width).zip(b.chunks_exact(width)) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
}
