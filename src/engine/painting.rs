//! A painting as the worker carries it out: one step at a time, so that whatever is waited for elsewhere goes between two
//! steps, and inside of one.

use super::control::Part;
use super::protocol::Stamp;
use super::{Control, EngineError, PaintFigures, PaintJob, Painting, Runner};
use crate::latent::Edit;
use crate::picture::Rgb8;
use std::sync::Arc;

/// Where a painting is.
#[derive(Debug, Clone)]
pub struct PaintStep {
    /// Steps in all.
    pub total: usize,
    /// Figures before the first step and after each one so far.
    pub curve: Vec<PaintFigures>,
    /// What the tokens look like now.
    pub picture: Arc<Rgb8>,
    /// The best tokens so far; `None` while none are better than those before the first step.
    pub best: Option<PaintBest>,
    /// Whether it is the last.
    pub is_last: bool,
}

/// The best tokens of a painting.
#[derive(Debug, Clone)]
pub struct PaintBest {
    /// Puts them in place ([`Painting::edit`]).
    pub edit: Edit,
    /// How near they come.
    pub figures: PaintFigures,
}

/// A painting under way.
pub(super) struct PaintRun {
    stamp: Stamp,
    job: Arc<PaintJob>,
    painting: Option<Painting>,
    curve: Vec<PaintFigures>,
}

impl PaintRun {
    pub(super) fn new(stamp: Stamp, job: Arc<PaintJob>) -> Self {
        Self {
            stamp,
            job,
            painting: None,
            curve: Vec::new(),
        }
    }

    /// Of the request it carries out.
    pub(super) fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// Makes the next step, or looks where the last one led. Cancelled, it goes on where it stopped at the next turn.
    pub(super) fn turn(&mut self, runner: &Runner, control: &dyn Control) -> Result<PaintStep, EngineError> {
        // What runs inside of a turn is a small part of the whole: the bar shows the whole.
        let fraction = self.curve.len() as f32 / (self.job.settings.steps + 1) as f32;
        let control = Part {
            whole: control,
            from: fraction,
            to: fraction,
        };
        control.progress(0.0);
        let mut painting = match self.painting.take() {
            Some(painting) => painting,
            None => Painting::start(runner, PaintJob::clone(&self.job), &control)?,
        };
        let is_last = painting.is_done();
        let turned = if is_last {
            painting.look_last(runner, &control)
        } else {
            painting.step(runner, &control)
        };
        let step = turned.map(|(figures, picture)| {
            self.curve.push(figures);
            PaintStep {
                total: self.job.settings.steps,
                curve: self.curve.clone(),
                picture: Arc::new(picture.to_rgb8()),
                best: best(&painting),
                is_last,
            }
        });
        self.painting = Some(painting);
        step
    }
}

fn best(painting: &Painting) -> Option<PaintBest> {
    let (_, figures) = painting.best();
    let (figures, first) = figures.zip(painting.first())?;
    (figures.step > 0 && figures.loss < first.loss).then(|| PaintBest {
        edit: painting.edit(),
        figures,
    })
}

#[cfg(test)]
impl PaintRun {
    /// Mark of the tokens: their first value.
    pub(super) fn mark(&self) -> f32 {
        self.job.start.values[0]
    }

    /// A step without a model: the error falls by half.
    pub(super) fn made_up(&mut self) -> PaintStep {
        let step = self.curve.len();
        let figures = PaintFigures {
            step,
            region: 0.5_f64.powi(step as i32),
            rest: 0.0,
            loss: 0.5_f64.powi(step as i32),
        };
        self.curve.push(figures);
        PaintStep {
            total: self.job.settings.steps,
            curve: self.curve.clone(),
            picture: Arc::new(Rgb8::filled(1, 1, [0; 3])),
            best: (step > 0).then(|| PaintBest {
                edit: Edit::Zero { tokens: vec![0] },
                figures,
            }),
            is_last: step == self.job.settings.steps,
        }
    }
}
