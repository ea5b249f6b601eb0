//! What lies behind a row of values: its codebook segment and the mixture that an edit of weights starts from.

use super::{Codebook, LatentState, Mixture, posterior, project_onto_hull};

/// The codebook segment that row `token` belongs to: that of its mixture, else that of the place its encoder output
/// came from (a swap may have moved it), else that of its place.
pub fn segment_behind(
    codebook: &Codebook,
    original: &LatentState,
    state: &LatentState,
    token: usize,
) -> usize {
    if let Some(mixture) = state.mixture(token) {
        return mixture.segment;
    }
    let count = state.z.count;
    let h = state.h_row(token);
    let is_at_home = h == original.h_row(token);
    let home = if is_at_home {
        None
    } else {
        (0..count).find(|&place| h.is_some() && original.h_row(place) == h)
    };
    codebook.segment_of(home.unwrap_or(token), count)
}

/// The mixture that `set_weights` and `harden` start from: the token's own, else that of the encoder output behind it
/// at the model's tau, else the nearest to its values.
pub fn editable_mixture(
    codebook: &Codebook,
    original: &LatentState,
    state: &LatentState,
    token: usize,
) -> Mixture {
    if let Some(mixture) = state.mixture(token) {
        return mixture.clone();
    }
    let segment = segment_behind(codebook, original, state, token);
    match state.h_row(token) {
        Some(h) => posterior(codebook, segment, h, codebook.tau),
        None => project_onto_hull(codebook, segment, state.z.row(token)).mixture,
    }
}
