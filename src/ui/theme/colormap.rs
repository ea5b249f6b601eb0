//! The three colour scales of the window. The same quantity has the same colours everywhere.

use egui::Color32;

/// Equal steps of OKLab distance (0.075 each), lightness rising from 0.20 to 0.93, hue from violet over teal to
/// yellow: readable without colour vision and in print.
const MAGNITUDE: [[u8; 3]; 13] = [
    [34, 0, 58],
    [39, 2, 97],
    [29, 22, 131],
    [8, 55, 135],
    [2, 81, 130],
    [1, 106, 136],
    [6, 131, 143],
    [3, 156, 148],
    [4, 180, 143],
    [86, 199, 132],
    [137, 216, 111],
    [196, 227, 99],
    [248, 237, 96],
];

/// Blue for negative, red for positive, both falling in OKLab lightness by the same steps from a light neutral.
const SIGNED: [[u8; 3]; 11] = [
    [1, 70, 140],
    [45, 104, 175],
    [92, 138, 196],
    [138, 172, 215],
    [186, 205, 231],
    [238, 238, 238],
    [232, 194, 183],
    [216, 151, 134],
    [195, 108, 89],
    [171, 62, 44],
    [137, 9, 1],
];

/// Okabe and Ito's set (2008) without black, grey last; brighter ones first, for they read on both themes.
const SEGMENTS: [[u8; 3]; 8] = [
    [86, 180, 233],
    [230, 159, 0],
    [0, 158, 115],
    [204, 121, 167],
    [213, 94, 0],
    [0, 114, 178],
    [240, 228, 66],
    [153, 153, 153],
];

/// The colour at `t` in 0..=1 between the entries of `table`; outside and NaN clamp to the ends.
fn interpolate(table: &[[u8; 3]], t: f32) -> Color32 {
    let last = table.len().saturating_sub(1);
    let position = if t.is_nan() { 0.0 } else { t.clamp(0.0, 1.0) } * last as f32;
    let below = (position as usize).min(last.saturating_sub(1));
    let fraction = position - below as f32;
    let (Some(a), Some(b)) = (table.get(below), table.get((below + 1).min(last))) else {
        return Color32::TRANSPARENT;
    };
    let [r, g, b] = [0, 1, 2]
        .map(|channel| egui::lerp(f32::from(a[channel])..=f32::from(b[channel]), fraction).round() as u8);
    Color32::from_rgb(r, g, b)
}

/// Perceptually even map for magnitudes, `t` in 0..1 (clamped; NaN is 0).
pub fn magnitude(t: f32) -> Color32 {
    interpolate(&MAGNITUDE, t)
}

/// Diverging map for signed values, `t` in -1..1 (clamped; NaN is 0), neutral at 0.
pub fn signed(t: f32) -> Color32 {
    let t = if t.is_nan() { 0.0 } else { t };
    interpolate(&SIGNED, 0.5 + 0.5 * t)
}

/// Colour-blind-safe colour of a codebook segment; repeats after eight.
pub fn segment(segment: usize) -> Color32 {
    let [r, g, b] = SEGMENTS[segment % SEGMENTS.len()];
    Color32::from_rgb(r, g, b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn luminance(colour: Color32) -> f32 {
        let linear = egui::Rgba::from(colour);
        0.2126 * linear.r() + 0.7152 * linear.g() + 0.0722 * linear.b()
    }

    #[test]
    fn magnitude_gets_lighter_all_the_way() {
        let steps: Vec<f32> = (0..=64).map(|i| luminance(magnitude(i as f32 / 64.0))).collect();
        assert!(steps.windows(2).all(|pair| pair[0] < pair[1]), "{steps:?}");
    }

    #[test]
    fn signed_is_neutral_at_zero_and_symmetric_in_lightness() {
        let zero = signed(0.0);
        assert!(zero.r() == zero.g() && zero.g() == zero.b());
        for t in [0.2, 0.5, 1.0] {
            assert!(signed(-t).b() > signed(-t).r() && signed(t).r() > signed(t).b());
            let (negative, positive) = (luminance(signed(-t)).cbrt(), luminance(signed(t)).cbrt());
            assert!((negative - positive).abs() < 0.08, "{t}: {negative} {positive}");
        }
    }

    #[test]
    fn out_of_range_values_clamp() {
        assert_eq!(magnitude(-3.0), magnitude(0.0));
        assert_eq!(magnitude(f32::INFINITY), magnitude(1.0));
        assert_eq!(magnitude(f32::NAN), magnitude(0.0));
        assert_eq!(signed(f32::NAN), signed(0.0));
        assert_eq!(signed(9.0), signed(1.0));
        assert_eq!(segment(8), segment(0));
    }
}
