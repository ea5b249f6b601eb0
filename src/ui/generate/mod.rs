//! The view that makes new pictures: a generator, what to make, and the picture as it develops.

mod classes;
mod form;
mod live;
mod terms;

use super::commands::{Command, Situation};
use super::menu::command_button;
use super::selection::Selection;
use super::theme::{self, icon};
use crate::document::{GenerateOrder, GenerateStart, Notice, NoticeKind, Workspace};
use crate::engine::{GeneratorInfo, Jobs};
use crate::generator::GeneratorArgs;
use crate::tokenizer::ModelFiles;
use egui::{ComboBox, ScrollArea, Ui};
use form::Form;
use live::Live;
use std::path::PathBuf;

enum Found {
    Installed {
        all: Vec<ModelFiles>,
        /// The first whose tokens are those of the model in use.
        fitting: Option<ModelFiles>,
    },
    Files(Result<ModelFiles, String>),
}

/// What the view remembers between frames.
pub(super) struct GenerateView {
    jobs: Jobs<Found>,
    /// `None` until the folders have been read.
    installed: Option<Vec<ModelFiles>>,
    form: Form,
    live: Live,
}

impl GenerateView {
    /// `ctx` is repainted when something was found.
    pub(super) fn new(ctx: &egui::Context) -> Self {
        let ctx = ctx.clone();
        Self {
            jobs: Jobs::new(move || ctx.request_repaint()),
            installed: None,
            form: Form::default(),
            live: Live::default(),
        }
    }

    /// Reads the folders of installed generators again; where none is in use yet, one that fits the model is opened.
    pub(super) fn refresh(&mut self, workspace: &Workspace) {
        let places = workspace.places().clone();
        let shape = workspace
            .model()
            .map(|model| (model.space.token_count, model.space.dim));
        self.jobs.run(move || {
            let all = places.generators();
            let fits = |files: &&ModelFiles| {
                let args = GeneratorArgs::read(&files.config).ok();
                shape.is_some() && args.and_then(|args| args.token_shape()) == shape
            };
            let fitting = all.iter().find(fits).cloned();
            Found::Installed { all, fitting }
        });
    }

    /// Looks for a generator at `path` and opens it.
    pub(super) fn open(&mut self, path: PathBuf) {
        self.jobs
            .run(move || Found::Files(ModelFiles::locate(&path).map_err(|error| error.to_string())));
    }

