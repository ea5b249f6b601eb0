//! The library of directions: a slider each, live on the active picture.

use super::found::{is_chance, separation_text};
use crate::document::{SavedDirection, Workspace};
use crate::latent::{DirectionSource, Edit};
use crate::ui::analysis::terms;
use crate::ui::dial::{Dial, Snap};
use crate::ui::hand::{Grip, Hand};
use crate::ui::shown_tokens::ShownTokens;
use crate::ui::theme::icon;
use crate::ui::{fact, glossary, theme};
use egui::{DragValue, TextEdit, Ui};
use std::ops::RangeInclusive;

/// In deviations of the pictures.
const SIGMAS: RangeInclusive<f32> = -4.0..=4.0;
const SLIDER_WIDTH: f32 = 200.0;
const NUMBER_WIDTH: f32 = 64.0;

/// What the panel remembers.
#[derive(Default)]
pub(super) struct SavedPanel {
    /// A direction that is being renamed, and the name typed so far.
    renaming: Option<(String, String)>,
    /// A direction whose deletion was asked for once.
    deleting: Option<String>,
}

impl SavedPanel {
    pub(super) fn ui(&mut self, ui: &mut Ui, workspace: &mut Workspace, hand: &mut Hand) {
        let saved = workspace.saved_directions();
        if saved.is_empty() {
            ui.label(theme::muted(
                "No direction is saved yet. Find one among the pictures of a collection, save it under a name, and it \
                 becomes a slider here, for every picture.",
            ));
            return;
        }
        let tokens = ShownTokens::of(workspace);
        let model = workspace.model().map(|model| model.hash.clone());
        for (place, direction) in saved.iter().enumerate() {
            let fits = tokens.as_ref().is_some_and(|tokens| fits(direction, tokens));
            let is_other = direction.model.is_some() && direction.model != model;
            ui.horizontal_wrapped(|ui| {
                self.name_ui(ui, workspace, direction);
                if fits && !is_other {
                    slider_ui(ui, workspace, hand, place, direction);
                } else {
                    ui.label(theme::muted(if is_other {
                        "Of another model: open that one to use it."
                    } else {
                        "Open a picture to move it along this direction."
                    }));
                }
                statement_ui(ui, direction);
            });
        }
    }

    /// The name with its pencil and its bin.
    fn name_ui(&mut self, ui: &mut Ui, workspace: &mut Workspace, direction: &SavedDirection) {
        let name = &direction.name;
        if let Some((_, typed)) = self.renaming.as_mut().filter(|(of, _)| of == name) {
            let field = ui
                .add(TextEdit::singleline(typed).desired_width(112.0))
                .accessible_name(format!("new name of {name}"));
            if field.lost_focus() {
                let typed = typed.trim().to_owned();
                let is_entered = ui.input(|input| input.key_pressed(egui::Key::Enter));
                if is_entered && !typed.is_empty() && typed != *name {
                    workspace.rename_direction(name, &typed);
                }
                self.renaming = None;
            } else if !field.has_focus() {
                field.request_focus();
            }
            return;
        }
        ui.strong(name);
        if theme::icon_button(ui, icon::PENCIL, &format!("Rename {name}")).clicked() {
            self.renaming = Some((name.clone(), name.clone()));
        }
        if self.deleting.as_ref() == Some(name) {
            let sure = ui
                .button("Delete")
                .on_hover_text("There is no way back. Edits made with it stay.");
            if sure.accessible_name(format!("Delete {name} for good")).clicked() {
                workspace.delete_direction(name);
                self.deleting = None;
            }
            if ui.button("Keep").clicked() {
                self.deleting = None;
            }
        } else {
            if theme::icon_button(ui, icon::TRASH, &format!("Delete {name}")).clicked() {
                self.deleting = Some(name.clone());
            }
        }
    }
}

fn fits(direction: &SavedDirection, tokens: &ShownTokens) -> bool {
    let rows = direction.vector.len();
    let dim = tokens.state.z.dim;
    (rows == 1 || rows == tokens.count()) && direction.vector.iter().all(|row| row.len() == dim)
}

/// How far the active picture was moved along it, in deviations; one drag is one step.
fn slider_ui(
    ui: &mut Ui,
    workspace: &mut Workspace,
    hand: &mut Hand,
    place: usize,
    direction: &SavedDirection,
) {
    let grip = Grip::Direction(place);
    let unit = direction.sigma_amount;
    let moved = workspace.moved_along(&direction.vector) / unit;
    let value = hand.shown(grip).unwrap_or(moved);
    let name = format!("move along {}", direction.name);
    let turned = Dial::new(grip, &name, value, SIGMAS)
        .snap(Snap::Multiples(0.5))
        .original(Some(0.0))
        .width(SLIDER_WIDTH)
        .show(ui, hand);
    let mut typed = turned.value.unwrap_or(value);
    let number = DragValue::new(&mut typed)
        .speed(0.02)
        .range(SIGMAS)
        .clamp_existing_to_range(false)
        .fixed_decimals(2)
        .suffix(" σ")
        .update_while_editing(false);
    let number = ui
        .add_sized(egui::vec2(NUMBER_WIDTH, theme::ROW_HEIGHT), number)
        .accessible_name(format!("typed {name}"));
    let turned_to = turned.value.or_else(|| number.changed().then_some(typed));
    if turned_to.is_none() && !turned.reach.is_looked_at {
        return;
    }
    // The edits that were made stay; the one under the hand goes the rest of the way.
    let settled = settled(workspace, direction);
    hand.follow(workspace, grip, &turned.reach, turned_to, |sigmas| {
        Edit::Direction {
            source: DirectionSource::Vector((*direction.vector).clone()),
            amount: sigmas * unit - settled,
        }
    });
}

/// Amount of the edits that are steps already.
fn settled(workspace: &Workspace, direction: &SavedDirection) -> f32 {
    let pending = workspace.active().and_then(|subject| subject.history.pending());
    let under_hand = match pending {
        Some(Edit::Direction {
            source: DirectionSource::Vector(rows),
            amount,
        }) if *rows == *direction.vector => *amount,
        _ => 0.0,
    };
    workspace.moved_along(&direction.vector) - under_hand
}

/// How good it is, before it is used.
fn statement_ui(ui: &mut Ui, direction: &SavedDirection) {
    if let Some(separation) = &direction.separation {
        let text = separation_text(separation);
        glossary::explain(fact::ui(ui, None, "separates", &text), terms::SEPARATION);
        if is_chance(separation) {
            ui.colored_label(ui.visuals().warn_fg_color, "no better than chance");
        }
    } else if let Some(share) = direction.share_of_variance {
        fact::ui(ui, None, "of the variance", &format!("{:.1} %", 100.0 * share));
    }
}
