//! Token files: `.safetensors` with `z` f32 [N, L, D] and, where known, `h` f32 [N, L, D], `indices` i64 [N, L] (the
//! heaviest codeword of each token) and `weights` f32 [N, L, n] (its mixture); and the network inputs `x`, `x_u8`.

use super::DocumentError;
use super::tensor_file::TensorFile;
use crate::latent::{LatentSpace, LatentState, Mixture, Tokens, posterior};
use crate::picture::{Fit, Planar, Rgb8};
use safetensors::Dtype;
use std::fs::File;
use std::io::{BufReader, Cursor};
use std::path::Path;
use std::sync::Arc;

/// Why a token file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokenFileError {
    /// The file could not be read to its end.
    #[error("{file}: {source}")]
    Io {
        /// The file.
        file: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not a safetensors file, or one cut short.
    #[error("{file} is no complete safetensors file: {reason}. Fetch or write it again")]
    Header {
        /// The file.
        file: String,
        /// What does not fit.
        reason: String,
    },
    /// A key that must be there is not.
    #[error("{file} has no \"{key}\"; it holds: {found}")]
    Missing {
        /// The file.
        file: String,
        /// The key.
        key: String,
        /// The keys it has.
        found: String,
    },
    /// A tensor of another type or shape.
    #[error("{file}: \"{key}\" is {found}, expected {expected}")]
    Tensor {
        /// The file.
        file: String,
        /// The key.
        key: String,
        /// Type and axes.
        expected: String,
        /// Type and shape there.
        found: String,
    },
    /// NaN or infinity where a number belongs.
    #[error("{file}: \"{key}\" holds {value} at position {place}; every value must be finite")]
    NotFinite {
        /// The file.
        file: String,
        /// The key.
        key: String,
        /// Index into the flat values.
        place: usize,
        /// What stands there.
        value: f32,
    },
}

/// Tokens of N pictures with where they came from.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenFile {
    /// One state for each picture.
    pub states: Vec<LatentState>,
    /// A name for each picture: as stored, else the file's stem and a number.
    pub names: Vec<String>,
    /// Hash of the model the tokens belong to.
    pub model: Option<String>,
    /// How the pictures were fitted to the model.
    pub fit: Option<Fit>,
}

/// Whether the name says that a file holds tensors.
pub fn is_tensor_file(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("safetensors"))
}

fn open(path: &Path) -> Result<TensorFile<'static>, DocumentError> {
    let file = File::open(path).map_err(|error| DocumentError::read(path, error))?;
    Ok(TensorFile::open(
        path.display().to_string(),
        Box::new(BufReader::new(file)),
    )?)
}

/// Reads a token file. With the model's `space` shapes are checked against it and mixtures are restored: from
/// `weights` where stored, else from `h` for every token that still is the mixture of its `h`.
pub fn read_tokens(path: &Path, space: Option<&LatentSpace>) -> Result<TokenFile, DocumentError> {
    Ok(tokens_from(open(path)?, space)?)
}

/// The same from the bytes of a file; `name` is for messages.
pub fn tokens_from_bytes(
    bytes: &[u8],
    name: &str,
    space: Option<&LatentSpace>,
) -> Result<TokenFile, DocumentError> {
    Ok(tokens_from(
        TensorFile::open(name.to_owned(), Box::new(Cursor::new(bytes)))?,
        space,
    )?)
}

