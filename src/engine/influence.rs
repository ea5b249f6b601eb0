//! Token to pixels: what the picture loses without a token, and what its derivative says of it.

use super::control::Batched;
use super::jacobian::BATCH;
use super::{Control, EngineError, Runner};
use crate::analysis::InfluenceMaps;
use crate::latent::{self, Edit, LatentSpace, LatentState, Tokens};
use crate::picture::Planar;

/// What takes a token's place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Ablation {
    /// The data-set mean of the latent: the least informative value.
    Mean,
    /// Zero.
    Zero,
    /// The token plus Gaussian noise: how sensitive the picture is to it.
    Noise {
        /// In units of the latent's deviation.
        sigma: f32,
        /// Each token gets a stream of its own.
        seed: u64,
    },
}

impl Ablation {
    fn of(self, token: usize) -> Edit {
        let tokens = vec![token];
        match self {
            Self::Mean => Edit::Mean { tokens },
            Self::Zero => Edit::Zero { tokens },
            Self::Noise { sigma, seed } => Edit::Noise {
                tokens,
                sigma,
                seed: seed.wrapping_add(token as u64),
            },
        }
    }

    /// The tokens with one of them replaced.
    pub(super) fn without(
        self,
        space: &LatentSpace,
        state: &LatentState,
        token: usize,
    ) -> Result<Tokens, EngineError> {
        let mut ablated = state.clone();
        latent::apply(space, state, &mut ablated, &self.of(token)).map_err(|source| EngineError::Edit {
            index: 0,
            count: 1,
            source,
        })?;
        Ok(ablated.z)
    }
}

impl Runner {
    /// Decodes the tokens whole and with each token in turn ablated.
    ///
    /// # Errors
    /// As [`Runner::decode`]; an ablation that cannot be applied.
    pub fn influence(
        &self,
        state: &LatentState,
        ablation: Ablation,
        control: &dyn Control,
    ) -> Result<InfluenceMaps, EngineError> {
        let count = self.info().space.token_count;
        let whole = self.decode_one(&state.z, &Quiet(control))?;
        let tokens: Vec<usize> = (0..count).collect();
        let mut signed = Vec::with_capacity(count * whole.data.len());
        self.without_each(state, &tokens, ablation, control, |picture| {
            let pairs = whole.data.iter().zip(&picture.data);
            signed.extend(pairs.map(|(whole, without)| whole - without));
        })?;
        maps(&whole, signed)
    }

    /// What [`Runner::influence`] would find were the decoder linear around the tokens: its derivative along the way
    /// from what takes a token's place to the token. Signed, in the same units.
    ///
    /// # Errors
    /// As [`Runner::influence`].
    pub fn influence_by_gradient(
        &self,
        state: &LatentState,
        ablation: Ablation,
        control: &dyn Control,
    ) -> Result<InfluenceMaps, EngineError> {
        let space = &self.info().space;
        let whole = self.decode_one(&state.z, &Quiet(control))?;
        let ways = (0..space.token_count)
            .map(|token| Ok(way(&ablation.without(space, state, token)?, &state.z)))
            .collect::<Result<Vec<Tokens>, EngineError>>()?;
        let derivatives = self.directional_derivatives(&state.z, &ways, control)?;
        let signed = derivatives.into_iter().flat_map(|picture| picture.data);
        maps(&whole, signed.collect())
    }

    /// Calls `each` with the decode without each of the tokens, in order.
    pub(super) fn without_each(
        &self,
        state: &LatentState,
        tokens: &[usize],
        ablation: Ablation,
        control: &dyn Control,
        each: impl FnMut(Planar),
    ) -> Result<(), EngineError> {
        let space = &self.info().space;
        let ablated = tokens
            .iter()
            .map(|token| ablation.without(space, state, *token))
            .collect::<Result<Vec<Tokens>, _>>()?;
        self.decode_each(&ablated, control, each)
    }

    /// Calls `each` with the decode of each, in order, several at a time through the model.
    pub(super) fn decode_each(
        &self,
        all: &[Tokens],
        control: &dyn Control,
        mut each: impl FnMut(Planar),
    ) -> Result<(), EngineError> {
        for (index, batch) in all.chunks(BATCH).enumerate() {
            let part = Batched::new(control, index * BATCH, batch.len(), all.len());
            self.decode(&batch.iter().collect::<Vec<_>>(), &part)?
                .into_iter()
                .for_each(&mut each);
        }
        Ok(())
    }

    pub(super) fn decode_one(&self, z: &Tokens, control: &dyn Control) -> Result<Planar, EngineError> {
        let decoded = self.decode(&[z], control)?.into_iter().next();
        decoded.ok_or_else(|| EngineError::Model("it gave nothing for one picture".to_owned()))
    }
}

/// `to` - `from`.
fn way(from: &Tokens, to: &Tokens) -> Tokens {
    Tokens {
        values: to
            .values
            .iter()
            .zip(&from.values)
            .map(|(to, from)| to - from)
            .collect(),
        ..*to
    }
}

fn maps(picture: &Planar, signed: Vec<f32>) -> Result<InfluenceMaps, EngineError> {
    InfluenceMaps::new(picture.width as usize, picture.height as usize, signed)
        .ok_or_else(|| EngineError::Model("its pictures differ in size".to_owned()))
}

/// Cancels with the whole; the progress of a single decode is not told.
pub(super) struct Quiet<'a>(pub(super) &'a dyn Control);

impl Control for Quiet<'_> {
    fn progress(&self, _fraction: f32) {}
    fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }
}
