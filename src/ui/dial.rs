//! A number as a bar or a slider that every hand can turn: drag (Shift fine, Ctrl snaps), Alt and wheel, arrow keys,
//! double-click or Backspace back to the original, and the same through assistive technology.

mod scale;

use super::hand::{Grip, Hand, Reach};
use super::theme;
use egui::accesskit::{Action, ActionData};
use egui::{
    Color32, CornerRadius, CursorIcon, EventFilter, Id, Key, Rect, Response, Sense, Stroke, StrokeKind, Ui,
    Vec2, WidgetInfo, pos2, vec2,
};
pub(crate) use scale::{Axis, Snap};
use std::ops::RangeInclusive;

/// How the number is painted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Look {
    /// Filled from the left with this colour; dragged from anywhere without a jump.
    Bar(Color32),
    /// A rail with a knob that comes to the pointer.
    Knob,
}

pub(crate) struct Dial<'a> {
    grip: Grip,
    /// Accessible name.
    name: &'a str,
    value: f32,
    range: RangeInclusive<f32>,
    axis: Axis,
    snap: Snap,
    original: Option<f32>,
    look: Look,
    width: Option<f32>,
    label: Option<Id>,
}

/// What a hand did to a [`Dial`].
pub(crate) struct Turned {
    pub(crate) response: Response,
    /// The new value, when it changed.
    pub(crate) value: Option<f32>,
    /// Where it could go.
    pub(crate) reach: Reach,
}

const HEIGHT: f32 = 20.0;
const KNOB_RADIUS: f32 = 7.0;
/// Of the axis, for one press of an arrow key.
const KEY_STEP: f32 = 0.02;
/// Of the axis, for one point of wheel.
const WHEEL_STEP: f32 = 0.001;
const FINE: f32 = 0.1;

impl<'a> Dial<'a> {
    pub(crate) fn new(grip: Grip, name: &'a str, value: f32, range: RangeInclusive<f32>) -> Self {
        Self {
            grip,
            name,
            value,
            range,
            axis: Axis::Linear,
            snap: Snap::Multiples(0.05),
            original: None,
            look: Look::Knob,
            width: None,
            label: None,
        }
    }
    pub(crate) fn axis(mut self, axis: Axis) -> Self {
        self.axis = axis;
        self
    }
    pub(crate) fn snap(mut self, snap: Snap) -> Self {
        self.snap = snap;
        self
    }
    /// Marked, and where a double-click goes back to.
    pub(crate) fn original(mut self, original: Option<f32>) -> Self {
        self.original = original;
        self
    }
    pub(crate) fn look(mut self, look: Look) -> Self {
        self.look = look;
        self
    }
    /// Fills the available width without this.
    pub(crate) fn width(mut self, width: f32) -> Self {
        self.width = Some(width);
        self
    }

    /// The text beside it, so that assistive technology does not read the name twice.
    pub(crate) fn labelled_by(mut self, label: Id) -> Self {
        self.label = Some(label);
        self
    }

    pub(crate) fn show(self, ui: &mut Ui, hand: &mut Hand) -> Turned {
        let width = self.width.unwrap_or_else(|| ui.available_width()).max(24.0);
        let (rect, mut response) = ui.allocate_exact_size(vec2(width, HEIGHT), Sense::click_and_drag());
        let turned = self
            .dragged(ui, hand, &response)
            .or_else(|| self.stepped(ui, &response))
            .or_else(|| self.wheeled(ui, &response))
            .or_else(|| self.asked(ui, &response))
            .or_else(|| self.reset(ui, &response));
        let value = turned.unwrap_or(self.value);
        if response.clicked() || response.drag_started() {
            response.request_focus();
        }
        if turned.is_some() {
            response.mark_changed();
        }
        self.describe(ui, &response, value);
        if ui.is_rect_visible(rect) {
            match self.look {
                Look::Bar(color) => self.paint_bar(ui, &response, value, color),
                Look::Knob => self.paint_knob(ui, &response, value),
            }
        }
        let reach = Reach {
            axis: self.axis,
            range: self.range.clone(),
            value: self.value,
            is_looked_at: is_near(ui, &response) && hand.looks_at(ui, self.grip),
        };
        let response = response.on_hover_and_drag_cursor(CursorIcon::ResizeHorizontal);
        Turned {
            response,
            value: turned,
            reach,
        }
    }

    /// Where along the screen the axis runs.
    fn rail(&self, rect: Rect) -> Rect {
        match self.look {
            Look::Bar(_) => rect,
            Look::Knob => rect.shrink2(vec2(KNOB_RADIUS, 0.0)),
        }
    }

