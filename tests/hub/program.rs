//! The program itself against a hub, told by the environment as Python's tools are.

use crate::hub::{COMMIT, Hub, ID, TOKEN};
use crate::server::{Reply, Server};
use crate::tiny;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Every variable of the machine that could lead a run elsewhere.
const VARIABLES: [&str; 17] = [
    "HF_ENDPOINT",
    "HF_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
    "HF_TOKEN_PATH",
    "HF_HUB_CACHE",
    "HUGGINGFACE_HUB_CACHE",
    "HF_HOME",
    "XDG_CACHE_HOME",
    "HF_HUB_OFFLINE",
    "ALL_PROXY",
    "all_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "NO_PROXY",
    "no_proxy",
];

struct Run {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Run {
    #[track_caller]
    fn json(self) -> Value {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        serde_json::from_str(&self.stdout).unwrap()
    }

    /// One line, exit code `code`, all of `words`, no secret.
    #[track_caller]
    fn fails(self, code: i32, words: &[&str]) {
        assert_eq!(
            (self.code, self.stdout.as_str()),
            (Some(code), ""),
            "{}",
            self.stderr
        );
        let message = self.stderr.trim_end();
        assert_eq!(message.lines().count(), 1, "{message}");
        for word in words {
            assert!(message.contains(word), "`{word}` is not in: {message}");
        }
        assert!(!self.stderr.contains(TOKEN), "{message}");
    }
}

/// The program against `endpoint`, its cache below `folder`.
fn run(folder: &Path, endpoint: &str, variables: &[(&str, &str)], arguments: &[&str]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_softscope"));
    for name in VARIABLES {
        command.env_remove(name);
    }
    let output = command
        .args(arguments)
        .env("SOFTSCOPE_HOME", env!("CARGO_MANIFEST_DIR"))
        .env("SOFTSCOPE_DATA", folder.join("data"))
        .env("HF_HOME", folder)
        .env("HF_ENDPOINT", endpoint)
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    Run {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/samples/dunes.jpg")
}

#[test]
fn from_the_hub_to_tokens_and_away_again() {
    for files in [tiny::whole(), tiny::sharded()] {
        let hub = Hub::new(files);
        let folder = hub.folder.path();
        let url = hub.server.url();
        let told = run(folder, &url, &[], &["models", "download", ID]);
        assert_eq!(told.code, Some(0), "{}", told.stderr);
        assert!(told.stdout.contains("--model owner/tiny"), "{}", told.stdout);
        let done = run(folder, &url, &[], &["--json", "models", "download", ID]).json();
        assert_eq!(
            (done["commit"].as_str(), done["received_bytes"].as_u64()),
            (Some(COMMIT), Some(0))
        );
        assert!(folder.join("hub/models--owner--tiny/refs/main").is_file());

        // No network from here on.
        let offline = [("HF_HUB_OFFLINE", "1")];
        let gone = "http://127.0.0.1:9";
        let (picture, tokens) = (sample(), folder.join("tokens.safetensors"));
        let arguments = [
            "--quiet",
            "--model",
            ID,
            "encode",
            picture.to_str().unwrap(),
            "--out",
            tokens.to_str().unwrap(),
        ];
        let encoded = run(folder, gone, &offline, &arguments);
        assert_eq!(encoded.code, Some(0), "{}", encoded.stderr);
        assert!(tokens.is_file());
        let list = run(
            folder,
            gone,
            &offline,
            &["--json", "models", "list", "--available"],
        )
        .json();
        let mut rows = list["models"].as_array().unwrap().iter();
        let row = rows.find(|row| row["name"] == ID).unwrap();
        assert_eq!(
            (row["from"].as_str(), row["loadable"].as_bool()),
            (Some("hub"), Some(true))
        );
        assert_eq!(list["available"].as_array().unwrap().len(), 10);
        let report = run(folder, gone, &offline, &["--json", "models", "check", ID]).json();
        assert_eq!(report["loadable"], true);
        let again = run(folder, gone, &offline, &["--json", "models", "download", ID]).json();
        assert_eq!(again["received_bytes"], 0);

        let removed = run(folder, gone, &offline, &["--json", "models", "remove", ID]).json();
        assert_eq!(removed["snapshots"], 1);
        assert!(removed["freed_bytes"].as_u64().unwrap() > 10_000);
        run(folder, gone, &offline, &arguments).fails(1, &["softscope models download owner/tiny"]);
        run(folder, gone, &offline, &["models", "download", ID]).fails(1, &["HF_HUB_OFFLINE"]);
        run(folder, gone, &offline, &["models", "remove", ID]).fails(1, &[ID, "not in the cache"]);
    }
}

#[test]
fn the_token_of_the_environment_is_sent_and_never_shown() {
    let server = Server::start(|_| Reply::new(403));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("elsewhere");
    std::fs::write(&file, format!("{TOKEN}\n")).unwrap();
    for (name, value) in [
        ("HF_TOKEN", TOKEN),
        ("HUGGING_FACE_HUB_TOKEN", TOKEN),
        ("HF_TOKEN_PATH", file.to_str().unwrap()),
    ] {
        let before = server.log().len();
        run(
            folder.path(),
            &server.url(),
            &[(name, value)],
            &["--quiet", "models", "download", ID],
        )
        .fails(1, &["403", "accept its terms"]);
        let log = server.log();
        let sent = log[before].header("authorization");
        assert_eq!(sent, Some(format!("Bearer {TOKEN}").as_str()), "{name}");
    }
}

#[test]
fn a_proxy_is_used_unless_the_host_is_excepted() {
    let hub = Hub::new(tiny::whole());
    let proxy = Server::start(|_| Reply::new(403));
    let folder = hub.folder.path();
    let proxied = [("ALL_PROXY", proxy.url())];
    let variables: Vec<(&str, &str)> = proxied
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let arguments = ["--quiet", "models", "download", ID];
    let refused = run(folder, &hub.server.url(), &variables, &arguments);
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(hub.server.log().is_empty(), "nothing goes past the proxy");
    assert!(!proxy.log().is_empty());
    let before = proxy.log().len();
    let excepted = [variables[0], ("NO_PROXY", "127.0.0.1")];
    let done = run(folder, &hub.server.url(), &excepted, &arguments);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert_eq!(proxy.log().len(), before);
}

#[test]
fn what_cannot_be_downloaded_or_removed_is_told_in_one_line() {
    let server = Server::start(|_| Reply::new(404).header("X-Error-Code", "RepoNotFound"));
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| run(folder.path(), &server.url(), &[], arguments);
    run(&["--quiet", "models", "download", "no-owner"]).fails(1, &["no-owner", "owner/name"]);
    run(&["--quiet", "models", "download", ID]).fails(1, &[ID, "check the id"]);
    run(&["--quiet", "models", "download", ID, "--revision", "../x"]).fails(1, &["../x", "revision"]);
    run(&["models", "remove", "softscope-32"]).fails(1, &["softscope-32", "delete the folder"]);
    run(&["models", "remove", "nothing"]).fails(1, &["owner/name"]);
    let missing = run(&["models", "download"]);
    assert_eq!(missing.code, Some(2));
}
