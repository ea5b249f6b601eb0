//! Asking before a model is removed.

use super::bytes_text;
use crate::hub::ModelId;

/// A removal that waits for a yes.
pub(super) struct Removal {
    pub(super) id: ModelId,
    pub(super) size_bytes: u64,
}

/// What was answered.
pub(super) enum Answer {
    Remove,
    Keep,
}

impl Removal {
    /// Asks; `None` until there is an answer.
    pub(super) fn ui(&self, ctx: &egui::Context) -> Option<Answer> {
        let mut answer = None;
        let frame = egui::Frame::window(&ctx.global_style());
        let modal = egui::Modal::new(egui::Id::unique("remove model")).frame(frame).show(ctx, |ui| {
            ui.set_width(WIDTH);
            ui.heading(format!("Remove {}?", self.id));
            ui.label(format!(
                "Its files ({}) are deleted from the cache, which other programs use too. Undo does not bring them \
                 back; it can be downloaded again. If it is loaded, it stays so until another model is opened.",
                bytes_text(self.size_bytes)
            ));
            ui.add_space(8.0);
            ui.horizontal(|ui| {
                if ui.button("Remove").accessible_name("Remove the model").clicked() {
                    answer = Some(Answer::Remove);
                }
                if ui.button("Keep").clicked() {
                    answer = Some(Answer::Keep);
                }
            });
        });
        answer.or_else(|| modal.should_close().then_some(Answer::Keep))
    }
}

const WIDTH: f32 = 400.0;
