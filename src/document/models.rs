use super::DocumentError;
use super::extension::lower_extension;
use crate::hub::{self, Cache, ModelId};
use crate::tokenizer::ModelFiles;
use std::env;
use std::path::{Path, PathBuf};

/// Folder name of the model that opens without being asked for.
const DEFAULT_MODEL: &str = "softscope-32";
/// Names a folder with `models/` and `assets/samples`, in place of looking for one.
const HOME_VARIABLE: &str = "SOFTSCOPE_HOME";
/// Names the folder for installed models, directions and the autosave, in place of the platform's.
const DATA_VARIABLE: &str = "SOFTSCOPE_DATA";

/// Folders Softscope reads and writes, and the hub it fetches models from.
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
    /// Where models are fetched from, and the cache they are kept in.
    pub hub: hub::Settings,
}

/// Where a model came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelOrigin {
    /// It ships with the program.
    Shipped,
    /// A folder that a person put among the installed models.
    Installed,
    /// The cache of the hub.
    Hub,
}

/// What a model is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelKind {
    /// Pictures to tokens and back.
    Tokenizer,
    /// Noise to tokens.
    Generator,
}

impl ModelKind {
    /// Told from the keys of a `config.json`; `None` for models of other families.
    pub fn of(config: &Path) -> Option<Self> {
        let text = std::fs::read(config).ok()?;
        let config: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&text).ok()?;
        let has = |keys: &[&str]| keys.iter().all(|key| config.contains_key(*key));
        if has(&["codebook_embed_dim"]) || has(&["num_latent_tokens"]) {
            Some(Self::Tokenizer)
        } else if has(&["in_channels", "hidden_size", "depth", "num_classes"]) {
            Some(Self::Generator)
        } else {
            None
        }
    }
}

impl std::fmt::Display for ModelKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Tokenizer => "tokenizer",
            Self::Generator => "generator",
        })
    }
}

/// A model that can be opened by name.
#[derive(Debug, Clone)]
pub struct InstalledModel {
    /// What `--model` takes.
    pub name: String,
    /// Where it lies.
    pub files: ModelFiles,
    /// Size of the weights.
    pub size_bytes: u64,
    /// Where it came from.
    pub origin: ModelOrigin,
    /// What it is for.
    pub kind: ModelKind,
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
            hub: hub::Settings::from_env(),
        }
    }

    /// Everything in `models/`, among the installed models and in the hub's cache, by name; an installed model hides a
    /// shipped one of the same name.
    pub fn models(&self) -> Vec<InstalledModel> {
        let mut models = models_in(&self.installed_models, ModelOrigin::Installed);
        if let Some(shipped) = &self.shipped_models {
            for model in models_in(shipped, ModelOrigin::Shipped) {
                if models.iter().all(|other| other.name != model.name) {
                    models.push(model);
                }
            }
        }
        models.extend(self.hub.cache.iter().flat_map(models_of));
        models.sort_by(|a, b| a.name.cmp(&b.name));
        models
    }

    /// Every SiT and DiT among the models, by name.
    pub fn generators(&self) -> Vec<ModelFiles> {
        self.of_kind(ModelKind::Generator)
    }

    /// Every tokenizer among the models, by name.
    pub fn tokenizers(&self) -> Vec<ModelFiles> {
        self.of_kind(ModelKind::Tokenizer)
    }

    fn of_kind(&self, kind: ModelKind) -> Vec<ModelFiles> {
        let models = self.models().into_iter();
        models
            .filter(|model| model.kind == kind)
            .map(|model| model.files)
            .collect()
    }

    /// The shipped default model; failing that any tokenizer that ships, then any other.
    pub fn default_model(&self) -> Result<ModelFiles, DocumentError> {
        let mut models = self.models();
        models.retain(|model| model.kind == ModelKind::Tokenizer);
        models.sort_by_key(|model| (model.name != DEFAULT_MODEL, model.origin != ModelOrigin::Shipped));
        models.into_iter().next().map(|model| model.files).ok_or_else(|| DocumentError::NoModel {
            missing: format!("no model was found, neither {DEFAULT_MODEL}, which ships, nor any other"),
            advice: format!(
                "Download one in the view Models or name one with --model; or set {HOME_VARIABLE} to the folder that \
                 holds models/{DEFAULT_MODEL}"
            ),
            places: self.places_of_models().join("; "),
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
        let id: Option<ModelId> = name.parse().ok();
        let cache = self.hub.cache.as_ref();
        let cached = cache.zip(id.as_ref());
        if let Some(files) = cached.and_then(|(cache, id)| cache.files(id, hub::DEFAULT_REVISION)) {
            return Ok(files);
        }
        let mut places = self.places_of_models();
        places.push(format!("the path {}", path.display()));
        Err(DocumentError::NoModel {
            missing: format!("no model \"{name}\" was found"),
            advice: self.advice(id.as_ref()),
            places: places.join("; "),
        })
    }

    /// Where models are looked for by name, in words.
    fn places_of_models(&self) -> Vec<String> {
        let shipped = self.shipped_models.as_deref().map_or_else(
            || "the models that ship (no such folder beside the program)".to_owned(),
            |folder| format!("the models that ship, {}", folder.display()),
        );
        let cache = self.hub.cache.as_ref().map_or_else(
            || "the hub cache (no folder for it: set HF_HUB_CACHE)".to_owned(),
            |cache| format!("the hub cache, {}", cache.folder().display()),
        );
        let installed = format!("the installed models, {}", self.installed_models.display());
        vec![shipped, installed, cache]
    }

    /// What to do about a model that is nowhere.
    fn advice(&self, id: Option<&ModelId>) -> String {
        let names: Vec<String> = self.models().into_iter().map(|model| model.name).collect();
        let there = if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        };
        match id {
            Some(id) => format!(
                "Download it with `softscope models download {id}` or in the Models view. Models that are here: {there}"
            ),
            None => format!(
                "Models that are here: {there}. Give one of these, a folder with config.json and model.safetensors, \
                 or the id of a model on the hub such as SoftVQVAE/softvq-l-64"
            ),
        }
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
    lower_extension(path).is_some_and(|extension| PICTURE_EXTENSIONS.contains(&extension.as_str()))
        && path.is_file()
}

/// A folder that is not there has no entries: most places are optional.
fn entries(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder)
        .map(|entries| entries.filter_map(Result::ok).map(|entry| entry.path()).collect())
        .unwrap_or_default()
}

