//! The one place where commands are carried out.

use super::analysis::Section;
use super::app::{SoftscopeApp, Tab, is_narrow};
use super::commands::Command;
use super::dialogs::{Answer, ExportKind, Question};
use super::folder;
use super::settings::ThemeChoice;
use super::viewer::CompareMode;
use crate::document::{
    AnimationFormat, CollectionOrder, CollectionSource, ComparisonFile, Export, FindingsPart, Import, Notice,
    NoticeKind,
};
use crate::engine::SubjectId;
use crate::latent::Edit;
use std::path::{Path, PathBuf};

/// The name a session is saved under at first.
const SESSION_NAME: &str = "session.softscope";

impl SoftscopeApp {
    /// Does what `command` says; nothing where it cannot run now.
    pub fn carry_out(&mut self, ctx: &egui::Context, command: Command) {
        if !command.is_enabled(&self.situation()) {
            return;
        }
        match command {
            Command::OpenPictures => self.ask(ctx, Question::Pictures),
            Command::AddPath => {
                self.state.tab = Tab::Explore;
                self.settings.shows_library = true;
                if is_narrow(ctx) {
                    self.state.selection.clear();
                }
                self.state.library.focus_path_field();
            }
            Command::PastePicture => self.state.clipboard.read(),
            Command::OpenSession => self.ask(ctx, Question::Session),
            Command::RestoreAutosave => self.restore_autosave(),
            Command::ForgetAutosave => self.forget_autosave(),
            Command::SaveSession => self.save_session(ctx),
            Command::SaveSessionAs => self.ask(ctx, Question::SaveSession),
            Command::ExportPicture => self.ask_export(ctx, ExportKind::Picture),
            Command::ExportSheet => self.ask_export(ctx, ExportKind::Sheet),
            Command::ExportModelSheet => self.ask_export(ctx, ExportKind::ModelSheet),
            Command::ExportModelTable => self.ask_export(ctx, ExportKind::ModelTable),
            Command::ExportRecipe => self.ask_export(ctx, ExportKind::Recipe),
            Command::ExportTokens => self.ask_export(ctx, ExportKind::Tokens),
            Command::ExportFindings => {
                if let Some(part) = self.state.analysis.part() {
                    self.ask_export(ctx, ExportKind::Findings(part));
                }
            }
            Command::ExportGif => self.ask_export(ctx, ExportKind::Interpolation(AnimationFormat::Gif)),
            Command::ExportApng => self.ask_export(ctx, ExportKind::Interpolation(AnimationFormat::Apng)),
            Command::ExportFrames => self.ask_export(ctx, ExportKind::Interpolation(AnimationFormat::Frames)),
            Command::ExportStrip => self.ask_export(ctx, ExportKind::Interpolation(AnimationFormat::Strip)),
            Command::Quit => ctx.send_viewport_cmd(egui::ViewportCommand::Close),

            Command::Undo => self.workspace.undo(),
            Command::Redo => self.workspace.redo(),
            Command::ResetTokens => {
                let tokens = self.state.selection.tokens().iter().copied().collect();
                self.workspace.edit(Edit::Restore { tokens });
            }
            Command::ResetAll => {
                let tokens = (0..self.token_count()).collect();
                self.workspace.edit(Edit::Restore { tokens });
            }
            Command::SelectAll => self.state.selection.select_all(self.token_count()),
            Command::ClearSelection => self.state.selection.clear(),
            Command::NextToken => self.walk(1, false),
            Command::PreviousToken => self.walk(-1, false),
            Command::ExtendToNext => self.walk(1, true),
            Command::ExtendToPrevious => self.walk(-1, true),
            Command::RemovePicture => self.remove_picture(),
            Command::RestorePicture => self.restore_picture(),
            Command::UndoStroke
            | Command::InvertMask
            | Command::ClearMask
            | Command::EnlargeBrush
            | Command::ReduceBrush => self.state.analysis.change_brush(command),

            Command::ShowExplore => self.state.tab = Tab::Explore,
            Command::ShowCompare => self.state.tab = Tab::Compare,
            Command::ShowAnalysis => self.state.tab = Tab::Analysis,
            Command::ShowGenerate => self.state.tab = Tab::Generate,
            Command::ShowTrain => self.state.tab = Tab::Train,
            Command::ShowModels => self.state.tab = Tab::Models,
            Command::ToggleLibrary => self.settings.shows_library = !self.settings.shows_library,
            Command::ToggleInspector => {
                self.settings.shows_inspector = !self.settings.shows_inspector;
                // What its bars asked for under the pointer goes with it.
                self.workspace.hover(None);
            }
            Command::SideBySide => self.state.viewer_on_show().mode = CompareMode::SideBySide,
            Command::Wipe => self.state.viewer_on_show().mode = CompareMode::Wipe,
            Command::Flip => self.state.viewer_on_show().mode = CompareMode::Flip,
            Command::Difference => self.state.viewer_on_show().mode = CompareMode::Difference,
            Command::FitView => self.state.viewer_on_show().fit(),
            Command::ActualSize => self.state.viewer_on_show().actual_size(),
            Command::NextPicture => self.step_picture(1),
            Command::PreviousPicture => self.step_picture(-1),
            Command::EnlargeUi => self.step_ui_scale(ctx, 1.0),
            Command::ReduceUi => self.step_ui_scale(ctx, -1.0),
            Command::ResetUiScale => self.settings.ui_scale = 1.0,
            Command::ToggleTheme => {
                self.settings.theme = match ctx.theme() {
                    egui::Theme::Dark => ThemeChoice::Light,
                    egui::Theme::Light => ThemeChoice::Dark,
                };
            }
            Command::ToggleSystemDialogs => {
                self.settings.use_system_dialogs = !self.settings.use_system_dialogs;
                let state = if self.settings.use_system_dialogs {
                    "on"
                } else {
                    "off"
                };
                self.tell(
                    NoticeKind::Done,
                    format!("The system's file dialogs are {state}."),
                );
            }

            Command::TogglePreviews => {
                let is_on = &mut self.settings.previews_while_dragging;
                *is_on = !*is_on;
            }
            Command::ToggleEncodeAhead => self.settings.encodes_ahead = !self.settings.encodes_ahead,
            Command::OpenModel => self.ask(ctx, Question::Model),
            Command::OpenModelFolder => self.ask(ctx, Question::ModelFolder),
            Command::OpenGenerator => self.ask(ctx, Question::GeneratorFolder),
            Command::Generate => {
                let order = self.state.generate.order();
                self.workspace.generate(&order);
            }
            Command::Vary => {
                let order = self.state.generate.vary_order();
                self.workspace.generate(&order);
            }
            Command::Fill => {
                let order = self.state.generate.fill_order(self.state.selection.to_vec());
                self.workspace.generate(&order);
            }
            Command::MeasureInfluence => self.measure(Section::Influence),
            Command::MeasureStructure => self.measure(Section::Structure),
            Command::SweepSharpness => self.measure(Section::Sweep),
            Command::CollectFolder => {
                self.show_collection();
                self.ask(ctx, Question::CollectionFolder);
            }
            Command::CollectLibrary => self.collect(CollectionSource::Library),
            Command::RankUnderBrush => self.measure(Section::Pixels),
            Command::PaintRegion => {
                self.state.tab = Tab::Analysis;
                let selection = &self.state.selection;
                self.state.analysis.start_painting(&mut self.workspace, selection);
            }
            Command::StopPainting => self.workspace.stop_painting(),
            Command::DiscardPainting => drop(self.workspace.discard_painting()),
            Command::CollectAgain => {
                self.show_collection();
                self.workspace.collect_again();
            }
            Command::MapTokens => {
                self.state.tab = Tab::Analysis;
                self.state.analysis.map(&mut self.workspace);
            }
            Command::ProbeTokens => {
                self.state.tab = Tab::Analysis;
                self.state.analysis.probe(&mut self.workspace);
            }
            Command::OpenReportFolder => self.open_report_folder(),
            Command::MakeReport => {
                self.show_collection();
                self.ask(ctx, Question::Report);
            }
            Command::AddTrainingFolder => self.ask_training(ctx, Question::TrainingFolder),
            Command::ChooseTrainingResults => self.ask_training(ctx, Question::TrainingResults),
            Command::ChooseTrainingConfig => self.ask_training(ctx, Question::TrainingConfig),
            Command::StartTraining => {
                self.state.tab = Tab::Train;
                let places = self.workspace.places();
                self.state.train.start(&self.settings.train, places);
            }
            Command::StopTraining => self.state.train.stop(),
            Command::UseTrainedModel => self.state.train.use_model(),
            Command::OpenTrainingFolder => self.state.train.open_folder(),
            Command::CancelTask => self.workspace.cancel(),

            Command::CommandPalette => self.state.palette.toggle(),
            Command::Shortcuts => self.state.help.shows_shortcuts = true,
            Command::About => self.state.help.shows_about = true,
        }
        self.apply_settings(ctx);
        ctx.request_repaint();
    }

