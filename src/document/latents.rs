//! Noise from elsewhere, for a sampling run that is to be repeated exactly.

use super::tensor_file::TensorFile;
use super::tokens::wrong_shape;
use super::{DocumentError, TokenFileError};
use safetensors::Dtype;
use std::fs::File;
use std::path::Path;

/// Starting noise, labels and draws of N pictures.
#[derive(Debug, Clone, PartialEq)]
pub struct LatentNoise {
    /// L: tokens of a picture.
    pub token_count: usize,
    /// D: values of a token.
    pub dim: usize,
    /// A class for each picture.
    pub labels: Vec<u32>,
    /// `z0` of each picture, L x D values.
    pub start: Vec<Vec<f32>>,
    /// `noise`: for each draw, L x D values of each picture; empty where the file has none.
    pub draws: Vec<Vec<Vec<f32>>>,
}

/// Reads `z0` f32 [N, L, D], `y` i64 `[N]` and, where it is there, `noise` f32 [steps, N, L, D] (entry i is the i-th
/// draw of a stochastic sampler).
///
/// # Errors
/// A file that cannot be read, a tensor of another type or shape, values that are not finite, a negative label.
pub fn read_latents(path: &Path) -> Result<LatentNoise, DocumentError> {
    let file = File::open(path).map_err(|error| DocumentError::read(path, error))?;
    Ok(latents_from(TensorFile::open(
        path.display().to_string(),
        Box::new(file),
    )?)?)
}

fn latents_from(mut file: TensorFile<'_>) -> Result<LatentNoise, TokenFileError> {
    let (shape, start) = file.f32("z0", "[N, L, D]", 3)?;
    let &[pictures, token_count, dim] = shape.as_slice() else {
        return Err(wrong_shape(&file, "z0", "[N, L, D]", &shape));
    };
    let labels = labels(&mut file, pictures)?;
    let values = token_count * dim;
    let split = |values_of_all: &[f32]| -> Vec<Vec<f32>> {
        values_of_all.chunks_exact(values).map(<[f32]>::to_vec).collect()
    };
    let draws = if file.contains("noise") {
        let (noise_shape, noise) = file.f32("noise", "[steps, N, L, D]", 4)?;
        if noise_shape.get(1..) != Some(&shape) {
            let expected = format!("F32 [steps, {pictures}, {token_count}, {dim}] as `z0`");
            return Err(wrong_shape(&file, "noise", &expected, &noise_shape));
        }
        noise.chunks_exact(pictures * values).map(split).collect()
    } else {
        Vec::new()
    };
    Ok(LatentNoise {
        token_count,
        dim,
        labels,
        start: split(&start),
        draws,
    })
}

fn labels(file: &mut TensorFile<'_>, pictures: usize) -> Result<Vec<u32>, TokenFileError> {
    let (shape, bytes) = file.bytes("y", Dtype::I64, "[N]", 1)?;
    if shape != [pictures] {
        return Err(wrong_shape(
            file,
            "y",
            &format!("I64 [{pictures}] as `z0`"),
            &shape,
        ));
    }
    let values = bytes.as_chunks::<8>().0.iter();
    values
        .map(|label| i64::from_le_bytes(*label))
        .map(|label| {
            u32::try_from(label).map_err(|_| TokenFileError::Tensor {
                file: file.name().to_owned(),
                key: "y".to_owned(),
                expected: "classes from 0 up".to_owned(),
                found: label.to_string(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{TensorData, TensorEntry, tensors_to_bytes};
    use std::collections::BTreeMap;
    use std::io::Cursor;

    fn read(labels: &[i64], noise: Option<(&[usize], &[f32])>) -> Result<LatentNoise, TokenFileError> {
        let start = [0.5_f32, 1.0, 1.5, 2.0];
        let entry = |key, shape: &[usize], data| TensorEntry {
            key,
            shape: shape.to_vec(),
            data,
        };
        let mut entries = vec![
            entry("z0", &[2, 1, 2], TensorData::F32(&start)),
            entry("y", &[labels.len()], TensorData::I64(labels)),
        ];
        if let Some((shape, values)) = noise {
            entries.push(entry("noise", shape, TensorData::F32(values)));
        }
        let bytes = tensors_to_bytes(entries, &BTreeMap::new());
        latents_from(TensorFile::open("l".to_owned(), Box::new(Cursor::new(bytes)))?)
    }

    #[test]
    fn pictures_and_draws_are_told_apart() {
        let noise = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
        let latents = read(&[3, 9], Some((&[2, 2, 1, 2], &noise))).unwrap();
        assert_eq!((latents.token_count, latents.dim), (1, 2));
        assert_eq!(latents.labels, [3, 9]);
        assert_eq!(latents.start, [[0.5, 1.0], [1.5, 2.0]]);
        assert_eq!(
            latents.draws,
            [[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]]
        );
        assert!(read(&[3, 9], None).unwrap().draws.is_empty());
    }

    #[test]
    fn what_does_not_go_together_is_named() {
        for (result, word) in [
            (read(&[3], None), "\"y\""),
            (read(&[3, -1], None), "-1"),
            (read(&[3, 9], Some((&[2, 1, 2, 2], &[0.0; 8]))), "\"noise\""),
        ] {
            let message = result.unwrap_err().to_string();
            assert!(message.contains(word), "{message}");
        }
    }
}
