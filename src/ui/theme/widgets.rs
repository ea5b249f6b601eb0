//! Small widgets that look the same in every room of the window.

use super::{GRID, colormap, icon, palette, strong_family};
use egui::style::WidgetVisuals;
use egui::{
    Align2, Button, Color32, Mesh, Rect, Response, RichText, Role, Sense, TextStyle, Ui, Vec2, WidgetInfo,
    pos2, vec2,
};
use std::fmt::Display;

/// Captions, hints, units.
pub fn muted(text: impl Into<String>) -> RichText {
    RichText::new(text).weak()
}

/// Emphasised text of body size.
pub fn strong(text: impl Into<String>) -> RichText {
    RichText::new(text).family(strong_family())
}

/// A square button that shows only `icon`; `label` is its tooltip and its name for assistive technology.
pub fn icon_button(ui: &mut Ui, icon: &str, label: &str) -> Response {
    named(ui.add(Button::new(icon).frame_when_inactive(false)), label).on_hover_text(label)
}

/// A button with icon and text, drawn as chosen when `selected`. Only the icon is shown (and the text becomes a
/// tooltip) where `compact`. Its accessible name is `label` in both cases.
pub fn labelled_icon_button(ui: &mut Ui, icon: &str, label: &str, selected: bool, compact: bool) -> Response {
    if compact {
        named(ui.add(Button::selectable(selected, icon)), label).on_hover_text(label)
    } else {
        named(ui.add(Button::selectable(selected, (icon, label))), label)
    }
}

/// Names a button by its words alone, for its own text would begin with the icon's code point.
fn named(response: Response, label: &str) -> Response {
    response.accessible_name(label)
}

/// Around the text of a badge, in points.
pub(crate) const BADGE_PADDING: Vec2 = vec2(1.5 * GRID, 0.25 * GRID);

/// A small pill, such as "preview".
pub fn badge_ui(ui: &mut Ui, text: &str) -> Response {
    let colours = palette(ui.visuals());
    let (ground, ink) = (colours.accent_soft, colours.on_accent_soft);
    let galley = ui
        .painter()
        .layout_no_wrap(text.to_owned(), TextStyle::Small.resolve(ui.style()), ink);
    let (rect, response) = ui.allocate_exact_size(galley.size() + 2.0 * BADGE_PADDING, Sense::hover());
    ui.painter().rect_filled(rect, GRID, ground);
    ui.painter().galley(rect.min + BADGE_PADDING, galley, ink);
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, text));
    response
}

/// A legend of [`super::magnitude`]: `label`, the value at the dark end, the colour bar, the value at the light end.
pub fn legend_ui(ui: &mut Ui, label: &str, min: impl Display, max: impl Display) -> Response {
    scale_ui(ui, label, &min.to_string(), &max.to_string(), colormap::magnitude)
}

/// A legend of [`super::signed`]: `label`, the value at the blue end, the colour bar, the value at the red end.
pub fn legend_signed_ui(ui: &mut Ui, label: &str, min: impl Display, max: impl Display) -> Response {
    scale_ui(ui, label, &min.to_string(), &max.to_string(), signed_gradient)
}

/// [`super::signed`] as a map of 0..1: 0 is -1, 0.5 is 0, 1 is 1.
pub fn signed_gradient(t: f32) -> Color32 {
    colormap::signed(2.0 * t - 1.0)
}

/// One widget and not a row of them, so that it reads from left to right in any layout.
fn scale_ui(ui: &mut Ui, label: &str, min: &str, max: &str, colour: fn(f32) -> Color32) -> Response {
    let colours = palette(ui.visuals());
    let font = TextStyle::Small.resolve(ui.style());
    let texts = [(label, colours.muted), (min, colours.text), (max, colours.text)].map(|(text, ink)| {
        (
            ui.painter().layout_no_wrap(text.to_owned(), font.clone(), ink),
            ink,
        )
    });
    let bar = vec2(18.0 * GRID, 2.0 * GRID);
    let gap = 1.5 * GRID;
    let width = texts.iter().map(|(text, _)| text.size().x + gap).sum::<f32>() + bar.x;
    let height = texts.iter().map(|(text, _)| text.size().y).fold(bar.y, f32::max);
    let (rect, response) = ui.allocate_exact_size(vec2(width, height), Sense::hover());

    let mut x = rect.left();
    for (index, (text, ink)) in texts.into_iter().enumerate() {
        if index == 2 {
            let centre = pos2(x + 0.5 * bar.x, rect.center().y);
            ui.painter()
                .add(gradient(Rect::from_center_size(centre, bar), colour));
            x += bar.x + gap;
        }
        let size = text.size();
        ui.painter()
            .galley(pos2(x, rect.center().y - 0.5 * size.y), text, ink);
        x += size.x + gap;
    }
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, format!("{label}: {min} to {max}")));
    response
}

/// The icon of a [`egui::ComboBox`], to be given to its `icon` method.
pub fn combo_caret(ui: &Ui, rect: Rect, visuals: &WidgetVisuals, is_open: bool) {
    let caret = if is_open { icon::CARET_UP } else { icon::CARET_DOWN };
    let font = TextStyle::Small.resolve(ui.style());
    ui.painter().text(
        rect.center(),
        Align2::CENTER_CENTER,
        caret,
        font,
        visuals.fg_stroke.color,
    );
}

/// A bar whose colour runs from `colour(0)` at the left to `colour(1)` at the right.
fn gradient(rect: Rect, colour: fn(f32) -> Color32) -> Mesh {
    /// Enough that no step of the maps' tables is skipped.
    const STEPS: u32 = 48;
    let mut mesh = Mesh::default();
    for step in 0..=STEPS {
        let t = step as f32 / STEPS as f32;
        let x = egui::lerp(rect.left()..=rect.right(), t);
        mesh.colored_vertex(pos2(x, rect.top()), colour(t));
        mesh.colored_vertex(pos2(x, rect.bottom()), colour(t));
        if step > 0 {
            let corner = 2 * step - 2;
            mesh.add_triangle(corner, corner + 1, corner + 2);
            mesh.add_triangle(corner + 1, corner + 2, corner + 3);
        }
    }
    mesh
}
