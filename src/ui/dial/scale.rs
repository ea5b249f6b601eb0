//! How a number lies along a dial, and which numbers it snaps to.

use std::ops::RangeInclusive;

/// How a value lies along the widget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Axis {
    #[default]
    Linear,
    /// Small values get more room, and zero is still on it.
    SquareRoot,
    /// The range must lie above zero.
    Logarithmic,
}

impl Axis {
    /// Position 0..1 of `value` in `range`.
    pub(crate) fn position(self, value: f32, range: &RangeInclusive<f32>) -> f32 {
        let (low, high) = (self.bend(*range.start()), self.bend(*range.end()));
        if high <= low {
            return 0.0;
        }
        ((self.bend(value) - low) / (high - low)).clamp(0.0, 1.0)
    }

    /// The value at position 0..1 of `range`; beyond the ends it stays at them.
    pub(crate) fn value(self, position: f32, range: &RangeInclusive<f32>) -> f32 {
        if position <= 0.0 {
            return *range.start();
        }
        if position >= 1.0 {
            return *range.end();
        }
        let (low, high) = (self.bend(*range.start()), self.bend(*range.end()));
        let bent = low + position * (high - low);
        match self {
            Self::Linear => bent,
            Self::SquareRoot => bent * bent,
            Self::Logarithmic => bent.exp(),
        }
    }

    fn bend(self, value: f32) -> f32 {
        match self {
            Self::Linear => value,
            Self::SquareRoot => value.max(0.0).sqrt(),
            Self::Logarithmic => value.max(f32::MIN_POSITIVE).ln(),
        }
    }
}

/// What Ctrl snaps to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Snap {
    /// Multiples of this.
    Multiples(f32),
    /// 1, 2, 5, 10, 20, 50, ...
    OneTwoFive,
}

impl Snap {
    pub(crate) fn apply(self, value: f32) -> f32 {
        match self {
            Self::Multiples(step) => (value / step).round() * step,
            Self::OneTwoFive if value > 0.0 => {
                let decade = 10_f32.powf(value.log10().floor());
                [1.0, 2.0, 5.0, 10.0]
                    .map(|digit| digit * decade)
                    .into_iter()
                    .min_by(|a, b| {
                        (a.ln() - value.ln())
                            .abs()
                            .total_cmp(&(b.ln() - value.ln()).abs())
                    })
                    .unwrap_or(value)
            }
            Self::OneTwoFive => value,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn snapping_lands_on_round_numbers() {
        assert_eq!(Snap::Multiples(0.25).apply(0.6), 0.5);
        for (value, snapped) in [
            (0.07, 0.05),
            (0.08, 0.1),
            (1.3, 1.0),
            (0.0021, 0.002),
            (60.0, 50.0),
        ] {
            let got = Snap::OneTwoFive.apply(value);
            assert!(
                (got - snapped).abs() < 1e-6 * snapped.max(1.0),
                "{value} went to {got}, not {snapped}"
            );
        }
        assert_eq!(Snap::OneTwoFive.apply(0.0), 0.0);
    }

    #[test]
    fn the_ends_of_an_axis_are_exact() {
        for axis in [Axis::Linear, Axis::SquareRoot, Axis::Logarithmic] {
            let range = 0.002..=2.0;
            assert_eq!(axis.value(-0.3, &range), 0.002);
            assert_eq!(axis.value(1.7, &range), 2.0);
            assert_eq!(axis.position(5.0, &range), 1.0);
            assert_eq!(axis.position(-5.0, &range), 0.0);
        }
        assert_eq!(
            Axis::Linear.position(1.0, &(1.0..=1.0)),
            0.0,
            "an empty range is no division by zero"
        );
    }

    proptest! {
        #[test]
        fn value_and_position_are_inverse(position in 0.0_f32..=1.0) {
            for axis in [Axis::Linear, Axis::SquareRoot, Axis::Logarithmic] {
                let range = 0.002..=2.0;
                let value = axis.value(position, &range);
                prop_assert!(range.contains(&value));
                prop_assert!((axis.position(value, &range) - position).abs() < 1e-3);
            }
        }
    }
}
