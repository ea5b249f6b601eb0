//! Servers and disks that go wrong: the right message, and nothing left that could be taken for a model.

use crate::hub::{Files, Hub, answer, etag, files, id, sha256};
use crate::server::{Cut, Reply, Server};
use softscope::hub::{Cache, HubError, NoWatch, download};
use std::time::Duration;

const WEIGHTS: &str = "model.safetensors";

/// A hub whose answers for the bytes of the weights are changed.
fn with_bytes(change: impl Fn(Reply) -> Reply + Send + Sync + 'static) -> Hub {
    Hub::with(files(), move |request, reply| {
        if request.path.starts_with("/bytes/") {
            change(reply)
        } else {
            reply
        }
    })
}

fn part(hub: &Hub) -> std::path::PathBuf {
    hub.repository()
        .join(format!("blobs/{}.incomplete", sha256(&files()[WEIGHTS])))
}

#[test]
fn more_or_fewer_bytes_than_announced() {
    for length in [699_999, 700_001, 0] {
        let hub = with_bytes(move |_| Reply::new(200).body(vec![1; length]));
        let message = hub.failure();
        assert!(
            message.contains(WEIGHTS) && message.contains("700000"),
            "{message}"
        );
        assert!(message.contains("bytes"), "{message}");
        hub.assert_nothing_left();
    }
}

#[test]
fn a_login_page_instead_of_the_file() {
    let hub = with_bytes(|_| Reply::new(200).body("<html>Log in to the wireless network</html>"));
    assert!(matches!(hub.download(), Err(HubError::WrongSize { .. })));
    hub.assert_nothing_left();
}

#[test]
fn bytes_that_are_not_those_of_the_repository() {
    let hub = with_bytes(|reply| {
        let mut body = reply.body.clone();
        body[123_456] ^= 1;
        reply.body(body)
    });
    let message = hub.failure();
    assert!(
        message.contains(WEIGHTS) && message.contains("SHA-256"),
        "{message}"
    );
    hub.assert_nothing_left();
    assert_eq!(
        hub.ranges(WEIGHTS).len(),
        1,
        "a fresh file that is wrong is not fetched again"
    );
}

#[test]
fn a_small_file_is_held_against_the_sha1_of_git() {
    let hub = Hub::with(files(), |request, reply| {
        if request.path.ends_with("config.json") {
            reply.body("[]")
        } else {
            reply
        }
    });
    let message = hub.failure();
    assert!(
        message.contains("config.json") && message.contains("SHA-1"),
        "{message}"
    );
    // The weights were right and are gone on with, or offered for removal.
    assert_eq!(hub.cache().model(&id()).part_bytes, 700_000);
    assert!(hub.cache().files(&id(), "main").is_none());
}

#[test]
fn a_connection_that_breaks_for_good_leaves_what_can_be_resumed() {
    let hub = Hub::with(files(), |request, reply| {
        match request.path.strip_prefix("/bytes/") {
            Some(_) if request.range_start().is_some() => reply.cut(0, Cut::Close),
            Some(_) => reply.cut(100_000, Cut::Close),
            None => reply,
        }
    });
    let message = hub.failure();
    assert!(message.contains("the connection to 127.0.0.1"), "{message}");
    assert_eq!(std::fs::metadata(part(&hub)).unwrap().len(), 100_000);
    assert_eq!(hub.ranges(WEIGHTS), [None, Some(100_000), Some(100_000)]);
    assert!(!hub.repository().join("snapshots").exists());
}

#[test]
fn a_stall_is_told_after_one_more_try() {
    let mut hub = with_bytes(|reply| {
        let half = reply.body.len() / 2;
        reply.cut(half, Cut::Stall)
    });
    hub.settings.timeouts.stall = Duration::from_secs(1);
    hub.settings.retries = 0;
    let message = hub.failure();
    assert!(message.contains("has sent nothing for 1 s"), "{message}");
    assert_eq!(std::fs::metadata(part(&hub)).unwrap().len(), 350_000);
}

#[test]
fn a_stall_that_brings_nothing_twice_is_the_end() {
    let mut hub = with_bytes(|reply| reply.cut(0, Cut::Stall));
    hub.settings.timeouts.stall = Duration::from_secs(1);
    hub.settings.retries = 20;
    assert!(matches!(hub.download(), Err(HubError::Stalled { .. })));
    assert_eq!(hub.ranges(WEIGHTS).len(), 2);
    hub.assert_nothing_left();
}

#[test]
fn a_range_that_was_not_asked_for() {
    let hub = Hub::with(files(), |request, reply| {
        match request.path.strip_prefix("/bytes/") {
            Some(_) if request.range_start().is_some() => Reply::new(206)
                .header("Content-Range", "bytes 5-9/700000")
                .body("12345"),
            Some(_) => reply.cut(100, Cut::Close),
            None => reply,
        }
    });
    let message = hub.failure();
    assert!(message.contains("another range"), "{message}");
    assert!(hub.cache().files(&id(), "main").is_none());
}

