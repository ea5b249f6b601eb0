//! The edit list: every step by name, where the picture is in it, a click to go anywhere.

use crate::document::Workspace;
use crate::engine::SubjectId;
use crate::ui::column;
use egui::{Align, Button, Layout, Response, RichText, ScrollArea, Ui};

/// One line of the list.
struct Step {
    /// Applied edits after which this line is the newest.
    index: usize,
    text: String,
    is_undone: bool,
}

/// The edit list of the active picture. Fills the height it is given.
pub fn history_ui(ui: &mut Ui, workspace: &mut Workspace) {
    column::make_dense(ui);
    let Some(subject) = workspace.active() else {
        ui.weak("Edits of the open picture are listed here.");
        return;
    };
    let history = &subject.history;
    let subject_id = subject.id;
    let current = history.applied().len();
    let original = Step {
        index: 0,
        text: "original".to_owned(),
        is_undone: false,
    };
    let step = |index: usize, text: String| Step {
        index,
        text,
        is_undone: index > current,
    };
    let edits = history.applied().iter().chain(history.undone());
    let named = edits
        .enumerate()
        .map(|(index, edit)| step(index + 1, edit.label()));
    let steps: Vec<Step> = std::iter::once(original).chain(named).collect();
    let pending = history.pending().map(crate::latent::Edit::label);

    header_ui(ui, workspace, &steps, current);
    let mut chosen = None;
    let has_moved = is_new_place(ui, (subject_id, current));
    ScrollArea::vertical()
        .id_salt("history")
        .auto_shrink([false, true])
        .stick_to_bottom(true)
        .show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 0.0;
            for step in &steps {
                let is_current = step.index == current && pending.is_none();
                let response = step_ui(ui, step, is_current);
                if is_current && has_moved {
                    response.scroll_to_me(None);
                }
                if response.clicked() {
                    chosen = Some(step.index);
                }
                if step.index == current
                    && let Some(pending) = &pending
                {
                    let text = numbered(current + 1, pending).italics();
                    ui.add_enabled(false, row_button(ui, false, text));
                }
            }
            if steps.len() == 1 && pending.is_none() {
                ui.weak("Drag a bar or a slider: every change is a step here. Ctrl+Z undoes it.");
            }
        });
    if let Some(index) = chosen {
        workspace.go_to_step(index);
    }
}

fn header_ui(ui: &mut Ui, workspace: &mut Workspace, steps: &[Step], current: usize) {
    let text_of = |index: Option<usize>| {
        index
            .and_then(|index| steps.get(index))
            .map(|step| step.text.as_str())
    };
    ui.horizontal(|ui| {
        let count = match current {
            1 => "1 edit".to_owned(),
            many => format!("{many} edits"),
        };
        ui.strong("History");
        ui.weak(count);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let redone = text_of(Some(current + 1));
            let redo = ui.add_enabled(redone.is_some(), Button::new("Redo"));
            if redo
                .on_hover_text(format!("Ctrl+Shift+Z: {}", redone.unwrap_or_default()))
                .clicked()
            {
                workspace.redo();
            }
            let undone = text_of((current > 0).then_some(current));
            let undo = ui.add_enabled(undone.is_some(), Button::new("Undo"));
            if undo
                .on_hover_text(format!("Ctrl+Z: {}", undone.unwrap_or_default()))
                .clicked()
            {
                workspace.undo();
            }
        });
    });
}

/// Whether the picture is at another step than in the last frame: then the list scrolls to it, once.
fn is_new_place(ui: &Ui, place: (SubjectId, usize)) -> bool {
    let id = ui.scope_id().with("history place");
    ui.data_mut(|data| data.get_temp_mut_or_insert_with(id, || None).replace(place) != Some(place))
}

fn step_ui(ui: &mut Ui, step: &Step, is_current: bool) -> Response {
    let mut text = numbered(step.index, &step.text);
    if step.is_undone {
        text = text.weak().strikethrough();
    }
    ui.add(row_button(ui, is_current, text))
        .on_hover_text(if step.is_undone {
            "Go forward to this step"
        } else {
            "Go back to this step"
        })
        .accessible_name(&step.text)
}

fn numbered(index: usize, text: &str) -> RichText {
    RichText::new(format!("{index:>3}  {text}"))
}

/// A button over the whole width; its text is cut where it does not fit.
fn row_button<'a>(ui: &Ui, is_current: bool, text: RichText) -> Button<'a> {
    Button::selectable(is_current, text)
        .truncate()
        .min_size(egui::vec2(ui.available_width(), column::DENSE_ROW))
}
