//! Closing the window while a run is under way: the run is stopped first, and what it reached is written.

use super::TrainView;
use crate::ui::models_view::count_text;
use crate::ui::theme;
use egui::{Align2, Key, ViewportCommand, Window};

/// How far closing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Closing {
    /// Nobody wants to.
    #[default]
    No,
    /// A person is asked.
    Asked,
    /// The run is told to stop; the window closes when it has.
    Stopping,
    /// The window may close.
    Allowed,
}

impl TrainView {
    /// Whether the window that is about to close has to stay open a while longer.
    pub(in crate::ui) fn holds_close(&mut self) -> bool {
        if self.closing == Closing::Allowed || !self.is_training() {
            return false;
        }
        if self.closing == Closing::No {
            self.closing = Closing::Asked;
        }
        true
    }

    /// Draws the question, or what is waited for.
    pub(in crate::ui) fn closing_ui(&mut self, ctx: &egui::Context) {
        if self.closing == Closing::Stopping && !self.is_training() {
            self.close(ctx);
        }
        let is_stopping = match self.closing {
            Closing::No | Closing::Allowed => return,
            Closing::Asked if !self.is_training() => return self.close(ctx),
            Closing::Asked => false,
            Closing::Stopping => true,
        };
        let title = if is_stopping {
            "Stopping the training"
        } else {
            "Training is under way"
        };
        Window::new(title)
            .id(egui::Id::unique("closing while training"))
            .collapsible(false)
            .resizable(false)
            .default_width(400.0)
            .anchor(Align2::CENTER_CENTER, [0.0, 0.0])
            .show(ctx, |ui| {
                if is_stopping {
                    self.waiting_ui(ui);
                } else {
                    self.question_ui(ui);
                }
            });
    }

    fn question_ui(&mut self, ui: &mut egui::Ui) {
        ui.label(
            "Stopping keeps all that was reached. The run can be continued when Softscope is opened again.",
        );
        ui.add_space(theme::GRID);
        let is_escaped = ui.input(|input| input.key_pressed(Key::Escape));
        ui.horizontal(|ui| {
            if ui.button("Stop and close").clicked() {
                self.closing = Closing::Stopping;
                self.stop();
            }
            if ui.button("Keep training").clicked() || is_escaped {
                self.closing = Closing::No;
            }
        });
    }

    fn waiting_ui(&mut self, ui: &mut egui::Ui) {
        let saved = self
            .run
            .as_ref()
            .and_then(|run| run.look(|status| status.record.steps_saved));
        ui.label(
            "The step under way is finished and the model is written. The window closes then by itself.",
        );
        let lost = match saved {
            Some(step) => format!(
                "Without waiting, what came after step {} is lost.",
                count_text(step as usize)
            ),
            None => "Without waiting, all of this run is lost.".to_owned(),
        };
        ui.label(theme::muted(lost));
        ui.add_space(theme::GRID);
        if ui.button("Close without waiting").clicked() {
            if let Some(run) = self.run.take() {
                run.abandon();
            }
            self.close(ui.ctx());
        }
    }

    fn close(&mut self, ctx: &egui::Context) {
        self.closing = Closing::Allowed;
        ctx.send_viewport_cmd(ViewportCommand::Close);
    }
}
