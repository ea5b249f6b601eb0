//! Which models are compared: the ones on this machine, those opened in this run, and folders that are named.

use crate::document::{MOST_COMPARED, Notice, NoticeKind, Places, Workspace};
use crate::engine::Jobs;
use crate::tokenizer::ModelFiles;
use crate::ui::dialogs::typed_path;
use crate::ui::settings::Settings;
use crate::ui::theme::{self, icon};
use egui::{Checkbox, DragValue, Key, TextEdit, Ui};
use std::path::PathBuf;

enum Found {
    /// On this machine.
    Listed(Vec<ModelFiles>),
    /// At a path that a person named.
    Named(Result<ModelFiles, String>),
}

/// The list of models, read off the UI thread.
pub(super) struct Chooser {
    jobs: Jobs<Found>,
    /// `None` until the folders have been read.
    listed: Option<Vec<ModelFiles>>,
    /// Opened by their paths for the comparison.
    named: Vec<ModelFiles>,
    path_text: String,
    /// A person has chosen: nothing is chosen for them any more.
    is_touched: bool,
}

impl Chooser {
    /// `ctx` is repainted when something was found.
    pub(super) fn new(ctx: &egui::Context) -> Self {
        let ctx = ctx.clone();
        Self {
            jobs: Jobs::new(move || ctx.request_repaint()),
            listed: None,
            named: Vec::new(),
            path_text: String::new(),
            is_touched: false,
        }
    }

    /// Reads the model folders again.
    fn refresh(&self, places: &Places) {
        let places = places.clone();
        self.jobs.run(move || Found::Listed(places.tokenizers()));
    }

    /// Looks for a model at `path` and compares it too.
    pub(super) fn add(&self, path: PathBuf) {
        self.jobs
            .run(move || Found::Named(ModelFiles::locate(&path).map_err(|error| error.to_string())));
    }

    /// Takes in what was found. Never waits.
    pub(super) fn update(&mut self, workspace: &mut Workspace) -> Vec<Notice> {
        let mut notices = Vec::new();
        while let Some(found) = self.jobs.poll() {
            notices.extend(self.take(found, workspace));
        }
        notices
    }

    /// Blocks until everything is found that is looked for, taking it in.
    pub(super) fn settle(&mut self, workspace: &mut Workspace) -> Vec<Notice> {
        let mut notices = Vec::new();
        while let Some(found) = self.jobs.wait() {
            notices.extend(self.take(found, workspace));
        }
        notices
    }

    fn take(&mut self, found: Result<Found, String>, workspace: &mut Workspace) -> Option<Notice> {
        let error = |text| {
            Some(Notice {
                kind: NoticeKind::Error,
                text,
            })
        };
        match found {
            Ok(Found::Listed(models)) => {
                self.listed = Some(models);
                self.choose_loaded(workspace);
                None
            }
            Ok(Found::Named(Ok(files))) => {
                self.is_touched = true;
                if !self.offers(workspace, &files) {
                    self.named.push(files.clone());
                }
                toggle(workspace, &files, true)
            }
            Ok(Found::Named(Err(text))) | Err(text) => error(text),
        }
    }

    fn offers(&self, workspace: &Workspace, files: &ModelFiles) -> bool {
        self.offered(workspace).contains(files)
    }

    /// Every model to choose from.
    fn offered(&self, workspace: &Workspace) -> Vec<ModelFiles> {
        let mut offered: Vec<ModelFiles> = Vec::new();
        let listed = self.listed.iter().flatten();
        for files in listed.chain(workspace.opened_models()).chain(&self.named) {
            if !offered.contains(files) {
                offered.push(files.clone());
            }
        }
        offered
    }

    /// Begins with the model in use, which is loaded already.
    fn choose_loaded(&self, workspace: &mut Workspace) {
        if self.is_touched || !workspace.compared_models().is_empty() {
            return;
        }
        let loaded = workspace.opened_models().last().cloned();
        workspace.set_compared_models(loaded.into_iter().collect());
    }

