//! Pixels to tokens: the tokens ranked by what they do under the brush.

use super::{is_awaited, terms};
use crate::analysis::rank_correlation;
use crate::document::Workspace;
use crate::engine::AnalysisKind;
use crate::ui::glossary::{self, Term};
use crate::ui::selection::Selection;
use crate::ui::{fact, theme};
use egui::{Align, Align2, Layout, Rect, Role, Sense, TextStyle, Ui, WidgetInfo, pos2, vec2};

/// Height of a row, in points.
const ROW: f32 = 4.5 * theme::GRID;
/// Widths of a token's number and of its value, in points.
const NUMBER: f32 = 6.0 * theme::GRID;
const VALUE: f32 = 11.0 * theme::GRID;

/// What the section remembers between frames.
#[derive(Default)]
pub(super) struct Pixels {
    /// The token these bars reported as hovered.
    reported: Option<usize>,
}

impl Pixels {
    pub(super) fn ui(&mut self, ui: &mut Ui, workspace: &Workspace, selection: &mut Selection) {
        let ranking = workspace.brush_ranking();
        if let Some(rank) = agreement(&ranking.by_gradient, &ranking.by_ablation) {
            let said = format!("rank {rank:.2}");
            glossary::explain(fact::ui(ui, None, "agreement", &said), terms::BRUSH_AGREEMENT);
        }
        let mut hovered = None;
        ui.columns(2, |columns| {
            let [left, right] = columns else { return };
            let gradient = List {
                measure: "gradient",
                term: terms::BRUSH_GRADIENT,
                tokens: &ranking.by_gradient,
                empty: "Being measured, or waiting for a stroke to end.",
            };
            left.scope(|ui| {
                if ranking.is_behind {
                    ui.set_opacity(0.5);
                }
                gradient.ui(ui, selection, &mut hovered);
            });
            let ablation = List {
                measure: "ablation",
                term: terms::BRUSH_ABLATION,
                tokens: &ranking.by_ablation,
                empty: if is_awaited(workspace, &[AnalysisKind::Influence]) {
                    "Being measured."
                } else {
                    "Not measured of these tokens yet: press the button above."
                },
            };
            ablation.ui(right, selection, &mut hovered);
        });
        selection.report_hover(&mut self.reported, hovered);
    }
}

/// Spearman's rank correlation of two rankings of the same tokens.
fn agreement(a: &[(usize, f64)], b: &[(usize, f64)]) -> Option<f64> {
    let in_order = |ranking: &[(usize, f64)]| {
        let mut ranking = ranking.to_vec();
        ranking.sort_unstable_by_key(|(token, _)| *token);
        ranking.into_iter().map(|(_, value)| value).collect::<Vec<_>>()
    };
    rank_correlation(&in_order(a), &in_order(b))
}

/// One ranking as bars.
struct List<'a> {
    measure: &'a str,
    term: Term,
    /// The largest first.
    tokens: &'a [(usize, f64)],
    /// What to say while there are none.
    empty: &'a str,
}

impl List<'_> {
    fn ui(&self, ui: &mut Ui, selection: &mut Selection, hovered: &mut Option<usize>) {
        ui.horizontal(|ui| glossary::named_term_label(ui, &format!("by {}", self.measure), self.term));
        if self.tokens.is_empty() {
            // A column would stretch its words to both edges.
            let layout = Layout::top_down(Align::Min);
            ui.with_layout(layout, |ui| ui.label(theme::muted(self.empty)));
            return;
        }
        let largest = self.tokens.first().map_or(0.0, |(_, value)| *value);
        let cursor = selection.cursor().unwrap_or(0);
        ui.spacing_mut().item_spacing.y = 1.0;
        for (token, value) in self.tokens {
            let sense = if *token == cursor {
                Sense::click()
            } else {
                Sense::CLICK
            };
            let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), ROW), sense);
            let is_selected = selection.contains(*token);
            response.widget_info(|| {
                let label = format!("token {token} by {}: {value:.2}", self.measure);
                WidgetInfo::selected(Role::Button, ui.is_enabled(), is_selected, label)
            });
            if response.hovered() || response.contains_pointer() {
                *hovered = Some(*token);
            }
            let is_hovered = selection.hovered == Some(*token);
            if ui.is_rect_visible(rect) {
                let part = if largest > 0.0 { value / largest } else { 0.0 };
                paint_row(ui, rect, *token, *value, part as f32, (is_selected, is_hovered));
            }
            if response.has_focus() {
                let ring = egui::Stroke::new(1.0, theme::palette(ui.visuals()).accent);
                ui.painter().rect_stroke(rect, 2, ring, egui::StrokeKind::Inside);
            }
            if response.clicked() {
                let modifiers = ui.input(|input| input.modifiers);
                selection.click(*token, modifiers.command, modifiers.shift);
            }
        }
    }
}

fn paint_row(
    ui: &Ui,
    rect: Rect,
    token: usize,
    value: f64,
    part: f32,
    (is_selected, is_hovered): (bool, bool),
) {
    let palette = theme::palette(ui.visuals());
    let painter = ui.painter();
    if is_selected || is_hovered {
        let ground = if is_selected {
            palette.accent_soft
        } else {
            palette.raised
        };
        painter.rect_filled(rect, 2, ground);
    }
    let font = TextStyle::Small.resolve(ui.style());
    let ink = if is_selected {
        palette.on_accent_soft
    } else {
        palette.text
    };
    let y = rect.center().y;
    painter.text(
        pos2(rect.left() + NUMBER, y),
        Align2::RIGHT_CENTER,
        token.to_string(),
        font.clone(),
        ink,
    );
    painter.text(
        pos2(rect.right() - theme::GRID, y),
        Align2::RIGHT_CENTER,
        format!("{value:.2}"),
        font,
        ink,
    );
    let left = rect.left() + NUMBER + 2.0 * theme::GRID;
    let room = (rect.right() - VALUE - left).max(0.0);
    let bar = Rect::from_min_max(
        pos2(left, rect.top() + theme::GRID),
        pos2(left + part.clamp(0.0, 1.0) * room, rect.bottom() - theme::GRID),
    );
    painter.rect_filled(bar, 1, palette.accent);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rankings_agree_by_token_and_not_by_place() {
        let a = [(2, 9.0), (0, 4.0), (1, 1.0)];
        assert!((agreement(&a, &[(2, 0.3), (0, 0.2), (1, 0.1)]).unwrap() - 1.0).abs() < 1e-12);
        assert!((agreement(&a, &[(1, 0.3), (0, 0.2), (2, 0.1)]).unwrap() + 1.0).abs() < 1e-12);
        assert_eq!(agreement(&a, &[]), None);
    }
}
