//! The pictures of a run, decoded and kept.

use super::composite::Cutout;
use crate::document::pictures_in;
use crate::picture::{Rgb8, open_rgba, shrink_to_shorter_side};
use crate::trainer::{DataConfig, TrainError};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Photographs are kept at a shorter side of this many model sides: enough for the smallest usual crop, and a wide
/// collection still fits into memory.
const KEPT_SIDES: f64 = 1.5;

/// Files of a run, told apart by what they are for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DataFolders {
    /// Pictures to train on.
    pub train: Vec<PathBuf>,
    /// Pictures kept for evaluation.
    pub held_out: Vec<PathBuf>,
}

impl DataFolders {
    /// Looks through folders: one with `train` and `val` inside says itself what is what, in any other a share of the
    /// pictures is held out by the hash of its name. Sub-folders, one level deep, belong to their folder.
    ///
    /// # Errors
    /// A folder that is not there.
    pub fn find(folders: &[PathBuf], held_out_share: f64) -> Result<Self, TrainError> {
        let mut found = Self::default();
        for folder in folders {
            std::fs::read_dir(folder).map_err(|source| TrainError::Read {
                path: folder.clone(),
                source,
            })?;
            let (train, held_out) = (folder.join("train"), folder.join("val"));
            if train.is_dir() {
                found.train.extend(pictures_below(&train));
                found.held_out.extend(pictures_below(&held_out));
                continue;
            }
            for path in pictures_below(folder) {
                if is_held_out(&path, held_out_share) {
                    found.held_out.push(path);
                } else {
                    found.train.push(path);
                }
            }
        }
        Ok(found)
    }

    /// Refuses `folders` in which no picture to train on was found.
    ///
    /// # Errors
    /// [`TrainError::NoPictures`].
    pub(in crate::trainer) fn require_some(&self, folders: &[PathBuf]) -> Result<(), TrainError> {
        if self.train.is_empty() {
            return Err(TrainError::no_pictures(
                folders,
                "pictures",
                "give folders of png, jpg, webp, gif, bmp or tiff files with --data",
            ));
        }
        Ok(())
    }
}

/// The pictures of a folder, then those of each of its sub-folders.
fn pictures_below(folder: &Path) -> Vec<PathBuf> {
    let mut pictures = pictures_in(folder);
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    pictures.extend(folders.iter().flat_map(|folder| pictures_in(folder)));
    pictures
}

fn is_held_out(path: &Path, share: f64) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let digest = Sha256::digest(name.as_bytes());
    let leading = digest
        .iter()
        .take(4)
        .fold(0_u32, |value, byte| (value << 8) | u32::from(*byte));
    f64::from(leading) / f64::from(u32::MAX) < share
}

/// One picture of a library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::trainer) enum Item {
    /// By its number among the opaque pictures.
    Photograph(usize),
    /// By its number among those with transparency.
    Cutout(usize),
}

enum Kept {
    Photograph(Rgb8),
    Cutout(Cutout),
}

/// Photographs and cut-outs in memory.
#[derive(Debug, Clone, Default)]
pub struct Library {
    /// Opaque pictures.
    pub(super) photographs: Vec<Rgb8>,
    /// Of each photograph: the sum of the probabilities up to and with it.
    pub(super) cumulative: Vec<f64>,
    /// Pictures with transparency.
    pub(super) cutouts: Vec<Cutout>,
    /// Every picture with its file, in the order of the files.
    files: Vec<(Item, PathBuf)>,
}

impl Library {
    /// Reads pictures for a model of `side` pixels, in the order of `paths`, several at a time.
    ///
    /// # Errors
    /// The first picture that cannot be read.
    pub fn read(paths: &[PathBuf], side: usize, config: &DataConfig) -> Result<Self, TrainError> {
        let shorter = (side as f64 * KEPT_SIDES / config.smallest_crop.min(1.0)).ceil() as u32;
        let read = |path: &PathBuf| -> Result<Kept, TrainError> {
            Ok(match open_rgba(path)?.into_opaque() {
                Ok(opaque) => Kept::Photograph(shrink_to_shorter_side(opaque, shorter)),
                Err(transparent) => Kept::Cutout(Cutout::new(&transparent)),
            })
        };
        let pictures: Vec<Kept> = paths.par_iter().map(read).collect::<Result<_, _>>()?;
        let mut library = Self::default();
        let mut packages = Vec::new();
        for (picture, path) in pictures.into_iter().zip(paths) {
            match picture {
                Kept::Photograph(photograph) => {
                    let item = Item::Photograph(library.photographs.len());
                    library.files.push((item, path.clone()));
                    library.photographs.push(photograph);
                    packages.push(package(path));
                }
                Kept::Cutout(cutout) => {
                    let item = Item::Cutout(library.cutouts.len());
                    library.files.push((item, path.clone()));
                    library.cutouts.push(cutout);
                }
            }
        }
        library.cumulative = cumulative_probabilities(&packages, config.package_cap);
        Ok(library)
    }

