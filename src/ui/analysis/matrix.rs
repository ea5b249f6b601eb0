//! The pairs of tokens as a heat map.

use super::textures::Textures;
use crate::analysis::Interactions;
use crate::engine::Analysed;
use crate::ui::selection::Selection;
use crate::ui::theme;
use egui::{
    Color32, ColorImage, Pos2, Rect, Role, Sense, Stroke, StrokeKind, TextureOptions, Ui, WidgetInfo, pos2,
    vec2,
};
use std::sync::Arc;

/// Largest side, in points.
const MOST_SIDE: f32 = 400.0;

/// What the matrix remembers between frames.
#[derive(Default)]
pub(super) struct PairsMatrix {
    textures: Textures,
}

impl PairsMatrix {
    pub(super) fn ui(
        &mut self,
        ui: &mut Ui,
        found: &Arc<Analysed>,
        pairs: &Interactions,
        selection: &mut Selection,
    ) {
        let strongest = pairs.pairs().first().copied();
        let largest = strongest.map_or(0.0, |pair| pair.change);
        let size = pairs.tokens().len();
        let ground = theme::palette(ui.visuals()).sunken;
        let texture = self.textures.get(
            ui.ctx(),
            found,
            usize::from(ui.visuals().dark_mode),
            TextureOptions::NEAREST,
            || image(pairs, largest, ground),
        );
        theme::legend_ui(ui, "beyond the sum", 0, format!("{largest:.2} steps"));
        let side = ui.available_width().min(MOST_SIDE);
        let (rect, response) = ui.allocate_exact_size(vec2(side, side), Sense::CLICK);
        response.widget_info(|| {
            let said = strongest.map_or_else(String::new, |pair| {
                format!(", strongest {} + {}: {:.2}", pair.a, pair.b, pair.change)
            });
            WidgetInfo::labeled(
                Role::Image,
                ui.is_enabled(),
                format!("pairs of {size} tokens{said}"),
            )
        });
        let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
        ui.painter().image(texture, rect, whole, Color32::WHITE);
        mark_selected(ui, rect, pairs, selection);
        let pointed = response
            .hover_pos()
            .and_then(|pointer| cell_at(rect, pointer, size));
        let Some((row, column)) = pointed else { return };
        let (Some(&a), Some(&b)) = (pairs.tokens().get(row), pairs.tokens().get(column)) else {
            return;
        };
        let outline = Stroke::new(1.5, theme::palette(ui.visuals()).strong);
        ui.painter().rect_stroke(
            cell_rect(rect, row, column, size),
            0,
            outline,
            StrokeKind::Outside,
        );
        if response.clicked() {
            selection.select_pair(a, b);
        }
        let change = pairs.values().get(row * size + column).copied().unwrap_or(0.0);
        response.on_hover_ui_at_pointer(|ui| {
            ui.label(if a == b {
                format!("Token {a} alone changes {change:.2} steps")
            } else {
                format!("Tokens {a} and {b} change {change:.2} steps beyond the sum of both")
            });
        });
    }
}

/// The pairs in false colour; the diagonal, another quantity, is left out.
fn image(pairs: &Interactions, largest: f64, ground: Color32) -> ColorImage {
    let size = pairs.tokens().len();
    let colour = |(place, value): (usize, &f64)| {
        if place % (size + 1) == 0 {
            ground
        } else if largest > 0.0 {
            theme::magnitude((value / largest) as f32)
        } else {
            theme::magnitude(0.0)
        }
    };
    ColorImage::new(
        [size, size],
        pairs.values().iter().enumerate().map(colour).collect(),
    )
}

/// Marks at the left and at the top, for every token that is selected.
fn mark_selected(ui: &Ui, rect: Rect, pairs: &Interactions, selection: &Selection) {
    let colour = theme::palette(ui.visuals()).accent;
    let size = pairs.tokens().len();
    for (place, _) in pairs
        .tokens()
        .iter()
        .enumerate()
        .filter(|(_, token)| selection.contains(**token))
    {
        let cell = cell_rect(rect, place, place, size);
        let left = Rect::from_min_max(
            pos2(rect.left() - 4.0, cell.top()),
            pos2(rect.left() - 1.0, cell.bottom()),
        );
        let top = Rect::from_min_max(
            pos2(cell.left(), rect.top() - 4.0),
            pos2(cell.right(), rect.top() - 1.0),
        );
        for mark in [left, top] {
            ui.painter().rect_filled(mark, 0, colour);
        }
    }
}

/// Row and column of the cell under the pointer.
fn cell_at(rect: Rect, pointer: Pos2, size: usize) -> Option<(usize, usize)> {
    let at = (pointer - rect.min) / rect.size() * size as f32;
    let is_inside = |value: f32| (0.0..size as f32).contains(&value);
    (is_inside(at.x) && is_inside(at.y)).then_some((at.y as usize, at.x as usize))
}

fn cell_rect(rect: Rect, row: usize, column: usize, size: usize) -> Rect {
    let cell = rect.size() / size.max(1) as f32;
    let min = rect.min + vec2(column as f32 * cell.x, row as f32 * cell.y);
    Rect::from_min_size(min, cell)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pointer_finds_the_cell_it_is_in() {
        let rect = Rect::from_min_size(pos2(10.0, 20.0), vec2(80.0, 80.0));
        for (row, column) in [(0, 0), (3, 1), (7, 7)] {
            let centre = cell_rect(rect, row, column, 8).center();
            assert_eq!(cell_at(rect, centre, 8), Some((row, column)));
        }
        assert_eq!(cell_at(rect, pos2(9.0, 30.0), 8), None);
        assert_eq!(cell_at(rect, pos2(95.0, 30.0), 8), None);
    }
}
