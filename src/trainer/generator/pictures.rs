//! The pictures of a run with their classes.

use super::{GeneratorTrainConfig, LabelTable};
use crate::picture::Rgb8;
use crate::trainer::data::{DataFolders, Dice, Item, Library};
use crate::trainer::{DataConfig, TrainError};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Pictures in memory, each with its class.
#[derive(Debug)]
pub(super) struct Labelled {
    library: Library,
    items: Vec<(Item, u32)>,
    /// Of each item: the sum of the probabilities up to and with it.
    cumulative: Vec<f64>,
    config: DataConfig,
    side: usize,
}

/// Pictures to train on and to measure with.
#[derive(Debug)]
pub(super) struct Pictures {
    pub(super) train: Labelled,
    pub(super) held_out: Labelled,
    /// Names of the classes, in the order of their numbers.
    pub(super) classes: Vec<String>,
    /// Pictures to train on that no class was found for.
    pub(super) left_out: usize,
}

/// The class of a file by the table, or by the folder it lies in.
fn class_of<'a>(path: &'a Path, labels: Option<&'a LabelTable>) -> Option<&'a str> {
    match labels {
        Some(table) => table.class_of(path.file_stem()?.to_str()?),
        None => path.parent()?.file_name()?.to_str(),
    }
}

fn has_one_of(classes: &[String], path: &Path, labels: Option<&LabelTable>) -> bool {
    class_of(path, labels).is_some_and(|class| classes.iter().any(|name| name == class))
}

impl Pictures {
    /// Reads the pictures of `folders` for a tokenizer of `side` pixels.
    ///
    /// # Errors
    /// Folders without pictures, or none of a class; a picture that cannot be read.
    pub(super) fn read(
        folders: &[PathBuf],
        labels: Option<&LabelTable>,
        side: usize,
        config: &GeneratorTrainConfig,
    ) -> Result<Self, TrainError> {
        let data = config.data();
        let mut found = DataFolders::find(folders, data.held_out_share)?;
        found.require_some(folders)?;
        let classes = classes(&found.train, labels);
        let all = found.train.len();
        for paths in [&mut found.train, &mut found.held_out] {
            paths.retain(|path| has_one_of(&classes, path, labels));
        }
        if classes.is_empty() {
            return Err(TrainError::no_pictures(
                folders,
                "pictures that the table of labels gives a class",
                "add their names to the file that `labels` names",
            ));
        }
        let evenness = config.bank.class_evenness;
        let labelled = |paths: &[PathBuf]| -> Result<Labelled, TrainError> {
            Labelled::read(paths, labels, &classes, side, &data, evenness)
        };
        Ok(Self {
            train: labelled(&found.train)?,
            held_out: labelled(&found.held_out)?,
            left_out: all - found.train.len(),
            classes,
        })
    }
}

/// Those that have pictures: in the order of the table, or of the folders' names.
fn classes(paths: &[PathBuf], labels: Option<&LabelTable>) -> Vec<String> {
    let used: BTreeSet<&str> = paths.iter().filter_map(|path| class_of(path, labels)).collect();
    match labels {
        Some(table) => {
            let mut classes = table.classes();
            classes.retain(|class| used.contains(class.as_str()));
            classes
        }
        None => used.into_iter().map(str::to_owned).collect(),
    }
}

impl Labelled {
    /// The held-out pictures of `folders` that have one of `classes`.
    ///
    /// # Errors
    /// Folders without pictures; a picture that cannot be read.
    pub(super) fn held_out(
        folders: &[PathBuf],
        labels: Option<&LabelTable>,
        classes: &[String],
        side: usize,
        config: &GeneratorTrainConfig,
    ) -> Result<Self, TrainError> {
        let data = config.data();
        let mut found = DataFolders::find(folders, data.held_out_share)?;
        found.held_out.retain(|path| has_one_of(classes, path, labels));
        Self::read(
            &found.held_out,
            labels,
            classes,
            side,
            &data,
            config.bank.class_evenness,
        )
    }

    fn read(
        paths: &[PathBuf],
        labels: Option<&LabelTable>,
        classes: &[String],
        side: usize,
        config: &DataConfig,
        evenness: f64,
    ) -> Result<Self, TrainError> {
        let library = Library::read(paths, side, config)?;
        let items: Vec<(Item, u32)> = library
            .items()
            .filter_map(|(item, path)| {
                let class = class_of(path, labels)?;
                let number = (0..).zip(classes).find(|(_, name)| *name == class)?.0;
                Some((item, number))
            })
            .collect();
        let mut counts = vec![0.0_f64; classes.len()];
        for (_, class) in &items {
            if let Some(count) = counts.get_mut(*class as usize) {
                *count += 1.0;
            }
        }
        let weight = |class: u32| {
            let count = counts.get(class as usize).copied().unwrap_or(1.0);
            count.powf(-evenness)
        };
        let total: f64 = items.iter().map(|(_, class)| weight(*class)).sum();
        let mut sum = 0.0;
        let cumulative = items
            .iter()
            .map(|(_, class)| {
                sum += weight(*class) / total;
                sum
            })
            .collect();
        Ok(Self {
            library,
            items,
            cumulative,
            config: config.clone(),
            side,
        })
    }

    pub(super) fn count(&self) -> usize {
        self.items.len()
    }

    /// Picture number `number` of the run with this seed, and its class.
    pub(super) fn draw(&self, seed: u64, number: u64) -> Option<(Rgb8, u32)> {
        let mut dice = Dice::of_picture(seed, number);
        let drawn = dice.unit();
        let index = self.cumulative.partition_point(|sum| *sum <= drawn);
        self.make(index.min(self.count().saturating_sub(1)), &mut dice)
    }

    /// Of `count` pictures spread evenly over all, number `index`.
    pub(super) fn spread(&self, seed: u64, index: usize, count: usize) -> Option<(Rgb8, u32)> {
        let mut dice = Dice::of_picture(seed, index as u64);
        self.make(index * self.count() / count.max(1), &mut dice)
    }

    fn make(&self, index: usize, dice: &mut Dice) -> Option<(Rgb8, u32)> {
        let (item, class) = self.items.get(index)?;
        Some((
            self.library.picture_of(*item, dice, self.side, &self.config),
            *class,
        ))
    }
}
