//! Pictures with labels: sub-folders, a table, or composites whose factors are known.

use super::error::CliError;
use super::inputs::{self, PictureInput};
use crate::document::{self, csv_field};
use crate::picture::{self, Planar};
use crate::trainer::{Composite, DataConfig, DataFolders, Library};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// More different numbers than this are a quantity; fewer are labels that happen to be numbers.
const MOST_NUMBER_LABELS: usize = 10;
/// Skin tones at the end of an emoji's file name, the longer ones first.
const TONES: [&str; 6] = [
    "default",
    "medium-light",
    "medium-dark",
    "light",
    "medium",
    "dark",
];

/// What is known of every picture under one name.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Factor {
    pub(crate) name: String,
    pub(crate) values: FactorValues,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum FactorValues {
    /// One of the names for each picture.
    Labels { names: Vec<String>, of: Vec<usize> },
    /// A number for each picture.
    Numbers(Vec<f64>),
}

impl Factor {
    /// Numbers where all texts are finite numbers of many values, else labels in the order of their names.
    pub(crate) fn of_texts(name: &str, texts: &[String]) -> Self {
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
            _ => {
                let names: Vec<String> = distinct.into_iter().map(str::to_owned).collect();
                let of = texts
                    .iter()
                    .map(|text| names.binary_search(text).unwrap_or_default());
                FactorValues::Labels {
                    of: of.collect(),
                    names: names.clone(),
                }
            }
        };
        Self {
            name: name.to_owned(),
            values,
        }
    }
}

/// Pictures and what is known of them.
pub(crate) struct Labelled {
    pub(crate) pictures: Vec<PictureInput>,
    pub(crate) factors: Vec<Factor>,
}

impl Labelled {
    /// The pictures of a folder and of its sub-folders (one level), each labelled by the folder it lies in.
    pub(crate) fn of_folder(folder: &Path) -> Result<Self, CliError> {
        let entries = std::fs::read_dir(folder).map_err(|source| CliError::Read {
            path: folder.to_path_buf(),
            source,
        })?;
        let mut folders: Vec<PathBuf> = entries
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .filter(|path| path.is_dir() && !document::pictures_in(path).is_empty())
            .collect();
        folders.sort();
        if folders.is_empty() || !document::pictures_in(folder).is_empty() {
            folders.insert(0, folder.to_path_buf());
        }
        let mut pictures = Vec::new();
        let mut texts = Vec::new();
        for folder in &folders {
            let found = inputs::gather(std::slice::from_ref(folder))?;
            texts.extend(std::iter::repeat_n(inputs::file_name(folder), found.len()));
            pictures.extend(found);
        }
        Ok(Self {
            pictures,
            factors: vec![Factor::of_texts("label", &texts)],
        })
    }

    /// A table whose first column names files (relative to it) and whose others hold what is known of them, under a
    /// line of names: `file,label`.
    pub(crate) fn of_table(table: &Path) -> Result<Self, CliError> {
        let text = std::fs::read_to_string(table).map_err(|source| CliError::Read {
            path: table.to_path_buf(),
            source,
        })?;
        let wrong = |line: usize, what: &str| CliError::LabelTable {
            path: table.to_path_buf(),
            line,
            what: what.to_owned(),
        };
        let mut lines = text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim().is_empty());
        let header = lines.next().map(|(_, line)| fields(line)).unwrap_or_default();
        if header.len() < 2 {
            return Err(wrong(1, "needs a line of names such as `file,label`"));
        }
        let folder = table.parent().unwrap_or(Path::new(""));
        let mut files = Vec::new();
        let mut columns: Vec<Vec<String>> = vec![Vec::new(); header.len() - 1];
        for (index, line) in lines {
            let row = fields(line);
            if row.len() != header.len() {
                let what = format!("holds {} values and the first line {}", row.len(), header.len());
                return Err(wrong(index + 1, &what));
            }
            let mut values = row.into_iter();
            files.extend(values.next().map(|file| folder.join(file)));
            for (column, value) in columns.iter_mut().zip(values) {
                column.push(value);
            }
        }
        if files.is_empty() {
            return Err(wrong(2, "names no picture"));
        }
        let pictures = inputs::gather(&files)?;
        if pictures.len() != files.len() {
            return Err(wrong(
                2,
                "names a file of several pictures or a folder; name one picture a line",
            ));
        }
        let named = header.iter().skip(1).zip(&columns);
        Ok(Self {
            pictures,
            factors: named.map(|(name, texts)| Factor::of_texts(name, texts)).collect(),
        })
    }
}

