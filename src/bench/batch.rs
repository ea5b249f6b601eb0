//! Whether decoding several positions of a drag together pays on this machine.

use super::drag::{POSITIONS_AHEAD, ahead};
use super::timing::Timing;
use crate::engine::{EngineError, NoControl, Runner};
use crate::latent::{Edit, LatentState, Tokens, apply};
use std::time::Duration;

/// The positions that the window decodes ahead of a drag, in one batch and one by one, by the call that the engine makes
/// for them: previews in 8 bits where the model has near ones, else exact pictures.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct BatchBench {
    /// Positions, each a decode.
    pub positions: usize,
    /// A position of all in one batch.
    pub together: Timing,
    /// A position of all one by one.
    pub one_by_one: Timing,
    /// Best time of a position by itself over that in the batch: above 1, the batch pays.
    pub speed_ratio: f64,
    /// The same of the medians.
    pub median_ratio: f64,
}

impl BatchBench {
    /// Decodes positions of a drag over `state`, by turns, for twice the budget.
    ///
    /// # Errors
    /// What the model's passes return.
    pub(super) fn of(runner: &Runner, state: &LatentState, budget: Duration) -> Result<Self, EngineError> {
        let states = ahead().map(|edits| moved(runner, state, &edits));
        let states = states.collect::<Result<Vec<_>, _>>()?;
        let tokens: Vec<&Tokens> = states.iter().map(|state| &state.z).collect();
        let decode = |tokens: &[&Tokens]| runner.decode_ahead(tokens, &NoControl).map(drop);
        let one_by_one = || tokens.iter().try_for_each(|tokens| decode(&[tokens]));
        let [together, one_by_one] = Timing::by_turns(2 * budget, || Ok(()), || decode(&tokens), one_by_one)?
            .map(|timing| timing.shared_by(POSITIONS_AHEAD));
        Ok(Self {
            positions: POSITIONS_AHEAD,
            together,
            one_by_one,
            speed_ratio: one_by_one.best_ms / together.best_ms,
            median_ratio: one_by_one.median_ms / together.median_ms,
        })
    }
}

/// `state` after edits.
fn moved(runner: &Runner, state: &LatentState, edits: &[Edit]) -> Result<LatentState, EngineError> {
    let mut moved = state.clone();
    for edit in edits {
        apply(&runner.info().space, state, &mut moved, edit)
            .map_err(|error| EngineError::Model(error.to_string()))?;
    }
    Ok(moved)
}