    /// Measures what `section` of the view Analysis shows, with the view on show.
    fn measure(&mut self, section: Section) {
        self.state.tab = Tab::Analysis;
        self.state.analysis.measure(&mut self.workspace, section);
    }

    /// Collects pictures, with a section on show that is of them.
    fn collect(&mut self, source: CollectionSource) {
        self.show_collection();
        self.workspace.collect(CollectionOrder::new(source));
    }

    fn show_collection(&mut self) {
        self.state.tab = Tab::Analysis;
        self.state.analysis.show_collection();
    }

    fn open_report_folder(&mut self) {
        let shown = self
            .workspace
            .last_report()
            .and_then(Path::parent)
            .map(folder::show);
        if let Some(Err(text)) = shown {
            self.tell(NoticeKind::Error, text);
        }
    }

    /// From the scale that is on show, which may be smaller than the one wished for.
    fn step_ui_scale(&mut self, ctx: &egui::Context, steps: f32) {
        self.settings.ui_scale = ctx.zoom_factor();
        self.settings.step_ui_scale(steps);
    }

    fn ask(&mut self, ctx: &egui::Context, question: Question) {
        let file_name = self.proposed_name(question);
        self.state
            .dialogs
            .ask(ctx, question, &file_name, self.settings.use_system_dialogs);
    }

