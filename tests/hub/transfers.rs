//! Downloads that succeed, some of them in spite of the server.

use crate::hub::{COMMIT, Files, Hub, ID, Recorder, TOKEN, answer, bytes, etag, files, id, settings, sha256};
use crate::server::{Cut, Reply, Server};
use softscope::hub::{HubError, NoWatch, Phase, Progress, Watch, download};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

const WEIGHTS: &str = "model.safetensors";

#[track_caller]
fn assert_complete(hub: &Hub, files: &Files) {
    let found = hub.cache().files(&id(), "main").unwrap();
    assert_eq!(found.name, ID);
    let snapshot = found.config.parent().unwrap();
    for (name, content) in files {
        assert!(std::fs::read(snapshot.join(name)).unwrap() == *content, "{name}");
    }
    assert!(
        !hub.found()
            .iter()
            .any(|file| file.contains("incomplete") || file.contains(".tmp"))
    );
}

#[test]
fn the_cache_looks_as_python_leaves_it() {
    let hub = Hub::new(files());
    let done = hub.download().unwrap();
    assert_eq!((done.commit.as_str(), done.received_bytes), (COMMIT, 700_002));
    assert_eq!(done.total_bytes, 700_002);
    assert_complete(&hub, &files());
    let (config, weights) = (etag("config.json", b"{}"), sha256(&files()[WEIGHTS]));
    let mut expected = vec![
        format!("blobs/{config}"),
        format!("blobs/{weights}"),
        "refs/main".to_owned(),
        format!("snapshots/{COMMIT}/config.json"),
        format!("snapshots/{COMMIT}/{WEIGHTS}"),
    ];
    expected.sort();
    assert_eq!(hub.found(), expected);
    assert_eq!(
        std::fs::read(hub.repository().join("refs/main")).unwrap(),
        COMMIT.as_bytes()
    );
    #[cfg(unix)]
    assert_eq!(
        std::fs::read_link(done.folder.join(WEIGHTS)).unwrap(),
        Path::new("../../blobs").join(weights)
    );
}

#[test]
fn a_second_download_fetches_nothing() {
    let hub = Hub::new(files());
    hub.download().unwrap();
    let again = hub.download().unwrap();
    assert_eq!((again.received_bytes, again.total_bytes), (0, 700_002));
    assert_eq!(hub.ranges(WEIGHTS).len(), 1);
}

#[test]
fn what_the_cache_has_is_used_offline() {
    let hub = Hub::new(files());
    let mut offline = hub.settings.clone();
    offline.is_offline = true;
    offline.endpoint = "http://127.0.0.1:9".to_owned();
    let error = download(&offline, &id(), "main", &NoWatch).unwrap_err();
    assert!(matches!(error, HubError::Offline { .. }), "{error}");
    assert!(error.to_string().contains("HF_HUB_OFFLINE"), "{error}");
    hub.download().unwrap();
    let done = download(&offline, &id(), "main", &NoWatch).unwrap();
    assert_eq!(done.received_bytes, 0);
    assert!(done.files.config.is_file());
}

#[test]
fn a_commit_can_be_asked_for_and_gets_no_reference() {
    let hub = Hub::new(files());
    let done = download(&hub.settings, &id(), COMMIT, &NoWatch).unwrap();
    assert_eq!(done.commit, COMMIT);
    assert!(!hub.repository().join("refs").exists());
    assert!(hub.cache().files(&id(), COMMIT).is_some());
}

#[test]
fn progress_only_grows_and_ends_at_the_total() {
    let hub = Hub::new(files());
    let recorder = Recorder::default();
    hub.download_watched(&recorder).unwrap();
    let told = recorder.told();
    assert!(told.is_sorted_by_key(|(done, _)| *done));
    assert_eq!(told.last().copied(), Some((700_002, Some(700_002))));
}

#[test]
fn a_broken_connection_is_resumed_where_it_broke() {
    let breaks = AtomicUsize::new(0);
    let hub = Hub::with(files(), move |request, reply| {
        let is_bytes = request.path.starts_with("/bytes/");
        if is_bytes && request.method == "GET" && breaks.fetch_add(1, Ordering::SeqCst) < 3 {
            // More often than there are retries: each brings it further.
            return reply.cut(200_000, Cut::Close);
        }
        reply
    });
    hub.download().unwrap();
    assert_complete(&hub, &files());
    assert_eq!(
        hub.ranges(WEIGHTS),
        [None, Some(200_000), Some(400_000), Some(600_000)]
    );
}

