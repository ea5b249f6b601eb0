//! Linear probes: what can be read off the tokens by a line.

use super::Watch;
use super::draw::shuffled;
use super::ridge::{Predictor, Ridge};
use super::share::{Hits, area_under_curve};
use rayon::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Strengths that are tried on the validation part.
const STRENGTHS: [f64; 7] = [1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0];
/// Shares of the examples: what is learned from, and with what the strength is chosen from.
const TRAIN: f64 = 0.6;
const TRAIN_AND_VALIDATION: f64 = 0.8;

/// Examples by what they are for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// Learned from: 60 %.
    pub train: Vec<usize>,
    /// The penalty is chosen on these: 20 %.
    pub validation: Vec<usize>,
    /// Figures are of these: 20 %.
    pub test: Vec<usize>,
}

impl Split {
    /// Splits 0..labels.len(), each label in the same shares as far as its examples go (one alone is learned from), by
    /// seed.
    pub fn stratified(labels: &[usize], seed: u64) -> Self {
        let groups = labels.iter().max().map_or(0, |largest| largest + 1);
        let mut split = Self {
            train: Vec::new(),
            validation: Vec::new(),
            test: Vec::new(),
        };
        for label in 0..groups {
            let members: Vec<usize> = (0..labels.len())
                .filter(|index| labels.get(*index) == Some(&label))
                .collect();
            let order = shuffled(members.len(), seed, label as u64);
            for (place, member) in order.iter().filter_map(|place| members.get(*place)).enumerate() {
                let share = (place as f64 + 0.5) / members.len() as f64;
                let part = if share < TRAIN {
                    &mut split.train
                } else if share < TRAIN_AND_VALIDATION {
                    &mut split.validation
                } else {
                    &mut split.test
                };
                part.push(*member);
            }
        }
        split
    }
}

/// How well labels are told.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct ClassProbe {
    /// On the test part.
    pub hits: Hits,
    /// On the validation part, by which the strength was chosen.
    pub validation_share: f64,
    /// Penalty on the squared weights.
    pub strength: f64,
}

/// How well a number is told.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct NumberProbe {
    /// 1 - squared error / squared distance from the training mean, on the test part; at most 1, below 0 where the
    /// mean alone would do better.
    pub r_squared: f64,
    /// Numbers tested.
    pub tested: usize,
    /// The same on the validation part.
    pub validation_r_squared: f64,
    /// Penalty on the squared weights.
    pub strength: f64,
}

/// Labels told from all tokens together and from each alone.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct ClassProbes {
    /// All tokens.
    pub all: ClassProbe,
    /// Each token, in token order.
    pub tokens: Vec<ClassProbe>,
    /// The test part, if always the most frequent label of the training part were named.
    pub chance: Hits,
    /// [L, C]: area under the ROC curve of each label against the others, from each token alone, on the test part; 0.5
    /// is chance. Not a number for a label that the test part lacks.
    pub areas: Vec<f64>,
}

/// Numbers told from all tokens together and from each alone.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct NumberProbes {
    /// All tokens.
    pub all: NumberProbe,
    /// Each token, in token order.
    pub tokens: Vec<NumberProbe>,
}

/// Tokens of many pictures.
#[derive(Debug, Clone, Copy)]
pub struct TokenRows<'a> {
    /// Each picture's tokens, L x D values.
    pub rows: &'a [Vec<f32>],
    /// L.
    pub count: usize,
    /// D.
    pub dim: usize,
}

impl<'a> TokenRows<'a> {
    /// The values of one token of every picture.
    fn token(&self, token: usize) -> Vec<&'a [f32]> {
        let range = token * self.dim..(token + 1) * self.dim;
        self.rows
            .iter()
            .map(|row| row.get(range.clone()).unwrap_or_default())
            .collect()
    }

    fn all(&self) -> Vec<&'a [f32]> {
        self.rows.iter().map(Vec::as_slice).collect()
    }
}

/// Ridge regression on the labels as vectors of 0 and 1, the largest value naming the label; its strength is the one
/// best on the validation part. `labels`: one of 0..C for each picture. `None` where a part of the split is empty or
/// lengths differ, and when told to stop.
pub fn probe_classes(
    tokens: TokenRows<'_>,
    labels: &[usize],
    classes: usize,
    split: &Split,
    watch: Watch<'_>,
) -> Option<ClassProbes> {
    if labels.len() != tokens.rows.len() {
        return None;
    }
    let targets: Vec<Vec<f64>> = labels
        .iter()
        .map(|label| {
            (0..classes)
                .map(|class| f64::from(u8::from(class == *label)))
                .collect()
        })
        .collect();
    let steps = Steps::new(tokens.count + 1, watch);
    let (all, _) = steps.end(probe_class(&tokens.all(), labels, &targets, split))?;
    let of_tokens: Vec<(ClassProbe, Vec<f64>)> = (0..tokens.count)
        .into_par_iter()
        .map(|token| steps.end(probe_class(&tokens.token(token), labels, &targets, split)))
        .collect::<Option<_>>()?;
    let count = |class: usize| {
        split
            .train
            .iter()
            .filter(|index| labels.get(**index) == Some(&class))
            .count()
    };
    // The first of the most frequent.
    let frequent = (0..classes).rev().max_by_key(|class| count(*class))?;
    let truths = split.test.iter().filter_map(|index| labels.get(*index));
    Some(ClassProbes {
        all,
        chance: Hits::of(truths.map(|label| (frequent, *label))),
        areas: of_tokens
            .iter()
            .flat_map(|(_, areas)| areas.iter().copied())
            .collect(),
        tokens: of_tokens.iter().map(|(probe, _)| *probe).collect(),
    })
}

