//! Tokens from soft to hard.

use super::{Control, EngineError, Runner};
use crate::analysis::mixture_figures;
use crate::latent::{self, Edit, LatentState};
use crate::picture::Planar;

/// How sharp the mixtures of a picture are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sharpness {
    /// At this temperature.
    Tau(f32),
    /// One codeword each.
    Hard,
}

/// Temperatures of a sweep as multiples of the model's own, soft to hard.
const FACTORS: [f32; 9] = [16.0, 8.0, 4.0, 2.0, 1.0, 0.5, 0.25, 0.125, 0.0625];

impl Sharpness {
    /// The steps of a sweep around a model's own temperature `tau`, which is one of them, soft to hard; one codeword
    /// each comes last.
    pub fn sweep(tau: f32) -> Vec<Self> {
        let soft = FACTORS.iter().map(|factor| Self::Tau(tau * factor));
        soft.chain([Self::Hard]).collect()
    }
}

/// A picture at one sharpness.
#[derive(Debug, Clone)]
pub struct SweepStep {
    /// How sharp.
    pub sharpness: Sharpness,
    /// Mean entropy of the mixtures, nats.
    pub entropy_nats: f64,
    /// The decode.
    pub picture: Planar,
}

impl Runner {
    /// Decodes a picture with all its tokens at each sharpness.
    ///
    /// # Errors
    /// A model that does not mix codewords, an encoder output that is not known, as [`Runner::decode`].
    pub fn sharpness_sweep(
        &self,
        state: &LatentState,
        steps: &[Sharpness],
        control: &dyn Control,
    ) -> Result<Vec<SweepStep>, EngineError> {
        let space = &self.info().space;
        let all: Vec<usize> = (0..state.z.count).collect();
        let mut states = Vec::with_capacity(steps.len());
        for (index, sharpness) in steps.iter().enumerate() {
            let edit = match sharpness {
                Sharpness::Tau(tau) => Edit::Temperature {
                    tokens: all.clone(),
                    tau: *tau,
                },
                Sharpness::Hard => Edit::Harden {
                    tokens: all.clone(),
                    top: 1,
                },
            };
            let mut edited = state.clone();
            latent::apply(space, state, &mut edited, &edit).map_err(|source| EngineError::Edit {
                index,
                count: steps.len(),
                source,
            })?;
            states.push(edited);
        }
        let tokens: Vec<_> = states.iter().map(|state| state.z.clone()).collect();
        let mut pictures = Vec::with_capacity(steps.len());
        self.decode_each(&tokens, control, |picture| pictures.push(picture))?;
        let steps = steps.iter().zip(&states).zip(pictures);
        Ok(steps
            .map(|((sharpness, state), picture)| SweepStep {
                sharpness: *sharpness,
                entropy_nats: mean_entropy(state),
                picture,
            })
            .collect())
    }
}

fn mean_entropy(state: &LatentState) -> f64 {
    let mixtures = (0..state.z.count).filter_map(|token| state.mixture(token));
    let sum: f64 = mixtures
        .map(|mixture| mixture_figures(mixture).entropy_nats)
        .sum();
    sum / state.z.count.max(1) as f64
}
