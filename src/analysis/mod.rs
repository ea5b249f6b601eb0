//! Figures about pictures and tokens, and the pictures that show them. Pure functions, no state.

mod agreement;
mod atlas;
mod channels;
mod components;
mod difference;
mod draw;
mod embedding;
mod heat;
mod hull;
mod influence;
mod interaction;
mod metrics;
mod order;
mod probe;
mod ridge;
mod separation;
mod share;
mod spectrum;
mod summary;
mod tokens;
mod usage;

/// What is told of a long calculation: the share done, 0..1. It ends without a result once this gives false.
pub type Watch<'a> = &'a (dyn Fn(f32) -> bool + Sync);

pub use agreement::{Agreement, TokenAgreement, agreement, rank_correlation};
pub use atlas::CodewordAtlas;
pub use channels::ChannelChanges;
pub use components::{Components, principal_components};
pub use difference::{category_colours, difference_map, heat_colours, signed_difference};
pub(crate) use draw::{mixed_order, shuffled};
pub use embedding::{principal_plane, tsne};
pub use heat::HeatMaps;
pub use hull::{HullGauge, hull_gauge};
pub(crate) use influence::STEPS;
pub use influence::{InfluenceMaps, TokenInfluence};
pub use interaction::{Interactions, PairChange};
pub(crate) use interaction::{beyond_the_sum, mean_change};
pub use metrics::{PictureMetrics, compare};
pub(crate) use order::mean_squares;
pub use order::{KeptQuality, OrderCurves, planar_mse};
pub use probe::{
    ClassProbe, ClassProbes, NumberProbe, NumberProbes, Split, TokenRows, probe_classes, probe_numbers,
};
pub use separation::{MeanDifference, Separation, mean_difference};
pub use share::{Hits, area_under_curve};
pub use spectrum::singular_values;
pub use summary::MetricsSummary;
pub use tokens::{
    MixtureFigures, TokenQuantity, encoder_codeword, mixture_figures, nearest_codewords, quantities,
    token_quantity, top_codewords,
};
pub use usage::{CodewordPair, CodewordUse, CodewordUser, PAIR_DEPTH, SegmentUse, UsageCounter};
