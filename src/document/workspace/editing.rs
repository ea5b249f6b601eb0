//! Edits of the active picture and the decodes they ask for.

use super::{DecodeWhen, HOVER_VIEW, Hover, NoticeKind, Workspace, edited_view};
use crate::document::recipe::resolve_direction;
use crate::document::{DocumentError, History, Shown, Subject, apply_edits};
use crate::engine::{DecodeJob, Encoded, Request, SubjectId};
use crate::latent::{DirectionSource, Edit};
use std::sync::Arc;
use std::time::Instant;

/// Pictures that nobody has looked at yet are encoded until the tokens of all pictures take this much.
const ENCODED_BYTES: usize = 1 << 29;

/// The reconstruction as an edited picture without edits.
pub(super) fn reconstruction_shown(encoded: &Encoded) -> Shown {
    Shown {
        picture: Arc::clone(&encoded.reconstruction),
        state: Arc::clone(&encoded.state),
        metrics: encoded.metrics,
        edit_ms: 0.0,
        decode_ms: encoded.decode_ms,
    }
}

impl Workspace {
    /// Adds an edit to the active picture as one undo step and decodes.
    pub fn edit(&mut self, edit: Edit) {
        if let Some(edit) = self.with_direction(edit) {
            self.change_history(DecodeWhen::Now, |history| {
                history.push(edit);
                true
            });
        }
    }

    /// The edit under the hand: replaces the one before and decodes live.
    pub fn preview_edit(&mut self, edit: Edit) {
        if let Some(edit) = self.with_direction(edit) {
            self.show_pending(edit, DecodeWhen::Free);
        }
    }

    pub(super) fn show_pending(&mut self, edit: Edit, when: DecodeWhen) {
        let Some(id) = self.active else { return };
        if let Some((subject, _)) = self.subject_mut(id) {
            subject.history.set_pending(edit);
        }
        self.request_decode(id, when);
    }

    /// The hand lets go: the previewed edit becomes one undo step.
    pub fn commit_preview(&mut self) {
        self.change_history(DecodeWhen::Free, History::commit_pending);
    }

    /// The hand lets go without wanting the edit.
    pub fn cancel_preview(&mut self) {
        let Some(id) = self.active else { return };
        if self
            .subject_mut(id)
            .is_some_and(|(subject, _)| subject.history.drop_pending())
        {
            self.request_decode(id, DecodeWhen::Now);
        }
    }

    /// Takes the newest step of the active picture back.
    pub fn undo(&mut self) {
        self.change_history(DecodeWhen::Now, History::undo);
    }

    /// Brings the step undone last back.
    pub fn redo(&mut self) {
        self.change_history(DecodeWhen::Now, History::redo);
    }

    /// Jumps to the state after `steps` edits of the active picture.
    pub fn go_to_step(&mut self, steps: usize) {
        self.change_history(DecodeWhen::Now, |history| {
            let before = history.applied().len();
            history.go_to(steps);
            history.applied().len() != before
        });
    }

    /// Decodes the active picture with one more edit, shown by [`Workspace::hovered`] and never kept; `None` ends it.
    /// May be called every frame: the same edit again asks for nothing.
    pub fn hover(&mut self, edit: Option<Edit>) {
        let Some(edit) = edit.and_then(|edit| self.with_direction(edit)) else {
            self.hover = None;
            return;
        };
        let Some(subject) = self.active() else { return };
        let Some(encoded) = &subject.encoded else { return };
        let mut edits = subject.history.effective().to_vec();
        edits.push(edit);
        let same = |hover: &Hover| {
            hover.subject == subject.id && Arc::ptr_eq(&hover.base, &encoded.state) && *hover.edits == *edits
        };
        if self.hover.as_ref().is_some_and(same) {
            return;
        }
        let edits: Arc<[Edit]> = edits.into();
        let (id, base, reference) = (subject.id, Arc::clone(&encoded.state), subject.crop.clone());
        let job = DecodeJob {
            base: Arc::clone(&base),
            edits: Arc::clone(&edits),
            reference,
        };
        let stamp = self.engine.submit(Request::Decode {
            view: HOVER_VIEW,
            job,
        });
        self.hover = Some(Hover {
            subject: id,
            base,
            edits,
            stamp: Some(stamp),
            shown: None,
        });
    }

