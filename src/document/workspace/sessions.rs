//! Saving and opening what is open, and the autosave.

use super::importing::{LoadedPicture, TokenImport};
use super::{NoticeKind, SourceFile, Workspace};
use crate::document::{
    DocumentError, History, Places, Session, SessionError, SessionModel, SessionPicture, StoredAs, read_file,
    write_atomically,
};
use crate::engine::SubjectId;
use crate::picture;
use crate::tokenizer::ModelFiles;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What of the work is on disk.
#[derive(Debug, Default)]
pub(super) struct Saving {
    /// Grows with every change that a session keeps.
    revision: u64,
    saved: u64,
    autosaved: u64,
    pub(super) is_autosaving: bool,
    /// What is open is the last run's autosave, and no file of this run holds it yet.
    is_restored: bool,
    /// An autosave that failed is told once, not at every edit.
    is_failure_told: bool,
    session_path: Option<PathBuf>,
}

/// What is open, cheap to copy, with the pictures still as they are held.
struct Snapshot {
    model: Option<SessionModel>,
    active: Option<usize>,
    pictures: Vec<(SourceFile, SessionPicture)>,
}

impl Snapshot {
    fn into_session(self) -> Result<Session, DocumentError> {
        let pictures = self.pictures.into_iter().map(|(file, picture)| {
            Ok(match file {
                SourceFile::Picture(bytes) => SessionPicture {
                    file: bytes,
                    ..picture
                },
                SourceFile::Tokens(bytes) => SessionPicture {
                    file: bytes,
                    stored_as: StoredAs::Tokens,
                    ..picture
                },
                SourceFile::Pixels(pixels) => SessionPicture {
                    file: picture::to_png(&pixels, &[])?.into(),
                    ..picture
                },
            })
        });
        Ok(Session {
            model: self.model,
            active: self.active,
            pictures: pictures.collect::<Result<_, DocumentError>>()?,
        })
    }

    fn write(self, path: &Path) -> Result<(), DocumentError> {
        write_atomically(path, self.into_session()?.to_json()?.as_bytes())
    }

    /// Writes to a place of the program's own, whose folder may not be there yet.
    fn write_making_folder(self, path: &Path) -> Result<(), DocumentError> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| DocumentError::write(folder, error))?;
        }
        self.write(path)
    }
}

/// A session read, its pictures decoded.
struct LoadedSession {
    model: Option<SessionModel>,
    /// The session's model, where it can be found and is not the one in use.
    model_files: Option<ModelFiles>,
    active: Option<usize>,
    pictures: Vec<LoadedEntry>,
    warnings: Vec<String>,
}

enum LoadedEntry {
    Picture(Box<LoadedPicture>),
    Tokens(Box<TokenImport>),
}

/// Where a session came from, which decides what is saved where afterwards.
enum Origin {
    File(PathBuf),
    Bytes(String),
    Autosave,
}

impl Workspace {
    /// Whether there are changes that no session file holds.
    pub fn is_modified(&self) -> bool {
        let is_edited = self.has_edits() || self.saving.session_path.is_some();
        is_edited && self.saving.revision != self.saving.saved
    }

    /// The session file last saved or opened.
    pub fn session_path(&self) -> Option<&Path> {
        self.saving.session_path.as_deref()
    }

    /// Writes everything that is open to one file, in the background; the outcome comes as a notice.
    pub fn save_session(&mut self, path: &Path) {
        let (snapshot, revision, path) = (self.snapshot(), self.saving.revision, path.to_path_buf());
        self.background(
            move || {
                let result = snapshot.write(&path);
                (path, result)
            },
            move |workspace, (path, result)| {
                if result.is_ok() {
                    workspace.saving.saved = revision;
                    workspace.saving.session_path = Some(path.clone());
                    workspace.drop_autosave_of(revision);
                    workspace.drop_restored_autosave();
                }
                workspace.tell_saved(&path, result);
            },
        );
    }

    /// Replaces what is open. Unsaved work is kept first, in a file that a notice names; where that fails, or the session
    /// cannot be read, what is open stays.
    pub fn open_session(&mut self, path: &Path) {
        let from = path.to_path_buf();
        self.load_session(Origin::File(from.clone()), move || Ok(read_file(&from)?.into()));
    }

    pub(super) fn open_session_bytes(&mut self, name: String, bytes: Arc<[u8]>) {
        self.load_session(Origin::Bytes(name), move || Ok(bytes));
    }

    /// Whether the last run ended with unsaved work that can be restored.
    pub fn has_autosave(&self) -> bool {
        self.autosave.last_file().is_file()
    }

    /// The session of the last run, if it ended without being saved. True when there is one: it opens in the background.
    pub fn restore_autosave(&mut self) -> Result<bool, DocumentError> {
        let path = self.autosave.last_file();
        match path.try_exists() {
            Ok(true) => {
                self.load_session(Origin::Autosave, move || Ok(read_file(&path)?.into()));
                Ok(true)
            }
            Ok(false) => Ok(false),
            Err(error) => Err(DocumentError::read(&path, error)),
        }
    }

