//! The cache shared with Python: `models--owner--name/{blobs,refs,snapshots}`, looked into without a network.

use super::{DEFAULT_REVISION, HubError, ModelId};
use crate::tokenizer::ModelFiles;
use hf_hub::{CacheRepo, Repo, RepoType};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Ends the name of a file that has not arrived whole.
const PART_SUFFIX: &str = ".incomplete";

/// A folder of downloaded models.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    folder: PathBuf,
}

/// A model of the cache, whole or not.
#[derive(Debug, Clone)]
pub struct CachedModel {
    /// Its id on the hub.
    pub id: ModelId,
    /// What can be opened; none while it is not complete.
    pub files: Option<ModelFiles>,
    /// What it takes on the disk, all revisions and parts together.
    pub size_bytes: u64,
    /// What of that belongs to no snapshot: files that have not arrived whole, or whose companions have not.
    pub part_bytes: u64,
}

/// What a removal did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removed {
    /// Snapshots that are gone.
    pub snapshots: usize,
    /// Space that is free again.
    pub freed_bytes: u64,
}

impl Cache {
    /// The cache at `folder`, which need not be there yet.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Where it lies.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Every model in it, by id.
    pub fn models(&self) -> Vec<CachedModel> {
        let ids = entries(&self.folder)
            .into_iter()
            .filter_map(|path| ModelId::from_folder_name(path.file_name()?.to_str()?));
        let mut models: Vec<CachedModel> = ids.map(|id| self.model(&id)).collect();
        models.sort_by(|a, b| a.id.cmp(&b.id));
        models
    }

    /// What is there of a model.
    pub fn model(&self, id: &ModelId) -> CachedModel {
        let repository = self.repository(id);
        let used = blob_names(&repository.folder.join("snapshots"));
        let is_used = |blob: &&PathBuf| blob.file_name().is_some_and(|name| used.contains(name));
        let blobs = entries(&repository.blobs());
        let part_bytes = blobs
            .iter()
            .filter(|blob| !is_used(blob))
            .map(|blob| size_of(blob))
            .sum();
        CachedModel {
            id: id.clone(),
            files: self.files(id, DEFAULT_REVISION),
            size_bytes: folder_bytes(&repository.folder),
            part_bytes,
        }
    }

    /// The files of a model that is complete, by branch, tag or commit. Where `main` is asked for and was never
    /// fetched, the newest snapshot that is complete.
    pub fn files(&self, id: &ModelId, revision: &str) -> Option<ModelFiles> {
        let repository = self.repository(id);
        let located = |snapshot: PathBuf| {
            let files = ModelFiles::locate(&snapshot).ok()?;
            files
                .weight_files()
                .ok()?
                .iter()
                .all(|file| file.is_file())
                .then(|| ModelFiles {
                    name: id.to_string(),
                    ..files
                })
        };
        let named = repository.snapshot_of(revision).and_then(located);
        if revision != DEFAULT_REVISION {
            return named;
        }
        named.or_else(|| {
            let mut snapshots = repository.snapshots();
            snapshots.sort_by_key(|snapshot| std::cmp::Reverse(changed(snapshot)));
            snapshots.into_iter().find_map(located)
        })
    }

    /// Removes a model, or one of its revisions, with the files that no other revision uses.
    ///
    /// # Errors
    /// [`HubError::NotCached`] where there is nothing of it; what cannot be deleted.
    pub fn remove(&self, id: &ModelId, revision: Option<&str>) -> Result<Removed, HubError> {
        let repository = self.repository(id);
        let not_cached = || HubError::NotCached {
            id: id.clone(),
            revision: revision.map(str::to_owned),
            cache: self.folder.clone(),
        };
        if !repository.folder.is_dir() {
            return Err(not_cached());
        }
        let all = repository.snapshots();
        let going = match revision {
            Some(revision) => vec![repository.snapshot_of(revision).ok_or_else(not_cached)?],
            None => all.clone(),
        };
        let before = folder_bytes(&repository.folder);
        let staying: Vec<PathBuf> = all
            .into_iter()
            .filter(|snapshot| !going.contains(snapshot))
            .collect();
        if staying.is_empty() {
            // Snapshots first: one that is seen while its files go would look damaged.
            delete_folder(&repository.folder.join("snapshots"))?;
            delete_folder(&repository.folder)?;
        } else {
            repository.remove_snapshots(&going, &staying)?;
        }
        Ok(Removed {
            snapshots: going.len(),
            freed_bytes: before.saturating_sub(folder_bytes(&repository.folder)),
        })
    }

    pub(super) fn repository(&self, id: &ModelId) -> Repository {
        let repo = Repo::new(id.to_string(), RepoType::Model);
        let name = repo.folder_name();
        Repository {
            folder: self.folder.join(&name),
            locks: self.folder.join(".locks").join(name),
            paths: hf_hub::Cache::new(self.folder.clone()).repo(repo),
        }
    }
}

/// The folder of one model in the cache.
pub(super) struct Repository {
    pub(super) folder: PathBuf,
    /// Where programs that download the same file wait for each other.
    pub(super) locks: PathBuf,
    paths: CacheRepo,
}

impl Repository {
    pub(super) fn blobs(&self) -> PathBuf {
        self.folder.join("blobs")
    }

