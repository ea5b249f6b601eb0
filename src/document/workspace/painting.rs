//! Painting: what is asked of the engine, and how the tokens it finds become an edit.

use super::{NoticeKind, Workspace};
use crate::document::DocumentError;
use crate::document::paint_target::{composed, moved_patch};
use crate::engine::{PaintJob, PaintSettings, PaintStep, PaintTokens, Request, Stamp, SubjectId};
use crate::latent::{Edit, LatentState};
use crate::picture::{Mask, Planar, Rgb8};
use std::sync::Arc;

/// What a painted region is to look like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaintTarget {
    /// All of one colour.
    Colour([u8; 3]),
    /// As a picture of the library looks, so many pixels to the right and down of the region.
    Picture {
        /// Which one.
        subject: SubjectId,
        /// Pixels of the model's square.
        offset: [i32; 2],
    },
}

/// What a person asks for.
#[derive(Debug, Clone)]
pub struct PaintOrder {
    /// The region, of the model's size.
    pub mask: Arc<Mask>,
    /// What it is to look like.
    pub target: PaintTarget,
    /// Which tokens may move.
    pub tokens: PaintTokens,
    /// How they are searched.
    pub settings: PaintSettings,
}

/// The painting of a workspace.
#[derive(Default)]
pub(super) struct PaintWork {
    run: Option<Run>,
    /// How the last one went.
    ended: Option<(SubjectId, Arc<PaintStep>)>,
}

struct Run {
    stamp: Stamp,
    subject: SubjectId,
    /// The tokens as encoded and the edits on them when it began: only they can take the outcome.
    encoded: Arc<LatentState>,
    edits: Arc<[Edit]>,
    step: Option<Arc<PaintStep>>,
}

impl Workspace {
    /// Searches, in the background, for tokens of the active picture that look as wanted under the brush. A painting that
    /// runs is given up for it. What is found becomes one edit.
    pub fn paint(&mut self, order: &PaintOrder) {
        self.commit_preview();
        if let Err(error) = self.start_painting(order) {
            self.error(&error);
        }
    }

    fn start_painting(&mut self, order: &PaintOrder) -> Result<(), DocumentError> {
        let refused = |text: &str| DocumentError::Mismatch(text.to_owned());
        let (id, (state, _)) = self
            .analysed()
            .filter(|(id, _)| self.is_current(*id))
            .ok_or_else(no_tokens)?;
        let encoded = self.subject(id).and_then(|subject| subject.encoded.as_ref());
        let encoded = encoded.map(|encoded| Arc::clone(&encoded.state));
        let edits = self.subject(id).map(|subject| subject.history.effective());
        let (Some(encoded), Some(edits)) = (encoded, edits) else {
            return Ok(());
        };
        if order.tokens == PaintTokens::List(Vec::new()) {
            return Err(refused(
                "no token may move: select some, or let all or the best ones move",
            ));
        }
        if order.mask.is_empty() {
            return Err(refused(
                "nothing lies under the brush: draw over the part of the picture that is to change",
            ));
        }
        let (target, mask) = self.paint_target(&order.target, &order.mask)?;
        let job = PaintJob {
            start: state.z.clone(),
            target,
            mask,
            tokens: order.tokens.clone(),
            settings: order.settings,
        };
        self.painting = PaintWork {
            run: Some(Run {
                stamp: self.engine.submit(Request::Paint(Arc::new(job))),
                subject: id,
                encoded,
                edits,
                step: None,
            }),
            ended: None,
        };
        Ok(())
    }

    /// The active picture with what is wanted in the region: what painting goes for.
    ///
    /// # Errors
    /// A picture that is not encoded, a patch that is not there.
    pub fn wanted_picture(&self, target: &PaintTarget, mask: &Mask) -> Result<Rgb8, DocumentError> {
        let (wanted, mask) = self.paint_target(target, mask)?;
        let (_, (_, picture)) = self.analysed().ok_or_else(no_tokens)?;
        Ok(composed(&picture, &wanted.to_rgb8(), &mask))
    }