    /// Forgets this run's unsaved work: the person closes the window and does not want it.
    pub fn discard_autosave(&mut self) {
        self.saving.autosaved = self.saving.revision;
        let path = self.autosave.file();
        self.background(move || std::fs::remove_file(path), |_, _| ());
    }

    /// Forgets the unsaved work of the last run: the person was asked and does not want it.
    pub fn discard_last_autosave(&mut self) {
        let path = self.autosave.last_file();
        self.background(move || std::fs::remove_file(path), |_, _| ());
    }

    /// The last run's work is on disk again in this run's files.
    fn drop_restored_autosave(&mut self) {
        if std::mem::take(&mut self.saving.is_restored) {
            self.discard_last_autosave();
        }
    }

    /// Something that a session keeps has changed.
    pub(super) fn changed(&mut self) {
        self.saving.revision += 1;
    }

    fn has_edits(&self) -> bool {
        self.subjects.iter().any(|subject| {
            // A generated picture is nowhere else: it took as much as an edit.
            let is_made_here = subject.generation.is_some() && subject.path.is_none();
            is_made_here || !subject.history.applied().is_empty() || !subject.history.undone().is_empty()
        })
    }

    fn snapshot(&self) -> Snapshot {
        let stored = |id: SubjectId| -> Option<(SourceFile, SessionPicture)> {
            let (subject, work) = self.subject(id).zip(self.work.get(&id))?;
            let picture = SessionPicture {
                name: subject.name.clone(),
                path: subject.path.clone(),
                stored_as: StoredAs::Picture,
                file: Arc::from([]),
                fit: subject.fit,
                applied: subject.history.applied().to_vec(),
                undone: subject.history.undone().to_vec(),
            };
            Some((work.file.clone(), picture))
        };
        Snapshot {
            model: self.model.as_ref().map(|model| SessionModel {
                name: model.name.clone(),
                hash: model.hash.clone(),
            }),
            active: self
                .subjects
                .iter()
                .position(|subject| Some(subject.id) == self.active),
            pictures: self
                .subjects
                .iter()
                .filter_map(|subject| stored(subject.id))
                .collect(),
        }
    }

    /// Writes the autosave when edits came since the last one and none is being written: however many edits are made
    /// meanwhile, only the newest state is written next.
    pub(super) fn pump_autosave(&mut self) {
        let saving = &self.saving;
        if saving.is_autosaving || saving.revision == saving.autosaved || !self.has_edits() {
            return;
        }
        let (snapshot, path) = (self.snapshot(), self.autosave.file());
        self.saving.is_autosaving = true;
        self.saving.autosaved = self.saving.revision;
        self.background(
            move || snapshot.write_making_folder(&path),
            |workspace, result| {
                workspace.saving.is_autosaving = false;
                match result {
                    Ok(()) => {
                        workspace.saving.is_failure_told = false;
                        workspace.drop_restored_autosave();
                    }
                    Err(error) if !workspace.saving.is_failure_told => {
                        workspace.saving.is_failure_told = true;
                        let text =
                            format!("Unsaved work is not kept in case of a crash: {error}. Save the session");
                        workspace.notice(NoticeKind::Warning, text);
                    }
                    Err(_) => {}
                }
            },
        );
    }

    /// A saved state needs no autosave; one with later changes does.
    fn drop_autosave_of(&mut self, revision: u64) {
        if self.saving.revision == revision {
            self.discard_autosave();
        }
    }

    fn load_session(
        &mut self,
        origin: Origin,
        read: impl FnOnce() -> Result<Arc<[u8]>, DocumentError> + Send + 'static,
    ) {
        let (places, side) = (self.places.clone(), self.side());
        let in_use = self
            .model
            .as_ref()
            .map(|model| (model.name.clone(), model.hash.clone()));
        let file = match &origin {
            Origin::File(path) => path.display().to_string(),
            Origin::Bytes(name) => name.clone(),
            Origin::Autosave => "the autosave".to_owned(),
        };
        self.background(
            move || load_session(&read()?, &file, &places, in_use.as_ref(), side),
            move |workspace, result| match result {
                Ok(loaded) => workspace.keep_and_take_session(loaded, origin),
                Err(error) => workspace.error(&error),
            },
        );
    }

    /// Replaces what is open, once what is not saved of it is kept.
    fn keep_and_take_session(&mut self, loaded: LoadedSession, origin: Origin) {
        if !self.is_modified() {
            self.take_session(loaded, origin);
            return;
        }
        let (snapshot, path) = (self.snapshot(), self.places.replaced_file());
        self.background(
            move || {
                let result = snapshot.write_making_folder(&path);
                (path, result)
            },
            |workspace, (path, result)| match result {
                Ok(()) => {
                    workspace.take_session(loaded, origin);
                    let text = format!("What was open and not saved is kept in {}", path.display());
                    workspace.notice(NoticeKind::Warning, text);
                }
                Err(error) => {
                    let text = format!(
                        "The session was not opened, for what is open could not be kept: {error}. Save it first"
                    );
                    workspace.notice(NoticeKind::Error, text);
                }
            },
        );
    }

