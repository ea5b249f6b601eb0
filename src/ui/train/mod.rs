//! The view that trains a tokenizer: what to train, the run as it goes, the model it makes.

mod check;
pub(super) mod choices;
mod closing;
mod curves;
mod form;
mod head;
mod host;
mod path_field;
mod sheets;
mod teach;
mod terms;
mod words;

use super::commands::{Command, Situation};
use super::folder;
use super::models_view::count_text;
use super::viewer::Viewer;
use crate::document::{Notice, NoticeKind, Places, Workspace};
use crate::engine::Jobs;
use crate::picture::Rgb8;
use crate::tokenizer::ModelFiles;
use crate::trainer::{Phase, RunRecord, Status, TrainingRun};
use check::Checked;
use choices::TrainChoices;
use closing::Closing;
use curves::Curves;
use egui::{CentralPanel, Panel, ScrollArea, Ui};
use form::Form;
use sheets::Sheets;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Between two frames that a run asks for: while it is on show, and while it is not.
const SHOWN_PACE: Duration = Duration::from_millis(250);
const HIDDEN_PACE: Duration = Duration::from_secs(1);
/// The plots' part of the height that is left, and its bounds in points.
const CURVES_SHARE: f32 = 0.36;
const CURVES_HEIGHT: (f32, f32) = (150.0, 260.0);

/// What came back from the thread for file work.
enum Found {
    Checked(Box<Checked>),
    Sheet(PathBuf, Result<Arc<Rgb8>, String>),
    Model(Result<ModelFiles, String>),
    Folder(Result<(), String>),
}

/// A run under way, as a frame draws it.
struct Live<'a> {
    status: &'a Status,
    is_stopping: bool,
}

/// What went wrong with a run, until it is read.
struct Fault {
    title: &'static str,
    text: String,
}

/// What the view remembers between frames.
pub(super) struct TrainView {
    ctx: egui::Context,
    jobs: Jobs<Found>,
    form: Form,
    curves: Curves,
    sheets: Sheets,
    checked: Option<Checked>,
    /// The choices that are being looked at.
    asked: Option<TrainChoices>,
    /// A person wants to start what is being looked at.
    is_starting: bool,
    run: Option<TrainingRun>,
    /// Its end was told.
    is_end_told: bool,
    fault: Option<Fault>,
    /// The run under way has not written a model yet.
    awaits_model: bool,
    closing: Closing,
    is_shown: Arc<AtomicBool>,
}

impl TrainView {
    /// `ctx` is repainted when something was found and while a run goes on.
    pub(super) fn new(ctx: &egui::Context, render_state: Option<&egui_wgpu::RenderState>) -> Self {
        let wake = ctx.clone();
        Self {
            ctx: ctx.clone(),
            jobs: Jobs::new(move || wake.request_repaint()),
            form: Form::default(),
            curves: Curves::default(),
            sheets: Sheets::new(render_state),
            checked: None,
            asked: None,
            is_starting: false,
            run: None,
            is_end_told: false,
            fault: None,
            awaits_model: false,
            closing: Closing::default(),
            is_shown: Arc::default(),
        }
    }

    /// The sheets' viewer.
    pub(super) fn viewer(&mut self) -> &mut Viewer {
        &mut self.sheets.viewer
    }

    /// The run, until its end was taken in.
    pub(super) fn run(&self) -> Option<&TrainingRun> {
        self.run.as_ref()
    }

    /// Whether a run is under way.
    pub(super) fn is_training(&self) -> bool {
        self.run.as_ref().is_some_and(|run| !run.look(Status::is_ended))
    }

    /// Whether what was chosen can be started.
    pub(super) fn can_train(&self) -> bool {
        !self.is_training()
            && self
                .checked
                .as_ref()
                .is_some_and(|checked| checked.order().is_ok())
    }

    /// Whether the run on show has written a model.
    pub(super) fn has_model(&self) -> bool {
        match &self.run {
            Some(run) => run.look(|status| status.record.steps_saved.is_some()),
            None => self.checked.as_ref().and_then(Checked::record).is_some(),
        }
    }

    /// Whether there is a model that was not there before; true once a run.
    pub(super) fn takes_new_model(&mut self) -> bool {
        let is_new = self.awaits_model && self.has_model();
        self.awaits_model &= !is_new;
        is_new
    }

    /// "training my-tokenizer, step 120 of 4000", while it goes on.
    pub(super) fn progress_text(&self) -> Option<String> {
        let run = self.run.as_ref().filter(|_| self.is_training())?;
        let (done, steps) = run.look(|status| (status.record.steps_done, status.record.config.steps));
        let name = run
            .order()
            .run
            .out
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        let [done, steps] = [done, steps].map(|count| count_text(count as usize));
        Some(format!("training {name}, step {done} of {steps}"))
    }

    /// Folder of the run on show.
    fn out(&self) -> Option<&Path> {
        let of_run = self.run.as_ref().map(|run| run.order().run.out.as_path());
        of_run.or(self.checked.as_ref().map(|checked| checked.out.as_path()))
    }

