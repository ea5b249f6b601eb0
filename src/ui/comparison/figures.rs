//! The figures of the compared models as a table that can be sorted by any column. Pure.

use crate::document::{ComparedModel, ComparedState};
use std::cmp::Ordering;

/// A column of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Model,
    Class,
    Side,
    Tokens,
    Values,
    Parameters,
    EncodeMs,
    DecodeMs,
    Psnr,
    Ssim,
    SsimPaper,
    Mse,
}

/// Which way a figure is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Better {
    Higher,
    Lower,
    /// A fact, not a figure of merit.
    Neither,
}

impl Column {
    pub(super) const ALL: [Self; 12] = [
        Self::Model,
        Self::Class,
        Self::Side,
        Self::Tokens,
        Self::Values,
        Self::Parameters,
        Self::EncodeMs,
        Self::DecodeMs,
        Self::Psnr,
        Self::Ssim,
        Self::SsimPaper,
        Self::Mse,
    ];

    /// The columns, without those that captions and other figures say too where `width` points are too few for all.
    pub(super) fn shown(width: f32) -> impl Iterator<Item = Self> {
        /// What all take, with names of usual length, in points.
        const WIDTH_OF_ALL: f32 = 800.0;
        let is_narrow = width < WIDTH_OF_ALL;
        Self::ALL.into_iter().filter(move |column| {
            !is_narrow || !matches!(column, Self::Side | Self::Tokens | Self::Values | Self::Mse)
        })
    }

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Model => "Model",
            Self::Class => "Class",
            Self::Side => "px",
            Self::Tokens => "L",
            Self::Values => "D",
            Self::Parameters => "params M",
            Self::EncodeMs => "encode ms",
            Self::DecodeMs => "decode ms",
            Self::Psnr => "PSNR dB",
            Self::Ssim => "SSIM",
            Self::SsimPaper => "SSIM (paper)",
            Self::Mse => "MSE",
        }
    }

    pub(super) fn tooltip(self) -> &'static str {
        match self {
            Self::Model => "Name of the model.",
            Self::Class => "Family of the tokenizer.",
            Self::Side => {
                "Side of the square the model reads and makes. Its figures are at this size, against the picture fitted to it."
            }
            Self::Tokens => "Tokens of a picture.",
            Self::Values => "Values of a token.",
            Self::Parameters => "Weights in use, encoder and decoder together, in millions.",
            Self::EncodeMs => "Time in encoder and quantiser on this machine.",
            Self::DecodeMs => "Time in the decoder on this machine.",
            Self::Psnr => "10 log10(1 / MSE) on 8-bit pictures scaled to 0..1. Higher is closer.",
            Self::Ssim => {
                "Structural similarity: 7 × 7 uniform window, channels averaged, data range 1. Higher is closer."
            }
            Self::SsimPaper => {
                "The same with data range 2 on 0..1 pictures, as the reference's script computes it, which makes it higher."
            }
            Self::Mse => "Mean squared difference of 8-bit values on a 0..1 scale. Lower is closer.",
        }
    }

    fn better(self) -> Better {
        match self {
            Self::Psnr | Self::Ssim | Self::SsimPaper => Better::Higher,
            Self::EncodeMs | Self::DecodeMs | Self::Mse => Better::Lower,
            Self::Model | Self::Class | Self::Side | Self::Tokens | Self::Values | Self::Parameters => {
                Better::Neither
            }
        }
    }
}

/// The order of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) column: Column,
    pub(super) is_descending: bool,
}

impl Order {
    /// The order after a click on the head of `column`: the best first, the other way round at the second click.
    pub(super) fn clicked(before: Option<Self>, column: Column) -> Self {
        match before {
            Some(order) if order.column == column => Self {
                is_descending: !order.is_descending,
                ..order
            },
            _ => Self {
                column,
                is_descending: column.better() == Better::Higher,
            },
        }
    }
}

/// A value of the table.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    /// With its figures after the point.
    Figure(f64, usize),
    /// Not known, or not yet.
    None,
}

impl Value {
    pub(super) fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Figure(figure, decimals) => format!("{figure:.decimals$}"),
            Self::None => String::new(),
        }
    }

    fn figure(&self) -> Option<f64> {
        match self {
            Self::Figure(figure, _) => Some(*figure),
            Self::Text(_) | Self::None => None,
        }
    }

    fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (Self::Figure(a, _), Self::Figure(b, _)) => a.total_cmp(b),
            _ => Ordering::Equal,
        }
    }
}

