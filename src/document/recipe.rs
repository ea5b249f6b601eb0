use super::{DocumentError, Places};
use crate::latent::{DirectionSource, Edit, TokenSource, Tokens};
use serde::Serialize;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Version this program writes and the only one it reads.
const VERSION: u64 = 1;

/// An edit list as a file: `{"softscope_recipe": 1, "model": "<hash>", "edits": [...]}`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Recipe {
    /// Model hash the recipe was made with; `None` means no check.
    pub model: Option<String>,
    /// Steps in the order they are applied.
    pub edits: Vec<Edit>,
}

/// Why a recipe cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecipeError {
    /// No JSON (the text names line and column), or a key with something else than belongs there.
    #[error("not a usable recipe: {0}")]
    Parse(String),
    /// An entry of the list that is no edit.
    #[error("edit {number} {reason}; an edit looks like {{\"type\": \"swap\", \"a\": 2, \"b\": 13}}")]
    NoEdit {
        /// Place in the list, from 1.
        number: usize,
        /// What it lacks.
        reason: &'static str,
    },
    /// An edit of an unknown type or with a wrong field.
    #[error("edit {number} ({kind:?}): {reason}")]
    Edit {
        /// Place in the list, from 1.
        number: usize,
        /// Its type as written.
        kind: String,
        /// Which field, and what was expected.
        reason: String,
    },
    /// JSON without the mark of a recipe.
    #[error(
        "not a recipe: the key \"softscope_recipe\" is missing; a recipe looks like \
         {{\"softscope_recipe\": 1, \"edits\": [{{\"type\": \"swap\", \"a\": 2, \"b\": 13}}]}}"
    )]
    NoMark,
    /// From a later program.
    #[error("\"softscope_recipe\" is {0}, but this program knows version 1 only; update Softscope")]
    Version(String),
    /// Made with another model.
    #[error(
        "the recipe was made with model {recipe}, but the model in use is {model}: token numbers mean something else \
         there. Open that model, or take \"model\" out of the recipe to use it anyway"
    )]
    OtherModel {
        /// Hash in the recipe.
        recipe: String,
        /// Hash of the model in use.
        model: String,
    },
}

impl Recipe {
    /// Reads a recipe. Paths stay paths until [`Recipe::resolve`]; keys it does not know are let be.
    pub fn from_json(text: &str) -> Result<Self, RecipeError> {
        let parse = |reason: String| RecipeError::Parse(reason);
        let value: Value = serde_json::from_str(text).map_err(|error| parse(error.to_string()))?;
        let Value::Object(mut fields) = value else {
            return Err(RecipeError::NoMark);
        };
        match fields.remove("softscope_recipe") {
            None => return Err(RecipeError::NoMark),
            Some(version) if version.as_u64() != Some(VERSION) => {
                return Err(RecipeError::Version(version.to_string()));
            }
            Some(_) => {}
        }
        let model = match fields.remove("model") {
            None | Some(Value::Null) => None,
            Some(Value::String(model)) => Some(model),
            Some(_) => return Err(parse("\"model\" must be a hash in quotes".to_owned())),
        };
        let Some(Value::Array(edits)) = fields.remove("edits") else {
            return Err(parse(
                "\"edits\" must be there and hold a list of edits (empty for none)".to_owned(),
            ));
        };
        let edit = |(index, value)| edit_from_value(index + 1, value);
        let edits = edits
            .into_iter()
            .enumerate()
            .map(edit)
            .collect::<Result<_, _>>()?;
        Ok(Self { model, edits })
    }

    /// JSON with one edit a line; the same recipe gives the same bytes, and [`Recipe::from_json`] gives it back.
    pub fn to_json(&self) -> String {
        let mut text = format!("{{\n  \"softscope_recipe\": {VERSION}");
        if let Some(model) = &self.model {
            text.push_str(",\n  \"model\": ");
            text.push_str(&Value::from(model.as_str()).to_string());
        }
        text.push_str(",\n  \"edits\": [");
        for (index, edit) in self.edits.iter().enumerate() {
            text.push_str(if index == 0 { "\n    " } else { ",\n    " });
            text.push_str(&edit_json(edit));
        }
        text.push_str(if self.edits.is_empty() {
            "]\n}\n"
        } else {
            "\n  ]\n}\n"
        });
        text
    }

