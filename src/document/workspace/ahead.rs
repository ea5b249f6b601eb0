//! Pictures decoded ahead of the hand: a few positions of the number it is on, and between them a blend that is shown
//! until the exact picture is there.

use super::{DecodeWhen, Workspace};
use crate::engine::{PrefetchJob, Prefetched, Request, Stamp, SubjectId};
use crate::latent::{Edit, LatentState};
use crate::picture::{self, Rgb8};
use std::sync::Arc;

/// Positions of a number that are decoded ahead, its ends included.
const POSITIONS: usize = 9;
/// Positions kept of a number, those included that a hand came to.
const MOST_POINTS: usize = 33;
/// Numbers whose positions are kept.
const MOST_TRACKS: usize = 4;

/// A frame of 60 Hz, ms.
const FRAME_MS: f64 = 1000.0 / 60.0;

/// A blend that stands for the edited picture until that is decoded.
#[derive(Debug, Clone)]
pub struct Preview {
    /// Of the model's side.
    pub picture: Arc<Rgb8>,
    subject: SubjectId,
    edits: Arc<[Edit]>,
}

/// What is known of a number's positions, over one picture and one edit list.
struct Track {
    base: Arc<LatentState>,
    before: Arc<[Edit]>,
    /// Ascending; both ends are there from the start.
    points: Vec<Point>,
    /// One of its edits cannot be applied: nothing is decoded ahead.
    has_failed: bool,
}

struct Point {
    /// 0..1 along the number's axis.
    position: f32,
    /// The edits before, then that of the position.
    edits: Arc<[Edit]>,
    picture: Option<Arc<Rgb8>>,
}

/// Of a number, equally far apart on its axis.
fn positions() -> impl Iterator<Item = f32> {
    (0..POSITIONS).map(|index| index as f32 / (POSITIONS - 1) as f32)
}

