//! Figures about tokens and what is behind them.

use super::hull_gauge;
use crate::latent::{
    Bottleneck, Codebook, GaussianRow, LatentSpace, LatentState, Mixture, codeword_distances,
    nearest_codeword,
};
use rayon::prelude::*;
use std::cmp::Ordering;

/// Figures of one mixture.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct MixtureFigures {
    /// -sum w ln w, nats, 0..ln n.
    pub entropy_nats: f64,
    /// exp(entropy): effective number of codewords, 1..n.
    pub perplexity: f64,
    /// Largest weight, 1/n..1.
    pub max_weight: f32,
}

/// Entropy, effective number of codewords and largest weight of a mixture.
pub fn mixture_figures(mixture: &Mixture) -> MixtureFigures {
    let positive = mixture
        .weights
        .iter()
        .map(|weight| f64::from(*weight))
        .filter(|weight| *weight > 0.0);
    // Weights sum to 1 up to rounding, which must not show as an entropy below 0.
    let entropy_nats = positive.map(|weight| -weight * weight.ln()).sum::<f64>().max(0.0);
    let max_weight = mixture.weights.iter().copied().fold(0.0, f32::max);
    MixtureFigures {
        entropy_nats,
        perplexity: entropy_nats.exp(),
        max_weight,
    }
}

/// The `top` heaviest codewords, heaviest first, ties by index: (codeword, weight).
pub fn top_codewords(mixture: &Mixture, top: usize) -> Vec<(usize, f32)> {
    let order = mixture.weights.iter().copied().enumerate().collect();
    first(order, top, |a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)))
}

/// The `top` codewords of a segment nearest to `row` (D values), nearest first, ties by index: (codeword, Euclidean
/// distance). Where the model compares unit vectors, so does this.
pub fn nearest_codewords(codebook: &Codebook, segment: usize, row: &[f32], top: usize) -> Vec<(usize, f32)> {
    let order = codeword_distances(codebook, segment, row)
        .into_iter()
        .enumerate()
        .collect();
    first(order, top, |a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)))
}

/// The codeword that a hard quantiser chose for what the encoder put out for row `token`, and the Euclidean distance
/// to it; `None` where the output is not known or the model is not VQ.
pub fn encoder_codeword(space: &LatentSpace, state: &LatentState, token: usize) -> Option<(usize, f32)> {
    let Bottleneck::Hard(codebook) = &space.bottleneck else {
        return None;
    };
    nearest_codeword(codebook, 0, state.h_row(token)?)
}

/// The first `count` in the order of `compare`.
fn first(
    mut all: Vec<(usize, f32)>,
    count: usize,
    compare: impl Fn(&(usize, f32), &(usize, f32)) -> Ordering,
) -> Vec<(usize, f32)> {
    if count < all.len() {
        all.select_nth_unstable_by(count, &compare);
        all.truncate(count);
    }
    all.sort_unstable_by(compare);
    all
}

/// What the token strip can be coloured by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenQuantity {
    /// Of the mixture, nats.
    Entropy,
    /// Of the mixture, 0..1.
    MaxWeight,
    /// Euclidean norm of z.
    Norm,
    /// Euclidean distance from the original token, in units of the latent deviation.
    Edited,
    /// Euclidean distance to the nearest mixture of codewords; 0 for a token on its mixture.
    HullDistance,
    /// Euclidean distance from the encoder's output to the nearest codeword, which a hard quantiser puts in its place.
    CodewordDistance,
    /// Mean standard deviation of the values' normal distributions.
    Deviation,
    /// Divergence of the token's normal distribution from the standard one, nats.
    Divergence,
}