    /// Starts, or goes on with, what was chosen, once it was looked at again.
    pub(super) fn start(&mut self, choices: &TrainChoices, places: &Places) {
        self.is_starting = true;
        self.check(choices, places);
    }

    /// Ends the run after the step under way.
    pub(super) fn stop(&self) {
        if let Some(run) = &self.run {
            run.stop();
        }
    }

    /// Opens the model that the run on show wrote last.
    pub(super) fn use_model(&self) {
        if let Some(out) = self.out().map(Path::to_owned) {
            self.jobs
                .run(move || Found::Model(ModelFiles::locate(&out).map_err(|error| error.to_string())));
        }
    }

    /// Shows the run's folder in the system's file manager.
    pub(super) fn open_folder(&self) {
        if let Some(out) = self.out().map(Path::to_owned) {
            self.jobs.run(move || Found::Folder(folder::show(&out)));
        }
    }

    /// Takes a folder of pictures, or a configuration, that was dropped or chosen.
    pub(super) fn take_path(choices: &mut TrainChoices, path: &Path) -> Option<Notice> {
        if path.is_dir() {
            form::add_folder(choices, path);
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            choices.recipe = choices::Recipe::File;
            choices.config_path = path.display().to_string();
            choices.steps = None;
        } else {
            return Some(Notice {
                kind: NoticeKind::Warning,
                text: format!(
                    "{} is neither a folder of pictures nor a configuration (.toml): training takes whole folders.",
                    path.display()
                ),
            });
        }
        None
    }

    fn check(&mut self, choices: &TrainChoices, places: &Places) {
        self.asked = Some(choices.clone());
        let (choices, models) = (choices.clone(), places.installed_models.clone());
        self.jobs
            .run(move || Found::Checked(Box::new(Checked::of(choices, &models))));
    }

    /// Takes in what was found and how far the run is. Never waits.
    pub(super) fn update(
        &mut self,
        workspace: &mut Workspace,
        choices: &mut TrainChoices,
        is_shown: bool,
    ) -> Vec<Notice> {
        self.is_shown.store(is_shown, Ordering::Relaxed);
        let mut notices = Vec::new();
        while let Some(found) = self.jobs.poll() {
            notices.extend(self.take(found, workspace, choices));
        }
        notices.extend(self.take_end(workspace, choices, is_shown));
        let is_looked_at = self
            .checked
            .as_ref()
            .is_some_and(|checked| checked.choices == *choices);
        // What is being typed is looked at when it is done.
        let is_free = self.asked.is_none() && !self.is_training() && !self.ctx.text_edit_focused();
        if is_shown && !is_looked_at && is_free {
            self.check(choices, workspace.places());
        }
        notices
    }

    /// Blocks until everything is found that is looked for, taking it in. A run is not waited for.
    pub(super) fn settle(&mut self, workspace: &mut Workspace, choices: &mut TrainChoices) -> Vec<Notice> {
        let mut notices = Vec::new();
        while let Some(found) = self.jobs.wait() {
            notices.extend(self.take(found, workspace, choices));
        }
        notices
    }

    fn take(
        &mut self,
        found: Result<Found, String>,
        workspace: &mut Workspace,
        choices: &mut TrainChoices,
    ) -> Option<Notice> {
        match found {
            Ok(Found::Checked(checked)) => {
                self.take_checked(*checked, choices);
                None
            }
            Ok(Found::Sheet(path, read)) => {
                self.sheets.take(path, read);
                None
            }
            Ok(Found::Model(Ok(files))) => {
                let text = format!(
                    "{} is the model in use now, as of its last checkpoint.",
                    files.name
                );
                workspace.open_model(files);
                Some(Notice {
                    kind: NoticeKind::Done,
                    text,
                })
            }
            Ok(Found::Folder(Ok(()))) => None,
            Ok(Found::Model(Err(text)) | Found::Folder(Err(text))) => Some(Notice {
                kind: NoticeKind::Error,
                text,
            }),
            Err(text) => {
                // The job that failed may have been the look at the choices: they are looked at again.
                self.asked = None;
                self.is_starting = false;
                Some(Notice {
                    kind: NoticeKind::Error,
                    text,
                })
            }
        }
    }

    fn take_checked(&mut self, checked: Checked, choices: &mut TrainChoices) {
        // An ended run is drawn from its folder from here on.
        if self.is_end_told {
            self.run = None;
        }
        let asked = self.asked.take();
        let is_other = self
            .checked
            .as_ref()
            .is_some_and(|known| known.out != checked.out);
        if is_other && checked.record().is_some() {
            // Steps that were chosen for another run are none of this one's.
            choices.steps = None;
        }
        if choices.out.trim().is_empty() && asked.as_ref() == Some(choices) {
            choices.out.clone_from(&checked.choices.out);
        }
        if std::mem::take(&mut self.is_starting) && !self.is_training() {
            match checked.order() {
                Ok(order) => {
                    self.fault = None;
                    self.is_end_told = false;
                    self.awaits_model = !order.run.is_resumed;
                    self.sheets.follow();
                    self.run = Some(TrainingRun::start(order, self.wake()));
                }
                Err(text) => {
                    let title = "Training did not start";
                    self.fault = Some(Fault { title, text });
                }
            }
        }
        self.checked = Some(checked);
    }

