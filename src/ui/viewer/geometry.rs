//! Where picture pixels are on screen: one zoom and pan for every picture. Pure.

use egui::{Pos2, Rect, Vec2, pos2, vec2};

/// Largest zoom, in screen pixels per picture pixel.
const MAX_SCALE: f32 = 64.0;
/// Smallest zoom as a part of the one that fits.
const MIN_OF_FIT: f32 = 0.25;

/// How much larger pictures must become for standing in more rows.
const WORTH_A_ROW: f32 = 1.15;

/// How much of the picture is shown.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) enum Zoom {
    /// All of it, as large as the cell allows.
    #[default]
    Fit,
    /// Physical screen pixels per picture pixel.
    Scale(f32),
}

/// The zoom and pan that all cells share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct View {
    zoom: Zoom,
    /// The point of the picture, 0..1 in both axes, at the middle of a cell.
    centre: Pos2,
}

impl Default for View {
    fn default() -> Self {
        Self {
            zoom: Zoom::Fit,
            centre: pos2(0.5, 0.5),
        }
    }
}

/// One cell: its place on screen and the size of the picture in it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cell {
    /// Place on screen in points.
    pub(super) rect: Rect,
    /// Columns and rows of the picture.
    pub(super) picture: Vec2,
    /// Physical pixels per point.
    pub(super) pixels_per_point: f32,
}

impl Cell {
    /// The zoom at which the whole picture just fits, in screen pixels per picture pixel.
    pub(super) fn fitting_scale(&self) -> f32 {
        let ratio = self.rect.size() * self.pixels_per_point / self.picture;
        ratio.x.min(ratio.y).max(f32::MIN_POSITIVE)
    }

    fn scales(&self) -> std::ops::RangeInclusive<f32> {
        let fitting = self.fitting_scale();
        // A cell too large or too small for both bounds still has a range that is not empty.
        (MIN_OF_FIT * fitting).min(1.0)..=MAX_SCALE.max(fitting)
    }
}

impl View {
    /// Keeps the part of the picture that is shown when one of `before` columns is replaced by one of `after`.
    pub(super) fn keep_part(&mut self, before: f32, after: f32) {
        if let Zoom::Scale(scale) = &mut self.zoom
            && before > 0.0
            && after > 0.0
        {
            *scale *= before / after;
        }
    }

    /// Shows the whole picture.
    pub(super) fn fit(&mut self) {
        *self = Self::default();
    }

    /// Whether the whole picture is shown, whatever the size of the cell.
    pub(super) fn is_fit(&self) -> bool {
        self.zoom == Zoom::Fit
    }

    /// Screen pixels per picture pixel in `cell`.
    pub(super) fn scale(&self, cell: &Cell) -> f32 {
        match self.zoom {
            Zoom::Fit => cell.fitting_scale(),
            Zoom::Scale(scale) => {
                let scales = cell.scales();
                scale.clamp(*scales.start(), *scales.end())
            }
        }
    }

    /// Where the picture lies, in points; its corner is on a screen pixel so that 1:1 is sharp.
    pub(super) fn picture_rect(&self, cell: &Cell) -> Rect {
        let size = cell.picture * self.scale(cell) / cell.pixels_per_point;
        let centre = self.clamped_centre(cell.rect.size(), size);
        let min = cell.rect.center() - centre.to_vec2() * size;
        let snap = |x: f32| (x * cell.pixels_per_point).round() / cell.pixels_per_point;
        Rect::from_min_size(pos2(snap(min.x), snap(min.y)), size)
    }

    /// Keeps the picture in the cell: centred where it is smaller, without a gap at the rim where it is larger.
    fn clamped_centre(&self, cell: Vec2, picture: Vec2) -> Pos2 {
        let along = |centre: f32, cell: f32, picture: f32| {
            if picture <= cell {
                0.5
            } else {
                let half = 0.5 * cell / picture;
                centre.clamp(half, 1.0 - half)
            }
        };
        pos2(
            along(self.centre.x, cell.x, picture.x),
            along(self.centre.y, cell.y, picture.y),
        )
    }

