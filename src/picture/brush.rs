//! A soft round brush on a mask.

use super::Mask;

/// A round brush: full inside, falling to nothing at its rim.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Brush {
    /// From the middle to where its weight is 0, pixels.
    pub radius: f32,
    /// Whether it takes weight away instead of adding some.
    pub erases: bool,
}

/// Share of the radius inside of which the brush is full.
const CORE: f32 = 0.5;

impl Brush {
    /// Its weight, 0..1, so many pixels from the middle: 1 in the core, from there a smooth step to 0.
    fn weight(&self, distance: f32) -> f32 {
        let core = CORE * self.radius;
        let t = ((self.radius - distance) / (self.radius - core).max(f32::MIN_POSITIVE)).clamp(0.0, 1.0);
        t * t * (3.0 - 2.0 * t)
    }
}

impl Mask {
    /// The same weight all over, 0..1; a side of 0 becomes 1, what is no number 0.
    pub fn even(side: u32, weight: f32) -> Self {
        let side = side.max(1);
        let weight = if weight > 0.0 { weight.min(1.0) } else { 0.0 };
        Self {
            width: side,
            height: side,
            weights: vec![weight; side as usize * side as usize],
        }
    }

    /// Draws with the brush along a line, in pixels from the top left corner. What overlaps counts once, however slow
    /// the hand: a pixel gets the larger of its weight and the brush's; erasing leaves the smaller of its weight and what
    /// the brush lets through.
    pub fn draw(&mut self, brush: Brush, from: [f32; 2], to: [f32; 2]) {
        let is_drawable = brush.radius > 0.0 && from.iter().chain(&to).all(|place| place.is_finite());
        if !is_drawable {
            return;
        }
        let width = self.width as usize;
        let span = |axis: usize, length: u32| {
            let (low, high) = (from[axis].min(to[axis]), from[axis].max(to[axis]));
            let first = (low - brush.radius).floor().max(0.0) as usize;
            let end = (high + brush.radius).ceil().max(0.0) as usize;
            first..end.min(length as usize)
        };
        let (columns, rows) = (span(0, self.width), span(1, self.height));
        for row in rows {
            for column in columns.clone() {
                let centre = [column as f32 + 0.5, row as f32 + 0.5];
                let weight = brush.weight(distance_to_line(centre, from, to));
                if let Some(slot) = self.weights.get_mut(row * width + column) {
                    *slot = if brush.erases {
                        slot.min(1.0 - weight)
                    } else {
                        slot.max(weight)
                    };
                }
            }
        }
    }

    /// What counted does not, and the other way round.
    pub fn inverted(&self) -> Self {
        Self {
            weights: self.weights.iter().map(|weight| 1.0 - weight).collect(),
            ..*self
        }
    }

    /// Whether nothing counts.
    pub fn is_empty(&self) -> bool {
        self.weights.iter().all(|weight| *weight <= 0.0)
    }
}

fn distance_to_line(point: [f32; 2], from: [f32; 2], to: [f32; 2]) -> f32 {
    let along = [to[0] - from[0], to[1] - from[1]];
    let reach = [point[0] - from[0], point[1] - from[1]];
    let length = along[0] * along[0] + along[1] * along[1];
    let t = if length > 0.0 {
        ((reach[0] * along[0] + reach[1] * along[1]) / length).clamp(0.0, 1.0)
    } else {
        0.0
    };
    (reach[0] - t * along[0]).hypot(reach[1] - t * along[1])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ADD: Brush = Brush {
        radius: 4.0,
        erases: false,
    };

    fn at(mask: &Mask, column: usize, row: usize) -> f32 {
        mask.weights()[row * mask.width() as usize + column]
    }

    #[test]
    fn a_dab_is_full_in_the_middle_and_nothing_outside() {
        let mut mask = Mask::even(16, 0.0);
        mask.draw(ADD, [8.5, 8.5], [8.5, 8.5]);
        assert_eq!((at(&mask, 8, 8), at(&mask, 10, 8)), (1.0, 1.0));
        let rim = at(&mask, 11, 8);
        assert!(rim > 0.0 && rim < 1.0, "{rim}");
        assert_eq!(at(&mask, 12, 8), 0.0);
        assert_eq!(at(&mask, 5, 8), rim, "round");
        assert_eq!(at(&mask, 8, 11), rim);
    }

    #[test]
    fn a_line_is_as_wide_as_a_dab_and_may_end_outside() {
        let mut mask = Mask::even(16, 0.0);
        mask.draw(ADD, [-30.0, 8.5], [8.5, 8.5]);
        for column in 0..8 {
            assert_eq!(at(&mask, column, 8), 1.0);
            assert_eq!(at(&mask, column, 12), 0.0);
        }
        let all = Mask::even(16, 1.0);
        let mut erased = all.clone();
        erased.draw(Brush { erases: true, ..ADD }, [-30.0, 8.5], [8.5, 8.5]);
        for (drawn, erased) in mask.weights().iter().zip(erased.inverted().weights()) {
            assert!(
                (drawn - erased).abs() < 1e-6,
                "erasing is adding to what does not count"
            );
        }
        assert!(Mask::even(16, 0.0).is_empty() && !erased.is_empty());
    }

    #[test]
    fn no_place_and_no_size_draw_nothing() {
        let mut mask = Mask::even(8, 0.0);
        mask.draw(ADD, [f32::NAN, 0.0], [4.0, 4.0]);
        mask.draw(
            Brush {
                radius: 0.0,
                erases: false,
            },
            [4.0, 4.0],
            [4.0, 4.0],
        );
        mask.draw(ADD, [100.0, 100.0], [200.0, 100.0]);
        assert!(mask.is_empty());
    }

    proptest! {
        #[test]
        fn weights_stay_in_range_and_slow_hands_draw_the_same(
            from in prop::array::uniform2(-9.0f32..25.0), to in prop::array::uniform2(-9.0f32..25.0),
            radius in 0.5f32..12.0, erases in any::<bool>(),
        ) {
            let brush = Brush { radius, erases };
            let mut once = Mask::even(16, 0.4);
            once.draw(brush, from, to);
            prop_assert!(Mask::new(16, 16, once.weights().to_vec()).is_some());
            let mut twice = once.clone();
            twice.draw(brush, from, to);
            prop_assert_eq!(twice, once);
        }
    }
}
