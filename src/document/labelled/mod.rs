//! Pictures with labels: by the sub-folders they lie in, or by a table.

mod table;

use super::{DocumentError, PictureInput, gather_pictures, path_name, picture_count, pictures_in};
use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use table::Table;

/// More different numbers than this are a quantity; fewer are labels that happen to be numbers.
const MOST_NUMBER_LABELS: usize = 10;
/// Names of a table of labels in the folder of its pictures, the one looked for first.
const TABLES: [&str; 2] = ["labels.tsv", "labels.csv"];

/// What is known of every picture under one name.
#[derive(Debug, Clone, PartialEq)]
pub struct Factor {
    /// What it is, such as "label" or a column of a table.
    pub name: String,
    /// Its value for each picture.
    pub values: FactorValues,
}

/// One value for each picture.
#[derive(Debug, Clone, PartialEq)]
pub enum FactorValues {
    /// One of the names for each picture.
    Labels {
        /// The names, sorted.
        names: Vec<String>,
        /// Which of the names each picture has.
        of: Vec<usize>,
    },
    /// A number for each picture.
    Numbers(Vec<f64>),
}

impl Factor {
    /// Numbers where all texts are finite numbers of many values, else labels in the order of their names.
    pub fn of_texts(name: &str, texts: &[String]) -> Self {
        let numbers: Option<Vec<f64>> = texts
            .iter()
            .map(|text| {
                text.trim()
                    .parse::<f64>()
                    .ok()
                    .filter(|number| number.is_finite())
            })
            .collect();
        let distinct: BTreeSet<&str> = texts.iter().map(String::as_str).collect();
        let values = match numbers {
            Some(numbers) if distinct.len() > MOST_NUMBER_LABELS => FactorValues::Numbers(numbers),
            _ => FactorValues::labels(texts.iter().map(String::as_str)),
        };
        Self {
            name: name.to_owned(),
            values,
        }
    }

    /// The same of some of the pictures, in the order of `kept`; labels that none of them has are gone.
    #[must_use]
    pub fn of_some(&self, kept: &[usize]) -> Self {
        let values = match &self.values {
            FactorValues::Numbers(numbers) => {
                let numbers = kept.iter().filter_map(|index| numbers.get(*index).copied());
                FactorValues::Numbers(numbers.collect())
            }
            FactorValues::Labels { names, of } => {
                let name = |index: &usize| Some(names.get(*of.get(*index)?)?.as_str());
                FactorValues::labels(kept.iter().filter_map(name))
            }
        };
        Self {
            name: self.name.clone(),
            values,
        }
    }
}

impl FactorValues {
    fn labels<'a>(texts: impl Iterator<Item = &'a str> + Clone) -> Self {
        let distinct: BTreeSet<&str> = texts.clone().collect();
        let names: Vec<String> = distinct.into_iter().map(str::to_owned).collect();
        let place = |text: &str| {
            names
                .binary_search_by(|name| name.as_str().cmp(text))
                .unwrap_or(0)
        };
        Self::Labels {
            of: texts.map(place).collect(),
            names,
        }
    }
}

/// Pictures and what is known of them.
#[derive(Debug, Clone)]
pub struct Labelled {
    /// The pictures.
    pub pictures: Vec<PictureInput>,
    /// One value for each picture, each.
    pub factors: Vec<Factor>,
    /// What of the folder is not among them and why, in words.
    pub left_out: Vec<String>,
}

impl Labelled {
    /// The pictures of a folder by its table `labels.tsv` or `labels.csv`; where there is none, all pictures of the folder
    /// and of its sub-folders (one level), each labelled by the folder it lies in.
    ///
    /// # Errors
    /// A folder that cannot be read or holds no pictures; a table that is broken or names a file that is not there.
    pub fn of_folder(folder: &Path) -> Result<Self, DocumentError> {
        let table = TABLES.map(|name| folder.join(name)).into_iter();
        match table.into_iter().find(|table| table.is_file()) {
            Some(table) => Self::of_folder_table(folder, &table),
            None => Self::of_sub_folders(folder),
        }
    }

    fn of_folder_table(folder: &Path, table: &Path) -> Result<Self, DocumentError> {
        let mut labelled = Self::of_table(table)?;
        let named: HashSet<PathBuf> = labelled
            .pictures
            .iter()
            .filter_map(|picture| picture.path.canonicalize().ok())
            .collect();
        let folders = folders_of(folder)?;
        let unnamed = folders
            .iter()
            .flat_map(|folder| pictures_in(folder))
            .filter(|path| path.canonicalize().is_ok_and(|path| !named.contains(&path)))
            .count();
        if unnamed > 0 {
            labelled.left_out.push(format!(
                "{} of the folder left out: not in {}",
                picture_count(unnamed),
                path_name(table)
            ));
        }
        Ok(labelled)
    }

    fn of_sub_folders(folder: &Path) -> Result<Self, DocumentError> {
        let mut pictures = Vec::new();
        let mut texts = Vec::new();
        for folder in &folders_of(folder)? {
            let found = gather_pictures(std::slice::from_ref(folder))?;
            texts.extend(std::iter::repeat_n(path_name(folder), found.len()));
            pictures.extend(found);
        }
        Ok(Self {
            pictures,
            factors: vec![Factor::of_texts("label", &texts)],
            left_out: Vec::new(),
        })
    }