    /// Refuses a recipe made with another model.
    pub fn check_model(&self, hash: &str) -> Result<(), RecipeError> {
        match &self.model {
            Some(model) if !model.eq_ignore_ascii_case(hash) => Err(RecipeError::OtherModel {
                recipe: model.clone(),
                model: hash.to_owned(),
            }),
            _ => Ok(()),
        }
    }

    /// Replaces every path by the tokens that `load` returns for it (paths relative to `base`).
    pub fn resolve(
        &mut self,
        base: &Path,
        load: &mut dyn FnMut(&Path) -> Result<Tokens, DocumentError>,
    ) -> Result<(), DocumentError> {
        for edit in &mut self.edits {
            let (Edit::Copy { from: source, .. } | Edit::Blend { with: source, .. }) = edit else {
                continue;
            };
            if let TokenSource::Path(path) = source {
                let tokens = load(&base.join(&*path))?;
                let name = Path::new(path)
                    .file_name()
                    .map(|name| name.to_string_lossy().into_owned());
                *source = embedded(&tokens, name);
            }
        }
        Ok(())
    }

    /// Replaces every direction named by its values, read from the saved directions of `places`.
    pub fn resolve_directions(&mut self, places: &Places) -> Result<(), DocumentError> {
        self.edits
            .iter_mut()
            .try_for_each(|edit| resolve_direction(edit, places))
    }
}

/// Tokens as a recipe embeds them.
pub fn embedded(tokens: &Tokens, name: Option<String>) -> TokenSource {
    TokenSource::Embedded {
        z: (0..tokens.count)
            .map(|token| tokens.row(token).to_vec())
            .collect(),
        name,
    }
}

/// Replaces the name of a direction by its values; other edits stay as they are.
pub(super) fn resolve_direction(edit: &mut Edit, places: &Places) -> Result<(), DocumentError> {
    let Edit::Direction { source, .. } = edit else {
        return Ok(());
    };
    if let DirectionSource::Name(name) = source {
        *source = DirectionSource::Vector(places.read_direction(name)?);
    }
    Ok(())
}

/// JSON of an edit on one line. Serialising numbers, texts and lists into memory cannot fail; were it to, the reader
/// refuses what stands in the edit's place.
fn edit_json(edit: &Edit) -> String {
    let mut bytes = Vec::new();
    let mut writer = serde_json::Serializer::with_formatter(&mut bytes, Spaced);
    match edit.serialize(&mut writer) {
        Ok(()) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => Value::from(error.to_string()).to_string(),
    }
}

/// One line, with a space after every comma and colon as a person would write it.
struct Spaced;

impl serde_json::ser::Formatter for Spaced {
    fn begin_array_value<W: ?Sized + std::io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }
    fn begin_object_key<W: ?Sized + std::io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }
    fn begin_object_value<W: ?Sized + std::io::Write>(&mut self, writer: &mut W) -> std::io::Result<()> {
        writer.write_all(b": ")
    }
}

fn edit_from_value(number: usize, mut value: Value) -> Result<Edit, RecipeError> {
    let no_edit = |reason| RecipeError::NoEdit { number, reason };
    let fields = value.as_object_mut().ok_or_else(|| no_edit("is no object"))?;
    let kind = fields.get("type").and_then(Value::as_str).map(str::to_owned);
    let kind = kind.ok_or_else(|| no_edit("has no \"type\""))?;
    for key in ["from", "with"] {
        if let Some(source) = fields.get_mut(key)
            && source.is_array()
        {
            *source = serde_json::json!({ "z": rows_of(source.take()) });
        }
    }
    serde_json::from_value(value).map_err(|error| RecipeError::Edit {
        number,
        kind,
        reason: error.to_string(),
    })
}

/// Rows of numbers however they are nested: one row alone becomes a list of one, a batch of one loses its batch axis.
pub(super) fn rows_of(value: Value) -> Value {
    match value {
        Value::Array(items) if items.first().is_some_and(Value::is_number) => {
            Value::Array(vec![Value::Array(items)])
        }
        Value::Array(mut items) if is_batch_of_one(&items) => items.swap_remove(0),
        other => other,
    }
}

fn is_batch_of_one(items: &[Value]) -> bool {
    let first_number = items
        .first()
        .and_then(|rows| rows.get(0))
        .and_then(|row| row.get(0));
    items.len() == 1 && first_number.is_some_and(Value::is_number)
}

