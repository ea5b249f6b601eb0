//! A start as a linear code.
//!
//! The best linear code of small blocks of a picture (their principal components) is far better than what training from
//! random weights reaches in hours on a CPU. So the model begins as one: patches are read as cosines; in the encoder's
//! first block a head for each patch of a token's cell carries them to the token; `quant_conv` keeps their principal
//! components beside a constant, so that their strength survives when the quantiser brings them to unit length;
//! codewords are axes and mirrored axes of that space; in the decoder's first block each patch fetches its part. What is
//! linear after all (`post_quant_conv`, the pixel head) is fitted to pictures by least squares through the whole model.

use super::Weights;
use super::cosines::PatchCosines;
use super::fit::{LinearMap, components, least_squares, orthonormal};
use super::layout::{Channels, Looking};
use super::noise::Noise;
use crate::picture::Planar;
use crate::tokenizer::{Math, ModelArgs, NoHook, PassHook, Stage, Tokenizer, TokenizerError};
use crate::trainer::{LinearStart, TrainConfig, TrainError};
use candle_core::{Device, Tensor};
use nalgebra::{DMatrix, DVector};

/// Pictures that go through the model together.
const BATCH: usize = 16;

/// Turns the random weights of [`super::near`] into a linear code fitted to `pictures`.
///
/// # Errors
/// Sizes that leave no room for it, pictures of another size than the model's.
pub(super) fn weights(
    config: &TrainConfig,
    weights: Weights,
    pictures: &[Planar],
    cosines: &PatchCosines,
) -> Result<Weights, TrainError> {
    let model = &config.model;
    let invalid = |reason| TrainError::from(TokenizerError::Input(reason));
    let mut start = Start {
        encoder: Channels::of(model, model.encoder, "encoder").map_err(invalid)?,
        decoder: Channels::of(model, model.decoder, "decoder").map_err(invalid)?,
        args: config.args_at(0),
        seed: config.seed,
        sizes: config.start.linear.clone(),
        pictures: batches(pictures)?,
        weights,
    };
    start.hush()?;
    start.lay_out(cosines)?;
    let contents = start.fit_tokens()?;
    start.fit_reading(&contents)?;
    start.fit_painting(pictures)?;
    Ok(start.weights)
}

struct Start {
    encoder: Channels,
    decoder: Channels,
    args: ModelArgs,
    seed: u64,
    sizes: LinearStart,
    /// Each [B, 3, H, W].
    pictures: Vec<Tensor>,
    weights: Weights,
}

fn batches(pictures: &[Planar]) -> Result<Vec<Tensor>, TrainError> {
    pictures
        .chunks(BATCH)
        .map(|batch| {
            let (width, height) = batch.first().map_or((0, 0), |first| (first.width, first.height));
            let values: Vec<f32> = batch.iter().flat_map(|picture| &picture.data).copied().collect();
            let shape = (batch.len(), 3, height as usize, width as usize);
            Ok(Tensor::from_vec(values, shape, &Device::Cpu)?)
        })
        .collect()
}

/// Takes one stage's output out of a pass.
struct Capture {
    stage: Stage,
    rows: Rows,
}

/// Rows of equal width, one after the other.
#[derive(Default)]
struct Rows {
    width: usize,
    values: Vec<f64>,
}

impl Rows {
    /// Adds the rows of a tensor [.., width].
    fn add(&mut self, tensor: &Tensor) -> candle_core::Result<()> {
        self.width = tensor.dims().last().copied().unwrap_or(0);
        let values = tensor.flatten_all()?.to_vec1::<f32>()?;
        self.values.extend(values.into_iter().map(f64::from));
        Ok(())
    }

    fn matrix(&self) -> DMatrix<f64> {
        DMatrix::from_row_slice(self.values.len() / self.width.max(1), self.width, &self.values)
    }
}

impl PassHook for Capture {
    fn after(&mut self, stage: Stage, output: &Tensor) -> Result<(), TokenizerError> {
        if stage == self.stage {
            self.rows.add(output)?;
        }
        Ok(())
    }
}