    /// Asks for what the view Train needs, with the view on show, where the answer can be seen.
    fn ask_training(&mut self, ctx: &egui::Context, question: Question) {
        self.state.tab = Tab::Train;
        self.ask(ctx, question);
    }

    fn ask_export(&mut self, ctx: &egui::Context, kind: ExportKind) {
        self.ask(ctx, Question::Export(kind));
    }

    /// The name a new file starts with: the picture's, and what was made of it.
    fn proposed_name(&self, question: Question) -> String {
        let Question::Export(kind) = question else {
            return SESSION_NAME.to_owned();
        };
        let name = self
            .workspace
            .active()
            .map_or("picture", |subject| subject.name.as_str());
        let stem = Path::new(name).file_stem().unwrap_or_default().to_string_lossy();
        let ending = match kind {
            ExportKind::Picture => "edited.png",
            ExportKind::Sheet => "comparison.png",
            ExportKind::ModelSheet => "models.png",
            ExportKind::ModelTable => "models.csv",
            ExportKind::Recipe => "recipe.json",
            ExportKind::Tokens => "tokens.safetensors",
            ExportKind::Findings(FindingsPart::Influence) => "influence",
            ExportKind::Findings(FindingsPart::Pixels) => "pixels",
            ExportKind::Findings(FindingsPart::Structure) => "structure",
            ExportKind::Findings(FindingsPart::Sweep) => "sweep",
            ExportKind::Findings(FindingsPart::Codewords) => "codewords",
            ExportKind::Findings(FindingsPart::Directions) => "directions",
            ExportKind::Findings(FindingsPart::Map) => "map",
            ExportKind::Findings(FindingsPart::Probes) => "probe",
            ExportKind::Interpolation(AnimationFormat::Gif) => "interpolation.gif",
            ExportKind::Interpolation(AnimationFormat::Apng) => "interpolation.png",
            ExportKind::Interpolation(AnimationFormat::Frames) => "interpolation",
            ExportKind::Interpolation(AnimationFormat::Strip) => "strip.png",
        };
        format!("{stem}-{ending}")
    }

    /// Goes on with what a path was asked for.
    pub(super) fn act_on(&mut self, answer: Answer) {
        match answer.question {
            Question::Pictures => {
                answer
                    .paths
                    .into_iter()
                    .for_each(|path| self.workspace.import(Import::Path(path)));
            }
            question => {
                if let Some(path) = answer.paths.into_iter().next() {
                    self.act_on_path(question, path);
                }
            }
        }
    }

