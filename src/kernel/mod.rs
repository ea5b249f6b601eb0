//! Products and what surrounds them on the CPU: packed weights, a register tile for each instruction set, attention
//! and norms over activations that stay in one layout from the first to the last operation of a pass.
//!
//! Knows slices and sizes, no models. Activations are *panel-major*: channels in panels of [`PANEL`], each panel
//! [rows, PANEL] contiguous, so that a product's output panel is one piece of memory, a task of its own, and lies as
//! the next product reads it. Channels are padded to whole panels; what is beyond their number is 0. Activations in 8
//! bits exist only between what writes them, a norm or [`quantise()`], and a product: they lie in tiles of rows.
//!
//! Every sum is taken in one order whatever the number of threads and wherever a row lies, so results depend on
//! neither.

mod attention;
mod columns;
#[cfg(feature = "cuda")]
pub(crate) mod cuda;
mod format;
mod gelu;
mod head_norm;
mod isa;
pub(crate) mod math;
mod norm;
mod product;
mod quantise;
mod row_product;
mod rows;
mod tile;
mod weight;
mod words;

pub(crate) use attention::{Attention, Rotation};
pub(crate) use columns::pack_columns;
pub(crate) use format::{FloatFormat, Format, Levels, Operand};
pub(crate) use gelu::{gelu_slopes, gelu_tanh_slopes};
pub(crate) use head_norm::HeadNorm;
pub(crate) use isa::Isa;
pub(crate) use norm::{LayerNorm, Modulation, RowStatistics, Steered};
pub(crate) use product::{Finish, Gate, product};
pub(crate) use quantise::quantise;
pub(crate) use row_product::{Activation, product_of_many_rows, product_of_rows, product_to_rows};
pub(crate) use rows::{Grouping, pack_rows, read_rows};
pub(crate) use weight::{PackedWeight, Packing};
pub(crate) use words::Words;

/// Channels of a panel: two 512-bit registers of f32.
pub(crate) const PANEL: usize = 32;

/// Panels that hold `channels`.
pub(crate) fn panels(channels: usize) -> usize {
    channels.div_ceil(PANEL)
}
