//! What stands before `--out`: pictures, folders of pictures, tensors of pictures, token files.

use super::context::BATCH;
use super::error::CliError;
use super::progress::Progress;
use crate::document::{self, DocumentError, GenerationRecord, TokenFile, TokenFileError};
pub(crate) use crate::document::{
    PictureInput, gather_pictures as gather, model_side as side, path_name as file_name,
    picture_count as count,
};
use crate::engine::Runner;
use crate::latent::{LatentState, Tokens};
use crate::picture::{self, Fit, Mask, Planar, Rgb8};
use std::path::{Path, PathBuf};

/// Every file that the pictures come from.
pub(crate) fn paths(pictures: &[PictureInput]) -> Vec<&Path> {
    pictures.iter().map(|picture| picture.path.as_path()).collect()
}

/// Pictures on their way through a model, a few at a time.
pub(crate) struct Batches<'a> {
    runner: &'a Runner,
    pictures: &'a [PictureInput],
    fit: Fit,
    progress: &'a Progress,
}

impl<'a> Batches<'a> {
    pub(crate) fn new(
        runner: &'a Runner,
        pictures: &'a [PictureInput],
        fit: impl Into<Fit>,
        progress: &'a Progress,
    ) -> Self {
        Self {
            runner,
            pictures,
            fit: fit.into(),
            progress,
        }
    }

    /// Calls `each` with every picture and its tokens, in order.
    pub(crate) fn encode(
        &self,
        mut each: impl FnMut(&PictureInput, LatentState) -> Result<(), CliError>,
    ) -> Result<(), CliError> {
        self.run(1, |batch, _, states| {
            batch
                .iter()
                .zip(states)
                .try_for_each(|(picture, state)| each(picture, state))
        })
    }

    /// Calls `each` with every picture, its crop and its 8-bit reconstruction, in order.
    pub(crate) fn reconstruct(
        &self,
        mut each: impl FnMut(&PictureInput, &Rgb8, &Rgb8) -> Result<(), CliError>,
    ) -> Result<(), CliError> {
        self.run(2, |batch, crops, states| {
            let tokens: Vec<&Tokens> = states.iter().map(|state| &state.z).collect();
            let decoded = self.runner.decode(&tokens, self.progress)?;
            for ((picture, crop), planar) in batch.iter().zip(&crops).zip(&decoded) {
                each(picture, crop, &planar.to_rgb8())?;
            }
            Ok(())
        })
    }

    /// `passes` is how many engine calls a batch takes, of which the first, the encoder's, is made here.
    fn run(
        &self,
        passes: usize,
        mut each: impl FnMut(&[PictureInput], Vec<Rgb8>, Vec<LatentState>) -> Result<(), CliError>,
    ) -> Result<(), CliError> {
        let all = self.pictures.len() * passes;
        let mut done = 0;
        for batch in self.pictures.chunks(BATCH) {
            let mut planars = Vec::with_capacity(batch.len());
            let mut crops = Vec::with_capacity(batch.len());
            for picture in batch {
                let prepared = picture.prepare(self.runner.info(), self.fit)?;
                planars.push(prepared.planar);
                crops.push(prepared.crop);
            }
            self.progress.enter(done, batch.len(), all);
            let states = self.runner.encode(&planars, self.progress)?;
            done += batch.len();
            self.progress.enter(done, batch.len() * (passes - 1), all);
            each(batch, crops, states)?;
            done += batch.len() * (passes - 1);
        }
        Ok(())
    }
}

/// A path and, after a `#`, the number of a picture in it: `tokens.safetensors#2`. A file of that very name wins.
pub(crate) fn split_number(input: &Path) -> (PathBuf, Option<usize>) {
    let whole = (input.to_path_buf(), None);
    if input.exists() {
        return whole;
    }
    let Some((path, number)) = input.to_str().and_then(|text| text.rsplit_once('#')) else {
        return whole;
    };
    match number.parse() {
        Ok(number) => (PathBuf::from(path), Some(number)),
        Err(_) => whole,
    }
}

