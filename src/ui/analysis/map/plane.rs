//! One plane of points: how it is looked at, and the picture of it.

use crate::analysis::mixed_order;
use egui::{Color32, ColorImage, Pos2, Rect, Vec2, vec2};

/// Share of the plane that all points fill when it is fitted.
const FILLED: f32 = 0.94;
/// Least and most zoom; 1 shows all points.
const ZOOM_RANGE: (f32, f32) = (0.5, 400.0);
/// Reach of the pointer, in points.
const REACH: f32 = 8.0;
/// More points than this are drawn smaller.
const MANY: usize = 12_000;

/// Where all points lie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bounds {
    centre: [f64; 2],
    extent: f64,
}

impl Bounds {
    pub(super) fn of(places: &[[f64; 2]]) -> Self {
        let range = |axis: usize| {
            let values = places
                .iter()
                .map(|place| place[axis])
                .filter(|value| value.is_finite());
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
                (low.min(value), high.max(value))
            })
        };
        let (across, up) = (range(0), range(1));
        let middle = |(low, high): (f64, f64)| {
            if low <= high {
                f64::midpoint(low, high)
            } else {
                0.0
            }
        };
        Self {
            centre: [middle(across), middle(up)],
            extent: (across.1 - across.0).max(up.1 - up.0).max(f64::MIN_POSITIVE),
        }
    }
}

/// How a plane is looked at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct View {
    /// 1 shows all points.
    zoom: f32,
    /// What is in the middle, in shares of the plane's side from its middle at zoom 1.
    offset: Vec2,
}

impl Default for View {
    fn default() -> Self {
        Self {
            zoom: 1.0,
            offset: Vec2::ZERO,
        }
    }
}

impl View {
    /// Moves what is shown by `delta` points on a plane of `side` points.
    pub(super) fn pan(&mut self, delta: Vec2, side: f32) {
        self.offset -= delta / (self.zoom * side.max(1.0));
    }

    /// Zooms so that what is under `pointer` stays there.
    pub(super) fn zoom_at(&mut self, factor: f32, pointer: Pos2, rect: Rect) {
        let before = self.zoom;
        self.zoom = (self.zoom * factor).clamp(ZOOM_RANGE.0, ZOOM_RANGE.1);
        let from_middle = (pointer - rect.center()) / rect.width().max(1.0);
        self.offset += from_middle / before - from_middle / self.zoom;
    }
}

/// From the plane to the screen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Projection {
    bounds: Bounds,
    view: View,
    rect: Rect,
}

impl Projection {
    pub(super) fn new(bounds: Bounds, view: View, rect: Rect) -> Self {
        Self { bounds, view, rect }
    }

    /// Where a point is on the screen; `None` for what is not finite.
    pub(super) fn of(&self, place: &[f64; 2]) -> Option<Pos2> {
        let share = |axis: usize| ((place[axis] - self.bounds.centre[axis]) / self.bounds.extent) as f32;
        let at = vec2(share(0), -share(1)) * FILLED;
        let at = self.rect.center() + (at - self.view.offset) * self.view.zoom * self.rect.width();
        (at.x.is_finite() && at.y.is_finite()).then_some(at)
    }

    /// The point nearest to the pointer, within its reach.
    pub(super) fn nearest(&self, places: &[[f64; 2]], pointer: Pos2) -> Option<usize> {
        let distance = |place: &[f64; 2]| self.of(place).map(|at| at.distance_sq(pointer));
        places
            .iter()
            .enumerate()
            .filter_map(|(index, place)| Some((index, distance(place)?)))
            .filter(|(_, distance)| *distance <= REACH * REACH)
            .min_by(|(_, a), (_, b)| a.total_cmp(b))
            .map(|(index, _)| index)
    }

    /// All points as squares, in a mixed order so that no group hides the others. `pixels_per_point` is the screen's.
    pub(super) fn image(
        &self,
        places: &[[f64; 2]],
        colours: &[[u8; 3]],
        ground: Color32,
        pixels_per_point: f32,
    ) -> ColorImage {
        let size = |length: f32| ((length * pixels_per_point).round() as usize).max(1);
        let [width, height] = [size(self.rect.width()), size(self.rect.height())];
        let side = if places.len() > MANY { 2.0 } else { 3.0 };
        let side = (side * pixels_per_point).round().max(1.0) as usize;
        let mut pixels = vec![ground; width * height];
        for index in mixed_order(places.len()) {
            let (Some(place), Some([red, green, blue])) = (places.get(index), colours.get(index)) else {
                continue;
            };
            let Some(at) = self.of(place) else { continue };
            let corner = (at - self.rect.min) * pixels_per_point - Vec2::splat(0.5 * side as f32);
            let (x, y) = (corner.x.round(), corner.y.round());
            if x < 0.0 || y < 0.0 {
                continue;
            }
            let (x, y) = (x as usize, y as usize);
            if x + side > width || y + side > height {
                continue;
            }
            let colour = Color32::from_rgb(*red, *green, *blue);
            for row in y..y + side {
                if let Some(run) = pixels.get_mut(row * width + x..row * width + x + side) {
                    run.fill(colour);
                }
            }
        }
        ColorImage::new([width, height], pixels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use egui::pos2;

    const RECT: Rect = Rect {
        min: pos2(10.0, 20.0),
        max: pos2(210.0, 220.0),
    };
    const PLACES: [[f64; 2]; 3] = [[0.0, 0.0], [4.0, 2.0], [f64::NAN, 1.0]];

    fn projection(view: View) -> Projection {
        Projection::new(Bounds::of(&PLACES), view, RECT)
    }

    #[test]
    fn all_points_are_shown_and_found_and_drawn_where_they_are() {
        let projection = projection(View::default());
        let first = projection.of(&PLACES[0]).unwrap();
        let second = projection.of(&PLACES[1]).unwrap();
        assert!(RECT.contains(first) && RECT.contains(second) && first.y > second.y);
        assert!((second.x - first.x - 200.0 * FILLED).abs() < 1e-3);
        assert_eq!(projection.of(&PLACES[2]), None);
        assert_eq!(projection.nearest(&PLACES, first + vec2(3.0, 2.0)), Some(0));
        assert_eq!(projection.nearest(&PLACES, RECT.center()), None);
        let colours = [[255, 0, 0], [0, 255, 0], [0, 0, 255]];
        let image = projection.image(&PLACES, &colours, Color32::BLACK, 1.0);
        assert_eq!(image.size, [200, 200]);
        let count = |colour| image.pixels.iter().filter(|pixel| **pixel == colour).count();
        assert_eq!(
            (count(Color32::RED), count(Color32::GREEN), count(Color32::BLUE)),
            (9, 9, 0)
        );
        let at = first - RECT.min;
        assert_eq!(image.pixels[at.y as usize * 200 + at.x as usize], Color32::RED);
    }

    #[test]
    fn zooming_keeps_what_is_under_the_pointer() {
        let mut view = View::default();
        let at = projection(view).of(&PLACES[1]).unwrap();
        view.zoom_at(3.0, at, RECT);
        assert!(projection(view).of(&PLACES[1]).unwrap().distance(at) < 1e-2);
        view.pan(vec2(12.0, -7.0), RECT.width());
        let moved = projection(view).of(&PLACES[1]).unwrap();
        assert!((moved - at - vec2(12.0, -7.0)).length() < 1e-2);
        view.zoom_at(1e9, at, RECT);
        assert!(view.zoom <= ZOOM_RANGE.1);
    }
}
