//! What the engine answers.

use super::{DecodeWhen, EXPORT_VIEW, HOVER_VIEW, NoticeKind, SourceFile, TOKENS_VIEW, Work, Workspace};
use crate::document::{RecipeError, Shown, Subject};
use crate::engine::{Decoded, Encoded, Event, ModelInfo, Stamp, SubjectId, Task, ViewId, WorkKind};
use std::sync::Arc;

fn shown(decoded: &Decoded) -> Shown {
    Shown {
        picture: Arc::clone(&decoded.picture),
        state: Arc::clone(&decoded.state),
        metrics: decoded.metrics,
        edit_ms: decoded.edit_ms,
        decode_ms: decoded.decode_ms,
    }
}

/// Forgets what a model made of a picture; the edit list stays, with the model it belongs to.
fn forget_model(subject: &mut Subject, work: &mut Work, model: Option<&str>) {
    subject.crop = None;
    subject.encoded = None;
    subject.edited = None;
    subject.history.drop_pending();
    work.forget_results();
    work.carried = subject.history.applied().len();
    if work.carried > 0 && work.made_with.is_none() {
        work.made_with = model.map(str::to_owned);
    }
    if let SourceFile::Tokens(_) = work.file {
        // Another model's tokens mean nothing here; the picture they made is encoded instead.
        work.file = SourceFile::Pixels(Arc::clone(&subject.source));
    }
}

impl Workspace {
    pub(super) fn take_event(&mut self, event: Event) {
        match event {
            Event::ModelLoaded(model) => self.take_model(model),
            Event::Encoded {
                stamp,
                subject,
                encoded,
            } => self.take_encoded(stamp, subject, encoded),
            Event::Decoded { stamp, view, decoded } => self.take_decoded(stamp, view, &decoded),
            Event::Reconstructed {
                stamp, reconstructed, ..
            } => self.take_reconstructed(stamp, reconstructed),
            Event::Prefetched { stamp, prefetched } => self.take_prefetched(stamp, &prefetched),
            Event::Analysed { stamp, analysed } => self.take_analysed(stamp, analysed),
            Event::Worked { stamp, kind } => self.take_worked(stamp, kind),
            Event::Painted { stamp, step } => self.take_painted(stamp, step),
            Event::ModelLeft(eviction) => self.notice(NoticeKind::Warning, eviction.to_string()),
            Event::GeneratorOpened(info) => self.take_generator(info),
            Event::GenerationStep { stamp, step } => self.take_generation_step(stamp, step),
            Event::Generated { stamp, picture } => self.take_generated(stamp, &picture),
            Event::Failed { stamp, task, message } => self.take_failure(stamp, &task, message),
            Event::Cancelled { stamp, task } => self.take_cancelled(stamp, &task),
        }
    }

    fn take_model(&mut self, model: Arc<ModelInfo>) {
        self.loading = None;
        self.encoding = None;
        self.hover = None;
        self.forget_ahead();
        self.forget_analyses();
        self.forget_directions();
        self.forget_collection();
        self.forget_brush();
        self.forget_painting();
        self.cancel_report();
        let before = self.model.replace(model).map(|model| model.hash.clone());
        for subject in &mut self.subjects {
            if let Some(work) = self.work.get_mut(&subject.id) {
                forget_model(subject, work, before.as_deref());
            }
        }
        for (_, subject, work) in &mut self.removed {
            forget_model(subject, work, before.as_deref());
        }
    }

    fn take_encoded(&mut self, stamp: Stamp, id: SubjectId, encoded: Arc<Encoded>) {
        let Some(encoding) = self.encoding.take_if(|encoding| encoding.stamp == stamp) else {
            return;
        };
        let Some((subject, _)) = self.subject_mut(id) else {
            return;
        };
        let is_its_crop = subject
            .crop
            .as_ref()
            .is_some_and(|crop| Arc::ptr_eq(crop, &encoding.crop));
        if is_its_crop {
            self.settle_encoded(id, encoded);
        }
    }

    /// A picture's tokens are known: the edit list goes on top.
    pub(super) fn settle_encoded(&mut self, id: SubjectId, encoded: Arc<Encoded>) {
        let hash = self.model.as_ref().map(|model| model.hash.clone());
        let Some((subject, work)) = self.subject_mut(id) else {
            return;
        };
        subject.encoded = Some(encoded);
        work.shown = None;
        let other = work
            .made_with
            .clone()
            .filter(|made_with| Some(made_with) != hash.as_ref());
        let is_edited = !subject.history.applied().is_empty();
        let name = subject.name.clone();
        if let (Some(recipe), Some(model), true) = (other, hash, is_edited) {
            let error = RecipeError::OtherModel { recipe, model };
            self.notice(
                NoticeKind::Warning,
                format!("{name}: its edits are applied all the same, but {error}"),
            );
        }
        self.request_decode(id, DecodeWhen::Now);
    }

