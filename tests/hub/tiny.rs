//! A model of a few thousand weights that really runs.

use crate::hub::Files;
use safetensors::SafeTensors;
use serde_json::{Value, json};
use std::path::Path;

const FOLDER: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/fixtures/goldens/a3_softvq_nol2"
);

pub(crate) fn read(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(FOLDER).join(name)).unwrap()
}

/// Its configuration, the sizes of its transformers merged in.
pub(crate) fn config() -> Vec<u8> {
    let mut config: Value = serde_json::from_slice(&read("config.json")).unwrap();
    let meta: Value = serde_json::from_slice(&read("meta.json")).unwrap();
    config["vit_overrides"] = meta["vit_overrides"].clone();
    config.to_string().into_bytes()
}

/// In one file.
pub(crate) fn whole() -> Files {
    [
        ("config.json".to_owned(), config()),
        ("model.safetensors".to_owned(), read("model.safetensors")),
    ]
    .into()
}

/// In three files with an index.
pub(crate) fn sharded() -> Files {
    let bytes = read("model.safetensors");
    let whole = SafeTensors::deserialize(&bytes).unwrap();
    let mut keys: Vec<String> = whole.names().into_iter().map(ToString::to_string).collect();
    keys.sort();
    let mut files: Files = [("config.json".to_owned(), config())].into();
    let mut weight_map = serde_json::Map::new();
    for (number, keys) in keys.chunks(keys.len().div_ceil(3)).enumerate() {
        let name = format!("model-{:05}-of-00003.safetensors", number + 1);
        let tensors = keys.iter().map(|key| (key.as_str(), whole.tensor(key).unwrap()));
        files.insert(name.clone(), safetensors::serialize(tensors, None).unwrap());
        weight_map.extend(keys.iter().map(|key| (key.clone(), json!(name))));
    }
    let index = json!({ "metadata": { "total_size": bytes.len() }, "weight_map": weight_map });
    files.insert(
        "model.safetensors.index.json".to_owned(),
        index.to_string().into_bytes(),
    );
    files
}

pub(crate) fn write(files: &Files, folder: &Path) {
    for (name, content) in files {
        std::fs::write(folder.join(name), content).unwrap();
    }
}
