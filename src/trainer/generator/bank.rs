//! Pictures kept as tokens, so that a step costs no encoding.

use super::pictures::Labelled;
use crate::picture::{Planar, Rgb8};
use crate::tokenizer::{NoHook, Tokenizer};
use crate::trainer::TrainError;
use crate::trainer::workers::Workers;
use candle_core::{Device, Tensor};

/// Pictures that go through the tokenizer together. Their number is part of what a run computes: it decides how products
/// are rounded.
const BATCH: usize = 16;
/// Batches that are renewed at a time.
const RENEWED_BATCHES: usize = 4;
/// Pictures that are renewed at a time.
const BLOCK: usize = BATCH * RENEWED_BATCHES;

/// A frozen tokenizer, between pictures and latents in the generator's scale: (z - mean) / deviation.
#[derive(Debug)]
pub(super) struct Scale {
    pub(super) tokenizer: Tokenizer,
}

impl Scale {
    fn mean_and_deviation(&self) -> (f64, f64) {
        let args = self.tokenizer.args();
        (args.vq_mean, args.vq_std)
    }

    /// Tokens of a picture, and values of each.
    pub(super) fn shape(&self) -> (usize, usize) {
        let args = self.tokenizer.args();
        (args.num_latent_tokens, args.codebook_embed_dim)
    }

    /// Values of one picture's tokens.
    pub(super) fn values(&self) -> usize {
        let (tokens, channels) = self.shape();
        tokens * channels
    }

    /// [B, L, D] of a few pictures, row-major.
    pub(super) fn latents(&self, pictures: &[Rgb8]) -> Result<Vec<f32>, TrainError> {
        let side = self.tokenizer.args().image_size;
        let values: Vec<f32> = pictures
            .iter()
            .flat_map(|picture| Planar::from_rgb8(picture).data)
            .collect();
        let x = Tensor::from_vec(values, (pictures.len(), 3, side, side), &Device::Cpu)?;
        let z: Vec<f32> = self
            .tokenizer
            .encode(&x, &mut NoHook)?
            .z
            .flatten_all()?
            .to_vec1()?;
        let (mean, deviation) = self.mean_and_deviation();
        let scaled = |value: f32| ((f64::from(value) - mean) / deviation) as f32;
        Ok(z.into_iter().map(scaled).collect())
    }

    /// The pictures of latents [B, L, D].
    pub(super) fn pictures(&self, latents: &[f64]) -> Result<Vec<Rgb8>, TrainError> {
        let args = self.tokenizer.args();
        let (mean, deviation) = self.mean_and_deviation();
        let z: Vec<f32> = latents
            .iter()
            .map(|value| (value * deviation + mean) as f32)
            .collect();
        let (tokens, channels) = self.shape();
        let shape = (latents.len() / self.values().max(1), tokens, channels);
        let z = Tensor::from_vec(z, shape, &Device::Cpu)?;
        let decoded = self.tokenizer.decode(&z, &mut NoHook)?.flatten_from(1)?;
        let side = args.image_size as u32;
        let rows = decoded.to_vec2::<f32>()?.into_iter();
        rows.map(|values| Ok(Planar::new(side, side, values)?.to_rgb8_generation()))
            .collect()
    }
}

/// Latents with their classes.
#[derive(Debug, Default, Clone)]
pub(super) struct Latents {
    /// One picture after the other.
    pub(super) values: Vec<f32>,
    pub(super) labels: Vec<u32>,
}

/// What pictures are drawn of.
#[derive(Debug)]
pub(super) struct Bank {
    latents: Latents,
    blocks: u64,
    seed: u64,
    renew_every: u64,
}

