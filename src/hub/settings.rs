use super::{Cache, HubError};
use std::env;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use ureq::Proxy;
use ureq::http::Uri;

const DEFAULT_ENDPOINT: &str = "https://huggingface.co";
/// The branch that is taken when none is named.
pub const DEFAULT_REVISION: &str = "main";

/// A secret that shows itself nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// `None` where nothing is left after white space.
    pub fn new(text: &str) -> Option<Self> {
        let text: String = text
            .chars()
            .filter(|character| !"\r\n".contains(*character))
            .collect();
        let text = text.trim();
        (!text.is_empty()).then(|| Self(text.to_owned()))
    }

    pub(super) fn authorization(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// How long is waited for a server before it counts as stalled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Until the head of an answer is there.
    pub answer: Duration,
    /// Between two pieces of a file.
    pub stall: Duration,
    /// Before the first new try after a fault of the connection; it doubles each time.
    pub first_retry: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            answer: Duration::from_secs(10),
            stall: Duration::from_secs(10),
            first_retry: Duration::from_millis(500),
        }
    }
}

/// Where models come from and where they are kept, as the hub's own Python tools are told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Address of the hub or a mirror, without a trailing slash.
    pub endpoint: String,
    /// Sent to the endpoint, and to no other host.
    pub token: Option<Token>,
    /// The folder with `models--owner--name`; none where the user has no home folder.
    pub cache: Option<Cache>,
    /// Nothing is fetched.
    pub is_offline: bool,
    /// What stands between.
    pub proxy: Option<Proxy>,
    /// When to give up waiting.
    pub timeouts: Timeouts,
    /// New tries after a fault of the connection without a byte of progress.
    pub retries: u32,
}

impl Settings {
    /// From the environment: `HF_ENDPOINT`, `HF_TOKEN`, `HUGGING_FACE_HUB_TOKEN`, `HF_TOKEN_PATH`, `HF_HUB_CACHE`,
    /// `HUGGINGFACE_HUB_CACHE`, `HF_HOME`, `XDG_CACHE_HOME`, `HF_HUB_OFFLINE`, `HF_HUB_ETAG_TIMEOUT`,
    /// `HF_HUB_DOWNLOAD_TIMEOUT`, and the proxy variables (`ALL_PROXY`, `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`).
    pub fn from_env() -> Self {
        let home = directories::BaseDirs::new().map(|user| user.home_dir().to_path_buf());
        Self {
            proxy: Proxy::try_from_env(),
            ..Self::from_variables(&|name| env::var_os(name), home.as_deref())
        }
    }

    /// A cache at `folder` and nothing fetched.
    pub fn offline_in(folder: impl Into<PathBuf>) -> Self {
        Self {
            endpoint: DEFAULT_ENDPOINT.to_owned(),
            token: None,
            cache: Some(Cache::new(folder.into())),
            is_offline: true,
            proxy: None,
            timeouts: Timeouts::default(),
            retries: 3,
        }
    }

    /// `variable` gives the value of an environment variable, `home` is the user's folder.
    fn from_variables(variable: &dyn Fn(&str) -> Option<OsString>, home: Option<&Path>) -> Self {
        let variables = Variables { variable, home };
        let hub_home = variables.hub_home();
        Self {
            endpoint: variables
                .text("HF_ENDPOINT")
                .map(|endpoint| endpoint.trim().trim_end_matches('/').to_owned())
                .filter(|endpoint| !endpoint.is_empty())
                .unwrap_or_else(|| DEFAULT_ENDPOINT.to_owned()),
            token: variables.token(hub_home.as_deref()),
            cache: variables.cache(hub_home.as_deref()).map(Cache::new),
            is_offline: variables.is_true("HF_HUB_OFFLINE") || variables.is_true("TRANSFORMERS_OFFLINE"),
            proxy: None,
            timeouts: Timeouts {
                answer: variables.seconds("HF_HUB_ETAG_TIMEOUT"),
                stall: variables.seconds("HF_HUB_DOWNLOAD_TIMEOUT"),
                ..Timeouts::default()
            },
            retries: 3,
        }
    }