    /// Frames at a pace that a person can follow, however fast the steps come.
    fn wake(&self) -> impl Fn() + Send + Sync + 'static {
        let (ctx, is_shown) = (self.ctx.clone(), Arc::clone(&self.is_shown));
        move || {
            let pace = if is_shown.load(Ordering::Relaxed) {
                SHOWN_PACE
            } else {
                HIDDEN_PACE
            };
            ctx.request_repaint_after(pace);
        }
    }

    /// Tells that the run has ended, once, and looks at what it left.
    fn take_end(&mut self, workspace: &Workspace, choices: &TrainChoices, is_shown: bool) -> Option<Notice> {
        let run = self.run.as_ref().filter(|_| !self.is_end_told)?;
        let Phase::Ended(outcome) = run.look(|status| status.phase.clone()) else {
            return None;
        };
        let name = run
            .order()
            .run
            .out
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        let notice = match outcome {
            Ok(outcome) => Notice {
                kind: NoticeKind::Done,
                text: format!(
                    "{name}: training ended after {} steps; all is saved.",
                    outcome.steps
                ),
            },
            Err(error) => {
                let text = words::error_text(&error);
                self.fault = Some(Fault {
                    title: "Training ended early",
                    text: text.clone(),
                });
                Notice {
                    kind: NoticeKind::Error,
                    text: format!("Training {name} ended early. {text}"),
                }
            }
        };
        self.is_end_told = true;
        self.check(choices, workspace.places());
        // What is on show says it itself.
        (notice.kind == NoticeKind::Done || !is_shown).then_some(notice)
    }

    /// Draws the form and the run; commands that were asked for are added to `commands`. Returns where the run is.
    pub(super) fn ui(
        &mut self,
        ui: &mut Ui,
        choices: &mut TrainChoices,
        now: &Situation,
        commands: &mut Vec<Command>,
    ) -> egui::Rect {
        Panel::right("train")
            .default_size(336.0)
            .size_range(304.0..=480.0)
            .show(ui, |ui| {
                ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
                    self.form.ui(ui, choices, self.checked.as_ref(), now, commands);
                });
            });
        let centre = CentralPanel::default().show(ui, |ui| {
            self.fault_ui(ui);
            self.run_ui(ui, now, commands);
        });
        centre.response.rect
    }

    fn fault_ui(&mut self, ui: &mut Ui) {
        let Some(Fault { title, text }) = &self.fault else {
            return;
        };
        let colour = ui.visuals().error_fg_color;
        let mut is_read = false;
        egui::Frame::group(ui.style())
            .stroke(egui::Stroke::new(1.0, colour))
            .show(ui, |ui| {
                ui.set_width(ui.available_width());
                ui.colored_label(colour, *title);
                ui.add(egui::Label::new(text).wrap().selectable(true));
                ui.horizontal(|ui| {
                    if ui.button("Copy message").clicked() {
                        ui.ctx().copy_text(text.clone());
                    }
                    is_read = ui.button("Dismiss").clicked();
                });
            });
        if is_read {
            self.fault = None;
        }
    }

    fn run_ui(&mut self, ui: &mut Ui, now: &Situation, commands: &mut Vec<Command>) {
        let mut shown = Shown {
            curves: &mut self.curves,
            sheets: &mut self.sheets,
            jobs: &self.jobs,
            now,
            commands,
        };
        if let Some(run) = &self.run {
            let is_stopping = run.is_stopping();
            run.look(|status| {
                let live = Live { status, is_stopping };
                shown.ui(ui, &run.order().run.out, &status.record, Some(&live));
            });
        } else if let Some((record, out)) = self
            .checked
            .as_ref()
            .and_then(|checked| Some((checked.record()?, &checked.out)))
        {
            shown.ui(ui, out, record, None);
        } else {
            teach::ui(ui, now, commands);
        }
    }
}

/// What a run is drawn with.
struct Shown<'a> {
    curves: &'a mut Curves,
    sheets: &'a mut Sheets,
    jobs: &'a Jobs<Found>,
    now: &'a Situation,
    commands: &'a mut Vec<Command>,
}

impl Shown<'_> {
    fn ui(&mut self, ui: &mut Ui, out: &Path, record: &RunRecord, live: Option<&Live<'_>>) {
        head::ui(ui, out, record, live, self.now, self.commands);
        ui.separator();
        let (lowest, highest) = CURVES_HEIGHT;
        let height = (CURVES_SHARE * ui.available_height()).clamp(lowest, highest);
        self.curves.ui(ui, &record.history, height);
        ui.separator();
        self.sheets.ui(ui, &record.sheets, self.jobs);
    }
}
