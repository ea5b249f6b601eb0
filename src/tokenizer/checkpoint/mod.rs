//! Checkpoint files: the names, shapes and places of their tensors, and the reading of one tensor at a time.
//!
//! Nothing is mapped into memory and nothing is read twice: [`Checkpoint::open`] reads the index alone (a
//! safetensors header, or a zip directory with its pickle), and every tensor is then read from the file in small
//! pieces, which become a vector or are packed as they arrive.

mod ahead;
mod hashing;
mod pickle;
mod reader;
mod safetensors;
mod sharded;
mod zip;

pub(crate) use hashing::Hasher;
pub(crate) use reader::Reading;
pub use sharded::shard_names;
pub(super) use sharded::shard_paths;

use super::TokenizerError;
use super::files::is_index;
use ahead::Ahead;
use candle_core::{DType, Tensor};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Training wrappers put these before every key.
const WRAPPER_PREFIXES: [&str; 2] = ["_orig_mod.", "module."];

/// Where a training checkpoint keeps its state dict, the one to prefer first: the averaged weights are the ones
/// that the reference evaluates.
const SECTIONS: [&str; 3] = ["ema", "model", "state_dict"];

/// A key that every tokenizer of the reference has; tells its state dict from an optimizer's.
const TELLTALE_KEY: &str = "quant_conv.weight";

/// Number type of a stored tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StoredType {
    F64,
    F32,
    F16,
    Bf16,
    /// Anything that no weight can be.
    Other,
}

impl StoredType {
    /// Bytes of one element; 0 where unknown.
    pub(crate) fn size(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::Other => 0,
        }
    }
}

/// One tensor of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) stored_type: StoredType,
    pub(crate) shape: Vec<usize>,
    /// Which of the checkpoint's files holds it.
    shard: usize,
    /// Position in that file of the first element, bytes.
    offset: u64,
    /// Elements from the first to the last, over which `strides` reach.
    span: usize,
    /// Steps in elements where the tensor is not row-major.
    strides: Option<Vec<usize>>,
}

impl Entry {
    /// The entry that a checkpoint would have for a tensor.
    pub(crate) fn of_tensor(tensor: &Tensor) -> Self {
        let stored_type = match tensor.dtype() {
            DType::F64 => StoredType::F64,
            DType::F32 => StoredType::F32,
            DType::F16 => StoredType::F16,
            DType::BF16 => StoredType::Bf16,
            _ => StoredType::Other,
        };
        Self {
            stored_type,
            shape: tensor.dims().to_vec(),
            shard: 0,
            offset: 0,
            span: tensor.elem_count(),
            strides: None,
        }
    }

    /// Number of elements.
    pub(crate) fn element_count(&self) -> usize {
        self.shape.iter().product()
    }

    /// Bytes that reading it takes from the file.
    pub(crate) fn stored_bytes(&self) -> u64 {
        self.span as u64 * self.stored_type.size() as u64
    }
}

/// One file of a checkpoint.
#[derive(Debug)]
struct Shard {
    path: PathBuf,
    file: File,
    ahead: Ahead,
}

/// An open checkpoint and the index of its state dict.
#[derive(Debug)]
pub(crate) struct Checkpoint {
    /// What was asked for: the one file, or the index of several.
    path: PathBuf,
    shards: Vec<Shard>,
    entries: BTreeMap<String, Entry>,
    section: Option<String>,
}