    /// Zooms to `scale` screen pixels per picture pixel; what is under `anchor` stays there.
    pub(super) fn zoom_to(&mut self, cell: &Cell, scale: f32, anchor: Pos2) {
        let held = to_unit(self.picture_rect(cell), anchor);
        self.zoom = Zoom::Scale(scale.clamp(*cell.scales().start(), *cell.scales().end()));
        let size = cell.picture * self.scale(cell) / cell.pixels_per_point;
        self.centre = held - (anchor - cell.rect.center()) / size;
        self.centre = self.clamped_centre(cell.rect.size(), size);
    }

    /// Zooms by a factor, see [`Self::zoom_to`].
    pub(super) fn zoom_by(&mut self, cell: &Cell, factor: f32, anchor: Pos2) {
        self.zoom_to(cell, self.scale(cell) * factor, anchor);
    }

    /// Moves the picture by `points` on screen.
    pub(super) fn pan(&mut self, cell: &Cell, points: Vec2) {
        let size = cell.picture * self.scale(cell) / cell.pixels_per_point;
        let centre = self.clamped_centre(cell.rect.size(), size);
        self.centre = centre - points / size;
        self.centre = self.clamped_centre(cell.rect.size(), size);
    }
}

/// `position` as a fraction of `rect` in both axes.
pub(super) fn to_unit(rect: Rect, position: Pos2) -> Pos2 {
    ((position - rect.min) / rect.size()).to_pos2()
}

/// The pixel (column, row) of a `columns` x `rows` picture that fills the unit square, or `None` outside.
pub(super) fn pixel_at(unit: Pos2, columns: u32, rows: u32) -> Option<(u32, u32)> {
    let inside = (0.0..1.0).contains(&unit.x) && (0.0..1.0).contains(&unit.y);
    inside.then(|| {
        let index = |t: f32, count: u32| ((t * count as f32) as u32).min(count.saturating_sub(1));
        (index(unit.x, columns), index(unit.y, rows))
    })
}

/// The number of columns (of `count` equal cells with `gap` points between) that shows a picture of this aspect
/// (width / height) largest in `area`; each cell loses `head` points of height to its captions. Pictures beside each
/// other are easier to compare, so more rows have to gain [`WORTH_A_ROW`] over fewer.
pub(super) fn best_columns(area: Vec2, count: usize, aspect: f32, gap: f32, head: f32) -> usize {
    let width_with = |columns: usize| {
        let cell = cell_size(area, count, columns, gap);
        cell.x.min((cell.y - head).max(0.0) * aspect)
    };
    let mut best = (count.max(1), width_with(count.max(1)));
    for rows in 2..=count {
        // As even as can be: five are three and two, not four and one.
        let columns = count.div_ceil(rows);
        let width = width_with(columns);
        if width > WORTH_A_ROW * best.1 {
            best = (columns, width);
        }
    }
    best.0
}

/// Size of each of `count` equal cells in `columns` columns.
fn cell_size(area: Vec2, count: usize, columns: usize, gap: f32) -> Vec2 {
    let rows = count.div_ceil(columns.max(1)).max(1);
    let along = |length: f32, cells: usize| {
        ((length - gap * cells.saturating_sub(1) as f32) / cells.max(1) as f32).max(0.0)
    };
    vec2(along(area.x, columns), along(area.y, rows))
}