/// Where a saved direction of that name lies.
impl Places {
    pub(super) fn direction_file(&self, name: &str) -> PathBuf {
        self.data.join("directions").join(format!("{name}.json"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latent::{BlendMode, Rest};
    use proptest::prelude::*;

    fn tokens() -> impl Strategy<Value = Vec<usize>> {
        prop::collection::vec(0usize..64, 0..6)
    }

    fn number() -> impl Strategy<Value = f32> {
        prop_oneof![
            -3.0f32..3.0,
            any::<f32>().prop_filter("finite", |value| value.is_finite())
        ]
    }

    fn rows() -> impl Strategy<Value = Vec<Vec<f32>>> {
        (1usize..4, 1usize..5).prop_flat_map(|(rows, columns)| {
            prop::collection::vec(prop::collection::vec(number(), columns), rows)
        })
    }

    fn source() -> impl Strategy<Value = TokenSource> {
        prop_oneof![
            "[a-z \"/é]{1,12}".prop_map(TokenSource::Path),
            (rows(), prop::option::of("[a-zé\"]{0,8}"))
                .prop_map(|(z, name)| TokenSource::Embedded { z, name }),
        ]
    }

    fn edit() -> impl Strategy<Value = Edit> {
        let mode = prop_oneof![Just(BlendMode::Linear), Just(BlendMode::Slerp)];
        let rest = prop_oneof![Just(Rest::Zero), Just(Rest::Proportional)];
        prop_oneof![
            (0usize..64, 0usize..32, number()).prop_map(|(token, dim, value)| Edit::SetValue {
                token,
                dim,
                value
            }),
            (tokens(), number()).prop_map(|(tokens, factor)| Edit::Scale { tokens, factor }),
            (
                0usize..64,
                prop::collection::vec((0usize..4, 0usize..9, number()), 0..4),
                rest
            )
                .prop_map(|(token, weights, rest)| Edit::SetWeights { token, weights, rest }),
            (tokens(), number()).prop_map(|(tokens, tau)| Edit::Temperature { tokens, tau }),
            (tokens(), 0usize..9).prop_map(|(tokens, top)| Edit::Harden { tokens, top }),
            (0usize..64, 0usize..64).prop_map(|(a, b)| Edit::Swap { a, b }),
            (source(), tokens(), tokens()).prop_map(|(from, tokens, to)| Edit::Copy { from, tokens, to }),
            (source(), tokens(), number(), mode).prop_map(|(with, tokens, t, mode)| Edit::Blend {
                with,
                tokens,
                t,
                mode
            }),
            tokens().prop_map(|tokens| Edit::Mean { tokens }),
            tokens().prop_map(|tokens| Edit::Zero { tokens }),
            (tokens(), number(), any::<u64>()).prop_map(|(tokens, sigma, seed)| Edit::Noise {
                tokens,
                sigma,
                seed
            }),
            (rows(), number()).prop_map(|(rows, amount)| Edit::Direction {
                source: DirectionSource::Vector(rows),
                amount
            }),
            tokens().prop_map(|tokens| Edit::Project { tokens }),
            tokens().prop_map(|tokens| Edit::Restore { tokens }),
        ]
    }

    proptest! {
        #[test]
        fn round_trips(model in prop::option::of("[0-9a-f]{16}"), edits in prop::collection::vec(edit(), 0..8)) {
            let recipe = Recipe { model, edits };
            let text = recipe.to_json();
            let frame = if recipe.edits.is_empty() { 4 } else { 5 };
            let lines = frame + recipe.edits.len() + usize::from(recipe.model.is_some());
            prop_assert_eq!(text.lines().count(), lines, "one edit a line");
            let read = Recipe::from_json(&text).unwrap();
            prop_assert_eq!(&read, &recipe);
            prop_assert_eq!(read.to_json(), text);
        }
    }

    fn error(text: &str) -> String {
        Recipe::from_json(text).unwrap_err().to_string()
    }

    #[test]
    fn errors_name_the_edit_and_the_field() {
        let swap = r#"{"type": "swap", "a": 2, "b": 13}"#;
        let recipe = |edit: &str| format!("{{\"softscope_recipe\": 1,\n\"edits\": [{swap},\n{edit}\n]}}");
        for (edit, parts) in [
            (
                r#"{"type": "blur", "tokens": [1]}"#,
                ["edit 2 (\"blur\")", "`blur`, expected one of `set_value`"],
            ),
            (
                r#"{"type": "swap", "a": 2}"#,
                ["edit 2 (\"swap\")", "missing field `b`"],
            ),
            (
                r#"{"type": "swap", "a": 2, "b": "x"}"#,
                ["edit 2 (\"swap\")", "string \"x\""],
            ),
            (
                r#"{"type": "swap", "a": 2, "b": 3, "c": 4}"#,
                ["edit 2 (\"swap\")", "`c`"],
            ),
            (r#"{"a": 2}"#, ["edit 2 has no", "\"type\""]),
            ("7", ["edit 2 is no object", "looks like"]),
            (r#"{"type": "swap", "a": 2, "b": 3"#, ["line 4", "expected"]),
        ] {
            let told = error(&recipe(edit));
            assert!(parts.iter().all(|part| told.contains(part)), "{told}");
        }
        assert!(error("{\"edits\": []}").contains("softscope_recipe"));
        assert!(error("{\"softscope_recipe\": 1}").contains("\"edits\""));
        assert!(
            error("{\"softscope_recipe\": 1, \"model\": 3, \"edits\": []}").contains("\"model\" must be")
        );
        assert!(error("{\"softscope_recipe\": 2, \"edits\": []}").contains("update Softscope"));
        assert!(error("[1]").contains("not a recipe"));
        assert!(error("").contains("line 1"));
    }

    #[test]
    fn tokens_may_be_given_without_a_name_for_them() {
        let text = r#"{"edits": [{"type": "copy", "from": [[1, 2], [3, 4]], "tokens": [0]},
            {"type": "blend", "with": [[[1, 2]]], "tokens": [0], "t": 0.5}], "softscope_recipe": 1, "note": "mine"}"#;
        let recipe = Recipe::from_json(text).unwrap();
        let z = |edit: &Edit| match edit {
            Edit::Copy {
                from: TokenSource::Embedded { z, .. },
                ..
            }
            | Edit::Blend {
                with: TokenSource::Embedded { z, .. },
                ..
            } => z.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(z(&recipe.edits[0]), [[1.0, 2.0], [3.0, 4.0]]);
        assert_eq!(z(&recipe.edits[1]), [[1.0, 2.0]]);
    }

    #[test]
    fn paths_become_tokens_and_names_directions() {
        let folder = tempfile::tempdir().unwrap();
        let places = Places {
            shipped_models: None,
            installed_models: folder.path().to_path_buf(),
            samples: None,
            data: folder.path().to_path_buf(),
            hub: crate::hub::Settings::offline_in(folder.path()),
        };
        std::fs::create_dir(folder.path().join("directions")).unwrap();
        std::fs::write(
            folder.path().join("directions/smile.json"),
            "{\"vector\": [0.5, -1]}",
        )
        .unwrap();
        let text = r#"{"softscope_recipe": 1, "edits": [
            {"type": "copy", "from": "b/cat.png", "tokens": [0], "to": [1]},
            {"type": "direction", "name": "smile", "amount": 2}]}"#;
        let mut recipe = Recipe::from_json(text).unwrap();
        let mut asked = Vec::new();
        let tokens = Tokens {
            count: 2,
            dim: 1,
            values: vec![7.0, 8.0],
        };
        recipe
            .resolve(Path::new("base"), &mut |path| {
                asked.push(path.to_path_buf());
                Ok(tokens.clone())
            })
            .unwrap();
        recipe.resolve_directions(&places).unwrap();
        assert_eq!(asked, [Path::new("base").join("b/cat.png")]);
        let from = TokenSource::Embedded {
            z: vec![vec![7.0], vec![8.0]],
            name: Some("cat.png".to_owned()),
        };
        let source = DirectionSource::Vector(vec![vec![0.5, -1.0]]);
        assert_eq!(
            recipe.edits,
            [
                Edit::Copy {
                    from,
                    tokens: vec![0],
                    to: vec![1]
                },
                Edit::Direction { source, amount: 2.0 }
            ]
        );
        for name in ["frown", "../smile", ""] {
            let source = DirectionSource::Name(name.to_owned());
            let mut recipe = Recipe {
                model: None,
                edits: vec![Edit::Direction { source, amount: 1.0 }],
            };
            let told = recipe.resolve_directions(&places).unwrap_err().to_string();
            assert!(told.contains(&format!("\"{name}\"")), "{told}");
        }
    }
}
