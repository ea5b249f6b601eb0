//! Contents of a fixed width, so that rows of different widgets line up.

use super::theme::GRID;
use egui::{Align, Layout, Ui, vec2};

/// Height of the rows of dense panels, in points.
pub(crate) const DENSE_ROW: f32 = 20.0;

/// Smaller buttons and fields, closer together: for panels full of numbers.
pub(crate) fn make_dense(ui: &mut Ui) {
    let spacing = ui.spacing_mut();
    spacing.item_spacing = vec2(GRID, GRID);
    spacing.button_padding = vec2(1.5 * GRID, 0.25 * GRID);
    spacing.interact_size = vec2(DENSE_ROW, DENSE_ROW);
}

/// `contents` at the left of a column of `width`.
pub(crate) fn left<R>(ui: &mut Ui, width: f32, contents: impl FnOnce(&mut Ui) -> R) -> R {
    column(ui, width, Layout::left_to_right(Align::Center), contents)
}

/// `contents` at the right of a column of `width`.
pub(crate) fn right<R>(ui: &mut Ui, width: f32, contents: impl FnOnce(&mut Ui) -> R) -> R {
    column(ui, width, Layout::right_to_left(Align::Center), contents)
}

fn column<R>(ui: &mut Ui, width: f32, layout: Layout, contents: impl FnOnce(&mut Ui) -> R) -> R {
    let size = vec2(width, DENSE_ROW);
    ui.allocate_ui_with_layout(size, layout, |ui| {
        ui.set_min_size(size);
        contents(ui)
    })
    .inner
}
