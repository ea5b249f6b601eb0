//! What the window does for the view Train.

use super::TrainView;
use crate::document::NoticeKind;
use crate::trainer::TrainingRun;
use crate::ui::app::{SoftscopeApp, Tab};
use crate::ui::commands::{Command, Situation};
use egui::{Rect, Ui, ViewportCommand};
use std::path::Path;

impl SoftscopeApp {
    /// The training run under way, until its end was taken in.
    pub fn training(&self) -> Option<&TrainingRun> {
        self.state.train.run()
    }

    /// Takes in what was found, and how far the run is. Never waits.
    pub(in crate::ui) fn take_training(&mut self) {
        let is_shown = self.state.tab == Tab::Train;
        let choices = &mut self.settings.train;
        for notice in self.state.train.update(&mut self.workspace, choices, is_shown) {
            self.state.notices.push(notice);
        }
        if self.state.train.takes_new_model() {
            self.state.models_view.refresh(self.workspace.places());
        }
    }

    /// Takes a folder or a configuration into the form.
    pub(in crate::ui) fn take_for_training(&mut self, path: &Path) {
        if self.state.train.is_training() {
            let text = "A model is being trained: stop that first, then choose for the next one.";
            self.tell(NoticeKind::Warning, text.to_owned());
        } else if let Some(notice) = TrainView::take_path(&mut self.settings.train, path) {
            self.state.notices.push(notice);
        }
    }

    /// Draws the form and the run; returns where the run is.
    pub(in crate::ui) fn train_ui(
        &mut self,
        ui: &mut Ui,
        now: &Situation,
        commands: &mut Vec<Command>,
    ) -> Rect {
        let choices = &mut self.settings.train;
        self.state.train.ui(ui, choices, now, commands)
    }

    /// Takes back the wish to close the window where a run has to be stopped first.
    pub(in crate::ui) fn keep_open_while_training(&mut self, ctx: &egui::Context) {
        let is_closing = ctx.input(|input| input.viewport().close_requested());
        if is_closing && self.state.train.holds_close() {
            ctx.send_viewport_cmd(ViewportCommand::CancelClose);
        }
    }
}
