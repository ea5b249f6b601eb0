//! How good a judgement is, with what chance would give.

use super::agreement::ranks;

/// Standard normal quantile of a two-sided interval of 95 %.
const QUANTILE_95: f64 = 1.959_963_985;

/// Answers that were right, out of all that were tested.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Hits {
    /// Right answers.
    pub right: usize,
    /// Answers.
    pub tested: usize,
    /// `right` over `tested`; 0 where nothing was tested.
    pub share: f64,
    /// Ends of Wilson's interval of 95 % (J. Am. Stat. Assoc. 22, 1927); 0 and 1 where nothing was tested.
    pub interval: (f64, f64),
}

impl Hits {
    /// `right` of `tested`.
    pub fn new(right: usize, tested: usize) -> Self {
        if tested == 0 {
            return Self {
                right,
                tested,
                share: 0.0,
                interval: (0.0, 1.0),
            };
        }
        let (count, square) = (tested as f64, QUANTILE_95 * QUANTILE_95);
        let share = right as f64 / count;
        let centre = (share + square / (2.0 * count)) / (1.0 + square / count);
        let spread = (share * (1.0 - share) / count + square / (4.0 * count * count)).sqrt();
        let half = QUANTILE_95 * spread / (1.0 + square / count);
        Self {
            right,
            tested,
            share,
            interval: ((centre - half).max(0.0), (centre + half).min(1.0)),
        }
    }

    /// Of answers beside what is true.
    pub fn of<T: PartialEq>(answers: impl Iterator<Item = (T, T)>) -> Self {
        let (mut right, mut tested) = (0, 0);
        for (answer, truth) in answers {
            tested += 1;
            right += usize::from(answer == truth);
        }
        Self::new(right, tested)
    }
}

/// Area under the ROC curve: how likely a positive has a higher score than a negative, equal scores counting half.
/// `None` where one of the two is missing.
pub fn area_under_curve(scores: &[f64], is_positive: &[bool]) -> Option<f64> {
    let positives = is_positive.iter().filter(|positive| **positive).count();
    let negatives = is_positive.len() - positives;
    if positives == 0 || negatives == 0 || scores.len() != is_positive.len() {
        return None;
    }
    let ranks = ranks(scores);
    let sum: f64 = ranks
        .iter()
        .zip(is_positive)
        .filter(|(_, positive)| **positive)
        .map(|(rank, _)| rank)
        .sum();
    let count = positives as f64;
    Some((sum - count * (count + 1.0) / 2.0) / (count * negatives as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_wilsons() {
        // Of the roots of (share - p)^2 = z^2 p (1 - p) / n, which define it.
        let hits = Hits::new(8, 10);
        for end in [hits.interval.0, hits.interval.1] {
            let distance = (0.8 - end).powi(2) - QUANTILE_95.powi(2) * end * (1.0 - end) / 10.0;
            assert!(distance.abs() < 1e-9, "{end}");
        }
        assert!((hits.interval.0 - 0.490).abs() < 1e-3 && (hits.interval.1 - 0.943).abs() < 1e-3);
        assert_eq!(Hits::new(0, 5).interval.0, 0.0);
        assert!(Hits::new(5, 5).interval.1 > 0.999_999);
        assert_eq!(Hits::new(0, 0).interval, (0.0, 1.0));
        assert_eq!(Hits::of([(1, 1), (2, 3)].into_iter()).share, 0.5);
    }

    #[test]
    fn the_area_counts_pairs() {
        let scores = [0.1, 0.4, 0.35, 0.8, 0.4];
        let positive = [false, false, true, true, true];
        let mut pairs = 0.0;
        for (high, _) in scores.iter().zip(positive).filter(|(_, positive)| *positive) {
            for (low, _) in scores.iter().zip(positive).filter(|(_, positive)| !*positive) {
                pairs += if high > low {
                    1.0
                } else if high == low {
                    0.5
                } else {
                    0.0
                };
            }
        }
        assert!((area_under_curve(&scores, &positive).unwrap() - pairs / 6.0).abs() < 1e-12);
        assert_eq!(area_under_curve(&[1.0], &[true]), None);
        assert_eq!(area_under_curve(&[1.0], &[true, false]), None);
    }
}
