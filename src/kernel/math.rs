//! Functions of single values that the compiler turns into vector instructions: no calls into libm, sums in lanes.

use super::PANEL;

/// Partial sums side by side, so that additions do not wait for each other.
const LANES: usize = 16;

/// Sum of `term` over all values, in lanes.
#[inline(always)]
pub(crate) fn sum(values: &[f32], term: impl Fn(f32) -> f32) -> f32 {
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut lanes = [0.0_f32; LANES];
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += term(*value);
        }
    }
    lanes.iter().sum::<f32>() + rest.iter().map(|value| term(*value)).sum::<f32>()
}

/// All lanes of a panel brought together by `join`, halves with each other first.
#[inline(always)]
pub(crate) fn in_halves(lanes: &[f32; PANEL], join: impl Fn(f32, f32) -> f32) -> f32 {
    #[inline(always)]
    fn half<const N: usize>(lanes: &[f32], join: &impl Fn(f32, f32) -> f32) -> [f32; N] {
        std::array::from_fn(|lane| join(lanes[lane], lanes[lane + N]))
    }
    let lanes = half::<16>(lanes, &join);
    let lanes = half::<8>(&lanes, &join);
    let lanes = half::<4>(&lanes, &join);
    let lanes = half::<2>(&lanes, &join);
    join(lanes[0], lanes[1])
}

/// The lower of two, the second where the first is no number.
#[inline(always)]
pub(crate) fn lower(x: f32, y: f32) -> f32 {
    if x < y { x } else { y }
}

/// The higher of two, the second where the first is no number.
#[inline(always)]
pub(crate) fn higher(x: f32, y: f32) -> f32 {
    if x > y { x } else { y }
}

#[inline(always)]
pub(crate) fn largest(values: &[f32]) -> f32 {
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut lanes = [f32::NEG_INFINITY; LANES];
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane = if *value > *lane { *value } else { *lane };
        }
    }
    lanes
        .iter()
        .chain(rest)
        .fold(f32::NEG_INFINITY, |largest, value| largest.max(*value))
}

/// e^x for x up to 0, within 2 units in the last place; below -87 it stays at e^-87 (1.6e-38). NaN stays NaN.
#[inline(always)]
pub(crate) fn exp_of_negative(x: f32) -> f32 {
    let (r, two_to_power) = split_exponent(x);
    // e^r = 1 + r + r^2/2! + ... + r^7/7!, |r| up to ln(2)/2
    let series = 1.0 / 5040.0;
    let series = series * r + 1.0 / 720.0;
    let series = series * r + 1.0 / 120.0;
    two_to_power * exp_from_fourth(r, series * r + 1.0 / 24.0)
}

/// As [`exp_of_negative`], within 6e-5 of it: for what is rounded to bf16.
#[inline(always)]
pub(crate) fn coarse_exp_of_negative(x: f32) -> f32 {
    let (r, two_to_power) = split_exponent(x);
    two_to_power * exp_from_fourth(r, 1.0 / 24.0)
}

/// x as ln(2) times an integer and a rest: the rest, and 2 to that integer.
#[inline(always)]
fn split_exponent(x: f32) -> (f32, f32) {
    const LOWEST: f32 = -87.0;
    /// 1.5 * 2^23: adding it rounds to the nearest integer, which the low bits then hold.
    const ROUNDER: f32 = 12_582_912.0;
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let x = if x < LOWEST { LOWEST } else { x };
    let shifted = x * std::f32::consts::LOG2_E + ROUNDER;
    let power = shifted - ROUNDER;
    let r = x - power * LN_2_HIGH - power * LN_2_LOW;
    // 2^power: the integer goes to the exponent's place.
    let two_to_power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(1.0_f32.to_bits()));
    (r, two_to_power)
}

/// 1 + r + r^2/2! + r^3/3! + r^4 times what is left.
#[inline(always)]
fn exp_from_fourth(r: f32, rest: f32) -> f32 {
    let series = rest * r + 1.0 / 6.0;
    let series = series * r + 0.5;
    (series * r + 1.0) * r + 1.0
}

/// x/2 (1 + erf(x / sqrt 2)).
#[inline(always)]
pub(crate) fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2))
}

/// The exact GELU and its derivative, Phi(x) + x phi(x).
#[inline(always)]
pub(crate) fn gelu_and_slope(x: f32) -> (f32, f32) {
    /// 1 / sqrt(2 pi)
    const DENSITY: f32 = 0.398_942_3;
    let share = 0.5 * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2));
    (x * share, share + x * DENSITY * exp_of_negative(-0.5 * x * x))
}

/// GELU by the tangens hyperbolicus.
#[inline(always)]
pub(crate) fn gelu_tanh(x: f32) -> f32 {
    gelu_tanh_and_slope(x).0
}