fn tokens_from(mut file: TensorFile<'_>, space: Option<&LatentSpace>) -> Result<TokenFile, TokenFileError> {
    let (shape, z) = file.f32("z", "[N, L, D]", 3)?;
    let &[count, tokens, dim] = shape.as_slice() else {
        return Err(wrong_shape(&file, "z", "[N, L, D]", &shape));
    };
    if let Some(space) = space
        && (tokens, dim) != (space.token_count, space.dim)
    {
        let expected = format!("[N, {}, {}] of the model in use", space.token_count, space.dim);
        return Err(wrong_shape(&file, "z", &expected, &shape));
    }
    let h = match file.contains("h") {
        true => Some(f32_of_shape(&mut file, "h", "[N, L, D]", &shape)?),
        false => None,
    };
    let weights = match (space, file.contains("weights")) {
        (Some(space), true) => {
            let expected = [count, tokens, space.codebook.size];
            Some(f32_of_shape(&mut file, "weights", "[N, L, n]", &expected)?)
        }
        _ => None,
    };
    let row = tokens * dim;
    let states = (0..count).map(|index| {
        let range = index * row..(index + 1) * row;
        let z = Tokens {
            count: tokens,
            dim,
            values: z[range.clone()].to_vec(),
        };
        let h = h.as_ref().map(|h| Tokens {
            count: tokens,
            dim,
            values: h[range].to_vec(),
        });
        let mixtures = match (space, &weights) {
            (Some(space), Some(weights)) => stored_mixtures(space, weights, index, &z),
            (Some(space), None) => h
                .as_ref()
                .map_or_else(|| vec![None; tokens], |h| mixtures_of(space, h, &z)),
            (None, _) => vec![None; tokens],
        };
        LatentState { h, z, mixtures }
    });
    Ok(TokenFile {
        states: states.collect(),
        names: names_of(&file, count),
        model: file.metadata("model").map(str::to_owned),
        fit: file
            .metadata("fit")
            .and_then(|fit| serde_json::from_value(fit.into()).ok()),
    })
}

fn wrong_shape(file: &TensorFile<'_>, key: &str, expected: &str, found: &[usize]) -> TokenFileError {
    TokenFileError::Tensor {
        file: file.name().to_owned(),
        key: key.to_owned(),
        expected: expected.to_owned(),
        found: format!("{found:?}"),
    }
}

fn f32_of_shape(
    file: &mut TensorFile<'_>,
    key: &str,
    axes: &'static str,
    expected: &[usize],
) -> Result<Vec<f32>, TokenFileError> {
    let (shape, values) = file.f32(key, axes, expected.len())?;
    if shape == expected {
        Ok(values)
    } else {
        Err(wrong_shape(file, key, &format!("{expected:?}"), &shape))
    }
}

/// How far `z` may be from a mixture to count as that mixture: f32 noise of another machine's softmax.
const SAME_Z: f32 = 1e-4;

/// Mixtures from `weights` of the picture `index`, for every token that still is that mixture.
fn stored_mixtures(space: &LatentSpace, weights: &[f32], index: usize, z: &Tokens) -> Vec<Option<Mixture>> {
    let (tokens, size) = (space.token_count, space.codebook.size);
    weights
        .chunks_exact(size)
        .skip(index * tokens)
        .take(tokens)
        .enumerate()
        .map(|(token, row)| {
            // Another program's weights may be no distribution: then the token counts as off its mixture.
            let is_distribution =
                row.iter().all(|&weight| weight >= 0.0) && (row.iter().sum::<f32>() - 1.0).abs() < 1e-3;
            let weights: Arc<[f32]> = Arc::from(row);
            let mixture = |segment| Mixture {
                segment,
                weights: Arc::clone(&weights),
            };
            if is_distribution {
                mixture_behind(space, token, z, mixture)
            } else {
                None
            }
        })
        .collect()
}

/// Mixtures from `h`, for every token that still is the mixture of its `h`.
fn mixtures_of(space: &LatentSpace, h: &Tokens, z: &Tokens) -> Vec<Option<Mixture>> {
    (0..h.count)
        .map(|token| {
            let tau = space.codebook.tau;
            mixture_behind(space, token, z, |segment| {
                posterior(&space.codebook, segment, h.row(token), tau)
            })
        })
        .collect()
}