impl Track {
    /// `edits`: of [`positions`], in this order.
    fn new(base: Arc<LatentState>, before: Arc<[Edit]>, edits: Vec<Edit>) -> Self {
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
    fn is(&self, base: &Arc<LatentState>, before: &[Edit], first: &Edit, last: &Edit) -> bool {
        let ends_with =
            |point: Option<&Point>, edit| point.is_some_and(|point| point.edits.last() == Some(edit));
        Arc::ptr_eq(&self.base, base)
            && *self.before == *before
            && ends_with(self.points.first(), first)
            && ends_with(self.points.last(), last)
    }

    /// What is not decoded yet, nearest to `position` first.
    fn wanted(&self, position: f32) -> Vec<Arc<[Edit]>> {
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

    fn learn(&mut self, edits: &Arc<[Edit]>, picture: &Arc<Rgb8>) {
        let known = self.points.iter_mut().find(|point| point.edits == *edits);
        if let Some(point) = known {
            point.picture = Some(Arc::clone(picture));
        }
    }

    /// Keeps the exact picture at a position that a hand came to.
    fn insert(&mut self, position: f32, edits: &Arc<[Edit]>, picture: &Arc<Rgb8>) {
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
    fn blend(&self, position: f32) -> Option<Arc<Rgb8>> {
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
}

/// The positions under way.
struct Running {
    stamp: Stamp,
    job: Arc<PrefetchJob>,
}

/// Where the hand is.
#[derive(Clone)]
struct Place {
    position: f32,
    edits: Arc<[Edit]>,
}

/// What the workspace knows ahead of the hand.
pub(super) struct Ahead {
    is_off: bool,
    quick_decode_ms: f64,
    /// The one looked at last is the last.
    tracks: Vec<Track>,
    /// The hand's position on the last track while somebody looks at that number.
    gaze: Option<f32>,
    /// Somebody looked since the last [`Workspace::end_look`].
    is_looked_at: bool,
    running: Option<Running>,
    /// Where the hand came to last, to keep the exact picture there.
    place: Option<Place>,
    preview: Option<Preview>,
}

impl Default for Ahead {
    fn default() -> Self {
        Self {
            is_off: false,
            quick_decode_ms: FRAME_MS,
            tracks: Vec::new(),
            gaze: None,
            is_looked_at: false,
            running: None,
            place: None,
            preview: None,
        }
    }
}

impl Ahead {
    fn learn(&mut self, base: &Arc<LatentState>, edits: &Arc<[Edit]>, picture: &Arc<Rgb8>) {
        self.tracks
            .iter_mut()
            .filter(|track| Arc::ptr_eq(&track.base, base))
            .for_each(|track| track.learn(edits, picture));
    }

    /// What is still to be decoded of the number looked at.
    fn wanted(&self) -> Option<PrefetchJob> {
        let position = self.gaze?;
        let track = self.tracks.last().filter(|track| !track.has_failed)?;
        let positions = track.wanted(position);
        (!positions.is_empty()).then(|| PrefetchJob {
            base: Arc::clone(&track.base),
            positions,
        })
    }
}

impl Workspace {
    /// Switches previews on or off; off, nothing is decoded ahead. On at first.
    pub fn set_previews(&mut self, is_on: bool) {
        if self.ahead.is_off == is_on {
            self.look_away();
            self.forget_ahead();
            self.ahead.is_off = !is_on;
        }
    }

    /// A model whose decode takes no longer than this is quick enough without previews, ms. At first a frame of 60 Hz.
    pub fn set_quick_decode_ms(&mut self, quick_decode_ms: f64) {
        self.ahead.quick_decode_ms = quick_decode_ms;
    }

    /// Whether the active picture's model is slow enough for previews, and they are on.
    pub fn wants_previews(&self) -> bool {
        let Some(subject) = self.active().filter(|_| !self.ahead.is_off) else {
            return false;
        };
        let Some(encoded) = &subject.encoded else {
            return false;
        };
        // The first decode of a model finds cold caches.
        let edited_ms = subject
            .edited
            .as_ref()
            .map_or(f64::INFINITY, |shown| shown.decode_ms);
        encoded.decode_ms.min(edited_ms) > self.ahead.quick_decode_ms
    }

    /// Somebody looks at a number of the active picture, at `position` 0..1 of its axis, whose edits along the axis
    /// `edit_at` gives: positions of it are decoded ahead while nothing else is to do. May be called every frame.
    pub fn look_ahead(&mut self, position: f32, edit_at: &dyn Fn(f32) -> Edit) {
        let is_wanted = self.wants_previews();
        let Some(track) = is_wanted.then(|| self.track(edit_at)).flatten() else {
            self.ahead.gaze = None;
            return;
        };
        let least_recent = (self.ahead.tracks.len() + 1).saturating_sub(MOST_TRACKS);
        self.ahead.tracks.drain(..least_recent);
        self.ahead.tracks.push(track);
        self.ahead.gaze = Some(position);
        self.ahead.is_looked_at = true;
        self.pump_ahead();
    }

    /// What is known of a number, taken out of the others; what another one still wants is given up for a new one.
    fn track(&mut self, edit_at: &dyn Fn(f32) -> Edit) -> Option<Track> {
        let first = self.with_direction(edit_at(0.0))?;
        let last = self.with_direction(edit_at(1.0))?;
        let subject = self.active()?;
        let base = Arc::clone(&subject.encoded.as_ref()?.state);
        let before: Arc<[Edit]> = subject.history.applied().into();
        let is_it = |track: &Track| track.is(&base, &before, &first, &last);
        if let Some(index) = self.ahead.tracks.iter().position(is_it) {
            return Some(self.ahead.tracks.remove(index));
        }
        self.look_away();
        let edits = positions().map(|position| self.with_direction(edit_at(position)));
        let edits = edits.collect::<Option<Vec<Edit>>>()?;
        Some(Track::new(base, before, edits))
    }

    /// Call once a frame, after everything that may have looked at a number: what nobody looks at is not decoded.
    pub fn end_look(&mut self) {
        if !std::mem::take(&mut self.ahead.is_looked_at) {
            self.look_away();
        }
    }

    fn look_away(&mut self) {
        self.ahead.gaze = None;
        if self.ahead.running.take().is_some() {
            self.engine.cancel_prefetch();
        }
    }

    /// As [`Workspace::preview_edit`], for the number looked at: `position` is where the hand is on its axis. A blend of the
    /// positions decoded ahead is there at once ([`Workspace::preview`]), and the exact picture follows.
    pub fn preview_edit_at(&mut self, edit: Edit, position: f32) {
        let (Some(edit), Some(id)) = (self.with_direction(edit), self.active) else {
            return;
        };
        let before = self.subject(id).map(|subject| subject.history.applied().to_vec());
        let track = self
            .ahead
            .tracks
            .last()
            .filter(|track| self.ahead.gaze.is_some() && before.as_deref() == Some(&*track.before));
        let edits: Arc<[Edit]> = before
            .unwrap_or_default()
            .into_iter()
            .chain([edit.clone()])
            .collect();
        let blend = track.and_then(|track| track.blend(position));
        self.ahead.place = track.map(|_| Place {
            position,
            edits: Arc::clone(&edits),
        });
        let when = if blend.is_some() {
            DecodeWhen::Now
        } else {
            DecodeWhen::Free
        };
        self.ahead.preview = blend.map(|picture| Preview {
            picture,
            subject: id,
            edits,
        });
        self.show_pending(edit, when);
    }

    /// The blend that stands for the active picture while the exact one is on its way.
    pub fn preview(&self) -> Option<&Preview> {
        let subject = self.active()?;
        self.ahead.preview.as_ref().filter(|preview| {
            preview.subject == subject.id
                && !self.is_current(subject.id)
                && preview.edits == subject.history.effective()
        })
    }

    /// How many positions of the number looked at are decoded, and how many there are to be.
    pub fn decoded_ahead(&self) -> Option<(usize, usize)> {
        self.ahead.gaze?;
        let points = &self.ahead.tracks.last()?.points;
        let decoded = points.iter().filter(|point| point.picture.is_some()).count();
        Some((decoded, points.len()))
    }

    /// Whether positions wait to be decoded ahead; pictures nobody asked for are encoded after them.
    pub(super) fn is_looking_ahead(&self) -> bool {
        self.ahead.running.is_some() || self.ahead.wanted().is_some()
    }

    /// Asks for what is missing once nothing that a person waits for is under way.
    pub(super) fn pump_ahead(&mut self) {
        let is_waited_for = self.loading.is_some()
            || self.work.values().any(|work| work.decode.is_some())
            || self.hover.as_ref().is_some_and(|hover| hover.stamp.is_some());
        if self.ahead.running.is_some() || is_waited_for {
            return;
        }
        let Some(job) = self.ahead.wanted().map(Arc::new) else {
            return;
        };
        let stamp = self.engine.submit(Request::Prefetch(Arc::clone(&job)));
        self.ahead.running = Some(Running { stamp, job });
    }

    pub(super) fn take_prefetched(&mut self, stamp: Stamp, prefetched: &Prefetched) {
        let Some(running) = self.ahead.running.take_if(|running| running.stamp == stamp) else {
            return;
        };
        let positions = running.job.positions.iter().skip(prefetched.first);
        for (edits, picture) in positions.zip(&prefetched.pictures) {
            self.ahead.learn(&running.job.base, edits, picture);
        }
        if !prefetched.is_last {
            self.ahead.running = Some(running);
        }
    }

    /// `has_failed`: an edit of the list cannot be applied. Else it was given up for something newer.
    pub(super) fn end_prefetch(&mut self, stamp: Stamp, has_failed: bool) {
        let Some(running) = self.ahead.running.take_if(|running| running.stamp == stamp) else {
            return;
        };
        let is_of_it = |track: &&mut Track| Arc::ptr_eq(&track.base, &running.job.base);
        if let Some(track) = self.ahead.tracks.last_mut().filter(is_of_it) {
            track.has_failed |= has_failed;
        }
    }

    /// The exact picture of `edits` is there.
    pub(super) fn learn_exact(&mut self, edits: &Arc<[Edit]>, picture: &Arc<Rgb8>) {
        let place = self.ahead.place.take_if(|place| place.edits == *edits);
        if let Some((place, track)) = place.zip(self.ahead.tracks.last_mut()) {
            track.insert(place.position, edits, picture);
        }
    }

    /// Another model is there.
    pub(super) fn forget_ahead(&mut self) {
        self.ahead = Ahead {
            is_off: self.ahead.is_off,
            quick_decode_ms: self.ahead.quick_decode_ms,
            ..Ahead::default()
        };
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
