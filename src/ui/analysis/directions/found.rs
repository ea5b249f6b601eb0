//! What was found, how well it separates, and the name it is saved under.

use crate::analysis::{Components, MeanDifference, Separation};
use crate::document::{DirectionFigures, DirectionOrder, FoundDirections, Workspace};
use crate::ui::analysis::terms;
use crate::ui::{fact, glossary, theme};
use egui::{Grid, TextEdit, Ui};
use std::sync::Arc;

/// Tokens that are named as separating best.
const NAMED_TOKENS: usize = 5;

/// What the panel remembers.
#[derive(Default)]
pub(super) struct FoundPanel {
    of: Option<Arc<FoundDirections>>,
    name: String,
}

impl FoundPanel {
    pub(super) fn ui(&mut self, ui: &mut Ui, workspace: &mut Workspace) {
        let Some(found) = workspace.found_directions().cloned() else {
            return;
        };
        if !self.of.as_ref().is_some_and(|of| Arc::ptr_eq(of, &found)) {
            self.name = proposed_name(&found.order);
            self.of = Some(Arc::clone(&found));
        }
        match &found.figures {
            DirectionFigures::Difference(difference) => difference_ui(ui, difference),
            DirectionFigures::Components(components) => components_ui(ui, components, found.pictures),
        }
        self.save_ui(ui, workspace, &found);
        ui.separator();
    }

    /// The names of several end in their numbers.
    fn save_ui(&mut self, ui: &mut Ui, workspace: &mut Workspace, found: &FoundDirections) {
        let many = found.directions.len() > 1;
        ui.horizontal_wrapped(|ui| {
            ui.label(theme::muted(if many { "save all as" } else { "save as" }));
            ui.add(TextEdit::singleline(&mut self.name).desired_width(160.0))
                .accessible_name("name of the direction");
            if many {
                ui.label(theme::muted(format!("-1 to -{}", found.directions.len())));
            }
            let is_named = !self.name.trim().is_empty() && !found.directions.is_empty();
            let save = ui.add_enabled(is_named, egui::Button::new("Save direction"));
            let save = save.on_hover_text(
                "Puts it into the library below its name, by which recipes find it. One of the same name is replaced.",
            );
            if save.clicked() {
                for (place, direction) in found.directions.iter().enumerate() {
                    let name = self.name.trim();
                    let name = if many {
                        format!("{name}-{}", place + 1)
                    } else {
                        name.to_owned()
                    };
                    workspace.save_direction(direction, &name);
                }
            }
        });
    }
}

/// A plain file name.
fn proposed_name(order: &DirectionOrder) -> String {
    let name = match order {
        DirectionOrder::Difference { names, .. } => names.first().map_or("direction", String::as_str),
        DirectionOrder::Components { of_tokens: false, .. } => "pca",
        DirectionOrder::Components { of_tokens: true, .. } => "token-pca",
    };
    let plain = |letter: char| if letter.is_alphanumeric() { letter } else { '-' };
    let name: String = name.chars().map(plain).collect();
    let words: Vec<&str> = name.split('-').filter(|word| !word.is_empty()).collect();
    words.join("-")
}

/// "area 0.93, 88 % right (71 to 96 %) of 24 held out".
pub(super) fn separation_text(separation: &Separation) -> String {
    let (hits, percent) = (separation.hits, |share: f64| 100.0 * share);
    format!(
        "area {:.2}, {:.0} % right ({:.0} to {:.0} %) of {} held out",
        separation.area,
        percent(hits.share),
        percent(hits.interval.0),
        percent(hits.interval.1),
        hits.tested
    )
}

/// Whether chance would do as well: the interval of the right answers holds one half.
pub(super) fn is_chance(separation: &Separation) -> bool {
    separation.hits.interval.0 <= 0.5
}

fn difference_ui(ui: &mut Ui, found: &MeanDifference) {
    ui.horizontal_wrapped(|ui| {
        let said = separation_text(&found.whole);
        glossary::explain(fact::ui(ui, None, "separates", &said), terms::SEPARATION);
        if is_chance(&found.whole) {
            ui.colored_label(
                ui.visuals().warn_fg_color,
                "No better than chance: more pictures, or other groups.",
            );
        }
    });
    let mut order: Vec<(usize, &Separation)> = found.tokens.iter().enumerate().collect();
    order.sort_by(|(_, a), (_, b)| b.area.total_cmp(&a.area));
    ui.horizontal_wrapped(|ui| {
        ui.label(theme::muted("best tokens alone"));
        for (token, separation) in order.into_iter().take(NAMED_TOKENS) {
            fact::ui(
                ui,
                None,
                &format!("token {token}"),
                &format!("{:.2}", separation.area),
            );
        }
    });
}

fn components_ui(ui: &mut Ui, found: &Components, pictures: usize) {
    ui.label(theme::muted(format!(
        "{} components of {pictures} pictures",
        found.directions.len()
    )));
    Grid::new("components")
        .num_columns(4)
        .spacing([4.0 * theme::GRID, theme::GRID])
        .show(ui, |ui| {
            for name in ["component", "deviation", "of variance", "together"] {
                ui.label(theme::muted(name));
            }
            ui.end_row();
            let mut together = 0.0;
            for (place, (deviation, share)) in found.deviations.iter().zip(&found.shares).enumerate() {
                together += share;
                ui.label((place + 1).to_string());
                ui.label(format!("{deviation:.4}"));
                ui.label(format!("{:.1} %", 100.0 * share));
                ui.label(format!("{:.1} %", 100.0 * together));
                ui.end_row();
            }
        });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proposed_names_are_plain_file_names() {
        let order = |name: &str| DirectionOrder::Difference {
            with: Vec::new(),
            without: Vec::new(),
            names: [name.to_owned(), String::new()],
            held_out_share: 0.3,
            seed: 0,
        };
        assert_eq!(proposed_name(&order("label: red/blue")), "label-red-blue");
        assert_eq!(proposed_name(&order("../..")), "");
    }
}