    fn take_decoded(&mut self, stamp: Stamp, view: ViewId, decoded: &Decoded) {
        match view {
            HOVER_VIEW => {
                if let Some(hover) = self.hover.as_mut().filter(|hover| hover.stamp == Some(stamp)) {
                    hover.stamp = None;
                    hover.shown = Some(shown(decoded));
                }
            }
            EXPORT_VIEW => self.take_export_frame(stamp, decoded),
            TOKENS_VIEW => self.take_token_picture(stamp, decoded),
            _ => self.take_edited(stamp, decoded),
        }
    }

    fn take_edited(&mut self, stamp: Stamp, decoded: &Decoded) {
        let Some((id, edits)) = self.end_decode(stamp) else {
            return;
        };
        self.learn_exact(&edits, &decoded.picture);
        if let Some((subject, work)) = self.subject_mut(id) {
            subject.edited = Some(shown(decoded));
            work.shown = Some(edits);
            if std::mem::take(&mut work.decode_again) {
                self.request_decode(id, DecodeWhen::Now);
            }
        }
    }

    /// The subject whose present decode has this stamp, which is waited for no longer.
    fn end_decode(&mut self, stamp: Stamp) -> Option<(SubjectId, Arc<[crate::latent::Edit]>)> {
        self.work.iter_mut().find_map(|(&id, work)| {
            let (_, edits) = work.decode.take_if(|(running, _)| *running == stamp)?;
            if !work.decode_again {
                work.behind_since = None;
            }
            Some((id, edits))
        })
    }

    fn take_failure(&mut self, stamp: Stamp, task: &Task, message: String) {
        match *task {
            Task::LoadModel(ref name) => {
                self.loading.take_if(|loading| *loading == stamp);
                self.notice(NoticeKind::Error, format!("{name} was not opened: {message}"));
            }
            Task::Encode(id) => {
                self.hold_encode(stamp, id);
                let name = self
                    .subject(id)
                    .map_or_else(|| "A picture".to_owned(), |subject| subject.name.clone());
                self.notice(NoticeKind::Error, format!("{name} was not encoded: {message}"));
            }
            Task::Decode(HOVER_VIEW) => {
                self.hover.take_if(|hover| hover.stamp == Some(stamp));
            }
            Task::Decode(EXPORT_VIEW) => self.take_export_failure(stamp, &message),
            Task::Decode(TOKENS_VIEW) => self.take_token_failure(stamp, &message),
            Task::OpenGenerator(_) | Task::Generate => self.take_generation_failure(stamp, task, &message),
            Task::Decode(_) => {
                if let Some((id, edits)) = self.end_decode(stamp) {
                    self.diagnose(id, edits, message);
                }
            }
            Task::Reconstruct { ref model, .. } => self.take_reconstruction_failure(stamp, model, &message),
            Task::Prefetch => self.end_prefetch(stamp, true),
            Task::Analyse(_) => self.take_analysis_failure(stamp, &message),
            Task::Work(kind) => self.take_work_failure(stamp, kind, &message),
            Task::Paint => self.take_painting_failure(stamp, &message),
        }
    }

    fn take_cancelled(&mut self, stamp: Stamp, task: &Task) {
        match *task {
            Task::LoadModel(ref name) => {
                if self.loading.take_if(|loading| *loading == stamp).is_some() {
                    self.notice(NoticeKind::Warning, format!("Opening {name} was cancelled"));
                }
            }
            Task::Encode(id) => self.hold_encode(stamp, id),
            Task::Decode(HOVER_VIEW) => {
                self.hover.take_if(|hover| hover.stamp == Some(stamp));
            }
            Task::Decode(EXPORT_VIEW) => self.take_export_failure(stamp, "cancelled"),
            Task::Decode(TOKENS_VIEW) => self.take_token_failure(stamp, "cancelled"),
            Task::OpenGenerator(_) | Task::Generate => self.take_generation_cancelled(stamp, task),
            Task::Decode(_) => drop(self.end_decode(stamp)),
            Task::Reconstruct { .. } => self.take_reconstruction_cancelled(stamp),
            Task::Prefetch => self.end_prefetch(stamp, false),
            Task::Analyse(_) => self.take_analysis_cancelled(stamp),
            Task::Work(kind) => self.take_work_cancelled(stamp, kind),
            Task::Paint => self.take_painting_cancelled(stamp),
        }
    }

    fn take_worked(&mut self, stamp: Stamp, kind: WorkKind) {
        match kind {
            WorkKind::Collection => self.take_collected(stamp),
            WorkKind::Report => self.take_measured(stamp),
        }
    }

    fn take_work_failure(&mut self, stamp: Stamp, kind: WorkKind, message: &str) {
        match kind {
            WorkKind::Collection => self.take_collecting_failure(stamp, message),
            WorkKind::Report => self.take_report_failure(stamp, message),
        }
    }

    fn take_work_cancelled(&mut self, stamp: Stamp, kind: WorkKind) {
        match kind {
            WorkKind::Collection => self.take_collecting_cancelled(stamp),
            WorkKind::Report => self.take_report_cancelled(stamp),
        }
    }

    fn hold_encode(&mut self, stamp: Stamp, id: SubjectId) {
        self.encoding.take_if(|encoding| encoding.stamp == stamp);
        if let Some((_, work)) = self.subject_mut(id) {
            work.is_encode_held = true;
        }
    }
}
