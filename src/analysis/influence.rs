//! What each token does to the picture.

use crate::picture::Mask;

const CHANNELS: usize = 3;

/// What every token adds to a picture: the decode of all tokens minus the decode without that token, before clamping.
#[derive(Debug, Clone, PartialEq)]
pub struct InfluenceMaps {
    width: usize,
    height: usize,
    /// `[L, 3, H, W]`.
    signed: Vec<f32>,
}

/// How much, where and how widely one token acts.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct TokenInfluence {
    /// Token index, 0..L.
    pub token: usize,
    /// Mean absolute change over pixels and channels, in steps of 8-bit values (the network's -1..1 is 255 of them).
    pub mean_change: f64,
    /// `mean_change` over the sum of all tokens'; 0 where no token changes anything.
    pub share: f64,
    /// Largest change of a pixel, channels averaged, in steps of 8-bit values.
    pub largest_change: f64,
    /// Centre of gravity of the change, pixels from the left.
    pub centre_x: f64,
    /// Centre of gravity of the change, pixels from the top.
    pub centre_y: f64,
    /// Share of the picture that would hold the same change were it even: (sum)^2 / (pixels * sum of squares). 1 for a
    /// change that is the same everywhere, near 0 for a spot.
    pub spread: f64,
}

/// Steps of 8-bit values in one unit of a network's output.
pub(crate) const STEPS: f64 = 127.5;

impl InfluenceMaps {
    /// `signed` holds `[L, 3, H, W]`; `None` where its length is not a multiple of a picture's.
    pub fn new(width: usize, height: usize, signed: Vec<f32>) -> Option<Self> {
        let picture = CHANNELS * width * height;
        (picture > 0 && signed.len().is_multiple_of(picture)).then_some(Self {
            width,
            height,
            signed,
        })
    }

    /// Tokens (L).
    pub fn token_count(&self) -> usize {
        self.signed.len() / (CHANNELS * self.width * self.height)
    }

    /// Pixels in a row (W).
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows (H).
    pub fn height(&self) -> usize {
        self.height
    }

    /// `[L, 3, H, W]`: what each token adds to each channel, in the network's units (-1..1 is the range of a picture).
    pub fn signed(&self) -> &[f32] {
        &self.signed
    }

    /// `[L, H, W]`: absolute change, channels averaged, in the network's units.
    pub fn magnitudes(&self) -> Vec<f32> {
        let pixels = self.width * self.height;
        self.signed
            .chunks_exact(CHANNELS * pixels)
            .flat_map(|token| magnitude(token, pixels))
            .collect()
    }

    /// Every token's figures, the most influential first.
    pub fn ranking(&self) -> Vec<TokenInfluence> {
        self.weighted_ranking(&vec![1.0; self.width * self.height])
    }

    /// The same over the pixels of a mask alone, each counting with its weight; `None` for a mask of another size.
    pub fn ranking_within(&self, mask: &Mask) -> Option<Vec<TokenInfluence>> {
        let fits = (mask.width() as usize, mask.height() as usize) == (self.width, self.height);
        fits.then(|| self.weighted_ranking(mask.weights()))
    }

    fn weighted_ranking(&self, weights: &[f32]) -> Vec<TokenInfluence> {
        let pixels = self.width * self.height;
        let mut ranking: Vec<TokenInfluence> = self
            .signed
            .chunks_exact(CHANNELS * pixels)
            .enumerate()
            .map(|(token, signed)| self.figures(token, magnitude(signed, pixels), weights))
            .collect();
        let sum: f64 = ranking.iter().map(|token| token.mean_change).sum();
        for token in &mut ranking {
            token.share = if sum > 0.0 { token.mean_change / sum } else { 0.0 };
        }
        ranking.sort_by(|a, b| b.mean_change.total_cmp(&a.mean_change));
        ranking
    }

    /// All but the share.
    fn figures(&self, token: usize, magnitude: impl Iterator<Item = f32>, weights: &[f32]) -> TokenInfluence {
        let [
            mut sum,
            mut squares,
            mut largest,
            mut across,
            mut down,
            mut pixels,
        ] = [0.0_f64; 6];
        for (index, (value, weight)) in magnitude.zip(weights).enumerate() {
            let (value, weight) = (f64::from(value), f64::from(*weight));
            pixels += weight;
            sum += weight * value;
            squares += weight * value * value;
            largest = largest.max(if weight > 0.0 { value } else { 0.0 });
            across += weight * value * ((index % self.width) as f64 + 0.5);
            down += weight * value * ((index / self.width) as f64 + 0.5);
        }
        let over = |numerator: f64, denominator: f64, otherwise: f64| {
            if denominator > 0.0 {
                numerator / denominator
            } else {
                otherwise
            }
        };
        TokenInfluence {
            token,
            mean_change: over(STEPS * sum, pixels, 0.0),
            share: 0.0,
            largest_change: STEPS * largest,
            centre_x: over(across, sum, self.width as f64 / 2.0),
            centre_y: over(down, sum, self.height as f64 / 2.0),
            spread: over(sum * sum, pixels * squares, 0.0),
        }
    }
}

