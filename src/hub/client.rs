//! Asking the hub: addresses, headers, redirects, and what a refusal means.

use super::checksum::Algorithm;
use super::exchange::{Event, Exchange, Head, Silence};
use super::meter::Watch;
use super::{HubError, ModelId, Settings};
use hf_hub::{Repo, RepoType};
use std::time::Duration;
use ureq::Agent;
use ureq::http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, ETAG, LOCATION, RANGE,
};
use ureq::http::{HeaderMap, HeaderValue, Method, Request, Uri};

const MOST_REDIRECTS: usize = 10;
/// Larger answers that are to be read whole are no answers of a hub.
const LARGEST_TEXT_BYTES: usize = 16 << 20;

/// What the hub says about a file before it is fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RemoteFile {
    /// Path in the repository.
    pub(super) name: String,
    /// Names the content; the file's name in the cache.
    pub(super) etag: String,
    /// `None` where the hub does not say.
    pub(super) size_bytes: Option<u64>,
    /// The commit of the whole repository.
    pub(super) commit: String,
}

impl RemoteFile {
    pub(super) fn algorithm(&self) -> Algorithm {
        Algorithm::of_etag(&self.etag)
    }
}

/// Which redirects are followed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Follow {
    /// Those to the same host that say nothing of a file: the repository has another name. The way ends at what leads
    /// to the bytes.
    Renames,
    Everything,
}

/// An answer whose body is still to come.
pub(super) struct Answer {
    pub(super) head: Head,
    pub(super) exchange: Exchange,
    /// Who answered, without what may be secret.
    pub(super) host: String,
}

/// Asks for the files of one model.
pub(super) struct Client<'a> {
    settings: &'a Settings,
    watch: &'a dyn Watch,
    endpoint: Uri,
    id: ModelId,
    repo: Repo,
}

impl<'a> Client<'a> {
    pub(super) fn new(
        settings: &'a Settings,
        id: &ModelId,
        revision: &str,
        watch: &'a dyn Watch,
    ) -> Result<Self, HubError> {
        Ok(Self {
            settings,
            watch,
            endpoint: settings.endpoint_uri()?,
            id: id.clone(),
            repo: Repo::with_revision(id.to_string(), RepoType::Model, revision.to_owned()),
        })
    }

    pub(super) fn settings(&self) -> &Settings {
        self.settings
    }

    pub(super) fn id(&self) -> &ModelId {
        &self.id
    }

    /// What the hub says about a file; `None` where the repository has none of this name.
    pub(super) fn metadata(&self, name: &str) -> Result<Option<RemoteFile>, HubError> {
        let uri = self.file_uri(name)?;
        let mut answer = self.send(&Method::HEAD, uri.clone(), None, Follow::Renames)?;
        if matches!(answer.head.status, 405 | 501) {
            // Some mirrors know no HEAD; the first byte brings the same headers.
            answer = self.send(&Method::GET, uri, Some("bytes=0-0"), Follow::Renames)?;
        }
        match answer.head.status {
            200 | 206 | 301..=308 => Ok(Some(self.described(name, &answer)?)),
            404 if !is_about_repository(&answer.head.headers) => Ok(None),
            _ => Err(self.refusal(&answer, name)),
        }
    }

    fn described(&self, name: &str, answer: &Answer) -> Result<RemoteFile, HubError> {
        let headers = &answer.head.headers;
        let not_a_hub = |reason: &str| HubError::NotAHub {
            host: answer.host.clone(),
            reason: reason.to_owned(),
        };
        let commit = text(headers, "x-repo-commit")
            .filter(|commit| is_file_name(commit))
            .ok_or_else(|| not_a_hub("it names no commit in X-Repo-Commit"))?;
        let etag = text(headers, "x-linked-etag")
            .or_else(|| text(headers, ETAG.as_str()))
            .map(|etag| etag.trim_start_matches("W/").trim_matches('"').to_owned())
            .filter(|etag| is_file_name(etag))
            .ok_or_else(|| not_a_hub("it gives no ETag that can name a file"))?;
        let is_whole = answer.head.status == 200;
        let size_bytes = number(headers, "x-linked-size")
            .or_else(|| number(headers, CONTENT_LENGTH.as_str()).filter(|_| is_whole))
            .or_else(|| Some(content_range(headers)?.1));
        Ok(RemoteFile {
            name: name.to_owned(),
            etag,
            size_bytes,
            commit,
        })
    }

