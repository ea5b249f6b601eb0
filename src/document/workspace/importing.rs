//! Bringing files in: everything is read and decoded off the owner's thread, then added here.

use super::{Import, NoticeKind, SourceFile, TOKENS_VIEW, Work, Workspace};
use crate::document::{
    DocumentError, GenerationRecord, History, Places, Recipe, Subject, is_tensor_file, pictures_in,
    read_file, read_tokens, source_from_bytes, tokens_from_bytes, tokens_to_bytes,
};
use crate::engine::{DecodeJob, Decoded, Encoded, Request, Stamp, SubjectId};
use crate::latent::LatentState;
use crate::picture::{self, Fit, Rgb8};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Longer side of a thumbnail, pixels.
const THUMBNAIL: u32 = 160;
/// Pixels that pictures of a folder may fill before the rest is left out, bytes.
const FOLDER_BYTES: usize = 1 << 30;
/// Pictures taken from one token file.
const TOKEN_PICTURES: usize = 256;

/// A picture read and ready to be added.
pub(super) struct LoadedPicture {
    pub(super) name: String,
    pub(super) path: Option<PathBuf>,
    file: SourceFile,
    source: Arc<Rgb8>,
    thumbnail: Arc<Rgb8>,
    fit: Fit,
    /// Crop for the model's side at the time.
    crop: Option<(u32, Arc<Rgb8>)>,
    pub(super) history: History,
    pub(super) made_with: Option<String>,
    generation: Option<Arc<GenerationRecord>>,
    /// Known tokens: such a picture is never encoded, not even for the moment until it is in the library.
    encoded: Option<Arc<Encoded>>,
    warning: Option<String>,
}

