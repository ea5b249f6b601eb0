//! The window: what it holds, how a frame goes, and where its parts lie.

mod gifts;
mod situation;
mod views;

use super::analysis::AnalysisView;
use super::clipboard::Clipboard;
use super::command_palette::{Choice, CommandPalette};
use super::commands::{self, Command, Situation};
use super::comparison::ComparisonView;
use super::dialogs::Dialogs;
use super::generate::GenerateView;
use super::help::Help;
use super::inspector::Inspector;
use super::interpolation::Interpolation;
use super::library::{self, Library};
use super::menu;
use super::models_view::ModelsView;
use super::notices::Notices;
use super::selection::Selection;
use super::settings::{STORAGE_KEY, Settings};
use super::start_times::StartTimes;
use super::status_bar;
use super::theme;
use super::token_strip::TokenStrip;
use super::train::TrainView;
use super::viewer::Viewer;
use crate::document::{DocumentError, Import, Notice, NoticeKind, Workspace};
use crate::tokenizer::ModelFiles;
use egui::Panel;
use gifts::drop_target_ui;
use std::path::PathBuf;
pub(super) use views::is_narrow;

/// Set, it has the times of a start written to the terminal.
const TIMINGS_VARIABLE: &str = "SOFTSCOPE_TIMINGS";

/// Text and buttons are not scaled up so far that the window is narrower than this, in points.
const LEAST_WIDTH: f32 = 640.0;

/// The views of the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tab {
    /// Pictures, tokens, edits.
    #[default]
    Explore,
    /// One picture through several models.
    Compare,
    /// What the tokens of a picture do.
    Analysis,
    /// New pictures.
    Generate,
    /// A model of one's own.
    Train,
    /// What models there are.
    Models,
}

/// What is on show and what hands have chosen: everything that is no part of the document.
pub(super) struct UiState {
    pub(super) tab: Tab,
    pub(super) selection: Selection,
    pub(super) viewer: Viewer,
    pub(super) token_strip: TokenStrip,
    pub(super) inspector: Inspector,
    pub(super) interpolation: Interpolation,
    pub(super) library: Library,
    pub(super) comparison: ComparisonView,
    pub(super) analysis: AnalysisView,
    pub(super) generate: GenerateView,
    pub(super) train: TrainView,
    pub(super) models_view: ModelsView,
    pub(super) palette: CommandPalette,
    pub(super) notices: Notices,
    pub(super) dialogs: Dialogs,
    pub(super) clipboard: Clipboard,
    pub(super) help: Help,
    /// Of a window that a person started.
    pub(super) start_times: Option<StartTimes>,
    /// Pictures that "bring back" would bring back.
    pub(super) removed_count: usize,
    pub(super) has_autosave: bool,
}

impl UiState {
    /// The viewer that keys and commands mean.
    pub(super) fn viewer_on_show(&mut self) -> &mut Viewer {
        match self.tab {
            Tab::Compare => &mut self.comparison.viewer,
            Tab::Analysis => &mut self.analysis.viewer,
            Tab::Train => self.train.viewer(),
            Tab::Explore | Tab::Generate | Tab::Models => &mut self.viewer,
        }
    }
}

/// The window of Softscope.
pub struct SoftscopeApp {
    pub(super) workspace: Workspace,
    pub(super) state: UiState,
    pub(super) settings: Settings,
}

impl SoftscopeApp {
    /// A window on `workspace`. `render_state` is there where wgpu draws; without it pictures are drawn by egui alone.
    pub fn new(
        ctx: &egui::Context,
        render_state: Option<&egui_wgpu::RenderState>,
        workspace: Workspace,
        settings: Settings,
    ) -> Self {
        theme::install(ctx);
        // Scaling is a command of ours, so that it is listed and remembered.
        ctx.options_mut(|options| options.zoom_with_keyboard = false);
        let mut token_strip = TokenStrip::default();
        token_strip.set_quantity(settings.quantity);
        let state = UiState {
            tab: Tab::default(),
            selection: Selection::default(),
            viewer: Viewer::new(render_state),
            token_strip,
            inspector: Inspector::default(),
            interpolation: Interpolation::default(),
            library: Library::new(workspace.places().sample_pictures()),
            comparison: ComparisonView::new(ctx, render_state),
            analysis: AnalysisView::new(render_state),
            generate: GenerateView::new(ctx),
            train: TrainView::new(ctx, render_state),
            models_view: ModelsView::new(ctx),
            palette: CommandPalette::default(),
            notices: Notices::default(),
            dialogs: Dialogs::default(),
            clipboard: Clipboard::new(ctx),
            help: Help::default(),
            start_times: None,
            removed_count: 0,
            has_autosave: false,
        };
        let app = Self {
            workspace,
            state,
            settings,
        };
        app.apply_settings(ctx);
        app
    }

