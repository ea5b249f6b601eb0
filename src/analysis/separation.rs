//! Directions between two kinds of pictures.

use super::draw::shuffled;
use super::share::{Hits, area_under_curve};

/// How far a direction tells the two kinds apart on pictures that it was not made from.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Separation {
    /// Area under the ROC curve of the projections; 0.5 is chance.
    pub area: f64,
    /// Right answers where the midpoint between the two means is the border.
    pub hits: Hits,
}

/// The mean difference between two kinds of pictures.
#[derive(Debug, Clone, PartialEq)]
pub struct MeanDifference {
    /// L x D: mean of the first kind minus mean of the second, of the pictures that were not held out.
    pub vector: Vec<f32>,
    /// Standard deviation along the vector of the pictures the means are of, in lengths of the vector; 0 where both means
    /// are the same.
    pub deviation: f64,
    /// By the whole vector.
    pub whole: Separation,
    /// By the part of each token alone, in token order.
    pub tokens: Vec<Separation>,
    /// Pictures the means are of: of the first kind and of the second.
    pub used: (usize, usize),
    /// Pictures held out.
    pub held_out: (usize, usize),
}

/// The mean difference of the tokens of two kinds of pictures (L x D values each, D = `dim`), a share of each held out
/// by seed. `None` where a kind has under two pictures, lengths differ, or the share leaves nothing on one side.
pub fn mean_difference(
    first: &[Vec<f32>],
    second: &[Vec<f32>],
    dim: usize,
    held_out_share: f64,
    seed: u64,
) -> Option<MeanDifference> {
    let length = first.first()?.len();
    let is_even = first.iter().chain(second).all(|row| row.len() == length);
    if !is_even || dim == 0 || !length.is_multiple_of(dim) {
        return None;
    }
    let (first, held_first) = held_out(first, held_out_share, seed, 0)?;
    let (second, held_second) = held_out(second, held_out_share, seed, 1)?;
    let (mean_first, mean_second) = (mean(&first, length), mean(&second, length));
    let vector: Vec<f64> = mean_first.iter().zip(&mean_second).map(|(a, b)| a - b).collect();
    let middle: Vec<f64> = mean_first
        .iter()
        .zip(&mean_second)
        .map(|(a, b)| (a + b) / 2.0)
        .collect();
    let held: Vec<(&[f32], bool)> = held_first
        .iter()
        .map(|row| (row.as_slice(), true))
        .chain(held_second.iter().map(|row| (row.as_slice(), false)))
        .collect();
    let along = |range: std::ops::Range<usize>| {
        let score = |row: &[f32]| -> f64 {
            let places = range.clone();
            places
                .filter_map(|place| {
                    Some((f64::from(*row.get(place)?) - middle.get(place)?) * vector.get(place)?)
                })
                .sum()
        };
        let scores: Vec<f64> = held.iter().map(|(row, _)| score(row)).collect();
        let kinds: Vec<bool> = held.iter().map(|(_, kind)| *kind).collect();
        Some(Separation {
            area: area_under_curve(&scores, &kinds)?,
            hits: Hits::of(scores.iter().map(|score| *score > 0.0).zip(kinds.iter().copied())),
        })
    };
    Some(MeanDifference {
        deviation: deviation(first.iter().chain(&second), &vector, &middle),
        whole: along(0..length)?,
        tokens: (0..length / dim)
            .map(|token| along(token * dim..(token + 1) * dim))
            .collect::<Option<_>>()?,
        vector: vector.iter().map(|value| *value as f32).collect(),
        used: (first.len(), second.len()),
        held_out: (held_first.len(), held_second.len()),
    })
}

type Rows<'a> = Vec<&'a Vec<f32>>;

/// Rows to use and rows held out, both at least one.
fn held_out(rows: &[Vec<f32>], share: f64, seed: u64, stream: u64) -> Option<(Rows<'_>, Rows<'_>)> {
    let kept = ((rows.len() as f64 * share).round() as usize).clamp(1, rows.len().checked_sub(1)?.max(1));
    let order: Rows<'_> = shuffled(rows.len(), seed, stream)
        .into_iter()
        .filter_map(|index| rows.get(index))
        .collect();
    let (held, used) = order.split_at_checked(kept)?;
    (!used.is_empty()).then(|| (used.to_vec(), held.to_vec()))
}

