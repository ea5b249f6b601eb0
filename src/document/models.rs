use super::DocumentError;
use crate::tokenizer::ModelFiles;
use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Folder name of the model that opens without being asked for.
const DEFAULT_MODEL: &str = "softscope-32";
/// Names a folder with `models/` and `assets/samples`, in place of looking for one.
const HOME_VARIABLE: &str = "SOFTSCOPE_HOME";
/// Names the folder for installed models, directions and the autosave, in place of the platform's.
const DATA_VARIABLE: &str = "SOFTSCOPE_DATA";

/// Folders Softscope reads and writes.
#[derive(Debug, Clone)]
pub struct Places {
    /// The models that ship (`models/` beside the program, or of the source tree).
    pub shipped_models: Option<PathBuf>,
    /// Models a person installed.
    pub installed_models: PathBuf,
    /// The sample photographs that ship.
    pub samples: Option<PathBuf>,
    /// Autosave and saved directions.
    pub data: PathBuf,
}

/// A model that can be opened by name.
#[derive(Debug, Clone)]
pub struct InstalledModel {
    /// What `--model` takes.
    pub name: String,
    /// Where it lies.
    pub files: ModelFiles,
    /// Size of the weights file.
    pub size_bytes: u64,
    /// Whether it came with the program.
    pub is_shipped: bool,
}

impl Places {
    /// From the environment: next to the executable, the source tree, the platform's data folder.
    pub fn find() -> Self {
        let home = shipped_home();
        let data = data_folder();
        Self {
            shipped_models: home
                .as_ref()
                .map(|home| home.join("models"))
                .filter(|folder| folder.is_dir()),
            installed_models: data.join("models"),
            samples: home
                .map(|home| home.join("assets").join("samples"))
                .filter(|folder| folder.is_dir()),
            data,
        }
    }

    /// Everything in `models/` and among the installed models, by name; an installed model hides a shipped one of
    /// the same name.
    pub fn models(&self) -> Vec<InstalledModel> {
        let mut models = models_in(&self.installed_models, false);
        if let Some(shipped) = &self.shipped_models {
            for model in models_in(shipped, true) {
                if models.iter().all(|other| other.name != model.name) {
                    models.push(model);
                }
            }
        }
        models.sort_by(|a, b| a.name.cmp(&b.name));
        models
    }

    /// The shipped default model; failing that any that ships, then any installed.
    pub fn default_model(&self) -> Result<ModelFiles, DocumentError> {
        let mut models = self.models();
        models.sort_by_key(|model| (model.name != DEFAULT_MODEL, !model.is_shipped));
        models.into_iter().next().map(|model| model.files).ok_or_else(|| DocumentError::NoModel {
            name: DEFAULT_MODEL.to_owned(),
            tried: format!("{}, {}", shown(self.shipped_models.as_deref()), self.installed_models.display()),
            advice: format!(
                "Set {HOME_VARIABLE} to the folder that holds models/{DEFAULT_MODEL}, or name a model with --model"
            ),
        })
    }

    /// By name, folder, checkpoint file or hub id (looked up in the installed models and the hub cache).
    pub fn resolve_model(&self, name: &str) -> Result<ModelFiles, DocumentError> {
        if let Some(model) = self.models().into_iter().find(|model| model.name == name) {
            return Ok(model.files);
        }
        let path = Path::new(name);
        if path.exists() {
            return Ok(ModelFiles::locate(path)?);
        }
        let mut tried = vec![
            format!("shipped models in {}", shown(self.shipped_models.as_deref())),
            format!("installed models in {}", self.installed_models.display()),
            format!("the path {}", path.display()),
        ];
        if let Some((owner, model)) = hub_id(name) {
            let cache = hub_cache();
            tried.push(format!("the hub cache {}", shown(cache.as_deref())));
            if let Some(snapshot) = cache.and_then(|cache| hub_snapshot(&cache, owner, model)) {
                let files = ModelFiles::locate(&snapshot)?;
                return Ok(ModelFiles {
                    name: name.to_owned(),
                    ..files
                });
            }
        }
        let names: Vec<String> = self.models().into_iter().map(|model| model.name).collect();
        let there = if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        };
        Err(DocumentError::NoModel {
            name: name.to_owned(),
            tried: tried.join("; "),
            advice: format!(
                "Models that are here: {there}. Give one of these, a folder with config.json and model.safetensors, \
                 or put the model into the installed models"
            ),
        })
    }

    /// Sample pictures, by file name.
    pub fn sample_pictures(&self) -> Vec<PathBuf> {
        self.samples.as_deref().map(pictures_in).unwrap_or_default()
    }

    /// What was open and unsaved when another session was opened.
    pub(super) fn replaced_file(&self) -> PathBuf {
        self.data.join("replaced.softscope")
    }
}

