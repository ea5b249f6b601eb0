//! The table of the models on this machine.

use super::removal::Removal;
use super::report::long_class_text;
use super::{bytes_text, shown_path};
use crate::document::{InstalledModel, ModelKind, ModelOrigin, ModelReport, Workspace};
use crate::tokenizer::ModelFiles;
use crate::ui::theme::{self, icon};

/// A model of the table. What its files say is read off the UI thread.
pub(super) struct Row {
    pub(super) model: InstalledModel,
    report: Result<ModelReport, String>,
}

impl Row {
    /// Reads what the model's files say, without its weights.
    pub(super) fn of(model: InstalledModel) -> Self {
        let report = ModelReport::of(&model.files).map_err(|error| error.to_string());
        Self { model, report }
    }
}

/// What a person pressed in a row.
pub(super) enum RowAction {
    Open(ModelFiles, ModelKind),
    Check(ModelFiles),
    Remove(Removal),
}

const TITLES: [&str; 7] = [
    "",
    "Name",
    "Class",
    "Picture",
    "Tokens × values",
    "Codebook",
    "Size",
];
/// The last column, where there is room for it; a name tells its folder too.
const FOLDER: &str = "Folder";
/// From this width on, in points, there is.
const WIDTH_WITH_FOLDER: f32 = 800.0;

/// Whether the table leaves something out for want of width, and stands closer.
pub(super) fn is_narrow(ui: &egui::Ui) -> bool {
    ui.available_width() < WIDTH_WITH_FOLDER
}

/// Between the columns, in points.
pub(super) fn spacing(is_narrow: bool) -> egui::Vec2 {
    egui::vec2(if is_narrow { 14.0 } else { 24.0 }, 8.0)
}

/// Draws the table; what was pressed in it.
pub(super) fn ui(ui: &mut egui::Ui, rows: &[Row], workspace: &Workspace) -> Option<RowAction> {
    let loaded = workspace.model().map(|model| model.name.as_str());
    let mut action = None;
    let is_narrow = is_narrow(ui);
    let titles = || TITLES.into_iter().chain((!is_narrow).then_some(FOLDER));
    egui::ScrollArea::horizontal().show(ui, |ui| {
        egui::Grid::new(("models", is_narrow))
            .striped(true)
            .num_columns(titles().count())
            .spacing(spacing(is_narrow))
            .show(ui, |ui| {
                for title in titles() {
                    ui.label(theme::muted(title));
                }
                ui.end_row();
                for row in rows {
                    let is_loaded = loaded == Some(row.model.name.as_str());
                    action = row_ui(ui, row, is_loaded, is_narrow).or(action.take());
                    ui.end_row();
                }
            });
    });
    action
}

/// What was pressed in the row.
fn row_ui(ui: &mut egui::Ui, row: &Row, is_loaded: bool, is_narrow: bool) -> Option<RowAction> {
    let name = &row.model.name;
    let action = buttons_ui(ui, row, is_loaded);
    let origin = match row.model.origin {
        ModelOrigin::Shipped => "Ships with Softscope.",
        ModelOrigin::Installed => "Among the installed models.",
        ModelOrigin::Hub => "Downloaded from the hub.",
    };
    let folder = row
        .model
        .files
        .weights
        .parent()
        .map(shown_path)
        .unwrap_or_default();
    ui.label(name).on_hover_text(format!("{origin}\n{folder}"));
    match &row.report {
        Ok(report) => sizes_ui(ui, report),
        Err(message) => {
            ui.colored_label(ui.visuals().error_fg_color, "unreadable")
                .on_hover_text(message);
            for _ in 0..3 {
                ui.label("");
            }
        }
    }
    ui.label(bytes_text(row.model.size_bytes));
    if !is_narrow {
        // However deep a folder lies, the table stays as wide as the view.
        ui.add(egui::Label::new(theme::muted(path_end(&folder))).extend())
            .on_hover_text(&folder);
    }
    action
}

/// Characters of a path that the table shows.
const PATH_LENGTH: usize = 26;

/// The end of a path that is too long for the table, which tells more than its beginning.
fn path_end(path: &str) -> String {
    let length = path.chars().count();
    if length <= PATH_LENGTH {
        return path.to_owned();
    }
    let end: String = path.chars().skip(length + 1 - PATH_LENGTH).collect();
    format!("…{end}")
}

/// What can be done with a model of the table.
fn buttons_ui(ui: &mut egui::Ui, row: &Row, is_loaded: bool) -> Option<RowAction> {
    let model = &row.model;
    let name = &model.name;
    let mut action = None;
    ui.horizontal(|ui| {
        let (text, can_open) = match model.kind {
            ModelKind::Tokenizer if is_loaded => ("Loaded", false),
            // The view it is used in is one click away, loaded or not.
            ModelKind::Tokenizer | ModelKind::Generator => ("Open", true),
        };
        let open = ui.add_enabled(can_open, egui::Button::new(text));
        let open = match model.kind {
            ModelKind::Tokenizer => open,
            ModelKind::Generator => open.on_hover_text("Opens it in the view Generate."),
        };
        if open.accessible_name(format!("Open {name}")).clicked() {
            action = Some(RowAction::Open(model.files.clone(), model.kind));
        }
        let check = ui
            .button("Check")
            .on_hover_text(CHECK_TOOLTIP)
            .accessible_name(format!("Check {name}"));
        if check.clicked() {
            action = Some(RowAction::Check(model.files.clone()));
        }
        if model.origin == ModelOrigin::Hub
            && theme::icon_button(ui, icon::TRASH, &format!("Remove {name}")).clicked()
            && let Ok(id) = name.parse()
        {
            action = Some(RowAction::Remove(Removal {
                id,
                size_bytes: model.size_bytes,
            }));
        }
    });
    action
}

/// Class, picture, tokens and codebook, as far as the class has them.
fn sizes_ui(ui: &mut egui::Ui, report: &ModelReport) {
    ui.label(report.class()).on_hover_text(long_class_text(report));
    let (picture, codebook) = match report {
        ModelReport::Tokenizer(report) => (
            format!("{} px", report.image_size),
            match report.num_codebooks {
                0 => "none".to_owned(),
                count => format!("{count} × {}", report.codebook_size),
            },
        ),
        ModelReport::Generator(_) => (String::new(), String::new()),
    };
    let shape = report.token_shape();
    let tokens = shape.map_or_else(String::new, |(count, dim)| format!("{count} × {dim}"));
    for text in [picture, tokens, codebook] {
        ui.label(text);
    }
}

const CHECK_TOOLTIP: &str = "Compares configuration and checkpoint key by key, without reading the weights.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_path_is_shown_by_its_end() {
        assert_eq!(path_end("~/models/small"), "~/models/small");
        let shown = path_end("/a/very/long/way/to/the/models/små-32");
        assert_eq!(shown.chars().count(), PATH_LENGTH);
        assert!(
            shown.starts_with('…') && shown.ends_with("/models/små-32"),
            "{shown}"
        );
    }
}