    pub(super) fn ui(
        &mut self,
        ui: &mut Ui,
        workspace: &mut Workspace,
        settings: &mut Settings,
        notices: &mut Vec<Notice>,
    ) {
        if self.listed.is_none() && self.jobs.outstanding() == 0 {
            self.refresh(workspace.places());
        }
        ui.horizontal(|ui| {
            ui.heading("Models");
            ui.weak(format!(
                "{} of {MOST_COMPARED}",
                workspace.compared_models().len()
            ));
            if theme::icon_button(ui, icon::REPEAT, "Read the model folders again").clicked() {
                self.refresh(workspace.places());
            }
        });
        if self.listed.is_none() {
            ui.weak("Reading the model folders…");
        }
        let offered = self.offered(workspace);
        if self.listed.is_some() && offered.is_empty() {
            ui.weak("None found. Download one in the view Models, or name one here.");
        }
        for files in offered {
            self.choice_ui(ui, workspace, &files, notices);
        }
        ui.add_space(2.0 * theme::GRID);
        self.path_ui(ui);
        ui.add_space(2.0 * theme::GRID);
        memory_ui(ui, workspace, settings);
    }

    fn choice_ui(
        &mut self,
        ui: &mut Ui,
        workspace: &mut Workspace,
        files: &ModelFiles,
        notices: &mut Vec<Notice>,
    ) {
        let chosen = workspace.compared_models();
        let mut is_chosen = chosen.iter().any(|model| model.files == *files);
        let has_room = is_chosen || chosen.len() < MOST_COMPARED;
        let response = ui
            .add_enabled(has_room, Checkbox::new(&mut is_chosen, files.name.as_str()))
            .on_hover_text(files.weights.display().to_string())
            .on_disabled_hover_text("Four are compared already: take one out first.");
        if response
            .accessible_name(format!("Compare {}", files.name))
            .changed()
        {
            self.is_touched = true;
            notices.extend(toggle(workspace, files, is_chosen));
        }
    }

    fn path_ui(&mut self, ui: &mut Ui) {
        let field = ui
            .add(
                TextEdit::singleline(&mut self.path_text)
                    .hint_text("path of another model")
                    .desired_width(f32::INFINITY),
            )
            .on_hover_text(
                "A folder with config.json and model.safetensors, or a checkpoint beside its config.json.",
            )
            .accessible_name("Path of a model to compare");
        let is_entered = field.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
        if is_entered && !self.path_text.trim().is_empty() {
            self.add(typed_path(&self.path_text));
            self.path_text.clear();
        }
    }
}

/// Puts a model into the comparison or takes it out; the reason where there is no room.
fn toggle(workspace: &mut Workspace, files: &ModelFiles, is_chosen: bool) -> Option<Notice> {
    let mut models: Vec<ModelFiles> = workspace
        .compared_models()
        .iter()
        .map(|model| model.files.clone())
        .filter(|model| model != files)
        .collect();
    if is_chosen && models.len() >= MOST_COMPARED {
        return Some(Notice {
            kind: NoticeKind::Warning,
            text: format!(
                "{} is not compared: {MOST_COMPARED} models are, take one out first",
                files.name
            ),
        });
    }
    models.extend(is_chosen.then(|| files.clone()));
    workspace.set_compared_models(models);
    None
}

const MIB: u64 = 1 << 20;

fn memory_ui(ui: &mut Ui, workspace: &Workspace, settings: &mut Settings) {
    ui.label(theme::muted("Memory for open models"));
    let mut mib = (workspace.memory_limit() / MIB).max(1);
    let field = DragValue::new(&mut mib)
        .range(1..=16 * 1024 * 1024_u64)
        .speed(64.0)
        .suffix(" MiB")
        // A lower limit takes effect at once: half of a typed number would let every model leave.
        .update_while_editing(false);
    let response = ui.add(field).on_hover_text(
        "Models stay loaded within this limit, so that going back to one is instant; an open generator takes its part \
         of it. Beyond it the one used least recently leaves at once, and a message says so.",
    );
    if response.accessible_name("Memory for open models").changed() {
        settings.memory_limit_mib = Some(mib);
        workspace.set_memory_limit(mib * MIB);
    }
}
