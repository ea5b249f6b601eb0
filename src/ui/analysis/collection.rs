//! The collection that sections on many pictures are of: what it is, how far it is, and where another comes from.

use crate::document::{CollectingProgress, Workspace, picture_count};
use crate::ui::commands::{Command, Situation};
use crate::ui::menu::command_button;
use crate::ui::{fact, theme};
use egui::{ProgressBar, Ui};

/// Draws the row.
pub(super) fn bar_ui(ui: &mut Ui, workspace: &mut Workspace, now: &Situation, commands: &mut Vec<Command>) {
    ui.horizontal_wrapped(|ui| {
        command_button(ui, Command::CollectFolder, now, commands);
        command_button(ui, Command::CollectLibrary, now, commands);
        command_button(ui, Command::ExportFindings, now, commands);
        if let Some(progress) = workspace.collecting() {
            progress_ui(ui, workspace, &progress);
        } else if let Some(collection) = workspace.collection() {
            let pictures = picture_count(collection.pictures.len());
            let response = fact::ui(ui, None, &collection.name, &pictures);
            let tokens = format!("{} tokens of the model in use.", collection.total_tokens());
            response.on_hover_text([tokens, collection.left_out.join("\n")].join("\n").trim_end());
        }
    });
    if workspace.collection().is_none() && workspace.collecting().is_none() {
        ui.label(theme::muted(
            "No pictures are collected yet. Collect a folder, with sub-folders or a table as labels, or the pictures of the \
             library: their tokens are kept, their pixels are not.",
        ));
    }
}

fn progress_ui(ui: &mut Ui, workspace: &mut Workspace, progress: &CollectingProgress) {
    if ui
        .button("Cancel")
        .on_hover_text("Gives up the collection on its way; the one that is there stays.")
        .clicked()
    {
        workspace.cancel_collecting();
    }
    let bar = ProgressBar::new(progress.fraction);
    ui.add(bar.desired_width(120.0).desired_height(8.0));
    let said = match progress.total {
        0 => format!("listing {}", progress.name),
        total => format!("{} of {total} of {}", progress.done, progress.name),
    };
    ui.label(said);
}
