//! The figures of the selected tokens in a table: now, and before any edit.

use crate::analysis::{self, TokenQuantity};
use crate::ui::column;
use crate::ui::glossary::{self, Term};
use crate::ui::selection::Selection;
use crate::ui::shown_tokens::{QuantityCache, ShownTokens, TokenValues};
use crate::ui::theme::{self, GRID};
use egui::{RichText, Ui};

/// A row of the table, and how it follows from a quantity.
struct Row {
    term: Term,
    unit: &'static str,
    quantity: TokenQuantity,
    digits: usize,
    of: fn(f32) -> f32,
}

const ROWS: [Row; 8] = [
    Row {
        term: glossary::ENTROPY,
        unit: "nats",
        quantity: TokenQuantity::Entropy,
        digits: 2,
        of: |value| value,
    },
    Row {
        term: glossary::EFFECTIVE_CODEWORDS,
        unit: "",
        quantity: TokenQuantity::Entropy,
        digits: 1,
        of: f32::exp,
    },
    Row {
        term: glossary::MAX_WEIGHT,
        unit: "",
        quantity: TokenQuantity::MaxWeight,
        digits: 3,
        of: |value| value,
    },
    Row {
        term: glossary::CODEWORD_DISTANCE,
        unit: "",
        quantity: TokenQuantity::CodewordDistance,
        digits: 3,
        of: |value| value,
    },
    Row {
        term: glossary::DEVIATION,
        unit: "",
        quantity: TokenQuantity::Deviation,
        digits: 3,
        of: |value| value,
    },
    Row {
        term: glossary::DIVERGENCE,
        unit: "nats",
        quantity: TokenQuantity::Divergence,
        digits: 2,
        of: |value| value,
    },
    Row {
        term: glossary::NORM,
        unit: "",
        quantity: TokenQuantity::Norm,
        digits: 3,
        of: |value| value,
    },
    Row {
        term: glossary::EDITED,
        unit: "σ",
        quantity: TokenQuantity::Edited,
        digits: 2,
        of: |value| value,
    },
];

const NUMBER_WIDTH: f32 = 44.0;
const UNIT_WIDTH: f32 = 28.0;

/// One token: its figures and what they were. Several: mean and range.
pub(super) fn figures_ui(
    ui: &mut Ui,
    tokens: &ShownTokens,
    selection: &Selection,
    token: usize,
    figures: &mut QuantityCache,
) {
    let is_single = selection.tokens().len() == 1;
    let edited = figures.current(tokens, TokenQuantity::Edited);
    let is_edited = edited
        .get(token)
        .copied()
        .flatten()
        .is_some_and(|moved| moved > 0.0);
    egui::Grid::new("token figures")
        .num_columns(4)
        .spacing([GRID, 0.0])
        .show(ui, |ui| {
            let offered = analysis::quantities(&tokens.space);
            for row in ROWS.iter().filter(|row| offered.contains(&row.quantity)) {
                glossary::term_label(ui, row.term);
                let now = figures.current(tokens, row.quantity);
                if is_single {
                    number(ui, at(&now, token).map(row.of), row.digits);
                    unit(ui, row.unit);
                    if is_edited && row.quantity != TokenQuantity::Edited {
                        let before = at(&figures.original(tokens, row.quantity), token);
                        let is_changed = before != at(&now, token);
                        was(ui, before.filter(|_| is_changed).map(row.of), row.digits);
                    }
                } else {
                    spread_ui(
                        ui,
                        row,
                        selection
                            .tokens()
                            .iter()
                            .filter_map(|&token| at(&now, token))
                            .map(row.of),
                    );
                }
                ui.end_row();
            }
        });
}

fn at(values: &TokenValues, token: usize) -> Option<f32> {
    values.get(token).copied().flatten()
}

fn spread_ui(ui: &mut Ui, row: &Row, values: impl Iterator<Item = f32>) {
    let (mut sum, mut count, mut low, mut high) = (0.0, 0_usize, f32::INFINITY, f32::NEG_INFINITY);
    for value in values {
        sum += value;
        count += 1;
        low = low.min(value);
        high = high.max(value);
    }
    let digits = row.digits;
    if count == 0 {
        number(ui, None, digits);
        return;
    }
    number(ui, Some(sum / count as f32), digits).on_hover_text("mean of the selected tokens");
    unit(ui, row.unit);
    let range = format!("{low:.digits$}..{high:.digits$}");
    ui.label(RichText::new(range).small().weak())
        .on_hover_text("least and largest of the selected tokens");
}

fn number(ui: &mut Ui, value: Option<f32>, digits: usize) -> egui::Response {
    let text = value.map_or_else(|| "none".to_owned(), |value| format!("{value:.digits$}"));
    let text = if value.is_some() {
        theme::strong(text)
    } else {
        theme::muted(text)
    };
    column::right(ui, NUMBER_WIDTH, |ui| ui.label(text))
}

fn was(ui: &mut Ui, value: Option<f32>, digits: usize) {
    let text = value.map_or_else(String::new, |value| format!("was {value:.digits$}"));
    ui.label(RichText::new(text).small().weak());
}

fn unit(ui: &mut Ui, unit: &str) {
    column::left(ui, UNIT_WIDTH, |ui| ui.label(RichText::new(unit).weak().small()));
}
