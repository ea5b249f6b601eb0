//! Latent tokens as plain numbers: tokens, codewords, mixtures, normal distributions, and what an edit does to them.
//! Pure: no candle graph, no files, no state of its own.

mod apply;
mod behind;
mod checks;
mod edit;
mod error;
mod gaussian;
mod hull;
mod json;
mod label;
mod mixture;
mod nearest;
mod rows;
mod state;

pub use apply::apply;
pub use behind::{editable_mixture, segment_behind};
pub use edit::{BlendMode, DirectionSource, Edit, Rest, TokenSource};
pub use error::EditError;
pub use gaussian::GaussianRow;
pub use hull::{HullProjection, project_onto_hull};
pub use mixture::posterior;
pub use nearest::{codeword_distances, nearest_codeword};
pub use rows::blend_rows;
pub use state::{Assignment, Bottleneck, Codebook, LatentSpace, LatentState, Mixture, Tokens};
