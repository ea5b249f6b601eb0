//! One file from the hub into the cache: resumed where it stopped, checked before it counts.

use super::HubError;
use super::cache::Repository;
use super::checksum::Checksum;
use super::client::{Answer, Client, RemoteFile, content_length, content_range};
use super::exchange::POLL;
use super::meter::{Meter, Phase};
use super::retry::{Retries, pause};
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Bytes of a part that are read again at once.
const PIECE_BYTES: usize = 1 << 20;

/// Brings a file into the cache, unless it is there. Holds a lock meanwhile, which other programs honour.
pub(super) fn fetch(
    client: &Client<'_>,
    repository: &Repository,
    file: &RemoteFile,
    meter: &mut Meter<'_>,
) -> Result<(), HubError> {
    let blob = repository.blob(&file.etag);
    let _lock = lock(repository, file, meter)?;
    if let Some(size) = size_if_whole(&blob, file) {
        meter.enter(Phase::Checking, &file.name);
        meter.found(size);
        return Ok(());
    }
    fs::create_dir_all(repository.blobs()).map_err(|error| HubError::write(&repository.blobs(), error))?;
    let mut part = Part::open(repository.part(&file.etag), file, meter)?;
    let outcome = part.fill(client, meter).and_then(|()| part.become_blob(&blob));
    if let Err(error) = &outcome {
        part.leave(error);
    }
    outcome
}

/// The size of a blob that is as large as announced.
pub(super) fn size_if_whole(blob: &Path, file: &RemoteFile) -> Option<u64> {
    let metadata = fs::metadata(blob).ok().filter(fs::Metadata::is_file)?;
    let size = metadata.len();
    file.size_bytes
        .is_none_or(|announced| announced == size)
        .then_some(size)
}

/// Waits until nobody else downloads the file.
fn lock(repository: &Repository, file: &RemoteFile, meter: &mut Meter<'_>) -> Result<File, HubError> {
    let path = repository.locks.join(format!("{}.lock", file.etag));
    let write_error = |error| HubError::write(&path, error);
    fs::create_dir_all(&repository.locks).map_err(write_error)?;
    let lock = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(write_error)?;
    let mut is_told = false;
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::WouldBlock) => {
                if !is_told {
                    meter.enter(Phase::Waiting, &file.name);
                    is_told = true;
                }
                pause(POLL, meter)?;
            }
            // Some network file systems have no locks; the file itself is renamed into place all the same.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => return Ok(lock),
            Err(TryLockError::Error(error)) => return Err(HubError::write(&path, error)),
        }
    }
}

/// A file that has not arrived whole.
struct Part<'a> {
    path: PathBuf,
    remote: &'a RemoteFile,
    file: File,
    length: u64,
    checksum: Checksum,
    /// Some of its bytes are from an earlier run, which may have ended in the middle of a write.
    is_resumed: bool,
}

