//! How a picture is made up of its tokens: pairs, orders, directions.

use super::control::{Batched, Part};
use super::influence::Quiet;
use super::{Ablation, Control, EngineError, Runner};
use crate::analysis::{
    Interactions, KeptQuality, OrderCurves, STEPS, beyond_the_sum, mean_change, planar_mse, singular_values,
};
use crate::latent::{LatentState, Tokens};
use crate::picture::Planar;

impl Runner {
    /// What each pair of the given tokens changes beyond the sum of both alone. Takes a decode for every pair.
    ///
    /// # Errors
    /// As [`Runner::influence`].
    pub fn interactions(
        &self,
        state: &LatentState,
        tokens: &[usize],
        ablation: Ablation,
        control: &dyn Control,
    ) -> Result<Interactions, EngineError> {
        let whole = self.decode_one(&state.z, &Quiet(control))?;
        let mut alone: Vec<Planar> = Vec::with_capacity(tokens.len());
        self.without_each(state, tokens, ablation, &Quiet(control), |picture| {
            alone.push(picture);
        })?;
        let own: Vec<f64> = alone
            .iter()
            .map(|picture| mean_change(&whole.data, &picture.data))
            .collect();
        let mut found = Interactions::new(tokens, &own);
        let size = tokens.len();
        let mut done = 0;
        for (row, (token, without)) in tokens.iter().zip(&alone).enumerate() {
            let ablated =
                self.pairs_with(state, *token, tokens.get(row + 1..).unwrap_or_default(), ablation)?;
            let part = Batched::new(control, done, ablated.len(), size * size.saturating_sub(1) / 2);
            let mut others = alone.iter().enumerate().skip(row + 1);
            self.decode_each(&ablated, &part, |both| {
                if let Some((column, other)) = others.next() {
                    let change = beyond_the_sum(&whole.data, &without.data, &other.data, &both.data);
                    found.set(row, column, change);
                }
            })?;
            done += ablated.len();
        }
        Ok(found)
    }

    /// The tokens without `token` and without each of `others`.
    fn pairs_with(
        &self,
        state: &LatentState,
        token: usize,
        others: &[usize],
        ablation: Ablation,
    ) -> Result<Vec<Tokens>, EngineError> {
        let space = &self.info().space;
        let without = ablation.without(space, state, token)?;
        let both = |other: &usize| {
            let mut both = ablation.without(space, state, *other)?;
            both.row_mut(token).copy_from_slice(without.row(token));
            Ok(both)
        };
        others.iter().map(both).collect()
    }

    /// Quality by the number of tokens kept, the others at the data-set mean, against `reference` (of the decoder's
    /// size). Takes about L^2 / 2 decodes.
    ///
    /// # Errors
    /// As [`Runner::decode`]; a reference of another size.
    pub fn order_curves(
        &self,
        z: &Tokens,
        reference: &Planar,
        control: &dyn Control,
    ) -> Result<OrderCurves, EngineError> {
        let side = self.info().args.image_size;
        if reference.data.len() != 3 * side * side {
            return Err(EngineError::PictureSize {
                width: reference.width,
                height: reference.height,
                side,
            });
        }
        let order = Order {
            runner: self,
            z,
            reference,
        };
        let part = |from, to| Part {
            whole: control,
            from,
            to,
        };
        let share = 2.0 / (z.count as f32 + 4.0);
        Ok(OrderCurves {
            prefix: order.prefix(&part(0.0, share))?,
            greedy: order.greedy(&part(share, 1.0))?,
        })
    }

