//! One picture through up to four models: the pictures under one zoom, their figures in a table, the choice of models.

mod chooser;
mod figures;
mod layers;
mod table;

use super::commands::{Command, Situation};
use super::settings::Settings;
use super::viewer::Viewer;
use crate::document::{ComparedState, Notice, Workspace};
use chooser::Chooser;
use egui::{Button, CentralPanel, Panel, ProgressBar, ScrollArea, Ui};
use table::FiguresTable;

/// Most of the height that the table takes from the pictures.
const TABLE_SHARE: f32 = 0.4;

/// What the view remembers between frames.
pub(super) struct ComparisonView {
    pub(super) viewer: Viewer,
    chooser: Chooser,
    table: FiguresTable,
    notices: Vec<Notice>,
}

impl ComparisonView {
    /// `ctx` is repainted when a model was found.
    pub(super) fn new(ctx: &egui::Context, render_state: Option<&egui_wgpu::RenderState>) -> Self {
        Self {
            viewer: Viewer::new(render_state),
            chooser: Chooser::new(ctx),
            table: FiguresTable::default(),
            notices: Vec::new(),
        }
    }

    /// Takes in what was found. Never waits.
    pub(super) fn update(&mut self, workspace: &mut Workspace) -> Vec<Notice> {
        let mut notices = std::mem::take(&mut self.notices);
        notices.extend(self.chooser.update(workspace));
        notices
    }

    /// Blocks until everything is found that is looked for, taking it in.
    pub(super) fn settle(&mut self, workspace: &mut Workspace) -> Vec<Notice> {
        let mut notices = std::mem::take(&mut self.notices);
        notices.extend(self.chooser.settle(workspace));
        notices
    }

    /// Draws the view beside the library; commands that were asked for are added to `commands`. Returns where the
    /// pictures are.
    pub(super) fn ui(
        &mut self,
        ui: &mut Ui,
        workspace: &mut Workspace,
        settings: &mut Settings,
        now: &Situation,
        commands: &mut Vec<Command>,
    ) -> egui::Rect {
        Panel::right("compared models")
            .default_size(224.0)
            .size_range(176.0..=400.0)
            .show(ui, |ui| {
                ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
                    self.chooser.ui(ui, workspace, settings, &mut self.notices);
                });
            });
        let height = TABLE_SHARE * ui.available_height();
        Panel::bottom("figures").show(ui, |ui| {
            bar_ui(ui, workspace, now, commands);
            let width = ui.available_width();
            ScrollArea::both()
                .max_height(height)
                .auto_shrink([false, true])
                .show(ui, |ui| self.table.ui(ui, workspace.compared_models(), width));
            ui.weak(footnote(workspace));
        });
        let centre = CentralPanel::default().show(ui, |ui| {
            self.viewer.ui(ui, &layers::layers(workspace));
        });
        centre.response.rect
    }
}

/// Progress with its cancel, or what can be done with the result.
fn bar_ui(ui: &mut Ui, workspace: &mut Workspace, now: &Situation, commands: &mut Vec<Command>) {
    ui.horizontal(|ui| {
        if let Some((done, total)) = workspace.comparison_progress() {
            if ui.button("Cancel").clicked() {
                workspace.cancel_comparison();
            }
            let part = workspace.engine_status().fraction.unwrap_or_default();
            let fraction = (done as f32 + part) / total.max(1) as f32;
            ui.add(
                ProgressBar::new(fraction)
                    .desired_width(120.0)
                    .desired_height(8.0),
            );
            ui.label(format!("{done} of {total} models"));
        } else if workspace
            .compared_models()
            .iter()
            .any(|model| matches!(model.state, ComparedState::Failed(_) | ComparedState::Cancelled))
        {
            let again = ui.button("Try again");
            if again
                .on_hover_text("Begins anew with the models that failed or were cancelled.")
                .clicked()
            {
                workspace.compare_again();
            }
        }
        for command in [Command::ExportModelTable, Command::ExportModelSheet] {
            command_ui(ui, command, now, commands);
        }
    });
}

fn command_ui(ui: &mut Ui, command: Command, now: &Situation, commands: &mut Vec<Command>) {
    let refusal = command.refusal(now);
    let response = ui.add_enabled(refusal.is_none(), Button::new(command.name()));
    let response = match refusal {
        Some(refusal) => response.on_disabled_hover_text(refusal),
        None => response.on_hover_text(command.tooltip()),
    };
    if response.clicked() {
        commands.push(command);
    }
}

fn footnote(workspace: &Workspace) -> &'static str {
    if workspace.compared_models().is_empty() {
        "Choose models on the right."
    } else {
        "Each model is measured at its own size (px), against the picture fitted to that size. Click a head to sort."
    }
}
