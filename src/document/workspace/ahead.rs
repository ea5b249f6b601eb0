//! Pictures decoded ahead of the hand: a few positions of the number it is on, and between them a blend that is shown
//! until the exact picture is there.

mod track;

use super::{DecodeWhen, Workspace};
use crate::engine::{PrefetchJob, Prefetched, Request, Stamp, SubjectId};
use crate::latent::{Edit, LatentState};
use crate::picture::Rgb8;
use std::sync::Arc;
use track::{Track, positions};

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
        Some(self.ahead.tracks.last()?.decoded())
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
