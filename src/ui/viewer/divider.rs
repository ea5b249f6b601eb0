//! The divider of the wipe: dragged, moved by arrow keys, a slider to assistive technology.

use super::Viewer;
use crate::ui::theme::{self, icon};
use egui::accesskit::{Action, ActionData};
use egui::{
    Align2, Color32, CursorIcon, EventFilter, Key, Rect, Response, Sense, Stroke, TextStyle, Ui, WidgetInfo,
    pos2, vec2,
};

/// Width in which the divider is grabbed, in points.
const GRIP_WIDTH: f32 = 4.0 * theme::GRID;
/// Radius of the knob in the middle, in points.
const KNOB_RADIUS: f32 = 2.5 * theme::GRID;
/// Step of an arrow key, as a part of the whole way; Shift makes it a tenth.
const STEP: f32 = 0.02;

impl Viewer {
    /// Where the divider stands, in points.
    pub(super) fn divider_x(&self, cell: Rect, place: Rect) -> f32 {
        egui::lerp(cell.intersect(place).x_range(), self.wipe)
    }

    pub(super) fn divider_ui(&mut self, ui: &mut Ui, cell: Rect, place: Rect) {
        let visible = cell.intersect(place);
        let grip =
            |x: f32| Rect::from_center_size(pos2(x, visible.center().y), vec2(GRIP_WIDTH, visible.height()));
        let x = self.divider_x(cell, place);
        let response = ui
            .interact(
                grip(x),
                ui.scope_id().with("wipe divider"),
                Sense::click_and_drag(),
            )
            .on_hover_and_drag_cursor(CursorIcon::ResizeHorizontal);
        if let Some(pointer) = response.interact_pointer_pos().filter(|_| response.dragged()) {
            self.wipe = (pointer.x - visible.left()) / visible.width().max(1.0);
        }
        if response.clicked() {
            response.request_focus();
        }
        self.wipe = (self.wipe + divider_keys(ui, &response)).clamp(0.0, 1.0);
        if let Some(value) = requested_value(ui, &response) {
            self.wipe = (value as f32).clamp(0.0, 1.0);
        }
        describe_divider(ui, &response, self.wipe);
        let is_active = response.hovered() || response.dragged() || response.has_focus();
        paint_divider(ui, visible, self.divider_x(cell, place), is_active);
    }
}

fn divider_keys(ui: &Ui, response: &Response) -> f32 {
    let mut steps = ui.input(|input| {
        input.num_accesskit_action_requests(response.id, Action::Increment) as f32
            - input.num_accesskit_action_requests(response.id, Action::Decrement) as f32
    });
    if response.has_focus() {
        let filter = EventFilter {
            horizontal_arrows: true,
            ..Default::default()
        };
        ui.memory_mut(|memory| memory.set_focus_lock_filter(response.id, filter));
        steps += ui.input(|input| {
            let presses =
                input.num_presses(Key::ArrowRight) as f32 - input.num_presses(Key::ArrowLeft) as f32;
            presses * if input.modifiers.shift { 0.1 } else { 1.0 }
        });
    }
    steps * STEP
}

/// The value that assistive technology set.
fn requested_value(ui: &Ui, response: &Response) -> Option<f64> {
    ui.input(|input| {
        let requests = input.accesskit_action_requests(response.id, Action::SetValue);
        requests
            .filter_map(|request| match request.data {
                Some(ActionData::NumericValue(value)) => Some(value),
                _ => None,
            })
            .last()
    })
}

fn describe_divider(ui: &Ui, response: &Response, wipe: f32) {
    response.widget_info(|| WidgetInfo::slider(ui.is_enabled(), f64::from(wipe), "wipe"));
    ui.ctx().accesskit_node_builder(response.id, |node| {
        node.set_min_numeric_value(0.0);
        node.set_max_numeric_value(1.0);
        node.set_numeric_value_step(f64::from(STEP));
        for action in [Action::SetValue, Action::Increment, Action::Decrement] {
            node.add_action(action);
        }
    });
}

fn paint_divider(ui: &Ui, visible: Rect, x: f32, is_active: bool) {
    let colours = theme::palette(ui.visuals());
    let painter = ui.painter_at(visible.expand2(vec2(GRIP_WIDTH, 0.0)));
    // Light inside dark, for it crosses pictures of any colour.
    painter.vline(
        x,
        visible.y_range(),
        Stroke::new(4.0, Color32::from_black_alpha(120)),
    );
    let line = if is_active { colours.accent } else { Color32::WHITE };
    painter.vline(x, visible.y_range(), Stroke::new(2.0, line));
    let middle = pos2(x, visible.center().y);
    painter.circle_filled(middle, KNOB_RADIUS + 3.0, Color32::from_black_alpha(120));
    painter.circle(middle, KNOB_RADIUS, colours.popup, Stroke::new(2.0, line));
    let font = TextStyle::Body.resolve(ui.style());
    painter.text(
        middle,
        Align2::CENTER_CENTER,
        icon::DRAG_HORIZONTAL,
        font,
        colours.text,
    );
}
