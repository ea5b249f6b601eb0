//! A random start with positions that help.
//!
//! From plain random weights a tokenizer of this kind is stuck for long: latent tokens and patches do not find each
//! other. So positions are 2-D sines in both halves, latent tokens lie on a coarse grid of the same code, queries equal
//! keys (what lies near attends to each other), patches are read and painted as their strongest cosines.

use super::cosines::PatchCosines;
use super::noise::Noise;
use super::{Shapes, Weights, cells};
use crate::tokenizer::ModelArgs;
use crate::trainer::{NearStart, TrainConfig, TrainError};
use candle_core::{Device, Tensor};

/// Deviation of learned tokens.
const TOKEN_DEVIATION: f64 = 0.02;

/// First weights by key, sorted.
pub(super) fn weights(
    config: &TrainConfig,
    args: &ModelArgs,
    shapes: &Shapes,
    cosines: &PatchCosines,
) -> Result<Weights, TrainError> {
    shapes
        .iter()
        .map(|(key, shape)| {
            let values = first_values(config, args, cosines, key, shape);
            Ok((
                key.clone(),
                Tensor::from_vec(values, shape.clone(), &Device::Cpu)?,
            ))
        })
        .collect()
}

fn first_values(
    config: &TrainConfig,
    args: &ModelArgs,
    cosines: &PatchCosines,
    key: &str,
    shape: &[usize],
) -> Vec<f32> {
    let start = &config.start.near;
    let count: usize = shape.iter().product();
    let inputs: usize = shape.iter().skip(1).product();
    let width = shape.last().copied().unwrap_or(1);
    let mut noise = Noise::of_key(config.seed, key);
    let fan_in = 1.0 / (inputs.max(1) as f64).sqrt();
    let last = key.rsplit('.').next().unwrap_or_default();
    let side = if key.starts_with("encoder") {
        args.image_size / args.enc_patch_size
    } else {
        args.image_size / args.dec_patch_size
    };
    match key {
        "encoder.model.patch_embed.proj.weight" => {
            cosines.reading(width_of(shape), start.patch_scale, start.patch_evenness)
        }
        "decoder.to_pixel.model.weight" => cosines.painting(width, start.pixel_scale),
        "quantize.embedding" | "quantize.embedding.weight" => unit_rows(&mut noise, count, width),
        "post_quant_conv.weight" => noise.normal(count, start.post_quant_scale * fan_in),
        _ if key.ends_with("model.pos_embed") => picture_positions(side, width, start),
        _ if last == "latent_pos_embed" => latent_positions(args.num_latent_tokens, side, width, start),
        _ if last == "gamma" => vec![start.layer_scale as f32; count],
        _ if last == "bias" => vec![0.0; count],
        _ if key.contains("norm") => vec![1.0; count],
        _ if key.ends_with("attn.qkv.weight") => {
            equal_queries_and_keys(noise.normal(count, fan_in), start.attention_gain)
        }
        _ if key.ends_with("attn.proj.weight") || key.ends_with("mlp.fc2.weight") => {
            // What blocks add to the stream stays as large as the stream, however many they are.
            let depth = if key.starts_with("encoder") {
                args.encoder_size()
            } else {
                args.decoder_size()
            };
            let blocks = depth.map_or(1, |size| size.depth);
            noise.normal(count, fan_in / (2.0 * blocks as f64).sqrt())
        }
        _ if last == "weight" => noise.normal(count, fan_in),
        _ => noise.normal(count, TOKEN_DEVIATION),
    }
}

fn width_of(shape: &[usize]) -> usize {
    shape.first().copied().unwrap_or(0)
}

fn unit_rows(noise: &mut Noise, count: usize, width: usize) -> Vec<f32> {
    let mut values = noise.normal(count, 1.0);
    for row in values.chunks_exact_mut(width.max(1)) {
        let length = row.iter().map(|value| value * value).sum::<f32>().sqrt();
        row.iter_mut().for_each(|value| *value /= length.max(1e-6));
    }
    values
}

/// The middle third of the rows of `qkv` (keys) becomes as the first (queries), both times `gain`.
fn equal_queries_and_keys(mut weights: Vec<f32>, gain: f64) -> Vec<f32> {
    let third = weights.len() / 3;
    weights
        .iter_mut()
        .take(third)
        .for_each(|weight| *weight *= gain as f32);
    weights.copy_within(..third, third);
    weights
}

/// The code of a place on the grid of patches, `row` and `column` in patches: half the channels for each, sines and
/// cosines of waves from a few patches to many.
fn position(row: f64, column: f64, width: usize, start: &NearStart) -> impl Iterator<Item = f32> {
    let waves = (width / 4).max(1);
    (0..width).map(move |channel| {
        let (place, within) = if channel < width / 2 {
            (row, channel)
        } else {
            (column, channel - width / 2)
        };
        let wave = (within % waves) as f64 / waves as f64;
        let angle = place * start.fastest_wave * start.wave_ratio.powf(-wave);
        let height = if within < waves { angle.sin() } else { angle.cos() };
        (start.position_scale * height) as f32
    })
}

/// [1, 1 + side x side, width]; nothing for the class token.
fn picture_positions(side: usize, width: usize, start: &NearStart) -> Vec<f32> {
    let places = (0..side * side).map(|index| ((index / side) as f64, (index % side) as f64));
    std::iter::repeat_n(0.0, width)
        .chain(places.flat_map(|(row, column)| position(row, column, width, start)))
        .collect()
}

/// [1, count, width]: latent tokens on a grid as square as their number allows, each in the middle of its cell.
fn latent_positions(count: usize, side: usize, width: usize, start: &NearStart) -> Vec<f32> {
    let (rows, columns) = cells(count);
    let middle = |index: usize, cells: usize| (index as f64 + 0.5) * side as f64 / cells as f64 - 0.5;
    (0..count)
        .flat_map(|index| {
            position(
                middle(index / columns, rows),
                middle(index % columns, columns),
                width,
                start,
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latent_token_is_nearest_to_the_patches_of_its_cell() {
        let (width, start) = (64, NearStart::default());
        let patches = picture_positions(8, width, &start);
        let latents = latent_positions(32, 8, width, &start);
        for (index, latent) in latents.chunks(width).enumerate() {
            let nearest = (1..65)
                .max_by(|a, b| {
                    let near = |patch: usize| -> f32 {
                        let patch = &patches[patch * width..][..width];
                        patch.iter().zip(latent).map(|(a, b)| a * b).sum()
                    };
                    near(*a).total_cmp(&near(*b))
                })
                .unwrap()
                - 1;
            // Cells are one patch high and two wide.
            assert_eq!((nearest / 8, nearest % 8 / 2), (index / 4, index % 4));
        }
    }

    #[test]
    fn queries_start_as_keys() {
        let weights = equal_queries_and_keys((0..12).map(|value| value as f32).collect(), 1.0);
        assert_eq!(weights[..4], weights[4..8]);
        assert_eq!(weights[8..], [8.0, 9.0, 10.0, 11.0]);
    }
}
