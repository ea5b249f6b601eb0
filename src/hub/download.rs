//! A whole model: which files it has, all of them into the cache, then the snapshot.

use super::cache::{Repository, free_space, is_revision};
use super::client::{Client, RemoteFile};
use super::meter::{Meter, Phase, Watch};
use super::retry::persistently;
use super::snapshot;
use super::transfer::{fetch, size_if_whole};
use super::{HubError, ModelId, Settings};
use crate::tokenizer::{INDEX_SUFFIX, ModelFiles, WEIGHT_EXTENSIONS, WEIGHT_NAMES, shard_names};
use std::path::PathBuf;

const CONFIG_NAME: &str = "config.json";
/// Left free on the disk: a system without any space is of no use to anybody.
const SPARE_BYTES: u64 = 64 << 20;

/// A model that is complete in the cache.
#[derive(Debug, Clone)]
pub struct Downloaded {
    /// The model.
    pub id: ModelId,
    /// The branch, tag or commit that was asked for.
    pub revision: String,
    /// The commit it stands for; empty where nothing was asked because of `HF_HUB_OFFLINE`.
    pub commit: String,
    /// What can be opened now.
    pub files: ModelFiles,
    /// The snapshot.
    pub folder: PathBuf,
    /// Size of all files.
    pub total_bytes: u64,
    /// What of that came over the network now; 0 where all was there already.
    pub received_bytes: u64,
}

/// Brings `config.json` and the weights of a model into the cache: `model.safetensors`, else the shards of its index,
/// else a PyTorch state dict. Blocks until done; `watch` follows it and can end it.
///
/// Files that are there are not fetched again, ones that arrived in part are gone on with. The snapshot appears when
/// everything is there and checked: sizes, and SHA-256 or git's SHA-1 where the hub names them.
///
/// # Errors
/// [`HubError`] says what to do. What arrived stays as `.incomplete` unless it was wrong.
pub fn download(
    settings: &Settings,
    id: &ModelId,
    revision: &str,
    watch: &dyn Watch,
) -> Result<Downloaded, HubError> {
    if !is_revision(revision) {
        return Err(HubError::BadRevision {
            text: revision.to_owned(),
        });
    }
    let cache = settings.require_cache()?;
    if settings.is_offline {
        let files = cache.files(id, revision);
        let files = files.ok_or_else(|| HubError::Offline { id: id.clone() })?;
        return Ok(Downloaded {
            id: id.clone(),
            revision: revision.to_owned(),
            commit: String::new(),
            folder: files.config.parent().map(PathBuf::from).unwrap_or_default(),
            total_bytes: files.weight_bytes(),
            received_bytes: 0,
            files,
        });
    }
    let download = Download {
        client: Client::new(settings, id, revision, watch)?,
        repository: cache.repository(id),
        revision,
        meter: Meter::new(watch),
    };
    download.run()
}

struct Download<'a> {
    client: Client<'a>,
    repository: Repository,
    revision: &'a str,
    meter: Meter<'a>,
}

