//! Figures about mixtures and tokens.

use crate::latent::{LatentSpace, LatentState, Mixture, project_onto_hull, segment_behind};
use rayon::prelude::*;

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
    let mut order: Vec<(usize, f32)> = mixture.weights.iter().copied().enumerate().collect();
    let heavier = |a: &(usize, f32), b: &(usize, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    if top < order.len() {
        order.select_nth_unstable_by(top, heavier);
        order.truncate(top);
    }
    order.sort_unstable_by(heavier);
    order
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
}

/// One value per token; `None` where the quantity does not exist (a free token has no entropy).
pub fn token_quantity(
    space: &LatentSpace,
    original: &LatentState,
    state: &LatentState,
    quantity: TokenQuantity,
) -> Vec<Option<f32>> {
    let figures = |token: usize| state.mixture(token).map(mixture_figures);
    let value = |token: usize| match quantity {
        TokenQuantity::Entropy => figures(token).map(|figures| figures.entropy_nats as f32),
        TokenQuantity::MaxWeight => figures(token).map(|figures| figures.max_weight),
        TokenQuantity::Norm => Some(norm(state.z.row(token).iter().copied())),
        TokenQuantity::Edited => edited_distance(space, original, state, token),
        TokenQuantity::HullDistance => Some(hull_distance(space, original, state, token)),
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

fn hull_distance(space: &LatentSpace, original: &LatentState, state: &LatentState, token: usize) -> f32 {
    if state.mixture(token).is_some() {
        return 0.0;
    }
    let segment = segment_behind(space, original, state, token);
    project_onto_hull(&space.codebook, segment, state.z.row(token)).distance
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