/// The tokens of all pictures in a token file, or of a picture after encoding it.
pub(crate) fn read_states(
    runner: &Runner,
    path: &Path,
    fit: Fit,
    progress: &Progress,
) -> Result<TokenFile, CliError> {
    if !path.exists() {
        return Err(DocumentError::Missing(path.to_path_buf()).into());
    }
    if document::is_tensor_file(path) {
        match document::read_tokens(path, Some(&runner.info().space)) {
            Err(DocumentError::TokenFile(TokenFileError::Missing { .. }))
                if document::holds_inputs(path)? => {}
            tokens => return Ok(tokens?),
        }
    }
    let pictures = gather(std::slice::from_ref(&path.to_path_buf()))?;
    let mut states = Vec::with_capacity(pictures.len());
    Batches::new(runner, &pictures, fit, progress).encode(|_, state| {
        states.push(state);
        Ok(())
    })?;
    let names = pictures.into_iter().map(|picture| picture.name).collect();
    Ok(TokenFile {
        generations: vec![None; states.len()],
        states,
        names,
        model: Some(runner.info().hash.clone()),
        fit: Some(fit),
    })
}

/// The tokens of one picture; of a file with several the one whose number stands after `#`, else the first, with a note.
pub(crate) fn read_state(
    runner: &Runner,
    input: &Path,
    fit: Fit,
    progress: &Progress,
) -> Result<LatentState, CliError> {
    Ok(read_generated(runner, input, fit, progress)?.0)
}

/// The same, and how the picture was generated, where a token file says so.
pub(crate) fn read_generated(
    runner: &Runner,
    input: &Path,
    fit: Fit,
    progress: &Progress,
) -> Result<(LatentState, Option<GenerationRecord>), CliError> {
    let (path, number) = split_number(input);
    let TokenFile {
        mut states,
        generations,
        ..
    } = read_states(runner, &path, fit, progress)?;
    let count = states.len();
    if number.is_none() && count > 1 {
        let path = path.display();
        progress.note(&format!(
            "{path} holds {count} pictures; the first is taken. `{path}#1` is the next one"
        ));
    }
    let index = number.unwrap_or(0);
    if index >= count {
        return Err(CliError::NoSuchPicture { path, index, count });
    }
    let generation = generations.into_iter().nth(index).flatten();
    Ok((states.swap_remove(index), generation))
}

/// The tokens of one input and, where it is a picture, the model's square of it.
pub(crate) fn read_with_crop(
    runner: &Runner,
    input: &Path,
    fit: Fit,
    progress: &Progress,
) -> Result<(LatentState, Option<Rgb8>), CliError> {
    let (file, _) = split_number(input);
    if document::is_tensor_file(&file) || file.is_dir() {
        return Ok((read_state(runner, input, fit, progress)?, None));
    }
    if !file.exists() {
        return Err(DocumentError::Missing(file).into());
    }
    let crop = picture::fit(&picture::open(&file)?, side(runner.info()), fit);
    Ok((encode_crop(runner, &crop, progress)?, Some(crop)))
}

/// A painted mask at the model's size; refuses one that counts no pixel.
pub(crate) fn read_mask(path: &Path, side: u32, fit: Fit) -> Result<Mask, CliError> {
    let mask = Mask::fitted(&picture::open_rgba(path)?, side, fit);
    if mask.area() > 0.0 {
        Ok(mask)
    } else {
        Err(CliError::EmptyMask(path.to_path_buf()))
    }
}

/// The tokens of the model's square of one picture.
pub(crate) fn encode_crop(
    runner: &Runner,
    crop: &Rgb8,
    progress: &Progress,
) -> Result<LatentState, CliError> {
    let mut states = runner.encode(&[Planar::from_rgb8(crop)], progress)?;
    states.pop().ok_or(CliError::Nothing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_after_the_hash_picks_a_picture() {
        assert_eq!(
            split_number(Path::new("no/t.safetensors#2")),
            (PathBuf::from("no/t.safetensors"), Some(2))
        );
        assert_eq!(
            split_number(Path::new("no/t.safetensors")),
            (PathBuf::from("no/t.safetensors"), None)
        );
        assert_eq!(
            split_number(Path::new("no/a#b.png")),
            (PathBuf::from("no/a#b.png"), None)
        );
        let folder = tempfile::tempdir().unwrap();
        let literal = folder.path().join("a#1");
        std::fs::write(&literal, b"x").unwrap();
        assert_eq!(split_number(&literal), (literal.clone(), None));
    }
}
