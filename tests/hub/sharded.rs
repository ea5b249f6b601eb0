//! Weights in several files are the same model as in one.

use crate::tiny;
use candle_core::{DType, Device};
use softscope::tokenizer::{ModelFiles, Tokenizer, check};
use std::path::Path;
use tempfile::TempDir;

fn folder(files: &crate::hub::Files) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    tiny::write(files, folder.path());
    folder
}

fn load(folder: &Path) -> Result<Tokenizer, String> {
    let files = ModelFiles::locate(folder).map_err(|error| error.to_string())?;
    Tokenizer::load(&files, &Device::Cpu, DType::F32, &mut |_, _| true).map_err(|error| error.to_string())
}

/// The message of a folder that does not load.
#[track_caller]
fn failure(folder: &TempDir) -> String {
    load(folder.path()).unwrap_err()
}

#[test]
fn three_files_give_the_hash_of_one() {
    let (whole, sharded) = (folder(&tiny::whole()), folder(&tiny::sharded()));
    assert_eq!(
        load(whole.path()).unwrap().hash(),
        load(sharded.path()).unwrap().hash()
    );
    let files = ModelFiles::locate(sharded.path()).unwrap();
    assert_eq!(files.weight_files().unwrap().len(), 3);
    assert!(files.weight_bytes() > tiny::read("model.safetensors").len() as u64 * 9 / 10);
    let report = check(&files).unwrap();
    assert!(report.is_loadable());
    let one = check(&ModelFiles::locate(whole.path()).unwrap()).unwrap();
    assert_eq!(
        (report.parameter_count, report.weight_bytes),
        (one.parameter_count, one.weight_bytes)
    );
    // The index itself can be named as well.
    let named = ModelFiles::locate(&sharded.path().join("model.safetensors.index.json")).unwrap();
    assert_eq!(named.weights, files.weights);
}

#[test]
fn a_missing_file_is_named() {
    let folder = folder(&tiny::sharded());
    std::fs::remove_file(folder.path().join("model-00002-of-00003.safetensors")).unwrap();
    let message = failure(&folder);
    assert!(
        message.contains("model-00002-of-00003.safetensors") && message.contains("missing"),
        "{message}"
    );
    assert!(message.contains("download the model again"), "{message}");
}

#[test]
fn a_key_that_is_not_where_the_index_has_it() {
    let mut files = tiny::sharded();
    let swapped = files["model-00001-of-00003.safetensors"].clone();
    files.insert("model-00003-of-00003.safetensors".to_owned(), swapped);
    let message = failure(&folder(&files));
    assert!(message.contains("model-00003-of-00003.safetensors"), "{message}");
    assert!(message.contains("do not belong together"), "{message}");
}

#[test]
fn an_index_never_leads_out_of_its_folder() {
    let mut files = tiny::sharded();
    for name in ["../secret.safetensors", "/etc/passwd"] {
        let index = serde_json::json!({ "weight_map": { "quant_conv.weight": name } });
        files.insert(
            "model.safetensors.index.json".to_owned(),
            index.to_string().into_bytes(),
        );
        let message = failure(&folder(&files));
        assert!(
            message.contains(name) && message.contains("does not lie in its folder"),
            "{message}"
        );
    }
    files.insert(
        "model.safetensors.index.json".to_owned(),
        b"{\"weight_map\": 3}".to_vec(),
    );
    assert!(failure(&folder(&files)).contains("not valid"));
}

#[test]
fn a_damaged_file_among_several_is_named() {
    let mut files = tiny::sharded();
    let shard = files.get_mut("model-00002-of-00003.safetensors").unwrap();
    shard.truncate(shard.len() - 10);
    let message = failure(&folder(&files));
    assert!(message.contains("model-00002-of-00003.safetensors"), "{message}");
    assert!(message.contains("not fully downloaded"), "{message}");
}

#[test]
fn the_one_checkpoint_of_a_folder_may_have_any_name() {
    let mut files = tiny::whole();
    let weights = files.remove("model.safetensors").unwrap();
    files.insert("softvq-epoch-90.safetensors".to_owned(), weights.clone());
    let one = folder(&files);
    assert!(load(one.path()).is_ok());
    files.insert("other.safetensors".to_owned(), weights);
    let message = failure(&folder(&files));
    assert!(
        message.contains("softvq-epoch-90.safetensors") && message.contains("name one"),
        "{message}"
    );
}