    pub(super) fn blob(&self, etag: &str) -> PathBuf {
        self.paths.blob_path(etag)
    }

    /// Where a blob grows.
    pub(super) fn part(&self, etag: &str) -> PathBuf {
        self.paths.blob_path(&format!("{etag}{PART_SUFFIX}"))
    }

    pub(super) fn snapshot(&self, commit: &str) -> PathBuf {
        self.paths.pointer_path(commit)
    }

    pub(super) fn reference(&self, revision: &str) -> PathBuf {
        self.folder.join("refs").join(revision)
    }

    fn snapshots(&self) -> Vec<PathBuf> {
        let mut snapshots = entries(&self.folder.join("snapshots"));
        snapshots.retain(|path| path.is_dir());
        snapshots
    }

    /// By branch or tag, or by commit.
    fn snapshot_of(&self, revision: &str) -> Option<PathBuf> {
        let is_plain = |text: &str| is_revision(text);
        let commit = is_plain(revision)
            .then(|| fs::read_to_string(self.reference(revision)).ok())?
            .map_or_else(|| revision.to_owned(), |commit| commit.trim().to_owned());
        let snapshot = (is_plain(&commit) && !commit.contains('/')).then(|| self.snapshot(&commit))?;
        snapshot.is_dir().then_some(snapshot)
    }

    fn remove_snapshots(&self, going: &[PathBuf], staying: &[PathBuf]) -> Result<(), HubError> {
        let blobs_of = |snapshots: &[PathBuf]| -> BTreeSet<OsString> {
            snapshots
                .iter()
                .flat_map(|snapshot| blob_names(snapshot))
                .collect()
        };
        let (used, kept) = (blobs_of(going), blobs_of(staying));
        let gone: Vec<&Path> = going
            .iter()
            .filter_map(|path| path.file_name())
            .map(Path::new)
            .collect();
        for reference in files_below(&self.folder.join("refs")) {
            let commit = fs::read_to_string(&reference).unwrap_or_default();
            if gone.contains(&Path::new(commit.trim())) {
                delete_file(&reference)?;
            }
        }
        for snapshot in going {
            delete_folder(snapshot)?;
        }
        for blob in used.difference(&kept) {
            delete_file(&self.blobs().join(blob))?;
        }
        Ok(())
    }

    /// Takes folders away that a failed download has made and left empty.
    pub(super) fn tidy(&self) {
        for folder in [self.blobs(), self.folder.join("snapshots"), self.folder.clone()] {
            // Deletes nothing that holds anything.
            let _ = fs::remove_dir(folder);
        }
    }
}

/// A branch, tag or commit that stays below `refs` and in its place in an address.
pub(super) fn is_revision(text: &str) -> bool {
    let is_allowed = |character: char| character.is_ascii_alphanumeric() || "-_./+".contains(character);
    let is_part = |part: &str| !part.is_empty() && part != "." && part != "..";
    text.len() <= 255 && text.chars().all(is_allowed) && text.split('/').all(is_part)
}

/// Bytes that may still be written where `path` is or will be; `None` where the system does not say.
pub fn free_space(path: &Path) -> Option<u64> {
    let existing = path.ancestors().find(|folder| folder.exists())?;
    available_bytes(existing)
}

#[cfg(unix)]
fn available_bytes(path: &Path) -> Option<u64> {
    let space = rustix::fs::statvfs(path).ok()?;
    space.f_bavail.checked_mul(space.f_frsize)
}

#[cfg(not(unix))]
fn available_bytes(_path: &Path) -> Option<u64> {
    None
}

/// A folder that is not there has no entries: a cache grows as it is used.
fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .map(|entries| entries.filter_map(Result::ok).map(|entry| entry.path()).collect())
        .unwrap_or_default()
}

/// Files and links of a folder and of those in it; links are not followed.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let (folders, mut files): (Vec<PathBuf>, Vec<PathBuf>) = entries(folder)
        .into_iter()
        .partition(|path| path.is_dir() && !path.is_symlink());
    files.extend(folders.iter().flat_map(|folder| files_below(folder)));
    files
}

/// The names of the blobs that the links of a snapshot, or of a folder of them, lead to.
fn blob_names(snapshot: &Path) -> BTreeSet<OsString> {
    files_below(snapshot)
        .iter()
        .filter_map(|file| fs::read_link(file).ok()?.file_name().map(OsString::from))
        .collect()
}

fn folder_bytes(folder: &Path) -> u64 {
    files_below(folder).iter().map(|file| size_of(file)).sum()
}

/// Of the file itself; a link counts as good as nothing.
fn size_of(file: &Path) -> u64 {
    fs::symlink_metadata(file).map_or(0, |metadata| metadata.len())
}

fn changed(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

/// What is gone already counts as deleted.
fn delete_file(path: &Path) -> Result<(), HubError> {
    unless_gone(path, fs::remove_file(path))
}

fn delete_folder(path: &Path) -> Result<(), HubError> {
    unless_gone(path, fs::remove_dir_all(path))
}

fn unless_gone(path: &Path, outcome: io::Result<()>) -> Result<(), HubError> {
    match outcome {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(HubError::write(path, error)),
        _ => Ok(()),
    }
}
