//! How good the model is on held-out pictures.

use super::data::Library;
use super::{DataConfig, TrainError};
use crate::picture::{Fit, Planar, Rgb8, fit};
use crate::tokenizer::{NoHook, Posterior, Tokenizer};
use candle_core::{Device, Tensor};

/// Seed of the held-out composites: the same ones in every run.
const COMPOSITE_SEED: u64 = 0x5EED;
/// Pictures that go through the model together.
const BATCH: usize = 16;
/// Pictures of each kind on a sample sheet.
const SHEET_COLUMNS: usize = 8;
const GAP: u32 = 4;
const GROUND: [u8; 3] = [250; 3];

/// Held-out pictures as the model takes them.
#[derive(Debug, Clone)]
pub struct HeldOut {
    photographs: Vec<Rgb8>,
    composites: Vec<Rgb8>,
}

/// Figures over held-out pictures.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Evaluation {
    /// Mean over photographs of the PSNR of 8-bit pictures, dB; not a number where there are none.
    pub photograph_psnr_db: f64,
    /// The same of composites.
    pub composite_psnr_db: f64,
    /// Mean effective number of codewords of a token, exp(entropy).
    pub perplexity: f64,
    /// Mean largest weight of a token.
    pub top_weight: f64,
    /// Part of the codebook that is on top of some token.
    pub codebook_used: f64,
    /// Mean of the tokens' values.
    pub latent_mean: f64,
    /// Their standard deviation.
    pub latent_deviation: f64,
}

impl Evaluation {
    /// The figures that the log keeps, under their names there.
    pub fn named(&self) -> Vec<(&'static str, f64)> {
        vec![
            ("photograph_psnr_db", self.photograph_psnr_db),
            ("composite_psnr_db", self.composite_psnr_db),
            ("perplexity", self.perplexity),
            ("top_weight", self.top_weight),
            ("codebook_used", self.codebook_used),
        ]
    }
}

/// An evaluation and pictures to look at.
#[derive(Debug, Clone)]
pub struct Evaluated {
    /// The figures.
    pub figures: Evaluation,
    /// Rows of originals, each over the row of its reconstructions; None without held-out pictures.
    pub sheet: Option<Rgb8>,
}

/// Sums over tokens.
#[derive(Default)]
struct TokenSums {
    count: f64,
    perplexity: f64,
    top_weight: f64,
    used: Vec<bool>,
    values: f64,
    sum: f64,
    squares: f64,
}

impl HeldOut {
    /// Prepares at most `count` photographs and as many composites.
    pub fn prepare(library: &Library, side: usize, count: usize, config: &DataConfig) -> Self {
        let photographs = library
            .some_photographs(count)
            .into_iter()
            .map(|picture| fit(picture, side as u32, Fit::Crop))
            .collect();
        let composites = if library.cutout_count() == 0 {
            0
        } else {
            count as u64
        };
        Self {
            photographs,
            composites: (0..composites)
                .map(|index| library.composite_picture(COMPOSITE_SEED, index, side, config))
                .collect(),
        }
    }

    /// Encodes and decodes every picture.
    ///
    /// # Errors
    /// The model refuses, or its device fails.
    pub fn evaluate(&self, tokenizer: &Tokenizer) -> Result<Evaluated, TrainError> {
        let mut sums = TokenSums::default();
        let photographs = reconstruct(tokenizer, &self.photographs, &mut sums)?;
        let composites = reconstruct(tokenizer, &self.composites, &mut sums)?;
        let mean = sums.sum / sums.values.max(1.0);
        let used = sums.used.iter().filter(|used| **used).count();
        let figures = Evaluation {
            photograph_psnr_db: mean_psnr_db(&self.photographs, &photographs),
            composite_psnr_db: mean_psnr_db(&self.composites, &composites),
            perplexity: sums.perplexity / sums.count.max(1.0),
            top_weight: sums.top_weight / sums.count.max(1.0),
            codebook_used: used as f64 / sums.used.len().max(1) as f64,
            latent_mean: mean,
            latent_deviation: (sums.squares / sums.values.max(1.0) - mean * mean)
                .max(0.0)
                .sqrt(),
        };
        let rows = [(&self.photographs, &photographs), (&self.composites, &composites)];
        Ok(Evaluated {
            figures,
            sheet: sheet(&rows),
        })
    }
}

