//! Small models that come with the sources, written where a test may use and change them.

use serde_json::Value;
use std::path::{Path, PathBuf};

/// The repository: where cargo says it lies, which for a test that was built elsewhere is not where it was built.
pub(crate) fn root() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from)
}

/// The folder of a set that comes with the sources.
pub(crate) fn folder(set: &str) -> PathBuf {
    root().join("tests/fixtures/goldens").join(set)
}

/// Configuration of the set in `folder` with its sizes (`vit_overrides`) merged in, and its description.
pub(crate) fn config_with_sizes(folder: &Path) -> (Value, Value) {
    let read =
        |name: &str| -> Value { serde_json::from_slice(&std::fs::read(folder.join(name)).unwrap()).unwrap() };
    let (mut config, meta) = (read("config.json"), read("meta.json"));
    if let Some(overrides) = meta.get("vit_overrides") {
        config["vit_overrides"] = overrides.clone();
    }
    (config, meta)
}

/// Writes the set in `from` as a model into the folder `to`, which is made where it is not there; its description.
pub(crate) fn write_model(from: &Path, to: &Path) -> Value {
    let (config, meta) = config_with_sizes(from);
    std::fs::create_dir_all(to).unwrap();
    std::fs::write(to.join("config.json"), config.to_string()).unwrap();
    std::fs::copy(from.join("model.safetensors"), to.join("model.safetensors")).unwrap();
    meta
}
