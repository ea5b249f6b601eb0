//! The models: what is installed, what is loaded, what a checkpoint holds before it is loaded, and what can be had.

mod catalogue;
mod downloads;
mod loaded;
mod removal;
mod report;
mod table;

use super::commands::Command;
use super::dialogs::typed_path;
use super::theme::{self, icon};
use crate::document::{ModelKind, ModelReport, Notice, NoticeKind, Places, Workspace};
use crate::engine::Jobs;
use crate::hub::{Cache, CachedModel, ModelId, Removed, Settings, free_space};
use crate::tokenizer::ModelFiles;
use downloads::Downloads;
use removal::{Answer, Removal};
use std::path::{Path, PathBuf};
use table::{Row, RowAction};

/// What lies on this machine.
struct Shelf {
    rows: Vec<Row>,
    /// Models of which the cache holds a part.
    unfinished: Vec<CachedModel>,
    /// Of the disk with the cache; `None` where the system does not say.
    free_bytes: Option<u64>,
}

enum Found {
    Shelf(Shelf),
    Removed(ModelId, Result<Removed, String>),
    Files(Result<(ModelFiles, ModelKind), String>),
    Report(Result<Box<ModelReport>, String>),
}

/// What the view remembers between frames.
pub(super) struct ModelsView {
    jobs: Jobs<Found>,
    downloads: Downloads,
    /// `None` until the folders have been read.
    shelf: Option<Shelf>,
    path_text: String,
    id_text: String,
    /// Why what was typed is no id.
    id_fault: Option<String>,
    removal: Option<Removal>,
    report: Option<Box<ModelReport>>,
}

impl ModelsView {
    /// `ctx` is repainted when something was found.
    pub(super) fn new(ctx: &egui::Context) -> Self {
        let wake = ctx.clone();
        Self {
            jobs: Jobs::new(move || wake.request_repaint()),
            downloads: Downloads::new(ctx),
            shelf: None,
            path_text: String::new(),
            id_text: String::new(),
            id_fault: None,
            removal: None,
            report: None,
        }
    }

    /// Reads the model folders again.
    pub(super) fn refresh(&mut self, places: &Places) {
        let places = places.clone();
        self.jobs.run(move || Found::Shelf(shelf(&places)));
    }

    /// Looks for a model at `path` and opens it.
    pub(super) fn open(&mut self, path: PathBuf) {
        self.jobs.run(move || {
            let found = ModelFiles::locate(&path).map_err(|error| error.to_string());
            Found::Files(found.map(|files| {
                let kind = ModelKind::of(&files.config).unwrap_or(ModelKind::Tokenizer);
                (files, kind)
            }))
        });
    }

    /// Compares a model's files with each other without reading its weights.
    fn check(&self, files: ModelFiles) {
        self.jobs.run(move || {
            Found::Report(
                ModelReport::of(&files)
                    .map(Box::new)
                    .map_err(|error| error.to_string()),
            )
        });
    }

    /// Takes in what was found. Never waits.
    pub(super) fn update(&mut self, workspace: &mut Workspace) -> Vec<Notice> {
        let mut notices = Vec::new();
        while let Some(found) = self.jobs.poll() {
            notices.extend(self.take(found, workspace));
        }
        while let Some(notice) = self.downloads.poll() {
            notices.extend(notice);
            self.refresh(workspace.places());
        }
        notices
    }

    /// Blocks until everything is found that is looked for and every download has ended, taking it in.
    pub(super) fn settle(&mut self, workspace: &mut Workspace) -> Vec<Notice> {
        let mut notices = Vec::new();
        while let Some(notice) = self.downloads.wait() {
            notices.extend(notice);
            self.refresh(workspace.places());
        }
        while let Some(found) = self.jobs.wait() {
            notices.extend(self.take(found, workspace));
        }
        notices
    }

    fn take(&mut self, found: Result<Found, String>, workspace: &mut Workspace) -> Option<Notice> {
        match found {
            Ok(Found::Shelf(shelf)) => self.shelf = Some(shelf),
            Ok(Found::Removed(id, Ok(removed))) => {
                self.downloads.forget(&id);
                self.refresh(workspace.places());
                return Some(Notice {
                    kind: NoticeKind::Done,
                    text: format!("Removed {id}; {} are free again", bytes_text(removed.freed_bytes)),
                });
            }
            Ok(Found::Files(Ok((files, ModelKind::Tokenizer)))) => workspace.open_model(files),
            Ok(Found::Files(Ok((files, ModelKind::Generator)))) => {
                let text = format!("{} is a generator: the view Generate has it", files.name);
                workspace.open_generator(files);
                return Some(Notice {
                    kind: NoticeKind::Done,
                    text,
                });
            }
            Ok(Found::Report(Ok(report))) => self.report = Some(report),
            Ok(Found::Files(Err(text)) | Found::Report(Err(text)) | Found::Removed(_, Err(text)))
            | Err(text) => {
                return Some(Notice {
                    kind: NoticeKind::Error,
                    text,
                });
            }
        }
        None
    }

