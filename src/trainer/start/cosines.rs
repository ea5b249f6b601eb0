//! Patches as cosines: which of a patch's frequencies carry most in the pictures at hand.

use crate::picture::Planar;
use std::f64::consts::FRAC_1_SQRT_2;

/// Grey and the two differences of colours, orthonormal.
const COLOURS: [[f64; 3]; 3] = [
    [0.577_350_269, 0.577_350_269, 0.577_350_269],
    [FRAC_1_SQRT_2, 0.0, -FRAC_1_SQRT_2],
    [0.408_248_290, -0.816_496_581, 0.408_248_290],
];

/// The cosines of a patch, strongest first.
#[derive(Debug, Clone)]
pub(super) struct PatchCosines {
    patch: usize,
    /// Colour, vertical and horizontal frequency, and the deviation in the pictures.
    waves: Vec<Wave>,
}

#[derive(Debug, Clone, Copy)]
struct Wave {
    colour: usize,
    down: usize,
    across: usize,
    deviation: f64,
}

impl PatchCosines {
    /// Measures pictures whose sides are multiples of `patch`.
    pub(super) fn measure(pictures: &[Planar], patch: usize) -> Self {
        let table = cosine_table(patch);
        let mut squares = vec![0.0; 3 * patch * patch];
        let mut count = 0.0_f64;
        for picture in pictures {
            let (width, height) = (picture.width as usize, picture.height as usize);
            for top in (0..height).step_by(patch) {
                for left in (0..width).step_by(patch) {
                    let pixel = |channel: usize, y: usize, x: usize| {
                        let place = (channel * height + top + y) * width + left + x;
                        f64::from(picture.data.get(place).copied().unwrap_or_default())
                    };
                    add_squares(&mut squares, &table, patch, pixel);
                    count += 1.0;
                }
            }
        }
        let mut waves: Vec<Wave> = squares
            .iter()
            .enumerate()
            .map(|(place, sum)| Wave {
                colour: place / (patch * patch),
                down: place / patch % patch,
                across: place % patch,
                deviation: (sum / count.max(1.0)).sqrt(),
            })
            .collect();
        waves.sort_by(|a, b| b.deviation.total_cmp(&a.deviation));
        Self { patch, waves }
    }

    fn value(&self, wave: Wave, table: &[f64], channel: usize, y: usize, x: usize) -> f64 {
        let cosine = |frequency: usize, place: usize| {
            table
                .get(frequency * self.patch + place)
                .copied()
                .unwrap_or_default()
        };
        let colour = COLOURS.get(wave.colour).and_then(|colours| colours.get(channel));
        colour.copied().unwrap_or_default() * cosine(wave.down, y) * cosine(wave.across, x)
    }

    /// What each of the first `width` waves is multiplied by when it is read, so that their root mean square is `scale`;
    /// `evenness` holds strong waves back: 0 not at all, 1 to the strength of the weakest.
    fn reading_gains(&self, width: usize, scale: f64, evenness: f64) -> Vec<f64> {
        let waves = self.waves.iter().take(width);
        // Below this a wave is hardly in the pictures and would be noise.
        let held: Vec<f64> = waves.map(|wave| wave.deviation.max(1e-3)).collect();
        let squares: f64 = held.iter().map(|value| value.powf(2.0 - 2.0 * evenness)).sum();
        let size = scale / (squares / held.len().max(1) as f64).sqrt();
        held.iter().map(|value| size * value.powf(-evenness)).collect()
    }

    /// [width, 3, patch, patch]: row i reads wave i. See [`Self::reading_gains`].
    pub(super) fn reading(&self, width: usize, scale: f64, evenness: f64) -> Vec<f32> {
        let table = cosine_table(self.patch);
        let gains = self.reading_gains(width, scale, evenness);
        let patch = self.patch;
        let mut values = vec![0.0; width * 3 * patch * patch];
        let rows = values.chunks_exact_mut(3 * patch * patch);
        for (row, (wave, gain)) in rows.zip(self.waves.iter().zip(gains)) {
            for (place, value) in row.iter_mut().enumerate() {
                let (channel, y, x) = (place / (patch * patch), place / patch % patch, place % patch);
                *value = (gain * self.value(*wave, &table, channel, y, x)) as f32;
            }
        }
        values
    }