/// The mixture whose weighted sum is the token: over its own segment, or another one that a swap brought it from.
fn mixture_behind(
    space: &LatentSpace,
    token: usize,
    z: &Tokens,
    mixture_over: impl Fn(usize) -> Mixture,
) -> Option<Mixture> {
    let own = space.codebook.segment_of(token, z.count);
    let others = (0..space.codebook.segments).filter(|&segment| segment != own);
    std::iter::once(own)
        .chain(others)
        .map(mixture_over)
        .find(|mixture| {
            let mixed = space.codebook.mix(mixture);
            let row = z.row(token);
            mixed.len() == row.len() && mixed.iter().zip(row).all(|(a, b)| (a - b).abs() <= SAME_Z)
        })
}

fn names_of(file: &TensorFile<'_>, count: usize) -> Vec<String> {
    let stored: Option<Vec<String>> = file
        .metadata("names")
        .and_then(|names| serde_json::from_str(names).ok());
    match stored {
        Some(names) if names.len() == count => names,
        _ => {
            let stem = Path::new(file.name())
                .file_stem()
                .map(|stem| stem.to_string_lossy().into_owned());
            let stem = stem.unwrap_or_else(|| "tokens".to_owned());
            if count == 1 {
                vec![stem]
            } else {
                (0..count).map(|index| format!("{stem} {index}")).collect()
            }
        }
    }
}

/// Pictures as the network reads them, from a file with `x` f32 [N, 3, H, W] in -1..1 or `x_u8` u8 [N, H, W, 3]
/// (`x` where both are there).
pub fn read_inputs(path: &Path) -> Result<Vec<Planar>, DocumentError> {
    let mut file = open(path)?;
    if file.contains("x") {
        Ok(float_inputs(&mut file)?)
    } else {
        byte_inputs(&mut file)
    }
}

fn float_inputs(file: &mut TensorFile<'_>) -> Result<Vec<Planar>, TokenFileError> {
    let (shape, values) = file.f32("x", "[N, 3, H, W]", 4)?;
    let sides = match shape.as_slice() {
        &[_, 3, height, width] => u32::try_from(width).ok().zip(u32::try_from(height).ok()),
        _ => None,
    };
    let Some((width, height)) = sides else {
        return Err(wrong_shape(file, "x", "F32 [N, 3, H, W]", &shape));
    };
    let picture_values = values.len() / shape.first().copied().unwrap_or(1).max(1);
    let planar = |data: &[f32]| Planar {
        width,
        height,
        data: data.to_vec(),
    };
    Ok(values.chunks_exact(picture_values.max(1)).map(planar).collect())
}

fn byte_inputs(file: &mut TensorFile<'_>) -> Result<Vec<Planar>, DocumentError> {
    if !file.contains("x_u8") {
        let (file, found) = (file.name().to_owned(), file.keys().join(", "));
        return Err(TokenFileError::Missing {
            file,
            key: "x\" or \"x_u8".to_owned(),
            found,
        }
        .into());
    }
    let (shape, bytes) = file.bytes("x_u8", Dtype::U8, "[N, H, W, 3]", 4)?;
    let sides = match shape.as_slice() {
        &[_, height, width, 3] => u32::try_from(width).ok().zip(u32::try_from(height).ok()),
        _ => None,
    };
    let Some((width, height)) = sides else {
        return Err(wrong_shape(file, "x_u8", "U8 [N, H, W, 3]", &shape).into());
    };
    let picture_bytes = bytes.len() / shape.first().copied().unwrap_or(1).max(1);
    bytes
        .chunks_exact(picture_bytes.max(1))
        .map(|data| Ok(Planar::from_rgb8(&Rgb8::new(width, height, data.to_vec())?)))
        .collect()
}

/// Whether a tensor file holds network inputs rather than tokens.
pub fn holds_inputs(path: &Path) -> Result<bool, DocumentError> {
    let file = open(path)?;
    Ok(file.contains("x") || file.contains("x_u8"))
}

#[cfg(test)]
mod tests;