impl LoadedPicture {
    pub(super) fn read(
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

    fn from_pixels(name: String, source: Arc<Rgb8>, fit: Fit, side: Option<u32>) -> Self {
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
pub(super) struct TokenImport {
    pub(super) name: String,
    pub(super) path: Option<PathBuf>,
    pub(super) bytes: Arc<[u8]>,
    pub(super) history: History,
    pub(super) made_with: Option<String>,
    pub(super) generation: Option<Arc<GenerationRecord>>,
    /// The decode that is waited for, and the tokens it is of.
    running: Option<(Stamp, Arc<LatentState>)>,
}

impl TokenImport {
    pub(super) fn new(
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

/// Pictures of a folder that are still to be read.
pub(super) struct FolderImport {
    waiting: VecDeque<PathBuf>,
    bytes: usize,
    is_first: bool,
}

/// What a file turned out to be.
enum Loaded {
    Picture(Box<LoadedPicture>),
    Tokens(Vec<TokenImport>),
    Recipe(Recipe),
    Folder(Vec<PathBuf>),
}

impl Workspace {
    /// Decodes the file in the background, adds it to the library, activates it and encodes it. Of a folder the
    /// pictures directly in it are taken, up to 1 GiB of pixels, and the first is activated.
    pub fn import(&mut self, import: Import) {
        let side = self.side();
        match import {
            Import::Path(path) if has_extension(&path, "softscope") => self.open_session(&path),
            Import::Path(path) => {
                let places = self.places.clone();
                self.background(move || load_path(&path, &places, side), Self::take_loaded);
            }
            Import::Bytes { name, bytes } if has_extension(Path::new(&name), "softscope") => {
                self.open_session_bytes(name, bytes);
            }
            Import::Bytes { name, bytes } => {
                let places = self.places.clone();
                self.background(
                    move || load_bytes(name, None, bytes, &places, side),
                    Self::take_loaded,
                );
            }
            Import::Pixels { name, picture } => self.background(
                move || LoadedPicture::from_pixels(name, picture, Fit::default(), side),
                |workspace, loaded| {
                    workspace.add_picture(loaded, true);
                    workspace.changed();
                },
            ),
        }
    }

    fn take_loaded(&mut self, loaded: Result<Loaded, DocumentError>) {
        match loaded {
            Ok(Loaded::Picture(picture)) => {
                self.add_picture(*picture, true);
                self.changed();
            }
            Ok(Loaded::Tokens(tokens)) => self.queue_tokens(tokens),
            Ok(Loaded::Recipe(recipe)) => self.apply_recipe(recipe),
            Ok(Loaded::Folder(pictures)) => {
                self.folder = Some(FolderImport {
                    waiting: pictures.into(),
                    bytes: 0,
                    is_first: true,
                });
                self.next_of_folder();
            }
            Err(error) => self.error(&error),
        }
    }

    pub(super) fn add_picture(&mut self, loaded: LoadedPicture, is_activated: bool) -> SubjectId {
        let side = self.side();
        let crop = loaded
            .crop
            .filter(|(made_for, _)| Some(*made_for) == side)
            .map(|(_, crop)| crop);
        if let Some(warning) = loaded.warning {
            self.notice(NoticeKind::Warning, warning);
        }
        self.last_id += 1;
        let id = SubjectId(self.last_id);
        let mut work = Work::new(loaded.file);
        work.made_with = loaded.made_with;
        // Edits that came with the file are no step of this run that could be taken back.
        work.carried = loaded.history.applied().len();
        self.work.insert(id, work);
        self.subjects.push(Subject {
            id,
            name: loaded.name,
            path: loaded.path,
            source: loaded.source,
            thumbnail: loaded.thumbnail,
            fit: loaded.fit,
            crop,
            encoded: loaded.encoded,
            history: loaded.history,
            generation: loaded.generation,
            edited: None,
        });
        if is_activated || self.active.is_none() {
            self.set_active(id);
        }
        id
    }

    /// Reads the next picture of a folder, one at a time so that the first is on show while others are read.
    pub(super) fn next_of_folder(&mut self) {
        let Some(folder) = &mut self.folder else { return };
        let left_out = folder.waiting.len();
        if folder.bytes >= FOLDER_BYTES && left_out > 0 {
            self.folder = None;
            let limit = FOLDER_BYTES >> 20;
            let text = format!(
                "{left_out} pictures of the folder were left out: the others fill {limit} MiB already"
            );
            self.notice(NoticeKind::Warning, text);
            return;
        }
        let Some(path) = folder.waiting.pop_front() else {
            self.folder = None;
            return;
        };
        let side = self.side();
        self.background(move || load_picture(&path, side), Self::take_of_folder);
    }

    fn take_of_folder(&mut self, loaded: Result<LoadedPicture, DocumentError>) {
        match loaded {
            Ok(picture) => {
                let bytes = picture.source.as_bytes().len();
                let is_first = match &mut self.folder {
                    Some(folder) => {
                        folder.bytes += bytes;
                        std::mem::take(&mut folder.is_first)
                    }
                    None => false,
                };
                self.add_picture(picture, is_first);
                self.changed();
            }
            Err(error) => self.error(&error),
        }
        self.next_of_folder();
    }

    /// Puts the edits of a recipe file onto the active picture, each as a step.
    fn apply_recipe(&mut self, recipe: Recipe) {
        if self.active.is_none() {
            self.notice(
                NoticeKind::Warning,
                "A recipe needs a picture to be applied to: add one first",
            );
            return;
        }
        if let Some(Err(error)) = self.model.as_ref().map(|model| recipe.check_model(&model.hash)) {
            self.notice(NoticeKind::Error, error.to_string());
            return;
        }
        let count = recipe.edits.len();
        recipe.edits.into_iter().for_each(|edit| self.edit(edit));
        self.notice(NoticeKind::Done, format!("{count} edits of the recipe applied"));
    }

    fn queue_tokens(&mut self, tokens: Vec<TokenImport>) {
        if self.model.is_none() && self.loading.is_none() {
            self.notice(
                NoticeKind::Warning,
                "Tokens need a model to be shown: open one, and they appear",
            );
        }
        self.token_imports.extend(tokens);
    }

    pub(super) fn queue_token(&mut self, token: TokenImport) {
        self.token_imports.push_back(token);
    }

    /// Decodes the next tokens from a file: their decode is the picture they are shown as.
    pub(super) fn pump_token_imports(&mut self) {
        let Some(model) = self.model.clone().filter(|_| self.loading.is_none()) else {
            return;
        };
        while let Some(import) = self.token_imports.front_mut() {
            if import.running.is_some() {
                return;
            }
            let read = tokens_from_bytes(&import.bytes, &import.name, Some(&model.space));
            let first = read.map(|file| {
                file.states
                    .into_iter()
                    .next()
                    .zip(file.generations.into_iter().next())
            });
            match first {
                Ok(Some((state, generation))) => {
                    import.generation = generation.map(Arc::new);
                    let base = Arc::new(state);
                    let job = DecodeJob {
                        base: Arc::clone(&base),
                        edits: Arc::from([]),
                        reference: None,
                    };
                    let stamp = self.engine.submit(Request::Decode {
                        view: TOKENS_VIEW,
                        job,
                    });
                    import.running = Some((stamp, base));
                    return;
                }
                Ok(None) => {}
                Err(error) => self.error(&error),
            }
            self.token_imports.pop_front();
        }
    }

    pub(super) fn take_token_picture(&mut self, stamp: Stamp, decoded: &Decoded) {
        let Some((import, state)) = self.end_token_import(stamp) else {
            return;
        };
        let id = self.add_decoded(import, state, &decoded.picture, decoded.decode_ms);
        self.set_active(id);
        self.changed();
    }

    /// Adds a picture whose tokens are known already, with their decode as what it is shown as.
    pub(super) fn add_decoded(
        &mut self,
        import: TokenImport,
        state: Arc<LatentState>,
        picture: &Arc<Rgb8>,
        decode_ms: f64,
    ) -> SubjectId {
        let mut loaded = LoadedPicture::from_pixels(import.name, Arc::clone(picture), Fit::default(), None);
        loaded.path = import.path;
        loaded.file = SourceFile::Tokens(import.bytes);
        loaded.history = import.history;
        loaded.made_with = import.made_with;
        loaded.generation = import.generation;
        loaded.crop = self.side().map(|side| (side, Arc::clone(picture)));
        let encoded = Arc::new(Encoded {
            state,
            reconstruction: Arc::clone(picture),
            metrics: None,
            encode_ms: 0.0,
            decode_ms,
        });
        loaded.encoded = Some(Arc::clone(&encoded));
        let id = self.add_picture(loaded, false);
        self.settle_encoded(id, encoded);
        id
    }

    pub(super) fn take_token_failure(&mut self, stamp: Stamp, message: &str) {
        if let Some((import, _)) = self.end_token_import(stamp) {
            self.notice(
                NoticeKind::Error,
                format!("{}: its tokens could not be decoded: {message}", import.name),
            );
        }
    }

    fn end_token_import(&mut self, stamp: Stamp) -> Option<(TokenImport, Arc<LatentState>)> {
        let is_its =
            |import: &mut TokenImport| matches!(import.running, Some((running, _)) if running == stamp);
        let mut import = self.token_imports.pop_front_if(is_its)?;
        let (_, state) = import.running.take()?;
        Some((import, state))
    }
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

fn load_picture(path: &Path, side: Option<u32>) -> Result<LoadedPicture, DocumentError> {
    LoadedPicture::read(
        file_name(path),
        Some(path.to_path_buf()),
        read_file(path)?.into(),
        Fit::default(),
        side,
    )
}

fn load_path(path: &Path, places: &Places, side: Option<u32>) -> Result<Loaded, DocumentError> {
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

fn load_bytes(
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
            let options = crate::document::TokenFileOptions {
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
