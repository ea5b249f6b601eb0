//! What leaves the program: bytes made from pictures, tokens and recipes. The window and the command line make their
//! files here, so that the same recipe gives the same bytes in both.

mod animation;
mod canvas;
mod contact;
mod findings;
mod influence;
mod matrix;
mod model_sheet;
mod scatter;
mod sheet;

pub use animation::{AnimationFormat, ExportedFiles, animation_bytes, interpolation_edits};
pub use contact::contact_sheet;
pub use findings::{
    CODEWORD_PAIRS, CodewordFindings, CodewordSheetRow, GradientFindings, INFLUENCE_COLUMNS,
    InfluenceFindings, StructureFindings, SweepRow, SweepSheet, codeword_files, codeword_sheet,
    component_files, influence_files, interactions_png, structure_files, sweep_files, sweep_sheet,
};
pub use influence::influence_sheet;
pub use matrix::{MatrixSheet, matrix_sheet};
pub use model_sheet::{ModelSheet, ModelSheetCell, ModelSheetRow, model_sheet};
pub use scatter::{ScatterSheet, scatter_sheet};
pub use sheet::{SheetPictures, comparison_sheet};

use super::extension::lower_extension;
use super::{DocumentError, GENERATION_KEYWORD, GenerationRecord, Recipe, TokenFileOptions, tokens_to_bytes};
use crate::engine::AnalysisKind;
use crate::latent::{BlendMode, LatentState};
use crate::picture::{self, Rgb8};
use std::path::{Path, PathBuf};

/// Keyword of the recipe in PNG text chunks and JPEG segments.
pub const RECIPE_KEYWORD: &str = "softscope_recipe";
/// Keyword of the crop the recipe starts from: a PNG in base64.
pub const SOURCE_KEYWORD: &str = "softscope_source";
/// Quality of exported JPEG files: no visible blocks, and the recipe restores the exact picture anyway.
pub const JPEG_QUALITY: u8 = 92;

/// What can be exported from the active picture.
#[derive(Debug, Clone)]
pub enum Export {
    /// `.png`, `.jpg`/`.jpeg` (with the recipe and the crop inside) or `.safetensors` (edited tokens), by extension.
    Edited {
        /// File to write.
        path: PathBuf,
    },
    /// The recipe alone, `.json`.
    Recipe {
        /// File to write.
        path: PathBuf,
    },
    /// Original, reconstruction, edited and difference with metrics, as one PNG.
    Sheet {
        /// File to write.
        path: PathBuf,
    },
    /// What was measured of the active picture's tokens, or of a collection: the files that the command of the same name writes.
    Findings {
        /// Folder to write.
        path: PathBuf,
        /// Which part.
        part: FindingsPart,
    },
    /// Interpolation from the active picture's edited tokens to another's.
    Interpolation {
        /// File to write, or folder for [`AnimationFormat::Frames`].
        path: PathBuf,
        /// The picture at t = 1.
        other: crate::engine::SubjectId,
        /// Tokens that move; empty for all.
        tokens: Vec<usize>,
        /// Path between the tokens.
        mode: BlendMode,
        /// Number of frames, at least 2: t runs from 0 to 1 over them.
        frames: usize,
        /// What is written.
        format: AnimationFormat,
    },
}

/// A part of what was measured of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FindingsPart {
    /// What each token does to the picture: `softscope attribute --by both`.
    Influence,
    /// The same with its figures under the brush: `softscope attribute --by both --mask`.
    Pixels,
    /// How the picture is made up of its tokens: `softscope structure`.
    Structure,
    /// The picture from soft to hard: `sweep.png` and `sweep.csv` of `softscope atlas`.
    Sweep,
    /// What the collection's codewords are used for: the other files of `softscope atlas`.
    Codewords,
    /// The directions found last in the collection: the files of `softscope directions`.
    Directions,
    /// The collection's tokens in the plane: the files of `softscope map`.
    Map,
    /// What probes read off the collection's tokens: the files of `softscope probe`.
    Probes,
}

