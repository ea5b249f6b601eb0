//! Arithmetic of mixtures: similarities, softmax, weighted sums. Loops run over fixed lanes so that they vectorise.

use super::{Codebook, Mixture};
use std::sync::Arc;

/// Sums run side by side in so many places.
pub(super) const LANES: usize = 8;
/// Codewords summed in f32 before the partial sum is added in f64: keeps 8192 terms as exact as a few.
const SUM_BLOCK: usize = 256;
/// Smallest norm divided by, as in the reference's normalisation.
const NORM_FLOOR: f32 = 1e-12;

/// The softmax mixture of `h` (one row, D values) over segment `segment` at `tau` > 0: softmax(sim(h, C) / tau), where
/// sim is the cosine for models with `l2_norm` and the inner product for others (arXiv 2412.10958, section 3).
///
/// A segment that does not exist gives a mixture without weights.
pub fn posterior(codebook: &Codebook, segment: usize, h: &[f32], tau: f32) -> Mixture {
    let mut query = h.to_vec();
    if codebook.l2_norm {
        normalise(&mut query);
    }
    let codewords = codebook.segment(segment).unwrap_or_default();
    let mut weights = vec![0.0; codewords.len() / codebook.dim.max(1)];
    similarities(codewords, codebook.dim, &query, &mut weights);
    softmax(&mut weights, tau);
    Mixture {
        segment,
        weights: weights.into(),
    }
}

/// Weights, heaviest `top` kept and made to sum to 1; of equal weights the lower index is kept.
pub(super) fn hardened(mixture: &Mixture, top: usize) -> Mixture {
    let mut order: Vec<usize> = (0..mixture.weights.len()).collect();
    let weight = |index: &usize| mixture.weights.get(*index).copied().unwrap_or(0.0);
    let heavier = |a: &usize, b: &usize| weight(b).total_cmp(&weight(a)).then(a.cmp(b));
    if top < order.len() {
        order.select_nth_unstable_by(top, heavier);
        order.truncate(top);
    }
    let mut weights = vec![0.0f64; mixture.weights.len()];
    for index in &order {
        if let Some(slot) = weights.get_mut(*index) {
            *slot = f64::from(weight(index));
        }
    }
    Mixture {
        segment: mixture.segment,
        weights: distribution(&weights).unwrap_or_else(|| mixture.weights.clone()),
    }
}

/// Non-negative weights divided by their sum; `None` when the sum is 0 or not finite.
pub(super) fn distribution(weights: &[f64]) -> Option<Arc<[f32]>> {
    let sum: f64 = weights.iter().sum();
    (sum > 0.0 && sum.is_finite()).then(|| weights.iter().map(|weight| (weight / sum) as f32).collect())
}

/// Divides by the l2 norm (at least [`NORM_FLOOR`]).
pub(super) fn normalise(row: &mut [f32]) {
    let norm = dot(row, row).sqrt().max(NORM_FLOOR);
    for value in row {
        *value /= norm;
    }
}

/// Inner product of `query` with each row of `rows` [n, dim].
pub(super) fn similarities(rows: &[f32], dim: usize, query: &[f32], out: &mut [f32]) {
    for (row, out) in rows.chunks_exact(dim.max(1)).zip(out) {
        *out = dot(row, query);
    }
}

/// sum over i of weights`[i]` * rows`[i]`, `dim` values.
pub(super) fn weighted_sum(rows: &[f32], dim: usize, weights: &[f32]) -> Vec<f32> {
    let dim = dim.max(1);
    let mut total = vec![0.0f64; dim];
    let mut partial = vec![0.0f32; dim];
    for (rows, weights) in rows.chunks(SUM_BLOCK * dim).zip(weights.chunks(SUM_BLOCK)) {
        partial.fill(0.0);
        for (row, &weight) in rows.chunks_exact(dim).zip(weights) {
            if weight != 0.0 {
                for (sum, value) in partial.iter_mut().zip(row) {
                    *sum += weight * value;
                }
            }
        }
        for (total, partial) in total.iter_mut().zip(&partial) {
            *total += f64::from(*partial);
        }
    }
    total.into_iter().map(|value| value as f32).collect()
}

/// Inner product of two rows of one length.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a_chunks, a_rest) = a.as_chunks::<LANES>();
    let (b_chunks, b_rest) = b.as_chunks::<LANES>();
    let mut lanes = [0.0f32; LANES];
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        for ((sum, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    lanes.iter().sum::<f32>() + rest
}

/// softmax(x / tau) in place. The largest value is subtracted before the division, so that the smallest tau ends in
/// the hard choice and not in infinity minus infinity.
fn softmax(values: &mut [f32], tau: f32) {
    let tau = tau.max(f32::MIN_POSITIVE);
    let largest = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0f64;
    for value in values.iter_mut() {
        *value = ((*value - largest) / tau).exp();
        sum += f64::from(*value);
    }
    let scale = (1.0 / sum) as f32;
    for value in values {
        *value *= scale;
    }
}