    fn dragged(&self, ui: &Ui, hand: &mut Hand, response: &Response) -> Option<f32> {
        let rail = self.rail(response.rect);
        let pointer = response.interact_pointer_pos()?;
        let (press, modifiers) = ui.input(|input| (input.pointer.press_origin(), input.modifiers));
        let delta = if response.drag_started() {
            let press = press.unwrap_or(pointer);
            hand.grab(self.grip, self.grabbed_at(&rail, press.x));
            pointer.x - press.x
        } else if response.dragged() {
            response.drag_delta().x
        } else {
            return None;
        };
        // A hand that only lets go of Ctrl or Shift has not moved the number.
        if delta == 0.0 {
            return None;
        }
        let speed = if modifiers.shift { FINE } else { 1.0 };
        let position = hand.slide(self.grip, speed * delta / rail.width().max(1.0))?;
        let value = self.axis.value(position, &self.range);
        Some(self.clamp(if modifiers.command {
            self.snap.apply(value)
        } else {
            value
        }))
    }

    fn grabbed_at(&self, rail: &Rect, press_x: f32) -> f32 {
        let position = self.axis.position(self.value, &self.range);
        let is_on_knob = (rail.left() + position * rail.width() - press_x).abs() <= KNOB_RADIUS + 1.0;
        match self.look {
            Look::Knob if !is_on_knob => (press_x - rail.left()) / rail.width().max(1.0),
            _ => position,
        }
    }

    /// Arrow keys, Home and End while it has the keyboard.
    fn stepped(&self, ui: &Ui, response: &Response) -> Option<f32> {
        if !response.has_focus() {
            return None;
        }
        let arrows = EventFilter {
            horizontal_arrows: true,
            ..Default::default()
        };
        ui.memory_mut(|memory| memory.set_focus_lock_filter(response.id, arrows));
        let (presses, modifiers, home, end) = ui.input(|input| {
            let right = input.num_presses(Key::ArrowRight) as f32;
            let left = input.num_presses(Key::ArrowLeft) as f32;
            (
                right - left,
                input.modifiers,
                input.key_pressed(Key::Home),
                input.key_pressed(Key::End),
            )
        });
        match presses {
            _ if home => Some(*self.range.start()),
            _ if end => Some(*self.range.end()),
            0.0 => None,
            _ if modifiers.command => Some(self.clamp(self.snapped_step(presses))),
            _ => Some(self.moved_by(presses * KEY_STEP, modifiers.shift)),
        }
    }

    /// The wheel over it while Alt is held: without Alt it scrolls the panel, as everywhere.
    fn wheeled(&self, ui: &Ui, response: &Response) -> Option<f32> {
        let modifiers = ui.input(|input| input.modifiers);
        if !modifiers.alt || !response.hovered() {
            return None;
        }
        let wheel = take_wheel(ui);
        (wheel != 0.0).then(|| self.moved_by(wheel * WHEEL_STEP, modifiers.shift))
    }

    /// The value a share of the axis further on.
    fn moved_by(&self, share: f32, is_fine: bool) -> f32 {
        let position = self.axis.position(self.value, &self.range);
        let speed = if is_fine { FINE } else { 1.0 };
        self.clamp(self.axis.value(position + speed * share, &self.range))
    }

    /// The next snap point in the direction of an arrow key.
    fn snapped_step(&self, presses: f32) -> f32 {
        match self.snap {
            Snap::Multiples(step) => ((self.value / step).round() + presses) * step,
            Snap::OneTwoFive => self
                .snap
                .apply(self.value * if presses > 0.0 { 2.2 } else { 1.0 / 2.2 }),
        }
    }

    /// Assistive technology.
    fn asked(&self, ui: &Ui, response: &Response) -> Option<f32> {
        ui.input(|input| {
            let set = input
                .accesskit_action_requests(response.id, Action::SetValue)
                .filter_map(|request| match request.data {
                    Some(ActionData::NumericValue(value)) => Some(value as f32),
                    _ => None,
                })
                .last();
            let steps = input.num_accesskit_action_requests(response.id, Action::Increment) as f32
                - input.num_accesskit_action_requests(response.id, Action::Decrement) as f32;
            set.or_else(|| {
                let position = self.axis.position(self.value, &self.range);
                (steps != 0.0).then(|| self.axis.value(position + steps * KEY_STEP, &self.range))
            })
        })
        .map(|value| self.clamp(value))
    }

    fn reset(&self, ui: &Ui, response: &Response) -> Option<f32> {
        let is_asked = response.double_clicked()
            || (response.has_focus() && ui.input(|input| input.key_pressed(Key::Backspace)));
        self.original
            .filter(|original| is_asked && original.to_bits() != self.value.to_bits())
            .map(|original| self.clamp(original))
    }

    fn clamp(&self, value: f32) -> f32 {
        value.max(*self.range.start()).min(*self.range.end())
    }

