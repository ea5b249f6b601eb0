//! Composites whose factors are known, as pictures with labels.

use super::error::CliError;
use crate::document::{DocumentError, Factor, Labelled, PictureInput, csv_field};
use crate::picture::{self, Planar};
use crate::trainer::{Composite, DataConfig, DataFolders, Library};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Skin tones at the end of an emoji's file name, the longer ones first.
const TONES: [&str; 6] = [
    "default",
    "medium-light",
    "medium-dark",
    "light",
    "medium",
    "dark",
];

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
            return Err(DocumentError::EmptyFolder(self.cutouts.to_path_buf()).into());
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
        left_out: Vec::new(),
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
}