    /// Opens `model`, or the default one, and `files`, or the first sample where there are none.
    pub fn open_at_start(&mut self, model: Option<ModelFiles>, files: Vec<PathBuf>) {
        let opened = open_in(&mut self.workspace, model, files);
        self.begin(opened);
    }

    /// Goes on with a workspace that [`open_in`] began to fill.
    pub(super) fn begin(&mut self, opened: Result<(), DocumentError>) {
        if let Err(error) = opened {
            self.tell(NoticeKind::Error, error.to_string());
        }
        self.offer_autosave();
    }

    fn offer_autosave(&mut self) {
        self.state.has_autosave = self.workspace.has_autosave();
        if self.state.has_autosave {
            let notice = Notice {
                kind: NoticeKind::Warning,
                text: "The last run ended without being saved. Its pictures and edits can be brought back."
                    .to_owned(),
            };
            self.state
                .notices
                .push_with_action(notice, Command::RestoreAutosave);
        }
    }

    /// What is open.
    pub fn workspace(&self) -> &Workspace {
        &self.workspace
    }
    /// What is open, to change it.
    pub fn workspace_mut(&mut self) -> &mut Workspace {
        &mut self.workspace
    }
    /// The selected tokens.
    pub fn selection(&self) -> &Selection {
        &self.state.selection
    }
    /// The messages on show, oldest first.
    pub fn notices(&self) -> impl Iterator<Item = &str> {
        self.state.notices.texts()
    }
    /// The view on show.
    pub fn tab(&self) -> Tab {
        self.state.tab
    }

    /// Blocks until nothing is outstanding, taking everything in: for tests, which must not wait by the clock. A training
    /// run goes on.
    pub fn settle(&mut self) {
        loop {
            while let Some(pasted) = self.state.clipboard.wait() {
                self.take_pasted(pasted);
            }
            let mut notices = self.workspace.settle();
            notices.extend(self.state.models_view.settle(&mut self.workspace));
            notices.extend(self.state.comparison.settle(&mut self.workspace));
            notices.extend(self.state.generate.settle(&mut self.workspace));
            let choices = &mut self.settings.train;
            notices.extend(self.state.train.settle(&mut self.workspace, choices));
            notices
                .into_iter()
                .for_each(|notice| self.state.notices.push(notice));
            if !self.workspace.is_busy() {
                return;
            }
        }
    }

    pub(super) fn tell(&mut self, kind: NoticeKind, text: String) {
        self.state.notices.push(Notice { kind, text });
    }

    pub(super) fn apply_settings(&self, ctx: &egui::Context) {
        ctx.set_theme(self.settings.theme);
        // The product is the window's width at scale 1, whatever the scale is now.
        let width = ctx.content_rect().width() * ctx.zoom_factor();
        ctx.set_zoom_factor(self.settings.ui_scale.min((width / LEAST_WIDTH).max(1.0)));
    }

    /// Tokens of the active picture; 0 until it is encoded.
    pub(super) fn token_count(&self) -> usize {
        let encoded = self
            .workspace
            .active()
            .and_then(|subject| subject.encoded.as_ref());
        encoded.map_or(0, |encoded| encoded.state.z.count)
    }

    /// Takes in what has arrived since the last frame. Never waits.
    fn take_in(&mut self, ctx: &egui::Context) {
        self.workspace.set_comparing(self.state.tab == Tab::Compare);
        self.workspace.set_encodes_ahead(self.settings.encodes_ahead);
        self.workspace.set_previews(self.settings.previews_while_dragging);
        for notice in self.workspace.update() {
            self.state.notices.push(notice);
        }
        for notice in self.state.models_view.update(&mut self.workspace) {
            self.state.notices.push(notice);
        }
        for notice in self.state.comparison.update(&mut self.workspace) {
            self.state.notices.push(notice);
        }
        for notice in self.state.generate.update(&mut self.workspace) {
            self.state.notices.push(notice);
        }
        self.take_training();
        for answer in self.state.dialogs.poll() {
            self.act_on(answer);
        }
        while let Some(pasted) = self.state.clipboard.poll() {
            self.take_pasted(pasted);
        }
        if let Some(model) = self.workspace.model() {
            self.state.selection.limit(model.space.token_count);
        }
        if self.settings.quantity != self.state.token_strip.quantity() {
            self.settings.quantity = self.state.token_strip.quantity();
        }
        self.apply_settings(ctx);
    }

