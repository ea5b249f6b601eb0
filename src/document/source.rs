//! Reading what a person brings: a picture, or one of our own files with its recipe and crop inside.

use super::export::{RECIPE_KEYWORD, SOURCE_KEYWORD};
use super::{DocumentError, GENERATION_KEYWORD, GenerationRecord, Recipe};
use crate::picture::{self, Rgb8};
use std::path::Path;

/// Largest picture file that is read.
const LIMIT_MIB: u64 = 1024;

/// A picture as brought, with the edits its file holds.
#[derive(Debug, Clone, PartialEq)]
pub struct SourcePicture {
    /// The picture to be encoded: the file's own, or for a recipe file the crop its edits start from.
    pub picture: Rgb8,
    /// Edits of a recipe file; `None` for any other.
    pub recipe: Option<Recipe>,
    /// How the picture was generated, where its file says so.
    pub generation: Option<GenerationRecord>,
    /// Why the edits of a recipe file could not be restored.
    pub warning: Option<String>,
}

/// Bytes of a file a person brought, unless it is far too large to be one.
pub fn read_file(path: &Path) -> Result<Vec<u8>, DocumentError> {
    let metadata = std::fs::metadata(path).map_err(|error| DocumentError::read(path, error))?;
    if metadata.is_dir() {
        return Err(DocumentError::read(path, std::io::ErrorKind::IsADirectory.into()));
    }
    let mib = metadata.len() >> 20;
    if mib > LIMIT_MIB {
        return Err(DocumentError::TooLarge {
            path: path.to_path_buf(),
            mib,
            limit_mib: LIMIT_MIB,
        });
    }
    std::fs::read(path).map_err(|error| DocumentError::read(path, error))
}

/// Reads a picture file; the recipe of a file exported here comes with it.
pub fn read_source(path: &Path) -> Result<SourcePicture, DocumentError> {
    source_from_bytes(&read_file(path)?, &path.display().to_string())
}

/// The same from the bytes of a file; `name` is for messages.
pub fn source_from_bytes(bytes: &[u8], name: &str) -> Result<SourcePicture, DocumentError> {
    let generation = embedded_generation(bytes);
    let plain = |generation, warning| -> Result<SourcePicture, DocumentError> {
        Ok(SourcePicture {
            picture: picture::from_bytes(bytes, name)?,
            recipe: None,
            generation,
            warning,
        })
    };
    match embedded_edits(bytes, name) {
        Ok(None) => plain(generation, None),
        Ok(Some((recipe, picture))) => Ok(SourcePicture {
            picture,
            recipe: Some(recipe),
            generation,
            warning: None,
        }),
        Err(reason) => {
            let warning = format!("{name}: opened as a plain picture, its recipe is left out: {reason}");
            plain(generation, Some(warning))
        }
    }
}

/// How the picture in the file was generated; `None` where the file does not say it in a way that can be read.
fn embedded_generation(bytes: &[u8]) -> Option<GenerationRecord> {
    let text = picture::embedded_text(bytes, GENERATION_KEYWORD).ok()??;
    serde_json::from_str(&text).ok()
}

/// Recipe and crop of a recipe file; `None` for any other file, an error for a recipe that cannot be restored.
fn embedded_edits(bytes: &[u8], name: &str) -> Result<Option<(Recipe, Rgb8)>, DocumentError> {
    let Some(recipe) = picture::embedded_text(bytes, RECIPE_KEYWORD)? else {
        return Ok(None);
    };
    let recipe = Recipe::from_json(&recipe)?;
    let damaged = |reason: String| DocumentError::Mismatch(format!("the picture it starts from {reason}"));
    let source = picture::embedded_text(bytes, SOURCE_KEYWORD)?
        .ok_or_else(|| damaged("is not in the file".to_owned()))?;
    let png = base64::decode(source).map_err(|error| damaged(format!("is damaged: {error}")))?;
    Ok(Some((recipe, picture::from_bytes(&png, name)?)))
}
