//! What linear probes read off the collection's tokens: all together, and each alone.

use crate::document::{FactorProbes, FoundProbes, ProbeReport, TokenFigures, Workspace};
use crate::ui::commands::{Command, Situation};
use crate::ui::menu::command_button;
use crate::ui::selection::Selection;
use crate::ui::theme;
use egui::{
    Align2, FontId, Grid, ProgressBar, Rect, Role, Sense, Stroke, StrokeKind, TextStyle, Ui, WidgetInfo,
    pos2, vec2,
};

/// Room for a token's number and figure, in points.
const NAMES: f32 = 92.0;
/// Widest cell, in points.
const MOST_CELL: f32 = 72.0;
/// Cells narrower than this have no names over them.
const NAMED_CELL: f32 = 44.0;

/// What the section remembers between frames.
#[derive(Default)]
pub(super) struct Probes {
    factor: usize,
    /// The token these rows reported as hovered.
    reported: Option<usize>,
}

impl Probes {
    pub(super) fn ui(
        &mut self,
        ui: &mut Ui,
        workspace: &mut Workspace,
        selection: &mut Selection,
        now: &Situation,
        commands: &mut Vec<Command>,
    ) {
        if workspace.collection().is_none() {
            return;
        }
        ui.horizontal_wrapped(|ui| match workspace.probing() {
            Some(fraction) => {
                if ui
                    .button("Cancel probes")
                    .on_hover_text("Gives the probes up; what was found before stays.")
                    .clicked()
                {
                    workspace.cancel_probing();
                }
                ui.add(
                    ProgressBar::new(fraction)
                        .desired_width(120.0)
                        .desired_height(8.0),
                );
                ui.label("probing");
            }
            None => command_button(ui, Command::ProbeTokens, now, commands),
        });
        let Some(report) = workspace.probes().cloned() else {
            ui.label(theme::muted(
                "Nothing is probed yet. Probes learn from 60 % of the pictures; their strength is chosen on 20 %, and the \
                 figures are of the other 20 %.",
            ));
            return;
        };
        for reason in &report.left_out {
            ui.colored_label(ui.visuals().warn_fg_color, reason);
        }
        self.table_ui(ui, &report);
        let Some(found) = report.found.get(self.factor).or(report.found.first()) else {
            return;
        };
        ui.separator();
        self.tokens_ui(ui, found, selection);
    }

    /// The figures of all tokens together, a factor a line; a click chooses the factor.
    fn table_ui(&mut self, ui: &mut Ui, report: &ProbeReport) {
        self.factor = self.factor.min(report.found.len().saturating_sub(1));
        Grid::new("probes").striped(true).num_columns(9).show(ui, |ui| {
            for name in FactorProbes::COLUMNS.iter().chain(&["strength", "validation"]) {
                ui.label(theme::muted(*name));
            }
            ui.end_row();
            for (index, found) in report.found.iter().enumerate() {
                let mut cells = found.row().into_iter();
                let name = cells.next().unwrap_or_default();
                ui.selectable_value(&mut self.factor, index, name);
                for cell in cells {
                    ui.label(cell);
                }
                let (strength, validation) = chosen(found);
                ui.label(strength);
                ui.label(validation);
                ui.end_row();
            }
        });
        ui.label(theme::muted(
            "Strength of the penalty with its figure on the validation part; interval by Wilson; chance: always the most \
             frequent label.",
        ));
    }

    /// A row for each token: what it tells alone, by label.
    fn tokens_ui(&mut self, ui: &mut Ui, found: &FactorProbes, selection: &mut Selection) {
        let figures = found.token_figures();
        let (low, high) = figures.range;
        ui.horizontal_wrapped(|ui| {
            ui.strong(format!("{}: what each token alone tells", found.factor));
            theme::legend_ui(ui, figures.unit, low, high);
        });
        let columns = figures.columns.len().max(1) as f32;
        let width = ((ui.available_width() - NAMES) / columns).clamp(2.0, MOST_CELL);
        if width >= NAMED_CELL {
            names_ui(ui, &figures, width);
        }
        let mut hovered = None;
        ui.spacing_mut().item_spacing.y = 0.0;
        for token in 0..found.token_count() {
            let row = TokenRow {
                token,
                figure: found.of_token(token).unwrap_or(0.0),
                figures: &figures,
                width,
                is_marked: selection.contains(token) || selection.hovered == Some(token),
            };
            let response = row.ui(ui);
            if response.hovered() {
                hovered = Some(token);
            }
            if response.clicked() {
                let modifiers = ui.input(|input| input.modifiers);
                selection.click(token, modifiers.command, modifiers.shift);
            }
        }
        selection.report_hover(&mut self.reported, hovered);
    }
}