    /// Takes in what was found. Never waits.
    pub(super) fn update(&mut self, workspace: &mut Workspace) -> Vec<Notice> {
        let mut notices = Vec::new();
        while let Some(found) = self.jobs.poll() {
            notices.extend(self.take(found, workspace));
        }
        if let Some(generator) = workspace.generator() {
            self.form.fit_to(generator);
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
        match found {
            Ok(Found::Installed { all, fitting }) => {
                self.installed = Some(all);
                let is_free = workspace.generator().is_none() && workspace.opening_generator().is_none();
                if let Some(files) = fitting.filter(|_| is_free) {
                    workspace.open_generator(files);
                }
            }
            Ok(Found::Files(Ok(files))) => workspace.open_generator(files),
            Ok(Found::Files(Err(text))) | Err(text) => {
                return Some(Notice {
                    kind: NoticeKind::Error,
                    text,
                });
            }
        }
        None
    }

    /// What the form asks for, from noise.
    pub(super) fn order(&self) -> GenerateOrder {
        self.form.order(GenerateStart::Noise)
    }

    /// What the form asks for, from the active picture.
    pub(super) fn vary_order(&self) -> GenerateOrder {
        self.form.order(GenerateStart::Vary {
            t: self.form.vary_t(),
        })
    }

    /// What the form asks for, in these tokens of the active picture.
    pub(super) fn fill_order(&self, tokens: Vec<usize>) -> GenerateOrder {
        self.form.order(GenerateStart::Fill { tokens, t: 1.0 })
    }

    /// Draws generator, choices and buttons; commands that were asked for are added to `commands`.
    pub(super) fn panel_ui(
        &mut self,
        ui: &mut Ui,
        workspace: &mut Workspace,
        selection: &Selection,
        now: &Situation,
        commands: &mut Vec<Command>,
    ) {
        if self.installed.is_none() && self.jobs.outstanding() == 0 {
            self.refresh(workspace);
        }
        ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
            ui.heading("Generate");
            self.chooser_ui(ui, workspace, now, commands);
            let Some(generator) = workspace.generator().cloned() else {
                return;
            };
            facts_ui(ui, &generator);
            if let Some(mismatch) = workspace.generator_mismatch() {
                ui.colored_label(ui.visuals().warn_fg_color, mismatch);
                return;
            }
            ui.separator();
            self.form.ui(ui, &generator);
            ui.add_space(2.0 * theme::GRID);
            command_button(ui, Command::Generate, now, commands);
            ui.separator();
            self.active_picture_ui(ui, workspace, selection, now, commands);
        });
    }

    fn chooser_ui(
        &mut self,
        ui: &mut Ui,
        workspace: &mut Workspace,
        now: &Situation,
        commands: &mut Vec<Command>,
    ) {
        let installed = self.installed.clone().unwrap_or_default();
        let in_use = workspace.generator().map(|generator| generator.name.clone());
        if let Some(name) = workspace.opening_generator() {
            ui.horizontal(|ui| {
                ui.spinner();
                ui.label(format!("Opening {name}…"));
            });
        } else if in_use.is_none() && installed.is_empty() {
            ui.label("No generator is installed. A generator is a SiT or DiT trained on the tokens of the model in use.");
        }
        let mut chosen = None;
        ui.horizontal(|ui| {
            if !installed.is_empty() {
                let text = in_use.as_deref().unwrap_or("choose a generator");
                ComboBox::from_id_salt("generator")
                    .selected_text(text)
                    .icon(theme::combo_caret)
                    .show_ui(ui, |ui| {
                        for files in &installed {
                            let is_chosen = in_use.as_ref() == Some(&files.name);
                            if ui.selectable_label(is_chosen, &files.name).clicked() {
                                chosen = Some(files.clone());
                            }
                        }
                    })
                    .response
                    .accessible_name("generator");
            }
            if theme::icon_button(ui, icon::REPEAT, "Look for installed generators again").clicked() {
                self.refresh(workspace);
            }
        });
        command_button(ui, Command::OpenGenerator, now, commands);
        if let Some(files) = chosen {
            workspace.open_generator(files);
        }
    }

    fn active_picture_ui(
        &mut self,
        ui: &mut Ui,
        workspace: &Workspace,
        selection: &Selection,
        now: &Situation,
        commands: &mut Vec<Command>,
    ) {
        let name = workspace
            .active()
            .map_or("the active picture", |subject| &subject.name);
        ui.label(theme::strong("From the active picture"));
        ui.add(egui::Label::new(theme::muted(name)).truncate());
        self.form.noise_level_ui(ui);
        command_button(ui, Command::Vary, now, commands);
        ui.add_space(theme::GRID);
        let selected = match selection.tokens().len() {
            0 => "No token is selected: select the ones to make anew in the strip below.".to_owned(),
            1 => "1 token is selected and made anew; the others stay exactly as they are.".to_owned(),
            count => {
                format!("{count} tokens are selected and made anew; the others stay exactly as they are.")
            }
        };
        ui.label(theme::muted(selected));
        command_button(ui, Command::Fill, now, commands);
    }

    /// Draws the generation under way; `false` when there is none.
    pub(super) fn live_ui(
        &mut self,
        ui: &mut Ui,
        workspace: &Workspace,
        commands: &mut Vec<Command>,
    ) -> bool {
        let Some(progress) = workspace.generation() else {
            self.live = Live::default();
            return false;
        };
        let model = workspace.model().map(|model| &**model);
        self.live.ui(ui, &progress, model, commands);
        true
    }
}

/// What kind of generator it is, in a line.
fn facts_ui(ui: &mut Ui, generator: &GeneratorInfo) {
    let args = &generator.args;
    let shape = match args.token_shape() {
        Some((count, dim)) => format!("{count} × {dim} tokens"),
        None => format!("latent squares of {} × {}", args.input_size, args.input_size),
    };
    let parameters = generator.parameter_count as f64 / 1e6;
    let facts = format!(
        "{}, {shape}, {} classes,\n{} blocks of width {}, {parameters:.1} M parameters",
        generator.class, args.num_classes, args.depth, args.hidden_size
    );
    ui.label(theme::muted(facts))
        .on_hover_text(format!("{} ({})", generator.name, generator.hash));
}
