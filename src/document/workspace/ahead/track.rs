//! What is known of a number's positions: which are decoded, which are wanted next, and the blends between them.

use crate::latent::{Edit, LatentState};
use crate::picture::{self, Rgb8};
use std::sync::Arc;

/// Positions of a number that are decoded ahead, its ends included.
const POSITIONS: usize = 9;

/// Positions kept of a number, those included that a hand came to.
const MOST_POINTS: usize = 33;

/// What is known of a number's positions, over one picture and one edit list.
pub(super) struct Track {
    pub(super) base: Arc<LatentState>,
    pub(super) before: Arc<[Edit]>,
    /// Ascending; both ends are there from the start.
    points: Vec<Point>,
    /// One of its edits cannot be applied: nothing is decoded ahead.
    pub(super) has_failed: bool,
}

struct Point {
    /// 0..1 along the number's axis.
    position: f32,
    /// The edits before, then that of the position.
    edits: Arc<[Edit]>,
    picture: Option<Arc<Rgb8>>,
}

/// Of a number, equally far apart on its axis.
pub(super) fn positions() -> impl Iterator<Item = f32> {
    (0..POSITIONS).map(|index| index as f32 / (POSITIONS - 1) as f32)
}

impl Track {
    /// `edits`: of [`positions`], in this order.
    pub(super) fn new(base: Arc<LatentState>, before: Arc<[Edit]>, edits: Vec<Edit>) -> Self {
        let points = positions()
            .zip(edits)
            .map(|(position, edit)| Point {
                position,
                edits: before.iter().cloned().chain([edit]).collect(),
                picture: None,
            })
            .collect();
        Self {
            base,
            before,
            points,
            has_failed: false,
        }
    }

    /// Whether this is the number whose edits at its ends are `first` and `last`.
    pub(super) fn is(&self, base: &Arc<LatentState>, before: &[Edit], first: &Edit, last: &Edit) -> bool {
        let ends_with =
            |point: Option<&Point>, edit| point.is_some_and(|point| point.edits.last() == Some(edit));
        Arc::ptr_eq(&self.base, base)
            && *self.before == *before
            && ends_with(self.points.first(), first)
            && ends_with(self.points.last(), last)
    }

    /// What is not decoded yet, nearest to `position` first.
    pub(super) fn wanted(&self, position: f32) -> Vec<Arc<[Edit]>> {
        let mut missing: Vec<&Point> = self
            .points
            .iter()
            .filter(|point| point.picture.is_none())
            .collect();
        let distance = |point: &Point| (point.position - position).abs();
        missing.sort_by(|a, b| distance(a).total_cmp(&distance(b)));
        missing
            .into_iter()
            .map(|point| Arc::clone(&point.edits))
            .collect()
    }

    pub(super) fn learn(&mut self, edits: &Arc<[Edit]>, picture: &Arc<Rgb8>) {
        let known = self.points.iter_mut().find(|point| point.edits == *edits);
        if let Some(point) = known {
            point.picture = Some(Arc::clone(picture));
        }
    }

    /// Keeps the exact picture at a position that a hand came to.
    pub(super) fn insert(&mut self, position: f32, edits: &Arc<[Edit]>, picture: &Arc<Rgb8>) {
        let at = self.points.partition_point(|point| point.position < position);
        let is_known = self
            .points
            .get(at)
            .is_some_and(|point| point.position == position);
        if is_known || self.points.len() >= MOST_POINTS {
            self.learn(edits, picture);
            return;
        }
        self.points.insert(
            at,
            Point {
                position,
                edits: Arc::clone(edits),
                picture: Some(Arc::clone(picture)),
            },
        );
    }

    /// The picture at `position`: that of the point there, else a blend of its two nearest neighbours. `None` beyond
    /// what is decoded.
    pub(super) fn blend(&self, position: f32) -> Option<Arc<Rgb8>> {
        let decoded = || {
            self.points
                .iter()
                .filter_map(|point| Some((point.position, point.picture.as_ref()?)))
        };
        let (low, before) = decoded().take_while(|(at, _)| *at <= position).last()?;
        let (high, after) = decoded().find(|(at, _)| *at >= position)?;
        if high <= low {
            return Some(Arc::clone(before));
        }
        let share = (position - low) / (high - low);
        picture::blend(before, after, share).map(Arc::new)
    }