impl FindingsPart {
    /// The measurements of the active picture it consists of; none where it is of a collection.
    pub fn kinds(self) -> &'static [AnalysisKind] {
        match self {
            Self::Influence => &[AnalysisKind::Influence],
            Self::Pixels => &[AnalysisKind::Influence, AnalysisKind::Brush],
            Self::Structure => &[AnalysisKind::Orders, AnalysisKind::Pairs, AnalysisKind::Spectra],
            Self::Sweep => &[AnalysisKind::Sweep],
            Self::Codewords | Self::Directions | Self::Map | Self::Probes => &[],
        }
    }
}

/// Kinds of file an edited picture can become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EditedFormat {
    /// PNG with recipe and crop inside.
    Png,
    /// JPEG with recipe and crop inside.
    Jpeg,
    /// The edited tokens.
    Tokens,
}

impl EditedFormat {
    /// By the extension of the name.
    pub fn of(path: &Path) -> Result<Self, DocumentError> {
        match lower_extension(path).as_deref() {
            Some("png") => Ok(Self::Png),
            Some("jpg" | "jpeg") => Ok(Self::Jpeg),
            Some("safetensors") => Ok(Self::Tokens),
            _ => Err(DocumentError::UnknownExtension {
                path: path.to_path_buf(),
                expected: ".png, .jpg or .safetensors",
            }),
        }
    }
}

/// An edited picture with everything its file holds.
#[derive(Debug, Clone, Copy)]
pub struct EditedPicture<'a> {
    /// The decoded picture.
    pub picture: &'a Rgb8,
    /// The model's square that was encoded; `None` where the tokens came from a file.
    pub crop: Option<&'a Rgb8>,
    /// Tokens after the edits.
    pub state: &'a LatentState,
    /// The edits, with every token and direction they need inside, and the model's hash.
    pub recipe: &'a Recipe,
    /// Name of the picture.
    pub name: &'a str,
    /// How it was generated, where it was.
    pub generation: Option<&'a GenerationRecord>,
}

/// Bytes of an edited picture in the form `format`.
pub fn edited_bytes(edited: &EditedPicture<'_>, format: EditedFormat) -> Result<Vec<u8>, DocumentError> {
    match format {
        EditedFormat::Png => edited_png(edited),
        EditedFormat::Jpeg => edited_jpeg(edited),
        EditedFormat::Tokens => tokens_to_bytes(
            std::slice::from_ref(edited.state),
            &TokenFileOptions {
                with_weights: true,
                model: edited.recipe.model.as_deref(),
                names: &[edited.name.to_owned()],
                fit: None,
                generations: edited.generation.map_or(&[], std::slice::from_ref),
            },
        ),
    }
}

/// PNG bytes of the edited picture with its recipe and the crop it starts from inside.
pub fn edited_png(edited: &EditedPicture<'_>) -> Result<Vec<u8>, DocumentError> {
    with_text(edited, |text| Ok(picture::to_png(edited.picture, text)?))
}

/// JPEG bytes of the edited picture with its recipe and the crop it starts from inside.
pub fn edited_jpeg(edited: &EditedPicture<'_>) -> Result<Vec<u8>, DocumentError> {
    with_text(edited, |text| {
        Ok(picture::to_jpeg(edited.picture, JPEG_QUALITY, text)?)
    })
}

fn with_text(
    edited: &EditedPicture<'_>,
    write: impl FnOnce(&[(&str, &str)]) -> Result<Vec<u8>, DocumentError>,
) -> Result<Vec<u8>, DocumentError> {
    let recipe = edited.recipe.to_json();
    let crop = edited
        .crop
        .map(|crop| picture::to_png(crop, &[]))
        .transpose()?
        .map(base64::encode);
    let generation = edited.generation.map(serde_json::to_string).transpose();
    let generation = generation
        .map_err(|error| DocumentError::Mismatch(format!("the generation cannot be written: {error}")))?;
    let mut text = vec![(RECIPE_KEYWORD, recipe.as_str())];
    text.extend(generation.as_deref().map(|record| (GENERATION_KEYWORD, record)));
    text.extend(crop.as_deref().map(|crop| (SOURCE_KEYWORD, crop)));
    write(&text)
}
