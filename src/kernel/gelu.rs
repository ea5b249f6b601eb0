//! GELU with its slope, for passes with a way back.

use super::isa::{Isa, vectorised};
use super::math::{gelu_and_slope, gelu_tanh_and_slope};

vectorised! {
    fn exact [] (isa, values: &mut [f32], slopes: &mut [f32]) {
        for (value, slope) in values.iter_mut().zip(slopes) {
            (*value, *slope) = gelu_and_slope(*value);
        }
    }
}

vectorised! {
    fn by_tanh [] (isa, values: &mut [f32], slopes: &mut [f32]) {
        for (value, slope) in values.iter_mut().zip(slopes) {
            (*value, *slope) = gelu_tanh_and_slope(*value);
        }
    }
}

/// Values become their exact GELU; gives back its slope at each.
pub(crate) fn gelu_slopes(isa: Isa, values: &mut [f32]) -> Vec<f32> {
    let mut slopes = vec![0.0; values.len()];
    exact(isa, values, &mut slopes);
    slopes
}

/// Values become their GELU by tanh; gives back its slope at each.
pub(crate) fn gelu_tanh_slopes(isa: Isa, values: &mut [f32]) -> Vec<f32> {
    let mut slopes = vec![0.0; values.len()];
    by_tanh(isa, values, &mut slopes);
    slopes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(single: impl Fn(f32) -> (f32, f32), whole: impl Fn(Isa, &mut [f32]) -> Vec<f32>) {
        let given: Vec<f32> = (-900..900).map(|index| index as f32 * 0.0117).collect();
        let expected: (Vec<f32>, Vec<f32>) = given.iter().map(|value| single(*value)).unzip();
        for isa in Isa::available() {
            let mut values = given.clone();
            let slopes = whole(isa, &mut values);
            assert_eq!((values, slopes), expected, "{isa:?}");
        }
    }

    #[test]
    fn every_instruction_set_gives_the_same_bits() {
        check(gelu_and_slope, gelu_slopes);
        check(gelu_tanh_and_slope, gelu_tanh_slopes);
    }
}