    /// How many positions are decoded, and how many there are to be.
    pub(super) fn decoded(&self) -> (usize, usize) {
        let decoded = self.points.iter().filter(|point| point.picture.is_some());
        (decoded.count(), self.points.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latent::Tokens;
    use proptest::prelude::*;

    fn edit_at(position: f32) -> Edit {
        Edit::SetValue {
            token: 0,
            dim: 0,
            value: position,
        }
    }

    fn track() -> Track {
        let base = LatentState {
            h: None,
            z: Tokens {
                count: 1,
                dim: 1,
                values: vec![0.0],
            },
            assignments: vec![None],
        };
        Track::new(Arc::new(base), Arc::from([]), positions().map(edit_at).collect())
    }

    /// With the picture of every decoded position as bright as it lies far.
    fn decoded(positions: &[usize]) -> Track {
        let mut track = track();
        for &index in positions {
            let point = &mut track.points[index];
            let level = (point.position * 240.0) as u8;
            point.picture = Some(Arc::new(Rgb8::filled(2, 2, [level; 3])));
        }
        track
    }

    fn level(track: &Track, position: f32) -> Option<u8> {
        track.blend(position).map(|picture| picture.as_bytes()[0])
    }

    #[test]
    fn at_a_decoded_position_the_blend_is_that_picture() {
        let track = decoded(&[0, 3, 8]);
        for index in [0, 3, 8] {
            let point = &track.points[index];
            let known = point.picture.as_ref().unwrap();
            assert!(Arc::ptr_eq(&track.blend(point.position).unwrap(), known));
        }
    }

    #[test]
    fn between_two_positions_it_blends_the_nearest_two_and_beyond_them_nothing() {
        let track = decoded(&[2, 4, 6]);
        assert_eq!(level(&track, 0.375), Some(90));
        assert_eq!(level(&track, 0.625), Some(150));
        assert_eq!(level(&track, 0.2), None);
        assert_eq!(level(&track, 0.8), None);
        assert_eq!(level(&decoded(&[]), 0.5), None);
    }

    #[test]
    fn the_nearest_missing_position_is_wanted_first() {
        let track = decoded(&[4]);
        let first: Vec<Option<Edit>> = track
            .wanted(0.55)
            .iter()
            .take(3)
            .map(|edits| edits.last().cloned())
            .collect();
        assert_eq!(
            first,
            [0.625, 0.375, 0.75].map(|position| Some(edit_at(position)))
        );
        assert_eq!(track.wanted(0.55).len(), POSITIONS - 1);
    }

    #[test]
    fn a_number_is_told_by_its_picture_its_edits_and_its_ends() {
        let track = track();
        let (first, last) = (edit_at(0.0), edit_at(1.0));
        assert!(track.is(&track.base, &[], &first, &last));
        assert!(!track.is(&Arc::new(LatentState::clone(&track.base)), &[], &first, &last));
        assert!(!track.is(&track.base, &[edit_at(0.3)], &first, &last));
        assert!(!track.is(&track.base, &[], &first, &edit_at(2.0)));
    }

    proptest! {
        #[test]
        fn what_a_hand_came_to_is_kept_in_order_and_bounded(positions in prop::collection::vec(0.0_f32..=1.0, 0..60)) {
            let mut track = track();
            for position in positions {
                let edits: Arc<[Edit]> = Arc::from([edit_at(position)]);
                let picture = Arc::new(Rgb8::filled(1, 1, [7; 3]));
                track.insert(position, &edits, &picture);
            }
            prop_assert!(track.points.len() <= MOST_POINTS);
            prop_assert!(track.points.is_sorted_by(|a, b| a.position <= b.position));
            prop_assert_eq!(track.points.last().map(|point| point.position), Some(1.0));
        }
    }
}