    /// A table whose first column names files (relative to it) and whose others hold what is known of them, under a
    /// line of names: `file,label`. Of a `.tsv` values are divided by tabs, else by commas.
    ///
    /// # Errors
    /// A table that cannot be read or is broken, with the line; a file that is not there.
    pub fn of_table(table: &Path) -> Result<Self, DocumentError> {
        let Table { files, columns } = Table::read(table)?;
        let pictures = gather_pictures(&files)?;
        if pictures.len() != files.len() {
            return Err(DocumentError::LabelTable {
                path: table.to_path_buf(),
                line: 2,
                what: "names a file of several pictures or a folder; name one picture a line".to_owned(),
            });
        }
        let factors = columns.iter().map(|(name, texts)| Factor::of_texts(name, texts));
        Ok(Self {
            pictures,
            factors: factors.collect(),
            left_out: Vec::new(),
        })
    }

    /// At most `most` of the pictures, spread evenly over all; what is left out is said.
    #[must_use]
    pub fn thinned(self, most: usize) -> Self {
        let count = self.pictures.len();
        if count <= most {
            return self;
        }
        let kept: Vec<usize> = (0..most).map(|index| index * count / most).collect();
        let mut left_out = self.left_out;
        left_out.push(format!(
            "{} of {count} left out, evenly: the limit is {most}",
            picture_count(count - most)
        ));
        Self {
            pictures: kept
                .iter()
                .filter_map(|index| self.pictures.get(*index).cloned())
                .collect(),
            factors: self.factors.iter().map(|factor| factor.of_some(&kept)).collect(),
            left_out,
        }
    }
}

/// The folders of `folder` that hold pictures: its sub-folders, and itself first where it holds some or nothing else does.
fn folders_of(folder: &Path) -> Result<Vec<PathBuf>, DocumentError> {
    let entries = std::fs::read_dir(folder).map_err(|source| DocumentError::read(folder, source))?;
    let mut folders: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.is_dir() && !pictures_in(path).is_empty())
        .collect();
    folders.sort();
    if folders.is_empty() || !pictures_in(folder).is_empty() {
        folders.insert(0, folder.to_path_buf());
    }
    Ok(folders)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::{Rgb8, to_png};

    fn texts(count: usize, text: impl Fn(usize) -> String) -> Vec<String> {
        (0..count).map(text).collect()
    }

    #[test]
    fn many_numbers_are_a_quantity_and_few_are_labels() {
        let numbers = texts(20, |number| format!("{number}.5"));
        assert!(matches!(
            Factor::of_texts("x", &numbers).values,
            FactorValues::Numbers(_)
        ));
        let few = texts(20, |number| (number % 3).to_string());
        let FactorValues::Labels { names, of } = Factor::of_texts("x", &few).values else {
            panic!("labels")
        };
        assert_eq!(
            (names, of[4]),
            (vec!["0".to_owned(), "1".to_owned(), "2".to_owned()], 1)
        );
    }

    #[test]
    fn some_of_the_pictures_keep_their_labels_and_no_others() {
        let labels = Factor::of_texts("x", &texts(6, |number| "abc"[number % 3..=number % 3].to_owned()));
        let expected = FactorValues::Labels {
            names: vec!["a".to_owned(), "c".to_owned()],
            of: vec![1, 0],
        };
        assert_eq!(labels.of_some(&[5, 3]).values, expected);
        let numbers = Factor::of_texts("x", &texts(20, |number| format!("{number}")));
        assert_eq!(
            numbers.of_some(&[7, 2]).values,
            FactorValues::Numbers(vec![7.0, 2.0])
        );
    }

    /// A folder with two sub-folders of pictures.
    fn two_kinds() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let png = to_png(&Rgb8::filled(2, 2, [9; 3]), &[]).unwrap();
        for name in ["a/1.png", "a/2.png", "b/1.png", "b/2.png", "b/3.png"] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, &png).unwrap();
        }
        folder
    }

    #[test]
    fn sub_folders_are_labels_and_thinning_says_what_it_leaves_out() {
        let folder = two_kinds();
        let all = Labelled::of_folder(folder.path()).unwrap();
        assert_eq!((all.pictures.len(), all.left_out.len()), (5, 0));
        let few = all.thinned(3);
        let names: Vec<&str> = few.pictures.iter().map(|picture| picture.name.as_str()).collect();
        assert_eq!(names, ["1.png", "2.png", "2.png"]);
        let FactorValues::Labels { of, .. } = &few.factors[0].values else {
            panic!("labels")
        };
        assert_eq!(of, &[0, 0, 1]);
        assert!(few.left_out[0].contains("2 pictures of 5"), "{:?}", few.left_out);
    }

    #[test]
    fn a_table_in_the_folder_names_what_counts() {
        let folder = two_kinds();
        let table = "file\tkind\tmany\na/1.png\tone, two\t3\nb/3.png\tthree\t4\n";
        std::fs::write(folder.path().join("labels.tsv"), table).unwrap();
        let labelled = Labelled::of_folder(folder.path()).unwrap();
        assert_eq!(labelled.pictures.len(), 2);
        assert_eq!(labelled.factors.len(), 2);
        let FactorValues::Labels { names, .. } = &labelled.factors[0].values else {
            panic!("labels")
        };
        assert_eq!(names, &["one, two", "three"]);
        assert_eq!(
            labelled.left_out,
            ["3 pictures of the folder left out: not in labels.tsv"]
        );
    }
}
