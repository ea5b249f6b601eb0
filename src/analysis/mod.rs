//! Figures about pictures and tokens, and the pictures that show them. Pure functions, no state.

mod difference;
mod influence;
mod metrics;
mod summary;
mod tokens;

pub use difference::{difference_map, heat_colours, signed_difference};
pub use influence::{InfluenceMaps, TokenInfluence};
pub use metrics::{PictureMetrics, compare};
pub use summary::MetricsSummary;
pub use tokens::{
    MixtureFigures, TokenQuantity, encoder_codeword, mixture_figures, nearest_codewords, quantities,
    token_quantity, top_codewords,
};
