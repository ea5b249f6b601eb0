//! The codeword of a token of a VQ model, and how far the others are: click one to take it.

use super::Section;
use super::actions::action_button;
use crate::analysis;
use crate::latent::{Codebook, Edit, LatentState, Rest};
use crate::ui::column::{self, DENSE_ROW};
use crate::ui::glossary;
use crate::ui::hover_ask::Question;
use crate::ui::shown_tokens::ShownTokens;
use crate::ui::theme::{self, GRID};
use egui::{DragValue, Rect, RichText, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo, vec2};
use std::sync::Arc;

const DEFAULT_ROWS: usize = 12;
const MAX_ROWS: usize = 64;
const NAME_WIDTH: f32 = 52.0;
const NUMBER_WIDTH: f32 = 54.0;

/// What the section remembers.
pub(super) struct CodewordPanel {
    nearest: Option<Nearest>,
    row_count: usize,
    /// Codeword that the person may take by its index.
    wanted: usize,
}

impl Default for CodewordPanel {
    fn default() -> Self {
        Self {
            nearest: None,
            row_count: DEFAULT_ROWS,
            wanted: 0,
        }
    }
}

/// All codewords, nearest to a token's encoder output first; worked out once per state.
struct Nearest {
    state: Arc<LatentState>,
    token: usize,
    codewords: Arc<[(usize, f32)]>,
}

impl CodewordPanel {
    fn nearest(&mut self, tokens: &ShownTokens, token: usize, codebook: &Codebook) -> Arc<[(usize, f32)]> {
        let known = self.nearest.as_ref();
        if let Some(nearest) = known.filter(|it| it.token == token && Arc::ptr_eq(&it.state, &tokens.state)) {
            return nearest.codewords.clone();
        }
        let row = measured_row(&tokens.state, token);
        let codewords: Arc<[(usize, f32)]> =
            analysis::nearest_codewords(codebook, 0, row, codebook.size).into();
        self.nearest = Some(Nearest {
            state: tokens.state.clone(),
            token,
            codewords: codewords.clone(),
        });
        codewords
    }
}

/// What distances are measured from: the encoder's output, else the values that a token has.
fn measured_row(state: &LatentState, token: usize) -> &[f32] {
    state.h_row(token).unwrap_or_else(|| state.z.row(token))
}

pub(super) fn codewords_ui(
    ui: &mut Ui,
    section: &mut Section<'_>,
    panel: &mut CodewordPanel,
    codebook: &Codebook,
) {
    let tokens = section.tokens;
    let current = tokens.state.codeword(section.token);
    current_ui(ui, section, current);
    let nearest = panel.nearest(tokens, section.token, codebook);
    settings_ui(ui, section, panel, codebook.size);
    let shown = nearest
        .get(..panel.row_count.min(nearest.len()))
        .unwrap_or_default();
    let is_listed = |codeword| shown.iter().any(|&(listed, _)| listed == codeword);
    // A codeword taken from far away has a row of its own below the nearest.
    let far = nearest
        .iter()
        .filter(|&&(codeword, _)| current == Some(codeword) && !is_listed(codeword));
    let longest = shown.last().map_or(0.0, |&(_, distance)| distance);
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing = vec2(GRID, 0.0);
        for &(codeword, distance) in shown.iter().chain(far) {
            let row = Row {
                codeword,
                distance,
                share: distance / longest.max(f32::MIN_POSITIVE),
                is_current: current == Some(codeword),
            };
            row_ui(ui, section, row);
        }
    });
    take_ui(ui, section, panel, codebook.size);
}

fn current_ui(ui: &mut Ui, section: &mut Section<'_>, current: Option<usize>) {
    match current {
        Some(codeword) => {
            ui.horizontal(|ui| {
                glossary::named_term_label(ui, "this token is", glossary::NEAREST_CODEWORD);
                ui.label(theme::strong(format!("codeword {codeword}")));
            });
        }
        None => {
            ui.weak("This token's values were edited: it is no codeword now.");
            let edit = Edit::Project {
                tokens: vec![section.token],
            };
            action_button(
                ui,
                section,
                "Put the nearest in its place",
                glossary::NEAREST_CODEWORD,
                edit,
            );
        }
    }
}

