//! The window: what it holds, how a frame goes, and where its parts lie.

use super::analysis::AnalysisView;
use super::clipboard::{Clipboard, Pasted};
use super::command_palette::{Choice, CommandPalette};
use super::commands::{self, Command, Situation};
use super::comparison::ComparisonView;
use super::dialogs::Dialogs;
use super::generate::GenerateView;
use super::help::Help;
use super::inspector::{self, Inspector};
use super::interpolation::{self, Interpolation};
use super::layers;
use super::library::{self, Library};
use super::menu;
use super::models_view::ModelsView;
use super::notices::Notices;
use super::selection::Selection;
use super::settings::{STORAGE_KEY, Settings};
use super::start_times::StartTimes;
use super::status_bar;
use super::theme;
use super::token_strip::{self, TokenStrip};
use super::train::TrainView;
use super::viewer::Viewer;
use crate::document::{DocumentError, Import, Notice, NoticeKind, Workspace};
use crate::engine::Task;
use crate::latent::Bottleneck;
use crate::tokenizer::ModelFiles;
use egui::{CentralPanel, Panel};
use std::path::PathBuf;

/// Set, it has the times of a start written to the terminal.
const TIMINGS_VARIABLE: &str = "SOFTSCOPE_TIMINGS";
/// Below this width, in points, the two side panels would leave too little of the pictures.
const NARROW_WIDTH: f32 = 880.0;

