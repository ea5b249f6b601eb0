//! Sessions: every picture with its edit list in one file (JSON, pictures as base64), and its autosave.

use crate::latent::Edit;
use crate::picture::Fit;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::PathBuf;
use std::sync::Arc;

/// Version this program writes and the only one it reads.
const VERSION: u64 = 1;

/// Why a session file, or a picture of one, cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// No JSON, or cut short.
    #[error("{file} is no complete session file: {reason}. Open an older copy, or the autosave")]
    Damaged {
        /// The session file.
        file: String,
        /// What does not fit.
        reason: String,
    },
    /// JSON without the mark of a session.
    #[error("{file} is not a session: the key \"softscope_session\" is missing")]
    NoMark {
        /// The session file.
        file: String,
    },
    /// From a later program.
    #[error(
        "{file} was saved by a newer Softscope (session version {version}, this one reads 1); update Softscope"
    )]
    Version {
        /// The session file.
        file: String,
        /// Version in the file.
        version: String,
    },
    /// One picture cannot be restored; the others can.
    #[error("picture {number} ({name}) of {file} is damaged and was left out: {reason}")]
    Picture {
        /// The session file.
        file: String,
        /// Place in the session, from 1.
        number: usize,
        /// Name of the picture, as far as it can be read.
        name: String,
        /// What does not fit.
        reason: String,
    },
    /// The session cannot be written as JSON.
    #[error("the session cannot be written: {reason}")]
    Unwritable {
        /// What the writer said.
        reason: String,
    },
}

/// The model a session was made with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionModel {
    /// Name it was opened by.
    pub name: String,
    /// Hash of its weights.
    pub hash: String,
}

/// What the bytes of a session's picture are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoredAs {
    /// A picture file.
    #[default]
    Picture,
    /// A token file.
    Tokens,
}

/// One picture of a session.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionPicture {
    /// Name in the library.
    pub name: String,
    /// Where it came from; only shown, the session holds the picture itself.
    pub path: Option<PathBuf>,
    /// What `file` is.
    pub stored_as: StoredAs,
    /// Bytes of the file it was imported from, or of a PNG of its pixels.
    pub file: Arc<[u8]>,
    /// How it is fitted to the model.
    pub fit: Fit,
    /// Edits in force, oldest first.
    pub applied: Vec<Edit>,
    /// Edits undone, newest undone first.
    pub undone: Vec<Edit>,
}

/// Everything that is open.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Session {
    /// Model in use.
    pub model: Option<SessionModel>,
    /// Place of the active picture, from 0.
    pub active: Option<usize>,
    /// The library, in order.
    pub pictures: Vec<SessionPicture>,
}

#[derive(Serialize)]
struct SessionOut<'a> {
    softscope_session: u64,
    model: &'a Option<SessionModel>,
    active: Option<usize>,
    pictures: Vec<PictureOut<'a>>,
}

#[derive(Serialize)]
struct PictureOut<'a> {
    name: &'a str,
    path: Option<String>,
    stored_as: StoredAs,
    fit: Fit,
    applied: &'a [Edit],
    undone: &'a [Edit],
    file: String,
}

#[derive(Deserialize)]
struct SessionIn {
    softscope_session: Option<Value>,
    #[serde(default)]
    model: Option<Value>,
    #[serde(default)]
    active: Option<usize>,
    #[serde(default)]
    pictures: Vec<Value>,
}

#[derive(Deserialize)]
struct PictureIn {
    name: String,
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    stored_as: StoredAs,
    #[serde(default)]
    fit: Fit,
    applied: Vec<Edit>,
    #[serde(default)]
    undone: Vec<Edit>,
    file: String,
}

impl Session {
    /// The session as JSON; deterministic.
    pub fn to_json(&self) -> Result<String, SessionError> {
        let pictures = self.pictures.iter().map(|stored| PictureOut {
            name: &stored.name,
            path: stored.path.as_ref().map(|path| path.display().to_string()),
            stored_as: stored.stored_as,
            fit: stored.fit,
            applied: &stored.applied,
            undone: &stored.undone,
            file: base64::encode(&stored.file),
        });
        let session = SessionOut {
            softscope_session: VERSION,
            model: &self.model,
            active: self.active,
            pictures: pictures.collect(),
        };
        serde_json::to_string(&session).map_err(|error| SessionError::Unwritable {
            reason: error.to_string(),
        })
    }