fn settings_ui(ui: &mut Ui, section: &Section<'_>, panel: &mut CodewordPanel, size: usize) {
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        let rows = DragValue::new(&mut panel.row_count)
            .range(1..=MAX_ROWS.min(size.max(1)))
            .prefix("nearest ")
            .speed(0.1);
        ui.add(rows)
            .on_hover_text("How many codewords have a bar")
            .accessible_name("number of codewords");
        let to = match section.tokens.state.h_row(section.token) {
            Some(_) => "to the encoder's output",
            None => "to the token",
        };
        glossary::named_term_label(ui, to, glossary::CODEWORD_DISTANCE);
    });
}

#[derive(Clone, Copy)]
struct Row {
    codeword: usize,
    distance: f32,
    /// Of the longest bar, from 0 up.
    share: f32,
    is_current: bool,
}

/// A codeword as a bar as long as it is far; a click takes it, resting on it shows what it would do.
fn row_ui(ui: &mut Ui, section: &mut Section<'_>, row: Row) {
    let Row {
        codeword, distance, ..
    } = row;
    let token = section.token;
    let width = (ui.available_width() - NAME_WIDTH - NUMBER_WIDTH - 2.0 * GRID).max(24.0);
    let response = ui
        .horizontal(|ui| {
            let name = RichText::new(codeword.to_string());
            let name = if row.is_current { name.strong() } else { name };
            column::right(ui, NAME_WIDTH, |ui| ui.label(name));
            let (rect, response) = ui.allocate_exact_size(vec2(width, DENSE_ROW), Sense::CLICK);
            paint_bar(ui, rect, &row, response.hovered() || response.has_focus());
            column::right(ui, NUMBER_WIDTH, |ui| {
                ui.label(RichText::new(format!("{distance:.4}")).weak())
            });
            response
        })
        .inner;
    response.widget_info(|| {
        WidgetInfo::selected(Role::Button, true, row.is_current, format!("codeword {codeword}"))
    });
    let question = Question::Codeword {
        token,
        segment: 0,
        codeword,
    };
    let edit = choice(token, codeword);
    if response.clicked() && !row.is_current {
        section.ask.decide(section.workspace, question, edit);
    } else if response.hovered() && !section.hand.is_live() && !row.is_current {
        section.ask.ask(section.workspace, question, |_| Some(edit));
    }
    let said = if row.is_current {
        "This token is this codeword."
    } else {
        "Click to make the token this codeword."
    };
    response.on_hover_text(said);
}

fn paint_bar(ui: &Ui, rect: Rect, row: &Row, is_hot: bool) {
    let rect = rect.shrink2(vec2(0.0, 4.0));
    let visuals = ui.visuals();
    ui.painter().rect_filled(rect, 3, visuals.extreme_bg_color);
    let mut filled = rect;
    filled.set_width(row.share.clamp(0.0, 1.0) * rect.width());
    let fill = if row.is_current {
        theme::segment(0)
    } else {
        visuals.weak_text_color().gamma_multiply(0.6)
    };
    ui.painter().rect_filled(filled, 3, fill);
    if is_hot {
        let outline = Stroke::new(1.0, visuals.strong_text_color());
        ui.painter().rect_stroke(rect, 3, outline, StrokeKind::Outside);
    }
}

/// Any codeword can be taken, however far it is.
fn take_ui(ui: &mut Ui, section: &mut Section<'_>, panel: &mut CodewordPanel, size: usize) {
    let last = size.saturating_sub(1);
    ui.horizontal(|ui| {
        ui.weak("codeword");
        ui.add(DragValue::new(&mut panel.wanted).range(0..=last))
            .accessible_name("codeword to take");
        let edit = choice(section.token, panel.wanted);
        action_button(ui, section, "Take", glossary::CODEWORD, edit);
    });
}

fn choice(token: usize, codeword: usize) -> Edit {
    Edit::SetWeights {
        token,
        weights: vec![(0, codeword, 1.0)],
        rest: Rest::Zero,
    }
}
