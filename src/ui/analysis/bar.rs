//! What starts a measurement, how far it is, and whether its result is still true.

use super::{Section, terms};
use crate::document::Workspace;
use crate::engine::{Ablation, Task};
use crate::ui::commands::{Command, Situation};
use crate::ui::glossary;
use crate::ui::menu::command_button;
use crate::ui::theme;
use egui::{ComboBox, DragValue, ProgressBar, Ui};

/// What can take a token's place, with its name.
const PLACES: [(Ablation, &str); 3] = [
    (Ablation::Mean, "the data-set mean"),
    (Ablation::Zero, "zero"),
    (Ablation::Noise { sigma: 1.0, seed: 0 }, "noise"),
];

/// The row of a section that is measured of the active picture.
pub(super) struct Bar {
    pub(super) section: Section,
    /// The command that measures it.
    pub(super) measure: Command,
}

impl Bar {
    pub(super) fn ui(
        &self,
        ui: &mut Ui,
        workspace: &mut Workspace,
        ablation: &mut Ablation,
        now: &Situation,
        commands: &mut Vec<Command>,
    ) {
        let section = self.section;
        ui.horizontal_wrapped(|ui| {
            command_button(ui, self.measure, now, commands);
            command_button(ui, Command::ExportFindings, now, commands);
            if section != Section::Sweep {
                place_ui(ui, ablation);
            }
            if !progress_ui(ui, workspace, section) && is_stale(workspace, section) {
                ui.colored_label(
                    ui.visuals().warn_fg_color,
                    "Stale: the tokens were edited since. Measure again.",
                );
            }
        });
    }
}

fn place_ui(ui: &mut Ui, ablation: &mut Ablation) {
    glossary::named_term_label(ui, "in a token's place", terms::IN_ITS_PLACE);
    let is_same = |place: &Ablation| std::mem::discriminant(place) == std::mem::discriminant(ablation);
    let chosen = PLACES.iter().find(|(place, _)| is_same(place)).copied();
    ComboBox::from_id_salt("in a token's place")
        .selected_text(chosen.map_or("", |(_, name)| name))
        .icon(theme::combo_caret)
        .width(128.0)
        .show_ui(ui, |ui| {
            for (place, name) in PLACES {
                let is_chosen = chosen.is_some_and(|(_, chosen)| chosen == name);
                if ui.selectable_label(is_chosen, name).clicked() && !is_chosen {
                    *ablation = place;
                }
            }
        })
        .response
        .accessible_name("in a token's place");
    if let Ablation::Noise { sigma, .. } = ablation {
        let size = DragValue::new(sigma)
            .range(0.05..=8.0)
            .speed(0.02)
            .max_decimals(2)
            .suffix(" σ");
        ui.add(size)
            .on_hover_text("Deviation of the noise, in units of the latent's.")
            .accessible_name("deviation of the noise");
    }
}

/// How far the measurement is, with its cancel; false where none is under way.
fn progress_ui(ui: &mut Ui, workspace: &mut Workspace, section: Section) -> bool {
    let kinds = section.kinds();
    let waiting = workspace
        .waiting_analyses()
        .filter(|kind| kinds.contains(kind))
        .count();
    if waiting == 0 {
        return false;
    }
    if ui
        .button("Cancel")
        .on_hover_text("Gives up what is being measured; what is there stays.")
        .clicked()
    {
        workspace.cancel_analyses();
    }
    let status = workspace.engine_status();
    let is_ours = matches!(&status.running, Some(Task::Analyse(kind)) if kinds.contains(kind));
    let part = status.fraction.filter(|_| is_ours).unwrap_or_default();
    let done = kinds.len().saturating_sub(waiting) as f32 + part;
    let bar = ProgressBar::new(done / kinds.len().max(1) as f32);
    ui.add(bar.desired_width(120.0).desired_height(8.0));
    ui.label(match &status.running {
        Some(Task::Analyse(kind)) if is_ours => format!("measuring {}", kind.name()),
        _ => "waiting".to_owned(),
    });
    true
}

fn is_stale(workspace: &Workspace, section: Section) -> bool {
    let mut findings = section.kinds().iter().filter_map(|kind| workspace.finding(*kind));
    findings.any(|finding| finding.is_stale)
}
