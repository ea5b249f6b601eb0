//! Token files: `.safetensors` with `z` f32 [N, L, D] and, where known, `h` f32 [N, L, D] (of a KL model [N, L, 2D], and
//! beside it `mean` and `logvar` f32 [N, L, D]), `indices` i64 [N, L] (the heaviest codeword of each token, of a VQ model
//! its only one) and `weights` f32 [N, L, n] (its mixture); and the network inputs `x`, `x_u8`.

use super::generation::records;
use super::tensor_file::TensorFile;
use super::{DocumentError, GENERATION_KEYWORD, GenerationRecord};
use crate::latent::{
    Assignment, Bottleneck, Codebook, LatentSpace, LatentState, Mixture, Tokens, nearest_codeword, posterior,
};
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
    /// How each picture was generated, where it was.
    pub generations: Vec<Option<GenerationRecord>>,
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

/// Reads a token file. With the model's `space` shapes are checked against it, and what each token is made of is
/// restored. A mixture comes from `weights` where stored, else from `h` for every token that still is the mixture of its
/// `h`; a codeword of a VQ model from the values of the token.
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
    let h = encoder_output(&mut file, &shape, space)?;
    let weights = match (space.and_then(LatentSpace::mixing), file.contains("weights")) {
        (Some(codebook), true) => {
            let expected = [count, tokens, codebook.size];
            Some(f32_of_shape(&mut file, "weights", "[N, L, n]", &expected)?)
        }
        _ => None,
    };
    let states = (0..count).map(|index| {
        let z = rows_of(&z, index, tokens, dim);
        let h = h
            .as_ref()
            .map(|(dim, values)| rows_of(values, index, tokens, *dim));
        let assignments = match space.map(|space| &space.bottleneck) {
            Some(Bottleneck::Soft(codebook)) => match (&weights, &h) {
                (Some(weights), _) => stored_mixtures(codebook, weights, index, &z),
                (None, Some(h)) => mixtures_of(codebook, h, &z),
                (None, None) => vec![None; tokens],
            },
            Some(Bottleneck::Hard(codebook)) => codewords_of(codebook, &z),
            Some(Bottleneck::Gaussian | Bottleneck::Identity) | None => vec![None; tokens],
        };
        LatentState { h, z, assignments }
    });
    Ok(TokenFile {
        states: states.collect(),
        names: names_of(&file, count),
        model: file.metadata("model").map(str::to_owned),
        fit: file
            .metadata("fit")
            .and_then(|fit| serde_json::from_value(fit.into()).ok()),
        generations: records(file.metadata(GENERATION_KEYWORD), count),
    })
}

/// `h` with its width, where it is there: as wide as the model's encoder puts out; without a model D or twice that.
fn encoder_output(
    file: &mut TensorFile<'_>,
    z_shape: &[usize],
    space: Option<&LatentSpace>,
) -> Result<Option<(usize, Vec<f32>)>, TokenFileError> {
    if !file.contains("h") {
        return Ok(None);
    }
    let &[count, tokens, dim] = z_shape else {
        return Ok(None);
    };
    let (shape, values) = file.f32("h", "[N, L, D]", 3)?;
    let width = match (space, shape.last()) {
        (Some(space), _) => space.encoder_dim(),
        (None, Some(width)) if *width == 2 * dim => *width,
        (None, _) => dim,
    };
    if shape == [count, tokens, width] {
        Ok(Some((width, values)))
    } else {
        let expected = format!("[{count}, {tokens}, {width}]");
        Err(wrong_shape(file, "h", &expected, &shape))
    }
}

/// The tokens of picture `index` out of those of all pictures.
fn rows_of(values: &[f32], index: usize, count: usize, dim: usize) -> Tokens {
    let size = count * dim;
    let values = values.get(index * size..(index + 1) * size).unwrap_or_default();
    Tokens {
        count,
        dim,
        values: values.to_vec(),
    }
}

/// The error of a tensor whose shape `found` is not the one that is `expected`, in words.
pub(super) fn wrong_shape(
    file: &TensorFile<'_>,
    key: &str,
    expected: &str,
    found: &[usize],
) -> TokenFileError {
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
fn stored_mixtures(
    codebook: &Codebook,
    weights: &[f32],
    index: usize,
    z: &Tokens,
) -> Vec<Option<Assignment>> {
    weights
        .chunks_exact(codebook.size)
        .skip(index * z.count)
        .take(z.count)
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
                mixture_behind(codebook, token, z, mixture)
            } else {
                None
            }
        })
        .collect()
}

/// Mixtures from `h`, for every token that still is the mixture of its `h`.
fn mixtures_of(codebook: &Codebook, h: &Tokens, z: &Tokens) -> Vec<Option<Assignment>> {
    (0..h.count)
        .map(|token| {
            mixture_behind(codebook, token, z, |segment| {
                posterior(codebook, segment, h.row(token), codebook.tau)
            })
        })
        .collect()
}

/// The mixture whose weighted sum is the token: over its own segment, or another one that a swap brought it from.
fn mixture_behind(
    codebook: &Codebook,
    token: usize,
    z: &Tokens,
    mixture_over: impl Fn(usize) -> Mixture,
) -> Option<Assignment> {
    let own = codebook.segment_of(token, z.count);
    let others = (0..codebook.segments).filter(|&segment| segment != own);
    std::iter::once(own)
        .chain(others)
        .map(mixture_over)
        .find(|mixture| is_same(&codebook.mix(mixture), z.row(token)))
        .map(Assignment::Soft)
}

/// The codewords of a hard quantiser, for every token that is one.
fn codewords_of(codebook: &Codebook, z: &Tokens) -> Vec<Option<Assignment>> {
    (0..z.count)
        .map(|token| {
            let (nearest, _) = nearest_codeword(codebook, 0, z.row(token))?;
            is_same(codebook.codeword(0, nearest)?, z.row(token)).then_some(Assignment::Hard(nearest))
        })
        .collect()
}

fn is_same(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= SAME_Z)
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