impl Checkpoint {
    /// Opens a safetensors file or a zipped PyTorch file, told apart by content, or all files that an index names, and
    /// reads what they hold.
    pub(crate) fn open(path: &Path) -> Result<Self, TokenizerError> {
        let (shards, entries) = if is_index(path) {
            open_shards(path)?
        } else {
            let (shard, entries) = open_shard(path, 0)?;
            (vec![shard], entries)
        };
        let (section, entries) = select_section(entries);
        Ok(Self {
            path: path.to_owned(),
            shards,
            entries,
            section,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Tensors by key, wrapper prefixes taken off.
    pub(crate) fn entries(&self) -> &BTreeMap<String, Entry> {
        &self.entries
    }

    fn shard(&self, key: &str, entry: &Entry) -> Result<&Shard, TokenizerError> {
        self.shards
            .get(entry.shard)
            .ok_or_else(|| TokenizerError::Input(format!("`{key}` is in no file of this checkpoint")))
    }

    /// The part of a training checkpoint that was taken: "ema", "model" or "state_dict".
    pub(crate) fn section(&self) -> Option<&str> {
        self.section.as_deref()
    }
}

fn open_shard(path: &Path, shard: usize) -> Result<(Shard, BTreeMap<String, Entry>), TokenizerError> {
    let mut file = File::open(path).map_err(|source| TokenizerError::read(path, source))?;
    let mut entries = read_index(&mut file).map_err(|error| match error {
        IndexError::Io(source) => TokenizerError::read(path, source),
        IndexError::Malformed(reason) => TokenizerError::checkpoint(path, reason),
    })?;
    for entry in entries.values_mut() {
        entry.shard = shard;
    }
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    let shard = Shard {
        path: path.to_owned(),
        ahead: Ahead::new(length),
        file,
    };
    Ok((shard, entries))
}

/// Opens every file that the index at `path` names and takes from each what the index says is in it.
fn open_shards(path: &Path) -> Result<(Vec<Shard>, BTreeMap<String, Entry>), TokenizerError> {
    let mut shards = Vec::new();
    let mut entries = BTreeMap::new();
    for (shard_path, keys) in sharded::keys_by_shard(path)? {
        if !shard_path.is_file() {
            return Err(TokenizerError::checkpoint(
                &shard_path,
                "this file, which the index names, is missing; download the model again or put the file there",
            ));
        }
        let (shard, mut found) = open_shard(&shard_path, shards.len())?;
        for key in keys {
            let entry = found.remove(&key).ok_or_else(|| {
                TokenizerError::checkpoint(
                    &shard_path,
                    format!("the index says that `{key}` is in this file, and it is not; the files do not belong together"),
                )
            })?;
            entries.insert(key, entry);
        }
        shards.push(shard);
    }
    Ok((shards, entries))
}

/// Why an index could not be read.
#[derive(Debug)]
enum IndexError {
    Io(std::io::Error),
    Malformed(String),
}

impl From<std::io::Error> for IndexError {
    fn from(source: std::io::Error) -> Self {
        if source.kind() == std::io::ErrorKind::UnexpectedEof {
            Self::Malformed("the file ends too early; it is damaged or not fully downloaded".to_owned())
        } else {
            Self::Io(source)
        }
    }
}

fn malformed(reason: impl Into<String>) -> IndexError {
    IndexError::Malformed(reason.into())
}

fn read_index(file: &mut File) -> Result<BTreeMap<String, Entry>, IndexError> {
    let length = file.metadata()?.len();
    let mut magic = [0_u8; 4];
    file.read_exact(&mut magic)?;
    file.seek(SeekFrom::Start(0))?;
    match magic {
        [b'P', b'K', 3, 4] => pickle::read_index(file, length),
        [0x80, ..] if !safetensors::is_plausible(file, length)? => Err(malformed(
            "this is the PyTorch format from before version 1.6; load it in PyTorch and save it again",
        )),
        _ => safetensors::read_index(file, length),
    }
}

fn strip_wrappers(mut key: &str) -> &str {
    while let Some(rest) = WRAPPER_PREFIXES
        .iter()
        .find_map(|prefix| key.strip_prefix(prefix))
    {
        key = rest;
    }
    key
}

/// Finds the state dict among nested ones and takes wrapper prefixes off its keys.
fn select_section(entries: BTreeMap<String, Entry>) -> (Option<String>, BTreeMap<String, Entry>) {
    let keys_in = |section: &str| -> Vec<&String> {
        entries
            .keys()
            .filter(|key| section_key(key, section).is_some())
            .collect()
    };
    let holds_tokenizer = |section: &str| {
        keys_in(section)
            .iter()
            .any(|key| section_key(key, section) == Some(TELLTALE_KEY))
    };
    let at_root = entries.keys().any(|key| strip_wrappers(key) == TELLTALE_KEY);
    let section = SECTIONS
        .into_iter()
        .find(|section| holds_tokenizer(section))
        // A damaged state dict may lack the telltale key; it shall still be reported key by key.
        .or_else(|| {
            SECTIONS
                .into_iter()
                .find(|section| !at_root && !keys_in(section).is_empty())
        });
    let selected = entries
        .into_iter()
        .filter_map(|(key, entry)| {
            let key = match section {
                Some(section) => section_key(&key, section)?.to_owned(),
                None => strip_wrappers(&key).to_owned(),
            };
            Some((key, entry))
        })
        .collect();
    (section.map(str::to_owned), selected)
}

/// The key inside a section, or None outside of it.
fn section_key<'key>(key: &'key str, section: &str) -> Option<&'key str> {
    let rest = strip_wrappers(key).strip_prefix(section)?.strip_prefix('.')?;
    Some(strip_wrappers(rest))
}
