//! What the hub says no to, and what a person is told.

use crate::hub::{Files, Hub, TOKEN, files, id, settings};
use crate::server::{Reply, Server};
use softscope::hub::{HubError, NoWatch, Token, download};

/// A hub that answers everything with one status.
fn refusing(status: u16, code: Option<&'static str>) -> Hub {
    Hub::on(Server::start(move |_| match code {
        Some(code) => Reply::new(status).header("X-Error-Code", code),
        None => Reply::new(status),
    }))
}

#[track_caller]
fn assert_told(hub: &Hub, words: &[&str]) {
    let message = hub.failure();
    for word in words {
        assert!(message.contains(word), "`{word}` is not in: {message}");
    }
    assert!(
        !hub.folder.path().join("models--owner--tiny").exists(),
        "nothing is left behind"
    );
    // Nothing that a second try could mend is tried twice.
    let asked = hub.server.log().len();
    assert_eq!(asked, 1);
}

#[test]
fn a_model_that_is_not_there() {
    assert_told(
        &refusing(404, Some("RepoNotFound")),
        &["owner/tiny", "check the id", "HF_TOKEN"],
    );
    // To those who are not logged in the hub says so.
    assert_told(
        &refusing(401, Some("RepoNotFound")),
        &["owner/tiny", "check the id", "private"],
    );
    let bare = refusing(404, None);
    let message = bare.failure();
    assert!(
        message.contains("config.json") && message.contains("check the id"),
        "{message}"
    );
}

#[test]
fn a_revision_that_is_not_there() {
    assert_told(
        &refusing(404, Some("RevisionNotFound")),
        &["owner/tiny", "\"main\""],
    );
}

#[test]
fn a_token_that_is_missing_or_wrong() {
    assert_told(&refusing(401, None), &["401", "token is not valid", "HF_TOKEN"]);
    let mut hub = refusing(401, None);
    hub.settings.token = None;
    assert_told(&hub, &["401", "a token is needed", "HF_TOKEN"]);
}

#[test]
fn terms_that_are_not_accepted() {
    assert_told(
        &refusing(403, Some("GatedRepo")),
        &["403", "accept its terms", "owner/tiny"],
    );
    assert_told(&refusing(403, None), &["403"]);
}

#[test]
fn too_many_requests_and_odd_answers() {
    assert_told(&refusing(429, None), &["429", "wait"]);
    assert_told(&refusing(418, None), &["418", "config.json"]);
    assert_told(&refusing(200, None), &["X-Repo-Commit", "HF_ENDPOINT"]);
}

#[test]
fn a_gateway_without_its_hub_is_asked_again() {
    let hub = refusing(503, None);
    assert!(hub.failure().contains("503"));
    assert_eq!(hub.server.log().len(), 3, "one try and two retries");
}

#[test]
fn a_redirect_without_end_and_one_to_nowhere() {
    let circle = Hub::on(Server::start(|request| {
        Reply::new(302).header("Location", request.path.clone())
    }));
    assert!(circle.failure().contains("redirects without end"));
    for location in ["", "file:///etc/passwd", "http://"] {
        let nowhere = Hub::on(Server::start(move |_| {
            Reply::new(302).header("Location", location)
        }));
        let message = nowhere.failure();
        assert!(
            message.contains("redirects to no address"),
            "{location}: {message}"
        );
    }
}

#[test]
fn a_refused_connection() {
    let folder = tempfile::tempdir().unwrap();
    // Nobody listens on the port of the discard service.
    let settings = settings("http://127.0.0.1:9", folder.path());
    let error = download(&settings, &id(), "main", &NoWatch).unwrap_err();
    assert!(matches!(error, HubError::Unreachable { .. }), "{error}");
    let message = error.to_string();
    assert!(
        message.contains("127.0.0.1:9") && message.contains("HTTPS_PROXY"),
        "{message}"
    );
}

#[test]
fn a_token_that_cannot_be_sent_is_not_shown_either() {
    let mut hub = Hub::new(files());
    hub.settings.token = Token::new("hf_very\u{7f}secret");
    let message = hub.failure();
    assert!(
        message.contains("HF_TOKEN") && !message.contains("hf_very"),
        "{message}"
    );
    assert!(hub.server.log().is_empty());
    assert!(!format!("{:?}", hub.settings).contains(TOKEN));
}

#[test]
fn a_repository_that_holds_no_model() {
    let cases: [(&[&str], &[&str]); 4] = [
        (&["model.safetensors"], &["config.json", "owner/tiny"]),
        (
            &["config.json", "README.md"],
            &["no weights", "model.safetensors"],
        ),
        (
            &["config.json", "a.pt", "b.pt"],
            &["several checkpoints", "a.pt", "b.pt"],
        ),
        (&["config.json", "sub/a.pt"], &["no weights"]),
    ];
    for (names, words) in cases {
        let files: Files = names
            .iter()
            .map(|name| ((*name).to_owned(), b"{}".to_vec()))
            .collect();
        let hub = Hub::new(files);
        let message = hub.failure();
        for word in words {
            assert!(message.contains(word), "`{word}` is not in: {message}");
        }
        hub.assert_nothing_left();
    }
}

#[test]
fn revisions_that_are_paths_are_not_asked_for() {
    let hub = Hub::new(files());
    for revision in ["", "../main", "/main", "a b", "main/..", "a?b"] {
        let error = download(&hub.settings, &id(), revision, &NoWatch).unwrap_err();
        assert!(
            matches!(error, HubError::BadRevision { .. }),
            "{revision}: {error}"
        );
    }
    assert!(hub.server.log().is_empty());
}