    fn keys(&mut self, ctx: &egui::Context, now: &Situation) -> Vec<Command> {
        if self.state.palette.is_open() {
            return Vec::new();
        }
        let is_escape = ctx.input(|input| input.key_pressed(egui::Key::Escape)) && !ctx.text_edit_focused();
        if is_escape
            && !egui::Popup::is_any_open(ctx)
            && (self.state.dialogs.close_prompt() || self.state.help.close_one())
        {
            ctx.input_mut(|input| input.consume_key(egui::Modifiers::NONE, egui::Key::Escape));
        }
        commands::take_shortcuts(ctx, now)
    }

    fn frame_ui(&mut self, ui: &mut egui::Ui) {
        let ctx = ui.ctx().clone();
        self.take_gifts(&ctx);
        let now = self.situation();
        let mut commands = self.keys(&ctx, &now);
        let was_previewing = self.workspace.preview().is_some();
        Panel::top("menu bar").show(ui, |ui| {
            menu::menu_bar_ui(ui, &self.workspace, &mut self.settings, &now, &mut commands);
        });
        Panel::bottom("status bar").show(ui, |ui| {
            let training = self.state.train.progress_text();
            status_bar::status_bar_ui(ui, &self.workspace, training.as_deref(), &mut commands);
        });
        let centre = match self.state.tab {
            Tab::Explore => self.explore_ui(ui, &now, &mut commands),
            Tab::Compare => self.compare_ui(ui, &now, &mut commands),
            Tab::Analysis => self.analysis_ui(ui, &now, &mut commands),
            Tab::Generate => self.generate_ui(ui, &now, &mut commands),
            Tab::Train => self.train_ui(ui, &now, &mut commands),
            Tab::Models => self.models_ui(ui, &mut commands),
        };
        let is_analysis = self.state.tab == Tab::Analysis;
        self.state.analysis.end(&mut self.workspace, is_analysis);
        self.workspace.end_look();
        if self.workspace.preview().is_some() != was_previewing {
            // The status bar was drawn before the hand moved.
            ctx.request_repaint();
        }
        self.overlays_ui(&ctx, centre, &now, &mut commands);
        for command in commands {
            self.carry_out(&ctx, command);
        }
        self.note_start();
    }

    fn note_start(&mut self) {
        if let Some(times) = &mut self.state.start_times
            && times.note(&self.workspace)
            && std::env::var_os(TIMINGS_VARIABLE).is_some()
        {
            eprintln!("{}", times.text());
        }
    }

    /// What floats above the panels.
    fn overlays_ui(
        &mut self,
        ctx: &egui::Context,
        centre: egui::Rect,
        now: &Situation,
        commands: &mut Vec<Command>,
    ) {
        let corner = centre.right_bottom() - egui::vec2(12.0, 12.0);
        commands.extend(self.state.notices.ui(ctx, corner));
        let start = self.state.start_times.as_ref().map(StartTimes::text);
        self.state.help.ui(ctx, start.as_deref());
        self.state.train.closing_ui(ctx);
        if let Some(answer) = self.state.dialogs.ui(ctx) {
            self.act_on(answer);
        }
        let samples = self.state.library.samples();
        match self.state.palette.ui(ctx, &self.workspace, samples, now) {
            Some(Choice::Command(command)) => commands.push(command),
            Some(Choice::Picture(id)) => self.workspace.set_active(id),
            Some(Choice::Sample(path)) => library::open_sample(&mut self.workspace, &path),
            None => {}
        }
        let hovering = ctx.input(|input| input.raw.hovered_files.len());
        if hovering > 0 {
            drop_target_ui(ctx, self.state.tab, hovering);
        }
    }
}

/// Asks for `model`, or the default one, and `files`, or the first sample where there are none.
///
/// # Errors
/// There is no default model; the files are asked for all the same.
pub(super) fn open_in(
    workspace: &mut Workspace,
    model: Option<ModelFiles>,
    files: Vec<PathBuf>,
) -> Result<(), DocumentError> {
    let model = model.map_or_else(|| workspace.places().default_model(), Ok);
    let opened = model.map(|model| workspace.open_model(model));
    let mut files = files;
    if files.is_empty() {
        files.extend(workspace.places().sample_pictures().into_iter().next());
    }
    files
        .into_iter()
        .for_each(|path| workspace.import(Import::Path(path)));
    opened
}

impl eframe::App for SoftscopeApp {
    fn logic(&mut self, ctx: &egui::Context, _frame: &mut eframe::Frame) {
        self.take_in(ctx);
        self.keep_open_while_training(ctx);
    }

    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
        self.frame_ui(ui);
    }

    fn save(&mut self, storage: &mut dyn eframe::Storage) {
        eframe::set_value(storage, STORAGE_KEY, &self.settings);
    }
}