/// The probe, and the area of each class on the test part.
fn probe_class(
    rows: &[&[f32]],
    labels: &[usize],
    targets: &[Vec<f64>],
    split: &Split,
) -> Option<(ClassProbe, Vec<f64>)> {
    let ridge = fitted(rows, targets, &split.train)?;
    let hits = |predictor: &Predictor<'_>, part: &[usize]| {
        let pairs = part
            .iter()
            .filter_map(|index| Some((*rows.get(*index)?, *labels.get(*index)?)));
        Hits::of(pairs.map(|(row, label)| (largest(&predictor.predict(row)), Some(label))))
    };
    let (strength, validation_share) = best(|strength| hits(&ridge.at(strength), &split.validation).share)?;
    let predictor = ridge.at(strength);
    let scores: Vec<Vec<f64>> = split
        .test
        .iter()
        .filter_map(|index| rows.get(*index))
        .map(|row| predictor.predict(row))
        .collect();
    let classes = targets.first().map_or(0, Vec::len);
    let area = |class: usize| {
        let of_class: Vec<f64> = scores
            .iter()
            .filter_map(|scores| scores.get(class).copied())
            .collect();
        let truths = split.test.iter().map(|index| labels.get(*index) == Some(&class));
        area_under_curve(&of_class, &truths.collect::<Vec<_>>()).unwrap_or(f64::NAN)
    };
    let probe = ClassProbe {
        hits: hits(&predictor, &split.test),
        validation_share,
        strength,
    };
    (probe.hits.tested > 0).then(|| (probe, (0..classes).map(area).collect()))
}

/// Ridge regression on a number of each picture. `None` where a part of the split is empty, lengths differ, or the
/// numbers of a part are all equal to the training mean, and when told to stop.
pub fn probe_numbers(
    tokens: TokenRows<'_>,
    numbers: &[f64],
    split: &Split,
    watch: Watch<'_>,
) -> Option<NumberProbes> {
    if numbers.len() != tokens.rows.len() {
        return None;
    }
    let targets: Vec<Vec<f64>> = numbers.iter().map(|number| vec![*number]).collect();
    let steps = Steps::new(tokens.count + 1, watch);
    let of_tokens = (0..tokens.count)
        .into_par_iter()
        .map(|token| steps.end(probe_number(&tokens.token(token), &targets, split)))
        .collect::<Option<_>>()?;
    Some(NumberProbes {
        all: steps.end(probe_number(&tokens.all(), &targets, split))?,
        tokens: of_tokens,
    })
}

/// Counts probes that are done, in whatever order.
struct Steps<'a> {
    done: AtomicUsize,
    all: usize,
    watch: Watch<'a>,
}

impl<'a> Steps<'a> {
    fn new(all: usize, watch: Watch<'a>) -> Self {
        Self {
            done: AtomicUsize::new(0),
            all,
            watch,
        }
    }

    /// One more is done; nothing comes of it when told to stop.
    fn end<T>(&self, found: Option<T>) -> Option<T> {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        found.filter(|_| (self.watch)(done as f32 / self.all as f32))
    }
}

fn probe_number(rows: &[&[f32]], targets: &[Vec<f64>], split: &Split) -> Option<NumberProbe> {
    let ridge = fitted(rows, targets, &split.train)?;
    let number = |index: &usize| targets.get(*index).and_then(|row| row.first()).copied();
    let mean = split.train.iter().filter_map(number).sum::<f64>() / split.train.len().max(1) as f64;
    let r_squared = |predictor: &Predictor<'_>, part: &[usize]| -> Option<f64> {
        let (mut error, mut spread) = (0.0, 0.0);
        for index in part {
            let (row, truth) = (rows.get(*index)?, number(index)?);
            error += (predictor.predict(row).first()? - truth).powi(2);
            spread += (truth - mean).powi(2);
        }
        (spread > 0.0).then(|| 1.0 - error / spread)
    };
    let (strength, validation_r_squared) =
        best(|strength| r_squared(&ridge.at(strength), &split.validation).unwrap_or(f64::NEG_INFINITY))?;
    Some(NumberProbe {
        r_squared: r_squared(&ridge.at(strength), &split.test)?,
        tested: split.test.len(),
        validation_r_squared,
        strength,
    })
}

