//! Adam and AdamW with clipping and a running average, in one sweep over each parameter.

use super::values::{values_mut, with_values};
use super::{OptimiserConfig, OptimiserKind, TrainError};
use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, Device, InplaceOp1, Layout, Result, Tensor, Var};
use rayon::prelude::*;
use std::sync::Mutex;

/// One parameter with all that the optimiser knows of it.
#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) key: String,
    pub(super) var: Var,
    /// Running mean of the gradient.
    pub(super) first_moment: Vec<f32>,
    /// Running mean of its square.
    pub(super) second_moment: Vec<f32>,
    /// Running average of the weights.
    pub(super) average: Vec<f32>,
    /// Neither gradients nor decay move it.
    pub(super) is_fixed: bool,
    /// What passes read where they are not computed on the CPU: a copy that follows `var`.
    twin: Option<Var>,
    /// Sum of the parts' gradients of the step under way.
    gradient: Vec<f32>,
}

impl Parameter {
    /// A parameter at the start of a run.
    pub(super) fn new(key: String, var: Var) -> Result<Self> {
        let average = with_values(var.as_tensor(), <[f32]>::to_vec)?;
        Ok(Self {
            key,
            var,
            first_moment: vec![0.0; average.len()],
            second_moment: vec![0.0; average.len()],
            gradient: vec![0.0; average.len()],
            average,
            is_fixed: false,
            twin: None,
        })
    }

    /// Makes `device` the one that passes are computed on.
    pub(super) fn place(&mut self, device: &Device) -> Result<()> {
        self.twin = match device {
            Device::Cpu => None,
            _ => Some(Var::from_tensor(&self.var.to_device(device)?)?),
        };
        Ok(())
    }

    /// What a loss is computed with: gradients reach it where it learns.
    pub(super) fn in_graph(&self) -> Tensor {
        let tensor = self.learning();
        if self.is_fixed {
            tensor.detach()
        } else {
            tensor.clone()
        }
    }

    /// The tensor that gradients are of.
    fn learning(&self) -> &Tensor {
        self.twin.as_ref().unwrap_or(&self.var).as_tensor()
    }

    /// Brings a change of the weights to where passes read them.
    fn publish(&self) -> Result<()> {
        match &self.twin {
            Some(twin) => twin.set(&self.var.to_device(twin.device())?),
            None => Ok(()),
        }
    }

    /// Weight decay is for matrices; norms, biases, tokens and positions keep their size.
    fn decays(&self) -> bool {
        self.key.ends_with(".weight") && self.var.dims().len() > 1
    }

    /// Adds the gradients of several backward passes; gives back the sum of squares so far.
    fn add(&mut self, stores: &[&GradStore], factor: f32) -> Result<f64> {
        for store in stores {
            // The loss may not reach every parameter.
            let Some(gradient) = store.get(self.learning()) else {
                continue;
            };
            with_values(&gradient.contiguous()?.to_device(&Device::Cpu)?, |values| {
                for (sum, value) in self.gradient.iter_mut().zip(values) {
                    *sum += factor * value;
                }
            })?;
        }
        let squares = self.gradient.chunks(1024).map(|chunk| {
            let sum: f32 = chunk.iter().map(|value| value * value).sum();
            f64::from(sum)
        });
        Ok(squares.sum())
    }
}

/// Constants of one step.
#[derive(Debug, Clone, Copy)]
struct Step {
    learning_rate: f32,
    /// Clipping.
    gradient_factor: f32,
    beta1: f32,
    beta2: f32,
    /// 1 / (1 - beta^t), which makes up for moments that start at 0.
    first_correction: f32,
    second_correction: f32,
    epsilon: f32,
    decay: f32,
    /// Of the running average.
    average_decay: f32,
}

struct Update<'a> {
    step: Step,
    state: Mutex<State<'a>>,
}

struct State<'a> {
    gradient: &'a mut [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
    average: &'a mut [f32],
}

impl InplaceOp1 for Update<'_> {
    fn name(&self) -> &'static str {
        "adam"
    }

    fn cpu_fwd(&self, weights: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let mut state = self
            .state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let State {
            gradient,
            first,
            second,
            average,
        } = &mut *state;
        let step = self.step;
        let moments = first.iter_mut().zip(second.iter_mut());
        let weights = values_mut(weights, layout)?.iter_mut().zip(average.iter_mut());
        for (((weight, average), gradient), (first, second)) in weights.zip(gradient.iter_mut()).zip(moments)
        {
            let clipped = *gradient * step.gradient_factor;
            *gradient = 0.0;
            *first += (1.0 - step.beta1) * (clipped - *first);
            *second += (1.0 - step.beta2) * (clipped * clipped - *second);
            let size = (*second * step.second_correction).sqrt() + step.epsilon;
            let change = *first * step.first_correction / size + step.decay * *weight;
            *weight -= step.learning_rate * change;
            *average += (1.0 - step.average_decay) * (*weight - *average);
        }
        Ok(())
    }
}

/// The parameters of a run and how they move.
#[derive(Debug)]
pub(super) struct Optimiser {
    config: OptimiserConfig,
    pub(super) parameters: Vec<Parameter>,
}

impl Optimiser {
    pub(super) fn new(config: OptimiserConfig, parameters: Vec<Parameter>) -> Self {
        Self { config, parameters }
    }

    /// Adds the gradients of several backward passes, each times `factor`; gives back the norm of the sum so far.
    pub(super) fn add(&mut self, stores: &[&GradStore], factor: f64) -> Result<f64> {
        let squares: Vec<f64> = self
            .parameters
            .par_iter_mut()
            .map(|parameter| parameter.add(stores, factor as f32))
            .collect::<Result<_>>()?;
        Ok(squares.iter().sum::<f64>().sqrt())
    }

    /// Moves every parameter by the gradients added since the last step, whose norm is given, and forgets them.
    /// `step` counts from 0.
    pub(super) fn step(
        &mut self,
        step: u64,
        norm: f64,
        learning_rate: f64,
    ) -> std::result::Result<(), TrainError> {
        if !norm.is_finite() {
            return Err(TrainError::Diverged {
                what: "gradient",
                step,
            });
        }
        let config = &self.config;
        let correction = |beta: f64| (1.0 / (1.0 - beta.powf((step + 1) as f64))) as f32;
        let is_clipped = config.clip > 0.0 && norm > config.clip;
        let average_decay = config.ema.min((1 + step) as f64 / (10 + step) as f64);
        let constants = Step {
            learning_rate: learning_rate as f32,
            gradient_factor: if is_clipped {
                (config.clip / norm) as f32
            } else {
                1.0
            },
            beta1: config.beta1 as f32,
            beta2: config.beta2 as f32,
            first_correction: correction(config.beta1),
            second_correction: correction(config.beta2),
            epsilon: config.epsilon as f32,
            decay: 0.0,
            average_decay: average_decay as f32,
        };
        let decay = match config.kind {
            OptimiserKind::Adam => 0.0,
            OptimiserKind::AdamW => config.weight_decay as f32,
        };
        let learning = self
            .parameters
            .par_iter_mut()
            .filter(|parameter| !parameter.is_fixed);
        learning.try_for_each(|parameter| {
            let decay = if parameter.decays() { decay } else { 0.0 };
            let update = Update {
                step: Step { decay, ..constants },
                state: Mutex::new(State {
                    gradient: &mut parameter.gradient,
                    first: &mut parameter.first_moment,
                    second: &mut parameter.second_moment,
                    average: &mut parameter.average,
                }),
            };
            parameter.var.as_tensor().inplace_op1(&update)?;
            parameter.publish()
        })?;
        Ok(())
    }
}
