//! A hub with one model: small files answered at once, large ones by a redirect to where the bytes are.

use crate::server::{Received, Reply, Server};
use sha2::{Digest, Sha256};
use softscope::hub::{
    Cache, Downloaded, HubError, ModelId, NoWatch, Progress, Settings, Timeouts, Token, Watch, download,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;
use tempfile::TempDir;

pub(crate) const ID: &str = "owner/tiny";
pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
pub(crate) const TOKEN: &str = "hf_verysecret";

pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// A model that is none: enough to be downloaded.
pub(crate) fn files() -> Files {
    let weights: Vec<u8> = (0..700_000_u32).map(|value| (value % 251) as u8).collect();
    [
        ("config.json".to_owned(), b"{}".to_vec()),
        ("model.safetensors".to_owned(), weights),
    ]
    .into()
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The name of a file in `blobs`.
pub(crate) fn etag(name: &str, bytes: &[u8]) -> String {
    if is_large(name) {
        sha256(bytes)
    } else if bytes == b"{}" {
        // As `git hash-object` has it.
        "9e26dfeeb6e641a33dae4961196235bdb965b21b".to_owned()
    } else {
        sha256(bytes)[..32].to_owned()
    }
}

fn is_large(name: &str) -> bool {
    !name.ends_with(".json") && !name.ends_with(".md")
}

/// The answer of a hub that behaves. Bytes of large files are below `bytes_at`.
pub(crate) fn answer(files: &Files, bytes_at: &str, request: &Received) -> Reply {
    if request.path == format!("/api/models/{ID}/revision/main") {
        let siblings: Vec<_> = files
            .keys()
            .map(|name| serde_json::json!({ "rfilename": name }))
            .collect();
        let info = serde_json::json!({ "sha": COMMIT, "siblings": siblings });
        return Reply::new(200).body(info.to_string());
    }
    if let Some(name) = request.path.strip_prefix("/bytes/") {
        return bytes(&files[name], request);
    }
    let resolve = format!("/{ID}/resolve/");
    let Some((revision, name)) = request
        .path
        .strip_prefix(&resolve)
        .and_then(|rest| rest.split_once('/'))
    else {
        return Reply::new(404).header("X-Error-Code", "RepoNotFound");
    };
    if revision != "main" && revision != COMMIT {
        return Reply::new(404).header("X-Error-Code", "RevisionNotFound");
    }
    let Some(content) = files.get(name) else {
        return Reply::new(404).header("X-Error-Code", "EntryNotFound");
    };
    let tag = format!("\"{}\"", etag(name, content));
    if is_large(name) {
        return Reply::new(302)
            .header("X-Repo-Commit", COMMIT)
            .header("X-Linked-Etag", tag)
            .header("X-Linked-Size", content.len())
            .header("Location", format!("{bytes_at}/bytes/{name}?signature=s3cret"));
    }
    bytes(content, request)
        .header("X-Repo-Commit", COMMIT)
        .header("ETag", tag)
}

/// A file, or the rest of it.
pub(crate) fn bytes(content: &[u8], request: &Received) -> Reply {
    match request.range_start() {
        Some(start) if start >= content.len() => Reply::new(416),
        Some(start) => Reply::new(206)
            .header(
                "Content-Range",
                format!("bytes {start}-{}/{}", content.len() - 1, content.len()),
            )
            .body(&content[start..]),
        None => Reply::new(200).body(content),
    }
}

/// A hub, what it was asked, and a cache of its own.
pub(crate) struct Hub {
    pub(crate) server: Server,
    pub(crate) settings: Settings,
    pub(crate) folder: TempDir,
}

impl Hub {
    /// A hub that behaves.
    pub(crate) fn new(files: Files) -> Self {
        Self::with(files, |_, reply| reply)
    }

    /// A hub whose answers pass through `change`.
    pub(crate) fn with(
        files: Files,
        change: impl Fn(&Received, Reply) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let address = Arc::new(Mutex::new(String::new()));
        let known = Arc::clone(&address);
        let server = Server::start(move |request| {
            let mut request = request.clone();
            request.path = request.path.split('?').next().unwrap().to_owned();
            let bytes_at = known.lock().unwrap().clone();
            change(&request, answer(&files, &bytes_at, &request))
        });
        *address.lock().unwrap() = server.url();
        Self::on(server)
    }

    pub(crate) fn on(server: Server) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(&server.url(), folder.path());
        Self {
            server,
            settings,
            folder,
        }
    }

    pub(crate) fn cache(&self) -> &Cache {
        self.settings.cache.as_ref().unwrap()
    }

    pub(crate) fn download(&self) -> Result<Downloaded, HubError> {
        self.download_watched(&NoWatch)
    }

    pub(crate) fn download_watched(&self, watch: &dyn Watch) -> Result<Downloaded, HubError> {
        download(&self.settings, &id(), "main", watch)
    }

    /// The message of a download that fails. It never holds a secret.
    #[track_caller]
    pub(crate) fn failure(&self) -> String {
        let message = self.download().unwrap_err().to_string();
        for secret in [TOKEN, "s3cret", "signature"] {
            assert!(!message.contains(secret), "{message}");
        }
        message
    }

    /// Requests for the bytes of a file, by their `Range`.
    pub(crate) fn ranges(&self, name: &str) -> Vec<Option<usize>> {
        let log = self.server.log();
        let fetched = log.iter().filter(|request| {
            request.method == "GET" && request.path.split('?').next() == Some(&format!("/bytes/{name}"))
        });
        fetched.map(Received::range_start).collect()
    }

    pub(crate) fn repository(&self) -> PathBuf {
        self.folder.path().join("models--owner--tiny")
    }

    /// Everything below the repository, folders left out, with `/`.
    pub(crate) fn found(&self) -> Vec<String> {
        let mut found = Vec::new();
        list(&self.repository(), "", &mut found);
        found.sort();
        found
    }

    /// Nothing of the model, not even a part.
    #[track_caller]
    pub(crate) fn assert_nothing_left(&self) {
        assert_eq!(self.found(), Vec::<String>::new());
        assert!(self.cache().files(&id(), "main").is_none());
    }
}

pub(crate) fn id() -> ModelId {
    ID.parse().unwrap()
}

/// Settings of a person who is logged in, with little patience.
pub(crate) fn settings(endpoint: &str, cache: &Path) -> Settings {
    Settings {
        endpoint: endpoint.to_owned(),
        token: Token::new(TOKEN),
        is_offline: false,
        timeouts: Timeouts {
            answer: Duration::from_secs(20),
            stall: Duration::from_secs(20),
            first_retry: Duration::from_millis(1),
        },
        retries: 2,
        ..Settings::offline_in(cache)
    }
}

fn list(folder: &Path, prefix: &str, found: &mut Vec<String>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            list(&entry.path(), &format!("{name}/"), found);
        } else {
            found.push(name);
        }
    }
}

/// Remembers what it was told, and cancels at a number of bytes.
#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) cancel_at: Option<u64>,
    told: Mutex<Vec<(u64, Option<u64>)>>,
}

impl Recorder {
    pub(crate) fn cancelling_at(bytes: u64) -> Self {
        Self {
            cancel_at: Some(bytes),
            ..Self::default()
        }
    }

    /// Bytes done and in all, in the order they were told.
    pub(crate) fn told(&self) -> Vec<(u64, Option<u64>)> {
        self.told.lock().unwrap().clone()
    }
}

impl Watch for Recorder {
    fn progress(&self, progress: &Progress<'_>) {
        let told = (progress.done_bytes, progress.total_bytes);
        self.told.lock().unwrap().push(told);
    }

    fn is_cancelled(&self) -> bool {
        let done = self.told.lock().unwrap().last().map_or(0, |(done, _)| *done);
        self.cancel_at.is_some_and(|at| done >= at)
    }
}
