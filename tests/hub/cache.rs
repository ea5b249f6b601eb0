//! The cache by itself: what Python has left there, what is taken away.

use crate::hub::{COMMIT, Hub, files, id};
use softscope::hub::{Cache, HubError, ModelId};
use std::path::Path;

/// A repository as Python leaves it, with links.
fn write_python_like(cache: &Path, commit: &str, weights: &str) {
    let repository = cache.join("models--owner--tiny");
    let snapshot = repository.join("snapshots").join(commit);
    for folder in [
        repository.join("blobs"),
        repository.join("refs"),
        snapshot.clone(),
    ] {
        std::fs::create_dir_all(folder).unwrap();
    }
    for (name, blob) in [("config.json", "c0"), ("model.safetensors", weights)] {
        std::fs::write(repository.join("blobs").join(blob), blob.repeat(500)).unwrap();
        let link = snapshot.join(name);
        #[cfg(unix)]
        std::os::unix::fs::symlink(Path::new("../../blobs").join(blob), link).unwrap();
        #[cfg(not(unix))]
        std::fs::copy(repository.join("blobs").join(blob), link).unwrap();
    }
    std::fs::write(repository.join("refs/main"), commit).unwrap();
}

#[test]
fn what_python_has_fetched_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::new(folder.path().to_owned());
    assert!(cache.models().is_empty());
    write_python_like(folder.path(), "aaa", "w1");
    for other in [
        "datasets--owner--pictures",
        ".locks",
        "models--gpt2",
        "version.txt",
    ] {
        std::fs::create_dir(folder.path().join(other)).unwrap();
    }
    let models = cache.models();
    assert_eq!(models.len(), 1);
    assert_eq!(models[0].id, id());
    assert!(models[0].size_bytes >= 2000 && models[0].part_bytes == 0);
    let found = models[0].files.clone().unwrap();
    assert_eq!(std::fs::read(found.weights).unwrap(), b"w1".repeat(500));
}

#[test]
fn main_decides_and_a_missing_reference_takes_the_newest_that_is_complete() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::new(folder.path().to_owned());
    write_python_like(folder.path(), "aaa", "w1");
    write_python_like(folder.path(), "bbb", "w2");
    let weights = |revision: &str| {
        let files = cache.files(&id(), revision)?;
        Some(std::fs::read(files.weights).unwrap()[..2].to_vec())
    };
    assert_eq!(weights("main"), Some(b"w2".to_vec()));
    assert_eq!(weights("aaa"), Some(b"w1".to_vec()));
    assert_eq!((weights("ccc"), weights("../../x")), (None, None));
    let repository = folder.path().join("models--owner--tiny");
    std::fs::write(repository.join("refs/main"), "aaa\n").unwrap();
    assert_eq!(weights("main"), Some(b"w1".to_vec()));
    std::fs::remove_file(repository.join("refs/main")).unwrap();
    std::fs::remove_file(repository.join("snapshots/bbb/config.json")).unwrap();
    assert_eq!(weights("main"), Some(b"w1".to_vec()));
    std::fs::remove_file(repository.join("blobs/w1")).unwrap();
    assert_eq!(weights("main"), None, "a link to nothing is no model");
}

#[test]
fn removing_a_revision_keeps_what_others_use() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::new(folder.path().to_owned());
    write_python_like(folder.path(), "aaa", "w1");
    write_python_like(folder.path(), "bbb", "w2");
    let removed = cache.remove(&id(), Some("aaa")).unwrap();
    assert_eq!(removed.snapshots, 1);
    let blobs = folder.path().join("models--owner--tiny/blobs");
    #[cfg(unix)]
    {
        assert!(
            (1000..1200).contains(&removed.freed_bytes),
            "{}",
            removed.freed_bytes
        );
        assert!(!blobs.join("w1").exists());
    }
    assert!(blobs.join("c0").exists() && blobs.join("w2").exists());
    assert!(cache.files(&id(), "main").is_some());
    let error = cache.remove(&id(), Some("aaa")).unwrap_err();
    assert!(matches!(error, HubError::NotCached { .. }), "{error}");

    // The branch goes with the snapshot it stands for, and the last snapshot takes the folder along.
    cache.remove(&id(), Some("main")).unwrap();
    assert!(!folder.path().join("models--owner--tiny").exists());
}

#[test]
fn removing_a_model_removes_its_parts_and_nothing_else() {
    let hub = Hub::new(files());
    hub.download().unwrap();
    std::fs::write(hub.repository().join("blobs/x.incomplete"), vec![0; 50_000]).unwrap();
    let neighbour = hub.folder.path().join("models--owner--tiny-2");
    std::fs::create_dir(&neighbour).unwrap();
    assert_eq!(hub.cache().model(&id()).part_bytes, 50_000);
    let removed = hub.cache().remove(&id(), None).unwrap();
    assert!(removed.freed_bytes >= 750_000, "{}", removed.freed_bytes);
    assert!(!hub.repository().exists() && neighbour.exists());
    let message = hub.cache().remove(&id(), None).unwrap_err().to_string();
    assert!(
        message.contains("owner/tiny") && message.contains("not in the cache"),
        "{message}"
    );
}

#[cfg(unix)]
#[test]
fn removal_never_follows_a_link_out_of_the_cache() {
    let folder = tempfile::tempdir().unwrap();
    let outside = folder.path().join("precious");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("photo"), "kept").unwrap();
    let root = folder.path().join("cache");
    write_python_like(&root, "aaa", "w1");
    write_python_like(&root, "bbb", "w2");
    let snapshot = root.join("models--owner--tiny/snapshots/aaa");
    std::os::unix::fs::symlink(outside.join("photo"), snapshot.join("photo")).unwrap();
    std::os::unix::fs::symlink(&outside, snapshot.join("folder")).unwrap();
    let cache = Cache::new(root);
    cache.remove(&id(), Some("aaa")).unwrap();
    cache.remove(&id(), None).unwrap();
    assert_eq!(std::fs::read(outside.join("photo")).unwrap(), b"kept");
}

#[test]
fn a_part_is_no_model() {
    let hub = Hub::new(files());
    hub.download().unwrap();
    let snapshot = hub.repository().join("snapshots").join(COMMIT);
    std::fs::remove_file(snapshot.join("model.safetensors")).unwrap();
    let other: ModelId = "owner/other".parse().unwrap();
    assert!(hub.cache().model(&id()).files.is_none());
    assert!(hub.cache().model(&other).files.is_none());
    assert_eq!(hub.cache().model(&other).size_bytes, 0);
}