/// Most of the height that tokens and interpolation take from the pictures.
const TOKENS_SHARE: f32 = 0.4;
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

    /// What commands may depend on.
    pub(super) fn situation(&self) -> Situation {
        let active = self.workspace.active();
        let status = self.workspace.engine_status();
        let is_painting = self.workspace.is_painting();
        let is_analysis = self.state.tab == Tab::Analysis;
        let [has_brush, has_mask, has_strokes] = self.state.analysis.brush_facts();
        Situation {
            has_picture: active.is_some(),
            picture_count: self.workspace.subjects().len(),
            token_count: self.token_count(),
            applied_count: active.map_or(0, |subject| subject.history.applied().len()),
            undone_count: active.map_or(0, |subject| subject.history.undone().len()),
            compared_count: self.workspace.compared_count(),
            has_model: self.workspace.model().is_some(),
            has_collection: self.workspace.collection().is_some(),
            can_collect_again: self.workspace.collection_order().is_some(),
            can_report: self.workspace.reported_folder().is_some() && self.workspace.reporting().is_none(),
            has_report: self.workspace.last_report().is_some(),
            has_findings: self
                .state
                .analysis
                .part()
                .is_some_and(|part| self.workspace.has_findings(part)),
            selected_count: self.state.selection.tokens().len(),
            has_interpolation: self.token_count() > 0 && self.other_picture().is_some(),
            has_preview: active.is_some_and(|subject| subject.history.pending().is_some())
                || (is_painting && is_analysis),
            has_brush: has_brush && is_analysis,
            has_mask,
            has_strokes: has_strokes && is_analysis,
            is_painting,
            has_removed: self.state.removed_count > 0,
            has_autosave: self.state.has_autosave,
            has_mixtures: self.token_count() > 0
                && self
                    .workspace
                    .model()
                    .is_some_and(|model| matches!(model.space.bottleneck, Bottleneck::Soft(_))),
            can_generate: self.workspace.generator().is_some()
                && self.workspace.model().is_some()
                && self.workspace.generator_mismatch().is_none(),
            can_train: self.state.train.can_train(),
            is_training: self.state.train.is_training(),
            has_trained: self.state.train.has_model(),
            tab: self.state.tab,
            mode: match self.state.tab {
                Tab::Compare => self.state.comparison.viewer.mode,
                Tab::Explore | Tab::Analysis | Tab::Generate | Tab::Train | Tab::Models => {
                    self.state.viewer.mode
                }
            },
            shows_library: self.settings.shows_library,
            shows_inspector: self.settings.shows_inspector,
            uses_system_dialogs: self.settings.use_system_dialogs,
            previews_while_dragging: self.settings.previews_while_dragging,
            encodes_ahead: self.settings.encodes_ahead,
            is_cancellable: matches!(
                status.running,
                Some(Task::LoadModel(_) | Task::Encode(_) | Task::Reconstruct { .. })
            ) || self.workspace.waiting_analyses().next().is_some()
                || is_painting
                || self.workspace.generation().is_some()
                || self.workspace.opening_generator().is_some()
                || self.workspace.export_progress().is_some()
                || self.workspace.collecting().is_some()
                || self.workspace.mapping().is_some()
                || self.workspace.probing().is_some()
                || self.workspace.reporting().is_some(),
        }
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

    fn take_pasted(&mut self, pasted: Pasted) {
        match pasted {
            Ok(imports) => imports
                .into_iter()
                .for_each(|import| self.workspace.import(import)),
            Err(text) => self.tell(NoticeKind::Warning, text),
        }
    }

    /// Files dropped on the window and what was pasted outside of a text field.
    fn take_gifts(&mut self, ctx: &egui::Context) {
        let dropped = ctx.input(|input| input.raw.dropped_files.clone());
        for file in dropped {
            let path = file.path().to_owned();
            match self.state.tab {
                Tab::Models => self.state.models_view.open(path),
                Tab::Train => self.take_for_training(&path),
                Tab::Explore | Tab::Compare | Tab::Analysis | Tab::Generate => {
                    self.workspace.import(Import::Path(path));
                }
            }
        }
        if ctx.text_edit_focused() {
            return;
        }
        for event in ctx.input(|input| input.events.clone()) {
            match event {
                egui::Event::Paste(text) => self.state.clipboard.take_text(text),
                egui::Event::PasteImage(image) => self.state.clipboard.take_picture(image),
                _ => {}
            }
        }
    }

    fn keys(&mut self, ctx: &egui::Context, now: &Situation) -> Vec<Command> {
        if self.state.palette.is_open() {
            return Vec::new();
        }
        let is_escape = ctx.input(|input| input.key_pressed(egui::Key::Escape)) && !ctx.text_edit_focused();
        if is_escape && !egui::Popup::is_any_open(ctx) && self.state.help.close_one() {
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

    /// Draws the main view; returns where its pictures are.
    fn explore_ui(&mut self, ui: &mut egui::Ui, now: &Situation, commands: &mut Vec<Command>) -> egui::Rect {
        let Self {
            workspace,
            state,
            settings,
        } = self;
        let is_narrow = is_narrow(ui.ctx());
        let has_selection = !state.selection.is_empty();
        if settings.shows_library && !(is_narrow && has_selection) {
            library_panel_ui(ui, workspace, &mut state.library, now, commands);
        }
        if settings.shows_inspector && (!is_narrow || has_selection) {
            Panel::right("inspector")
                .default_size(336.0)
                .size_range(304.0..=560.0)
                .show(ui, |ui| {
                    within(ui, |ui| inspector_column_ui(ui, workspace, state));
                });
        }
        tokens_panel_ui(ui, workspace, state);
        state.viewer.overlay = state.analysis.overlay(workspace, &state.selection);
        let centre = CentralPanel::default().show(ui, |ui| {
            state.viewer.ui(ui, &layers::layers(workspace));
        });
        centre.response.rect
    }

    /// Draws the library and the comparison; returns where they are.
    fn compare_ui(&mut self, ui: &mut egui::Ui, now: &Situation, commands: &mut Vec<Command>) -> egui::Rect {
        let rect = ui.available_rect_before_wrap();
        let Self {
            workspace,
            state,
            settings,
        } = self;
        if settings.shows_library && !is_narrow(ui.ctx()) {
            library_panel_ui(ui, workspace, &mut state.library, now, commands);
        }
        state.comparison.ui(ui, workspace, settings, now, commands);
        rect
    }

    /// Draws what the tokens of the active picture do; returns where it is.
    fn analysis_ui(&mut self, ui: &mut egui::Ui, now: &Situation, commands: &mut Vec<Command>) -> egui::Rect {
        let rect = ui.available_rect_before_wrap();
        let Self {
            workspace,
            state,
            settings,
        } = self;
        if settings.shows_library && !is_narrow(ui.ctx()) {
            library_panel_ui(ui, workspace, &mut state.library, now, commands);
        }
        Panel::bottom("analysed tokens").show(ui, |ui| {
            token_strip::token_strip_ui(ui, workspace, &mut state.selection, &mut state.token_strip);
        });
        let selection = &mut state.selection;
        state.analysis.ui(ui, workspace, selection, now, commands);
        rect
    }

    /// Draws the view that makes pictures; returns where they are.
    fn generate_ui(&mut self, ui: &mut egui::Ui, now: &Situation, commands: &mut Vec<Command>) -> egui::Rect {
        let Self {
            workspace,
            state,
            settings,
        } = self;
        if settings.shows_library && !is_narrow(ui.ctx()) {
            library_panel_ui(ui, workspace, &mut state.library, now, commands);
        }
        Panel::right("generate")
            .default_size(336.0)
            .size_range(304.0..=480.0)
            .show(ui, |ui| {
                let selection = &state.selection;
                within(ui, |ui| {
                    state.generate.panel_ui(ui, workspace, selection, now, commands);
                });
            });
        tokens_panel_ui(ui, workspace, state);
        let centre = CentralPanel::default().show(ui, |ui| {
            if !state.generate.live_ui(ui, workspace, commands) {
                state.viewer.ui(ui, &layers::layers(workspace));
            }
        });
        centre.response.rect
    }

    fn models_ui(&mut self, ui: &mut egui::Ui, commands: &mut Vec<Command>) -> egui::Rect {
        let Self { workspace, state, .. } = self;
        let centre = CentralPanel::default()
            .frame(egui::Frame::NONE)
            .show(ui, |ui| state.models_view.ui(ui, workspace, commands));
        centre.response.rect
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

/// Whether there is room for one side panel only: then it is the inspector while tokens are selected, else the library.
pub(super) fn is_narrow(ctx: &egui::Context) -> bool {
    ctx.content_rect().width() < NARROW_WIDTH
}

fn library_panel_ui(
    ui: &mut egui::Ui,
    workspace: &mut Workspace,
    library: &mut Library,
    now: &Situation,
    commands: &mut Vec<Command>,
) {
    Panel::left("library")
        .default_size(208.0)
        .size_range(160.0..=400.0)
        .show(ui, |ui| {
            within(ui, |ui| library.ui(ui, workspace, now, commands));
        });
}

/// Tokens of the active picture and the interpolation, at the bottom.
fn tokens_panel_ui(ui: &mut egui::Ui, workspace: &mut Workspace, state: &mut UiState) {
    if workspace.active().is_none() {
        return;
    }
    // In a low window the pictures keep the larger share.
    let height = TOKENS_SHARE * ui.available_height();
    Panel::bottom("tokens").show(ui, |ui| {
        egui::ScrollArea::vertical()
            .max_height(height)
            .min_scrolled_height(height)
            .auto_shrink([false, true])
            .show(ui, |ui| {
                token_strip::token_strip_ui(ui, workspace, &mut state.selection, &mut state.token_strip);
                ui.separator();
                let interpolation = &mut state.interpolation;
                interpolation::interpolation_ui(ui, workspace, &state.selection, interpolation);
            });
    });
}

fn inspector_column_ui(ui: &mut egui::Ui, workspace: &mut Workspace, state: &mut UiState) {
    let history = egui::Frame::NONE.inner_margin(egui::Margin::symmetric(0, 4));
    Panel::bottom("history")
        .resizable(true)
        .default_size(160.0)
        .size_range(96.0..=400.0)
        .frame(history)
        .show(ui, |ui| inspector::history_ui(ui, workspace));
    CentralPanel::default().frame(egui::Frame::NONE).show(ui, |ui| {
        inspector::inspector_ui(ui, workspace, &mut state.selection, &mut state.inspector);
    });
    if let Some((segment, codeword)) = state.inspector.take_looked_up() {
        state.tab = Tab::Analysis;
        state.analysis.look_up(segment, codeword);
    }
}

/// Draws in all the space that is left and takes exactly that: contents that are too wide are cut off, where a panel
/// would grow with them from frame to frame.
fn within(ui: &mut egui::Ui, contents: impl FnOnce(&mut egui::Ui)) {
    let rect = ui.available_rect_before_wrap();
    let mut inner = ui.new_child(egui::UiBuilder::new().max_rect(rect));
    inner.shrink_clip_rect(rect.expand2(egui::vec2(4.0, 0.0)));
    contents(&mut inner);
    ui.allocate_rect(rect, egui::Sense::hover());
}

/// Says over the whole window what dropping would do.
fn drop_target_ui(ctx: &egui::Context, tab: Tab, count: usize) {
    let rect = ctx.content_rect();
    let layer = egui::LayerId::new(egui::Order::Foreground, egui::Id::unique("drop target"));
    let painter = ctx.layer_painter(layer);
    let style = ctx.global_style();
    let visuals = &style.visuals;
    painter.rect_filled(rect, 0.0, visuals.extreme_bg_color.gamma_multiply(0.85));
    let stroke = egui::Stroke::new(2.0, visuals.hyperlink_color);
    painter.rect_stroke(rect.shrink(16.0), 8.0, stroke, egui::StrokeKind::Inside);
    let text = match (tab, count) {
        (Tab::Models, _) => "Drop to open this model".to_owned(),
        (Tab::Train, _) => "Drop a folder to train on its pictures".to_owned(),
        (_, 1) => "Drop to add it to the library".to_owned(),
        (_, count) => format!("Drop to add {count} files to the library"),
    };
    let font = egui::TextStyle::Heading.resolve(&style);
    painter.text(
        rect.center(),
        egui::Align2::CENTER_CENTER,
        text,
        font,
        visuals.strong_text_color(),
    );
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