    /// Reads a session with the pictures that are whole, and an error for each that is not. `file` is for messages.
    pub fn from_json(text: &str, file: &str) -> Result<(Self, Vec<SessionError>), SessionError> {
        let file = file.to_owned();
        let session: SessionIn = serde_json::from_str(text).map_err(|error| SessionError::Damaged {
            file: file.clone(),
            reason: error.to_string(),
        })?;
        match session.softscope_session {
            None => return Err(SessionError::NoMark { file }),
            Some(version) if version.as_u64() != Some(VERSION) => {
                return Err(SessionError::Version {
                    file,
                    version: version.to_string(),
                });
            }
            Some(_) => {}
        }
        let mut pictures = Vec::new();
        let mut damaged = Vec::new();
        let mut active = None;
        for (index, value) in session.pictures.into_iter().enumerate() {
            let name = value
                .get("name")
                .and_then(Value::as_str)
                .unwrap_or("unnamed")
                .to_owned();
            let damage = |reason| SessionError::Picture {
                file: file.clone(),
                number: index + 1,
                name: name.clone(),
                reason,
            };
            match picture_from_value(value, damage) {
                Ok(picture) => {
                    if session.active == Some(index) {
                        active = Some(pictures.len());
                    }
                    pictures.push(picture);
                }
                Err(error) => damaged.push(error),
            }
        }
        // A model entry that cannot be read loses no picture: the session opens with the model in use.
        let model = session.model.and_then(|model| serde_json::from_value(model).ok());
        Ok((
            Self {
                model,
                active,
                pictures,
            },
            damaged,
        ))
    }
}

fn picture_from_value(
    value: Value,
    damage: impl Fn(String) -> SessionError,
) -> Result<SessionPicture, SessionError> {
    let picture: PictureIn = serde_json::from_value(value).map_err(|error| damage(error.to_string()))?;
    let file =
        base64::decode(&picture.file).map_err(|error| damage(format!("\"file\" is no base64: {error}")))?;
    Ok(SessionPicture {
        name: picture.name,
        path: picture.path.map(PathBuf::from),
        stored_as: picture.stored_as,
        file: file.into(),
        fit: picture.fit,
        applied: picture.applied,
        undone: picture.undone,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> Session {
        let picture = |name: &str, byte: u8| SessionPicture {
            name: name.to_owned(),
            path: Some(PathBuf::from("pictures").join(name)),
            stored_as: StoredAs::Picture,
            file: Arc::from([byte; 5]),
            fit: Fit::Pad,
            applied: vec![
                Edit::Swap { a: 1, b: 2 },
                Edit::Scale {
                    tokens: vec![0],
                    factor: 0.1,
                },
            ],
            undone: vec![Edit::Zero { tokens: vec![3] }],
        };
        Session {
            model: Some(SessionModel {
                name: "m".to_owned(),
                hash: "0123".to_owned(),
            }),
            active: Some(1),
            pictures: vec![picture("a.png", 1), picture("b.png", 2)],
        }
    }

    #[test]
    fn round_trips() {
        let text = session().to_json().unwrap();
        assert_eq!(Session::from_json(&text, "s").unwrap(), (session(), vec![]));
        assert_eq!(text, session().to_json().unwrap());
    }

    #[test]
    fn a_damaged_picture_is_named_and_the_other_kept() {
        let mut value: Value = serde_json::from_str(&session().to_json().unwrap()).unwrap();
        value["pictures"][0]["file"] = "no base64 !".into();
        let (read, damaged) = Session::from_json(&value.to_string(), "s.softscope").unwrap();
        assert_eq!(read.pictures, session().pictures[1..]);
        assert_eq!(read.active, Some(0), "the active picture is still the active one");
        let message = damaged[0].to_string();
        assert!(message.contains("picture 1 (a.png) of s.softscope"), "{message}");
    }

    #[test]
    fn what_is_no_session_is_told_apart() {
        let text = session().to_json().unwrap();
        let error = |text: &str| Session::from_json(text, "s").unwrap_err();
        assert!(matches!(
            error(&text[..text.len() / 2]),
            SessionError::Damaged { .. }
        ));
        assert!(matches!(error("{}"), SessionError::NoMark { .. }));
        let newer = text.replacen("\"softscope_session\":1", "\"softscope_session\":2", 1);
        assert!(
            error(&newer)
                .to_string()
                .contains("newer Softscope (session version 2")
        );
    }
}