    /// The picture under the hover, once decoded.
    pub fn hovered(&self) -> Option<&Shown> {
        self.hover.as_ref()?.shown.as_ref()
    }

    /// Changes the active picture's history; `change` says whether it did.
    fn change_history(&mut self, when: DecodeWhen, change: impl FnOnce(&mut History) -> bool) {
        let Some(id) = self.active else { return };
        let Some((subject, work)) = self.subject_mut(id) else {
            return;
        };
        let had_pending = subject.history.pending().is_some();
        let is_changed = change(&mut subject.history);
        work.carried = work.carried.min(subject.history.applied().len());
        work.last_failure = None;
        if is_changed {
            self.changed();
        }
        if is_changed || had_pending {
            self.request_decode(id, when);
            self.pump();
        }
    }

    /// Puts the values of a direction given by name into the edit; a notice and `None` where there is no such one.
    pub(super) fn with_direction(&mut self, mut edit: Edit) -> Option<Edit> {
        let Edit::Direction {
            source: DirectionSource::Name(name),
            amount,
        } = &edit
        else {
            return Some(edit);
        };
        let (name, amount) = (name.clone(), *amount);
        if let Some(source) = self.directions.get(&name) {
            return Some(Edit::Direction {
                source: source.clone(),
                amount,
            });
        }
        match resolve_direction(&mut edit, &self.places) {
            Ok(()) => {
                if let Edit::Direction { source, .. } = &edit {
                    self.directions.insert(name, source.clone());
                }
                Some(edit)
            }
            Err(error) => {
                self.error(&error);
                None
            }
        }
    }

    /// Brings the edited picture up to the present edit list.
    pub(super) fn request_decode(&mut self, id: SubjectId, when: DecodeWhen) {
        let Some((subject, work)) = self.subject_mut(id) else {
            return;
        };
        let Some(encoded) = &subject.encoded else { return };
        let edits = subject.history.effective();
        if edits.is_empty() {
            subject.edited = Some(reconstruction_shown(encoded));
            work.decode = None;
            work.decode_again = false;
            work.behind_since = None;
            work.shown = Some(edits);
            return;
        }
        match &work.decode {
            Some((_, running)) if *running == edits => work.decode_again = false,
            Some(_) if when == DecodeWhen::Free => work.decode_again = true,
            None if work.shown.as_ref() == Some(&edits) => {}
            _ => {
                let job = DecodeJob {
                    base: Arc::clone(&encoded.state),
                    edits: Arc::clone(&edits),
                    reference: subject.crop.clone(),
                };
                let stamp = self.engine.submit(Request::Decode {
                    view: edited_view(id),
                    job,
                });
                if let Some(work) = self.work.get_mut(&id) {
                    work.decode = Some((stamp, edits));
                    work.decode_again = false;
                    work.behind_since.get_or_insert_with(Instant::now);
                }
            }
        }
    }

    /// Finds out, off this thread, which edit of a list that failed to decode is to blame.
    pub(super) fn diagnose(&mut self, id: SubjectId, edits: Arc<[Edit]>, message: String) {
        let Some(subject) = self.subject(id) else { return };
        let Some((encoded, model)) = subject.encoded.clone().zip(self.model.clone()) else {
            return;
        };
        self.background(
            move || {
                let failed = apply_edits(&model.space, &encoded.state, &edits).err();
                (edits, failed)
            },
            move |workspace, (edits, failed)| workspace.take_diagnosis(id, &edits, failed, &message),
        );
    }

