//! Pictures of a run: read once and kept as bytes, drawn and changed on threads of their own.
//!
//! Picture number i of a run depends on the seed and on i alone, so neither the number of threads nor an interruption
//! changes what is seen.

mod composite;
mod draw;
mod library;
mod loader;

pub use composite::Placement;
pub use draw::Composite;
pub(super) use draw::Dice;
pub(super) use library::Item;
pub use library::{DataFolders, Library};
pub use loader::{Batch, Loader};
