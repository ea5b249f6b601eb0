//! What stands around and over the pictures: names, captions, the pixel under the pointer, words for a missing picture.

use super::Layer;
use super::texels::DifferenceScale;
use crate::ui::theme::{self, icon};
use egui::text::LayoutJob;
use egui::{
    Align, Align2, Color32, FontId, Label, Layout, Painter, Rangef, Rect, RichText, Role, Sense, Stroke,
    StrokeKind, TextStyle, Ui, UiBuilder, Vec2, WidgetInfo, pos2, vec2,
};

/// Name above a picture and caption below, each, in points.
pub(super) const LABEL_HEIGHT: f32 = 5.0 * theme::GRID;
/// Labels of two layers get at least this width where the area has it, in points.
const MIN_LABEL_WIDTH: f32 = 80.0 * theme::GRID;
/// From this size on, in points, a pixel is framed and not only pointed at.
const FRAMED_PIXEL: f32 = 6.0;
/// Gap and length of the cross hairs, in points.
const HAIR: (f32, f32) = (3.0, 8.0);

/// The places of the labels above and below a picture.
struct Strips {
    above: Rect,
    below: Rect,
}

impl Strips {
    fn over(area: Rect, columns: Rangef) -> Self {
        let strip =
            |top: f32| Rect::from_min_size(pos2(columns.min, top), vec2(columns.span(), LABEL_HEIGHT));
        Self {
            above: strip(area.top()),
            below: strip(area.bottom() - LABEL_HEIGHT),
        }
    }

    /// From the picture's left edge to the end of the area; further to the left where labels `width` wide would not
    /// fit otherwise.
    fn from_left(area: Rect, place: Rect, width: f32) -> Self {
        let left = place.left().min(area.right() - width).max(area.left());
        Self::over(area, Rangef::new(left, area.right()))
    }

    /// As wide as the visible part of the picture, or as labels at both sides need.
    fn of_both_sides(area: Rect, place: Rect) -> Self {
        let visible = place.x_range().intersection(area.x_range());
        let missing = (MIN_LABEL_WIDTH - visible.span()).max(0.0);
        Self::over(area, visible.expand(0.5 * missing).intersection(area.x_range()))
    }
}

/// Name and caption of one layer. `area` holds the labels too, the whole picture lies at `place`.
pub(super) fn layer_labels_ui(ui: &mut Ui, area: Rect, place: Rect, layer: &Layer) {
    let strips = Strips::from_left(area, place, layer_width(ui, layer));
    strip_ui(ui, strips.above, left(), |ui| name_ui(ui, layer));
    strip_ui(ui, strips.below, left(), |ui| caption_ui(ui, &layer.caption));
}

/// Names and captions of `a` at the left and `b` at the right.
pub(super) fn pair_labels_ui(ui: &mut Ui, area: Rect, place: Rect, a: &Layer, b: &Layer) {
    let strips = Strips::of_both_sides(area, place);
    let (above, below) = (halves(strips.above), halves(strips.below));
    for (side, (layer, layout)) in [(a, left()), (b, Layout::right_to_left(Align::Center))]
        .into_iter()
        .enumerate()
    {
        strip_ui(ui, above[side], layout, |ui| name_ui(ui, layer));
        strip_ui(ui, below[side], layout, |ui| caption_ui(ui, &layer.caption));
    }
}

/// What is subtracted from what, and the legend of its colours.
pub(super) fn difference_labels_ui(
    ui: &mut Ui,
    area: Rect,
    place: Rect,
    a: &Layer,
    b: &Layer,
    scale: DifferenceScale,
) {
    let strips = Strips::from_left(area, place, MIN_LABEL_WIDTH);
    let terms = format!("{} − {}", b.name, a.name);
    let name = if scale.signed { terms } else { format!("|{terms}|") };
    strip_ui(ui, strips.above, left(), |ui| {
        ui.add(Label::new(theme::strong(name)).truncate());
    });
    strip_ui(ui, strips.below, left(), |ui| difference_legend_ui(ui, scale));
}

fn difference_legend_ui(ui: &mut Ui, scale: DifferenceScale) {
    let level = scale.full_level();
    let decimals = if level < 20.0 { 1 } else { 0 };
    let legend = if scale.signed {
        theme::legend_signed_ui(
            ui,
            "levels",
            format!("−{level:.decimals$}"),
            format!("+{level:.decimals$}"),
        )
    } else {
        theme::legend_ui(ui, "levels", 0, format!("{level:.decimals$}"))
    };
    legend.on_hover_text("Mean over red, green and blue, in levels of 0 to 255.");
}

fn left() -> Layout {
    Layout::left_to_right(Align::Center)
}

fn halves(rect: Rect) -> [Rect; 2] {
    rect.split_left_right_at_fraction(0.5).into()
}