    /// Draws the view; commands that were asked for are added to `commands`.
    pub(super) fn ui(&mut self, ui: &mut egui::Ui, workspace: &mut Workspace, commands: &mut Vec<Command>) {
        if self.shelf.is_none() && self.jobs.outstanding() == 0 {
            self.refresh(workspace.places());
        }
        egui::Panel::right("loaded model")
            .default_size(360.0)
            .size_range(280.0..=560.0)
            .show(ui, |ui| {
                egui::ScrollArea::vertical()
                    .auto_shrink([false, false])
                    .show(ui, |ui| {
                        ui.heading("Loaded model");
                        match workspace.model() {
                            Some(model) => loaded::ui(ui, model),
                            None => {
                                ui.weak(
                                    "None. Open one of the models on the left, or a checkpoint of your own.",
                                );
                            }
                        }
                    });
            });
        egui::CentralPanel::default().show(ui, |ui| {
            egui::ScrollArea::vertical()
                .auto_shrink([false, false])
                .show(ui, |ui| {
                    ui.horizontal(|ui| {
                        ui.heading("Models on this machine");
                        if theme::icon_button(ui, icon::REPEAT, "Read the model folders again").clicked() {
                            self.refresh(workspace.places());
                        }
                    });
                    self.table_ui(ui, workspace, commands);
                    ui.add_space(16.0);
                    ui.heading("Open another");
                    self.open_ui(ui, commands);
                    self.report_ui(ui);
                    ui.add_space(16.0);
                    self.hub_ui(ui, workspace.places());
                });
        });
        self.removal_ui(ui.ctx(), workspace.places());
    }

    /// What can be had from the hub, and what is on its way.
    fn hub_ui(&mut self, ui: &mut egui::Ui, places: &Places) {
        let settings = &places.hub;
        ui.heading("From the hub");
        ui.label(theme::muted(hub_text(settings, self.shelf.as_ref())));
        self.downloads.ui(ui, settings);
        let mut wanted = self.unfinished_ui(ui);
        match catalogue::id_ui(ui, &mut self.id_text, settings) {
            Some(Ok(id)) => wanted = Some(id),
            Some(Err(text)) => self.id_fault = Some(text),
            None => {}
        }
        if let Some(fault) = &self.id_fault {
            ui.colored_label(ui.visuals().error_fg_color, fault);
        }
        ui.add_space(8.0);
        let rows = self.shelf.as_ref().map_or(&[][..], |shelf| shelf.rows.as_slice());
        let is_here = |id: &str| rows.iter().any(|row| row.model.name == id);
        wanted = catalogue::ui(ui, settings, &self.downloads, &is_here).or(wanted);
        if let Some(id) = wanted {
            self.id_fault = None;
            self.downloads.start(settings, id);
        }
    }

    /// Models that another run, or another program, has begun to fetch; returns the one to go on with.
    fn unfinished_ui(&mut self, ui: &mut egui::Ui) -> Option<ModelId> {
        let mut wanted = None;
        let unfinished = self.shelf.iter().flat_map(|shelf| &shelf.unfinished);
        for model in unfinished.filter(|model| !self.downloads.holds(&model.id)) {
            let id = &model.id;
            ui.horizontal(|ui| {
                let resume = ui
                    .button("Go on")
                    .accessible_name(format!("Go on downloading {id}"));
                if resume.clicked() {
                    wanted = Some(id.clone());
                }
                if theme::icon_button(ui, icon::TRASH, &format!("Remove the part of {id}")).clicked() {
                    self.removal = Some(Removal {
                        id: id.clone(),
                        size_bytes: model.size_bytes,
                    });
                }
                ui.label(id.to_string());
                ui.label(theme::muted(format!(
                    "{} have arrived",
                    bytes_text(model.size_bytes)
                )));
            });
        }
        wanted
    }

    /// Asks before a model is removed.
    fn removal_ui(&mut self, ctx: &egui::Context, places: &Places) {
        let Some(removal) = &self.removal else {
            return;
        };
        let Some(answer) = removal.ui(ctx) else {
            return;
        };
        if let Answer::Remove = answer {
            self.remove(places.hub.cache.clone(), removal.id.clone());
        }
        self.removal = None;
    }

    /// Deletes a model of the cache, on the thread for file work.
    fn remove(&self, cache: Option<Cache>, id: ModelId) {
        self.jobs.run(move || {
            let removed = match cache {
                Some(cache) => cache.remove(&id, None).map_err(|error| error.to_string()),
                None => Err("there is no cache to remove it from".to_owned()),
            };
            Found::Removed(id, removed)
        });
    }