#[test]
fn a_cancelled_download_is_resumed_by_the_next() {
    let hub = Hub::with(files(), |request, reply| {
        let is_first = request.path.starts_with("/bytes/") && request.range_start().is_none();
        if is_first {
            reply.cut(300_000, Cut::Stall)
        } else {
            reply
        }
    });
    // The stall has an hour of patience: only the cancel can end this.
    let mut patient = hub.settings.clone();
    patient.timeouts.stall = Duration::from_secs(3600);
    let error = download(&patient, &id(), "main", &Recorder::cancelling_at(300_000)).unwrap_err();
    assert!(matches!(error, HubError::Cancelled), "{error}");
    let part = hub
        .repository()
        .join(format!("blobs/{}.incomplete", sha256(&files()[WEIGHTS])));
    assert_eq!(std::fs::metadata(&part).unwrap().len(), 300_000);
    assert!(hub.cache().files(&id(), "main").is_none());
    assert!(!hub.repository().join("snapshots").exists());

    let done = hub.download().unwrap();
    assert_eq!(done.received_bytes, 400_002);
    assert_complete(&hub, &files());
    assert_eq!(hub.ranges(WEIGHTS), [None, Some(300_000)]);
}

#[test]
fn a_cancel_does_not_wait_for_a_server_that_never_answers() {
    let hub = Hub::with(files(), |_, reply| {
        reply.cut(0, Cut::Stall).header("Content-Length", 10)
    });
    struct AtOnce;
    impl Watch for AtOnce {
        fn progress(&self, _progress: &Progress<'_>) {}
        fn is_cancelled(&self) -> bool {
            true
        }
    }
    let mut patient = hub.settings.clone();
    patient.timeouts.answer = Duration::from_secs(3600);
    let error = download(&patient, &id(), "main", &AtOnce).unwrap_err();
    assert!(matches!(error, HubError::Cancelled), "{error}");
    hub.assert_nothing_left();
}

#[test]
fn a_server_that_knows_no_ranges_is_read_from_the_start() {
    let hub = Hub::with(files(), |request, reply| {
        match request.path.strip_prefix("/bytes/") {
            Some(_) if request.range_start().is_some() => Reply::new(200).body(files()[WEIGHTS].clone()),
            Some(_) => reply.cut(250_000, Cut::Close),
            None => reply,
        }
    });
    hub.download().unwrap();
    assert_complete(&hub, &files());
    assert_eq!(hub.ranges(WEIGHTS), [None, Some(250_000)]);
}

#[test]
fn a_part_of_another_file_is_found_out_and_fetched_anew() {
    for part in [vec![9; 1000], vec![9; 700_000], vec![9; 800_000]] {
        let hub = Hub::new(files());
        std::fs::create_dir_all(hub.repository().join("blobs")).unwrap();
        let path = hub
            .repository()
            .join(format!("blobs/{}.incomplete", sha256(&files()[WEIGHTS])));
        std::fs::write(path, &part).unwrap();
        hub.download().unwrap();
        assert_complete(&hub, &files());
    }
}

#[test]
fn the_token_stays_with_its_host() {
    let elsewhere = Server::start(|request| bytes(&files()[WEIGHTS], request));
    let bytes_at = elsewhere.url();
    let hub = Hub::on(Server::start(move |request| answer(&files(), &bytes_at, request)));
    hub.download().unwrap();
    assert_complete(&hub, &files());
    let bearer = format!("Bearer {TOKEN}");
    let log = hub.server.log();
    assert!(
        log.iter()
            .all(|request| request.header("authorization") == Some(&bearer))
    );
    let abroad = elsewhere.log();
    assert_eq!(abroad.len(), 1);
    assert!(
        abroad
            .iter()
            .all(|request| request.header("authorization").is_none())
    );
}

#[test]
fn a_renamed_model_is_found_under_its_old_name() {
    let hub = Hub::with(files(), |request, reply| {
        match request.path.strip_prefix("/owner/tiny/") {
            Some(rest) => Reply::new(307).header("Location", format!("/new/name/{rest}")),
            None => reply,
        }
    });
    assert!(
        hub.failure().contains("owner/tiny"),
        "the new name is not there in this test"
    );
    let renamed = Server::start(|request| {
        let old = request.path.replace("/new/name/", "/owner/tiny/");
        if old == request.path && !old.starts_with("/bytes/") {
            return Reply::new(307).header("Location", request.path.replace("/owner/tiny/", "/new/name/"));
        }
        let host = request.header("host").unwrap().to_owned();
        let mut old_request = request.clone();
        old_request.path = old.split('?').next().unwrap().to_owned();
        answer(&files(), &format!("http://{host}"), &old_request)
    });
    let hub = Hub::on(renamed);
    hub.download().unwrap();
    assert_complete(&hub, &files());
}

#[test]
fn a_mirror_without_head_is_asked_for_one_byte() {
    let hub = Hub::with(files(), |request, reply| match request.method.as_str() {
        "HEAD" => Reply::new(501),
        _ => reply,
    });
    hub.download().unwrap();
    assert_complete(&hub, &files());
}

#[test]
fn an_answer_without_length_is_held_against_the_announced_size() {
    let chunked = |body: &[u8]| {
        let mut text = format!("{:x}\r\n", body.len()).into_bytes();
        text.extend_from_slice(body);
        text.extend_from_slice(b"\r\n0\r\n\r\n");
        text
    };
    // The server of the tests writes a length of its own unless it is given one.
    let hub = Hub::with(files(), move |request, reply| {
        match request.path.strip_prefix("/bytes/") {
            Some(_) => Reply {
                status: 200,
                headers: vec![("Transfer-Encoding".to_owned(), "chunked".to_owned())],
                body: chunked(&reply.body),
                cut: None,
            },
            None => reply,
        }
    });
    hub.download().unwrap();
    assert_complete(&hub, &files());
}

/// `model.safetensors` in two files.
fn sharded() -> Files {
    let index = serde_json::json!({
        "metadata": { "total_size": 5 },
        "weight_map": { "a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors" },
    });
    [
        ("config.json", b"{}".to_vec()),
        ("model.safetensors.index.json", index.to_string().into_bytes()),
        ("model-00001-of-00002.safetensors", vec![1; 3000]),
        ("model-00002-of-00002.safetensors", vec![2; 2000]),
        ("README.md", b"not needed".to_vec()),
    ]
    .map(|(name, content)| (name.to_owned(), content))
    .into()
}

#[test]
fn all_files_of_an_index_come_with_it() {
    let hub = Hub::new(sharded());
    let recorder = Recorder::default();
    let done = hub.download_watched(&recorder).unwrap();
    let mut needed = sharded();
    needed.remove("README.md");
    assert_complete(&hub, &needed);
    assert_eq!(done.files.weight_bytes(), 5000);
    let total = needed.values().map(|content| content.len() as u64).sum();
    assert_eq!(recorder.told().last().copied(), Some((total, Some(total))));
    assert!(
        !hub.server
            .log()
            .iter()
            .any(|request| request.path.contains("README"))
    );
}

#[test]
fn a_pytorch_checkpoint_comes_where_there_is_no_safetensors() {
    for name in ["pytorch_model.bin", "model.pt", "my-own.pth"] {
        let content = vec![7; 900];
        let files: Files = [
            ("config.json".to_owned(), b"{}".to_vec()),
            (name.to_owned(), content),
        ]
        .into();
        let hub = Hub::new(files.clone());
        let done = hub.download().unwrap();
        assert_eq!(done.files.weights.file_name().unwrap(), name);
        assert_complete(&hub, &files);
    }
}

#[test]
fn two_downloads_of_one_file_fetch_it_once() {
    /// Says when it has to wait for the other.
    struct Waiting(Mutex<Sender<()>>);
    impl Watch for Waiting {
        fn progress(&self, progress: &Progress<'_>) {
            if progress.phase == Phase::Waiting {
                let _ = self.0.lock().unwrap().send(());
            }
        }
        fn is_cancelled(&self) -> bool {
            false
        }
    }
    let (sender, someone_waits) = mpsc::channel();
    let gate = Mutex::new(someone_waits);
    let hub = Arc::new(Hub::with(files(), move |request, reply| {
        if request.path.starts_with("/bytes/") {
            gate.lock().unwrap().recv().unwrap();
        }
        reply
    }));
    let start = Arc::new(Barrier::new(2));
    let downloads: Vec<_> = (0..2)
        .map(|_| {
            let (hub, start, sender) = (Arc::clone(&hub), Arc::clone(&start), sender.clone());
            std::thread::spawn(move || {
                start.wait();
                hub.download_watched(&Waiting(Mutex::new(sender)))
                    .unwrap()
                    .received_bytes
            })
        })
        .collect();
    drop(sender);
    let received: Vec<u64> = downloads
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .collect();
    assert_eq!(
        received.iter().filter(|bytes| **bytes >= 700_000).count(),
        1,
        "{received:?}"
    );
    assert_eq!(hub.ranges(WEIGHTS).len(), 1);
    assert_complete(&hub, &files());
}

#[test]
fn a_new_revision_replaces_the_old_one_in_main() {
    let hub = Hub::new(files());
    hub.download().unwrap();
    let newer = "fedcba9876543210fedcba9876543210fedcba98";
    let mut changed = files();
    changed.insert(WEIGHTS.to_owned(), vec![3; 1234]);
    let served = changed.clone();
    let second = Server::start(move |request| {
        let host = request.header("host").unwrap().to_owned();
        let mut request = request.clone();
        request.path = request.path.split('?').next().unwrap().to_owned();
        let mut reply = answer(&served, &format!("http://{host}"), &request);
        for (name, value) in &mut reply.headers {
            if name == "X-Repo-Commit" {
                newer.clone_into(value);
            }
        }
        reply
    });
    let settings = settings(&second.url(), hub.folder.path());
    let done = download(&settings, &id(), "main", &NoWatch).unwrap();
    assert_eq!((done.commit.as_str(), done.received_bytes), (newer, 1234));
    assert_complete(&hub, &changed);
    assert!(
        hub.cache().files(&id(), COMMIT).is_some(),
        "the old one is still there"
    );
}