fn strip_ui(ui: &mut Ui, rect: Rect, layout: Layout, add_contents: impl FnOnce(&mut Ui)) {
    ui.scope_builder(UiBuilder::new().max_rect(rect).layout(layout), add_contents);
}

/// What name, badge and caption of a layer need.
fn layer_width(ui: &Ui, layer: &Layer) -> f32 {
    let width = |text: &str, font: FontId| {
        let galley = ui
            .painter()
            .layout_no_wrap(text.to_owned(), font, Color32::PLACEHOLDER);
        galley.size().x
    };
    let body = FontId::new(TextStyle::Body.resolve(ui.style()).size, theme::strong_family());
    let small = TextStyle::Small.resolve(ui.style());
    let badge = layer.badge.as_deref().map_or(0.0, |badge| {
        width(badge, small.clone()) + ui.spacing().item_spacing.x + theme::BADGE_PADDING.x * 2.0
    });
    // A point more than measured, so that rounding cuts nothing off.
    (width(&layer.name, body) + badge)
        .max(width(&layer.caption, small))
        .ceil()
        + 1.0
}

fn name_ui(ui: &mut Ui, layer: &Layer) {
    ui.add(Label::new(theme::strong(layer.name.as_str())).truncate());
    if let Some(badge) = &layer.badge {
        theme::badge_ui(ui, badge);
    }
}

fn caption_ui(ui: &mut Ui, caption: &str) {
    if !caption.is_empty() {
        ui.add(Label::new(RichText::new(caption).small().weak()).truncate());
    }
}

/// Frames a pixel that is large on screen; `points_at_it` adds cross hairs, for areas where the pointer is not.
pub(super) fn pixel(painter: &Painter, rect: Rect, points_at_it: bool) {
    if rect.width() >= FRAMED_PIXEL {
        // Light inside dark, for it lies over pictures of any colour.
        painter.rect_stroke(rect, 0.0, Stroke::new(1.0, Color32::BLACK), StrokeKind::Outside);
        painter.rect_stroke(rect, 0.0, Stroke::new(1.0, Color32::WHITE), StrokeKind::Inside);
    }
    if points_at_it {
        cross_hairs(painter, rect);
    }
}

fn cross_hairs(painter: &Painter, pixel: Rect) {
    let (gap, length) = HAIR;
    for direction in [Vec2::RIGHT, Vec2::LEFT, Vec2::UP, Vec2::DOWN] {
        let from = pixel.center() + direction * (0.5 * pixel.size() + Vec2::splat(gap));
        let line = [from, from + length * direction];
        painter.line_segment(line, Stroke::new(3.0, Color32::from_black_alpha(150)));
        painter.line_segment(line, Stroke::new(1.0, Color32::WHITE));
    }
}

/// Says in the middle of a cell what will be there.
pub(super) fn empty_ui(ui: &mut Ui, cell: Rect, id_salt: impl egui::AsIdSalt, text: &str) {
    let colours = theme::palette(ui.visuals());
    let width = (cell.width() - 8.0 * theme::GRID).max(1.0);
    let mut job = LayoutJob::simple(
        text.to_owned(),
        TextStyle::Body.resolve(ui.style()),
        colours.muted,
        width,
    );
    job.halign = Align::Center;
    let galley = ui.painter().layout_job(job);
    let (icon_size, gap) = (8.0 * theme::GRID, 2.0 * theme::GRID);
    let icon_top = cell.center() - vec2(0.0, 0.5 * (galley.size().y + icon_size + gap));
    let text_top = icon_top + vec2(0.0, icon_size + gap);
    let text_rect = Rect::from_center_size(text_top + vec2(0.0, 0.5 * galley.size().y), galley.size());
    let painter = ui.painter_at(cell);
    let icon_font = FontId::proportional(icon_size);
    painter.text(
        icon_top,
        Align2::CENTER_TOP,
        icon::IMAGE,
        icon_font,
        colours.border_strong,
    );
    painter.galley(text_top, galley, colours.muted);
    let response = ui.interact(text_rect, ui.scope_id().with(id_salt), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, text));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_over_the_left_edge_of_its_picture() {
        let area = Rect::from_min_max(pos2(0.0, 0.0), pos2(300.0, 200.0));
        let place = Rect::from_min_max(pos2(70.0, 20.0), pos2(230.0, 180.0));
        assert_eq!(Strips::from_left(area, place, 90.0).above.left(), 70.0);
        assert_eq!(
            Strips::from_left(area, place, 250.0).below.left(),
            50.0,
            "what is longer begins further left"
        );
        let magnified = place.expand(200.0);
        assert_eq!(Strips::from_left(area, magnified, 90.0).above.left(), 0.0);
    }
}