fn fitted(rows: &[&[f32]], targets: &[Vec<f64>], train: &[usize]) -> Option<Ridge> {
    let of_rows: Vec<&[f32]> = train
        .iter()
        .map(|index| rows.get(*index).copied())
        .collect::<Option<_>>()?;
    let of_targets: Vec<Vec<f64>> = train
        .iter()
        .map(|index| targets.get(*index).cloned())
        .collect::<Option<_>>()?;
    Ridge::fit(&of_rows, &of_targets)
}

/// The strength with the best figure, the strongest of equals, and the figure; `None` where none is finite.
fn best(figure: impl Fn(f64) -> f64) -> Option<(f64, f64)> {
    STRENGTHS
        .iter()
        .map(|strength| (*strength, figure(*strength)))
        .filter(|(_, figure)| figure.is_finite())
        .max_by(|(_, a), (_, b)| a.total_cmp(b))
}

fn largest(values: &[f64]) -> Option<usize> {
    let order = values.iter().enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b));
    order.map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 90 pictures of 2 tokens of 3 values: the second token knows the label and the number, the first nothing.
    fn pictures() -> (Vec<Vec<f32>>, Vec<usize>, Vec<f64>) {
        let noise = |index: usize| ((index * 7919) % 2003) as f32 / 2003.0 - 0.5;
        let mut rows = Vec::new();
        let (mut labels, mut numbers) = (Vec::new(), Vec::new());
        for index in 0..90 {
            let (label, number) = (index % 3, f64::from(noise(index + 5000)));
            let mut row: Vec<f32> = (0..6).map(|place| noise(index * 6 + place) / 5.0).collect();
            row[3] += label as f32;
            row[4] += if label == 1 { 1.0 } else { 0.0 };
            row[5] += number as f32;
            rows.push(row);
            labels.push(label);
            numbers.push(number);
        }
        (rows, labels, numbers)
    }

    #[test]
    fn what_a_token_knows_is_read_off_it_and_nothing_else() {
        let (rows, labels, numbers) = pictures();
        let split = Split::stratified(&labels, 1);
        let tokens = TokenRows {
            rows: &rows,
            count: 2,
            dim: 3,
        };
        let found = probe_classes(tokens, &labels, 3, &split, &|_| true).unwrap();
        assert_eq!((found.all.hits.share, found.tokens[1].hits.share), (1.0, 1.0));
        assert!(found.tokens[0].hits.share < 0.7, "{:?}", found.tokens[0]);
        assert!((found.chance.share - 1.0 / 3.0).abs() < 1e-9);
        assert_eq!(found.areas.len(), 6);
        assert!(found.areas[3..].iter().all(|area| *area == 1.0));
        let found = probe_numbers(tokens, &numbers, &split, &|_| true).unwrap();
        assert!(
            found.tokens[1].r_squared > 0.8 && found.tokens[0].r_squared < 0.3,
            "{found:?}"
        );
        assert_eq!(found.all.tested, split.test.len());
        assert!(probe_classes(tokens, &labels, 3, &split, &|share| share < 0.6).is_none());
    }

    #[test]
    fn a_split_uses_every_example_once_and_keeps_the_shares() {
        let labels: Vec<usize> = (0..103).map(|index| usize::from(index % 4 == 0)).collect();
        let split = Split::stratified(&labels, 9);
        assert_eq!(split, Split::stratified(&labels, 9));
        assert_ne!(split, Split::stratified(&labels, 10));
        let mut all = [split.train.clone(), split.validation.clone(), split.test.clone()].concat();
        all.sort_unstable();
        assert_eq!(all, (0..103).collect::<Vec<_>>());
        assert!((60..64).contains(&split.train.len()) && (19..22).contains(&split.test.len()));
        let ones = split.test.iter().filter(|index| labels[**index] == 1).count();
        assert_eq!(ones, 5);
        assert_eq!(Split::stratified(&[0], 1).train, [0]);
    }

    #[test]
    fn too_few_examples_give_nothing() {
        let rows = vec![vec![0.0; 6]; 2];
        let tokens = TokenRows {
            rows: &rows,
            count: 2,
            dim: 3,
        };
        let split = Split::stratified(&[0, 1], 1);
        assert!(probe_classes(tokens, &[0, 1], 2, &split, &|_| true).is_none());
        assert!(probe_numbers(tokens, &[0.0, 1.0], &split, &|_| true).is_none());
        assert!(probe_classes(tokens, &[0], 2, &split, &|_| true).is_none());
    }
}
