//! The top row: menus, the views, the palette, and which model is loaded.

use super::commands::{Command, Group, Situation};
use super::settings::Settings;
use super::theme::icon;
use crate::document::Workspace;

/// Commands after which a menu draws a line.
const ENDS_OF_SECTIONS: &[Command] = &[
    Command::PastePicture,
    Command::SaveSessionAs,
    Command::ExportTokens,
    Command::Redo,
    Command::ResetAll,
    Command::ExtendToPrevious,
    Command::RestorePicture,
    Command::ShowModels,
    Command::ToggleInspector,
    Command::Difference,
    Command::PreviousPicture,
    Command::ResetUiScale,
    Command::OpenModelFolder,
    Command::Fill,
    Command::DiscardPainting,
    Command::OpenTrainingFolder,
    Command::Shortcuts,
];

/// Draws the row; commands that were asked for are added to `commands`.
pub(super) fn menu_bar_ui(
    ui: &mut egui::Ui,
    workspace: &Workspace,
    settings: &mut Settings,
    now: &Situation,
    commands: &mut Vec<Command>,
) {
    egui::MenuBar::new().ui(ui, |ui| {
        for group in Group::ALL {
            ui.menu_button(group.title(), |ui| menu_ui(ui, group, settings, now, commands));
        }
        ui.separator();
        for command in [
            Command::ShowExplore,
            Command::ShowCompare,
            Command::ShowAnalysis,
            Command::ShowGenerate,
            Command::ShowTrain,
            Command::ShowModels,
        ] {
            if ui
                .selectable_label(command.is_on(now), command.name())
                .on_hover_text(command.tooltip())
                .clicked()
            {
                commands.push(command);
            }
        }
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            model_ui(ui, workspace, commands);
            let palette = Command::CommandPalette;
            let keys = palette.shortcut_text(ui.ctx()).unwrap_or_default();
            let find = ui
                .button(format!("{}  {keys}", icon::SEARCH))
                .on_hover_text(palette.tooltip())
                .accessible_name("Command palette");
            if find.clicked() {
                commands.push(palette);
            }
        });
    });
}

/// Commands that are listed in a menu of their own.
const INTERPOLATION: [Command; 4] = [
    Command::ExportGif,
    Command::ExportApng,
    Command::ExportFrames,
    Command::ExportStrip,
];

fn menu_ui(
    ui: &mut egui::Ui,
    group: Group,
    settings: &mut Settings,
    now: &Situation,
    commands: &mut Vec<Command>,
) {
    let listed = Command::ALL
        .iter()
        .filter(|command| command.group() == group && !INTERPOLATION.contains(command));
    for &command in listed {
        command_button(ui, command, now, commands);
        if command == Command::ExportTokens {
            ui.menu_button("Export interpolation", |ui| {
                interpolation_ui(ui, settings, now, commands);
            });
        }
        if ENDS_OF_SECTIONS.contains(&command) {
            ui.separator();
        }
    }
}

fn interpolation_ui(
    ui: &mut egui::Ui,
    settings: &mut Settings,
    now: &Situation,
    commands: &mut Vec<Command>,
) {
    let frames = egui::DragValue::new(&mut settings.interpolation_frames)
        .range(2..=600)
        .suffix(" frames");
    ui.add(frames)
        .on_hover_text("How many frames, both ends included.")
        .accessible_name("Frames of the interpolation");
    for command in INTERPOLATION {
        command_button(ui, command, now, commands);
    }
}

/// A menu entry.
pub(super) fn command_button(
    ui: &mut egui::Ui,
    command: Command,
    now: &Situation,
    commands: &mut Vec<Command>,
) {
    let mut button = egui::Button::new(command.name()).selected(command.is_on(now));
    if let Some(keys) = command.shortcut_text(ui.ctx()) {
        button = button.shortcut_text(keys);
    }
    let refusal = command.refusal(now);
    let response = ui.add_enabled(refusal.is_none(), button);
    let response = response.accessible_name(command.name());
    let response = match refusal {
        Some(refusal) => response.on_disabled_hover_text(refusal),
        None => response.on_hover_text(command.tooltip()),
    };
    if response.clicked() {
        commands.push(command);
        ui.close();
    }
}

fn model_ui(ui: &mut egui::Ui, workspace: &Workspace, commands: &mut Vec<Command>) {
    let Some(model) = workspace.model() else {
        ui.weak("no model");
        return;
    };
    let space = &model.space;
    let shape = format!("{} × {}", space.token_count, space.dim);
    ui.weak(shape).on_hover_text(format!(
        "A picture is {} tokens of {} values each (L × D).",
        space.token_count, space.dim
    ));
    let name = ui
        .add(egui::Button::new(&model.name).frame(false))
        .on_hover_text("The loaded model. Click for its facts and for other models.");
    if name.clicked() {
        commands.push(Command::ShowModels);
    }
}
