//! The pictures of the library.

use super::{DecodeWhen, SourceFile, Work, Workspace};
use crate::document::{Recipe, Subject, embedded};
use crate::engine::SubjectId;
use crate::latent::TokenSource;
use crate::picture::Fit;
use std::sync::Arc;
use std::time::Duration;

impl Workspace {
    /// The library, in order.
    pub fn subjects(&self) -> &[Subject] {
        &self.subjects
    }

    /// A picture of the library.
    pub fn subject(&self, id: SubjectId) -> Option<&Subject> {
        self.subjects.iter().find(|subject| subject.id == id)
    }

    pub(super) fn subject_mut(&mut self, id: SubjectId) -> Option<(&mut Subject, &mut Work)> {
        let subject = self.subjects.iter_mut().find(|subject| subject.id == id)?;
        Some((subject, self.work.get_mut(&id)?))
    }

    /// The picture being worked on.
    pub fn active(&self) -> Option<&Subject> {
        self.subject(self.active?)
    }

    /// Makes a picture the one being worked on. A drag that was under way becomes a step.
    pub fn set_active(&mut self, id: SubjectId) {
        if self.subject(id).is_none() {
            return;
        }
        if self.active != Some(id) {
            self.commit_preview();
            self.hover = None;
            self.active = Some(id);
        }
        if let Some(work) = self.work.get_mut(&id) {
            work.is_encode_held = false;
        }
        self.pump();
    }

    /// Takes a picture out of the library; [`Workspace::restore_removed`] brings the last one back with its edits.
    pub fn remove(&mut self, id: SubjectId) {
        let Some(index) = self.subjects.iter().position(|subject| subject.id == id) else {
            return;
        };
        let Some(mut work) = self.work.remove(&id) else {
            return;
        };
        work.decode = None;
        let mut subject = self.subjects.remove(index);
        subject.history.drop_pending();
        self.removed.push((index, subject, work));
        if self.active == Some(id) {
            self.hover = None;
            let neighbour = self.subjects.get(index).or_else(|| self.subjects.last());
            self.active = neighbour.map(|subject| subject.id);
        }
        self.changed();
        self.pump();
    }

    /// Brings back the picture removed last, where it was, and activates it. False when there is none.
    pub fn restore_removed(&mut self) -> bool {
        let Some((index, subject, work)) = self.removed.pop() else {
            return false;
        };
        let id = subject.id;
        self.subjects.insert(index.min(self.subjects.len()), subject);
        self.work.insert(id, work);
        self.changed();
        self.set_active(id);
        self.request_decode(id, DecodeWhen::Now);
        true
    }

    /// Fits a picture to the model in another way; its edits stay and are applied to the new crop.
    pub fn set_fit(&mut self, id: SubjectId, fit: Fit) {
        let Some((subject, work)) = self.subject_mut(id) else {
            return;
        };
        if subject.fit == fit {
            return;
        }
        subject.fit = fit;
        subject.crop = None;
        subject.encoded = None;
        work.forget_results();
        if let SourceFile::Tokens(_) = work.file {
            // The picture of a token file is encoded like any other from here on.
            work.file = SourceFile::Pixels(Arc::clone(&subject.source));
        }
        self.hover = None;
        self.changed();
        self.pump();
    }

    /// The edit list of the active picture as a recipe of the model in use.
    pub fn recipe(&self) -> Option<Recipe> {
        let active = self.active()?;
        Some(Recipe {
            model: self.model.as_ref().map(|model| model.hash.clone()),
            edits: active.history.applied().to_vec(),
        })
    }

    /// The edited tokens of a picture as an edit of another takes them; `None` until it is encoded.
    pub fn embedded_tokens(&self, id: SubjectId) -> Option<TokenSource> {
        let subject = self.subject(id)?;
        let state = match &subject.edited {
            Some(shown) => &shown.state,
            None => &subject.encoded.as_ref()?.state,
        };
        Some(embedded(&state.z, Some(subject.name.clone())))
    }

    /// Whether the edited picture on show is that of the present edit list.
    pub fn is_current(&self, id: SubjectId) -> bool {
        let Some((subject, work)) = self.subject(id).zip(self.work.get(&id)) else {
            return false;
        };
        work.decode.is_none() && work.shown.as_deref() == Some(&*subject.history.effective())
    }

    /// How long the picture on show has not been that of the edit list; `None` while it is.
    pub fn behind(&self, id: SubjectId) -> Option<Duration> {
        self.work.get(&id)?.behind_since.map(|since| since.elapsed())
    }
}