/// The figures that tokens of this class have.
pub fn quantities(space: &LatentSpace) -> &'static [TokenQuantity] {
    use TokenQuantity::{
        CodewordDistance, Deviation, Divergence, Edited, Entropy, HullDistance, MaxWeight, Norm,
    };
    match space.bottleneck {
        Bottleneck::Soft(_) => &[Entropy, MaxWeight, Norm, Edited, HullDistance],
        Bottleneck::Hard(_) => &[CodewordDistance, Norm, Edited],
        Bottleneck::Gaussian => &[Deviation, Divergence, Norm, Edited],
        Bottleneck::Identity => &[Norm, Edited],
    }
}

/// One value per token; `None` where the quantity does not exist: a free token has no entropy, a token of another
/// class than SoftVQ has none either.
pub fn token_quantity(
    space: &LatentSpace,
    original: &LatentState,
    state: &LatentState,
    quantity: TokenQuantity,
) -> Vec<Option<f32>> {
    let figures = |token: usize| state.mixture(token).map(mixture_figures);
    let is_gaussian = matches!(space.bottleneck, Bottleneck::Gaussian);
    let gaussian = |token: usize| GaussianRow::behind(state, token).filter(|_| is_gaussian);
    let value = |token: usize| match quantity {
        TokenQuantity::Entropy => figures(token).map(|figures| figures.entropy_nats as f32),
        TokenQuantity::MaxWeight => figures(token).map(|figures| figures.max_weight),
        TokenQuantity::Norm => Some(norm(state.z.row(token).iter().copied())),
        TokenQuantity::Edited => edited_distance(space, original, state, token),
        TokenQuantity::HullDistance => hull_gauge(space, original, state, token).map(|gauge| gauge.distance),
        TokenQuantity::CodewordDistance => {
            encoder_codeword(space, state, token).map(|(_, distance)| distance)
        }
        TokenQuantity::Deviation => gaussian(token).map(|gaussian| gaussian.mean_deviation()),
        TokenQuantity::Divergence => gaussian(token).map(|gaussian| gaussian.kl_nats() as f32),
    };
    (0..state.z.count).into_par_iter().map(value).collect()
}

fn norm(values: impl Iterator<Item = f32>) -> f32 {
    values.map(|value| f64::from(value).powi(2)).sum::<f64>().sqrt() as f32
}

/// `None` for a model without a latent deviation, or a token the original lacks.
fn edited_distance(
    space: &LatentSpace,
    original: &LatentState,
    state: &LatentState,
    token: usize,
) -> Option<f32> {
    let (before, after) = (original.z.row(token), state.z.row(token));
    let is_comparable = space.std > 0.0 && before.len() == after.len();
    is_comparable.then(|| norm(before.iter().zip(after).map(|(before, after)| after - before)) / space.std)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mixture(weights: &[f32]) -> Mixture {
        Mixture {
            segment: 0,
            weights: weights.into(),
        }
    }

    #[test]
    fn a_uniform_mixture_uses_every_codeword() {
        let figures = mixture_figures(&mixture(&[0.25; 4]));
        assert!((figures.entropy_nats - 4f64.ln()).abs() < 1e-12);
        assert!((figures.perplexity - 4.0).abs() < 1e-9);
        assert_eq!(figures.max_weight, 0.25);
    }

    #[test]
    fn a_hard_mixture_uses_one() {
        let figures = mixture_figures(&mixture(&[0.0, 1.0, 0.0]));
        assert_eq!(
            (figures.entropy_nats, figures.perplexity, figures.max_weight),
            (0.0, 1.0, 1.0)
        );
    }

    #[test]
    fn the_top_is_sorted_and_ties_go_by_index() {
        let mixture = mixture(&[0.1, 0.3, 0.1, 0.3, 0.2]);
        assert_eq!(top_codewords(&mixture, 3), [(1, 0.3), (3, 0.3), (4, 0.2)]);
        assert_eq!(top_codewords(&mixture, 4).last(), Some(&(0, 0.1)));
        assert_eq!(top_codewords(&mixture, 99).len(), 5);
        assert!(top_codewords(&mixture, 0).is_empty());
    }
}