impl Start {
    fn set(
        &mut self,
        key: &str,
        shape: impl Into<candle_core::Shape>,
        values: Vec<f32>,
    ) -> Result<(), TrainError> {
        let tensor = Tensor::from_vec(values, shape, &Device::Cpu)?;
        self.weights.insert(key.to_owned(), tensor);
        Ok(())
    }

    /// A product's weight [out, in] and bias from a map of rows.
    fn set_linear(&mut self, layer: &str, map: &LinearMap) -> Result<(), TrainError> {
        let (inputs, outputs) = map.weight.shape();
        // Column by column of [in, out] is row by row of [out, in].
        let weight = map.weight.iter().map(|value| *value as f32).collect();
        self.set(&format!("{layer}.weight"), (outputs, inputs), weight)?;
        let bias = map.bias.iter().map(|value| *value as f32).collect();
        self.set(&format!("{layer}.bias"), outputs, bias)
    }

    fn tokenizer(&self) -> Result<Tokenizer, TrainError> {
        let tensors = self.weights.clone().into_iter().collect();
        Ok(Tokenizer::from_tensors(self.args.clone(), tensors, Math::Fused)?)
    }

    /// Lets every block pass on what it gets: what it adds starts at nothing, and is learned.
    fn hush(&mut self) -> Result<(), TrainError> {
        for (key, tensor) in &mut self.weights {
            if key.ends_with("gamma") {
                *tensor = tensor.ones_like()?;
            } else if key.ends_with("attn.proj.weight") || key.ends_with("mlp.fc2.weight") {
                *tensor = tensor.zeros_like()?;
            }
        }
        Ok(())
    }

    /// Positions, the reading of patches and the heads of the first blocks.
    fn lay_out(&mut self, cosines: &PatchCosines) -> Result<(), TrainError> {
        let Channels {
            width,
            head_dim,
            side,
            ..
        } = self.encoder;
        let patch = self.args.enc_patch_size;
        let mut reading = vec![0.0; width * 3 * patch * patch];
        let waves = cosines.reading(head_dim, self.sizes.patch_scale, self.sizes.patch_evenness);
        reading.iter_mut().zip(waves).for_each(|(to, from)| *to = from);
        self.set(
            "encoder.model.patch_embed.proj.weight",
            (width, 3, patch, patch),
            reading,
        )?;
        let tokens = self.args.num_latent_tokens;
        for (side_of, channels) in [("encoder", self.encoder), ("decoder", self.decoder)] {
            let width = channels.width;
            self.set(
                &format!("{side_of}.model.pos_embed"),
                (1, 1 + side * side, width),
                channels.picture_positions(),
            )?;
            self.set(
                &format!("{side_of}.latent_pos_embed"),
                (1, tokens, width),
                channels.latent_positions(),
            )?;
        }
        // Tokens collect a patch's contents into its slot, patches fetch their slot into the first.
        self.set_heads("encoder", self.encoder, Looking::ForPatches, |slot| (0, slot))?;
        self.set_heads("decoder", self.decoder, Looking::ForLatents, |slot| (slot, 0))
    }

