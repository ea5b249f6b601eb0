//! Tokens that are no mixtures: codewords (VQ), normal distributions (KL), plain values (AE).

use super::{Chosen, Report};
use crate::analysis;
use crate::cli::table::Table;
use crate::latent::{Bottleneck, Codebook, GaussianRow, LatentState};
use serde_json::{Map, Value, json};

/// A figure of a token.
struct Figure {
    /// In JSON and CSV.
    key: &'static str,
    /// In text.
    title: &'static str,
    value: Option<f64>,
    /// Decimals in text.
    digits: usize,
}

/// What is known of one token.
struct Row {
    picture: usize,
    token: usize,
    figures: Vec<Figure>,
    /// Named columns of numbers for JSON and CSV: a row of values each.
    values: Vec<(&'static str, Vec<f32>)>,
    /// The list that ends a row of text: index and figure.
    list: Vec<(usize, f32)>,
}

/// How the list that ends a row is told.
struct ListWords {
    /// In text.
    title: &'static str,
    /// In JSON and CSV: what an entry's index and figure are.
    index: &'static str,
    figure: &'static str,
    note: &'static str,
}

pub(super) fn report(chosen: &Chosen<'_>) -> Report {
    let mut rows = Vec::new();
    for (picture, state) in &chosen.states {
        let row = |&token: &usize| row_of(chosen, state, *picture, token);
        rows.extend(chosen.tokens.iter().map(row));
    }
    let words = words(&chosen.space.bottleneck);
    Report {
        text: text(&rows, &words, chosen),
        csv: csv(&rows, &words),
        tokens: rows.iter().map(|row| json_of(row, &words)).collect(),
        mean: mean(&rows),
        units: json!({
            "distance": "Euclidean",
            "kl_nats": "nats, 1/2 sum (mean^2 + var - 1 - ln var)",
            "norm": "Euclidean",
        }),
    }
}

fn words(bottleneck: &Bottleneck) -> ListWords {
    match bottleneck {
        Bottleneck::Soft(_) | Bottleneck::Hard(_) => ListWords {
            title: "nearest codewords",
            index: "codeword",
            figure: "distance",
            note: "Distances are Euclidean, from the encoder's output where it is known, else from the token; \
                   codewords as index distance.",
        },
        Bottleneck::Gaussian => ListWords {
            title: "widest values",
            index: "dim",
            figure: "deviation",
            note: "Norm of the mean; mean standard deviation of the values; KL from the standard normal in nats; values \
                   as dimension deviation.",
        },
        Bottleneck::Identity => ListWords {
            title: "largest values",
            index: "dim",
            figure: "value",
            note: "Values as dimension value, the largest in size first; --json and --csv have all.",
        },
    }
}

fn row_of(chosen: &Chosen<'_>, state: &LatentState, picture: usize, token: usize) -> Row {
    let (figures, values, list) = match &chosen.space.bottleneck {
        Bottleneck::Soft(codebook) | Bottleneck::Hard(codebook) => {
            let (figures, list) = codewords(codebook, state, token, chosen.top);
            (figures, Vec::new(), list)
        }
        Bottleneck::Gaussian => distribution(state, token, chosen.top),
        Bottleneck::Identity => {
            let row = state.z.row(token).to_vec();
            let list = largest(&row, chosen.top);
            (vec![norm_of("norm", "norm", &row)], vec![("value", row)], list)
        }
    };
    Row {
        picture,
        token,
        figures,
        values,
        list,
    }
}

fn codewords(
    codebook: &Codebook,
    state: &LatentState,
    token: usize,
    top: usize,
) -> (Vec<Figure>, Vec<(usize, f32)>) {
    let row = state.h_row(token).unwrap_or_else(|| state.z.row(token));
    let mut nearest = analysis::nearest_codewords(codebook, 0, row, top.max(2));
    let distance = |place: usize| nearest.get(place).map(|&(_, distance)| f64::from(distance));
    let index = |place: usize| nearest.get(place).map(|&(codeword, _)| codeword as f64);
    let figure = |key, title, value, digits| Figure {
        key,
        title,
        value,
        digits,
    };
    let own = state.codeword(token).map(|codeword| codeword as f64);
    let figures = vec![
        figure("codeword", "codeword", own, 0),
        figure("nearest", "nearest", index(0), 0),
        figure("distance", "distance", distance(0), 5),
        figure("second", "second", index(1), 0),
        figure("second_distance", "second distance", distance(1), 5),
        norm_of("norm", "norm", state.z.row(token)),
    ];
    nearest.truncate(top);
    (figures, nearest)
}

type Distribution = (Vec<Figure>, Vec<(&'static str, Vec<f32>)>, Vec<(usize, f32)>);

/// Without the encoder's output only the values are known.
fn distribution(state: &LatentState, token: usize, top: usize) -> Distribution {
    let z = state.z.row(token).to_vec();
    let gaussian = GaussianRow::behind(state, token);
    let known = gaussian.as_ref();
    let figures = vec![
        norm_of("norm", "norm", &z),
        Figure {
            key: "mean_norm",
            title: "mean norm",
            value: known.map(|gaussian| norm(&gaussian.mean)),
            digits: 5,
        },
        Figure {
            key: "deviation",
            title: "deviation",
            value: known.map(|gaussian| f64::from(gaussian.mean_deviation())),
            digits: 5,
        },
        Figure {
            key: "kl_nats",
            title: "KL",
            value: known.map(GaussianRow::kl_nats),
            digits: 4,
        },
    ];
    let Some(gaussian) = gaussian else {
        return (figures, vec![("value", z)], Vec::new());
    };
    let deviations = gaussian.deviations();
    let list = largest(&deviations, top);
    let values = vec![
        ("value", z),
        ("mean", gaussian.mean),
        ("value_deviation", deviations),
    ];
    (figures, values, list)
}

fn norm_of(key: &'static str, title: &'static str, row: &[f32]) -> Figure {
    Figure {
        key,
        title,
        value: Some(norm(row)),
        digits: 5,
    }
}

fn norm(row: &[f32]) -> f64 {
    row.iter()
        .map(|value| f64::from(*value).powi(2))
        .sum::<f64>()
        .sqrt()
}

/// The `top` values largest in size with their indices.
fn largest(row: &[f32], top: usize) -> Vec<(usize, f32)> {
    let mut order: Vec<(usize, f32)> = row.iter().copied().enumerate().collect();
    order.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()).then(a.0.cmp(&b.0)));
    order.truncate(top);
    order
}

fn json_of(row: &Row, words: &ListWords) -> Value {
    let mut object = Map::new();
    object.insert("picture".to_owned(), json!(row.picture));
    object.insert("token".to_owned(), json!(row.token));
    for figure in &row.figures {
        object.insert(figure.key.to_owned(), number(figure));
    }
    for (key, values) in &row.values {
        object.insert(format!("{key}s"), json!(values));
    }
    let entry = |&(index, figure): &(usize, f32)| json!({ words.index: index, words.figure: figure });
    object.insert("top".to_owned(), row.list.iter().map(entry).collect());
    Value::Object(object)
}

/// Whole where the figure is an index.
fn number(figure: &Figure) -> Value {
    match figure.value {
        Some(value) if figure.digits == 0 => json!(value as u64),
        value => json!(value),
    }
}

/// Of the figures that are no indices, over the tokens that have them.
fn mean(rows: &[Row]) -> Value {
    let mut object = Map::new();
    let figures = rows.first().map_or(&[][..], |row| &row.figures[..]);
    for (place, figure) in figures.iter().enumerate().filter(|(_, figure)| figure.digits > 0) {
        object.insert(figure.key.to_owned(), json!(mean_at(rows, place)));
    }
    if object.is_empty() {
        return Value::Null;
    }
    Value::Object(object)
}

fn mean_at(rows: &[Row], place: usize) -> Option<f64> {
    let known: Vec<f64> = rows
        .iter()
        .filter_map(|row| row.figures.get(place)?.value)
        .collect();
    (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
}

fn text(rows: &[Row], words: &ListWords, chosen: &Chosen<'_>) -> String {
    let Some(first) = rows.first() else {
        return "No tokens.\n".to_owned();
    };
    let titles = first.figures.iter().map(|figure| figure.title);
    let header: Vec<&str> = std::iter::once("token")
        .chain(titles)
        .chain([words.title])
        .collect();
    let mut table = Table::new(&header);
    for row in rows {
        let mut cells = vec![chosen.name(row.picture, row.token)];
        cells.extend(row.figures.iter().map(|figure| cell(figure.value, figure.digits)));
        let list = row
            .list
            .iter()
            .map(|(index, figure)| format!("{index} {figure:.4}"));
        cells.push(list.collect::<Vec<_>>().join("  "));
        table.push(cells);
    }
    if rows.len() > 1 {
        let mut cells = vec!["mean".to_owned()];
        for (place, figure) in first.figures.iter().enumerate() {
            let mean = if figure.digits > 0 {
                mean_at(rows, place)
            } else {
                None
            };
            cells.push(mean.map_or_else(String::new, |mean| cell(Some(mean), figure.digits)));
        }
        table.push(cells);
    }
    format!("{}\n{}\n", table.render(), words.note)
}

fn cell(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
}

fn csv(rows: &[Row], words: &ListWords) -> String {
    let Some(first) = rows.first() else {
        return String::new();
    };
    let mut text = String::from("picture,token");
    for figure in &first.figures {
        text.push_str(&format!(",{}", figure.key));
    }
    // Tokens of one file may know more or less of themselves: the widest gives the columns.
    let widest = |of: fn(&Row) -> usize| rows.iter().map(of).max().unwrap_or(0);
    let columns = rows.iter().max_by_key(|row| row.values.len()).unwrap_or(first);
    for (key, values) in &columns.values {
        for dim in 0..values.len() {
            text.push_str(&format!(",{key}{dim}"));
        }
    }
    let entries = widest(|row| row.list.len());
    for place in 1..=entries {
        text.push_str(&format!(
            ",top{place}_{},top{place}_{}",
            words.index, words.figure
        ));
    }
    text.push('\n');
    for row in rows {
        text.push_str(&format!("{},{}", row.picture, row.token));
        for figure in &row.figures {
            let value = figure.value.map_or_else(String::new, |value| value.to_string());
            text.push_str(&format!(",{value}"));
        }
        for (place, (_, values)) in columns.values.iter().enumerate() {
            for dim in 0..values.len() {
                let value = row.values.get(place).and_then(|(_, values)| values.get(dim));
                text.push_str(&value.map_or_else(|| ",".to_owned(), |value| format!(",{value}")));
            }
        }
        for place in 0..entries {
            let entry = row.list.get(place);
            text.push_str(
                &entry.map_or_else(|| ",,".to_owned(), |(index, figure)| format!(",{index},{figure}")),
            );
        }
        text.push('\n');
    }
    text
}
