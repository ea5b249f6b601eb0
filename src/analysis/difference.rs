//! Pictures of the difference between two pictures.

use crate::picture::Rgb8;
use std::f64::consts::PI;

/// Absolute difference of two pictures in false colour, averaged over the channels and multiplied by `gain` (1 shows
/// the full range; higher brings out small differences). `None` when the sizes differ.
pub fn difference_map(a: &Rgb8, b: &Rgb8, gain: f32) -> Option<Rgb8> {
    let colours = heat_colours();
    per_pixel(a, b, |a, b| {
        let sum: u32 = a.iter().zip(b).map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
        // A cast from a float saturates, NaN becomes 0.
        let level = (sum as f32 / 3.0 * gain).round() as u8;
        colours.get(usize::from(level)).copied().unwrap_or_default()
    })
}

/// `b` - `a` per channel on mid grey, multiplied by `gain`: brighter than 128 where `b` is brighter. `None` when the
/// sizes differ.
pub fn signed_difference(a: &Rgb8, b: &Rgb8, gain: f32) -> Option<Rgb8> {
    per_pixel(a, b, |a, b| {
        let mut colour = [0; 3];
        for ((out, a), b) in colour.iter_mut().zip(a).zip(b) {
            *out = (128.0 + (f32::from(*b) - f32::from(*a)) / 2.0 * gain).round() as u8;
        }
        colour
    })
}

fn per_pixel(a: &Rgb8, b: &Rgb8, colour: impl Fn(&[u8; 3], &[u8; 3]) -> [u8; 3]) -> Option<Rgb8> {
    if (a.width(), a.height()) != (b.width(), b.height()) {
        return None;
    }
    let pixels = a.pixels().iter().zip(b.pixels()).flat_map(|(a, b)| colour(a, b));
    Rgb8::new(a.width(), a.height(), pixels.collect()).ok()
}

/// 256 colours from near black over violet, red and orange to pale yellow. Lightness rises evenly (in the Oklab space
/// of Björn Ottosson, 2020), so that equal steps look equal and the map also reads in grey.
pub fn heat_colours() -> [[u8; 3]; 256] {
    std::array::from_fn(|index| heat_colour(index as f64 / 255.0))
}

/// Colours that are told apart: equal lightness, hues a golden angle apart, in the same space.
pub fn category_colours(count: usize) -> Vec<[u8; 3]> {
    const GOLDEN_ANGLE_DEGREES: f64 = 137.507_764;
    let colour = |index: usize| {
        let hue = (30.0 + GOLDEN_ANGLE_DEGREES * index as f64).to_radians();
        oklab_to_srgb(0.62, 0.13 * hue.cos(), 0.13 * hue.sin())
    };
    (0..count).map(colour).collect()
}

/// `level` 0..1.
fn heat_colour(level: f64) -> [u8; 3] {
    let lightness = 0.12 + 0.84 * level;
    // Half a turn from blue violet; the chroma stays inside what a screen shows at each lightness.
    let hue = (285.0 + 180.0 * level).to_radians();
    let chroma = 0.05 + 0.12 * (PI * level).sin();
    oklab_to_srgb(lightness, chroma * hue.cos(), chroma * hue.sin())
}

fn oklab_to_srgb(lightness: f64, a: f64, b: f64) -> [u8; 3] {
    let long = (lightness + 0.396_337_777_4 * a + 0.215_803_757_3 * b).powi(3);
    let middle = (lightness - 0.105_561_345_8 * a - 0.063_854_172_8 * b).powi(3);
    let short = (lightness - 0.089_484_177_5 * a - 1.291_485_548 * b).powi(3);
    let linear = [
        4.076_741_662_1 * long - 3.307_711_591_3 * middle + 0.230_969_929_2 * short,
        -1.268_438_004_6 * long + 2.609_757_401_1 * middle - 0.341_319_396_5 * short,
        -0.004_196_086_3 * long - 0.703_418_614_7 * middle + 1.707_614_701 * short,
    ];
    linear.map(|value| (255.0 * srgb_transfer(value)).round() as u8)
}

fn srgb_transfer(linear: f64) -> f64 {
    if linear <= 0.003_130_8 {
        12.92 * linear
    } else {
        1.055 * linear.powf(1.0 / 2.4) - 0.055
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_map_rises_in_lightness() {
        let luminance = |colour: &[u8; 3]| {
            let [red, green, blue] = colour.map(f64::from);
            0.2126 * red.powf(2.2) + 0.7152 * green.powf(2.2) + 0.0722 * blue.powf(2.2)
        };
        let colours = heat_colours();
        // Rounding to bytes may stand still for one step, never for four.
        assert!(
            colours
                .windows(5)
                .all(|run| luminance(&run[0]) < luminance(&run[4]))
        );
        assert!(colours[0].iter().all(|byte| *byte < 40) && colours[255][0] > 230);
    }

    #[test]
    fn equal_pictures_are_dark_and_gain_brings_out_little() {
        let a = Rgb8::filled(4, 3, [100; 3]);
        let b = Rgb8::filled(4, 3, [110; 3]);
        let colours = heat_colours();
        assert_eq!(difference_map(&a, &a, 8.0).unwrap().pixel(0, 0), Some(colours[0]));
        assert_eq!(
            difference_map(&a, &b, 1.0).unwrap().pixel(3, 2),
            Some(colours[10])
        );
        assert_eq!(
            difference_map(&a, &b, 8.0).unwrap().pixel(3, 2),
            Some(colours[80])
        );
        assert!(difference_map(&a, &Rgb8::filled(3, 4, [0; 3]), 1.0).is_none());
    }

    #[test]
    fn signed_differences_stand_on_mid_grey() {
        let a = Rgb8::filled(2, 2, [10, 200, 50]);
        let b = Rgb8::filled(2, 2, [30, 0, 50]);
        assert_eq!(
            signed_difference(&a, &b, 1.0).unwrap().pixel(1, 1),
            Some([138, 28, 128])
        );
        assert_eq!(
            signed_difference(&a, &b, 4.0).unwrap().pixel(1, 1),
            Some([168, 0, 128])
        );
    }
}
