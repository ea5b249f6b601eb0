//! A small picture over a caption, to be clicked.

use crate::ui::theme;
use egui::{
    Align2, Color32, Rect, Response, Role, Sense, Stroke, StrokeKind, TextStyle, TextureId, Ui, WidgetInfo,
    pos2, vec2,
};

/// Height of the caption, in points.
const CAPTION: f32 = 5.0 * theme::GRID;

/// Side of cells that fill the width, at least `least`, in points; with few cells no larger than half of that more.
pub(super) fn filling_side(ui: &Ui, least: f32) -> f32 {
    let (width, gap) = (ui.available_width(), ui.spacing().item_spacing.x);
    let columns = ((width + gap) / (least + gap)).floor().max(1.0);
    // A hair less, so that rounding wraps no row early.
    ((width + gap) / columns - gap - 0.1)
        .clamp(least, 1.5 * least)
        .floor()
}

/// What one cell shows.
pub(super) struct Cell<'a> {
    pub(super) texture: TextureId,
    /// For assistive technology.
    pub(super) label: &'a str,
    /// At the left under the picture.
    pub(super) name: &'a str,
    /// At the right under the picture.
    pub(super) value: &'a str,
    pub(super) is_selected: bool,
    pub(super) is_hovered: bool,
    /// Whether the Tab key stops here.
    pub(super) is_stop: bool,
}

impl Cell<'_> {
    pub(super) fn ui(&self, ui: &mut Ui, side: f32) -> Response {
        let sense = if self.is_stop {
            Sense::click()
        } else {
            Sense::CLICK
        };
        let (rect, response) = ui.allocate_exact_size(vec2(side, side + CAPTION), sense);
        response.widget_info(|| {
            WidgetInfo::selected(Role::Button, ui.is_enabled(), self.is_selected, self.label)
        });
        if ui.is_rect_visible(rect) {
            self.paint(ui, rect, &response);
        }
        response
    }

    fn paint(&self, ui: &Ui, rect: Rect, response: &Response) {
        // What was measured is there to be seen even where it cannot be clicked: no fading as controls do.
        let (mut painter, visuals) = (ui.painter().clone(), ui.visuals());
        painter.set_opacity(1.0);
        let picture = Rect::from_min_size(rect.min, vec2(rect.width(), rect.width()));
        let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
        painter.image(self.texture, picture, whole, Color32::WHITE);
        let font = TextStyle::Small.resolve(ui.style());
        let palette = theme::palette(visuals);
        let y = 0.5 * (picture.bottom() + rect.bottom());
        let name = if self.is_selected {
            palette.strong
        } else {
            palette.muted
        };
        painter.text(
            pos2(rect.left(), y),
            Align2::LEFT_CENTER,
            self.name,
            font.clone(),
            name,
        );
        painter.text(
            pos2(rect.right(), y),
            Align2::RIGHT_CENTER,
            self.value,
            font,
            palette.text,
        );
        let outline = if self.is_selected {
            Some(Stroke::new(2.0, palette.strong))
        } else if self.is_hovered || response.hovered() {
            Some(Stroke::new(1.5, palette.muted))
        } else {
            None
        };
        if let Some(stroke) = outline {
            painter.rect_stroke(picture, 1, stroke, StrokeKind::Outside);
        }
        if response.has_focus() {
            let ring = Stroke::new(1.0, palette.accent);
            painter.rect_stroke(rect.expand(2.0), 4, ring, StrokeKind::Outside);
        }
    }
}