    /// Heads of a first block: that of slot s carries the contents in slot `route(s).0` to slot `route(s).1`.
    fn set_heads(
        &mut self,
        side: &str,
        channels: Channels,
        looking: Looking,
        route: impl Fn(usize) -> (usize, usize),
    ) -> Result<(), TrainError> {
        let Channels { width, head_dim, .. } = channels;
        let mut qkv = self.values(&format!("{side}.model.blocks.0.attn.qkv.weight"))?;
        let mut proj = self.values(&format!("{side}.model.blocks.0.attn.proj.weight"))?;
        let unit = |row: usize, column: usize| f32::from(u8::from(row == column));
        for slot in 0..channels.slots {
            let (from, to) = route(slot);
            let (queries, keys) = channels.queries_and_keys(slot, looking);
            let values =
                (0..head_dim * width).map(|index| unit(index / width + from * head_dim, index % width));
            for (part, rows) in [queries, keys, values.collect()].into_iter().enumerate() {
                let start = (part * width + slot * head_dim) * width;
                if let Some(place) = qkv.get_mut(start..start + rows.len()) {
                    place.copy_from_slice(&rows);
                }
            }
            for (row, outputs) in proj.chunks_exact_mut(width).enumerate() {
                let columns = outputs
                    .iter_mut()
                    .enumerate()
                    .skip(slot * head_dim)
                    .take(head_dim);
                for (column, value) in columns {
                    *value = unit(row + slot * head_dim, column + to * head_dim);
                }
            }
        }
        self.set(
            &format!("{side}.model.blocks.0.attn.qkv.weight"),
            (3 * width, width),
            qkv,
        )?;
        self.set(
            &format!("{side}.model.blocks.0.attn.proj.weight"),
            (width, width),
            proj,
        )
    }

    fn values(&self, key: &str) -> Result<Vec<f32>, TrainError> {
        let tensor = self
            .weights
            .get(key)
            .ok_or_else(|| TokenizerError::Input(format!("a start has no `{key}`")))?;
        Ok(tensor.flatten_all()?.to_vec1()?)
    }

    /// Sets `quant_conv` and the codebook; gives back what the tokens hold of their patches [tokens, contents].
    fn fit_tokens(&mut self) -> Result<DMatrix<f64>, TrainError> {
        let tokenizer = self.tokenizer()?;
        let mut capture = Capture {
            stage: Stage::EncoderTokens,
            rows: Rows::default(),
        };
        for pictures in &self.pictures {
            tokenizer.encode(pictures, &mut capture)?;
        }
        let contents = capture
            .rows
            .matrix()
            .columns(0, self.encoder.contents())
            .into_owned();
        let channels = self.args.codebook_embed_dim;
        let found = components(&contents, (channels - 1).min(contents.ncols()));
        let spread = self.spread(channels);
        // [contents, channels - 1]: each component at its even strength, then turned away from the constant's direction.
        let mut axes = DMatrix::zeros(self.encoder.width, channels);
        let evenness = self.sizes.token_evenness;
        let held: Vec<f64> = found
            .deviations
            .iter()
            .map(|deviation| deviation.max(1e-9))
            .collect();
        let strength = held
            .iter()
            .map(|value| value.powf(2.0 - 2.0 * evenness))
            .sum::<f64>()
            .sqrt();
        for (index, (axis, deviation)) in found.axes.column_iter().zip(&held).enumerate() {
            let gain = deviation.powf(-evenness) / strength.max(1e-9);
            axes.view_mut((0, index), (axis.len(), 1))
                .copy_from(&(axis * gain));
        }
        let mut level = DVector::zeros(channels);
        if let Some(last) = level.iter_mut().next_back() {
            *last = self.sizes.token_level;
        }
        let bias = level - axes.rows(0, found.mean.len()).tr_mul(&found.mean);
        let map = LinearMap {
            weight: axes * &spread,
            bias: spread.tr_mul(&bias),
        };
        self.set_linear("quant_conv", &map)?;
        self.set_codebook(&spread)?;
        Ok(contents)
    }

    /// A reflection [channels, channels] that spreads the last axis over all: no channel and no codeword then has the
    /// constant to itself.
    fn spread(&self, channels: usize) -> DMatrix<f64> {
        let mut normal = DVector::from_element(channels, -1.0 / (channels as f64).sqrt());
        if let Some(last) = normal.iter_mut().next_back() {
            *last += 1.0;
        }
        let normal = normal.normalize();
        DMatrix::identity(channels, channels) - (&normal * normal.transpose()) * 2.0
    }

