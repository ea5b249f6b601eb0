//! How good a generator is on held-out pictures, and what it draws.

use super::bank::Latents;
use super::{GeneratorTrainer, Part, Task};
use crate::generator::{Generator, Guidance, Noise, Sampler, Settings, Solver, Start, flow_losses};
use crate::picture::Rgb8;
use crate::trainer::TrainError;
use crate::trainer::data::Dice;
use crate::trainer::evaluation::grid;
use candle_core::Device;

/// Of the noise that held-out pictures are measured with.
const HELD_OUT_SEED: u64 = 0x5EED;

impl Task {
    /// Mean loss of `generator` over held-out latents, at times spread evenly over 0..1; not a number where there are none.
    pub(super) fn held_out_loss(
        &self,
        generator: &Generator,
        held_out: &[Latents],
    ) -> Result<f64, TrainError> {
        let count: usize = held_out.iter().map(|batch| batch.labels.len()).sum();
        let mut first = 0;
        let mut parts = Vec::with_capacity(held_out.len());
        for batch in held_out {
            parts.push(measured(self, batch, first, count));
            first += batch.labels.len();
        }
        let sums = self.workers.map(&parts, |part| {
            let (point, t, labels) = self.inputs(part, &Device::Cpu)?;
            let prediction = generator.forward(&point.state, &t, &labels)?;
            let losses = flow_losses(&prediction, &point.velocity)?;
            Ok(f64::from(losses.sum_all()?.to_scalar::<f32>()?))
        })?;
        Ok(sums.iter().sum::<f64>() / count as f64)
    }
}

impl GeneratorTrainer {
    /// [`Task::held_out_loss`] of the averaged weights.
    pub(super) fn held_out_loss(&self, held_out: &[Latents]) -> Result<f64, TrainError> {
        self.task.held_out_loss(&self.averaged()?, held_out)
    }

    /// A row of samples of the averaged weights for each class shown.
    pub(super) fn sheet(&self) -> Result<Option<Rgb8>, TrainError> {
        let (task, generator) = (&self.task, self.averaged()?);
        let all = task.classes.len();
        let shown = task.config.sheet.classes.min(all);
        let classes: Vec<u32> = (0..shown).map(|row| (row * all / shown.max(1)) as u32).collect();
        let rows = task
            .workers
            .map(&classes, |class| samples(task, &generator, *class))?;
        let rows: Vec<&[Rgb8]> = rows.iter().map(Vec::as_slice).collect();
        Ok(grid(&rows, task.config.sheet.samples))
    }
}

/// Held-out latents with noise and times of their own, `first` of `count` on.
fn measured(task: &Task, batch: &Latents, first: usize, count: usize) -> Part {
    let values = task.scale.values();
    let numbers = first..first + batch.labels.len();
    Part {
        noise: numbers
            .clone()
            .flat_map(|number| {
                let mut dice = Dice::of_picture(HELD_OUT_SEED, number as u64);
                (0..values).map(move |_| dice.normal() as f32)
            })
            .collect(),
        times: numbers
            .map(|number| (number as f64 + 0.5) / count as f64)
            .collect(),
        latents: batch.values.clone(),
        labels: batch.labels.clone(),
    }
}

/// The samples of one class; the same seeds at every sheet.
fn samples(task: &Task, generator: &Generator, class: u32) -> Result<Vec<Rgb8>, TrainError> {
    let sheet = &task.config.sheet;
    let settings = Settings {
        solver: Solver::Euler,
        path: task.config.generator.path,
        steps: sheet.steps,
        guidance: Guidance {
            scale: sheet.guidance,
            ..Guidance::default()
        },
    };
    let start = Start {
        labels: vec![class; sheet.samples],
        noise: Noise::Seeds((0..sheet.samples as u64).collect()),
        original: None,
    };
    let mut sampler = Sampler::new(generator, settings, start)?;
    while !sampler.is_finished() {
        sampler.step(generator, &mut || true)?;
    }
    task.scale.pictures(sampler.state())
}
