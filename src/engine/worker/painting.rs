//! A painting's turns on the worker's thread.

use super::Worker;
use crate::engine::painting::PaintRun;
use crate::engine::queue::Outcome;
use crate::engine::{Control, EngineError, Event, PaintJob, Stamp};
use std::sync::Arc;

impl Worker {
    /// One turn of a painting: a step.
    pub(super) fn paint(&mut self, stamp: Stamp, job: Arc<PaintJob>, control: &dyn Control) -> Outcome {
        let mut run = match self.painting.take() {
            Some(run) if run.stamp() == stamp => run,
            _ => PaintRun::new(stamp, job),
        };
        let step = match self.with_model("painting", |model, _| model.paint(&mut run, control)) {
            Ok(step) => step,
            Err(error) => {
                // Stepped back for something else, or given up: only the queue knows.
                self.painting = matches!(error, EngineError::Cancelled).then_some(run);
                return Outcome::from(Err(error));
            }
        };
        let is_last = step.is_last;
        let event = Event::Painted {
            stamp,
            step: Arc::new(step),
        };
        if is_last {
            return Outcome::Done(event);
        }
        self.painting = Some(run);
        Outcome::Progressed(event)
    }
}