    fn describe(&self, ui: &Ui, response: &Response, value: f32) {
        response.widget_info(|| WidgetInfo::slider(ui.is_enabled(), f64::from(value), self.name));
        ui.ctx().accesskit_node_builder(response.id, |node| {
            node.set_min_numeric_value(f64::from(*self.range.start()));
            node.set_max_numeric_value(f64::from(*self.range.end()));
            node.add_action(Action::SetValue);
            node.add_action(Action::Increment);
            node.add_action(Action::Decrement);
            if let Some(label) = self.label {
                node.push_labelled_by(label.accesskit_id());
            }
        });
    }

    fn paint_bar(&self, ui: &Ui, response: &Response, value: f32, color: Color32) {
        let visuals = ui.visuals();
        let palette = theme::palette(visuals);
        let rect = response.rect.shrink2(vec2(0.0, 2.0));
        let radius = CornerRadius::same(3);
        let painter = ui.painter();
        painter.rect_filled(rect, radius, visuals.extreme_bg_color);
        let position = self.axis.position(value, &self.range);
        let filled = Rect::from_min_size(rect.min, vec2((position * rect.width()).max(1.0), rect.height()));
        let is_active = response.dragged() || response.hovered() || response.has_focus();
        let fill = if is_active {
            color
        } else {
            color.gamma_multiply(0.8)
        };
        painter.rect_filled(filled, radius, fill);
        if is_active {
            let x = filled.right().min(rect.right() - 1.0);
            painter.vline(x, rect.y_range(), Stroke::new(2.0, visuals.strong_text_color()));
        }
        self.paint_original(ui, rect, value);
        let outline = if response.has_focus() {
            Stroke::new(1.0, palette.accent)
        } else {
            Stroke::new(
                1.0,
                visuals.widgets.noninteractive.bg_stroke.color.gamma_multiply(0.6),
            )
        };
        painter.rect_stroke(rect, radius, outline, StrokeKind::Inside);
    }

    fn paint_knob(&self, ui: &Ui, response: &Response, value: f32) {
        let visuals = ui.style().interact(response);
        let palette = theme::palette(ui.visuals());
        let painter = ui.painter();
        let rail = self.rail(response.rect);
        let middle = rail.center().y;
        let groove = Rect::from_min_max(pos2(rail.left(), middle - 2.0), pos2(rail.right(), middle + 2.0));
        painter.rect_filled(
            groove.expand2(vec2(2.0, 0.0)),
            2,
            ui.visuals().widgets.inactive.bg_fill,
        );
        let x = rail.left() + self.axis.position(value, &self.range) * rail.width();
        let start = self.original.map_or(groove.left(), |original| {
            rail.left() + self.axis.position(original, &self.range) * rail.width()
        });
        let span = Rect::from_min_max(
            pos2(start.min(x), groove.top()),
            pos2(start.max(x), groove.bottom()),
        );
        painter.rect_filled(span, 2, palette.accent);
        self.paint_original(
            ui,
            Rect::from_center_size(rail.center(), vec2(rail.width(), 12.0)),
            value,
        );
        let stroke = if response.has_focus() {
            ui.visuals().selection.stroke
        } else {
            visuals.fg_stroke
        };
        painter.circle(
            pos2(x, middle),
            KNOB_RADIUS - 1.0 + visuals.expansion,
            visuals.bg_fill,
            stroke,
        );
    }

    fn paint_original(&self, ui: &Ui, rect: Rect, value: f32) {
        let Some(original) = self.original else { return };
        let position = self.axis.position(original, &self.range);
        if matches!(self.look, Look::Bar(_))
            && (position - self.axis.position(value, &self.range)).abs() < 0.004
        {
            return;
        }
        let x = (rect.left() + position * rect.width()).clamp(rect.left() + 1.0, rect.right() - 1.0);
        let color = ui.visuals().text_color().gamma_multiply(0.7);
        ui.painter().vline(x, rect.y_range(), Stroke::new(1.5, color));
    }
}

/// Whether a hand is on the widget or about to be: pointer or keyboard. While a button is held nothing else is.
fn is_near(ui: &Ui, response: &Response) -> bool {
    let is_held = ui.input(|input| input.pointer.any_down());
    response.enabled() && (response.dragged() || !is_held && (response.hovered() || response.has_focus()))
}

/// Vertical wheel movement of this frame, taken so that the panel does not scroll too.
fn take_wheel(ui: &Ui) -> f32 {
    ui.input_mut(|input| {
        let delta = input.smooth_scroll_delta;
        input.smooth_scroll_delta = Vec2::ZERO;
        if delta.y.abs() >= delta.x.abs() {
            delta.y
        } else {
            delta.x
        }
    })
}