/// The values of a line of comma-separated values, quotes taken off.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut characters = line.chars().peekable();
    let mut is_quoted = false;
    while let Some(character) = characters.next() {
        let Some(field) = fields.last_mut() else { break };
        match character {
            '"' if is_quoted && characters.peek() == Some(&'"') => {
                field.push('"');
                characters.next();
            }
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => fields.push(String::new()),
            other => field.push(other),
        }
    }
    fields.iter().map(|field| field.trim().to_owned()).collect()
}

/// Composites to be made.
pub(crate) struct CompositeOrder<'a> {
    pub(crate) cutouts: &'a Path,
    pub(crate) photographs: &'a Path,
    pub(crate) count: usize,
    /// How many concepts take part, drawn by seed.
    pub(crate) concepts: usize,
    pub(crate) seed: u64,
    pub(crate) side: u32,
}

impl CompositeOrder<'_> {
    /// Cut-outs over photographs and plain grounds. Known of each: concept and tone by the cut-out's name, place, size,
    /// turn, and the kind of ground. The same for the same seed.
    pub(crate) fn make(&self) -> Result<(Labelled, Vec<Composite>), CliError> {
        let find = |folder: &Path| -> Result<Vec<PathBuf>, CliError> {
            let found = DataFolders::find(&[folder.to_path_buf()], 0.0)?;
            Ok([found.train, found.held_out].concat())
        };
        let mut by_concept: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
        for path in find(self.cutouts)? {
            by_concept
                .entry(concept_and_tone(&path).0)
                .or_default()
                .push(path);
        }
        if by_concept.is_empty() {
            return Err(CliError::EmptyFolder(self.cutouts.to_path_buf()));
        }
        let names: Vec<&String> = by_concept.keys().collect();
        let drawn = crate::analysis::shuffled(names.len(), self.seed, 0)
            .into_iter()
            .take(self.concepts);
        let mut paths: Vec<PathBuf> = drawn
            .filter_map(|index| by_concept.get(*names.get(index)?))
            .flatten()
            .cloned()
            .collect();
        paths.sort();
        paths.extend(find(self.photographs)?);
        let config = DataConfig::default();
        let side = self.side as usize;
        let library = Library::read(&paths, side, &config)?;
        let composites: Vec<Composite> = (0..self.count as u64)
            .filter_map(|index| library.labelled_composite(self.seed, index, side, &config))
            .collect();
        if composites.is_empty() {
            return Err(CliError::NoCutouts(self.cutouts.to_path_buf()));
        }
        Ok((labelled(&composites), composites))
    }
}

/// Columns of [`factor_texts`].
const FACTORS: [&str; 7] = ["concept", "tone", "ground", "x", "y", "size", "turn"];

fn factor_texts(composite: &Composite) -> [String; 7] {
    let (concept, tone) = concept_and_tone(&composite.cutout);
    let ground = if composite.is_plain { "plain" } else { "photograph" };
    let placement = &composite.placement;
    let [x, y] = placement.centre;
    let number = |value: f64| format!("{value:.6}");
    [
        concept,
        tone,
        ground.to_owned(),
        number(x),
        number(y),
        number(placement.size),
        number(placement.angle_radians.to_degrees()),
    ]
}