/// Mean absolute value over the channels of one token's `[3, H, W]`.
fn magnitude(signed: &[f32], pixels: usize) -> impl Iterator<Item = f32> + '_ {
    (0..pixels).map(move |pixel| {
        let channel = |channel: usize| {
            signed
                .get(channel * pixels + pixel)
                .map_or(0.0, |value| value.abs())
        };
        (0..CHANNELS).map(channel).sum::<f32>() / CHANNELS as f32
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two tokens on 4 x 2 pixels: one acts on a single pixel, one evenly.
    fn maps() -> InfluenceMaps {
        let mut signed = vec![0.0; 2 * CHANNELS * 8];
        for channel in 0..CHANNELS {
            signed[channel * 8 + 5] = -0.4;
        }
        signed[CHANNELS * 8..].fill(0.2);
        InfluenceMaps::new(4, 2, signed).unwrap()
    }

    #[test]
    fn the_even_token_comes_first_and_the_spot_is_located() {
        let ranking = maps().ranking();
        assert_eq!([ranking[0].token, ranking[1].token], [1, 0]);
        let (even, spot) = (ranking[0], ranking[1]);
        assert!((even.spread - 1.0).abs() < 1e-6 && (spot.spread - 0.125).abs() < 1e-6);
        assert!((even.mean_change - 0.2 * STEPS).abs() < 1e-4);
        assert!((spot.mean_change - 0.05 * STEPS).abs() < 1e-4);
        assert!((spot.largest_change - 0.4 * STEPS).abs() < 1e-4);
        assert_eq!((spot.centre_x, spot.centre_y), (1.5, 1.5));
        assert_eq!((even.centre_x.round(), even.centre_y.round()), (2.0, 1.0));
        assert!((even.share + spot.share - 1.0).abs() < 1e-12 && (even.share - 0.8).abs() < 1e-6);
    }

    #[test]
    fn a_mask_counts_its_own_pixels_alone() {
        let mut weights = vec![0.0; 8];
        weights[5] = 1.0;
        weights[6] = 0.5;
        let mask = Mask::new(4, 2, weights).unwrap();
        let ranking = maps().ranking_within(&mask).unwrap();
        assert_eq!([ranking[0].token, ranking[1].token], [0, 1]);
        assert!((ranking[0].mean_change - 0.4 / 1.5 * STEPS).abs() < 1e-4);
        assert!((ranking[1].mean_change - 0.2 * STEPS).abs() < 1e-4);
        assert!((ranking[1].centre_x - (1.5 + 0.5 * 2.5) / 1.5).abs() < 1e-6);
        assert!(
            maps()
                .ranking_within(&Mask::new(2, 4, vec![1.0; 8]).unwrap())
                .is_none()
        );
    }

    #[test]
    fn magnitudes_average_the_channels_without_sign() {
        let maps = maps();
        let magnitudes = maps.magnitudes();
        assert_eq!(magnitudes.len(), 2 * 8);
        assert!((magnitudes[5] - 0.4).abs() < 1e-6 && magnitudes[4] == 0.0);
        assert!(magnitudes[8..].iter().all(|value| (value - 0.2).abs() < 1e-6));
        assert_eq!((maps.token_count(), maps.width(), maps.height()), (2, 4, 2));
    }

    #[test]
    fn a_token_without_influence_has_finite_figures() {
        let maps = InfluenceMaps::new(2, 2, vec![0.0; CHANNELS * 4]).unwrap();
        let [dead] = maps.ranking()[..] else {
            panic!("one token")
        };
        assert_eq!((dead.mean_change, dead.share, dead.spread), (0.0, 0.0, 0.0));
        assert_eq!((dead.centre_x, dead.centre_y), (1.0, 1.0));
    }

    #[test]
    fn lengths_that_are_no_pictures_are_refused() {
        assert!(InfluenceMaps::new(2, 2, vec![0.0; 13]).is_none());
        assert!(InfluenceMaps::new(0, 2, vec![]).is_none());
    }
}
