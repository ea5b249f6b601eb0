//! A name with its value, as one widget.

use crate::ui::theme;
use egui::{Color32, Rect, Response, Role, Sense, TextStyle, Ui, WidgetInfo, pos2, vec2};

/// Side of the patch of colour, in points.
const SWATCH: f32 = 2.0 * theme::GRID;

/// Draws name and value, after a patch of `colour` where there is one. One widget and not a row of them, so that it goes
/// to the next line as a whole where a row of facts is wrapped.
pub(super) fn ui(ui: &mut Ui, colour: Option<Color32>, name: &str, value: &str) -> Response {
    let font = TextStyle::Body.resolve(ui.style());
    let palette = theme::palette(ui.visuals());
    let texts = [(name, palette.muted), (value, palette.text)].map(|(text, ink)| {
        (
            ui.painter().layout_no_wrap(text.to_owned(), font.clone(), ink),
            ink,
        )
    });
    let before = colour.map_or(0.0, |_| SWATCH + theme::GRID);
    let width = texts.iter().map(|(text, _)| text.size().x).sum::<f32>() + before + theme::GRID;
    let (rect, response) = ui.allocate_exact_size(vec2(width, theme::ROW_HEIGHT), Sense::hover());
    if let Some(colour) = colour {
        let centre = pos2(rect.left() + 0.5 * SWATCH, rect.center().y);
        let swatch = Rect::from_center_size(centre, vec2(SWATCH, SWATCH));
        ui.painter().rect_filled(swatch, 2, colour);
    }
    let mut x = rect.left() + before;
    for (text, ink) in texts {
        let size = text.size();
        ui.painter()
            .galley(pos2(x, rect.center().y - 0.5 * size.y), text, ink);
        x += size.x + theme::GRID;
    }
    let spoken = format!("{name} {value}");
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, spoken.trim()));
    response
}