impl Bank {
    /// Encodes the bank of a run that has done `step` steps. `go_on` is told the share that is done, and ends it with
    /// `None` by saying no.
    pub(super) fn fill(
        config: &super::GeneratorTrainConfig,
        step: u64,
        pictures: &Labelled,
        scale: &Scale,
        workers: &Workers,
        go_on: &mut dyn FnMut(f32) -> bool,
    ) -> Result<Option<Self>, TrainError> {
        let mut bank = Self {
            latents: Latents::default(),
            blocks: config.bank.pictures.div_ceil(BLOCK).max(1) as u64,
            seed: config.seed,
            renew_every: config.bank.renew_every,
        };
        let renewals = bank.renewals(step);
        for block in 0..bank.blocks {
            if !go_on(block as f32 / bank.blocks as f32) {
                return Ok(None);
            }
            let round = renewals / bank.blocks + u64::from(block < renewals % bank.blocks);
            let encoded = bank.encode(block, round, pictures, scale, workers)?;
            bank.latents.values.extend(encoded.values);
            bank.latents.labels.extend(encoded.labels);
        }
        Ok(Some(bank))
    }

    /// Blocks that were renewed before step `step`.
    fn renewals(&self, step: u64) -> u64 {
        step.checked_div(self.renew_every).unwrap_or(0)
    }

    /// Replaces the oldest block where it is time to, before step `step`.
    pub(super) fn renew(
        &mut self,
        step: u64,
        pictures: &Labelled,
        scale: &Scale,
        workers: &Workers,
    ) -> Result<(), TrainError> {
        let renewals = self.renewals(step);
        if step == 0 || renewals == self.renewals(step - 1) {
            return Ok(());
        }
        let (block, round) = ((renewals - 1) % self.blocks, (renewals - 1) / self.blocks + 1);
        let encoded = self.encode(block, round, pictures, scale, workers)?;
        let first = block as usize * BLOCK;
        let values = self.latents.values.iter_mut().skip(first * scale.values());
        values.zip(encoded.values).for_each(|(to, from)| *to = from);
        let labels = self.latents.labels.iter_mut().skip(first);
        labels.zip(encoded.labels).for_each(|(to, from)| *to = from);
        Ok(())
    }

    /// The pictures of a block in its `round`-th form.
    fn encode(
        &self,
        block: u64,
        round: u64,
        pictures: &Labelled,
        scale: &Scale,
        workers: &Workers,
    ) -> Result<Latents, TrainError> {
        let first = (round * self.blocks + block) * BLOCK as u64;
        let batches: Vec<u64> = (0..RENEWED_BATCHES)
            .map(|batch| first + (batch * BATCH) as u64)
            .collect();
        let encoded = workers.map(&batches, |first| {
            let numbers = *first..*first + BATCH as u64;
            let drawn: Vec<(Rgb8, u32)> = numbers
                .filter_map(|number| pictures.draw(self.seed, number))
                .collect();
            encode(drawn, scale)
        })?;
        let mut latents = Latents::default();
        for batch in encoded {
            latents.values.extend(batch.values);
            latents.labels.extend(batch.labels);
        }
        Ok(latents)
    }

    pub(super) fn count(&self) -> usize {
        self.latents.labels.len()
    }

    /// Latents and class of picture `index`, of `values` values.
    pub(super) fn get(&self, index: usize, values: usize) -> Option<(&[f32], u32)> {
        let latents = self.latents.values.get(index * values..(index + 1) * values)?;
        Some((latents, *self.latents.labels.get(index)?))
    }
}

/// Latents of a few pictures with their classes.
fn encode(pictures: Vec<(Rgb8, u32)>, scale: &Scale) -> Result<Latents, TrainError> {
    let (pictures, labels): (Vec<Rgb8>, Vec<u32>) = pictures.into_iter().unzip();
    Ok(Latents {
        values: scale.latents(&pictures)?,
        labels,
    })
}

/// Held-out pictures, `count` at most, the same ones in every run.
pub(super) fn held_out(
    pictures: &Labelled,
    count: usize,
    scale: &Scale,
    workers: &Workers,
) -> Result<Vec<Latents>, TrainError> {
    /// Of their crops and grounds.
    const SEED: u64 = 0x5EED;
    let taken = count.min(pictures.count());
    let firsts: Vec<usize> = (0..taken).step_by(BATCH).collect();
    workers.map(&firsts, |first| {
        let numbers = *first..(first + BATCH).min(taken);
        let drawn = numbers.filter_map(|number| pictures.spread(SEED, number, taken));
        encode(drawn.collect(), scale)
    })
}