    /// The cache.
    ///
    /// # Errors
    /// [`HubError::NoCache`] where there is no place for one.
    pub fn require_cache(&self) -> Result<&Cache, HubError> {
        self.cache.as_ref().ok_or(HubError::NoCache)
    }

    /// The endpoint as an address.
    pub(super) fn endpoint_uri(&self) -> Result<Uri, HubError> {
        let is_address = |uri: &Uri| {
            matches!(uri.scheme_str(), Some("http" | "https"))
                && uri.host().is_some()
                && uri.query().is_none()
        };
        self.endpoint
            .parse()
            .ok()
            .filter(is_address)
            .ok_or_else(|| HubError::BadEndpoint {
                text: self.endpoint.clone(),
            })
    }
}

/// The environment, read as the hub's Python package reads it.
struct Variables<'a> {
    variable: &'a dyn Fn(&str) -> Option<OsString>,
    home: Option<&'a Path>,
}

impl Variables<'_> {
    fn text(&self, name: &str) -> Option<String> {
        let value = (self.variable)(name)?.into_string().ok()?;
        (!value.is_empty()).then_some(value)
    }

    fn is_true(&self, name: &str) -> bool {
        let value = self.text(name).unwrap_or_default().to_ascii_uppercase();
        ["1", "ON", "YES", "TRUE"].contains(&value.as_str())
    }

    fn seconds(&self, name: &str) -> Duration {
        const DEFAULT_SECONDS: u64 = 10;
        /// A day: longer waits are a mistake, and durations must not overflow.
        const LONGEST_SECONDS: u64 = 86_400;
        let seconds = self.text(name).and_then(|text| text.trim().parse::<u64>().ok());
        let seconds = seconds.filter(|seconds| *seconds > 0).unwrap_or(DEFAULT_SECONDS);
        Duration::from_secs(seconds.min(LONGEST_SECONDS))
    }

    /// A folder, with `~` and `$NAME` in it filled in.
    fn folder(&self, name: &str) -> Option<PathBuf> {
        let value = (self.variable)(name).filter(|value| !value.is_empty())?;
        match value.into_string() {
            Ok(text) => Some(self.expanded(&text)),
            Err(raw) => Some(raw.into()),
        }
    }

    fn expanded(&self, text: &str) -> PathBuf {
        let text = self.with_values(text);
        let below_home = match text.strip_prefix('~') {
            Some(rest) if rest.is_empty() || rest.starts_with(['/', '\\']) => Some(rest),
            _ => None,
        };
        match (below_home, self.home) {
            (Some(rest), Some(home)) => home.join(rest.trim_start_matches(['/', '\\'])),
            _ => text.into(),
        }
    }

    /// `$NAME` and `${NAME}` replaced; one that is not set stays as it stands.
    fn with_values(&self, text: &str) -> String {
        let mut result = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            result.push_str(before);
            let (name, behind) = match after.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
                Some(braced) => braced,
                None => {
                    let end = after
                        .find(|character: char| !character.is_ascii_alphanumeric() && character != '_')
                        .unwrap_or(after.len());
                    after.split_at(end)
                }
            };
            match self.text(name) {
                Some(value) => {
                    result.push_str(&value);
                    rest = behind;
                }
                None => {
                    result.push('$');
                    rest = after;
                }
            }
        }
        result.push_str(rest);
        result
    }

    fn hub_home(&self) -> Option<PathBuf> {
        self.folder("HF_HOME")
            .or_else(|| Some(self.folder("XDG_CACHE_HOME")?.join("huggingface")))
            .or_else(|| Some(self.home?.join(".cache").join("huggingface")))
    }

    fn cache(&self, hub_home: Option<&Path>) -> Option<PathBuf> {
        self.folder("HF_HUB_CACHE")
            .or_else(|| self.folder("HUGGINGFACE_HUB_CACHE"))
            .or_else(|| Some(hub_home?.join("hub")))
    }

    fn token(&self, hub_home: Option<&Path>) -> Option<Token> {
        if self.is_true("HF_HUB_DISABLE_IMPLICIT_TOKEN") {
            return None;
        }
        let from_variable = ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"]
            .into_iter()
            .find_map(|name| self.text(name));
        if let Some(text) = from_variable {
            return Token::new(&text);
        }
        let file = self
            .folder("HF_TOKEN_PATH")
            .or_else(|| Some(hub_home?.join("token")))?;
        Token::new(&std::fs::read_to_string(file).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn settings(variables: &[(&str, &str)]) -> Settings {
        let variables: HashMap<&str, &str> = variables.iter().copied().collect();
        Settings::from_variables(
            &|name| variables.get(name).map(OsString::from),
            Some(Path::new("/home/user")),
        )
    }

    #[track_caller]
    fn assert_cache(variables: &[(&str, &str)], expected: &str) {
        let cache = settings(variables).cache.unwrap();
        assert_eq!(cache.folder(), Path::new(expected));
    }

    #[test]
    fn the_cache_is_where_python_has_it() {
        assert_cache(&[], "/home/user/.cache/huggingface/hub");
        assert_cache(&[("XDG_CACHE_HOME", "/x")], "/x/huggingface/hub");
        assert_cache(
            &[("XDG_CACHE_HOME", "/x"), ("HF_HOME", "~/hf")],
            "/home/user/hf/hub",
        );
        assert_cache(&[("HF_HOME", "/h"), ("HUGGINGFACE_HUB_CACHE", "/old")], "/old");
        assert_cache(
            &[("HUGGINGFACE_HUB_CACHE", "/old"), ("HF_HUB_CACHE", "/new")],
            "/new",
        );
        assert_cache(
            &[("D", "/disk"), ("HF_HUB_CACHE", "$D/a/${D}b$E")],
            "/disk/a//diskb$E",
        );
        assert_cache(&[("HF_HUB_CACHE", "")], "/home/user/.cache/huggingface/hub");
    }

    #[test]
    fn endpoints_lose_their_slash_and_empty_ones_count_as_none() {
        assert_eq!(settings(&[]).endpoint, DEFAULT_ENDPOINT);
        assert_eq!(settings(&[("HF_ENDPOINT", "")]).endpoint, DEFAULT_ENDPOINT);
        assert_eq!(
            settings(&[("HF_ENDPOINT", "https://mirror.example/")]).endpoint,
            "https://mirror.example"
        );
        for endpoint in ["mirror", "ftp://a", "https://", "http://a/?b"] {
            let error = settings(&[("HF_ENDPOINT", endpoint)]).endpoint_uri().unwrap_err();
            assert!(error.to_string().contains("HF_ENDPOINT"), "{error}");
        }
    }

    #[test]
    fn tokens_come_from_variables_before_files_and_hide_themselves() {
        let token = |variables: &[(&str, &str)]| settings(variables).token.map(|token| token.0);
        assert_eq!(
            token(&[("HF_TOKEN", " a\n"), ("HUGGING_FACE_HUB_TOKEN", "b")]),
            Some("a".into())
        );
        assert_eq!(
            token(&[("HF_TOKEN", ""), ("HUGGING_FACE_HUB_TOKEN", "b")]),
            Some("b".into())
        );
        assert_eq!(
            token(&[("HF_TOKEN", "a"), ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "true")]),
            None
        );
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), "from-file\n").unwrap();
        let home = folder.path().to_str().unwrap();
        assert_eq!(token(&[("HF_HOME", home)]), Some("from-file".into()));
        let file = folder.path().join("token");
        assert_eq!(
            token(&[("HF_TOKEN_PATH", file.to_str().unwrap())]),
            Some("from-file".into())
        );
        let shown = format!("{:?}", settings(&[("HF_TOKEN", "secret")]));
        assert!(!shown.contains("secret"), "{shown}");
    }

    #[test]
    fn offline_and_waits_are_read_as_python_reads_them() {
        assert!(!settings(&[]).is_offline && !settings(&[("HF_HUB_OFFLINE", "0")]).is_offline);
        for value in ["1", "on", "YES", "True"] {
            assert!(settings(&[("HF_HUB_OFFLINE", value)]).is_offline, "{value}");
        }
        let timeouts = settings(&[("HF_HUB_DOWNLOAD_TIMEOUT", "3"), ("HF_HUB_ETAG_TIMEOUT", "x")]).timeouts;
        assert_eq!((timeouts.stall.as_secs(), timeouts.answer.as_secs()), (3, 10));
    }
}
