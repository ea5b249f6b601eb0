//! Directions as files, in the form that a recipe's `direction` reads by name, and the library of those that are saved.

use super::{DocumentError, Places, write_atomically};
use crate::analysis::{Components, MeanDifference, Separation};
use crate::latent::Tokens;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Amount that is one standard deviation of the pictures along the direction.
const SIGMA_AMOUNT: &str = "sigma_amount";

/// A direction with what is known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Direction {
    /// L rows of D values, or one row that is used on every token.
    pub vector: Tokens,
    /// What its file tells beside the vector.
    pub about: Map<String, Value>,
}

/// What directions were made from.
#[derive(Debug, Clone, Copy)]
pub struct DirectionOrigin<'a> {
    /// Hash of the model.
    pub model: &'a str,
    /// D.
    pub dim: usize,
    /// Folders or names of what the pictures are from.
    pub from: &'a [String],
}

impl Direction {
    /// The way from the mean of the second kind of pictures to the mean of the first.
    pub fn of_difference(found: &MeanDifference, origin: DirectionOrigin<'_>) -> Self {
        let (used, held_out) = (found.used, found.held_out);
        origin.direction(
            found.vector.clone(),
            [
                (
                    "kind",
                    json!("mean difference: 1 is the way from the mean without to the mean with"),
                ),
                ("pictures", json!({"with": used.0, "without": used.1})),
                ("held_out", json!({"with": held_out.0, "without": held_out.1})),
                ("separation", json!(found.whole)),
                ("token_separation", json!(found.tokens)),
                (SIGMA_AMOUNT, json!(found.deviation)),
            ],
        )
    }

    /// Every principal component, in units of its deviation; `pictures` is how many they are of.
    pub fn of_components(found: &Components, origin: DirectionOrigin<'_>, pictures: usize) -> Vec<Self> {
        let figures = found.deviations.iter().zip(&found.shares);
        let all = found.directions.iter().zip(figures).enumerate();
        all.map(|(index, (direction, (deviation, share)))| {
            origin.direction(
                direction.iter().map(|value| (value * deviation) as f32).collect(),
                [
                    ("kind", json!("principal component: 1 is one standard deviation")),
                    ("pictures", json!(pictures)),
                    ("component", json!(index + 1)),
                    ("deviation", json!(deviation)),
                    ("share_of_variance", json!(share)),
                    (SIGMA_AMOUNT, json!(1.0)),
                ],
            )
        })
        .collect()
    }

    /// The file: `vector` and what is known of it.
    pub fn to_json(&self) -> String {
        let mut object = self.about.clone();
        object.insert("vector".to_owned(), json!(self.vector.to_rows()));
        Value::Object(object).to_string() + "\n"
    }
}

impl DirectionOrigin<'_> {
    fn direction<const N: usize>(&self, values: Vec<f32>, facts: [(&str, Value); N]) -> Direction {
        let mut about: Map<String, Value> = facts
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect();
        about.insert("model".to_owned(), json!(self.model));
        about.insert("from".to_owned(), json!(self.from));
        Direction {
            vector: Tokens {
                count: values.len() / self.dim.max(1),
                dim: self.dim,
                values,
            },
            about,
        }
    }
}

/// A direction of the library.
#[derive(Debug, Clone, PartialEq)]
pub struct SavedDirection {
    /// By which a recipe finds it.
    pub name: String,
    /// L rows of D values, or one.
    pub vector: Arc<Vec<Vec<f32>>>,
    /// Hash of the model whose tokens it moves, where its file tells.
    pub model: Option<String>,
    /// Amount that is one standard deviation of the pictures it was made from; 1 where its file does not tell.
    pub sigma_amount: f32,
    /// How far it tells the two kinds apart on held-out pictures, where it lies between two kinds.
    pub separation: Option<Separation>,
    /// Share of the pictures' variance along it, where it is a principal component.
    pub share_of_variance: Option<f64>,
}

/// A direction's file.
#[derive(Deserialize)]
struct DirectionFile {
    vector: Value,
    #[serde(flatten)]
    about: Map<String, Value>,
}

impl DirectionFile {
    fn fact<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        serde_json::from_value(self.about.get(key)?.clone()).ok()
    }
}

/// Whether a name is that of a file and leads nowhere else.
fn is_plain_name(name: &str) -> bool {
    !name.is_empty() && Path::new(name).components().count() == 1 && !name.starts_with('.')
}

