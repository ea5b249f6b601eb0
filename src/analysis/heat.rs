//! Influence as maps to be looked at.

use super::influence::{STEPS, rank};
use super::{InfluenceMaps, TokenInfluence};
use crate::picture::Mask;
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

    /// Every token's figures over the pixels of a mask alone, as [`InfluenceMaps::ranking_within`] gives them; `None` for a
    /// mask of another size.
    pub fn ranking_within(&self, mask: &Mask) -> Option<Vec<TokenInfluence>> {
        let pixels = mask.weights().len();
        let fits = mask.width() as usize == self.width && self.heats.iter().all(|heat| heat.len() == pixels);
        let unit = (self.largest_change / STEPS) as f32;
        let tokens = self.heats.iter();
        let magnitudes = tokens.map(|heat| heat.iter().map(move |share| share * unit));
        fits.then(|| rank(magnitudes, self.width, mask.weights()))
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
    fn within_a_mask_it_ranks_as_the_maps_do() {
        let signed: Vec<f32> = (0..3 * 3 * 4)
            .map(|index| (index * 7 % 11) as f32 / 11.0 - 0.4)
            .collect();
        let maps = InfluenceMaps::new(2, 2, signed).unwrap();
        let mask = Mask::new(2, 2, vec![0.0, 1.0, 0.25, 0.0]).unwrap();
        let (own, of_maps) = (
            HeatMaps::of(&maps).ranking_within(&mask).unwrap(),
            maps.ranking_within(&mask).unwrap(),
        );
        for (own, of_maps) in own.iter().zip(&of_maps) {
            assert_eq!(own.token, of_maps.token);
            assert!((own.mean_change - of_maps.mean_change).abs() < 1e-4);
            assert!((own.centre_x - of_maps.centre_x).abs() < 1e-5);
        }
        let other = Mask::new(4, 1, vec![1.0; 4]).unwrap();
        assert!(HeatMaps::of(&maps).ranking_within(&other).is_none());
    }

    #[test]
    fn tokens_that_change_nothing_are_dark() {
        let heat = HeatMaps::of(&InfluenceMaps::new(2, 2, vec![0.0; 12]).unwrap());
        assert_eq!(*heat.heats[0], [0.0; 4]);
        assert_eq!(heat.largest_change, 0.0);
    }
}
