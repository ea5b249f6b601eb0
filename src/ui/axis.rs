//! Round marks along an axis.

use egui_plot::{GridInput, GridMark};

/// Marks of an axis, at most.
const MOST_MARKS: f64 = 6.0;

/// A handful of marks at multiples of 1, 2 or 5 times a power of ten.
pub(super) fn even_marks(input: &GridInput) -> Vec<GridMark> {
    let (low, high) = input.bounds;
    let rough = (high - low) / MOST_MARKS;
    if !(rough.is_finite() && rough > 0.0) {
        return Vec::new();
    }
    let power = 10.0_f64.powf(rough.log10().floor());
    let digit = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .find(|digit| digit * power >= rough);
    let step_size = digit.unwrap_or(10.0) * power;
    let places = (low / step_size).ceil() as i64..=(high / step_size).floor() as i64;
    places
        .map(|place| GridMark {
            value: place as f64 * step_size,
            step_size,
        })
        .collect()
}

/// A value at a mark, with the figures after the point that its steps have.
pub(super) fn mark_text(mark: GridMark) -> String {
    let decimals = (-mark.step_size.log10().floor()).clamp(0.0, 6.0) as usize;
    format!("{:.decimals$}", mark.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_have_a_handful_of_round_marks() {
        let values = |marks: Vec<GridMark>| -> Vec<f64> { marks.iter().map(|mark| mark.value).collect() };
        let input = |low, high| GridInput {
            bounds: (low, high),
            base_step_size: 0.1,
        };
        let marks = values(even_marks(&input(13.2, 24.1)));
        assert_eq!(marks, [14.0, 16.0, 18.0, 20.0, 22.0, 24.0]);
        let marks = values(even_marks(&input(0.0, 260.0)));
        assert_eq!(marks, [0.0, 50.0, 100.0, 150.0, 200.0, 250.0]);
        assert!(even_marks(&input(1.0, 1.0)).is_empty());
    }

    #[test]
    fn marks_have_the_figures_of_their_steps() {
        let text = |value, step_size| mark_text(GridMark { value, step_size });
        assert_eq!(text(6.75, 0.05), "6.75");
        assert_eq!(text(6.0, 0.5), "6.0");
        assert_eq!(text(200.0, 50.0), "200");
    }
}
