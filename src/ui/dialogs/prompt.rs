//! The small window with a path field, where the system has no dialog.

use super::{Proposal, Question, typed_path};
use std::path::PathBuf;

/// A small window with a path field.
pub(super) struct PathPrompt {
    pub(super) question: Question,
    text: String,
    is_system_missing: bool,
    /// The path names a file that saving would replace.
    replaces: bool,
    is_new: bool,
}

pub(super) enum PromptOutcome {
    Open,
    Cancelled,
    Path(PathBuf),
}

impl PathPrompt {
    pub(super) fn new(question: Question, proposal: &Proposal, is_system_missing: bool) -> Self {
        let path = match &proposal.folder {
            Some(folder) if question.is_save() => folder.join(&proposal.file_name),
            Some(folder) => folder.join(""),
            None => PathBuf::from(&proposal.file_name),
        };
        let mut prompt = Self {
            question,
            text: path.display().to_string(),
            is_system_missing,
            replaces: false,
            is_new: true,
        };
        prompt.look();
        prompt
    }

    fn look(&mut self) {
        let path = self.question.with_extension(typed_path(&self.text));
        self.replaces = self.question.is_save() && path.is_file();
    }

    pub(super) fn ui(&mut self, ctx: &egui::Context) -> PromptOutcome {
        let mut is_open = true;
        let mut outcome = PromptOutcome::Open;
        egui::Window::new(self.question.title())
            .id(egui::Id::unique("path prompt"))
            .open(&mut is_open)
            .collapsible(false)
            .resizable(false)
            .default_width(480.0)
            .anchor(egui::Align2::CENTER_TOP, [0.0, 96.0])
            .show(ctx, |ui| outcome = self.contents_ui(ui));
        if !is_open {
            return PromptOutcome::Cancelled;
        }
        outcome
    }

    fn contents_ui(&mut self, ui: &mut egui::Ui) -> PromptOutcome {
        if self.is_system_missing {
            ui.label(
                "This system shows no file dialog (no desktop portal and no zenity), so the path is asked for here.",
            );
        }
        let field = ui
            .add(
                egui::TextEdit::singleline(&mut self.text)
                    .hint_text("path")
                    .desired_width(f32::INFINITY)
                    .cursor_at_end(true),
            )
            .accessible_name("Path");
        if field.changed() {
            self.look();
        }
        let is_entered = field.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
        let is_escaped = ui.input(|input| input.key_pressed(egui::Key::Escape));
        if std::mem::take(&mut self.is_new) {
            field.request_focus();
        }
        if self.replaces {
            ui.colored_label(
                ui.visuals().warn_fg_color,
                "A file of this name is there and will be replaced.",
            );
        }
        let mut is_confirmed = is_entered;
        let mut is_cancelled = is_escaped;
        ui.horizontal(|ui| {
            let verb = if self.question.is_save() { "Save" } else { "Open" };
            let can_confirm = !self.text.trim().is_empty();
            is_confirmed |= ui.add_enabled(can_confirm, egui::Button::new(verb)).clicked();
            is_confirmed &= can_confirm;
            is_cancelled |= ui.button("Cancel").clicked();
        });
        if is_confirmed {
            PromptOutcome::Path(typed_path(&self.text))
        } else if is_cancelled {
            PromptOutcome::Cancelled
        } else {
            PromptOutcome::Open
        }
    }
}