    fn take_session(&mut self, loaded: LoadedSession, origin: Origin) {
        self.subjects.clear();
        self.work.clear();
        self.removed.clear();
        self.token_imports.clear();
        self.folder = None;
        self.hover = None;
        self.encoding = None;
        self.active = None;
        for warning in loaded.warnings {
            self.notice(NoticeKind::Warning, warning);
        }
        // Before the pictures come, so that none is encoded by the model that goes.
        if let Some(files) = loaded.model_files {
            self.open_model(files);
        }
        let made_with = loaded.model.as_ref().map(|model| model.hash.clone());
        for (index, entry) in loaded.pictures.into_iter().enumerate() {
            let is_active = loaded.active == Some(index);
            match entry {
                LoadedEntry::Picture(mut picture) => {
                    picture.made_with.clone_from(&made_with);
                    self.add_picture(*picture, is_active);
                }
                LoadedEntry::Tokens(mut tokens) => {
                    tokens.made_with.clone_from(&made_with);
                    self.queue_token(*tokens);
                }
            }
        }
        self.changed();
        match origin {
            Origin::File(path) => {
                self.notice(NoticeKind::Done, format!("Opened {}", path.display()));
                self.saving.session_path = Some(path);
                self.saving.saved = self.saving.revision;
                self.discard_autosave();
            }
            Origin::Bytes(_) => self.saving.session_path = None,
            Origin::Autosave => {
                self.saving.session_path = None;
                self.saving.is_restored = true;
            }
        }
        self.pump();
    }
}

fn load_session(
    bytes: &[u8],
    file: &str,
    places: &Places,
    in_use: Option<&(String, String)>,
    side: Option<u32>,
) -> Result<LoadedSession, DocumentError> {
    let text = std::str::from_utf8(bytes).map_err(|error| SessionError::Damaged {
        file: file.to_owned(),
        reason: error.to_string(),
    })?;
    let (session, damaged) = Session::from_json(text, file)?;
    let mut warnings: Vec<String> = damaged.iter().map(ToString::to_string).collect();
    let mut pictures = Vec::new();
    let mut active = None;
    let is_damaged = |number: &usize| {
        damaged
            .iter()
            .any(|error| matches!(error, SessionError::Picture { number: other, .. } if other == number))
    };
    let numbers = (1..).filter(|number| !is_damaged(number));
    for (index, (number, picture)) in numbers.zip(session.pictures).enumerate() {
        let name = picture.name.clone();
        match load_entry(picture, side) {
            Ok(entry) => {
                if session.active == Some(index) {
                    active = Some(pictures.len());
                }
                pictures.push(entry);
            }
            Err(error) => {
                let (file, reason) = (file.to_owned(), error.to_string());
                warnings.push(
                    SessionError::Picture {
                        file,
                        number,
                        name,
                        reason,
                    }
                    .to_string(),
                );
            }
        }
    }
    let model_files = other_model(session.model.as_ref(), places, in_use, &mut warnings);
    Ok(LoadedSession {
        model: session.model,
        model_files,
        active,
        pictures,
        warnings,
    })
}

fn load_entry(picture: SessionPicture, side: Option<u32>) -> Result<LoadedEntry, DocumentError> {
    let history = History::new(picture.applied, picture.undone);
    match picture.stored_as {
        StoredAs::Tokens => {
            // Read here only to tell a damaged file with its place in the session.
            crate::document::tokens_from_bytes(&picture.file, &picture.name, None)?;
            let mut tokens = TokenImport::new(picture.name, picture.path, picture.file, None);
            tokens.history = history;
            Ok(LoadedEntry::Tokens(Box::new(tokens)))
        }
        StoredAs::Picture => {
            let mut loaded =
                LoadedPicture::read(picture.name, picture.path, picture.file, picture.fit, side)?;
            loaded.history = history;
            Ok(LoadedEntry::Picture(Box::new(loaded)))
        }
    }
}

/// The session's model where it is another than the one in use and can be found.
fn other_model(
    wanted: Option<&SessionModel>,
    places: &Places,
    in_use: Option<&(String, String)>,
    warnings: &mut Vec<String>,
) -> Option<ModelFiles> {
    let wanted = wanted?;
    if in_use.is_some_and(|(name, hash)| *name == wanted.name || *hash == wanted.hash) {
        return None;
    }
    match places.resolve_model(&wanted.name) {
        Ok(files) => Some(files),
        Err(error) => {
            warnings.push(format!(
                "The session was made with another model than the one in use: {error}"
            ));
            None
        }
    }
}
