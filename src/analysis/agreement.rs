//! How far two ways to measure influence say the same.

use super::InfluenceMaps;
use std::cmp::Ordering;

/// Agreement of two maps of one token.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct TokenAgreement {
    /// Token index, 0..L.
    pub token: usize,
    /// Cosine of the angle between the signed maps, all pixels and channels as one vector: 1 where they differ by a
    /// factor alone, 0 where they have nothing in common; 0 too where one map is empty.
    pub cosine: f64,
    /// The factor by which the first has to be multiplied to be nearest to the second (least squares); 0 where the
    /// first is empty.
    pub factor: f64,
}

/// Agreement of two sets of maps.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Agreement {
    /// One for each token, in token order.
    pub tokens: Vec<TokenAgreement>,
    /// Cosine over the maps of all tokens together.
    pub cosine: f64,
    /// Spearman's rank correlation of the tokens' mean changes; `None` under two tokens, or where all are equal.
    pub rank_correlation: Option<f64>,
}

/// How far the maps `b` of the same tokens say what `a` says; `None` where their shapes differ.
pub fn agreement(a: &InfluenceMaps, b: &InfluenceMaps) -> Option<Agreement> {
    let shape = |maps: &InfluenceMaps| (maps.token_count(), maps.width(), maps.height());
    if shape(a) != shape(b) {
        return None;
    }
    let token_values = (a.signed().len() / a.token_count().max(1)).max(1);
    let pairs = a
        .signed()
        .chunks_exact(token_values)
        .zip(b.signed().chunks_exact(token_values));
    let products: Vec<Products> = pairs.map(|(a, b)| Products::of(a, b)).collect();
    let tokens = products
        .iter()
        .enumerate()
        .map(|(token, products)| TokenAgreement {
            token,
            cosine: products.cosine(),
            factor: ratio(products.both, products.first),
        });
    Some(Agreement {
        tokens: tokens.collect(),
        cosine: products
            .iter()
            .copied()
            .fold(Products::default(), Products::plus)
            .cosine(),
        rank_correlation: rank_correlation(&mean_changes(a), &mean_changes(b)),
    })
}

fn mean_changes(maps: &InfluenceMaps) -> Vec<f64> {
    let mut changes = vec![0.0; maps.token_count()];
    for token in maps.ranking() {
        if let Some(slot) = changes.get_mut(token.token) {
            *slot = token.mean_change;
        }
    }
    changes
}

/// Inner products of two vectors.
#[derive(Debug, Clone, Copy, Default)]
struct Products {
    first: f64,
    second: f64,
    both: f64,
}

impl Products {
    fn of(a: &[f32], b: &[f32]) -> Self {
        let mut products = Self::default();
        for (a, b) in a.iter().zip(b) {
            let (a, b) = (f64::from(*a), f64::from(*b));
            products.first += a * a;
            products.second += b * b;
            products.both += a * b;
        }
        products
    }

    fn plus(self, other: Self) -> Self {
        Self {
            first: self.first + other.first,
            second: self.second + other.second,
            both: self.both + other.both,
        }
    }

    fn cosine(&self) -> f64 {
        ratio(self.both, (self.first * self.second).sqrt())
    }
}

fn ratio(numerator: f64, denominator: f64) -> f64 {
    if denominator > 0.0 {
        numerator / denominator
    } else {
        0.0
    }
}

/// Spearman's rank correlation, -1..1: the correlation of the ranks, equal values sharing the mean of theirs. `None`
/// where the lengths differ, are under 2, or one side is all equal.
pub fn rank_correlation(a: &[f64], b: &[f64]) -> Option<f64> {
    if a.len() != b.len() {
        return None;
    }
    let (a, b) = (ranks(a), ranks(b));
    let mean = (a.len() as f64 + 1.0) / 2.0;
    let [mut first, mut second, mut both] = [0.0; 3];
    for (a, b) in a.iter().zip(&b) {
        first += (a - mean).powi(2);
        second += (b - mean).powi(2);
        both += (a - mean) * (b - mean);
    }
    (first > 0.0 && second > 0.0).then(|| both / (first * second).sqrt())
}

/// Ranks from 1, ties sharing their mean.
pub(super) fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<(usize, f64)> = values.iter().copied().enumerate().collect();
    order.sort_by(|(_, a), (_, b)| a.total_cmp(b));
    let mut ranks = vec![0.0; values.len()];
    let mut below = 0;
    for tied in order.chunk_by(|(_, a), (_, b)| a.total_cmp(b) == Ordering::Equal) {
        let rank = below as f64 + (tied.len() as f64 + 1.0) / 2.0;
        for (place, _) in tied {
            if let Some(slot) = ranks.get_mut(*place) {
                *slot = rank;
            }
        }
        below += tied.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_share_a_rank_and_order_alone_counts() {
        assert_eq!(ranks(&[3.0, 1.0, 3.0, 2.0]), [3.5, 1.0, 3.5, 2.0]);
        let rising = [1.0, 2.0, 30.0, 400.0];
        assert!((rank_correlation(&rising, &[0.1, 0.2, 0.3, 0.4]).unwrap() - 1.0).abs() < 1e-12);
        assert!((rank_correlation(&rising, &[4.0, 3.0, 2.0, 1.0]).unwrap() + 1.0).abs() < 1e-12);
        assert_eq!(rank_correlation(&rising, &[1.0; 4]), None);
        assert_eq!(rank_correlation(&[1.0], &[1.0]), None);
        assert_eq!(rank_correlation(&rising, &[1.0]), None);
    }

    #[test]
    fn a_factor_leaves_the_cosine_at_one() {
        let signed: Vec<f32> = (0..2 * 3 * 4).map(|index| (index as f32 - 7.0) / 10.0).collect();
        let a = InfluenceMaps::new(2, 2, signed.clone()).unwrap();
        let halved = InfluenceMaps::new(2, 2, signed.iter().map(|value| value / 2.0).collect()).unwrap();
        let found = agreement(&a, &halved).unwrap();
        assert!((found.cosine - 1.0).abs() < 1e-9 && found.rank_correlation == Some(1.0));
        assert!(found.tokens.iter().all(|token| (token.factor - 0.5).abs() < 1e-6));
        let empty = InfluenceMaps::new(2, 2, vec![0.0; 24]).unwrap();
        assert_eq!(agreement(&a, &empty).unwrap().cosine, 0.0);
        assert!(agreement(&a, &InfluenceMaps::new(2, 2, vec![0.0; 12]).unwrap()).is_none());
    }
}
