//! Latents that a run is given: noised as its steps expect them, and the tokens of them that stay.

use super::Sampler;
use crate::generator::GeneratorError;

/// Latents that a run starts from or keeps, in the generator's scale.
#[derive(Debug, Clone, PartialEq)]
pub struct Original {
    /// A batch of latents, row-major.
    pub data: Vec<f64>,
    /// How much of it is noise at the start: above 0 (nearly none) up to 1 (nothing but noise).
    pub t: f64,
    /// Tokens of the sequence that stay as they are.
    pub held: Vec<usize>,
}

impl Original {
    /// Refuses latents that are not `values` numbers, and tokens to hold that a sequence of `tokens` (count, width) does
    /// not have.
    pub(super) fn check(&self, values: usize, tokens: Option<(usize, usize)>) -> Result<(), GeneratorError> {
        let refuse = |text: String| Err(GeneratorError::sampling(text));
        if self.data.len() != values {
            return refuse(format!(
                "the given tokens are {} values and the generator's are {values}: they belong to another model",
                self.data.len()
            ));
        }
        if !(self.t > 0.0 && self.t <= 1.0) {
            return refuse(format!(
                "the noise level is {}; it lies above 0 and up to 1",
                self.t
            ));
        }
        let count = tokens.map_or(0, |(count, _)| count);
        match self.held.iter().find(|token| **token >= count) {
            Some(token) => refuse(format!("there is no token {token}: the generator has {count}")),
            None => Ok(()),
        }
    }
}

impl Sampler {
    /// Puts the originals, noised as the next step expects it, where `is_wanted` says so of the token.
    pub(super) fn mix_original(&mut self, is_wanted: impl Fn(usize) -> bool) {
        let Some(original) = &self.original else { return };
        let (alpha, sigma) = self.steps.mixing_factors(self.settings.path, self.done);
        let (count, width) = (self.shape.get(1).copied().unwrap_or(1).max(1), self.token_width);
        let values = original.data.iter().zip(&self.start_noise);
        for (index, (state, (data, noise))) in self.state.iter_mut().zip(values).enumerate() {
            let token = index.checked_div(width).unwrap_or_default() % count;
            if is_wanted(token) {
                *state = alpha * data + sigma * noise;
            }
        }
    }

    /// As RePaint does it (arXiv 2201.09865): before every step the held tokens are their originals at its noise level.
    pub(super) fn mix_original_held(&mut self) {
        if let Some(original) = &self.original
            && !original.held.is_empty()
        {
            let held = original.held.clone();
            self.mix_original(|token| held.contains(&token));
        }
    }

    /// Held tokens are known at every step, and exactly so at the end.
    pub(super) fn restore_held(&mut self) {
        let Some(original) = &self.original else { return };
        let is_finished = self.done >= self.steps.count();
        let width = self.token_width.max(1);
        let tokens_per_picture = self.shape.get(1).copied().unwrap_or(1).max(1);
        for (index, chunk) in original.data.chunks_exact(width).enumerate() {
            if !original.held.contains(&(index % tokens_per_picture)) {
                continue;
            }
            let place = index * width..(index + 1) * width;
            if let Some(estimate) = self.estimate.get_mut(place.clone()) {
                estimate.copy_from_slice(chunk);
            }
            if let Some(state) = self.state.get_mut(place).filter(|_| is_finished) {
                state.copy_from_slice(chunk);
            }
        }
    }
}