    /// Codewords are the axes of the components both ways, then those of random turns of them.
    fn set_codebook(&mut self, spread: &DMatrix<f64>) -> Result<(), TrainError> {
        let (books, count) = (self.args.num_codebooks, self.args.codebook_size);
        let axes = self.args.codebook_embed_dim - 1;
        let level = self.sizes.codeword_level.min(1.0);
        let share = (1.0 - level * level).sqrt();
        let mut noise = Noise::of_key(self.seed, "start.codebook");
        let mut values = Vec::with_capacity(books * count * (axes + 1));
        for _ in 0..books {
            let mut codewords = DMatrix::from_element(count, axes + 1, level);
            let mut basis = DMatrix::identity(axes, axes);
            for (index, mut codeword) in codewords.row_iter_mut().enumerate() {
                let within = index % (2 * axes);
                if index > 0 && within == 0 {
                    let random = noise.normal(axes * axes, 1.0).into_iter().map(f64::from);
                    basis = orthonormal(DMatrix::from_iterator(axes, axes, random));
                }
                let sign = if within < axes { share } else { -share };
                codeword
                    .columns_mut(0, axes)
                    .copy_from(&(basis.row(within % axes) * sign));
            }
            values.extend((codewords * spread).transpose().iter().map(|value| *value as f32));
        }
        self.set("quantize.embedding", (books, count, axes + 1), values)
    }

    /// Sets `post_quant_conv` so that tokens bring the decoder what they held of their patches.
    fn fit_reading(&mut self, contents: &DMatrix<f64>) -> Result<(), TrainError> {
        let tokenizer = self.tokenizer()?;
        let mut z = Rows::default();
        for pictures in &self.pictures {
            z.add(&tokenizer.encode(pictures, &mut NoHook)?.z)?;
        }
        let root_mean_square = (contents.norm_squared() / contents.len().max(1) as f64).sqrt();
        let scale = self.sizes.decoder_scale / root_mean_square.max(1e-9);
        let (from, to) = (self.encoder.head_dim, self.decoder.head_dim);
        let mut wanted = DMatrix::zeros(contents.nrows(), self.decoder.width);
        for slot in 0..self.decoder.slots {
            let shared = from.min(to);
            let part = contents.columns(slot * from, shared) * scale;
            wanted.columns_mut(slot * to, shared).copy_from(&part);
        }
        let map = fitted(&z.matrix(), &wanted)?;
        self.set_linear("post_quant_conv", &map)
    }

    /// Sets the pixel head.
    fn fit_painting(&mut self, pictures: &[Planar]) -> Result<(), TrainError> {
        let tokenizer = self.tokenizer()?;
        let mut capture = Capture {
            stage: Stage::DecoderImageTokens,
            rows: Rows::default(),
        };
        for pictures in &self.pictures {
            let z = tokenizer.encode(pictures, &mut NoHook)?.z;
            tokenizer.decode(&z, &mut capture)?;
        }
        let patch = self.args.dec_patch_size;
        let patches: Vec<f64> = pictures
            .iter()
            .flat_map(|picture| patch_rows(picture, patch))
            .collect();
        let width = 3 * patch * patch;
        let wanted = DMatrix::from_row_slice(patches.len() / width, width, &patches);
        let map = fitted(&capture.rows.matrix(), &wanted)?;
        self.set_linear("decoder.to_pixel.model", &map)
    }
}

fn fitted(inputs: &DMatrix<f64>, outputs: &DMatrix<f64>) -> Result<LinearMap, TrainError> {
    least_squares(inputs, outputs).ok_or(TrainError::Diverged {
        what: "start",
        step: 0,
    })
}

/// Patches row by row, the values of each ordered (row, column, channel).
fn patch_rows(picture: &Planar, patch: usize) -> Vec<f64> {
    let (width, height) = (picture.width as usize, picture.height as usize);
    let mut values = Vec::with_capacity(picture.data.len());
    for top in (0..height).step_by(patch) {
        for left in (0..width).step_by(patch) {
            for place in 0..patch * patch {
                let (y, x) = (top + place / patch, left + place % patch);
                values.extend((0..3).map(|channel| {
                    let place = (channel * height + y) * width + x;
                    f64::from(picture.data.get(place).copied().unwrap_or_default())
                }));
            }
        }
    }
    values
}
