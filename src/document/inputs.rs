//! Pictures as they are named: files, folders of files, tensors of pictures.

use super::{DocumentError, is_tensor_file, pictures_in, read_inputs};
use crate::engine::ModelInfo;
use crate::picture::{self, Fit, Planar, Rgb8};
use std::path::{Path, PathBuf};

/// One picture, read when its turn comes.
#[derive(Debug, Clone)]
pub struct PictureInput {
    /// For tables and metadata: the file name, with a number where the file holds several pictures.
    pub name: String,
    /// For output names.
    pub stem: String,
    /// The file it comes from.
    pub path: PathBuf,
    source: Source,
}

#[derive(Debug, Clone)]
enum Source {
    File,
    Values(Planar),
}

/// A picture as a model reads it.
#[derive(Debug, Clone)]
pub struct PreparedPicture {
    /// [3, S, S] values of the network.
    pub planar: Planar,
    /// The same in bytes: the crop, or the network values rounded back.
    pub crop: Rgb8,
}

impl PictureInput {
    pub(super) fn file(path: PathBuf) -> Self {
        let name = path_name(&path);
        Self {
            stem: stem(&path),
            name,
            path,
            source: Source::File,
        }
    }

    /// A picture that is no file, at the model's size.
    pub fn given(name: &str, values: Planar) -> Self {
        let path = PathBuf::from(name);
        Self {
            name: name.to_owned(),
            stem: stem(&path),
            path,
            source: Source::Values(values),
        }
    }

    /// The model's square of this picture in bytes.
    ///
    /// # Errors
    /// As [`PictureInput::prepare`].
    pub fn crop(&self, info: &ModelInfo, fit: Fit) -> Result<Rgb8, DocumentError> {
        Ok(self.prepare(info, fit)?.crop)
    }

    /// The model's square of this picture.
    ///
    /// # Errors
    /// A file that cannot be read or is no picture; values of another size than the model's.
    pub fn prepare(&self, info: &ModelInfo, fit: Fit) -> Result<PreparedPicture, DocumentError> {
        let side = model_side(info);
        match &self.source {
            Source::File => {
                let crop = picture::fit(&picture::open(&self.path)?, side, fit);
                Ok(PreparedPicture {
                    planar: Planar::from_rgb8(&crop),
                    crop,
                })
            }
            Source::Values(planar) if (planar.width, planar.height) == (side, side) => Ok(PreparedPicture {
                planar: planar.clone(),
                crop: planar.to_rgb8(),
            }),
            Source::Values(planar) => Err(DocumentError::WrongPictureSize {
                path: self.path.clone(),
                width: planar.width,
                height: planar.height,
                model: info.name.clone(),
                side,
            }),
        }
    }
}

/// The pictures that `inputs` name: files as given, folders by name, tensors in order.
///
/// # Errors
/// A path where nothing is, a folder without pictures, a tensor file that holds none.
pub fn gather_pictures(inputs: &[PathBuf]) -> Result<Vec<PictureInput>, DocumentError> {
    let mut pictures = Vec::new();
    for input in inputs {
        if input.is_dir() {
            std::fs::read_dir(input).map_err(|source| DocumentError::read(input, source))?;
            let files = pictures_in(input);
            if files.is_empty() {
                return Err(DocumentError::EmptyFolder(input.clone()));
            }
            pictures.extend(files.into_iter().map(PictureInput::file));
        } else if !input.exists() {
            return Err(DocumentError::Missing(input.clone()));
        } else if is_tensor_file(input) {
            pictures.extend(tensor_pictures(input)?);
        } else {
            pictures.push(PictureInput::file(input.clone()));
        }
    }
    Ok(pictures)
}

fn tensor_pictures(path: &Path) -> Result<Vec<PictureInput>, DocumentError> {
    let planars = read_inputs(path)?;
    let is_one = planars.len() == 1;
    let numbered = |text: String, separator: char, index: usize| match is_one {
        true => text,
        false => format!("{text}{separator}{index}"),
    };
    let picture = |(index, planar)| PictureInput {
        name: numbered(path_name(path), '#', index),
        stem: numbered(stem(path), '-', index),
        path: path.to_path_buf(),
        source: Source::Values(planar),
    };
    Ok(planars.into_iter().enumerate().map(picture).collect())
}

/// "1 picture", "3 pictures".
pub fn picture_count(pictures: usize) -> String {
    format!("{pictures} picture{}", if pictures == 1 { "" } else { "s" })
}

/// Side of the model's square in pixels.
pub fn model_side(info: &ModelInfo) -> u32 {
    u32::try_from(info.args.image_size).unwrap_or(u32::MAX)
}

/// The last part of a path, for tables and metadata.
pub fn path_name(path: &Path) -> String {
    path.file_name().map_or_else(
        || path.display().to_string(),
        |name| name.to_string_lossy().into_owned(),
    )
}

fn stem(path: &Path) -> String {
    path.file_stem().map_or_else(
        || path.display().to_string(),
        |stem| stem.to_string_lossy().into_owned(),
    )
}