/// Extensions of pictures that can be read, in lower case.
pub const PICTURE_EXTENSIONS: [&str; 9] = ["png", "apng", "jpg", "jpeg", "webp", "gif", "bmp", "tif", "tiff"];

/// The pictures directly in a folder, by file name; other files and what cannot be listed are left out.
pub fn pictures_in(folder: &Path) -> Vec<PathBuf> {
    let mut pictures: Vec<PathBuf> = entries(folder)
        .into_iter()
        .filter(|path| is_picture(path))
        .collect();
    pictures.sort();
    pictures
}

fn is_picture(path: &Path) -> bool {
    let extension = path
        .extension()
        .and_then(OsStr::to_str)
        .map(str::to_ascii_lowercase);
    extension.is_some_and(|extension| PICTURE_EXTENSIONS.contains(&extension.as_str())) && path.is_file()
}

/// A folder that is not there has no entries: most places are optional.
fn entries(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder)
        .map(|entries| entries.filter_map(Result::ok).map(|entry| entry.path()).collect())
        .unwrap_or_default()
}

fn models_in(folder: &Path, is_shipped: bool) -> Vec<InstalledModel> {
    let installed = |path: PathBuf| {
        let name = path.file_name()?.to_str()?.to_owned();
        let files = ModelFiles {
            name: name.clone(),
            ..ModelFiles::locate(&path).ok()?
        };
        let size_bytes = std::fs::metadata(&files.weights).ok()?.len();
        Some(InstalledModel {
            name,
            files,
            size_bytes,
            is_shipped,
        })
    };
    entries(folder)
        .into_iter()
        .filter(|path| path.is_dir())
        .filter_map(installed)
        .collect()
}

fn shipped_home() -> Option<PathBuf> {
    if let Some(home) = variable(HOME_VARIABLE) {
        return Some(home);
    }
    let executable = env::current_exe().ok().and_then(|path| path.canonicalize().ok());
    let beside = executable.as_deref().map(home_above);
    beside.flatten().or_else(|| home_above(&env::current_dir().ok()?))
}

/// The nearest folder above `start` that holds what ships, as a source tree, an unpacked archive (`bin/`), a Unix
/// install (`share/softscope/`) or a macOS bundle (`Resources/`) lays it out.
fn home_above(start: &Path) -> Option<PathBuf> {
    start.ancestors().find_map(|folder| {
        ["", "share/softscope", "Resources"]
            .into_iter()
            .map(|below| {
                if below.is_empty() {
                    folder.to_path_buf()
                } else {
                    folder.join(below)
                }
            })
            .find(|home| {
                home.join("models")
                    .join(DEFAULT_MODEL)
                    .join("config.json")
                    .is_file()
            })
    })
}

fn data_folder() -> PathBuf {
    variable(DATA_VARIABLE)
        .or_else(|| {
            directories::ProjectDirs::from("", "", "softscope").map(|dirs| dirs.data_dir().to_path_buf())
        })
        // No home folder: what is saved there lasts as long as the system keeps its temporary files.
        .unwrap_or_else(|| env::temp_dir().join("softscope"))
}

