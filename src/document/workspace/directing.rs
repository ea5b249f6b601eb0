//! Directions: found in the background among the tokens of a collection, and the library of those that are saved.

use super::{NoticeKind, Workspace};
use crate::analysis::{Components, MeanDifference, mean_difference, principal_components};
use crate::document::{
    Collection, Direction, DirectionOrigin, DocumentError, SavedDirection, component_files,
};
use crate::latent::{DirectionSource, Edit};
use std::path::PathBuf;
use std::sync::Arc;

/// Pictures that components of whole pictures are of, spread evenly over the collection: the time grows with the cube.
const MOST_COMPONENT_PICTURES: usize = 512;

/// A direction that is looked for in the collection.
#[derive(Debug, Clone, PartialEq)]
pub enum DirectionOrder {
    /// Between two kinds of pictures.
    Difference {
        /// Places of the pictures with a property in the collection.
        with: Vec<usize>,
        /// Places of the pictures without it.
        without: Vec<usize>,
        /// What both kinds are called.
        names: [String; 2],
        /// Share of both that the means do not know and that the separation is measured on, between 0 and 1.
        held_out_share: f64,
        /// Of what is held out.
        seed: u64,
    },
    /// The first principal components.
    Components {
        /// How many.
        count: usize,
        /// Of single tokens, wherever they stand, and not of all tokens of a picture together.
        of_tokens: bool,
    },
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub enum DirectionFigures {
    /// Between two kinds of pictures.
    Difference(MeanDifference),
    /// Principal components.
    Components(Components),
}

/// Directions of a collection, not saved yet.
#[derive(Debug, Clone)]
pub struct FoundDirections {
    /// What was asked for.
    pub order: DirectionOrder,
    /// How they were found, and how well they separate.
    pub figures: DirectionFigures,
    /// One, or a principal component each.
    pub directions: Vec<Direction>,
    /// Pictures they are of.
    pub pictures: usize,
}

/// Directions of a workspace.
#[derive(Default)]
pub(super) struct Directing {
    /// `None` until the library is read.
    saved: Option<Arc<[SavedDirection]>>,
    is_reading: bool,
    found: Option<Arc<FoundDirections>>,
    is_finding: bool,
    /// Tells an answer of a search that was given up.
    serial: u64,
}

impl Workspace {
    /// Looks for directions in the collection that is held, in the background; an older search is given up.
    pub fn find_directions(&mut self, order: DirectionOrder) {
        let Some(collection) = self.collection().cloned() else {
            self.notice(NoticeKind::Error, NO_COLLECTION);
            return;
        };
        self.directing.serial += 1;
        self.directing.is_finding = true;
        let serial = self.directing.serial;
        self.background(
            move || FoundDirections::new(&collection, order),
            move |workspace, found| workspace.take_directions(serial, found),
        );
    }

    fn take_directions(&mut self, serial: u64, found: Result<FoundDirections, DocumentError>) {
        if self.directing.serial != serial {
            return;
        }
        self.directing.is_finding = false;
        match found {
            Ok(found) => self.directing.found = Some(Arc::new(found)),
            Err(error) => self.error(&error),
        }
    }

    /// Whether directions are looked for.
    pub fn is_finding_directions(&self) -> bool {
        self.directing.is_finding
    }

    /// Gives up the search; what was found before stays.
    pub fn cancel_directions(&mut self) {
        self.directing.serial += 1;
        self.directing.is_finding = false;
    }

    /// A file job ended unexpectedly, and it may have been one of these.
    pub(super) fn directing_lost_a_job(&mut self) {
        self.cancel_directions();
        self.directing.is_reading = false;
    }

    /// The directions found last. The same `Arc` is the same result.
    pub fn found_directions(&self) -> Option<&Arc<FoundDirections>> {
        self.directing.found.as_ref()
    }

    /// Another model is there: its tokens are others. What is saved stays.
    pub(super) fn forget_directions(&mut self) {
        self.cancel_directions();
        self.directing.found = None;
    }

    /// Saves a found direction so that recipes find it by `name`; one of that name is replaced.
    pub fn save_direction(&mut self, direction: &Direction, name: &str) {
        let (places, name, text) = (self.places.clone(), name.trim().to_owned(), direction.to_json());
        self.background(
            move || {
                let saved = places.save_direction(&name, &text);
                (name, saved)
            },
            |workspace, (name, saved): (String, Result<PathBuf, DocumentError>)| {
                let told = saved.map(|path| format!("Saved direction {name}: {}", path.display()));
                workspace.take_direction_change(told);
            },
        );
    }

    /// Gives a saved direction another name.
    pub fn rename_direction(&mut self, from: &str, to: &str) {
        let (places, from, to) = (self.places.clone(), from.to_owned(), to.trim().to_owned());
        self.background(
            move || {
                let told = format!("Direction {from} is called {to} now");
                places.rename_direction(&from, &to).map(|()| told)
            },
            Self::take_direction_change,
        );
    }

