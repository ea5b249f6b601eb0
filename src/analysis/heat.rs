//! Influence as maps to be looked at.

use super::influence::STEPS;
use super::{InfluenceMaps, TokenInfluence};
use std::sync::Arc;

/// Where and how much each token acts, all tokens on one scale.
#[derive(Debug, Clone)]
pub struct HeatMaps {
    /// Pixels in a row (W).
    pub width: usize,
    /// One a token, in token order: `[H, W]` in 0..1, shares of [`Self::largest_change`].
    pub heats: Vec<Arc<Vec<f32>>>,
    /// Largest change of a pixel by any token, channels averaged, in steps of 8-bit values.
    pub largest_change: f64,
    /// Every token's figures, the most influential first.
    pub ranking: Vec<TokenInfluence>,
}

impl HeatMaps {
    /// The magnitudes of `maps`; values that are no numbers become 0.
    pub fn of(maps: &InfluenceMaps) -> Self {
        let magnitudes = maps.magnitudes();
        let largest = magnitudes.iter().copied().fold(0.0, f32::max);
        let share = |value: &f32| {
            if *value > 0.0 && largest > 0.0 {
                value / largest
            } else {
                0.0
            }
        };
        let pixels = (maps.width() * maps.height()).max(1);
        Self {
            width: maps.width(),
            heats: magnitudes
                .chunks_exact(pixels)
                .map(|token| Arc::new(token.iter().map(share).collect()))
                .collect(),
            largest_change: STEPS * f64::from(largest),
            ranking: maps.ranking(),
        }
    }

    /// The figures of a token.
    pub fn figures(&self, token: usize) -> Option<&TokenInfluence> {
        self.ranking.iter().find(|figures| figures.token == token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_tokens_share_one_scale() {
        let mut signed = vec![0.0; 2 * 3 * 4];
        signed[..12].fill(-0.1);
        signed[12..].fill(0.4);
        signed[12] = f32::NAN;
        let heat = HeatMaps::of(&InfluenceMaps::new(2, 2, signed).unwrap());
        assert_eq!((heat.width, heat.heats.len()), (2, 2));
        assert!(heat.heats[0].iter().all(|value| (value - 0.25).abs() < 1e-6));
        assert_eq!(heat.heats[1][0], 0.0);
        assert!((heat.heats[1][3] - 1.0).abs() < 1e-6);
        assert!((heat.largest_change - 0.4 * STEPS).abs() < 1e-4);
        assert_eq!(heat.figures(1).map(|figures| figures.token), Some(1));
        assert!(heat.figures(2).is_none());
    }

    #[test]
    fn tokens_that_change_nothing_are_dark() {
        let heat = HeatMaps::of(&InfluenceMaps::new(2, 2, vec![0.0; 12]).unwrap());
        assert_eq!(*heat.heats[0], [0.0; 4]);
        assert_eq!(heat.largest_change, 0.0);
    }
}