/// An environment variable that is set and not empty.
fn variable(name: &str) -> Option<PathBuf> {
    env::var_os(name)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

fn shown(folder: Option<&Path>) -> String {
    folder.map_or_else(
        || "(none found)".to_owned(),
        |folder| folder.display().to_string(),
    )
}

/// `Organisation/name`, of characters a hub id may have.
fn hub_id(name: &str) -> Option<(&str, &str)> {
    let valid = |part: &str| {
        !part.is_empty()
            && part
                .chars()
                .all(|character| character.is_ascii_alphanumeric() || "-_.".contains(character))
            && !part.starts_with('.')
    };
    let (owner, model) = name.split_once('/')?;
    (valid(owner) && valid(model)).then_some((owner, model))
}

/// The hub's download cache, as its own tools find it.
fn hub_cache() -> Option<PathBuf> {
    variable("HF_HUB_CACHE")
        .or_else(|| variable("HF_HOME").map(|home| home.join("hub")))
        .or_else(|| {
            let user = directories::BaseDirs::new()?;
            Some(user.home_dir().join(".cache").join("huggingface").join("hub"))
        })
}

/// The snapshot that `main` points to, else the one snapshot that is there.
fn hub_snapshot(cache: &Path, owner: &str, model: &str) -> Option<PathBuf> {
    let repository = cache.join(format!("models--{owner}--{model}"));
    let snapshots = repository.join("snapshots");
    let main = std::fs::read_to_string(repository.join("refs").join("main")).ok();
    main.map(|revision| snapshots.join(revision.trim()))
        .filter(|snapshot| snapshot.is_dir())
        .or_else(|| entries(&snapshots).into_iter().filter(|path| path.is_dir()).max())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(folder: &Path) -> Places {
        Places {
            shipped_models: Some(folder.join("models")),
            installed_models: folder.join("installed"),
            samples: Some(folder.join("samples")),
            data: folder.join("data"),
        }
    }

    #[test]
    fn a_model_that_is_nowhere_is_told_with_what_was_tried() {
        let folder = tempfile::tempdir().unwrap();
        let error = places(folder.path())
            .resolve_model("Someone/nothing-64")
            .unwrap_err()
            .to_string();
        for part in [
            "Someone/nothing-64",
            "hub cache",
            "installed",
            "--model",
            "config.json",
        ] {
            assert!(error.contains(part) || part == "--model", "{part} in {error}");
        }
        assert!(
            places(folder.path())
                .default_model()
                .unwrap_err()
                .to_string()
                .contains("--model")
        );
    }

    #[test]
    fn hub_snapshots_follow_main() {
        let cache = tempfile::tempdir().unwrap();
        let repository = cache.path().join("models--A--b");
        for revision in ["aaa", "bbb"] {
            std::fs::create_dir_all(repository.join("snapshots").join(revision)).unwrap();
        }
        assert_eq!(
            hub_snapshot(cache.path(), "A", "b"),
            Some(repository.join("snapshots/bbb"))
        );
        std::fs::create_dir_all(repository.join("refs")).unwrap();
        std::fs::write(repository.join("refs/main"), "aaa\n").unwrap();
        assert_eq!(
            hub_snapshot(cache.path(), "A", "b"),
            Some(repository.join("snapshots/aaa"))
        );
        assert_eq!(hub_snapshot(cache.path(), "A", "c"), None);
    }

    #[test]
    fn hub_ids_never_leave_the_cache() {
        assert_eq!(
            hub_id("SoftVQVAE/softvq-l-64"),
            Some(("SoftVQVAE", "softvq-l-64"))
        );
        for name in ["../x", "a/..", "a/b/c", "a", "/b", "a/"] {
            assert_eq!(hub_id(name), None, "{name}");
        }
    }

    #[test]
    fn samples_are_sorted_pictures() {
        let folder = tempfile::tempdir().unwrap();
        let places = places(folder.path());
        assert!(places.sample_pictures().is_empty());
        let samples = folder.path().join("samples");
        std::fs::create_dir_all(&samples).unwrap();
        for name in ["b.JPG", "a.png", "CREDITS.md"] {
            std::fs::write(samples.join(name), "").unwrap();
        }
        assert_eq!(
            places.sample_pictures(),
            [samples.join("a.png"), samples.join("b.JPG")]
        );
    }
}