    fn table_ui(&mut self, ui: &mut egui::Ui, workspace: &mut Workspace, commands: &mut Vec<Command>) {
        let Some(Shelf { rows, .. }) = &self.shelf else {
            ui.weak("Reading the model folders…");
            return;
        };
        if rows.is_empty() {
            ui.weak(format!(
                "None found. Download one below, or put a folder with config.json and model.safetensors into {}.",
                workspace.places().installed_models.display()
            ));
            return;
        }
        match table::ui(ui, rows, workspace) {
            Some(RowAction::Open(files, ModelKind::Tokenizer)) => workspace.open_model(files),
            Some(RowAction::Open(files, ModelKind::Generator)) => {
                let in_use = workspace.generator().map(|generator| generator.name.as_str());
                if in_use != Some(files.name.as_str()) {
                    workspace.open_generator(files);
                }
                commands.push(Command::ShowGenerate);
            }
            Some(RowAction::Check(files)) => self.check(files),
            Some(RowAction::Remove(removal)) => self.removal = Some(removal),
            None => {}
        }
    }

    fn report_ui(&mut self, ui: &mut egui::Ui) {
        let Some(report) = &self.report else {
            return;
        };
        ui.add_space(16.0);
        let mut is_closed = false;
        ui.horizontal(|ui| {
            ui.heading(format!("Report on {}", report.name()));
            is_closed = theme::icon_button(ui, icon::X, "Close the report").clicked();
        });
        report::ui(ui, report);
        if is_closed {
            self.report = None;
        }
    }

    fn open_ui(&mut self, ui: &mut egui::Ui, commands: &mut Vec<Command>) {
        ui.horizontal(|ui| {
            for command in [Command::OpenModel, Command::OpenModelFolder] {
                if ui.button(command.name()).on_hover_text(command.tooltip()).clicked() {
                    commands.push(command);
                }
            }
            let field = ui
                .add(
                    egui::TextEdit::singleline(&mut self.path_text)
                        .hint_text("path of a folder or checkpoint")
                        .desired_width(360.0),
                )
                .on_hover_text("A folder with config.json and model.safetensors, or a checkpoint beside its config.json.")
                .accessible_name("Path of a model");
            let is_entered = field.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
            if is_entered && !self.path_text.trim().is_empty() {
                self.open(typed_path(&self.path_text));
            }
        });
    }
}

/// Looks into the folders and the cache.
fn shelf(places: &Places) -> Shelf {
    let cache = places.hub.cache.as_ref();
    let unfinished = cache.map(Cache::models).unwrap_or_default().into_iter();
    Shelf {
        rows: places.models().into_iter().map(Row::of).collect(),
        unfinished: unfinished
            .filter(|model| model.files.is_none() && model.part_bytes > 0)
            .collect(),
        free_bytes: cache.and_then(|cache| free_space(cache.folder())),
    }
}

/// Where models come from and go to, in a line.
fn hub_text(settings: &Settings, shelf: Option<&Shelf>) -> String {
    if settings.is_offline {
        return "HF_HUB_OFFLINE is set: what is on this machine can be used, nothing is fetched.".to_owned();
    }
    let folder = settings.cache.as_ref().map_or_else(
        || "nowhere: set HF_HUB_CACHE".to_owned(),
        |cache| shown_path(cache.folder()),
    );
    let free = shelf
        .and_then(|shelf| shelf.free_bytes)
        .map_or_else(String::new, |bytes| format!(", {} free", bytes_text(bytes)));
    format!("From {} into {folder}{free}.", settings.endpoint)
}

/// A path as a person reads it: the home folder is `~`.
fn shown_path(path: &Path) -> String {
    let in_home = std::env::home_dir().and_then(|home| path.strip_prefix(home).ok().map(Path::to_path_buf));
    match in_home {
        Some(rest) => format!("~/{}", rest.display()),
        None => path.display().to_string(),
    }
}

/// "38 MB": decimal units, three figures.
fn bytes_text(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut units = UNITS.iter();
    let mut unit = units.next().copied().unwrap_or_default();
    for larger in units {
        if value < 1000.0 {
            break;
        }
        value /= 1000.0;
        unit = larger;
    }
    let digits = usize::from(value < 10.0 && unit != "B");
    format!("{value:.digits$} {unit}")
}

/// "12 345 678", grouped by thousands.
pub(super) fn count_text(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_readable() {
        assert_eq!(bytes_text(0), "0 B");
        assert_eq!(bytes_text(999), "999 B");
        assert_eq!(bytes_text(1_500), "1.5 kB");
        assert_eq!(bytes_text(38_400_000), "38 MB");
        assert_eq!(bytes_text(1_180_000_000), "1.2 GB");
        assert_eq!(count_text(12_345_678), "12\u{202f}345\u{202f}678");
        assert_eq!(count_text(12), "12");
    }
}