    fn take_diagnosis(
        &mut self,
        id: SubjectId,
        edits: &[Edit],
        failed: Option<DocumentError>,
        message: &str,
    ) {
        let Some((subject, work)) = self.subject_mut(id) else {
            return;
        };
        let Some(DocumentError::Edit {
            index, label, source, ..
        }) = failed
        else {
            let text = format!(
                "{}: the edited picture could not be decoded: {message}",
                subject.name
            );
            self.notice(NoticeKind::Error, text);
            return;
        };
        let now = subject.history.effective();
        let is_same_list = now.get(..=index) == edits.get(..=index);
        if !is_same_list {
            // The list has changed since; whether the new one can be decoded is another question.
            self.request_decode(id, DecodeWhen::Free);
            return;
        }
        let place = index + 1;
        let mut is_taken_back = false;
        let text = if index == subject.history.applied().len() {
            subject.history.drop_pending();
            format!("{label}: {source}")
        } else if index < work.carried {
            work.shown = Some(now);
            subject.edited = subject.encoded.as_deref().map(reconstruction_shown);
            format!(
                "{}: edit {place} ({label}) does not fit this model: {source}. The edits are kept and the reconstruction \
                 is shown; open the model they were made with, or undo them",
                subject.name
            )
        } else {
            is_taken_back = subject.history.remove_applied(index);
            format!(
                "{}: edit {place} ({label}) was taken back: {source}",
                subject.name
            )
        };
        // A drag that cannot be decoded fails at every step of the hand; once is enough.
        if work.last_failure.as_ref() != Some(&text) {
            work.last_failure = Some(text.clone());
            self.notice(NoticeKind::Error, text);
        }
        if is_taken_back {
            self.changed();
        }
        self.request_decode(id, DecodeWhen::Now);
    }

    /// Chooses the next picture to encode, the active one before all others and then those that follow it, and makes its
    /// crop first where needed.
    pub(super) fn pump_encoding(&mut self) {
        let Some(side) = self
            .side()
            .filter(|_| self.loading.is_none() && self.encoding.is_none())
        else {
            return;
        };
        let Some((id, crop)) = self
            .next_to_encode()
            .map(|subject| (subject.id, subject.crop.clone()))
        else {
            return;
        };
        match crop {
            Some(crop) => {
                let request = Request::Encode {
                    subject: id,
                    picture: Arc::clone(&crop),
                };
                let stamp = self.engine.submit(request);
                self.encoding = Some(super::Encoding { stamp, crop });
            }
            None => self.start_crop(id, side),
        }
    }

    fn next_to_encode(&self) -> Option<&Subject> {
        let is_due = |subject: &&Subject| {
            let work = self.work.get(&subject.id);
            subject.encoded.is_none() && work.is_some_and(|work| !work.is_encode_held)
        };
        if let Some(active) = self.active().filter(is_due) {
            return Some(active);
        }
        if !self.encodes_ahead || self.is_looking_ahead() || self.encoded_bytes() >= ENCODED_BYTES {
            return None;
        }
        let is_active = |subject: &Subject| Some(subject.id) == self.active;
        let after_active = self
            .subjects
            .iter()
            .position(is_active)
            .map_or(0, |index| index + 1);
        let (before, after) = self.subjects.split_at_checked(after_active)?;
        after.iter().chain(before).find(is_due)
    }

    /// About what the tokens and reconstructions of all pictures take, bytes.
    fn encoded_bytes(&self) -> usize {
        let mixture = self
            .model
            .as_ref()
            .and_then(|model| Some(model.space.mixing()?.size));
        let encoded = self
            .subjects
            .iter()
            .filter_map(|subject| subject.encoded.as_ref());
        encoded
            .map(|encoded| {
                let (state, picture) = (&encoded.state, encoded.reconstruction.as_bytes());
                let h = state.h.as_ref().map_or(0, |h| h.values.len());
                let weights = state.assignments.len() * mixture.unwrap_or_default();
                size_of::<f32>() * (h + state.z.values.len() + weights) + picture.len()
            })
            .sum()
    }

    fn start_crop(&mut self, id: SubjectId, side: u32) {
        let Some((subject, work)) = self.subject_mut(id) else {
            return;
        };
        let wanted = Some((side, subject.fit));
        if work.cropping == wanted {
            return;
        }
        work.cropping = wanted;
        let (source, fit) = (Arc::clone(&subject.source), subject.fit);
        self.background(
            move || Arc::new(crate::picture::fit(&source, side, fit)),
            move |workspace, crop| workspace.take_crop(id, (side, fit), crop),
        );
    }

    fn take_crop(
        &mut self,
        id: SubjectId,
        made_for: (u32, crate::picture::Fit),
        crop: Arc<crate::picture::Rgb8>,
    ) {
        let side = self.side();
        let Some((subject, work)) = self.subject_mut(id) else {
            return;
        };
        if work.cropping == Some(made_for) {
            work.cropping = None;
        }
        if Some(made_for) == side.map(|side| (side, subject.fit)) && subject.crop.is_none() {
            subject.crop = Some(crop);
        }
    }
}