    fn act_on_path(&mut self, question: Question, path: PathBuf) {
        match question {
            Question::Pictures => self.workspace.import(Import::Path(path)),
            Question::Session => self.workspace.open_session(&path),
            Question::Model | Question::ModelFolder => self.state.models_view.open(path),
            Question::GeneratorFolder => self.state.generate.open(path),
            Question::CollectionFolder => self.collect(CollectionSource::Folder(path)),
            Question::Report => self.workspace.make_report(&path),
            Question::TrainingFolder | Question::TrainingConfig => self.take_for_training(&path),
            Question::TrainingResults => self.settings.train.out = path.display().to_string(),
            Question::SaveSession => self.workspace.save_session(&path),
            Question::Export(ExportKind::ModelSheet) => {
                self.workspace.export_comparison(ComparisonFile::Sheet, path);
            }
            Question::Export(ExportKind::ModelTable) => {
                self.workspace.export_comparison(ComparisonFile::Table, path);
            }
            Question::Export(kind) => {
                if let Some(export) = self.export_of(kind, path) {
                    self.workspace.export(export);
                }
            }
        }
    }

    fn export_of(&self, kind: ExportKind, path: PathBuf) -> Option<Export> {
        match kind {
            ExportKind::Picture | ExportKind::Tokens => Some(Export::Edited { path }),
            ExportKind::Sheet => Some(Export::Sheet { path }),
            ExportKind::Recipe => Some(Export::Recipe { path }),
            ExportKind::Findings(part) => Some(Export::Findings { path, part }),
            ExportKind::Interpolation(format) => self.interpolation_export(path, format),
            // Of the comparison, not of the active picture.
            ExportKind::ModelSheet | ExportKind::ModelTable => None,
        }
    }

    /// The interpolation as its panel has it now.
    fn interpolation_export(&self, path: PathBuf, format: AnimationFormat) -> Option<Export> {
        Some(Export::Interpolation {
            path,
            other: self.other_picture()?,
            tokens: self
                .state
                .interpolation
                .tokens(&self.state.selection, self.token_count()),
            mode: self.state.interpolation.mode(),
            frames: self.settings.interpolation_frames,
            format,
        })
    }

    /// The encoded picture that the interpolation panel goes to.
    pub(super) fn other_picture(&self) -> Option<SubjectId> {
        let other = self.workspace.subject(self.state.interpolation.other()?)?;
        other.encoded.is_some().then_some(other.id)
    }

    fn save_session(&mut self, ctx: &egui::Context) {
        match self.workspace.session_path().map(Path::to_path_buf) {
            Some(path) => self.workspace.save_session(&path),
            None => self.ask(ctx, Question::SaveSession),
        }
    }

    fn restore_autosave(&mut self) {
        self.state.has_autosave = false;
        self.state.notices.withdraw(Command::RestoreAutosave);
        match self.workspace.restore_autosave() {
            Ok(true) => {}
            Ok(false) => self.tell(
                NoticeKind::Warning,
                "The last run left nothing to bring back.".to_owned(),
            ),
            Err(error) => self.tell(NoticeKind::Error, error.to_string()),
        }
    }

    fn forget_autosave(&mut self) {
        self.state.has_autosave = false;
        self.state.notices.withdraw(Command::RestoreAutosave);
        self.workspace.discard_last_autosave();
    }

    fn walk(&mut self, step: isize, extend: bool) {
        let count = self.token_count();
        self.state.selection.walk(step, count, extend);
    }

    fn remove_picture(&mut self) {
        let Some((id, name)) = self
            .workspace
            .active()
            .map(|subject| (subject.id, subject.name.clone()))
        else {
            return;
        };
        self.workspace.remove(id);
        self.state.removed_count += 1;
        self.state.notices.withdraw(Command::RestorePicture);
        let notice = Notice {
            kind: NoticeKind::Done,
            text: format!("Removed {name} from the library."),
        };
        self.state
            .notices
            .push_with_action(notice, Command::RestorePicture);
    }

    fn restore_picture(&mut self) {
        self.state.notices.withdraw(Command::RestorePicture);
        let is_back = self.workspace.restore_removed();
        self.state.removed_count = if is_back {
            self.state.removed_count.saturating_sub(1)
        } else {
            0
        };
    }

    /// Goes `step` pictures on in the library, from the last to the first.
    fn step_picture(&mut self, step: isize) {
        let subjects = self.workspace.subjects();
        let active = self.workspace.active().map(|subject| subject.id);
        let index = subjects
            .iter()
            .position(|subject| Some(subject.id) == active)
            .unwrap_or_default();
        let count = isize::try_from(subjects.len()).unwrap_or(isize::MAX).max(1);
        let next = (isize::try_from(index).unwrap_or_default() + step).rem_euclid(count);
        let next = usize::try_from(next)
            .ok()
            .and_then(|next| subjects.get(next))
            .map(|subject| subject.id);
        if let Some(id) = next {
            self.workspace.set_active(id);
        }
    }
}