/// GELU by the tangens hyperbolicus, 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), and its derivative.
#[inline(always)]
pub(crate) fn gelu_tanh_and_slope(x: f32) -> (f32, f32) {
    /// sqrt(2 / pi)
    const RATE: f32 = 0.797_884_6;
    const CUBE: f32 = 0.044_715;
    let inner = RATE * x * (1.0 + CUBE * x * x);
    let decayed = exp_of_negative(-2.0 * inner.abs());
    let tanh = ((1.0 - decayed) / (1.0 + decayed)).copysign(inner);
    let share = 0.5 * (1.0 + tanh);
    let inner_slope = RATE * (1.0 + 3.0 * CUBE * x * x);
    (x * share, share + 0.5 * x * (1.0 - tanh * tanh) * inner_slope)
}

/// The error function, absolute error below 5e-7: a quotient of polynomials in x^2 on -4..4 (the approximation that
/// Eigen and TensorFlow use).
#[inline(always)]
fn erf(x: f32) -> f32 {
    let x = if x < -4.0 { -4.0 } else { x };
    let x = if x > 4.0 { 4.0 } else { x };
    let square = x * x;
    let top = -2.726_142_3e-10;
    let top = top * square + 2.770_681_4e-8;
    let top = top * square - 2.101_024e-6;
    let top = top * square - 5.692_506_4e-5;
    let top = top * square - 7.349_906e-4;
    let top = top * square - 2.954_6e-3;
    let top = top * square - 1.609_603_3e-2;
    let bottom = -1.456_607_2e-5;
    let bottom = bottom * square - 2.133_740_6e-4;
    let bottom = bottom * square - 1.682_827e-3;
    let bottom = bottom * square - 7.373_329_4e-3;
    let bottom = bottom * square - 1.426_473_9e-2;
    x * top / bottom
}

/// The nearest bfloat16, ties to even, as its bits. NaN stays NaN.
#[inline(always)]
pub(crate) fn bf16_bits(x: f32) -> u16 {
    /// A bit of the mantissa that makes a NaN of an infinity.
    const QUIET: u32 = 0x0040_0000;
    let bits = x.to_bits();
    let is_nan = bits & 0x7fff_ffff > 0x7f80_0000;
    let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1));
    ((if is_nan { bits | QUIET } else { rounded }) >> 16) as u16
}

/// As [`bf16_bits`], ties away from 0, for what is a number.
#[inline(always)]
pub(crate) fn bf16_bits_of_number(x: f32) -> u16 {
    (x.to_bits().wrapping_add(0x8000) >> 16) as u16
}

/// The value of a bfloat16's bits.
#[inline(always)]
pub(crate) fn bf16_value(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// Both values of a word, the low one first.
#[inline(always)]
pub(crate) fn bf16_pair(word: u32) -> (f32, f32) {
    (f32::from_bits(word << 16), f32::from_bits(word & 0xffff_0000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponential_is_close_over_its_range() {
        for step in 0..=87_000 {
            let x = -(step as f32) / 1000.0;
            let expected = f64::from(x).exp();
            let error = (f64::from(exp_of_negative(x)) - expected).abs() / expected;
            assert!(error < 3e-7, "e^{x} is off by {error:e}");
            let error = (f64::from(coarse_exp_of_negative(x)) - expected).abs() / expected;
            assert!(error < 6e-5, "the coarse e^{x} is off by {error:e}");
        }
        assert!(exp_of_negative(-1e30) < 2e-38);
        assert!(exp_of_negative(f32::NAN).is_nan());
    }

    #[test]
    fn gelu_by_tanh_has_its_own_slope() {
        for step in -9_000..9_000 {
            let x = f64::from(step) / 1000.0;
            let gelu = |x: f64| 0.5 * x * (1.0 + (0.797_884_560_8 * (x + 0.044715 * x.powi(3))).tanh());
            let slope = (gelu(x + 1e-5) - gelu(x - 1e-5)) / 2e-5;
            let (found, found_slope) = gelu_tanh_and_slope(x as f32);
            assert!((f64::from(found) - gelu(x)).abs() < 2e-6, "GELU at {x}: {found}");
            assert!(
                (f64::from(found_slope) - slope).abs() < 2e-6,
                "slope at {x}: {found_slope}"
            );
        }
        assert!(gelu_tanh_and_slope(f32::NAN).0.is_nan());
    }

    #[test]
    fn bf16_is_rounded_as_the_half_crate_does() {
        for seed in 0..200_000_u32 {
            let bits = seed.wrapping_mul(2_654_435_761);
            let (x, expected) = (f32::from_bits(bits), half::bf16::from_f32(f32::from_bits(bits)));
            let found = bf16_value(bf16_bits(x));
            assert!(
                found.to_bits() == expected.to_f32().to_bits() || (x.is_nan() && found.is_nan()),
                "{x} became {found}, not {expected}"
            );
            if x.is_finite() {
                let found = bf16_value(bf16_bits_of_number(x));
                let (error, least) = ((found - x).abs(), (expected.to_f32() - x).abs());
                assert!(error == least, "{x} became {found}, not {expected}");
            }
        }
        assert_eq!(bf16_pair(0x3f80_4000), (2.0, 1.0));
    }
}