/// Strength of the penalty and the figure it was chosen by.
fn chosen(found: &FactorProbes) -> (String, String) {
    let (strength, validation) = match &found.probes {
        FoundProbes::Labels { probes, .. } => (
            probes.all.strength,
            format!("{:.1} %", 100.0 * probes.all.validation_share),
        ),
        FoundProbes::Numbers(probes) => (
            probes.all.strength,
            format!("{:.3}", probes.all.validation_r_squared),
        ),
    };
    (format!("{strength}"), validation)
}

fn names_ui(ui: &mut Ui, figures: &TokenFigures, width: f32) {
    let (rect, _) = ui.allocate_exact_size(
        vec2(NAMES + width * figures.columns.len() as f32, theme::ROW_HEIGHT),
        Sense::hover(),
    );
    let font = TextStyle::Small.resolve(ui.style());
    let ink = theme::palette(ui.visuals()).muted;
    for (column, name) in figures.columns.iter().enumerate() {
        let left = rect.left() + NAMES + column as f32 * width;
        let cell = Rect::from_min_size(pos2(left, rect.top()), vec2(width - 4.0, rect.height()));
        let text = ui.painter().layout_no_wrap(name.clone(), font.clone(), ink);
        ui.painter_at(cell)
            .galley(pos2(left, cell.center().y - 0.5 * text.size().y), text, ink);
    }
}

/// A token's cells.
struct TokenRow<'a> {
    token: usize,
    /// Accuracy or R^2 of the token alone.
    figure: f64,
    figures: &'a TokenFigures,
    width: f32,
    is_marked: bool,
}

impl TokenRow<'_> {
    fn ui(&self, ui: &mut Ui) -> egui::Response {
        let columns = self.figures.columns.len();
        let size = vec2(NAMES + self.width * columns as f32, 4.5 * theme::GRID);
        let (rect, response) = ui.allocate_exact_size(size, Sense::CLICK);
        let said = format!("token {}: {:.3}", self.token, self.figure);
        response.widget_info(|| WidgetInfo::selected(Role::Button, ui.is_enabled(), self.is_marked, &said));
        if ui.is_rect_visible(rect) {
            self.paint(ui, rect, &said);
        }
        let pointed = response.hover_pos().and_then(|pointer| {
            let column = ((pointer.x - rect.left() - NAMES) / self.width).floor();
            let column = (column >= 0.0).then_some(column as usize)?;
            Some((self.figures.columns.get(column)?, self.value(column)?))
        });
        match pointed {
            Some((name, value)) => response.on_hover_text(format!("{name}: {value:.3}")),
            None => response,
        }
    }

    fn value(&self, column: usize) -> Option<f64> {
        let place = self.token * self.figures.columns.len() + column;
        self.figures.values.get(place).copied()
    }

    fn paint(&self, ui: &Ui, rect: Rect, said: &str) {
        let palette = theme::palette(ui.visuals());
        let font: FontId = TextStyle::Small.resolve(ui.style());
        let ink = if self.is_marked {
            palette.strong
        } else {
            palette.text
        };
        ui.painter()
            .text(rect.left_center(), Align2::LEFT_CENTER, said, font, ink);
        let (low, high) = self.figures.range;
        for column in 0..self.figures.columns.len() {
            let Some(value) = self.value(column).filter(|value| value.is_finite()) else {
                continue;
            };
            let left = rect.left() + NAMES + column as f32 * self.width;
            let cell = Rect::from_min_size(pos2(left, rect.top()), vec2(self.width, rect.height()));
            let colour = theme::magnitude(((value - low) / (high - low)) as f32);
            ui.painter().rect_filled(cell, 0, colour);
        }
        if self.is_marked {
            let cells = Rect::from_min_max(pos2(rect.left() + NAMES, rect.top()), rect.max);
            let stroke = Stroke::new(1.5, palette.strong);
            ui.painter().rect_stroke(cells, 0, stroke, StrokeKind::Inside);
        }
    }
}