fn labelled(composites: &[Composite]) -> Labelled {
    let rows: Vec<[String; 7]> = composites.iter().map(factor_texts).collect();
    let column = |(place, name): (usize, &&str)| {
        let texts: Vec<String> = rows.iter().filter_map(|row| row.get(place).cloned()).collect();
        Factor::of_texts(name, &texts)
    };
    let pictures = composites.iter().enumerate().map(|(index, composite)| {
        PictureInput::given(&format!("{index:05}.png"), Planar::from_rgb8(&composite.picture))
    });
    Labelled {
        pictures: pictures.collect(),
        factors: FACTORS.iter().enumerate().map(column).collect(),
    }
}

/// The composites as pictures and the table of what is known of them, `labels.csv`.
pub(crate) fn composite_files(composites: &[Composite]) -> Result<Vec<(String, Vec<u8>)>, CliError> {
    let mut table = format!("file,{}\n", FACTORS.join(","));
    let mut files = Vec::with_capacity(composites.len() + 1);
    for (index, composite) in composites.iter().enumerate() {
        let name = format!("{index:05}.png");
        let texts: Vec<String> = factor_texts(composite)
            .iter()
            .map(|text| csv_field(text))
            .collect();
        table.push_str(&format!("{name},{}\n", texts.join(",")));
        files.push((name, picture::to_png(&composite.picture, &[])?));
    }
    files.push(("labels.csv".to_owned(), table.into_bytes()));
    Ok(files)
}

/// What a cut-out shows and its skin tone ("none" where its name has none), by its file name.
fn concept_and_tone(path: &Path) -> (String, String) {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let with_tone = TONES.iter().find_map(|tone| {
        let concept = stem.strip_suffix(tone)?.strip_suffix('-')?;
        Some((concept.to_owned(), (*tone).to_owned()))
    });
    with_tone.unwrap_or_else(|| (stem.into_owned(), "none".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_tells_concept_and_tone() {
        let of = |name: &str| concept_and_tone(Path::new(name));
        let pair = |concept: &str, tone: &str| (concept.to_owned(), tone.to_owned());
        assert_eq!(of("a/man-medium-light.png"), pair("man", "medium-light"));
        assert_eq!(of("man-light.png"), pair("man", "light"));
        assert_eq!(of("thumbs-up-default.png"), pair("thumbs-up", "default"));
        assert_eq!(of("rocket.png"), pair("rocket", "none"));
        assert_eq!(of("dark.png"), pair("dark", "none"));
    }

    #[test]
    fn many_numbers_are_a_quantity_and_few_are_labels() {
        let numbers: Vec<String> = (0..20).map(|number| format!("{number}.5")).collect();
        assert!(matches!(
            Factor::of_texts("x", &numbers).values,
            FactorValues::Numbers(_)
        ));
        let few: Vec<String> = (0..20).map(|number| (number % 3).to_string()).collect();
        let FactorValues::Labels { names, of } = Factor::of_texts("x", &few).values else {
            panic!("labels")
        };
        assert_eq!(
            (names, of[4]),
            (vec!["0".to_owned(), "1".to_owned(), "2".to_owned()], 1)
        );
    }

    #[test]
    fn quoted_fields_keep_their_commas() {
        assert_eq!(fields(r#"a.png, "x, ""y""" ,z"#), ["a.png", "x, \"y\"", "z"]);
        assert_eq!(fields("a,,"), ["a", "", ""]);
    }

    #[test]
    fn a_broken_table_names_the_line() {
        let folder = tempfile::tempdir().unwrap();
        let table = folder.path().join("labels.csv");
        for (text, parts) in [
            ("", "file,label"),
            ("file,label\n", "names no picture"),
            ("file,label\na.png\n", "line 2 holds 1 values"),
        ] {
            std::fs::write(&table, text).unwrap();
            let told = Labelled::of_table(&table).err().unwrap().to_string();
            assert!(told.contains(parts), "{told}");
        }
    }
}