    /// Every picture with its file.
    pub(in crate::trainer) fn items(&self) -> impl Iterator<Item = (Item, &Path)> {
        self.files.iter().map(|(item, path)| (*item, path.as_path()))
    }

    /// The file that a picture came from.
    pub(super) fn file_of(&self, wanted: Item) -> Option<&Path> {
        self.items()
            .find(|(item, _)| *item == wanted)
            .map(|(_, path)| path)
    }

    /// Number of opaque pictures.
    pub fn photograph_count(&self) -> usize {
        self.photographs.len()
    }

    /// Number of pictures with transparency.
    pub fn cutout_count(&self) -> usize {
        self.cutouts.len()
    }

    /// Held-out photographs, at most `count`, spread evenly over all.
    pub fn some_photographs(&self, count: usize) -> Vec<&Rgb8> {
        let all = self.photographs.len();
        let taken = count.min(all);
        (0..taken)
            .filter_map(|index| self.photographs.get(index * all / taken))
            .collect()
    }
}

/// What a file belongs to: its name up to `__`, or all files together where none has one.
fn package(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.split_once("__")
        .map_or_else(String::new, |(package, _)| package.to_owned())
}

/// Every picture as likely as any other, but no package above `cap`; what is cut off goes to the others in proportion.
fn cumulative_probabilities(packages: &[String], cap: f64) -> Vec<f64> {
    let mut counts: BTreeMap<&str, f64> = BTreeMap::new();
    for package in packages {
        *counts.entry(package).or_default() += 1.0;
    }
    let shares = capped_shares(&counts, cap);
    let mut sum = 0.0;
    packages
        .iter()
        .map(|package| {
            let (share, count) = (shares.get(package.as_str()), counts.get(package.as_str()));
            sum += share.unwrap_or(&0.0) / count.unwrap_or(&1.0);
            sum
        })
        .collect()
}

fn capped_shares<'a>(counts: &BTreeMap<&'a str, f64>, cap: f64) -> BTreeMap<&'a str, f64> {
    // A cap that all packages together cannot reach would leave draws without a picture.
    let cap = cap.max(1.0 / counts.len().max(1) as f64);
    let mut capped: BTreeMap<&str, f64> = BTreeMap::new();
    loop {
        let open: f64 = counts
            .iter()
            .filter(|(package, _)| !capped.contains_key(*package))
            .map(|(_, count)| count)
            .sum();
        let left = 1.0 - cap * capped.len() as f64;
        let share = |count: f64| left * count / open.max(1.0);
        let over: Vec<&str> = counts
            .iter()
            .filter(|(package, count)| !capped.contains_key(*package) && share(**count) > cap + 1e-12)
            .map(|(package, _)| *package)
            .collect();
        if over.is_empty() {
            return counts
                .iter()
                .map(|(package, count)| (*package, *capped.get(package).unwrap_or(&share(*count))))
                .collect();
        }
        capped.extend(over.into_iter().map(|package| (package, cap)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_package_is_drawn_above_its_cap_and_all_draws_are_spent() {
        let packages: Vec<String> = [("a", 60), ("b", 30), ("c", 9), ("d", 1)]
            .iter()
            .flat_map(|(name, count)| std::iter::repeat_n((*name).to_owned(), *count))
            .collect();
        let cumulative = cumulative_probabilities(&packages, 0.4);
        let share = |first: usize, last: usize| {
            let before = if first == 0 { 0.0 } else { cumulative[first - 1] };
            cumulative[last - 1] - before
        };
        assert!((share(0, 60) - 0.4).abs() < 1e-9);
        assert!((share(60, 90) - 0.4).abs() < 1e-9);
        assert!((share(90, 99) - 0.18).abs() < 1e-9);
        assert!((cumulative[99] - 1.0).abs() < 1e-9);
        // Fewer packages than the cap needs: it gives way.
        let alone = cumulative_probabilities(&packages[..10], 0.4);
        assert!((alone[9] - 1.0).abs() < 1e-9);
    }

    #[test]
    fn folders_that_say_nothing_hold_out_a_share_by_name() {
        let held = (0..1000)
            .filter(|index| is_held_out(Path::new(&format!("x/{index}.png")), 0.1))
            .count();
        assert!((70..130).contains(&held), "{held} of 1000");
        assert!(!is_held_out(Path::new("x/1.png"), 0.0));
    }
}