    /// [patch x patch x 3, width], rows ordered (row, column, channel): column i paints wave i, `scale` of its usual
    /// strength for each unit.
    pub(super) fn painting(&self, width: usize, scale: f64) -> Vec<f32> {
        let table = cosine_table(self.patch);
        let patch = self.patch;
        let mut values = Vec::with_capacity(3 * patch * patch * width);
        for place in 0..3 * patch * patch {
            let (y, x, channel) = (place / (3 * patch), place / 3 % patch, place % 3);
            for index in 0..width {
                let value = self.waves.get(index).map_or(0.0, |wave| {
                    scale * wave.deviation * self.value(*wave, &table, channel, y, x)
                });
                values.push(value as f32);
            }
        }
        values
    }
}

/// Orthonormal cosines [frequency, place].
fn cosine_table(patch: usize) -> Vec<f64> {
    let size = patch as f64;
    (0..patch * patch)
        .map(|index| {
            let (frequency, place) = ((index / patch) as f64, (index % patch) as f64);
            let height = if index < patch { 1.0 } else { 2.0 } / size;
            height.sqrt() * (std::f64::consts::PI * frequency * (place + 0.5) / size).cos()
        })
        .collect()
}

/// Adds the squared strength of every wave of one patch.
fn add_squares(squares: &mut [f64], table: &[f64], patch: usize, pixel: impl Fn(usize, usize, usize) -> f64) {
    for (colour, squares) in COLOURS.iter().zip(squares.chunks_exact_mut(patch * patch)) {
        let mut plane = Vec::with_capacity(patch * patch);
        for place in 0..patch * patch {
            let (y, x) = (place / patch, place % patch);
            let value: f64 = (0..3)
                .zip(colour)
                .map(|(channel, share)| share * pixel(channel, y, x))
                .sum();
            plane.push(value);
        }
        let across = times_transposed(&plane, table, patch);
        let both = times_transposed(&transposed(&across, patch), table, patch);
        // [across, down]
        for (place, value) in both.iter().enumerate() {
            if let Some(sum) = squares.get_mut(place % patch * patch + place / patch) {
                *sum += value * value;
            }
        }
    }
}

/// Each row of `values` against each row of `table`.
fn times_transposed(values: &[f64], table: &[f64], side: usize) -> Vec<f64> {
    let rows = values.chunks_exact(side);
    rows.flat_map(|row| {
        table
            .chunks_exact(side)
            .map(|wave| row.iter().zip(wave).map(|(a, b)| a * b).sum())
    })
    .collect()
}

fn transposed(values: &[f64], side: usize) -> Vec<f64> {
    (0..values.len())
        .map(|place| {
            values
                .get(place % side * side + place / side)
                .copied()
                .unwrap_or_default()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_then_painting_gives_a_smooth_patch_back() {
        let patch = 8;
        let ramp = |slope: f32| Planar {
            width: 8,
            height: 8,
            data: (0..192)
                .map(|place| slope * (place % 8) as f32 / 8.0 - 0.3)
                .collect(),
        };
        let pictures = [ramp(0.5), ramp(-0.2), ramp(0.9)];
        let cosines = PatchCosines::measure(&pictures, patch);
        let (width, scale, evenness) = (32, 0.5, 0.75);
        let (reading, painting) = (
            cosines.reading(width, scale, evenness),
            cosines.painting(width, 0.3),
        );
        let picture = &pictures[0];
        let token: Vec<f32> = reading
            .chunks(192)
            .map(|row| row.iter().zip(&picture.data).map(|(a, b)| a * b).sum())
            .collect();
        // Undo both gains, wave by wave.
        let gains = cosines.reading_gains(width, scale, evenness);
        let strength: Vec<f64> = cosines.waves[..width]
            .iter()
            .zip(token.iter().zip(&gains))
            .map(|(wave, (value, reading_gain))| {
                let painting_gain = (0.3 * wave.deviation).max(1e-12);
                f64::from(*value) / reading_gain / painting_gain
            })
            .collect();
        for (place, row) in painting.chunks(width).enumerate() {
            let painted: f64 = row.iter().zip(&strength).map(|(a, b)| f64::from(*a) * b).sum();
            let (y, x, channel) = (place / 24, place / 3 % 8, place % 3);
            let expected = f64::from(picture.data[channel * 64 + y * 8 + x]);
            assert!((painted - expected).abs() < 1e-3, "{painted} for {expected}");
        }
    }
}