    /// Begins to fetch a file at its byte `from`.
    pub(super) fn open(&self, name: &str, from: u64) -> Result<Answer, HubError> {
        let range = (from > 0).then(|| format!("bytes={from}-"));
        let answer = self.send(
            &Method::GET,
            self.file_uri(name)?,
            range.as_deref(),
            Follow::Everything,
        )?;
        match answer.head.status {
            200 | 206 => Ok(answer),
            416 if from > 0 => Ok(answer),
            _ => Err(self.refusal(&answer, name)),
        }
    }

    /// The paths of all files of the repository.
    pub(super) fn file_names(&self) -> Result<Vec<String>, HubError> {
        let uri = self.uri(&format!("/api/{}", self.repo.api_url()))?;
        let answer = self.send(&Method::GET, uri, None, Follow::Everything)?;
        if answer.head.status != 200 {
            return Err(self.refusal(&answer, "the list of files"));
        }
        let body = self.body(&answer)?;
        let info: hf_hub::api::RepoInfo =
            serde_json::from_slice(&body).map_err(|cause| HubError::NotAHub {
                host: answer.host.clone(),
                reason: format!("its list of files cannot be read: {cause}"),
            })?;
        Ok(info.siblings.into_iter().map(|file| file.rfilename).collect())
    }

    fn body(&self, answer: &Answer) -> Result<Vec<u8>, HubError> {
        let mut body = Vec::new();
        loop {
            match self.next(answer)? {
                Some(piece) => body.extend(piece),
                None => return Ok(body),
            }
            if body.len() > LARGEST_TEXT_BYTES {
                return Err(HubError::NotAHub {
                    host: answer.host.clone(),
                    reason: "its list of files has no end".to_owned(),
                });
            }
        }
    }

    /// The next piece of an answer; `None` at its end.
    pub(super) fn next(&self, answer: &Answer) -> Result<Option<Vec<u8>>, HubError> {
        let stall = self.settings.timeouts.stall;
        match answer.exchange.next(stall, self.watch) {
            Ok(Event::Piece(piece)) => Ok(Some(piece)),
            Ok(Event::End(Ok(()))) => Ok(None),
            Ok(Event::End(Err(error))) => Err(HubError::Broken {
                host: answer.host.clone(),
                reason: error.to_string(),
            }),
            Ok(Event::Head(_)) => Ok(Some(Vec::new())),
            Err(silence) => Err(silent(&answer.host, stall, &silence)),
        }
    }

    fn file_uri(&self, name: &str) -> Result<Uri, HubError> {
        let revision = quoted(self.repo.revision(), "");
        self.uri(&format!(
            "/{}/resolve/{revision}/{}",
            self.repo.url(),
            quoted(name, "/")
        ))
    }

    fn uri(&self, path: &str) -> Result<Uri, HubError> {
        let endpoint = &self.settings.endpoint;
        format!("{endpoint}{path}")
            .parse()
            .map_err(|_| HubError::BadEndpoint {
                text: endpoint.clone(),
            })
    }

    /// Sends a request and follows redirects. The token goes to the endpoint alone.
    fn send(
        &self,
        method: &Method,
        mut uri: Uri,
        range: Option<&str>,
        follow: Follow,
    ) -> Result<Answer, HubError> {
        for _ in 0..=MOST_REDIRECTS {
            let answer = self.send_once(method, &uri, range)?;
            let is_redirect = matches!(answer.head.status, 301 | 302 | 303 | 307 | 308);
            if !is_redirect || (follow == Follow::Renames && describes_a_file(&answer.head.headers)) {
                return Ok(answer);
            }
            let next =
                text(&answer.head.headers, LOCATION.as_str()).and_then(|location| joined(&uri, &location));
            match next {
                Some(next) if follow == Follow::Everything || is_same_origin(&uri, &next) => uri = next,
                Some(_) => return Ok(answer),
                None => {
                    return Err(HubError::NotAHub {
                        host: answer.host,
                        reason: "it redirects to no address".to_owned(),
                    });
                }
            }
        }
        Err(HubError::NotAHub {
            host: host_of(&uri),
            reason: "it redirects without end".to_owned(),
        })
    }

