//! Directions as files, in the form that a recipe's `direction` reads by name.

use super::{DocumentError, Places, write_atomically};
use crate::latent::Tokens;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// Whether a name is that of a file and leads nowhere else.
pub(super) fn is_plain_name(name: &str) -> bool {
    !name.is_empty() && Path::new(name).components().count() == 1 && !name.starts_with('.')
}

/// JSON of a direction: `vector` (L rows of D values, or one for all tokens), and what `about` tells of it.
pub fn direction_json(vector: &Tokens, about: Map<String, Value>) -> String {
    let mut object = about;
    object.insert("vector".to_owned(), json!(vector.to_rows()));
    Value::Object(object).to_string() + "\n"
}

impl Places {
    /// Saves a direction so that recipes find it by name; where it lies.
    ///
    /// # Errors
    /// A name that is no plain file name; a file that cannot be written.
    pub fn save_direction(&self, name: &str, json: &str) -> Result<PathBuf, DocumentError> {
        let path = self.direction_file(name);
        if !is_plain_name(name) {
            return Err(DocumentError::Direction {
                name: name.to_owned(),
                path,
                reason: "the name must be a plain file name".to_owned(),
            });
        }
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|source| DocumentError::write(&path, source))?;
        }
        write_atomically(&path, json.as_bytes())?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Recipe, RecipeError};
    use crate::latent::{DirectionSource, Edit};

    #[test]
    fn a_saved_direction_is_found_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let places = Places {
            shipped_models: None,
            installed_models: folder.path().to_path_buf(),
            samples: None,
            data: folder.path().to_path_buf(),
            hub: crate::hub::Settings::offline_in(folder.path()),
        };
        let vector = Tokens::from_rows(&[vec![0.5, -1.25], vec![3.0, 0.0]]).unwrap();
        let about = Map::from_iter([("from".to_owned(), json!(["a", "b"]))]);
        let text = direction_json(&vector, about);
        let path = places.save_direction("smile", &text).unwrap();
        assert_eq!(path, folder.path().join("directions/smile.json"));
        let read = || -> Result<Recipe, RecipeError> {
            Recipe::from_json(
                r#"{"softscope_recipe": 1, "edits": [{"type": "direction", "name": "smile", "amount": 2}]}"#,
            )
        };
        let mut recipe = read().unwrap();
        recipe.resolve_directions(&places).unwrap();
        let source = DirectionSource::Vector(vector.to_rows());
        assert_eq!(recipe.edits, [Edit::Direction { source, amount: 2.0 }]);
        for name in ["", "../smile", ".hidden", "a/b"] {
            assert!(places.save_direction(name, &text).is_err(), "{name}");
        }
    }
}
