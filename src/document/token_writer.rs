//! Writing token files, a picture at a time: of a thousand encoded pictures only what goes into the file is kept.

use super::{DocumentError, GENERATION_KEYWORD, GenerationRecord, TensorData, TensorEntry, tensors_to_bytes};
use crate::latent::{GaussianRow, LatentState, Mixture};
use crate::picture::Fit;
use std::collections::BTreeMap;

/// How a token file is written.
#[derive(Debug, Clone, Copy, Default)]
pub struct TokenFileOptions<'a> {
    /// Writes `weights` where every token of every picture has its mixture.
    pub with_weights: bool,
    /// Hash of the model.
    pub model: Option<&'a str>,
    /// A name for each picture.
    pub names: &'a [String],
    /// How the pictures were fitted.
    pub fit: Option<Fit>,
    /// How each picture was generated; empty where they were not.
    pub generations: &'a [GenerationRecord],
}

/// A token file under construction. `h`, `mean`, `logvar`, `indices` and `weights` are written where every picture and
/// token has them.
#[derive(Debug, Default)]
pub struct TokenFileWriter<'a> {
    options: TokenFileOptions<'a>,
    /// N, L and D so far.
    pictures: usize,
    tokens: usize,
    dim: usize,
    z: Vec<f32>,
    /// `None` once a token came without.
    h: Option<Vec<f32>>,
    /// Means and logarithms of variances, of a KL model.
    mean: Option<Vec<f32>>,
    logvar: Option<Vec<f32>>,
    indices: Option<Vec<i64>>,
    weights: Option<Vec<f32>>,
}

impl<'a> TokenFileWriter<'a> {
    /// A file without pictures yet.
    pub fn new(options: TokenFileOptions<'a>) -> Self {
        Self {
            options,
            h: Some(Vec::new()),
            mean: Some(Vec::new()),
            logvar: Some(Vec::new()),
            indices: Some(Vec::new()),
            weights: options.with_weights.then(Vec::new),
            ..Self::default()
        }
    }

    /// Adds the tokens of one picture, of the same number and size as those before.
    pub fn push(&mut self, state: &LatentState) -> Result<(), DocumentError> {
        let (tokens, dim) = (state.z.count, state.z.dim);
        if self.pictures > 0 && (tokens, dim) != (self.tokens, self.dim) {
            return Err(DocumentError::Mismatch(
                "the pictures' tokens differ in number or size".to_owned(),
            ));
        }
        (self.tokens, self.dim) = (tokens, dim);
        self.pictures += 1;
        self.z.extend_from_slice(&state.z.values);
        for token in 0..tokens {
            append(&mut self.h, state.h_row(token), Vec::extend_from_slice);
            let gaussian = GaussianRow::behind(state, token);
            append(&mut self.mean, gaussian.as_ref(), |mean, row| {
                mean.extend(&row.mean);
            });
            append(&mut self.logvar, gaussian.as_ref(), |logvar, row| {
                logvar.extend(&row.logvar);
            });
            let mixture = state.mixture(token);
            let index = state.codeword(token).or_else(|| mixture.map(heaviest));
            append(&mut self.indices, index, |indices, index| {
                indices.push(i64::try_from(index).unwrap_or(i64::MAX));
            });
            append(&mut self.weights, mixture, |weights, mixture| {
                weights.extend_from_slice(&mixture.weights);
            });
        }
        Ok(())
    }

    /// Bytes of the file.
    pub fn to_bytes(&self) -> Result<Vec<u8>, DocumentError> {
        if self.pictures == 0 {
            return Err(DocumentError::Mismatch("there are no tokens to write".to_owned()));
        }
        let rows = [self.pictures, self.tokens];
        let entry = |key, width: Option<usize>, data| TensorEntry {
            key,
            shape: rows.into_iter().chain(width).collect(),
            data,
        };
        let mut entries = vec![entry("z", Some(self.dim), TensorData::F32(&self.z))];
        if let Some(h) = &self.h {
            let width = h.len() / (self.pictures * self.tokens).max(1);
            entries.push(entry("h", Some(width), TensorData::F32(h)));
        }
        for (key, values) in [("mean", &self.mean), ("logvar", &self.logvar)] {
            if let Some(values) = values {
                entries.push(entry(key, Some(self.dim), TensorData::F32(values)));
            }
        }
        if let Some(indices) = &self.indices {
            entries.push(entry("indices", None, TensorData::I64(indices)));
        }
        if let Some(weights) = &self.weights {
            let size = weights.len() / (self.pictures * self.tokens).max(1);
            entries.push(entry("weights", Some(size), TensorData::F32(weights)));
        }
        Ok(tensors_to_bytes(entries, &metadata(&self.options)?))
    }
}

/// Adds to `all` what one token has, or gives `all` up where it has none.
fn append<T, V>(all: &mut Option<Vec<T>>, value: Option<V>, add: impl FnOnce(&mut Vec<T>, V)) {
    match (all.as_mut(), value) {
        (Some(all), Some(value)) => add(all, value),
        _ => *all = None,
    }
}

/// Bytes of a token file.
pub fn tokens_to_bytes(
    states: &[LatentState],
    options: &TokenFileOptions<'_>,
) -> Result<Vec<u8>, DocumentError> {
    let mut writer = TokenFileWriter::new(*options);
    states.iter().try_for_each(|state| writer.push(state))?;
    writer.to_bytes()
}

/// The heaviest codeword, the first of equals.
fn heaviest(mixture: &Mixture) -> usize {
    let mut best = (0, f32::NEG_INFINITY);
    for (index, &weight) in mixture.weights.iter().enumerate() {
        if weight > best.1 {
            best = (index, weight);
        }
    }
    best.0
}

fn metadata(options: &TokenFileOptions<'_>) -> Result<BTreeMap<String, String>, DocumentError> {
    let text = |result: serde_json::Result<String>| {
        result.map_err(|error| DocumentError::Mismatch(format!("the metadata cannot be written: {error}")))
    };
    let mut metadata = BTreeMap::from([("format".to_owned(), "softscope tokens".to_owned())]);
    if let Some(model) = options.model {
        metadata.insert("model".to_owned(), model.to_owned());
    }
    if !options.names.is_empty() {
        metadata.insert("names".to_owned(), text(serde_json::to_string(options.names))?);
    }
    if !options.generations.is_empty() {
        let records = text(serde_json::to_string(options.generations))?;
        metadata.insert(GENERATION_KEYWORD.to_owned(), records);
    }
    if let Some(fit) = options.fit {
        metadata.insert(
            "fit".to_owned(),
            text(serde_json::to_string(&fit))?.trim_matches('"').to_owned(),
        );
    }
    Ok(metadata)
}
