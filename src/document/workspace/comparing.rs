//! One picture through several models, side by side.

use super::{NoticeKind, Workspace};
use crate::document::{
    ComparedFacts, ComparisonRow, DocumentError, ModelSheet, ModelSheetCell, ModelSheetRow, comparison_csv,
    model_sheet, write_atomically,
};
use crate::engine::{ReconstructJob, Reconstructed, Request, Stamp, SubjectId, ViewId};
use crate::picture::{self, Fit, Rgb8};
use crate::tokenizer::ModelFiles;
use std::path::PathBuf;
use std::sync::Arc;

/// Most models that are compared at once.
pub const MOST_COMPARED: usize = 4;

/// How far a model of the comparison is with the picture.
#[derive(Debug, Clone)]
pub enum ComparedState {
    /// Not begun, or under way.
    Waiting,
    /// Done.
    Done(Arc<Reconstructed>),
    /// It could not be done: what happened, why, what to do.
    Failed(String),
    /// A person gave it up.
    Cancelled,
}

/// What the comparison is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ComparisonFile {
    /// The picture and every reconstruction with its figures, as one PNG.
    Sheet,
    /// The figures as CSV.
    Table,
}

/// A model of the comparison and what became of the picture in it.
#[derive(Debug, Clone)]
pub struct ComparedModel {
    /// The model.
    pub files: ModelFiles,
    /// What became of the picture.
    pub state: ComparedState,
    /// The request that is waited for.
    stamp: Option<Stamp>,
}

/// What is reconstructed: results of anything else are void.
#[derive(Debug, Clone)]
struct Compared {
    id: SubjectId,
    source: Arc<Rgb8>,
    fit: Fit,
}

impl Compared {
    fn is_same(&self, other: &Self) -> bool {
        self.id == other.id && Arc::ptr_eq(&self.source, &other.source) && self.fit == other.fit
    }
}

/// The comparison of a workspace.
#[derive(Default)]
pub(super) struct Comparison {
    models: Vec<ComparedModel>,
    /// The picture that the results are of.
    picture: Option<Compared>,
    /// Follows the active picture; else it rests as it is.
    is_on: bool,
}

impl Workspace {
    /// Chooses the models to compare, up to [`MOST_COMPARED`]; results of those that stay are kept.
    pub fn set_compared_models(&mut self, models: Vec<ModelFiles>) {
        let before = std::mem::take(&mut self.comparison.models);
        let kept = |files: ModelFiles| {
            let same = before.iter().find(|model| model.files == files);
            let state = same.map_or(ComparedState::Waiting, |model| model.state.clone());
            ComparedModel {
                files,
                state,
                stamp: None,
            }
        };
        self.comparison.models = models.into_iter().take(MOST_COMPARED).map(kept).collect();
        self.restart_comparison();
    }

    /// The models of the comparison in the order they were chosen, each with what became of the active picture.
    pub fn compared_models(&self) -> &[ComparedModel] {
        &self.comparison.models
    }

    /// The picture that the comparison shows.
    pub fn compared_picture(&self) -> Option<SubjectId> {
        Some(self.comparison.picture.as_ref()?.id)
    }

    /// Lets the comparison follow the active picture, or rest. What is under way when it is to rest is given up.
    pub fn set_comparing(&mut self, is_on: bool) {
        if self.comparison.is_on != is_on {
            self.comparison.is_on = is_on;
            self.restart_comparison();
        }
    }

    /// Models of the comparison that are done, and models in all; `None` when nothing is under way.
    pub fn comparison_progress(&self) -> Option<(usize, usize)> {
        let models = &self.comparison.models;
        let waiting = models.iter().filter(|model| model.stamp.is_some()).count();
        (waiting > 0).then_some((models.len() - waiting, models.len()))
    }

    /// Models that are done with the picture.
    pub fn compared_count(&self) -> usize {
        self.done_models().count()
    }

    fn done_models(&self) -> impl Iterator<Item = (&ComparedModel, &Arc<Reconstructed>)> {
        self.comparison
            .models
            .iter()
            .filter_map(|model| match &model.state {
                ComparedState::Done(done) => Some((model, done)),
                _ => None,
            })
    }

    /// Writes what is done of the comparison in the background; the outcome comes as a notice.
    pub fn export_comparison(&mut self, file: ComparisonFile, path: PathBuf) {
        let done: Vec<(String, Arc<Reconstructed>)> = self
            .done_models()
            .map(|(model, done)| (model.files.name.clone(), Arc::clone(done)))
            .collect();
        let picture = self.compared_picture().and_then(|id| self.subject(id));
        let name = picture.map_or_else(String::new, |subject| subject.name.clone());
        self.background(
            move || {
                let bytes = match file {
                    ComparisonFile::Sheet => sheet(&name, &done),
                    ComparisonFile::Table => Ok(comparison_csv(&rows(&name, &done), &[]).into_bytes()),
                };
                let result = bytes.and_then(|bytes| write_atomically(&path, &bytes));
                (path, result)
            },
            |workspace, (path, result)| workspace.tell_saved(&path, result),
        );
    }