fn wrong(name: &str, path: &Path, reason: impl Into<String>) -> DocumentError {
    DocumentError::Direction {
        name: name.to_owned(),
        path: path.to_path_buf(),
        reason: reason.into(),
    }
}

/// The rows of a direction and its file; one row may stand without a list around it.
fn read(name: &str, path: &Path) -> Result<(Vec<Vec<f32>>, DirectionFile), DocumentError> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        let advice = "save the direction under that name, or put its \"vector\" into the recipe";
        wrong(name, path, format!("{error}; {advice}"))
    })?;
    let file: DirectionFile = serde_json::from_str(&text).map_err(|error| {
        wrong(
            name,
            path,
            format!("{error}; expected {{\"vector\": [[D values], …]}}"),
        )
    })?;
    let rows = super::recipe::rows_of(file.vector.clone());
    let rows =
        serde_json::from_value(rows).map_err(|error| wrong(name, path, format!("\"vector\": {error}")))?;
    Ok((rows, file))
}

impl Places {
    /// The file of a direction; the name may lead nowhere else.
    fn direction_path(&self, name: &str) -> Result<PathBuf, DocumentError> {
        let path = self.direction_file(name);
        if is_plain_name(name) {
            Ok(path)
        } else {
            Err(wrong(name, &path, "the name must be a plain file name"))
        }
    }

    /// The rows of a direction by its name.
    pub(super) fn read_direction(&self, name: &str) -> Result<Vec<Vec<f32>>, DocumentError> {
        read(name, &self.direction_path(name)?).map(|(rows, _)| rows)
    }

    /// Saves a direction so that recipes find it by name; where it lies. One of the same name is replaced.
    ///
    /// # Errors
    /// A name that is no plain file name; a file that cannot be written.
    pub fn save_direction(&self, name: &str, json: &str) -> Result<PathBuf, DocumentError> {
        let path = self.direction_path(name)?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|source| DocumentError::write(&path, source))?;
        }
        write_atomically(&path, json.as_bytes())?;
        Ok(path)
    }

    /// Every saved direction by name, and what is wrong with the files that hold none.
    pub fn saved_directions(&self) -> (Vec<SavedDirection>, Vec<DocumentError>) {
        let folder = self.direction_file("any");
        let entries = folder.parent().and_then(|folder| std::fs::read_dir(folder).ok());
        let mut names: Vec<String> = entries
            .into_iter()
            .flatten()
            .filter_map(|entry| {
                let name = entry.ok()?.file_name().into_string().ok()?;
                name.strip_suffix(".json").map(str::to_owned)
            })
            .filter(|name| is_plain_name(name))
            .collect();
        names.sort();
        let (mut saved, mut errors) = (Vec::new(), Vec::new());
        for name in names {
            match read(&name, &self.direction_file(&name)) {
                Ok((rows, file)) => saved.push(SavedDirection::new(name, rows, &file)),
                Err(error) => errors.push(error),
            }
        }
        (saved, errors)
    }

    /// Gives a saved direction another name.
    ///
    /// # Errors
    /// A name that is no plain file name or is taken; a file that cannot be renamed.
    pub fn rename_direction(&self, from: &str, to: &str) -> Result<(), DocumentError> {
        let (old, new) = (self.direction_path(from)?, self.direction_path(to)?);
        if new.exists() {
            return Err(wrong(
                to,
                &new,
                "a direction of that name is there already; choose another name",
            ));
        }
        std::fs::rename(&old, &new).map_err(|source| DocumentError::write(&new, source))
    }

    /// Deletes a saved direction.
    ///
    /// # Errors
    /// A name that is no plain file name; a file that cannot be deleted.
    pub fn delete_direction(&self, name: &str) -> Result<(), DocumentError> {
        let path = self.direction_path(name)?;
        std::fs::remove_file(&path).map_err(|source| DocumentError::write(&path, source))
    }
}