/// Of the rows' places along `vector`, from `middle`, in lengths of the vector.
fn deviation<'a>(rows: impl Iterator<Item = &'a &'a Vec<f32>>, vector: &[f64], middle: &[f64]) -> f64 {
    let square: f64 = vector.iter().map(|value| value * value).sum();
    if square <= 0.0 {
        return 0.0;
    }
    let place = |row: &&Vec<f32>| -> f64 {
        let values = row.iter().zip(middle).zip(vector);
        values
            .map(|((value, middle), along)| (f64::from(*value) - middle) * along)
            .sum::<f64>()
            / square
    };
    let places: Vec<f64> = rows.map(place).collect();
    let count = places.len().max(1) as f64;
    let mean = places.iter().sum::<f64>() / count;
    let squares: f64 = places.iter().map(|place| (place - mean).powi(2)).sum();
    (squares / count).sqrt()
}

fn mean(rows: &[&Vec<f32>], length: usize) -> Vec<f64> {
    let mut mean = vec![0.0; length];
    for row in rows {
        for (sum, value) in mean.iter_mut().zip(row.iter()) {
            *sum += f64::from(*value) / rows.len() as f64;
        }
    }
    mean
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two tokens of two values; kinds differ in the second token alone, by (2, 0).
    fn rows(count: usize, shift: f32) -> Vec<Vec<f32>> {
        let noise = |index: usize| ((index * 7919 + 3) % 2003) as f32 / 2003.0 - 0.5;
        (0..count)
            .map(|index| {
                let mut row: Vec<f32> = (0..4).map(|place| noise(index * 4 + place)).collect();
                row[2] += shift;
                row
            })
            .collect()
    }

    #[test]
    fn the_token_that_differs_separates_and_the_other_does_not() {
        let found = mean_difference(&rows(60, 2.0), &rows(40, 0.0), 2, 0.3, 1).unwrap();
        assert_eq!((found.used, found.held_out), ((42, 28), (18, 12)));
        assert!((found.vector[2] - 2.0).abs() < 0.2 && found.vector[0].abs() < 0.2);
        assert_eq!((found.whole.area, found.tokens[1].area), (1.0, 1.0));
        assert_eq!(found.tokens[1].hits.share, 1.0);
        assert!((found.tokens[0].area - 0.5).abs() < 0.25);
        assert_eq!(found.whole.hits.tested, 30);
        // Two kinds one length of the vector apart, 42 and 28 pictures: sqrt(0.6 * 0.4) and the little within them.
        assert!(
            (found.deviation - 0.24_f64.sqrt()).abs() < 0.03,
            "{}",
            found.deviation
        );
    }

    #[test]
    fn the_held_out_are_not_in_the_mean() {
        let (first, second) = (rows(10, 1.0), rows(10, 0.0));
        let found = mean_difference(&first, &second, 2, 0.5, 3).unwrap();
        let (used_first, _) = held_out(&first, 0.5, 3, 0).unwrap();
        let (used_second, _) = held_out(&second, 0.5, 3, 1).unwrap();
        let difference = mean(&used_first, 4)[2] - mean(&used_second, 4)[2];
        assert!((f64::from(found.vector[2]) - difference).abs() < 1e-6);
    }

    #[test]
    fn too_few_or_uneven_pictures_give_nothing() {
        assert!(mean_difference(&rows(1, 0.0), &rows(5, 1.0), 2, 0.3, 1).is_none());
        assert!(mean_difference(&rows(5, 0.0), &[], 2, 0.3, 1).is_none());
        assert!(mean_difference(&rows(5, 0.0), &rows(5, 0.0), 3, 0.3, 1).is_none());
        assert!(mean_difference(&rows(5, 0.0), &vec![vec![0.0; 2]; 5], 2, 0.3, 1).is_none());
    }
}
