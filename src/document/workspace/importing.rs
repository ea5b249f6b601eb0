//! Bringing files in: everything is read and decoded off the owner's thread, then added here.

mod loading;

use super::{Import, NoticeKind, SourceFile, TOKENS_VIEW, Work, Workspace};
use crate::document::{DocumentError, Recipe, Subject, tokens_from_bytes};
use crate::engine::{DecodeJob, Decoded, Encoded, Request, Stamp, SubjectId};
use crate::latent::LatentState;
use crate::picture::{Fit, Rgb8};
use loading::{Loaded, has_extension, load_bytes, load_path, load_picture};
pub(super) use loading::{LoadedPicture, TokenImport};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Pixels that pictures of a folder may fill before the rest is left out, bytes.
const FOLDER_BYTES: usize = 1 << 30;

/// Pictures of a folder that are still to be read.
pub(super) struct FolderImport {
    waiting: VecDeque<PathBuf>,
    bytes: usize,
    is_first: bool,
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
