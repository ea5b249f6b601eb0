//! Files read and decoded: what runs off the owner's thread.

use crate::document::workspace::SourceFile;
use crate::document::{
    DocumentError, GenerationRecord, History, Places, Recipe, TokenFileOptions, is_tensor_file, pictures_in,
    read_file, read_tokens, source_from_bytes, tokens_from_bytes, tokens_to_bytes,
};
use crate::engine::{Encoded, Stamp};
use crate::latent::LatentState;
use crate::picture::{self, Fit, Rgb8};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Longer side of a thumbnail, pixels.
const THUMBNAIL: u32 = 160;

/// Pictures taken from one token file.
const TOKEN_PICTURES: usize = 256;

/// A picture read and ready to be added.
pub(in crate::document::workspace) struct LoadedPicture {
    pub(in crate::document::workspace) name: String,
    pub(in crate::document::workspace) path: Option<PathBuf>,
    pub(super) file: SourceFile,
    pub(super) source: Arc<Rgb8>,
    pub(super) thumbnail: Arc<Rgb8>,
    pub(super) fit: Fit,
    /// Crop for the model's side at the time.
    pub(super) crop: Option<(u32, Arc<Rgb8>)>,
    pub(in crate::document::workspace) history: History,
    pub(in crate::document::workspace) made_with: Option<String>,
    pub(super) generation: Option<Arc<GenerationRecord>>,
    /// Known tokens: such a picture is never encoded, not even for the moment until it is in the library.
    pub(super) encoded: Option<Arc<Encoded>>,
    pub(super) warning: Option<String>,
}

impl LoadedPicture {
    pub(in crate::document::workspace) fn read(
        name: String,
        path: Option<PathBuf>,
        bytes: Arc<[u8]>,
        fit: Fit,
        side: Option<u32>,
    ) -> Result<Self, DocumentError> {
        let shown = path
            .as_ref()
            .map_or_else(|| name.clone(), |path| path.display().to_string());
        let source = source_from_bytes(&bytes, &shown)?;
        let Recipe { model, edits } = source.recipe.unwrap_or_default();
        let loaded = Self::from_pixels(name, Arc::new(source.picture), fit, side);
        Ok(Self {
            path,
            file: SourceFile::Picture(bytes),
            history: History::new(edits, Vec::new()),
            made_with: model,
            generation: source.generation.map(Arc::new),
            warning: source.warning,
            ..loaded
        })
    }

    pub(super) fn from_pixels(name: String, source: Arc<Rgb8>, fit: Fit, side: Option<u32>) -> Self {
        Self {
            name,
            path: None,
            file: SourceFile::Pixels(Arc::clone(&source)),
            thumbnail: Arc::new(picture::thumbnail(&source, THUMBNAIL)),
            crop: side.map(|side| (side, Arc::new(picture::fit(&source, side, fit)))),
            source,
            fit,
            history: History::default(),
            made_with: None,
            generation: None,
            encoded: None,
            warning: None,
        }
    }
}

/// Tokens of one picture, waiting for the model to decode them.
pub(in crate::document::workspace) struct TokenImport {
    pub(in crate::document::workspace) name: String,
    pub(in crate::document::workspace) path: Option<PathBuf>,
    pub(in crate::document::workspace) bytes: Arc<[u8]>,
    pub(in crate::document::workspace) history: History,
    pub(in crate::document::workspace) made_with: Option<String>,
    pub(in crate::document::workspace) generation: Option<Arc<GenerationRecord>>,
    /// The decode that is waited for, and the tokens it is of.
    pub(super) running: Option<(Stamp, Arc<LatentState>)>,
}

impl TokenImport {
    pub(in crate::document::workspace) fn new(
        name: String,
        path: Option<PathBuf>,
        bytes: Arc<[u8]>,
        made_with: Option<String>,
    ) -> Self {
        Self {
            name,
            path,
            bytes,
            history: History::default(),
            made_with,
            generation: None,
            running: None,
        }
    }
}

/// What a file turned out to be.
pub(super) enum Loaded {
    Picture(Box<LoadedPicture>),
    Tokens(Vec<TokenImport>),
    Recipe(Recipe),
    Folder(Vec<PathBuf>),
}

