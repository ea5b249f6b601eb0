//! Exports: what is still to be decoded is decoded step by step, then a file job makes the bytes and writes them.

use super::{EXPORT_VIEW, NoticeKind, Workspace};
use crate::document::{
    AnimationFormat, DocumentError, EditedFormat, EditedPicture, Export, ExportedFiles, SheetPictures, Shown,
    Subject, animation_bytes, comparison_sheet, edited_bytes, embedded, interpolation_edits,
};
use crate::engine::{DecodeJob, Decoded, Request, Stamp, SubjectId};
use crate::latent::{BlendMode, LatentState};
use crate::picture::{self, Rgb8};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A decoded step of an export.
pub(super) struct Frame {
    pub(super) picture: Arc<Rgb8>,
    state: Arc<LatentState>,
}

pub(super) type MakeFiles = Box<dyn FnOnce(&[Frame]) -> Result<ExportedFiles, DocumentError> + Send>;

/// An export under way.
pub(super) struct ExportTask {
    path: PathBuf,
    waiting: VecDeque<DecodeJob>,
    running: Option<Stamp>,
    frames: Vec<Frame>,
    make_files: MakeFiles,
}

impl ExportTask {
    /// (frames decoded, frames in all)
    fn progress(&self) -> (usize, usize) {
        let done = self.frames.len();
        (
            done,
            done + self.waiting.len() + usize::from(self.running.is_some()),
        )
    }
}

impl Workspace {
    /// Writes in the background; the outcome comes as a notice. What is exported is the edit list as it is now.
    pub fn export(&mut self, export: Export) {
        match self.export_task(export) {
            Ok(task) => self.exports.push_back(task),
            Err(error) => self.error(&error),
        }
        self.pump();
    }

    /// Frames decoded and frames in all of the export that decodes now; `None` when there is nothing to show.
    pub fn export_progress(&self) -> Option<(usize, usize)> {
        self.exports
            .front()
            .map(ExportTask::progress)
            .filter(|(_, total)| *total > 1)
    }

    /// Ends the exports that have not begun to write. Nothing is written of them.
    pub fn cancel_exports(&mut self) {
        for task in std::mem::take(&mut self.exports) {
            self.notice(
                NoticeKind::Warning,
                format!("{} was not written: cancelled", task.path.display()),
            );
        }
    }

    fn export_task(&self, export: Export) -> Result<ExportTask, DocumentError> {
        let nothing = || DocumentError::Mismatch("There is no picture to export: add one first".to_owned());
        let subject = || self.active().ok_or_else(nothing);
        match export {
            Export::Edited { path } => self.edited_task(subject()?, path),
            Export::Recipe { path } => {
                let recipe = self.recipe().ok_or_else(nothing)?;
                let make_files: MakeFiles =
                    Box::new(move |_| Ok(ExportedFiles::File(recipe.to_json().into_bytes())));
                Ok(ExportTask::new(path, VecDeque::new(), Vec::new(), make_files))
            }
            Export::Sheet { path } => self.sheet_task(subject()?, path),
            Export::Findings { path, part } => self.findings_task(part, path),
            Export::Interpolation {
                path,
                other,
                tokens,
                mode,
                frames,
                format,
            } => self.interpolation_task(subject()?, path, (other, &tokens, mode), frames, format),
        }
    }

    fn edited_task(&self, subject: &Subject, path: PathBuf) -> Result<ExportTask, DocumentError> {
        let format = EditedFormat::of(&path)?;
        let recipe = self.recipe().unwrap_or_default();
        let (crop, name) = (self.embedded_crop(subject), subject.name.clone());
        let generation = subject.generation.clone();
        let (waiting, frames) = self.edited_frame(subject)?;
        let make_files: MakeFiles = Box::new(move |frames| {
            let frame = first_frame(frames)?;
            let edited = EditedPicture {
                picture: &frame.picture,
                crop: crop.as_deref(),
                state: &frame.state,
                recipe: &recipe,
                name: &name,
                generation: generation.as_deref(),
            };
            edited_bytes(&edited, format).map(ExportedFiles::File)
        });
        Ok(ExportTask::new(path, waiting, frames, make_files))
    }

    /// The crop that a recipe file starts from. Tokens from a file have none: encoding their decode gives others.
    fn embedded_crop(&self, subject: &Subject) -> Option<Arc<Rgb8>> {
        let is_tokens = self
            .work
            .get(&subject.id)
            .is_some_and(|work| matches!(work.file, super::SourceFile::Tokens(_)));
        subject.crop.clone().filter(|_| !is_tokens)
    }

    /// The picture of the applied edits: the one on show, or the decode it takes.
    fn edited_frame(&self, subject: &Subject) -> Result<(VecDeque<DecodeJob>, Vec<Frame>), DocumentError> {
        let encoded = subject.encoded.as_ref().ok_or_else(|| not_encoded(subject))?;
        let applied = subject.history.applied();
        let on_show = self.work.get(&subject.id).and_then(|work| work.shown.as_deref()) == Some(applied);
        let ready = |shown: &Shown| Frame {
            picture: Arc::clone(&shown.picture),
            state: Arc::clone(&shown.state),
        };
        match &subject.edited {
            Some(shown) if on_show => Ok((VecDeque::new(), vec![ready(shown)])),
            _ => {
                let base = Arc::clone(&encoded.state);
                let job = DecodeJob {
                    base,
                    edits: applied.into(),
                    reference: None,
                };
                Ok((VecDeque::from([job]), Vec::new()))
            }
        }
    }

