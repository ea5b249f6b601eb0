use super::TokenizerError;
use std::path::{Path, PathBuf};

/// Names of a checkpoint inside a model's folder, the one to prefer first.
const WEIGHT_NAMES: [&str; 5] = [
    "model.safetensors",
    "pytorch_model.bin",
    "model.pt",
    "model.pth",
    "model.bin",
];
const WEIGHT_EXTENSIONS: [&str; 4] = ["safetensors", "pt", "pth", "bin"];

/// Where a model lies on disk: its configuration and its weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelFiles {
    /// Name shown to a person: a built-in name, a folder name, a hub id.
    pub name: String,
    /// `config.json`.
    pub config: PathBuf,
    /// `.safetensors`, `.pt`, `.pth` or `.bin` state dict.
    pub weights: PathBuf,
}

impl ModelFiles {
    /// A folder with `config.json` + `model.safetensors`, or a checkpoint file beside its `config.json`.
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
            let weights = WEIGHT_NAMES
                .iter()
                .map(|name| path.join(name))
                .find(|candidate| candidate.is_file())
                .ok_or_else(|| {
                    not_a_model("this folder has no model.safetensors (nor a .pt or .bin)".to_owned())
                })?;
            // A path such as "." has no name of its own; the folder behind it has.
            let full = path.canonicalize().unwrap_or_else(|_| path.to_owned());
            (path.to_owned(), weights, display_name(full.file_name()))
        } else if path.is_file() {
            let extension = path
                .extension()
                .and_then(|extension| extension.to_str())
                .unwrap_or_default();
            if !WEIGHT_EXTENSIONS.contains(&extension.to_ascii_lowercase().as_str()) {
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

fn display_name(name: Option<&std::ffi::OsStr>) -> String {
    name.map_or_else(|| "model".to_owned(), |name| name.to_string_lossy().into_owned())
}