/// The cells themselves, row by row.
pub(super) fn cell_rects(area: Rect, count: usize, columns: usize, gap: f32) -> Vec<Rect> {
    let size = cell_size(area.size(), count, columns, gap);
    (0..count)
        .map(|index| {
            let (row, column) = (index / columns.max(1), index % columns.max(1));
            let offset = vec2(column as f32, row as f32) * (size + Vec2::splat(gap));
            Rect::from_min_size(area.min + offset, size)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cell(width: f32, height: f32, columns: f32, rows: f32, pixels_per_point: f32) -> Cell {
        Cell {
            rect: Rect::from_min_size(pos2(10.0, 20.0), vec2(width, height)),
            picture: vec2(columns, rows),
            pixels_per_point,
        }
    }

    #[test]
    fn fit_shows_all_and_fills_one_axis() {
        let cell = cell(300.0, 200.0, 64.0, 64.0, 2.0);
        let rect = View::default().picture_rect(&cell);
        assert!(cell.rect.expand(0.5).contains_rect(rect));
        assert!((rect.height() - 200.0).abs() < 1e-3 && (rect.width() - 200.0).abs() < 1e-3);
        assert_eq!(rect.center(), cell.rect.center());
    }

    #[test]
    fn a_picture_of_another_size_shows_the_same_part() {
        let (small, large) = (
            cell(300.0, 200.0, 64.0, 64.0, 1.0),
            cell(300.0, 200.0, 256.0, 256.0, 1.0),
        );
        let mut view = View::default();
        view.zoom_to(&small, 8.0, pos2(100.0, 100.0));
        let before = view.picture_rect(&small);
        view.keep_part(64.0, 256.0);
        assert_eq!(view.scale(&large), 2.0);
        assert_eq!(view.picture_rect(&large), before);
        let mut fit = View::default();
        fit.keep_part(64.0, 256.0);
        assert!(fit.is_fit());
    }

    #[test]
    fn one_to_one_is_one_screen_pixel_per_picture_pixel() {
        let cell = cell(300.0, 200.0, 256.0, 256.0, 2.0);
        let mut view = View::default();
        view.zoom_to(&cell, 1.0, cell.rect.center());
        assert_eq!(view.scale(&cell), 1.0);
        assert_eq!(view.picture_rect(&cell).size(), vec2(128.0, 128.0));
    }

    #[test]
    fn pixels_are_found_inside_and_not_outside() {
        assert_eq!(pixel_at(pos2(0.0, 0.0), 4, 2), Some((0, 0)));
        assert_eq!(pixel_at(pos2(0.999_999_94, 0.5), 4, 2), Some((3, 1)));
        assert_eq!(pixel_at(pos2(1.0, 0.5), 4, 2), None);
        assert_eq!(pixel_at(pos2(0.5, -0.01), 4, 2), None);
        assert_eq!(pixel_at(pos2(f32::NAN, 0.5), 4, 2), None);
    }

    #[test]
    fn cells_stand_beside_each_other_when_wide_and_below_when_tall() {
        assert_eq!(best_columns(vec2(900.0, 300.0), 3, 1.0, 8.0, 40.0), 3);
        assert_eq!(best_columns(vec2(300.0, 1000.0), 3, 1.0, 8.0, 40.0), 1);
        assert_eq!(
            best_columns(vec2(720.0, 570.0), 3, 1.0, 8.0, 40.0),
            3,
            "two rows would gain 5 points only"
        );
        assert_eq!(best_columns(vec2(720.0, 700.0), 3, 1.0, 8.0, 40.0), 2);
        assert_eq!(best_columns(vec2(832.0, 470.0), 5, 1.0, 8.0, 40.0), 3);
        let area = Rect::from_min_size(Pos2::ZERO, vec2(316.0, 100.0));
        let cells = cell_rects(area, 3, 3, 8.0);
        assert_eq!(
            cells[2],
            Rect::from_min_size(pos2(216.0, 0.0), vec2(100.0, 100.0))
        );
    }

    proptest! {
        #[test]
        fn zooming_keeps_what_is_under_the_pointer(
            x in 0.05f32..0.95, y in 0.05f32..0.95, factor in 1.1f32..6.0, ppp in 1.0f32..3.0,
        ) {
            let cell = cell(400.0, 400.0, 256.0, 256.0, ppp);
            let mut view = View::default();
            let anchor = cell.rect.min + vec2(x, y) * cell.rect.size();
            let before = to_unit(view.picture_rect(&cell), anchor);
            view.zoom_by(&cell, factor, anchor);
            let after = to_unit(view.picture_rect(&cell), anchor);
            // Snapping to screen pixels moves the picture by at most half of one.
            let tolerance = 1.5 / (view.scale(&cell) * 256.0) + 1e-4;
            prop_assert!((before - after).length() < tolerance, "{before} {after}");
        }

        #[test]
        fn panning_never_opens_a_gap(dx in -2000f32..2000.0, dy in -2000f32..2000.0, scale in 0.1f32..40.0) {
            let cell = cell(320.0, 240.0, 256.0, 256.0, 1.0);
            let mut view = View::default();
            view.zoom_to(&cell, scale, cell.rect.center());
            view.pan(&cell, vec2(dx, dy));
            let rect = view.picture_rect(&cell);
            if rect.width() >= cell.rect.width() {
                prop_assert!(rect.left() <= cell.rect.left() + 1.0 && rect.right() >= cell.rect.right() - 1.0);
            } else {
                prop_assert!((rect.center().x - cell.rect.center().x).abs() <= 1.0);
            }
        }
    }
}
