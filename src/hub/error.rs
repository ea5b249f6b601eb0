use super::ModelId;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What can go wrong between the hub and the cache. Display says what, which model or file, and what to do; it never
/// holds a token, nor the query of an address, which may be signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// The watcher asked to stop; what has arrived stays for the next try.
    #[error("cancelled; what has arrived is kept, the next download goes on from there")]
    Cancelled,
    /// Not of the form `owner/name`.
    #[error("\"{text}\" is no model id; write owner/name, such as SoftVQVAE/softvq-l-64")]
    BadId {
        /// As given.
        text: String,
    },
    /// Not a branch, tag or commit.
    #[error("\"{text}\" is no revision; give a branch, a tag or a commit, or leave it out for the newest")]
    BadRevision {
        /// As given.
        text: String,
    },
    /// The hub knows no such model, or does not admit that it does (404, 401).
    #[error(
        "{host} has no model {id}, or does not show it{}; check the id, and where the model is private set HF_TOKEN to a token that may read it",
        if *.with_token { " to this token" } else { " without a token" }
    )]
    NoModel {
        /// The model asked for.
        id: ModelId,
        /// Who answered.
        host: String,
        /// Whether a token was sent.
        with_token: bool,
    },
    /// The model has no such branch, tag or commit.
    #[error("{id} has no revision \"{revision}\" on {host}; leave the revision out for the newest")]
    NoRevision {
        /// The model.
        id: ModelId,
        /// As asked for.
        revision: String,
        /// Who answered.
        host: String,
    },
    /// The repository is there and holds no model that could be opened.
    #[error("{id} cannot be opened: {reason}")]
    NotAModel {
        /// The model.
        id: ModelId,
        /// What is missing.
        reason: String,
    },
    /// 401: the token is wrong or missing.
    #[error(
        "{host} refuses {id} (401): {}",
        if *.with_token {
            "the token is not valid; make a new one in the settings of your account and set HF_TOKEN to it"
        } else {
            "a token is needed; set HF_TOKEN to one that may read this model"
        }
    )]
    Unauthorised {
        /// The model.
        id: ModelId,
        /// Who answered.
        host: String,
        /// Whether a token was sent.
        with_token: bool,
    },
    /// 403: known, and not allowed; most often the model's terms are not accepted yet.
    #[error(
        "{host} does not give you {id} (403); accept its terms on https://{host}/{id} with the account whose token HF_TOKEN holds"
    )]
    Gated {
        /// The model.
        id: ModelId,
        /// Who answered.
        host: String,
    },
    /// 429.
    #[error(
        "{host} asks to wait (429, too many requests); try again in some minutes, or set HF_TOKEN for a higher limit"
    )]
    TooManyRequests {
        /// Who answered.
        host: String,
    },
    /// Any other status.
    #[error("{host} answered with status {status} for {file}; try again later")]
    Status {
        /// The HTTP status.
        status: u16,
        /// Who answered.
        host: String,
        /// What was asked for.
        file: String,
    },
    /// What answers does not speak the hub's language.
    #[error(
        "{host} does not answer as a model hub does ({reason}); HF_ENDPOINT must name the hub or a mirror of it"
    )]
    NotAHub {
        /// Who answered.
        host: String,
        /// What is missing or wrong.
        reason: String,
    },
    /// The address from `HF_ENDPOINT` cannot be used.
    #[error("HF_ENDPOINT is \"{text}\", which is no address such as https://huggingface.co")]
    BadEndpoint {
        /// As set.
        text: String,
    },
    /// The token cannot be sent.
    #[error("the token holds characters that no token has; copy it again and set HF_TOKEN to it")]
    BadToken,
    /// No connection.
    #[error(
        "no connection to {host}: {reason}; check the network and the proxy variables (HTTPS_PROXY), then try again"
    )]
    Unreachable {
        /// Who should have answered.
        host: String,
        /// What the system said.
        reason: String,
    },
    /// Connected, and cut off before the end.
    #[error("the connection to {host} broke: {reason}; what has arrived is kept, try again")]
    Broken {
        /// Who was connected.
        host: String,
        /// What the system said.
        reason: String,
    },
    /// Connected, and nothing comes any more.
    #[error("{host} has sent nothing for {:.0} s; what has arrived is kept, try again later", .waited.as_secs_f64().ceil())]
    Stalled {
        /// Who stalled.
        host: String,
        /// How long was waited.
        waited: Duration,
    },
    /// `HF_HUB_OFFLINE` is set and something would have to be fetched.
    #[error(
        "{id} is not complete in the cache and HF_HUB_OFFLINE forbids to fetch it; unset HF_HUB_OFFLINE to download it"
    )]
    Offline {
        /// The model.
        id: ModelId,
    },
    /// More or fewer bytes than announced.
    #[error(
        "{file} has {found} bytes where {expected} were announced; the wrong file was deleted, try again"
    )]
    WrongSize {
        /// The file.
        file: String,
        /// Announced.
        expected: u64,
        /// Received.
        found: u64,
    },
    /// The bytes are not those of the repository.
    #[error("{file} arrived damaged: its {algorithm} is not the announced one; it was deleted, try again")]
    WrongChecksum {
        /// The file.
        file: String,
        /// SHA-256 or SHA-1.
        algorithm: &'static str,
    },
    /// The model was changed on the hub between two files.
    #[error("{id} was changed on the hub while it was being downloaded; try again")]
    Changed {
        /// The model.
        id: ModelId,
    },
    /// The disk is full, or would be.
    #[error(
        "the disk with {} is full{}; free some space or set HF_HUB_CACHE to a folder on another disk",
        .path.display(),
        .needed_bytes.map_or_else(String::new, |bytes| format!(" ({:.1} GB more are needed)", bytes as f64 / 1e9))
    )]
    DiskFull {
        /// Where was written.
        path: PathBuf,
        /// What is missing, where it is known beforehand.
        needed_bytes: Option<u64>,
    },
    /// The cache cannot be read or written.
    #[error("cannot write {}: {source}; set HF_HUB_CACHE to a folder you may write to", .path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file of the cache cannot be read.
    #[error("cannot read {}: {source}", .path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Neither a cache was named nor has the user a home folder.
    #[error("there is no folder for the cache; set HF_HUB_CACHE to one")]
    NoCache,
    /// Nothing of this model to remove.
    #[error("{id} is not in the cache {}{}", .cache.display(), .revision.as_ref().map_or_else(String::new, |revision| format!(" with revision {revision}")))]
    NotCached {
        /// The model.
        id: ModelId,
        /// As asked for.
        revision: Option<String>,
        /// The cache.
        cache: PathBuf,
    },
    /// The system gives no thread.
    #[error("the system refused a thread for the transfer: {0}; close other programs")]
    Thread(#[source] io::Error),
}

impl HubError {
    /// A fault of the connection that a second try may not meet.
    pub(super) fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Broken { .. } | Self::Stalled { .. })
            // What stands between, a proxy or a gateway, has not reached the hub.
            || matches!(self, Self::Status { status: 502..=504, .. })
    }

    pub(super) fn write(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull {
                path,
                needed_bytes: None,
            },
            _ => Self::Write { path, source },
        }
    }

    pub(super) fn read(path: &Path, source: io::Error) -> Self {
        Self::Read {
            path: path.to_owned(),
            source,
        }
    }
}