#[test]
fn headers_that_would_become_paths() {
    for (name, value) in [("X-Repo-Commit", "../../x"), ("ETag", "\"../x\"")] {
        let hub = Hub::with(files(), move |request, reply| {
            if !request.path.ends_with("config.json") {
                return reply;
            }
            let mut reply = reply;
            reply.headers.retain(|(header, _)| header != name);
            reply.header(name, value)
        });
        let message = hub.failure();
        assert!(
            message.contains("does not answer as a model hub does"),
            "{message}"
        );
        hub.assert_nothing_left();
    }
}

#[test]
fn a_model_that_changes_meanwhile() {
    let hub = Hub::with(files(), |request, mut reply| {
        if request.path.ends_with(WEIGHTS) {
            for (name, value) in &mut reply.headers {
                if name == "X-Repo-Commit" {
                    "ffffffffffffffffffffffffffffffffffffffff".clone_into(value);
                }
            }
        }
        reply
    });
    assert!(matches!(hub.download(), Err(HubError::Changed { .. })));
    hub.assert_nothing_left();
}

#[test]
fn an_index_with_a_file_that_is_missing_or_elsewhere() {
    for (shard, word) in [
        ("model-2.safetensors", "model-2.safetensors"),
        ("../../evil", "folder"),
    ] {
        let index = format!(r#"{{"weight_map": {{"a": "{shard}"}}}}"#);
        let files: Files = [
            ("config.json".to_owned(), b"{}".to_vec()),
            ("model.safetensors.index.json".to_owned(), index.into_bytes()),
        ]
        .into();
        let hub = Hub::new(files);
        let message = hub.failure();
        assert!(message.contains(word) && message.contains("index"), "{message}");
        assert!(hub.cache().files(&id(), "main").is_none());
        assert!(
            !hub.server
                .log()
                .iter()
                .any(|request| request.path.contains("evil"))
        );
    }
}

#[test]
fn a_disk_that_is_too_small_is_told_before_anything_is_fetched() {
    let hub = Hub::with(files(), |_, mut reply| {
        for (name, value) in &mut reply.headers {
            if name == "X-Linked-Size" {
                // Four exabytes.
                *value = (1_u64 << 62).to_string();
            }
        }
        reply
    });
    if softscope::hub::free_space(hub.folder.path()).is_none() {
        eprintln!("SKIPPED: this system does not say how much space is free");
        return;
    }
    let message = hub.failure();
    assert!(
        message.contains("is full") && message.contains("HF_HUB_CACHE"),
        "{message}"
    );
    assert!(hub.ranges(WEIGHTS).is_empty());
    hub.assert_nothing_left();
}

#[test]
fn a_cache_that_cannot_be_written() {
    let hub = Hub::new(files());
    let file = hub.folder.path().join("file");
    std::fs::write(&file, "kept").unwrap();
    let mut settings = hub.settings.clone();
    settings.cache = Some(Cache::new(file.join("below")));
    let message = download(&settings, &id(), "main", &NoWatch)
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("cannot write") && message.contains("HF_HUB_CACHE"),
        "{message}"
    );
    assert_eq!(std::fs::read(&file).unwrap(), b"kept");
}

#[cfg(unix)]
#[test]
fn a_cache_that_may_only_be_read() {
    use std::os::unix::fs::PermissionsExt;
    let hub = Hub::new(files());
    let locked = hub.folder.path().join("locked");
    std::fs::create_dir(&locked).unwrap();
    std::fs::set_permissions(&locked, PermissionsExt::from_mode(0o555)).unwrap();
    if std::fs::create_dir(locked.join("probe")).is_ok() {
        eprintln!("SKIPPED: this user may write everywhere");
        return;
    }
    let mut settings = hub.settings.clone();
    settings.cache = Some(Cache::new(locked));
    let message = download(&settings, &id(), "main", &NoWatch)
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("cannot write") && message.contains("HF_HUB_CACHE"),
        "{message}"
    );
}

#[test]
fn no_place_for_a_cache() {
    let mut hub = Hub::new(files());
    hub.settings.cache = None;
    assert!(hub.failure().contains("HF_HUB_CACHE"));
}

#[test]
fn a_failed_link_leaves_no_snapshot() {
    let hub = Hub::on(Server::start(|request| {
        let host = request.header("host").unwrap().to_owned();
        let mut request = request.clone();
        request.path = request.path.split('?').next().unwrap().to_owned();
        answer(&files(), &format!("http://{host}"), &request)
    }));
    // A file where the folder of snapshots should be.
    std::fs::create_dir_all(hub.repository()).unwrap();
    std::fs::write(hub.repository().join("snapshots"), "").unwrap();
    let message = hub.failure();
    assert!(message.contains("cannot write"), "{message}");
    let staged = hub
        .found()
        .into_iter()
        .filter(|file| file.contains(".softscope-"))
        .count();
    assert_eq!(staged, 0);
    assert!(
        hub.found()
            .contains(&format!("blobs/{}", etag(WEIGHTS, &files()[WEIGHTS])))
    );
}