    fn send_once(&self, method: &Method, uri: &Uri, range: Option<&str>) -> Result<Answer, HubError> {
        let host = host_of(uri);
        let mut request = Request::new(());
        *request.method_mut() = method.clone();
        *request.uri_mut() = uri.clone();
        let headers = request.headers_mut();
        // Sizes and ranges count stored bytes, not compressed ones.
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Some(range) = range.and_then(|range| HeaderValue::from_str(range).ok()) {
            headers.insert(RANGE, range);
        }
        if let Some(token) = self.settings.token.as_ref().filter(|_| self.may_see_token(uri)) {
            let mut value = HeaderValue::from_str(&token.authorization()).map_err(|_| HubError::BadToken)?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let exchange = Exchange::start(self.agent(), request)?;
        let patience = self.settings.timeouts.answer;
        match exchange.next(patience, self.watch) {
            Ok(Event::Head(Ok(head))) => Ok(Answer { head, exchange, host }),
            Ok(Event::Head(Err(error))) => Err(unreachable(host, patience, &error)),
            Ok(Event::Piece(_) | Event::End(_)) => Err(HubError::Broken {
                host,
                reason: "it ended without an answer".to_owned(),
            }),
            Err(silence) => Err(silent(&host, patience, &silence)),
        }
    }

    fn may_see_token(&self, uri: &Uri) -> bool {
        is_same_origin(&self.endpoint, uri)
    }

    /// For one request: shutting it down is how the request is cancelled.
    fn agent(&self) -> Agent {
        let patience = Some(self.settings.timeouts.answer);
        Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(self.settings.proxy.clone())
            .timeout_resolve(patience)
            .timeout_connect(patience)
            .user_agent(concat!("softscope/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent()
    }

    /// What an answer that brings no file means.
    fn refusal(&self, answer: &Answer, file: &str) -> HubError {
        let headers = &answer.head.headers;
        let id = self.id.clone();
        let host = answer.host.clone();
        let with_token = self.settings.token.is_some();
        match (answer.head.status, text(headers, "x-error-code").as_deref()) {
            (_, Some("GatedRepo")) | (403, _) => HubError::Gated { id, host },
            (_, Some("RevisionNotFound")) => HubError::NoRevision {
                id,
                revision: self.repo.revision().to_owned(),
                host,
            },
            // To those who may not know, the hub says 401 of a model that does not exist.
            (_, Some("RepoNotFound")) => HubError::NoModel { id, host, with_token },
            (401, _) => HubError::Unauthorised { id, host, with_token },
            (404, _) => HubError::NoModel { id, host, with_token },
            (429, _) => HubError::TooManyRequests { host },
            (status, _) => HubError::Status {
                status,
                host,
                file: file.to_owned(),
            },
        }
    }
}

/// First byte, and the size of the whole, of a `Content-Range` such as `bytes 5-9/10`.
pub(super) fn content_range(headers: &HeaderMap) -> Option<(u64, u64)> {
    let value = text(headers, CONTENT_RANGE.as_str())?;
    let (range, total) = value.strip_prefix("bytes ")?.split_once('/')?;
    let (first, _) = range.split_once('-')?;
    Some((first.trim().parse().ok()?, total.trim().parse().ok()?))
}

/// `Content-Length`, bytes.
pub(super) fn content_length(headers: &HeaderMap) -> Option<u64> {
    number(headers, CONTENT_LENGTH.as_str())
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers
        .get(name)?
        .to_str()
        .ok()
        .map(|value| value.trim().to_owned())
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    text(headers, name)?.parse().ok()
}

fn describes_a_file(headers: &HeaderMap) -> bool {
    headers.contains_key("x-repo-commit")
        && (headers.contains_key("x-linked-etag") || headers.contains_key(ETAG))
}

/// A 404 for the model or its revision, not for one file.
fn is_about_repository(headers: &HeaderMap) -> bool {
    matches!(
        text(headers, "x-error-code").as_deref(),
        Some("RepoNotFound" | "RevisionNotFound")
    )
}

/// What a header gives becomes a file's name; it must not become a path.
fn is_file_name(text: &str) -> bool {
    let is_allowed = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
    (1..=128).contains(&text.len()) && text.chars().all(is_allowed) && !text.starts_with('.')
}

fn is_same_origin(a: &Uri, b: &Uri) -> bool {
    let origin = |uri: &Uri| {
        let scheme = uri.scheme_str().map(str::to_ascii_lowercase);
        let host = uri.host().map(str::to_ascii_lowercase);
        let usual = if scheme.as_deref() == Some("https") {
            443
        } else {
            80
        };
        (scheme, host, uri.port_u16().unwrap_or(usual))
    };
    origin(a) == origin(b)
}

/// Host and port, and nothing of an address that may be secret.
fn host_of(uri: &Uri) -> String {
    let host = uri.host().unwrap_or("the hub");
    uri.port_u16()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// `location` as seen from `base`.
fn joined(base: &Uri, location: &str) -> Option<Uri> {
    let scheme = base.scheme_str()?;
    let authority = base.authority()?;
    let uri: Uri = if location.is_empty() {
        return None;
    } else if location.starts_with("//") {
        format!("{scheme}:{location}").parse().ok()?
    } else if location.starts_with('/') {
        format!("{scheme}://{authority}{location}").parse().ok()?
    } else if location.contains("://") {
        location.parse().ok()?
    } else {
        let folder = base.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{scheme}://{authority}{folder}/{location}")
            .parse()
            .ok()?
    };
    (matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some()).then_some(uri)
}

/// Percent-encoded, but for `kept`.
fn quoted(text: &str, kept: &str) -> String {
    text.bytes()
        .map(|byte| match char::from(byte) {
            plain if plain.is_ascii_alphanumeric() || "-_.~".contains(plain) || kept.contains(plain) => {
                plain.to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

fn silent(host: &str, waited: Duration, silence: &Silence) -> HubError {
    match silence {
        Silence::Cancelled => HubError::Cancelled,
        Silence::Stalled => HubError::Stalled {
            host: host.to_owned(),
            waited,
        },
    }
}

fn unreachable(host: String, waited: Duration, error: &ureq::Error) -> HubError {
    let reason = match error {
        ureq::Error::Timeout(_) => return HubError::Stalled { host, waited },
        ureq::Error::HostNotFound => "its name is not known".to_owned(),
        // Its text holds the whole address, which may be signed.
        ureq::Error::BadUri(_) => "its address cannot be used".to_owned(),
        ureq::Error::Io(cause) => cause.to_string(),
        other => other.to_string(),
    };
    HubError::Unreachable { host, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_are_seen_from_where_they_stand() {
        let base: Uri = "https://hub.example/a/b/c?x=1".parse().unwrap();
        for (location, expected) in [
            ("/d/e", "https://hub.example/d/e"),
            ("d", "https://hub.example/a/b/d"),
            ("//cdn.example/d", "https://cdn.example/d"),
            ("http://cdn.example/d?s=2", "http://cdn.example/d?s=2"),
        ] {
            assert_eq!(joined(&base, location).unwrap(), expected);
        }
        assert_eq!(joined(&base, "ftp://cdn.example/d"), None);
        assert_eq!(joined(&base, "file:///etc/passwd"), None);
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let same = |a: &str, b: &str| is_same_origin(&a.parse().unwrap(), &b.parse().unwrap());
        assert!(same("https://hub.example/a", "https://HUB.example:443/b"));
        for other in [
            "http://hub.example/",
            "https://hub.example:8443/",
            "https://hub.example.evil/",
        ] {
            assert!(!same("https://hub.example/", other), "{other}");
        }
    }

    #[test]
    fn addresses_are_quoted_and_told_without_secrets() {
        assert_eq!(quoted("refs/pr/1", ""), "refs%2Fpr%2F1");
        assert_eq!(quoted("a b/ä.bin", "/"), "a%20b/%C3%A4.bin");
        let uri: Uri = "https://user:pass@hub.example:81/a?signature=s".parse().unwrap();
        assert_eq!(host_of(&uri), "hub.example:81");
    }

    #[test]
    fn names_from_headers_are_no_paths() {
        assert!(is_file_name("686897696a7c876b7e-2"));
        for text in ["", "../x", "a/b", ".x", "a\\b", &"a".repeat(129)] {
            assert!(!is_file_name(text), "{text}");
        }
    }
}
