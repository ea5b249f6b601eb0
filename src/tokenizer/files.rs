use super::TokenizerError;
use super::checkpoint::shard_paths;
use std::path::{Path, PathBuf};

/// Names of a checkpoint inside a model's folder or repository, the one to prefer first.
pub const WEIGHT_NAMES: [&str; 7] = [
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "model.pt",
    "model.pth",
    "model.bin",
];
/// Extensions of checkpoints, in lower case.
pub const WEIGHT_EXTENSIONS: [&str; 4] = ["safetensors", "pt", "pth", "bin"];
/// Ends the name of the file that says which of several files holds which tensor.
pub const INDEX_SUFFIX: &str = ".index.json";

/// Where a model lies on disk: its configuration and its weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelFiles {
    /// Name shown to a person: a built-in name, a folder name, a hub id.
    pub name: String,
    /// `config.json`.
    pub config: PathBuf,
    /// `.safetensors`, `.pt`, `.pth` or `.bin` state dict, or the `.index.json` of one in several files.
    pub weights: PathBuf,
}

impl ModelFiles {
    /// A folder with `config.json` + `model.safetensors` (or another checkpoint, which must then be the only one), or a
    /// checkpoint file beside its `config.json`.
    ///
    /// The two files are only found here, not read.
    ///
    /// # Errors
    /// [`TokenizerError::NotAModel`] with what was expected where.
    pub fn locate(path: &Path) -> Result<Self, TokenizerError> {
        let not_a_model = |reason: String| TokenizerError::NotAModel {
            path: path.to_owned(),
            reason,
        };
        let (folder, weights, name) = if path.is_dir() {
            let weights = weights_in(path).map_err(not_a_model)?;
            // A path such as "." has no name of its own; the folder behind it has.
            let full = path.canonicalize().unwrap_or_else(|_| path.to_owned());
            (path.to_owned(), weights, display_name(full.file_name()))
        } else if path.is_file() {
            if !is_checkpoint(path) && !is_index(path) {
                return Err(not_a_model(
                    "a checkpoint is a .safetensors, .pt, .pth or .bin file".to_owned(),
                ));
            }
            let folder = path.parent().unwrap_or(Path::new("")).to_owned();
            (folder, path.to_owned(), display_name(path.file_stem()))
        } else {
            return Err(not_a_model("there is no such file or folder".to_owned()));
        };
        let config = folder.join("config.json");
        if !config.is_file() {
            return Err(not_a_model(format!(
                "its configuration is missing: {}",
                config.display()
            )));
        }
        Ok(Self {
            name,
            config,
            weights,
        })
    }
}

impl ModelFiles {
    /// The files that hold the weights: one, or those that the index names.
    ///
    /// # Errors
    /// An index that cannot be read or names files outside of its folder.
    pub fn weight_files(&self) -> Result<Vec<PathBuf>, TokenizerError> {
        if is_index(&self.weights) {
            shard_paths(&self.weights)
        } else {
            Ok(vec![self.weights.clone()])
        }
    }

    /// Size of the weights on disk, bytes; what cannot be read counts as nothing.
    pub fn weight_bytes(&self) -> u64 {
        let length = |path: &PathBuf| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
        self.weight_files()
            .map_or(0, |files| files.iter().map(length).sum())
    }
}

/// The checkpoint of a folder, or why there is none.
fn weights_in(folder: &Path) -> Result<PathBuf, String> {
    let known = WEIGHT_NAMES.iter().map(|name| folder.join(name));
    if let Some(weights) = known.into_iter().find(|candidate| candidate.is_file()) {
        return Ok(weights);
    }
    let mut others: Vec<PathBuf> = std::fs::read_dir(folder)
        .map(|entries| entries.filter_map(Result::ok).map(|entry| entry.path()).collect())
        .unwrap_or_default();
    others.retain(|path| is_checkpoint(path) && path.is_file());
    others.sort();
    match others.as_slice() {
        [only] => Ok(only.clone()),
        [] => Err("this folder has no model.safetensors (nor a .pt or .bin)".to_owned()),
        several => {
            let names: Vec<String> = several
                .iter()
                .map(|path| display_name(path.file_name()))
                .collect();
            Err(format!(
                "this folder has several checkpoints; name one of them: {}",
                names.join(", ")
            ))
        }
    }
}

fn is_checkpoint(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| WEIGHT_EXTENSIONS.contains(&extension.to_ascii_lowercase().as_str()))
}

pub(super) fn is_index(path: &Path) -> bool {
    path.to_str().is_some_and(|path| path.ends_with(INDEX_SUFFIX))
}

fn display_name(name: Option<&std::ffi::OsStr>) -> String {
    name.map_or_else(|| "model".to_owned(), |name| name.to_string_lossy().into_owned())
}