/// What the table shows of `model` in `column`.
pub(super) fn value(model: &ComparedModel, column: Column) -> Value {
    if column == Column::Model {
        return Value::Text(model.files.name.clone());
    }
    let ComparedState::Done(done) = &model.state else {
        return Value::None;
    };
    let count = |count: usize| Value::Figure(count as f64, 0);
    let metric = |figure: fn(&crate::analysis::PictureMetrics) -> f64, decimals| {
        let metrics = done.encoded.metrics.as_ref();
        metrics.map_or(Value::None, |metrics| Value::Figure(figure(metrics), decimals))
    };
    match column {
        Column::Model => Value::None,
        Column::Class => Value::Text(done.model.class.to_string()),
        Column::Side => count(done.model.args.image_size),
        Column::Tokens => count(done.model.space.token_count),
        Column::Values => count(done.model.space.dim),
        Column::Parameters => Value::Figure(done.model.parameter_count as f64 / 1e6, 1),
        Column::EncodeMs => Value::Figure(done.encoded.encode_ms, 1),
        Column::DecodeMs => Value::Figure(done.encoded.decode_ms, 1),
        Column::Psnr => metric(|metrics| metrics.psnr_db, 2),
        Column::Ssim => metric(|metrics| metrics.ssim, 4),
        Column::SsimPaper => metric(|metrics| metrics.ssim_paper, 4),
        Column::Mse => metric(|metrics| metrics.mse, 6),
    }
}

/// Indices of `values`, one a row, in the order of a column's values; rows without one are last either way, and equal
/// ones keep their places.
pub(super) fn sorted(values: &[Value], is_descending: bool) -> Vec<usize> {
    let mut rows: Vec<(usize, &Value)> = values.iter().enumerate().collect();
    rows.sort_by(|(_, a), (_, b)| {
        let order = a.compare(b);
        a.is_none()
            .cmp(&b.is_none())
            .then(if is_descending { order.reverse() } else { order })
    });
    rows.into_iter().map(|(row, _)| row).collect()
}

/// Which rows hold the best value of a column: none where the column has no better and worse, or fewer than two values.
pub(super) fn best(values: &[Value], column: Column) -> Vec<bool> {
    let figures = || values.iter().filter_map(Value::figure);
    let best = match column.better() {
        Better::Higher => figures().max_by(f64::total_cmp),
        Better::Lower => figures().min_by(f64::total_cmp),
        Better::Neither => None,
    };
    let best = best.filter(|_| figures().count() > 1);
    values
        .iter()
        .map(|value| best.is_some() && value.figure() == best)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn figures(values: &[f64]) -> Vec<Value> {
        values.iter().map(|value| Value::Figure(*value, 2)).collect()
    }

    #[test]
    fn a_click_sorts_the_best_first_and_the_next_turns_it_round() {
        let first = Order::clicked(None, Column::Psnr);
        assert!(first.is_descending, "a high PSNR is good");
        assert!(!Order::clicked(Some(first), Column::Psnr).is_descending);
        assert!(!Order::clicked(Some(first), Column::Mse).is_descending);
        assert!(!Order::clicked(None, Column::Model).is_descending);
    }

    #[test]
    fn rows_without_a_value_are_last_either_way() {
        let mut values = figures(&[2.0, 1.0, 3.0]);
        values.insert(1, Value::None);
        assert_eq!(sorted(&values, false), [2, 0, 3, 1]);
        assert_eq!(sorted(&values, true), [3, 0, 2, 1]);
    }

    #[test]
    fn the_best_is_marked_where_there_is_a_better() {
        let values = figures(&[2.0, 3.0, 3.0]);
        assert_eq!(best(&values, Column::Psnr), [false, true, true]);
        assert_eq!(best(&values, Column::Mse), [true, false, false]);
        assert_eq!(best(&values, Column::Side), [false; 3]);
        assert_eq!(
            best(&figures(&[2.0]), Column::Psnr),
            [false],
            "alone it is no best"
        );
    }

    proptest! {
        #[test]
        fn sorting_is_an_order_of_the_same_rows(figures in prop::collection::vec(prop::option::of(-9.0..9.0_f64), 0..8),
                                                is_descending: bool) {
            let values: Vec<Value> = figures
                .iter()
                .map(|figure| figure.map_or(Value::None, |figure| Value::Figure(figure, 2)))
                .collect();
            let rows = sorted(&values, is_descending);
            let mut all = rows.clone();
            all.sort_unstable();
            prop_assert_eq!(all, (0..figures.len()).collect::<Vec<_>>());
            for pair in rows.windows(2) {
                match (figures[pair[0]], figures[pair[1]]) {
                    (Some(a), Some(b)) => {
                        let (first, last) = if is_descending { (b, a) } else { (a, b) };
                        prop_assert!(first <= last, "{first} and {last} change places");
                    }
                    (None, Some(_)) => prop_assert!(false, "a row without a value stands before one with"),
                    _ => {}
                }
            }
        }
    }
}
