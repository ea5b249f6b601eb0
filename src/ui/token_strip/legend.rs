//! From which value to which the colours of the strip run.

use std::ops::RangeInclusive;

/// The range of the unedited tokens while most tokens lie in it: an outlier takes the colour of the end, and the others
/// keep their contrast. Where most have left it, the range of all.
pub(super) fn colour_range(now: &[Option<f32>], original: &[Option<f32>]) -> RangeInclusive<f32> {
    let Some(before) = range_of(original) else {
        return range_of(now).unwrap_or(0.0..=1.0);
    };
    let (outside, count) = now.iter().flatten().fold((0, 0), |(outside, count), value| {
        (outside + usize::from(!before.contains(value)), count + 1)
    });
    if 2 * outside <= count {
        return before;
    }
    match range_of(now) {
        Some(now) => before.start().min(*now.start())..=before.end().max(*now.end()),
        None => before,
    }
}

/// From 0 to the largest value, and at least to `least`.
pub(super) fn range_from_zero(now: &[Option<f32>], least: f32) -> RangeInclusive<f32> {
    let largest = range_of(now).map_or(least, |range| range.end().max(least));
    0.0..=largest
}

fn range_of(values: &[Option<f32>]) -> Option<RangeInclusive<f32>> {
    let finite = values.iter().flatten().copied().filter(|value| value.is_finite());
    finite.fold(None, |range, value| {
        let (low, high) = range.map_or((value, value), RangeInclusive::into_inner);
        Some(value.min(low)..=value.max(high))
    })
}

/// The ends of a legend in words, marked where a token lies beyond them.
pub(super) fn end_texts(range: &RangeInclusive<f32>, now: &[Option<f32>], unit: &str) -> [String; 2] {
    let (low, high) = (*range.start(), *range.end());
    let any = |is_beyond: &dyn Fn(f32) -> bool| now.iter().flatten().any(|&value| is_beyond(value));
    let below = if any(&|value| value < low) { "< " } else { "" };
    let above = if any(&|value| value > high) { "> " } else { "" };
    [
        format!("{below}{}", short(low)),
        format!("{above}{} {unit}", short(high)).trim_end().to_owned(),
    ]
}

/// A figure as short as it stays readable.
fn short(value: f32) -> String {
    match value.abs() {
        magnitude if magnitude == 0.0 || magnitude >= 100.0 => format!("{value:.0}"),
        magnitude if magnitude >= 10.0 => format!("{value:.1}"),
        magnitude if magnitude >= 0.1 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGINAL: [Option<f32>; 4] = [Some(5.0), Some(5.2), Some(5.4), Some(5.1)];

    #[test]
    fn an_outlier_leaves_the_contrast_of_the_others() {
        let now = [Some(1.0), Some(5.2), Some(5.4), None];
        let range = colour_range(&now, &ORIGINAL);
        assert_eq!(range, 5.0..=5.4);
        assert_eq!(end_texts(&range, &now, "nats"), ["< 5.00", "5.40 nats"]);
    }

    #[test]
    fn most_tokens_outside_widen_the_range() {
        let now = [Some(1.0), Some(6.0), Some(0.5), Some(5.1)];
        let range = colour_range(&now, &ORIGINAL);
        assert_eq!(range, 0.5..=6.0);
        assert_eq!(end_texts(&range, &now, ""), ["0.50", "6.00"]);
    }

    #[test]
    fn tokens_without_the_figure_have_a_range_all_the_same() {
        assert_eq!(colour_range(&[None, None], &[None, None]), 0.0..=1.0);
        assert_eq!(colour_range(&[Some(2.0), None], &[None, None]), 2.0..=2.0);
        assert_eq!(colour_range(&[None; 4], &ORIGINAL), 5.0..=5.4);
        assert_eq!(range_from_zero(&[None, Some(f32::NAN)], 1.0), 0.0..=1.0);
        assert_eq!(range_from_zero(&[Some(3.0)], 1.0), 0.0..=3.0);
    }
}