fn models_in(folder: &Path, origin: ModelOrigin) -> Vec<InstalledModel> {
    let installed = |path: PathBuf| {
        let name = path.file_name()?.to_str()?.to_owned();
        let files = ModelFiles::locate(&path).ok()?;
        // One whose configuration says nothing is listed all the same: the list is where its fault is looked for.
        let kind = ModelKind::of(&files.config).unwrap_or(ModelKind::Tokenizer);
        Some(installed_model(ModelFiles { name, ..files }, origin, kind))
    };
    entries(folder)
        .into_iter()
        .filter(|path| path.is_dir())
        .filter_map(installed)
        .collect()
}

/// The tokenizers and generators of a cache, which holds other people's models too.
fn models_of(cache: &Cache) -> Vec<InstalledModel> {
    let models = cache.models().into_iter().filter_map(|model| {
        let files = model.files?;
        let kind = ModelKind::of(&files.config)?;
        Some(installed_model(files, ModelOrigin::Hub, kind))
    });
    models.collect()
}

fn installed_model(files: ModelFiles, origin: ModelOrigin, kind: ModelKind) -> InstalledModel {
    InstalledModel {
        name: files.name.clone(),
        size_bytes: files.weight_bytes(),
        files,
        origin,
        kind,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn places(folder: &Path) -> Places {
        Places {
            shipped_models: Some(folder.join("models")),
            installed_models: folder.join("installed"),
            samples: Some(folder.join("samples")),
            data: folder.join("data"),
            hub: hub::Settings::offline_in(folder.join("hub")),
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
            "softscope models download Someone/nothing-64",
        ] {
            assert!(error.contains(part), "{part} in {error}");
        }
        let error = places(folder.path())
            .resolve_model("nothing")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("config.json") && error.contains("SoftVQVAE/softvq-l-64"),
            "{error}"
        );
        let nothing_shipped = Places {
            shipped_models: None,
            ..places(folder.path())
        };
        let error = nothing_shipped.default_model().unwrap_err().to_string();
        let installed = nothing_shipped.installed_models.display().to_string();
        for part in [
            "neither softscope-32, which ships, nor any other",
            "--model",
            "no such folder beside the program",
            &installed,
            "hub cache",
        ] {
            assert!(error.contains(part), "{part} in {error}");
        }
    }

    fn write_model(folder: &Path, config: &str) {
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join("config.json"), config).unwrap();
        std::fs::write(folder.join("model.safetensors"), "12345").unwrap();
    }

    #[test]
    fn models_of_the_hub_cache_are_found_by_id_when_they_are_of_this_family() {
        let folder = tempfile::tempdir().unwrap();
        let places = places(folder.path());
        let snapshot = |id: &str| folder.path().join(format!("hub/models--{id}/snapshots/abc"));
        write_model(&snapshot("A--tokenizer"), r#"{"num_latent_tokens": 32}"#);
        let generator = r#"{"in_channels": 32, "hidden_size": 1152, "depth": 28, "num_classes": 1000}"#;
        write_model(&snapshot("A--generator"), generator);
        write_model(&snapshot("A--language"), r#"{"vocab_size": 30522}"#);
        let models = places.models();
        let found: Vec<_> = models
            .iter()
            .map(|model| (model.name.as_str(), model.kind))
            .collect();
        assert_eq!(
            found,
            [
                ("A/generator", ModelKind::Generator),
                ("A/tokenizer", ModelKind::Tokenizer)
            ]
        );
        assert!(
            models
                .iter()
                .all(|model| model.origin == ModelOrigin::Hub && model.size_bytes == 5)
        );
        assert_eq!(places.resolve_model("A/tokenizer").unwrap().name, "A/tokenizer");
        assert_eq!(places.default_model().unwrap().name, "A/tokenizer");
        let error = places.resolve_model("A/other").unwrap_err().to_string();
        assert!(error.contains("softscope models download A/other"), "{error}");
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