    /// Gives up what is under way; [`Workspace::compare_again`] begins anew.
    pub fn cancel_comparison(&mut self) {
        self.engine.cancel_reconstructions();
        self.hold_comparison();
    }

    /// Begins anew with the models that failed or were cancelled.
    pub fn compare_again(&mut self) {
        for model in &mut self.comparison.models {
            if matches!(model.state, ComparedState::Failed(_) | ComparedState::Cancelled) {
                model.state = ComparedState::Waiting;
            }
        }
        self.restart_comparison();
    }

    /// Marks what is under way as given up.
    pub(super) fn hold_comparison(&mut self) {
        for model in &mut self.comparison.models {
            if model.stamp.take().is_some() {
                model.state = ComparedState::Cancelled;
            }
        }
    }

    /// Drops what is under way; what is still to be done is asked for anew by the next pump.
    fn restart_comparison(&mut self) {
        if self.comparison_progress().is_some() {
            self.engine.cancel_reconstructions();
        }
        self.comparison
            .models
            .iter_mut()
            .for_each(|model| model.stamp = None);
        self.pump();
    }

    /// Asks for what the comparison of the active picture still lacks.
    pub(super) fn pump_comparison(&mut self) {
        if !self.comparison.is_on {
            return;
        }
        let picture = self.active().map(|subject| Compared {
            id: subject.id,
            source: Arc::clone(&subject.source),
            fit: subject.fit,
        });
        let is_same = match (&self.comparison.picture, &picture) {
            (Some(before), Some(now)) => before.is_same(now),
            (None, None) => true,
            _ => false,
        };
        let Self {
            comparison, engine, ..
        } = self;
        if !is_same {
            engine.cancel_reconstructions();
            for model in &mut comparison.models {
                (model.state, model.stamp) = (ComparedState::Waiting, None);
            }
            comparison.picture = picture;
        }
        let Some(picture) = &comparison.picture else {
            return;
        };
        for (view, model) in (0..).map(ViewId).zip(&mut comparison.models) {
            if matches!(model.state, ComparedState::Waiting) && model.stamp.is_none() {
                let job = ReconstructJob {
                    model: model.files.clone(),
                    picture: Arc::clone(&picture.source),
                    fit: picture.fit,
                };
                model.stamp = Some(engine.submit(Request::Reconstruct { view, job }));
            }
        }
    }

    pub(super) fn take_reconstructed(&mut self, stamp: Stamp, reconstructed: Arc<Reconstructed>) {
        self.end_reconstruction(stamp, ComparedState::Done(reconstructed));
    }

    pub(super) fn take_reconstruction_failure(&mut self, stamp: Stamp, name: &str, message: &str) {
        if self.end_reconstruction(stamp, ComparedState::Failed(message.to_owned())) {
            self.notice(
                NoticeKind::Error,
                format!("{name} is left out of the comparison: {message}"),
            );
        }
    }

    pub(super) fn take_reconstruction_cancelled(&mut self, stamp: Stamp) {
        self.end_reconstruction(stamp, ComparedState::Cancelled);
    }

    /// False for an answer that nobody waits for any more.
    fn end_reconstruction(&mut self, stamp: Stamp, state: ComparedState) -> bool {
        let mut models = self.comparison.models.iter_mut();
        let Some(model) = models.find(|model| model.stamp == Some(stamp)) else {
            return false;
        };
        (model.state, model.stamp) = (state, None);
        true
    }
}

fn facts(name: &str, done: &Reconstructed) -> ComparedFacts {
    ComparedFacts {
        name: name.to_owned(),
        ..ComparedFacts::of(&done.model)
    }
}

/// Rows of the models that could be measured.
fn rows(picture: &str, done: &[(String, Arc<Reconstructed>)]) -> Vec<ComparisonRow> {
    let row = |(name, done): &(String, Arc<Reconstructed>)| {
        Some(ComparisonRow {
            picture: picture.to_owned(),
            model: facts(name, done),
            metrics: done.encoded.metrics?,
            times_ms: Some((done.encoded.encode_ms, done.encoded.decode_ms)),
        })
    };
    done.iter().filter_map(row).collect()
}

fn sheet(picture: &str, done: &[(String, Arc<Reconstructed>)]) -> Result<Vec<u8>, DocumentError> {
    let largest = done
        .iter()
        .map(|(_, done)| &done.crop)
        .max_by_key(|crop| crop.width());
    let row = largest.map(|original| ModelSheetRow {
        name: picture,
        original,
        cells: done
            .iter()
            .map(|(_, done)| ModelSheetCell {
                reconstruction: &done.encoded.reconstruction,
                metrics: done.encoded.metrics,
            })
            .collect(),
    });
    let sheet = model_sheet(&ModelSheet {
        models: done.iter().map(|(name, done)| facts(name, done)).collect(),
        rows: row.into_iter().collect(),
    })?;
    Ok(picture::to_png(&sheet, &[])?)
}