pub(super) fn has_extension(path: &Path, wanted: &str) -> bool {
    path.extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case(wanted))
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(
        || path.display().to_string(),
        |name| name.to_string_lossy().into_owned(),
    )
}

pub(super) fn load_picture(path: &Path, side: Option<u32>) -> Result<LoadedPicture, DocumentError> {
    LoadedPicture::read(
        file_name(path),
        Some(path.to_path_buf()),
        read_file(path)?.into(),
        Fit::default(),
        side,
    )
}

pub(super) fn load_path(path: &Path, places: &Places, side: Option<u32>) -> Result<Loaded, DocumentError> {
    if path.is_dir() {
        let pictures = pictures_in(path);
        return if pictures.is_empty() {
            Err(DocumentError::Mismatch(format!(
                "{}: no pictures in this folder",
                path.display()
            )))
        } else {
            Ok(Loaded::Folder(pictures))
        };
    }
    load_bytes(
        file_name(path),
        Some(path.to_path_buf()),
        read_file(path)?.into(),
        places,
        side,
    )
}

pub(super) fn load_bytes(
    name: String,
    path: Option<PathBuf>,
    bytes: Arc<[u8]>,
    places: &Places,
    side: Option<u32>,
) -> Result<Loaded, DocumentError> {
    let by_name = Path::new(&name);
    if is_tensor_file(by_name) {
        return load_tokens(&name, path.as_deref(), &bytes).map(Loaded::Tokens);
    }
    if has_extension(by_name, "json") {
        return load_recipe(&name, path.as_deref(), &bytes, places).map(Loaded::Recipe);
    }
    LoadedPicture::read(name, path, bytes, Fit::default(), side)
        .map(|picture| Loaded::Picture(Box::new(picture)))
}

/// One import for each picture of a token file, so that each can be saved, removed and decoded alone.
fn load_tokens(name: &str, path: Option<&Path>, bytes: &[u8]) -> Result<Vec<TokenImport>, DocumentError> {
    let file = tokens_from_bytes(bytes, name, None)?;
    if file.states.len() > TOKEN_PICTURES {
        return Err(DocumentError::Mismatch(format!(
            "{name} holds tokens of {} pictures; the window takes up to {TOKEN_PICTURES}. Use `softscope decode` for more",
            file.states.len()
        )));
    }
    file.states
        .iter()
        .zip(&file.names)
        .zip(&file.generations)
        .map(|((state, name), generation)| {
            let options = TokenFileOptions {
                model: file.model.as_deref(),
                generations: generation.as_slice(),
                ..Default::default()
            };
            let bytes = tokens_to_bytes(std::slice::from_ref(state), &options)?;
            Ok(TokenImport::new(
                name.clone(),
                path.map(Path::to_path_buf),
                bytes.into(),
                file.model.clone(),
            ))
        })
        .collect()
}

fn not_a_token_file(path: &Path) -> DocumentError {
    DocumentError::Mismatch(format!(
        "{}: in the window a recipe takes tokens from .safetensors files only. Export that picture's tokens and name \
         their file, or apply the recipe with `softscope edit`",
        path.display()
    ))
}

/// A recipe with everything it names inside. Tokens named by path can come from token files only: a picture would
/// have to be encoded first.
fn load_recipe(
    name: &str,
    path: Option<&Path>,
    bytes: &[u8],
    places: &Places,
) -> Result<Recipe, DocumentError> {
    let text = String::from_utf8_lossy(bytes);
    let mut recipe = Recipe::from_json(&text).map_err(|source| DocumentError::RecipeIn {
        name: name.to_owned(),
        source,
    })?;
    let base = path.and_then(Path::parent).unwrap_or(Path::new("."));
    recipe.resolve(base, &mut |path| {
        if !is_tensor_file(path) {
            return Err(not_a_token_file(path));
        }
        let tokens = read_tokens(path, None)?
            .states
            .into_iter()
            .next()
            .map(|state| state.z);
        tokens.ok_or_else(|| not_a_token_file(path))
    })?;
    recipe.resolve_directions(places)?;
    Ok(recipe)
}