impl<'a> Part<'a> {
    /// Opens the part, or begins one. What is there is read again for its checksum.
    fn open(path: PathBuf, remote: &'a RemoteFile, meter: &mut Meter<'_>) -> Result<Self, HubError> {
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|error| HubError::write(&path, error))?;
        let mut part = Self {
            path,
            remote,
            file,
            length: 0,
            checksum: Checksum::new(remote.algorithm(), remote.size_bytes),
            is_resumed: false,
        };
        part.read_again(meter)?;
        if remote.size_bytes.is_some_and(|size| part.length > size) {
            part.restart(meter)?;
        }
        Ok(part)
    }

    fn read_again(&mut self, meter: &mut Meter<'_>) -> Result<(), HubError> {
        meter.enter(Phase::Checking, &self.remote.name);
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            meter.require_wanted()?;
            let length = self
                .file
                .read(&mut piece)
                .map_err(|error| HubError::read(&self.path, error))?;
            if length == 0 {
                break;
            }
            self.checksum.update(piece.get(..length).unwrap_or_default());
            self.length += length as u64;
            self.is_resumed = true;
            meter.found(length as u64);
        }
        Ok(())
    }

    /// Throws away what is there.
    fn restart(&mut self, meter: &mut Meter<'_>) -> Result<(), HubError> {
        self.file
            .set_len(0)
            .and_then(|()| self.file.seek(SeekFrom::Start(0)))
            .map_err(|error| HubError::write(&self.path, error))?;
        meter.lost(self.length);
        self.length = 0;
        self.is_resumed = false;
        self.checksum = Checksum::new(self.remote.algorithm(), self.remote.size_bytes);
        Ok(())
    }

    /// Fetches what is missing. Faults of the connection are met with new tries as long as each brings the file
    /// further, and with a few more.
    fn fill(&mut self, client: &Client<'_>, meter: &mut Meter<'_>) -> Result<(), HubError> {
        let mut retries = Retries::new(client.settings(), self.length);
        loop {
            match self.fetch_rest(client, meter) {
                Ok(()) if self.checksum.clone().fits(&self.remote.etag) => return Ok(()),
                Ok(()) if self.is_resumed => self.restart(meter)?,
                Ok(()) => {
                    return Err(HubError::WrongChecksum {
                        file: self.remote.name.clone(),
                        algorithm: self.remote.algorithm().name(),
                    });
                }
                Err(error) if error.is_transient() => retries.wait(error, self.length, meter)?,
                Err(error) => return Err(error),
            }
        }
    }

    fn fetch_rest(&mut self, client: &Client<'_>, meter: &mut Meter<'_>) -> Result<(), HubError> {
        if self.remote.size_bytes == Some(self.length) {
            return Ok(());
        }
        meter.enter(Phase::Asking, &self.remote.name);
        let mut answer = client.open(&self.remote.name, self.length)?;
        if answer.head.status == 416 {
            // Nothing comes after what is there, so that what is there is not of this file.
            self.restart(meter)?;
            answer = client.open(&self.remote.name, 0)?;
        }
        let announced = self.announced(&answer, meter)?;
        meter.enter(Phase::Receiving, &self.remote.name);
        while let Some(piece) = client.next(&answer)? {
            self.push(&piece, announced, meter)?;
        }
        match announced {
            Some(announced) if self.length < announced => Err(HubError::Broken {
                host: answer.host,
                reason: format!("it ended after {} of {announced} bytes", self.length),
            }),
            _ => Ok(()),
        }
    }

    /// Size of the whole file as an answer has it, after the part was brought to where the answer begins.
    fn announced(&mut self, answer: &Answer, meter: &mut Meter<'_>) -> Result<Option<u64>, HubError> {
        let headers = &answer.head.headers;
        let announced = if answer.head.status == 206 {
            let Some((_, total)) = content_range(headers).filter(|(first, _)| *first == self.length) else {
                return Err(HubError::NotAHub {
                    host: answer.host.clone(),
                    reason: "it sends another range than it was asked for".to_owned(),
                });
            };
            Some(total)
        } else {
            if self.length > 0 {
                // It knows no ranges and begins anew.
                self.restart(meter)?;
            }
            content_length(headers)
        };
        match (self.remote.size_bytes, announced) {
            (Some(expected), Some(found)) if expected != found => Err(self.wrong_size(expected, found)),
            (expected, found) => Ok(expected.or(found)),
        }
    }

    fn push(&mut self, piece: &[u8], announced: Option<u64>, meter: &mut Meter<'_>) -> Result<(), HubError> {
        let length = self.length + piece.len() as u64;
        if let Some(announced) = announced.filter(|announced| length > *announced) {
            return Err(self.wrong_size(announced, length));
        }
        self.file
            .write_all(piece)
            .map_err(|error| HubError::write(&self.path, error))?;
        self.checksum.update(piece);
        self.length = length;
        meter.received(piece.len() as u64);
        Ok(())
    }

    fn wrong_size(&self, expected: u64, found: u64) -> HubError {
        HubError::WrongSize {
            file: self.remote.name.clone(),
            expected,
            found,
        }
    }

    fn become_blob(&self, blob: &Path) -> Result<(), HubError> {
        self.file
            .sync_all()
            .map_err(|error| HubError::write(&self.path, error))?;
        fs::rename(&self.path, blob).map_err(|error| HubError::write(blob, error))
    }

    /// After a failure: what is wrong goes, what can be resumed stays.
    fn leave(&self, error: &HubError) {
        let is_wrong = matches!(error, HubError::WrongSize { .. } | HubError::WrongChecksum { .. });
        if is_wrong || self.length == 0 {
            // Where it cannot be deleted the next download tries it and finds it wrong.
            let _ = fs::remove_file(&self.path);
        }
    }
}
