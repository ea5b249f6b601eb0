use crate::tokenizer::{PassHook, Stage, TokenizerError};
use candle_core::Tensor;

/// Progress and cancellation of a long call.
pub trait Control: Sync {
    /// Share done, 0..1.
    fn progress(&self, fraction: f32);
    /// Asked between steps; once true, the call ends with [`super::EngineError::Cancelled`].
    fn is_cancelled(&self) -> bool;
}

/// Never cancels, tells nobody.
pub struct NoControl;

impl Control for NoControl {
    fn progress(&self, _fraction: f32) {}
    fn is_cancelled(&self) -> bool {
        false
    }
}

/// One part of a task that has several: its 0..1 becomes `from..to` of the whole.
pub struct Part<'a> {
    /// The task.
    pub whole: &'a dyn Control,
    /// Share of the whole that is done before, 0..1.
    pub from: f32,
    /// Share that is done with it, 0..1.
    pub to: f32,
}

impl Control for Part<'_> {
    fn progress(&self, fraction: f32) {
        self.whole
            .progress(self.from + (self.to - self.from) * fraction.clamp(0.0, 1.0));
    }
    fn is_cancelled(&self) -> bool {
        self.whole.is_cancelled()
    }
}

/// A batch of many: `done` of `all` items are behind, `more` are in it.
pub(super) struct Batched<'a>(Part<'a>);

impl<'a> Batched<'a> {
    pub(super) fn new(whole: &'a dyn Control, done: usize, more: usize, all: usize) -> Self {
        let share = |items: usize| items as f32 / all.max(1) as f32;
        Self(Part {
            whole,
            from: share(done),
            to: share(done + more),
        })
    }
}

impl Control for Batched<'_> {
    fn progress(&self, fraction: f32) {
        self.0.progress(fraction);
    }
    fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }
}

/// Carries a [`Control`] through a pass of the tokenizer: every stage moves the progress and is a point to stop at.
pub(super) struct ControlHook<'a> {
    control: &'a dyn Control,
    stages_done: usize,
    stage_count: usize,
}

impl<'a> ControlHook<'a> {
    /// `stage_count` is how often the hook will be called in a whole pass.
    pub(super) fn new(control: &'a dyn Control, stage_count: usize) -> Self {
        Self {
            control,
            stages_done: 0,
            stage_count: stage_count.max(1),
        }
    }
}

impl PassHook for ControlHook<'_> {
    fn reads_outputs(&self) -> bool {
        false
    }

    fn after(&mut self, _stage: Stage, _output: &Tensor) -> Result<(), TokenizerError> {
        if self.control.is_cancelled() {
            return Err(TokenizerError::Cancelled);
        }
        self.stages_done += 1;
        self.control
            .progress((self.stages_done as f32 / self.stage_count as f32).min(1.0));
        Ok(())
    }
}
