//! Token to pixels: what the picture loses without a token.

use super::{Control, EngineError, Runner};
use crate::analysis::InfluenceMaps;
use crate::latent::{self, Edit, LatentState, Tokens};

/// Decodes that go through the model together.
const BATCH: usize = 8;

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
        let space = &self.info().space;
        let count = space.token_count;
        let whole = self.decode(&[&state.z], &Quiet(control))?;
        let whole = whole
            .first()
            .ok_or_else(|| EngineError::Model("it gave nothing for one picture".to_owned()))?;
        let mut signed = Vec::with_capacity(count * whole.data.len());
        for start in (0..count).step_by(BATCH) {
            let ablated = (start..count.min(start + BATCH))
                .map(|token| without(space, state, &ablation.of(token)))
                .collect::<Result<Vec<Tokens>, _>>()?;
            for picture in self.decode(&ablated.iter().collect::<Vec<_>>(), &Quiet(control))? {
                signed.extend(
                    whole
                        .data
                        .iter()
                        .zip(&picture.data)
                        .map(|(whole, without)| whole - without),
                );
            }
            control.progress((start + ablated.len()) as f32 / count.max(1) as f32);
        }
        InfluenceMaps::new(whole.width as usize, whole.height as usize, signed)
            .ok_or_else(|| EngineError::Model("its pictures differ in size".to_owned()))
    }
}

fn without(space: &latent::LatentSpace, state: &LatentState, ablation: &Edit) -> Result<Tokens, EngineError> {
    let mut ablated = state.clone();
    latent::apply(space, state, &mut ablated, ablation).map_err(|source| EngineError::Edit {
        index: 0,
        count: 1,
        source,
    })?;
    Ok(ablated.z)
}

/// Cancels with the whole; the progress of a single decode is not told.
struct Quiet<'a>(&'a dyn Control);

impl Control for Quiet<'_> {
    fn progress(&self, _fraction: f32) {}
    fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }
}
