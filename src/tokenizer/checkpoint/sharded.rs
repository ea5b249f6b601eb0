//! A state dict in several files, and the index that says which of them holds which tensor.

use crate::tokenizer::TokenizerError;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

/// Beyond any index of a tokenizer, however many tensors it has.
const LARGEST_INDEX_BYTES: u64 = 64 << 20;

/// The part of `model.safetensors.index.json` that is used.
#[derive(Debug, Deserialize)]
struct Index {
    /// Tensor key to file name.
    weight_map: BTreeMap<String, String>,
}

/// The names of the files that an index (its bytes) refers to, each once.
///
/// # Errors
/// Why it cannot be used: no index, no file, or one that does not lie in the index's folder.
pub fn shard_names(index: &[u8]) -> Result<BTreeSet<String>, String> {
    Ok(weight_map(index)?.into_values().collect())
}

/// The files that the index at `path` refers to, by name.
pub(in crate::tokenizer) fn shard_paths(path: &Path) -> Result<Vec<PathBuf>, TokenizerError> {
    let index = read(path)?;
    let names = shard_names(&index).map_err(|reason| TokenizerError::checkpoint(path, reason))?;
    Ok(names.iter().map(|name| beside(path, name)).collect())
}

/// Keys by the file that holds them, as the index at `path` has it.
pub(super) fn keys_by_shard(path: &Path) -> Result<BTreeMap<PathBuf, BTreeSet<String>>, TokenizerError> {
    let index = read(path)?;
    let weight_map = weight_map(&index).map_err(|reason| TokenizerError::checkpoint(path, reason))?;
    let mut shards: BTreeMap<PathBuf, BTreeSet<String>> = BTreeMap::new();
    for (key, name) in weight_map {
        shards.entry(beside(path, &name)).or_default().insert(key);
    }
    Ok(shards)
}

fn read(path: &Path) -> Result<Vec<u8>, TokenizerError> {
    let read_error = |source| TokenizerError::read(path, source);
    let length = std::fs::metadata(path).map_err(read_error)?.len();
    if length > LARGEST_INDEX_BYTES {
        return Err(TokenizerError::checkpoint(
            path,
            "this is far too large for an index",
        ));
    }
    std::fs::read(path).map_err(read_error)
}

fn weight_map(index: &[u8]) -> Result<BTreeMap<String, String>, String> {
    let index: Index = serde_json::from_slice(index)
        .map_err(|cause| format!("this index of a checkpoint in several files is not valid ({cause})"))?;
    if index.weight_map.is_empty() {
        return Err("this index names no tensor (`weight_map` is empty)".to_owned());
    }
    match index.weight_map.iter().find(|(_, name)| !stays_below(name)) {
        Some((key, name)) => Err(format!(
            "this index puts `{key}` into \"{name}\", which does not lie in its folder; the index is wrong or forged"
        )),
        None => Ok(index.weight_map),
    }
}

/// Whether a name from an index leads to a file below the index's folder, on any system.
fn stays_below(name: &str) -> bool {
    let is_plain = |component| matches!(component, Component::Normal(_));
    !name.is_empty() && !name.contains(['\\', ':', '\0']) && Path::new(name).components().all(is_plain)
}

fn beside(index: &Path, name: &str) -> PathBuf {
    index.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(map: &str) -> Result<BTreeSet<String>, String> {
        shard_names(format!(r#"{{"metadata": {{}}, "weight_map": {map}}}"#).as_bytes())
    }

    #[test]
    fn names_come_once_and_stay_in_their_folder() {
        let two =
            names(r#"{"a": "model-1.safetensors", "b": "sub/2.bin", "c": "model-1.safetensors"}"#).unwrap();
        assert_eq!(
            two.into_iter().collect::<Vec<_>>(),
            ["model-1.safetensors", "sub/2.bin"]
        );
        for name in ["../x", "/etc/passwd", "a/../../x", "", "C:x", "..\\\\x", "./../x"] {
            let error = names(&format!(r#"{{"key": "{name}"}}"#)).unwrap_err();
            assert!(
                error.contains("`key`") && error.contains("folder"),
                "{name}: {error}"
            );
        }
        assert!(names("{}").unwrap_err().contains("names no tensor"));
        assert!(shard_names(b"[]").unwrap_err().contains("not valid"));
    }
}