    fn sheet_task(&self, subject: &Subject, path: PathBuf) -> Result<ExportTask, DocumentError> {
        let (waiting, frames) = self.edited_frame(subject)?;
        let encoded = subject.encoded.clone().ok_or_else(|| not_encoded(subject))?;
        let original = subject.crop.clone().ok_or_else(|| not_encoded(subject))?;
        let model = self
            .model
            .as_ref()
            .map(|model| format!("Model {} ({})", model.name, model.hash));
        let (model, name) = (model.unwrap_or_default(), subject.name.clone());
        let edit_count = subject.history.applied().len();
        let make_files: MakeFiles = Box::new(move |frames| {
            let sheet = comparison_sheet(&SheetPictures {
                original: &original,
                reconstruction: &encoded.reconstruction,
                edited: &first_frame(frames)?.picture,
                name: &name,
                model: &model,
                edit_count,
            })?;
            Ok(ExportedFiles::File(picture::to_png(&sheet, &[])?))
        });
        Ok(ExportTask::new(path, waiting, frames, make_files))
    }

    fn interpolation_task(
        &self,
        subject: &Subject,
        path: PathBuf,
        (other, tokens, mode): (SubjectId, &[usize], BlendMode),
        frames: usize,
        format: AnimationFormat,
    ) -> Result<ExportTask, DocumentError> {
        let encoded = subject.encoded.as_ref().ok_or_else(|| not_encoded(subject))?;
        let gone = || DocumentError::Mismatch("the second picture is no longer in the library".to_owned());
        let other = self.subject(other).ok_or_else(gone)?;
        let other_state = match (&other.edited, &other.encoded) {
            (Some(shown), _) => &shown.state,
            (None, Some(encoded)) => &encoded.state,
            (None, None) => return Err(not_encoded(other)),
        };
        let with = embedded(&other_state.z, Some(other.name.clone()));
        let steps = interpolation_edits(&with, tokens, encoded.state.z.count, mode, frames)?;
        let waiting = steps.into_iter().map(|step| DecodeJob {
            base: Arc::clone(&encoded.state),
            edits: subject.history.applied().iter().cloned().chain([step]).collect(),
            reference: None,
        });
        let make_files: MakeFiles = Box::new(move |frames| {
            let pictures: Vec<Rgb8> = frames.iter().map(|frame| (*frame.picture).clone()).collect();
            animation_bytes(&pictures, format)
        });
        Ok(ExportTask::new(path, waiting.collect(), Vec::new(), make_files))
    }

    /// Decodes the next frame of the first export, or hands it to a file job when all are there.
    pub(super) fn pump_exports(&mut self) {
        while let Some(task) = self.exports.front_mut() {
            if task.running.is_some() {
                return;
            }
            if let Some(job) = task.waiting.pop_front() {
                task.running = Some(self.engine.submit(Request::Decode {
                    view: EXPORT_VIEW,
                    job,
                }));
                return;
            }
            if let Some(task) = self.exports.pop_front() {
                self.write_export(task);
            }
        }
    }

    fn write_export(&self, task: ExportTask) {
        let ExportTask {
            path,
            frames,
            make_files,
            ..
        } = task;
        self.background(
            move || {
                let result = make_files(&frames).and_then(|files| files.write(&path));
                (path, result)
            },
            |workspace, (path, result)| workspace.tell_saved(&path, result),
        );
    }

    pub(super) fn tell_saved(&mut self, path: &Path, result: Result<(), DocumentError>) {
        match result {
            Ok(()) => self.notice(NoticeKind::Done, format!("Saved {}", path.display())),
            Err(error) => self.error(&error),
        }
    }

    pub(super) fn take_export_frame(&mut self, stamp: Stamp, decoded: &Decoded) {
        if let Some(task) = self
            .exports
            .front_mut()
            .filter(|task| task.running == Some(stamp))
        {
            task.running = None;
            task.frames.push(Frame {
                picture: Arc::clone(&decoded.picture),
                state: Arc::clone(&decoded.state),
            });
        }
    }

    pub(super) fn take_export_failure(&mut self, stamp: Stamp, message: &str) {
        if let Some(task) = self.exports.pop_front_if(|task| task.running == Some(stamp)) {
            self.notice(
                NoticeKind::Error,
                format!("{} was not written: {message}", task.path.display()),
            );
        }
    }
}

impl ExportTask {
    pub(super) fn new(
        path: PathBuf,
        waiting: VecDeque<DecodeJob>,
        frames: Vec<Frame>,
        make_files: MakeFiles,
    ) -> Self {
        Self {
            path,
            waiting,
            running: None,
            frames,
            make_files,
        }
    }
}

fn first_frame(frames: &[Frame]) -> Result<&Frame, DocumentError> {
    frames
        .first()
        .ok_or_else(|| DocumentError::Mismatch("nothing was decoded to export".to_owned()))
}

fn not_encoded(subject: &Subject) -> DocumentError {
    DocumentError::Mismatch(format!(
        "{} is not encoded yet: wait for the model, or select it again",
        subject.name
    ))
}
