//! The collection that sections on many pictures are of: what it is, how far it is, and where another comes from.

use crate::document::{
    CollectingProgress, Collection, CollectionOrder, ReportProgress, Workspace, picture_count,
};
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
        command_button(ui, Command::MakeReport, now, commands);
    });
    ui.horizontal_wrapped(|ui| {
        if let Some(progress) = workspace.collecting() {
            progress_ui(ui, workspace, &progress);
        } else if let Some(collection) = workspace.collection().cloned() {
            collection_ui(ui, workspace, &collection);
        } else if now.can_collect_again {
            ui.label(theme::muted("What was collected is of another model."));
            command_button(ui, Command::CollectAgain, now, commands);
        } else {
            ui.label(theme::muted(
                "No pictures are collected yet. Collect a folder, with sub-folders or a table labels.csv as labels, or the \
                 pictures of the library: their tokens are kept, their pixels are not.",
            ));
        }
        report_ui(ui, workspace, now, commands);
    });
}

/// What is collected, and what is not.
fn collection_ui(ui: &mut Ui, workspace: &mut Workspace, collection: &Collection) {
    let (held, found) = (collection.pictures.len(), collection.found);
    let tokens = format!("{} tokens of the model in use.", collection.total_tokens());
    fact::ui(ui, None, &collection.name, &picture_count(held)).on_hover_text(tokens);
    if collection.left_out.is_empty() {
        return;
    }
    ui.colored_label(ui.visuals().warn_fg_color, format!("{held} of {found}"))
        .on_hover_text(collection.left_out.join("\n"));
    let order = workspace.collection_order().cloned();
    let Some(order) = order.filter(|order| order.most < found) else {
        return;
    };
    let all = ui.button(format!("Collect all {found}"));
    if all
        .on_hover_text("Encodes the pictures that the limit left out too.")
        .clicked()
    {
        workspace.collect(CollectionOrder { most: found, ..order });
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
    bar(ui, progress.fraction);
    let said = match progress.total {
        0 => format!("listing {}", progress.name),
        total => format!("{} of {total} of {}", progress.done, progress.name),
    };
    ui.label(said);
}

/// The report on its way, or where the last one lies.
fn report_ui(ui: &mut Ui, workspace: &mut Workspace, now: &Situation, commands: &mut Vec<Command>) {
    match workspace.reporting() {
        Some(ReportProgress { fraction, doing }) => {
            if ui
                .button("Cancel report")
                .on_hover_text("Gives the report up; nothing is written of it.")
                .clicked()
            {
                workspace.cancel_report();
            }
            bar(ui, fraction);
            ui.label(format!("report: {doing}"));
        }
        None if now.has_report => command_button(ui, Command::OpenReportFolder, now, commands),
        None => {}
    }
}

fn bar(ui: &mut Ui, fraction: f32) {
    ui.add(
        ProgressBar::new(fraction)
            .desired_width(120.0)
            .desired_height(8.0),
    );
}
