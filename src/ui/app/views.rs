//! What each view consists of: its panels, and what fills them.

use super::{SoftscopeApp, Tab, UiState};
use crate::document::Workspace;
use crate::ui::commands::{Command, Situation};
use crate::ui::library::Library;
use crate::ui::{inspector, interpolation, layers, token_strip};
use egui::{CentralPanel, Panel};

/// Below this width, in points, the two side panels would leave too little of the pictures.
const NARROW_WIDTH: f32 = 880.0;

/// Most of the height that tokens and interpolation take from the pictures.
const TOKENS_SHARE: f32 = 0.4;

impl SoftscopeApp {
    /// Draws the main view; returns where its pictures are.
    pub(super) fn explore_ui(
        &mut self,
        ui: &mut egui::Ui,
        now: &Situation,
        commands: &mut Vec<Command>,
    ) -> egui::Rect {
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

    /// The library beside a view that has a panel of its own, where there is room for both.
    fn library_ui(&mut self, ui: &mut egui::Ui, now: &Situation, commands: &mut Vec<Command>) {
        if self.settings.shows_library && !is_narrow(ui.ctx()) {
            library_panel_ui(ui, &mut self.workspace, &mut self.state.library, now, commands);
        }
    }

    /// Draws the library and the comparison; returns where its pictures are.
    pub(super) fn compare_ui(
        &mut self,
        ui: &mut egui::Ui,
        now: &Situation,
        commands: &mut Vec<Command>,
    ) -> egui::Rect {
        self.library_ui(ui, now, commands);
        let Self {
            workspace,
            state,
            settings,
        } = self;
        state.comparison.ui(ui, workspace, settings, now, commands)
    }

    /// Draws what the tokens of the active picture do; returns where it is.
    pub(super) fn analysis_ui(
        &mut self,
        ui: &mut egui::Ui,
        now: &Situation,
        commands: &mut Vec<Command>,
    ) -> egui::Rect {
        self.library_ui(ui, now, commands);
        let Self { workspace, state, .. } = self;
        Panel::bottom("analysed tokens").show(ui, |ui| {
            token_strip::token_strip_ui(ui, workspace, &mut state.selection, &mut state.token_strip);
        });
        let rect = ui.available_rect_before_wrap();
        let selection = &mut state.selection;
        state.analysis.ui(ui, workspace, selection, now, commands);
        rect
    }

    /// Draws the view that makes pictures; returns where they are.
    pub(super) fn generate_ui(
        &mut self,
        ui: &mut egui::Ui,
        now: &Situation,
        commands: &mut Vec<Command>,
    ) -> egui::Rect {
        self.library_ui(ui, now, commands);
        let Self { workspace, state, .. } = self;
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

    pub(super) fn models_ui(&mut self, ui: &mut egui::Ui, commands: &mut Vec<Command>) -> egui::Rect {
        let Self { workspace, state, .. } = self;
        let centre = CentralPanel::default()
            .frame(egui::Frame::NONE)
            .show(ui, |ui| state.models_view.ui(ui, workspace, commands));
        centre.response.rect
    }
}

/// Whether there is room for one side panel only: then it is the inspector while tokens are selected, else the library.
pub(in crate::ui) fn is_narrow(ctx: &egui::Context) -> bool {
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
        let area = egui::ScrollArea::vertical()
            .max_height(height)
            .min_scrolled_height(height)
            .auto_shrink([false, true]);
        let shown = area.show(ui, |ui| {
            token_strip::token_strip_ui(ui, workspace, &mut state.selection, &mut state.token_strip);
            ui.separator();
            let interpolation = &mut state.interpolation;
            interpolation::interpolation_ui(ui, workspace, &state.selection, interpolation);
        });
        settle(ui, shown.content_size.y);
    });
}

/// A panel is as high as its content was in the frame before: where that changed there has to be one more frame, or the
/// window would stand with its tokens cut off until the mouse moves.
fn settle(ui: &egui::Ui, content_height: f32) {
    let id = egui::Id::unique("height of the tokens");
    let before = ui.data_mut(|data| {
        let before = data.get_temp::<f32>(id);
        data.insert_temp(id, content_height);
        before
    });
    if before != Some(content_height) {
        ui.ctx().request_repaint();
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_of_another_height_asks_for_one_more_frame() {
        let context = egui::Context::default();
        let asks = |height| {
            let mut output = context.run_ui(egui::RawInput::default(), |ui| settle(ui, height));
            output.textures_delta.clear();
            let viewport = output.viewport_output.get(&egui::ViewportId::ROOT);
            viewport.is_some_and(|viewport| viewport.repaint_delay.is_zero())
        };
        // A context asks for its first frames itself.
        while asks(20.0) {}
        assert!(asks(50.0));
        // What is asked for is drawn, and then all is as before.
        asks(50.0);
        assert!(!asks(50.0));
    }
}