    fn paint_target(&self, target: &PaintTarget, mask: &Mask) -> Result<(Planar, Mask), DocumentError> {
        match *target {
            PaintTarget::Colour(colour) => {
                let even = Rgb8::filled(mask.width(), mask.height(), colour);
                Ok((Planar::from_rgb8(&even), mask.clone()))
            }
            PaintTarget::Picture { subject, offset } => {
                let source = self.subject(subject).and_then(|subject| subject.crop.as_ref());
                let source = source.ok_or_else(|| {
                    let text =
                        "the other picture is not ready: wait until it is encoded, or choose another one";
                    DocumentError::Mismatch(text.to_owned())
                })?;
                let (wanted, mask) = moved_patch(source, mask, offset);
                if mask.is_empty() {
                    let text = "the region was moved outside of the other picture: make the offset smaller";
                    return Err(DocumentError::Mismatch(text.to_owned()));
                }
                Ok((wanted, mask))
            }
        }
    }

    /// Ends the painting; the best tokens so far become an edit.
    pub fn stop_painting(&mut self) {
        if let Some(run) = self.painting.run.take() {
            self.engine.cancel_painting();
            self.end_painting(run.subject, run.step);
        }
    }

    /// Ends the painting; nothing is kept of it. False when there was none.
    pub fn discard_painting(&mut self) -> bool {
        let is_running = self.painting.run.take().is_some();
        if is_running {
            self.engine.cancel_painting();
        }
        is_running
    }

    /// Whether a painting is under way.
    pub fn is_painting(&self) -> bool {
        self.painting.run.is_some()
    }

    /// The newest step of the painting under way, or the last one of the painting before, of the active picture.
    pub fn painting(&self) -> Option<&Arc<PaintStep>> {
        match &self.painting.run {
            Some(run) => run.step.as_ref(),
            None => {
                let (subject, step) = self.painting.ended.as_ref()?;
                (Some(*subject) == self.active).then_some(step)
            }
        }
    }

    /// Gives a painting up whose tokens are no longer the ones on show.
    pub(super) fn pump_painting(&mut self) {
        let Some(run) = &self.painting.run else { return };
        let active = self.active().filter(|subject| subject.id == run.subject);
        let is_its = active.is_some_and(|subject| {
            let encoded = subject.encoded.as_ref();
            encoded.is_some_and(|encoded| Arc::ptr_eq(&encoded.state, &run.encoded))
                && subject.history.effective() == run.edits
        });
        if !is_its {
            let why = if active.is_some() {
                "the tokens were edited"
            } else {
                "another picture was chosen"
            };
            self.discard_painting();
            self.notice(
                NoticeKind::Warning,
                format!("Painting was given up: {why} meanwhile."),
            );
        }
    }

    pub(super) fn take_painted(&mut self, stamp: Stamp, step: Arc<PaintStep>) {
        self.pump_painting();
        let Some(run) = self.painting.run.as_mut().filter(|run| run.stamp == stamp) else {
            return;
        };
        if !step.is_last {
            run.step = Some(step);
            return;
        }
        let subject = run.subject;
        self.painting.run = None;
        self.end_painting(subject, Some(step));
    }

    /// The best tokens become an edit of the active picture, which is the painting's.
    fn end_painting(&mut self, subject: SubjectId, step: Option<Arc<PaintStep>>) {
        match step.as_ref().and_then(|step| step.best.as_ref()) {
            Some(best) => self.edit(best.edit.clone()),
            None => self.notice(
                NoticeKind::Warning,
                "Painting found no tokens that are nearer to what is wanted: the picture stays as it was.",
            ),
        }
        self.painting.ended = step.map(|step| (subject, step));
    }

    pub(super) fn take_painting_failure(&mut self, stamp: Stamp, message: &str) {
        if self.painting.run.take_if(|run| run.stamp == stamp).is_some() {
            self.notice(NoticeKind::Error, format!("Painting stopped: {message}"));
        }
    }

    /// What nobody here gave up fell to another model.
    pub(super) fn take_painting_cancelled(&mut self, stamp: Stamp) {
        if self.painting.run.take_if(|run| run.stamp == stamp).is_some() {
            let text = "Painting was given up: another model was opened.";
            self.notice(NoticeKind::Warning, text);
        }
    }

    /// Another model is there: its tokens are others.
    pub(super) fn forget_painting(&mut self) {
        self.painting.ended = None;
    }
}

fn no_tokens() -> DocumentError {
    DocumentError::Mismatch(
        "there are no tokens to paint with: add a picture and wait until it is encoded".to_owned(),
    )
}
