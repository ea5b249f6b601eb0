//! What was measured of tokens as files: tables, tensors and pictures, by name.

mod codewords;
mod directions;
mod influence;
mod structure;
mod sweep;

pub use codewords::{CODEWORD_PAIRS, CodewordFindings, CodewordSheetRow, codeword_files, codeword_sheet};
pub use directions::component_files;
pub use influence::{GradientFindings, INFLUENCE_COLUMNS, InfluenceFindings, influence_files};
pub use structure::{StructureFindings, interactions_png, structure_files};
pub use sweep::{SweepRow, SweepSheet, sweep_files, sweep_sheet};

/// Name and bytes of a text file.
fn text(name: &str, text: String) -> (String, Vec<u8>) {
    (name.to_owned(), text.into_bytes())
}