fn reconstruct(
    tokenizer: &Tokenizer,
    pictures: &[Rgb8],
    sums: &mut TokenSums,
) -> Result<Vec<Rgb8>, TrainError> {
    let mut decoded = Vec::with_capacity(pictures.len());
    for batch in pictures.chunks(BATCH) {
        let side = tokenizer.args().image_size;
        let values: Vec<f32> = batch
            .iter()
            .flat_map(|picture| Planar::from_rgb8(picture).data)
            .collect();
        let x = Tensor::from_vec(values, (batch.len(), 3, side, side), &Device::Cpu)?;
        let encoding = tokenizer.encode(&x, &mut NoHook)?;
        match &encoding.posterior {
            Posterior::Mixture { weights } => sums.add(weights, tokenizer.args().num_codebooks)?,
            Posterior::Nearest { indices, .. } => {
                sums.add_nearest(indices, tokenizer.args().codebook_size)?;
            }
            Posterior::Gaussian(_) | Posterior::Point => {}
        }
        sums.add_values(&encoding.z)?;
        let dec = tokenizer.decode(&encoding.z, &mut NoHook)?.flatten_from(1)?;
        for values in dec.to_vec2::<f32>()? {
            decoded.push(Planar::new(side as u32, side as u32, values)?.to_rgb8());
        }
    }
    Ok(decoded)
}

impl TokenSums {
    /// Weights [B, L, n] of tokens whose segments belong to `books` codebooks in order.
    fn add(&mut self, weights: &Tensor, books: usize) -> Result<(), TrainError> {
        let (_, length, codewords) = weights.dims3()?;
        let segment = (length / books.max(1)).max(1);
        self.used.resize(books * codewords, false);
        for (index, row) in weights.flatten_to(1)?.to_vec2::<f32>()?.iter().enumerate() {
            let entropy: f64 = row
                .iter()
                .filter(|weight| **weight > 0.0)
                .map(|weight| -f64::from(*weight) * f64::from(*weight).ln())
                .sum();
            let top = row.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
            let (codeword, weight) = top.unwrap_or_default();
            self.count += 1.0;
            self.perplexity += entropy.exp();
            self.top_weight += f64::from(weight);
            let book = index % length / segment;
            if let Some(used) = self.used.get_mut(book * codewords + codeword) {
                *used = true;
            }
        }
        Ok(())
    }

    /// Indices [B, L] of the codewords that tokens are.
    fn add_nearest(&mut self, indices: &Tensor, codewords: usize) -> Result<(), TrainError> {
        self.used.resize(codewords, false);
        for index in indices.flatten_all()?.to_vec1::<u32>()? {
            self.count += 1.0;
            self.perplexity += 1.0;
            self.top_weight += 1.0;
            if let Some(used) = self.used.get_mut(index as usize) {
                *used = true;
            }
        }
        Ok(())
    }

    fn add_values(&mut self, z: &Tensor) -> Result<(), TrainError> {
        for value in z.flatten_all()?.to_vec1::<f32>()? {
            let value = f64::from(value);
            self.values += 1.0;
            self.sum += value;
            self.squares += value * value;
        }
        Ok(())
    }
}

fn mean_psnr_db(wanted: &[Rgb8], found: &[Rgb8]) -> f64 {
    let pairs = wanted.iter().zip(found);
    pairs.map(|(a, b)| psnr_db(a, b)).sum::<f64>() / wanted.len() as f64
}

/// Of two 8-bit pictures, at most 100 for equal ones.
fn psnr_db(a: &Rgb8, b: &Rgb8) -> f64 {
    let squares: f64 = a
        .as_bytes()
        .iter()
        .zip(b.as_bytes())
        .map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2))
        .sum();
    let mse = squares / a.as_bytes().len().max(1) as f64 / 255.0_f64.powi(2);
    -10.0 * mse.max(1e-10).log10()
}

fn sheet(rows: &[(&Vec<Rgb8>, &Vec<Rgb8>)]) -> Option<Rgb8> {
    let rows: Vec<&[Rgb8]> = rows
        .iter()
        .flat_map(|(wanted, found)| [wanted.as_slice(), found.as_slice()])
        .filter(|pictures| !pictures.is_empty())
        .collect();
    grid(&rows, SHEET_COLUMNS)
}

/// Rows of pictures of one size, `most_columns` at most; None without any.
pub(super) fn grid(rows: &[&[Rgb8]], most_columns: usize) -> Option<Rgb8> {
    let side = rows.first()?.first()?.width() + GAP;
    let columns = rows.iter().map(|row| row.len().min(most_columns)).max()?;
    let mut sheet = Rgb8::filled(
        columns as u32 * side + GAP,
        rows.len() as u32 * side + GAP,
        GROUND,
    );
    for (row, pictures) in rows.iter().enumerate() {
        let taken = pictures.len().min(most_columns);
        for column in 0..taken {
            // Spread over all of them, so that a sheet shows different packages.
            if let Some(picture) = pictures.get(column * pictures.len() / taken) {
                sheet.paste(picture, GAP + column as u32 * side, GAP + row as u32 * side);
            }
        }
    }
    Some(sheet)
}
