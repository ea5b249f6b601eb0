//! Work with the model in use that takes many turns, each short enough to be begun anew after something more urgent.

use super::{Control, EngineError, Runner};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a work is for; of the works of a kind only the newest counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WorkKind {
    /// The tokens of many pictures.
    Collection,
    /// A page with all that can be measured of a folder.
    Report,
}

impl WorkKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Collection, Self::Report];

    /// In words, as what is made.
    pub fn name(self) -> &'static str {
        match self {
            Self::Collection => "tokens of many pictures",
            Self::Report => "a report",
        }
    }
}

/// How a turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkTurn {
    /// There is more to do.
    More,
    /// All is done.
    Done,
}

/// Something that is worked on turn by turn. What it makes is read from it by who asked for it.
pub trait Work: Send {
    /// Does the next bit of it and reports the share of the whole that is done. After [`EngineError::Cancelled`] it is
    /// asked for the same bit again, or never more.
    ///
    /// # Errors
    /// What ends the work.
    fn turn(&mut self, model: &Runner, control: &dyn Control) -> Result<WorkTurn, EngineError>;
}

/// A work that is shared by who asked for it and the worker, which holds it for the length of a turn.
#[derive(Clone)]
pub struct WorkJob {
    kind: WorkKind,
    work: Arc<Mutex<dyn Work>>,
    /// Thousandths done.
    permille: Arc<AtomicU32>,
}

impl WorkJob {
    /// Nothing of it is done.
    pub fn new(kind: WorkKind, work: Arc<Mutex<dyn Work>>) -> Self {
        Self {
            kind,
            work,
            permille: Arc::default(),
        }
    }

    /// What it is for.
    pub fn kind(&self) -> WorkKind {
        self.kind
    }

    /// Share done as last reported, 0..1; it stays while something else runs.
    pub fn fraction(&self) -> f32 {
        self.permille.load(Ordering::Relaxed) as f32 / 1000.0
    }

    /// A work that panicked is whole enough to be dropped.
    pub(super) fn lock(&self) -> MutexGuard<'_, dyn Work + 'static> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for WorkJob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("WorkJob").field(&self.kind).finish()
    }
}

/// Keeps what a turn reports with its work.
pub(super) struct WorkControl<'a> {
    pub(super) job: &'a WorkJob,
    pub(super) task: &'a dyn Control,
}

impl Control for WorkControl<'_> {
    fn progress(&self, fraction: f32) {
        let permille = (1000.0 * fraction.clamp(0.0, 1.0)) as u32;
        self.job.permille.store(permille, Ordering::Relaxed);
        self.task.progress(fraction);
    }
    fn is_cancelled(&self) -> bool {
        self.task.is_cancelled()
    }
}
