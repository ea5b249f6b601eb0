//! Figures of tokens that may take longer than a frame, worked out on a thread of their own.

use crate::engine::Jobs;
use crate::latent::LatentState;
use egui::Context;
use std::sync::Arc;

/// What a figure is of: the tokens, and which of them where it is of one.
pub(super) type Of = (Arc<LatentState>, Option<usize>);

/// One figure at a time; the newest known stays on show while the next one is worked out.
pub(super) struct WorkedOut<T: Send + 'static> {
    /// Started when first asked for.
    jobs: Option<Jobs<(Of, T)>>,
    known: Option<(Of, T)>,
    is_working: bool,
    error: Option<String>,
}

impl<T: Send + 'static> Default for WorkedOut<T> {
    fn default() -> Self {
        Self {
            jobs: None,
            known: None,
            is_working: false,
            error: None,
        }
    }
}

impl<T: Send + 'static> WorkedOut<T> {
    /// The newest figure that is known, with what it is of; asks for that of `of` where it is another and `may_start`.
    pub(super) fn newest(
        &mut self,
        ctx: &Context,
        of: &Of,
        may_start: bool,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<&(Of, T)> {
        self.take_in();
        let is_known = self.known.as_ref().is_some_and(|(known, _)| is_same(known, of));
        if !is_known && may_start && !self.is_working && self.error.is_none() {
            let jobs = self.jobs.get_or_insert_with(|| {
                let ctx = ctx.clone();
                Jobs::new(move || ctx.request_repaint())
            });
            self.is_working = true;
            let of = of.clone();
            jobs.run(move || (of, work()));
        }
        self.known.as_ref()
    }

    pub(super) fn is_working(&self) -> bool {
        self.is_working
    }

    /// Why there is none, where working it out failed.
    pub(super) fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    fn take_in(&mut self) {
        let Some(jobs) = &self.jobs else { return };
        while let Some(outcome) = jobs.poll() {
            self.is_working = false;
            match outcome {
                Ok(found) => self.known = Some(found),
                Err(message) => self.error = Some(message),
            }
        }
    }
}

fn is_same(a: &Of, b: &Of) -> bool {
    Arc::ptr_eq(&a.0, &b.0) && a.1 == b.1
}
