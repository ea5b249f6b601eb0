//! A brush over the pictures: where it presses, and how it is shown.

use super::Viewer;
use super::geometry::Cell;
use crate::ui::theme;
use egui::{
    Color32, EventFilter, Key, Painter, PointerButton, Pos2, Rect, Response, Stroke, TextureId, Ui, Vec2,
    pos2, vec2,
};

/// A brush in the hand: it draws where else a drag would move the pictures.
#[derive(Debug, Clone, Copy)]
pub struct ViewerBrush {
    /// Pixels of the pictures.
    pub radius: f32,
    /// Laid over the whole of each picture.
    pub mask: Option<TextureId>,
    /// How strongly, 0..1.
    pub opacity: f32,
}

/// What the hand did with the brush in a frame.
#[derive(Debug, Clone, Copy, Default)]
pub struct BrushInput {
    /// Where it presses, in pixels of the picture from its top left corner; may lie outside of it.
    pub pressed: Option<[f32; 2]>,
    /// How far the wheel turned, in points.
    pub scrolled: f32,
}

impl Viewer {
    /// Where a focused picture's brush stands is moved by the arrow keys; Space and Enter press it. Shift makes steps fine.
    pub(super) fn brush_input(
        &mut self,
        ui: &Ui,
        brush: ViewerBrush,
        cell: &Cell,
        response: &Response,
    ) -> BrushInput {
        let place = self.view.picture_rect(cell);
        let pixel = |at: Pos2| {
            let pixel = (at - place.min) / place.size() * cell.picture;
            [pixel.x, pixel.y]
        };
        let is_down = response.is_pointer_button_down_on() && ui.input(|input| input.pointer.primary_down());
        let is_pressed = is_down || response.clicked_by(PointerButton::Primary);
        let mut pressed = response.interact_pointer_pos().filter(|_| is_pressed).map(pixel);
        if response.has_focus() {
            let step = arrows(ui, response) * brush.radius / cell.picture;
            let at = self.brush_at + step;
            self.brush_at = pos2(at.x.clamp(0.0, 1.0), at.y.clamp(0.0, 1.0));
            if ui.input(|input| input.key_pressed(Key::Space) || input.key_pressed(Key::Enter)) {
                pressed = Some([self.brush_at.x * cell.picture.x, self.brush_at.y * cell.picture.y]);
            }
        }
        let scrolled = if response.hovered() {
            ui.input_mut(|input| std::mem::take(&mut input.smooth_scroll_delta.y))
        } else {
            0.0
        };
        BrushInput { pressed, scrolled }
    }

    /// The mask over the picture, and the outline of the brush where it stands.
    pub(super) fn paint_brush(&self, painter: &Painter, cell: &Cell, response: &Response) {
        let Some(brush) = self.brush else { return };
        let painter = painter.with_clip_rect(painter.clip_rect().intersect(cell.rect));
        let place = self.view.picture_rect(cell);
        if let Some(mask) = brush.mask {
            let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
            painter.image(mask, place, whole, Color32::WHITE.gamma_multiply(brush.opacity));
        }
        let pointer = response.hover_pos().or(response.interact_pointer_pos());
        let focused = response
            .has_focus()
            .then(|| place.min + self.brush_at.to_vec2() * place.size());
        if let Some(middle) = pointer.or(focused) {
            let radius = brush.radius * place.width() / cell.picture.x;
            // Light on dark, for it lies over pictures of any colour.
            painter.circle_stroke(middle, radius, Stroke::new(3.0, Color32::from_black_alpha(150)));
            painter.circle_stroke(middle, radius, Stroke::new(1.0, Color32::WHITE));
        }
    }
}

/// Steps of the arrow keys, in parts of the brush's radius.
fn arrows(ui: &Ui, response: &Response) -> Vec2 {
    let filter = EventFilter {
        horizontal_arrows: true,
        vertical_arrows: true,
        ..Default::default()
    };
    ui.memory_mut(|memory| memory.set_focus_lock_filter(response.id, filter));
    ui.input(|input| {
        let presses = |key: Key| input.num_presses(key) as f32;
        let steps = vec2(
            presses(Key::ArrowRight) - presses(Key::ArrowLeft),
            presses(Key::ArrowDown) - presses(Key::ArrowUp),
        );
        steps * if input.modifiers.shift { 0.1 } else { 0.5 }
    })
}

/// What the hand can do with a brush: in few words, all of them on hover.
pub(super) fn hint_ui(ui: &mut Ui) {
    let hint = theme::muted("Drag draws, right drag moves, scroll sizes").small();
    ui.add(egui::Label::new(hint).truncate().show_tooltip_when_elided(false))
        .on_hover_text(
            "Drag draws, right drag moves the picture.\nScroll makes the brush larger or smaller, Ctrl+scroll zooms.",
        );
}