impl Download<'_> {
    fn run(mut self) -> Result<Downloaded, HubError> {
        let outcome = self.fetch_all();
        if outcome.is_err() {
            self.repository.tidy();
        }
        let (files, folder) = outcome?;
        let id = self.client.id().clone();
        let located = ModelFiles::locate(&folder).map_err(|error| HubError::NotAModel {
            id: id.clone(),
            reason: error.to_string(),
        })?;
        Ok(Downloaded {
            revision: self.revision.to_owned(),
            commit: files.first().map(|file| file.commit.clone()).unwrap_or_default(),
            files: ModelFiles {
                name: id.to_string(),
                ..located
            },
            folder,
            total_bytes: files.iter().map(|file| self.size(file)).sum(),
            received_bytes: self.meter.received_bytes(),
            id,
        })
    }

    fn size(&self, file: &RemoteFile) -> u64 {
        size_if_whole(&self.repository.blob(&file.etag), file).unwrap_or_default()
    }

    fn fetch_all(&mut self) -> Result<(Vec<RemoteFile>, PathBuf), HubError> {
        self.meter.enter(Phase::Asking, CONFIG_NAME);
        let config = self.config()?;
        let weights = self.weights()?;
        let mut files = vec![config.clone()];
        let is_index = weights.name.ends_with(INDEX_SUFFIX);
        if is_index {
            // What else there is stands in the index.
            self.fetch(&weights)?;
            files.extend(self.shards(&weights)?);
        }
        // Last in its snapshot: by this name the model is found.
        files.push(weights);
        self.require_one_commit(&files)?;
        self.require_space(&files)?;
        self.meter
            .set_total(files.iter().map(|file| file.size_bytes).sum());
        let missing = files.len() - usize::from(is_index);
        // The weights first: where they fail, not even a small file is left behind.
        for file in files.iter().take(missing).rev() {
            self.fetch(file)?;
        }
        self.meter.require_wanted()?;
        let folder = snapshot::install(&self.repository, self.revision, &config.commit, &files)?;
        Ok((files, folder))
    }

    fn fetch(&mut self, file: &RemoteFile) -> Result<(), HubError> {
        fetch(&self.client, &self.repository, file, &mut self.meter)
    }

    /// What the hub says about a file, after as many tries as the settings allow.
    fn metadata(&mut self, name: &str) -> Result<Option<RemoteFile>, HubError> {
        self.meter.enter(Phase::Asking, name);
        persistently(self.client.settings(), &mut self.meter, || {
            self.client.metadata(name)
        })
    }

    fn config(&mut self) -> Result<RemoteFile, HubError> {
        self.metadata(CONFIG_NAME)?.ok_or_else(|| {
            self.not_a_model(format!(
                "{} has no file {CONFIG_NAME} of this id; check the id, or take the model's folder if you have it",
                self.client.settings().endpoint
            ))
        })
    }

    /// The file that makes the model complete.
    fn weights(&mut self) -> Result<RemoteFile, HubError> {
        for name in WEIGHT_NAMES {
            if let Some(file) = self.metadata(name)? {
                return Ok(file);
            }
        }
        let name = self.only_checkpoint()?;
        let file = self.metadata(&name)?;
        file.ok_or_else(|| self.not_a_model(format!("{name} is listed and not there")))
    }

    /// The one checkpoint with a name of its own.
    fn only_checkpoint(&mut self) -> Result<String, HubError> {
        let names = persistently(self.client.settings(), &mut self.meter, || {
            self.client.file_names()
        })?;
        let is_checkpoint = |name: &String| {
            let extension = name
                .rsplit_once('.')
                .map(|(_, extension)| extension.to_ascii_lowercase());
            !name.contains(['/', '\\'])
                && extension.is_some_and(|extension| WEIGHT_EXTENSIONS.contains(&extension.as_str()))
        };
        let mut checkpoints: Vec<String> = names.into_iter().filter(is_checkpoint).collect();
        match (checkpoints.pop(), checkpoints.is_empty()) {
            (Some(name), true) => Ok(name),
            (None, _) => Err(self.not_a_model(
                "it has no weights (model.safetensors, or a .pt, .pth or .bin state dict)".to_owned(),
            )),
            (Some(name), false) => {
                checkpoints.push(name);
                Err(self.not_a_model(format!(
                    "it has several checkpoints ({}); download the one you want into a folder with its config.json",
                    checkpoints.join(", ")
                )))
            }
        }
    }

    fn shards(&mut self, index: &RemoteFile) -> Result<Vec<RemoteFile>, HubError> {
        let path = self.repository.blob(&index.etag);
        let text = std::fs::read(&path).map_err(|error| HubError::read(&path, error))?;
        let names =
            shard_names(&text).map_err(|reason| self.not_a_model(format!("{}: {reason}", index.name)))?;
        let mut shards = Vec::with_capacity(names.len());
        for name in names {
            let shard = self.metadata(&name)?;
            shards.push(shard.ok_or_else(|| {
                self.not_a_model(format!(
                    "{} names the file {name}, which the hub does not have",
                    index.name
                ))
            })?);
        }
        Ok(shards)
    }

    fn require_one_commit(&self, files: &[RemoteFile]) -> Result<(), HubError> {
        let is_one = files.windows(2).all(|pair| match pair {
            [a, b] => a.commit == b.commit,
            _ => true,
        });
        if is_one {
            return Ok(());
        }
        Err(HubError::Changed {
            id: self.client.id().clone(),
        })
    }

    /// Before hours are spent: what is missing has to fit on the disk.
    fn require_space(&self, files: &[RemoteFile]) -> Result<(), HubError> {
        let length = |path: PathBuf| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
        let missing = files.iter().map(|file| {
            let size = file.size_bytes.unwrap_or_default();
            match size_if_whole(&self.repository.blob(&file.etag), file) {
                Some(_) => 0,
                None => size.saturating_sub(length(self.repository.part(&file.etag))),
            }
        });
        let missing = missing.fold(0_u64, u64::saturating_add);
        let Some(free) = free_space(&self.repository.folder).filter(|_| missing > 0) else {
            return Ok(());
        };
        match missing.saturating_add(SPARE_BYTES).checked_sub(free) {
            Some(needed) if needed > 0 => Err(HubError::DiskFull {
                path: self.repository.folder.clone(),
                needed_bytes: Some(needed),
            }),
            _ => Ok(()),
        }
    }

    fn not_a_model(&self, reason: String) -> HubError {
        HubError::NotAModel {
            id: self.client.id().clone(),
            reason,
        }
    }
}
