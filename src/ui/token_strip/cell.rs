//! One cell of the strip.

use crate::ui::theme;
use egui::{Align2, Color32, CornerRadius, FontId, Rect, Stroke, StrokeKind, Ui, pos2, vec2};
use std::ops::RangeInclusive;

/// Text size of a token's index, and of one with three digits: it has to fit the narrowest cell.
const INDEX_SIZE: f32 = 10.0;

const LONG_INDEX_SIZE: f32 = 8.5;

/// What one cell shows.
pub(super) struct Cell {
    pub(super) token: usize,
    pub(super) value: Option<f32>,
    pub(super) is_edited: bool,
    pub(super) is_selected: bool,
    pub(super) is_hovered: bool,
    pub(super) is_cursor: bool,
    pub(super) segment: Option<usize>,
}

impl Cell {
    pub(super) fn paint(&self, ui: &Ui, rect: Rect, range: &RangeInclusive<f32>) {
        let painter = ui.painter();
        let visuals = ui.visuals();
        let radius = CornerRadius::same(3);
        let fill = match self.value {
            Some(value) => theme::magnitude(share(value, range)),
            None => visuals.extreme_bg_color,
        };
        painter.rect_filled(rect, radius, fill);
        if self.value.is_none() {
            painter.rect_stroke(
                rect,
                radius,
                visuals.widgets.noninteractive.bg_stroke,
                StrokeKind::Inside,
            );
        }
        let ink = readable_on(fill);
        let font = FontId::new(
            if self.token < 100 {
                INDEX_SIZE
            } else {
                LONG_INDEX_SIZE
            },
            egui::FontFamily::Proportional,
        );
        painter.text(rect.center(), Align2::CENTER_CENTER, self.token, font, ink);
        if let Some(segment) = self.segment {
            let band = Rect::from_min_max(
                pos2(rect.left(), rect.bottom() + 1.0),
                pos2(rect.right(), rect.bottom() + 4.0),
            );
            painter.rect_filled(band, 1, theme::segment(segment));
        }
        if self.is_edited {
            painter.circle(rect.right_top() + vec2(-4.0, 4.0), 2.0, ink, Stroke::NONE);
        }
        if self.is_hovered && !self.is_selected {
            let outline = Stroke::new(1.5, visuals.strong_text_color().gamma_multiply(0.7));
            painter.rect_stroke(rect, radius, outline, StrokeKind::Outside);
        }
        if self.is_selected {
            painter.rect_stroke(
                rect,
                radius,
                Stroke::new(2.0, visuals.strong_text_color()),
                StrokeKind::Outside,
            );
            painter.rect_stroke(
                rect.shrink(0.5),
                radius,
                Stroke::new(1.0, visuals.panel_fill),
                StrokeKind::Inside,
            );
        }
        if self.is_cursor {
            let ring = rect.expand(2.0);
            painter.rect_stroke(
                ring,
                4,
                Stroke::new(1.0, theme::palette(visuals).accent),
                StrokeKind::Outside,
            );
        }
    }
}

/// Where `value` lies in `range`, 0..1; the middle of an empty one.
fn share(value: f32, range: &RangeInclusive<f32>) -> f32 {
    let width = range.end() - range.start();
    if width > f32::EPSILON {
        ((value - range.start()) / width).clamp(0.0, 1.0)
    } else {
        0.5
    }
}

/// Black or white, whichever reads better on `fill`.
fn readable_on(fill: Color32) -> Color32 {
    if fill.intensity() > 0.5 {
        Color32::from_gray(16)
    } else {
        Color32::from_gray(245)
    }
}
