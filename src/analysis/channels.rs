//! What each token adds to each channel, with its sign.

use super::InfluenceMaps;
use super::influence::STEPS;

/// Signed changes by channel.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelChanges {
    /// Mean over the pixels of what each token adds to red, green and blue, in steps of 8-bit values: above 0 where the
    /// token makes the channel brighter.
    pub means: Vec<[f64; 3]>,
    /// Largest absolute change of a channel of any pixel by any token, in steps of 8-bit values.
    pub largest: f64,
}

impl ChannelChanges {
    /// Of all tokens; values that are no numbers count nothing.
    pub fn of(maps: &InfluenceMaps) -> Self {
        let pixels = (maps.width() * maps.height()).max(1);
        let mut largest = 0.0_f32;
        let mut mean = |channel: &[f32]| {
            let sizes = channel.iter().map(|value| value.abs());
            largest = sizes.fold(largest, f32::max);
            let finite = channel.iter().filter(|value| value.is_finite());
            STEPS * finite.map(|value| f64::from(*value)).sum::<f64>() / pixels as f64
        };
        let tokens = maps.signed().chunks_exact(3 * pixels);
        let means = tokens.map(|token| {
            let mut means = [0.0; 3];
            for (slot, channel) in means.iter_mut().zip(token.chunks_exact(pixels)) {
                *slot = mean(channel);
            }
            means
        });
        Self {
            means: means.collect(),
            largest: STEPS * f64::from(largest),
        }
    }
}

impl InfluenceMaps {
    /// What a token adds to a channel (0..3), `[H, W]` in the network's units; `None` for one that is not there.
    pub fn channel(&self, token: usize, channel: usize) -> Option<&[f32]> {
        let pixels = self.width() * self.height();
        let start = (3 * token + channel) * pixels;
        self.signed().get(start..start + pixels).filter(|_| channel < 3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_and_channels_are_kept_apart() {
        let mut signed = vec![0.0; 2 * 3 * 4];
        signed[4..8].fill(-0.2);
        signed[12] = 0.4;
        signed[23] = f32::NAN;
        let maps = InfluenceMaps::new(2, 2, signed).unwrap();
        let changes = ChannelChanges::of(&maps);
        let expected = [[0.0, -0.2, 0.0], [0.1, 0.0, 0.0]];
        for (means, expected) in changes.means.iter().zip(expected) {
            for (mean, expected) in means.iter().zip(expected) {
                assert!((mean - STEPS * expected).abs() < 1e-4, "{changes:?}");
            }
        }
        assert!((changes.largest - 0.4 * STEPS).abs() < 1e-4);
        assert_eq!(maps.channel(1, 0), Some(&[0.4, 0.0, 0.0, 0.0][..]));
        assert_eq!((maps.channel(1, 3), maps.channel(2, 0)), (None, None));
    }
}