    /// Singular values of the Jacobian of the decoder's output with respect to one token, largest first, D of them: for
    /// a move of the token by one latent deviation along each singular direction, the root mean square change of the
    /// picture in steps of 8-bit values.
    ///
    /// # Errors
    /// As [`Runner::directional_derivatives`]; [`EngineError::TokenShape`] for a token that does not exist.
    pub fn sensitivity_spectrum(
        &self,
        z: &Tokens,
        token: usize,
        control: &dyn Control,
    ) -> Result<Vec<f64>, EngineError> {
        let space = &self.info().space;
        if token >= z.count {
            return Err(EngineError::TokenShape {
                count: token + 1,
                dim: z.dim,
                model_count: space.token_count,
                model_dim: space.dim,
            });
        }
        let columns = self.token_jacobian(z, token, control)?;
        let columns: Vec<&[f32]> = columns.iter().map(|column| column.data.as_slice()).collect();
        let values = columns.first().map_or(1, |column| column.len().max(1)) as f64;
        let unit = STEPS * f64::from(space.std) / values.sqrt();
        Ok(singular_values(&columns)
            .into_iter()
            .map(|value| unit * value)
            .collect())
    }

    /// The D columns of the Jacobian of the decoder's output with respect to one token, [3, H, W] each.
    ///
    /// # Errors
    /// As [`Runner::directional_derivatives`].
    pub fn token_jacobian(
        &self,
        z: &Tokens,
        token: usize,
        control: &dyn Control,
    ) -> Result<Vec<Planar>, EngineError> {
        let axis = |dim: usize| {
            let mut axis = Tokens {
                values: vec![0.0; z.values.len()],
                ..*z
            };
            if let Some(value) = axis.row_mut(token).get_mut(dim) {
                *value = 1.0;
            }
            axis
        };
        let axes: Vec<Tokens> = (0..z.dim).map(axis).collect();
        self.directional_derivatives(z, &axes, control)
    }
}

/// Tokens kept one after the other.
struct Order<'a> {
    runner: &'a Runner,
    z: &'a Tokens,
    reference: &'a Planar,
}

impl Order<'_> {
    /// All tokens at the data-set mean.
    fn nothing(&self) -> Tokens {
        Tokens {
            values: vec![self.runner.info().space.mean; self.z.values.len()],
            ..*self.z
        }
    }

    fn with(&self, kept: &Tokens, token: usize) -> Tokens {
        let mut more = kept.clone();
        more.row_mut(token).copy_from_slice(self.z.row(token));
        more
    }

    fn errors(&self, all: &[Tokens], control: &dyn Control) -> Result<Vec<f64>, EngineError> {
        let mut errors = Vec::with_capacity(all.len());
        self.runner.decode_each(all, control, |picture| {
            errors.push(planar_mse(&picture.data, &self.reference.data));
        })?;
        Ok(errors)
    }

    fn prefix(&self, control: &dyn Control) -> Result<Vec<KeptQuality>, EngineError> {
        let mut kept = vec![self.nothing()];
        for token in 0..self.z.count {
            kept.extend(kept.last().map(|before| self.with(before, token)));
        }
        let errors = self.errors(&kept, control)?;
        let quality = |(kept, mse): (usize, f64)| KeptQuality::new(kept, kept.checked_sub(1), mse);
        Ok(errors.into_iter().enumerate().map(quality).collect())
    }

    fn greedy(&self, control: &dyn Control) -> Result<Vec<KeptQuality>, EngineError> {
        let mut kept = self.nothing();
        let none = self.errors(std::slice::from_ref(&kept), &Quiet(control))?;
        let mut curve: Vec<KeptQuality> = none
            .into_iter()
            .map(|mse| KeptQuality::new(0, None, mse))
            .collect();
        let mut left: Vec<usize> = (0..self.z.count).collect();
        let all = left.len() * (left.len() + 1) / 2;
        let mut done = 0;
        while !left.is_empty() {
            let candidates: Vec<Tokens> = left.iter().map(|token| self.with(&kept, *token)).collect();
            let errors = self.errors(&candidates, &Batched::new(control, done, left.len(), all))?;
            done += left.len();
            let best = errors
                .into_iter()
                .enumerate()
                .min_by(|(_, a), (_, b)| a.total_cmp(b));
            let Some((place, mse)) = best else { break };
            let token = left.remove(place);
            kept = self.with(&kept, token);
            curve.push(KeptQuality::new(curve.len(), Some(token), mse));
        }
        Ok(curve)
    }
}
