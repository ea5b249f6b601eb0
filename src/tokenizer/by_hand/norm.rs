//! LayerNorm with a way back.

use super::{Pair, WeightGradients, column_sums, with_values};
use crate::kernel::math::sum;
use candle_core::Result;

/// Rows brought to mean 0 and deviation 1, and what they were divided by.
pub(crate) struct SavedNorm {
    pub(crate) unit: Vec<f32>,
    /// 1 / deviation of each row.
    pub(crate) factors: Vec<f32>,
}

impl SavedNorm {
    /// Of rows of `width` values.
    pub(crate) fn of(x: &[f32], width: usize, epsilon: f32) -> Self {
        let mut unit = x.to_vec();
        let factors = unit
            .chunks_exact_mut(width)
            .map(|row| {
                let mean = sum(row, |value| value) / width as f32;
                let variance = sum(row, |value| (value - mean) * (value - mean)) / width as f32;
                let factor = 1.0 / (variance + epsilon).sqrt();
                row.iter_mut().for_each(|value| *value = (*value - mean) * factor);
                factor
            })
            .collect();
        Self { unit, factors }
    }

    /// The unit rows times weight plus bias.
    pub(crate) fn output(&self, (weight, bias): &Pair) -> Result<Vec<f32>> {
        let mut y = self.unit.clone();
        with_values(weight, |weight| {
            with_values(bias, |bias| {
                for row in y.chunks_exact_mut(weight.len()) {
                    for ((y, weight), bias) in row.iter_mut().zip(weight).zip(bias) {
                        *y = *y * weight + bias;
                    }
                }
            })
        })??;
        Ok(y)
    }

    /// Adds the gradient of the norm's input to `sums`, from `pull` on its output; those of weight and bias are left in
    /// `gradients`.
    pub(crate) fn back(
        &self,
        pull: &[f32],
        (weight, bias): &Pair,
        gradients: &WeightGradients,
        sums: &mut [f32],
    ) -> Result<()> {
        let width = weight.elem_count();
        let mut of_weight = vec![0.0; width];
        for (pull, unit) in pull.chunks_exact(width).zip(self.unit.chunks_exact(width)) {
            for (total, (pull, unit)) in of_weight.iter_mut().zip(pull.iter().zip(unit)) {
                *total += pull * unit;
            }
        }
        gradients.add(bias, column_sums(pull, width))?;
        with_values(weight, |weight| {
            input_back(pull, &self.unit, &self.factors, weight, sums);
        })?;
        gradients.add(weight, of_weight)
    }
}

/// Adds the gradient of a norm's input to `sums`, from `pull` on its output: rows of as many values as `weight` has.
pub(crate) fn input_back(pull: &[f32], unit: &[f32], factors: &[f32], weight: &[f32], sums: &mut [f32]) {
    let width = weight.len();
    let rows = pull.chunks_exact(width).zip(unit.chunks_exact(width));
    let mut scaled = vec![0.0; width];
    let mut along = vec![0.0; width];
    for ((pull, unit), (sums, factor)) in rows.zip(sums.chunks_exact_mut(width).zip(factors)) {
        for (((scaled, along), (pull, weight)), unit) in scaled
            .iter_mut()
            .zip(along.iter_mut())
            .zip(pull.iter().zip(weight))
            .zip(unit)
        {
            *scaled = pull * weight;
            *along = *scaled * unit;
        }
        let mean = sum(&scaled, |value| value) / width as f32;
        let mean_along = sum(&along, |value| value) / width as f32;
        for ((sum, scaled), unit) in sums.iter_mut().zip(&scaled).zip(unit) {
            *sum += factor * (scaled - mean - unit * mean_along);
        }
    }
}