    /// Deletes a saved direction. Edits made with it stay: they hold its values.
    pub fn delete_direction(&mut self, name: &str) {
        let (places, name) = (self.places.clone(), name.to_owned());
        self.background(
            move || {
                let told = format!("Deleted direction {name}");
                places.delete_direction(&name).map(|()| told)
            },
            Self::take_direction_change,
        );
    }

    fn take_direction_change(&mut self, told: Result<String, DocumentError>) {
        match told {
            Ok(text) => self.notice(NoticeKind::Done, text),
            Err(error) => self.error(&error),
        }
        // Values that were read by name may be others now.
        self.directions.clear();
        self.read_directions();
    }

    /// The saved directions by name; reads them when first asked, and is empty until they are there.
    pub fn saved_directions(&mut self) -> Arc<[SavedDirection]> {
        if self.directing.saved.is_none() && !self.directing.is_reading {
            self.read_directions();
        }
        self.directing.saved.clone().unwrap_or_default()
    }

    fn read_directions(&mut self) {
        self.directing.is_reading = true;
        let places = self.places.clone();
        self.background(
            move || places.saved_directions(),
            |workspace, (saved, errors)| {
                workspace.directing.is_reading = false;
                workspace.directing.saved = Some(saved.into());
                errors.iter().for_each(|error| workspace.error(error));
            },
        );
    }

    /// How far the edits of the active picture, the one under the hand included, have moved it along a direction.
    pub fn moved_along(&self, vector: &[Vec<f32>]) -> f32 {
        let Some(subject) = self.active() else { return 0.0 };
        let edits = subject.history.applied().iter().chain(subject.history.pending());
        let moved: f32 = edits
            .map(|edit| match edit {
                Edit::Direction {
                    source: DirectionSource::Vector(rows),
                    amount,
                } if rows == vector => *amount,
                _ => 0.0,
            })
            .sum();
        // The sum of nothing is -0.
        moved + 0.0
    }
}

impl FoundDirections {
    fn new(collection: &Collection, order: DirectionOrder) -> Result<Self, DocumentError> {
        match &order {
            DirectionOrder::Difference {
                with,
                without,
                names,
                held_out_share,
                seed,
            } => {
                let rows = |places: &[usize]| -> Vec<Vec<f32>> {
                    let pictures = places.iter().filter_map(|place| collection.pictures.get(*place));
                    pictures.map(|picture| picture.z.values.clone()).collect()
                };
                let (first, second) = (rows(with), rows(without));
                let found = mean_difference(&first, &second, collection.dim, *held_out_share, *seed)
                    .ok_or_else(|| too_few(first.len(), second.len()))?;
                let direction = Direction::of_difference(&found, origin(collection, names));
                Ok(Self {
                    directions: vec![direction],
                    pictures: first.len() + second.len(),
                    figures: DirectionFigures::Difference(found),
                    order,
                })
            }
            DirectionOrder::Components { count, of_tokens } => {
                let width = if *of_tokens {
                    collection.dim
                } else {
                    collection.token_count * collection.dim
                };
                let step = if *of_tokens {
                    1
                } else {
                    collection.pictures.len().div_ceil(MOST_COMPONENT_PICTURES).max(1)
                };
                let pictures = collection.pictures.iter().step_by(step);
                let rows: Vec<&[f32]> = pictures
                    .clone()
                    .flat_map(|picture| picture.z.values.chunks_exact(width.max(1)))
                    .collect();
                let found = principal_components(&rows, *count).ok_or_else(|| {
                    DocumentError::Mismatch("components take at least two pictures".to_owned())
                })?;
                let pictures = pictures.count();
                let from = [origin_name(collection)];
                Ok(Self {
                    directions: Direction::of_components(&found, origin(collection, &from), pictures),
                    pictures,
                    figures: DirectionFigures::Components(found),
                    order,
                })
            }
        }
    }
}

impl FoundDirections {
    /// The directions as files; components with their table.
    pub(super) fn files(&self) -> Vec<(String, Vec<u8>)> {
        match &self.figures {
            DirectionFigures::Components(found) => component_files(found, &self.directions),
            DirectionFigures::Difference(_) => {
                let files = self.directions.iter();
                files
                    .map(|direction| ("direction.json".to_owned(), direction.to_json().into_bytes()))
                    .collect()
            }
        }
    }
}

fn origin_name(collection: &Collection) -> String {
    collection
        .folder
        .as_ref()
        .map_or_else(|| collection.name.clone(), |folder| folder.display().to_string())
}

fn origin<'a>(collection: &'a Collection, from: &'a [String]) -> DirectionOrigin<'a> {
    DirectionOrigin {
        model: &collection.model,
        dim: collection.dim,
        from,
    }
}

fn too_few(with: usize, without: usize) -> DocumentError {
    DocumentError::Mismatch(format!(
        "there are {with} pictures with the property and {without} without it; a direction takes at least two of each"
    ))
}

const NO_COLLECTION: &str =
    "There are no pictures to look for directions in: collect a folder or the library first.";
