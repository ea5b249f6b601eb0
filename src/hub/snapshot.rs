//! Making a finished download visible: all files of a revision at once, as links to the blobs.

use super::HubError;
use super::cache::Repository;
use super::client::RemoteFile;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Makes `snapshots/<commit>` hold `files`, of which the last is the one that makes the model complete, and points
/// `refs/<revision>` to it.
pub(super) fn install(
    repository: &Repository,
    revision: &str,
    commit: &str,
    files: &[RemoteFile],
) -> Result<PathBuf, HubError> {
    let snapshot = repository.snapshot(commit);
    if snapshot.is_dir() {
        // Other programs have fetched other files of it.
        for file in files {
            link_into(repository, &snapshot, file)?;
        }
    } else {
        install_whole(repository, &snapshot, files)?;
    }
    if revision != commit {
        point(&repository.reference(revision), commit)?;
    }
    Ok(snapshot)
}

/// A snapshot that was not there: built aside, then renamed.
fn install_whole(repository: &Repository, snapshot: &Path, files: &[RemoteFile]) -> Result<(), HubError> {
    let write_error = |error| HubError::write(snapshot, error);
    let staging = builder().tempdir_in(&repository.folder).map_err(write_error)?;
    for file in files {
        link_into(repository, staging.path(), file)?;
    }
    if let Some(parent) = snapshot.parent() {
        fs::create_dir_all(parent).map_err(write_error)?;
    }
    fs::rename(staging.path(), snapshot).map_err(write_error)?;
    // It has its own name now; there is nothing left to clean up.
    let _ = staging.keep();
    Ok(())
}

/// A builder of folders with the permissions that the umask leaves.
fn builder() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".softscope-").suffix(".tmp");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
    builder
}

/// Puts a file into the folder of a snapshot, replacing what has its name.
fn link_into(repository: &Repository, folder: &Path, file: &RemoteFile) -> Result<(), HubError> {
    let place = folder.join(&file.name);
    let blob = repository.blob(&file.etag);
    let depth = file.name.split('/').count();
    // From snapshots/<commit>/ two folders up to the repository, and one more for each folder in the name.
    let target: PathBuf = std::iter::repeat_n("..", depth + 1)
        .chain(["blobs", file.etag.as_str()])
        .collect();
    link(&target, &blob, &place).map_err(|error| HubError::write(&place, error))
}

fn link(target: &Path, blob: &Path, place: &Path) -> io::Result<()> {
    let Some(parent) = place.parent() else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    fs::create_dir_all(parent)?;
    if fs::read_link(place).is_ok_and(|there| there == target) {
        return Ok(());
    }
    let aside = tempfile::Builder::new()
        .prefix(".softscope-")
        .tempdir_in(parent)?;
    let made = aside.path().join("link");
    symlink(target, &made)
        // Where links need a privilege or the disk knows none, as little is copied as can be.
        .or_else(|_| fs::hard_link(blob, &made))
        .or_else(|_| fs::copy(blob, &made).map(|_| ()))?;
    fs::rename(&made, place)
}

#[cfg(unix)]
fn symlink(target: &Path, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

#[cfg(windows)]
fn symlink(target: &Path, link: &Path) -> io::Result<()> {
    std::os::windows::fs::symlink_file(target, link)
}

#[cfg(not(any(unix, windows)))]
fn symlink(_target: &Path, _link: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Writes a reference whole or not at all.
fn point(reference: &Path, commit: &str) -> Result<(), HubError> {
    let write = || -> io::Result<()> {
        let Some(parent) = reference.parent() else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        fs::create_dir_all(parent)?;
        let mut builder = tempfile::Builder::new();
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let mut file = builder.tempfile_in(parent)?;
        file.write_all(commit.as_bytes())?;
        file.persist(reference).map_err(|error| error.error)?;
        Ok(())
    };
    write().map_err(|error| HubError::write(reference, error))
}