impl SavedDirection {
    fn new(name: String, rows: Vec<Vec<f32>>, file: &DirectionFile) -> Self {
        let is_usable = |amount: &f32| amount.is_finite() && *amount > 0.0;
        Self {
            name,
            vector: Arc::new(rows),
            model: file.fact("model"),
            sigma_amount: file.fact(SIGMA_AMOUNT).filter(is_usable).unwrap_or(1.0),
            separation: file.fact("separation"),
            share_of_variance: file.fact("share_of_variance"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::{mean_difference, principal_components};
    use crate::document::{Recipe, RecipeError};
    use crate::latent::{DirectionSource, Edit};

    fn places(folder: &Path) -> Places {
        Places {
            shipped_models: None,
            installed_models: folder.to_path_buf(),
            samples: None,
            data: folder.to_path_buf(),
            hub: crate::hub::Settings::offline_in(folder),
        }
    }

    /// Two tokens of two values; the kinds differ in the first value.
    fn kinds() -> [Vec<Vec<f32>>; 2] {
        [3.0, -1.0].map(|shift| {
            (0..6)
                .map(|number| vec![shift, 0.1 * number as f32, 1.0, -0.2 * number as f32])
                .collect()
        })
    }

    const ORIGIN: DirectionOrigin<'_> = DirectionOrigin {
        model: "abc",
        dim: 2,
        from: &[],
    };

    #[test]
    fn a_saved_direction_is_found_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let places = places(folder.path());
        let [with, without] = kinds();
        let found = mean_difference(&with, &without, 2, 0.3, 0).unwrap();
        let direction = Direction::of_difference(&found, ORIGIN);
        let text = direction.to_json();
        let path = places.save_direction("smile", &text).unwrap();
        assert_eq!(path, folder.path().join("directions/smile.json"));
        let read = || -> Result<Recipe, RecipeError> {
            Recipe::from_json(
                r#"{"softscope_recipe": 1, "edits": [{"type": "direction", "name": "smile", "amount": 2}]}"#,
            )
        };
        let mut recipe = read().unwrap();
        recipe.resolve_directions(&places).unwrap();
        let source = DirectionSource::Vector(direction.vector.to_rows());
        assert_eq!(recipe.edits, [Edit::Direction { source, amount: 2.0 }]);
        for name in ["", "../smile", ".hidden", "a/b"] {
            assert!(places.save_direction(name, &text).is_err(), "{name}");
            assert!(places.delete_direction(name).is_err(), "{name}");
            assert!(places.rename_direction("smile", name).is_err(), "{name}");
        }
    }

    #[test]
    fn the_library_knows_what_the_files_tell_and_names_can_be_changed() {
        let folder = tempfile::tempdir().unwrap();
        let places = places(folder.path());
        assert_eq!(places.saved_directions().0, []);
        let [with, without] = kinds();
        let found = mean_difference(&with, &without, 2, 0.3, 0).unwrap();
        let difference = Direction::of_difference(&found, ORIGIN);
        let rows: Vec<&[f32]> = with.iter().chain(&without).map(Vec::as_slice).collect();
        let components = principal_components(&rows, 1).unwrap();
        let component = &Direction::of_components(&components, ORIGIN, rows.len())[0];
        places.save_direction("smile", &difference.to_json()).unwrap();
        places.save_direction("pca-1", &component.to_json()).unwrap();
        places.save_direction("bare", r#"{"vector": [1, 2]}"#).unwrap();
        places.save_direction("broken", "{}").unwrap();
        let (saved, errors) = places.saved_directions();
        let names: Vec<&str> = saved.iter().map(|saved| saved.name.as_str()).collect();
        assert_eq!(names, ["bare", "pca-1", "smile"]);
        assert!(errors[0].to_string().contains("broken"), "{errors:?}");
        assert_eq!((saved[0].sigma_amount, saved[0].vector.len()), (1.0, 1));
        let share = saved[1].share_of_variance.unwrap();
        assert!((share - components.shares[0]).abs() < 1e-12);
        let separation = saved[2].separation.unwrap();
        assert_eq!(
            (separation.area, separation.hits.tested),
            (1.0, found.whole.hits.tested)
        );
        assert!((saved[2].sigma_amount - found.deviation as f32).abs() < 1e-6);
        assert_eq!(saved[2].model.as_deref(), Some("abc"));

        assert!(
            places.rename_direction("smile", "bare").is_err(),
            "the name is taken"
        );
        places.rename_direction("smile", "grin").unwrap();
        places.delete_direction("bare").unwrap();
        let (saved, _) = places.saved_directions();
        let names: Vec<&str> = saved.iter().map(|saved| saved.name.as_str()).collect();
        assert_eq!(names, ["grin", "pca-1"]);
        assert!(places.delete_direction("bare").is_err(), "it is gone");
    }
}
