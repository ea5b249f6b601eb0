//! What is done in many turns, between which other requests are answered.

use super::{Worker, contained};
use crate::engine::generate::{Generation, Turn};
use crate::engine::queue::Outcome;
use crate::engine::work::WorkControl;
use crate::engine::{Control, EngineError, Event, GenerateJob, PrefetchJob, Stamp, WorkJob, WorkTurn};
use std::sync::Arc;

impl Worker {
    /// One turn of a work.
    pub(super) fn work(&mut self, stamp: Stamp, job: &WorkJob, task: &dyn Control) -> Outcome {
        let kind = job.kind();
        let control = WorkControl { job, task };
        match self.with_model(kind.name(), |model, _| model.work(&mut *job.lock(), &control)) {
            Ok(WorkTurn::More) => Outcome::Again,
            Ok(WorkTurn::Done) => Outcome::Done(Event::Worked { stamp, kind }),
            Err(error) => Outcome::from(Err(error)),
        }
    }

    /// One turn of a prefetch: a batch of its positions.
    pub(super) fn prefetch(&mut self, stamp: Stamp, job: &PrefetchJob, control: &dyn Control) -> Outcome {
        let mut prefetching = std::mem::take(&mut self.prefetching);
        let result = self.with_model("decoding ahead", |model, cache| {
            prefetching.turn(stamp, job, model, cache, control)
        });
        self.prefetching = prefetching;
        match result {
            Ok(prefetched) => {
                let is_last = prefetched.is_last;
                let event = Event::Prefetched {
                    stamp,
                    prefetched: Arc::new(prefetched),
                };
                if is_last {
                    Outcome::Done(event)
                } else {
                    Outcome::Progressed(event)
                }
            }
            Err(error) => Outcome::from(Err(error)),
        }
    }

    /// One turn of a generation: a step, or a finished picture.
    pub(super) fn generate(&mut self, stamp: Stamp, job: Arc<GenerateJob>, control: &dyn Control) -> Outcome {
        let (Some(generator), Some(model)) = (&self.generator, self.shelf.in_use()) else {
            let missing = if self.shelf.in_use().is_none() {
                EngineError::NoModel
            } else {
                EngineError::NoGenerator
            };
            return Outcome::from(Err(missing));
        };
        let mut generation = match self.generation.take() {
            Some(generation) if generation.stamp() == stamp => generation,
            _ => Generation::new(stamp, job),
        };
        match contained("generating", || generation.turn(generator, model, control)) {
            Ok(Turn::Step(step)) => {
                self.generation = Some(generation);
                Outcome::Progressed(Event::GenerationStep {
                    stamp,
                    step: Arc::new(step),
                })
            }
            Ok(Turn::Picture(picture)) => {
                let is_last = picture.is_last;
                let event = Event::Generated {
                    stamp,
                    picture: Arc::new(picture),
                };
                if is_last {
                    return Outcome::Done(event);
                }
                self.generation = Some(generation);
                Outcome::Progressed(event)
            }
            Err(EngineError::Cancelled) => {
                // Stepped back for something else, or given up: only the queue knows.
                self.generation = Some(generation);
                Outcome::Stopped
            }
            Err(error) => Outcome::Failed(error.to_string()),
        }
    }
}
