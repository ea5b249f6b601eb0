//! Weights that a generator starts from, as the reference starts one: blocks that pass their input on, and a prediction
//! of 0.

use crate::generator::{GeneratorArgs, GeneratorClass, GeneratorError, generator_shapes};
use crate::trainer::TrainError;
use crate::trainer::start::Noise;
use candle_core::{Device, Tensor, Var};
use std::collections::BTreeMap;

/// Deviation of label table and time embedder.
const EMBEDDER_DEVIATION: f64 = 0.02;
/// Longest period of the code of positions, over 2 pi.
const PERIOD: f64 = 10_000.0;

/// The first weights of a SiT by key, sorted.
///
/// # Errors
/// Sizes of which no network can be built.
pub(super) fn first_weights(seed: u64, args: &GeneratorArgs) -> Result<BTreeMap<String, Var>, TrainError> {
    let shapes = generator_shapes(args, GeneratorClass::Sit).map_err(|reason| GeneratorError::Config {
        path: "`generator`".into(),
        reason,
    })?;
    shapes
        .into_iter()
        .map(|(key, shape)| {
            let values = first_values(seed, &key, &shape);
            let tensor = Tensor::from_vec(values, shape, &Device::Cpu)?;
            Ok((key, Var::from_tensor(&tensor)?))
        })
        .collect()
}

fn first_values(seed: u64, key: &str, shape: &[usize]) -> Vec<f32> {
    let count: usize = shape.iter().product();
    let mut noise = Noise::of_key(seed, key);
    match shape {
        _ if key.contains("adaLN_modulation") || key.starts_with("final_layer") => vec![0.0; count],
        _ if key.ends_with("_norm.weight") => vec![1.0; count],
        _ if key.starts_with("y_embedder") || (key.starts_with("t_embedder") && shape.len() > 1) => {
            noise.normal(count, EMBEDDER_DEVIATION)
        }
        [1, length, width] => positions(*length, *width),
        [outputs, inputs] => {
            // As even as Glorot's.
            noise.normal(count, (2.0 / (inputs + outputs) as f64).sqrt())
        }
        _ => vec![0.0; count],
    }
}

/// [1, length, width]: sines and cosines in turn, each pair of channels slower than the one before.
fn positions(length: usize, width: usize) -> Vec<f32> {
    let value = |index: usize| {
        let (place, channel) = (index / width, index % width);
        let rate = PERIOD.powf(-((channel - channel % 2) as f64) / width as f64);
        let angle = place as f64 * rate;
        let height = if channel % 2 == 0 {
            angle.sin()
        } else {
            angle.cos()
        };
        height as f32
    };
    (0..length * width).map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_the_references() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let file = root.join("../shared/goldens/gen/c1_sit_1d/io.safetensors");
        let Ok(io) = candle_core::safetensors::load(&file, &Device::Cpu) else {
            eprintln!("SKIPPED: no golden set beside this checkout; positions were NOT checked");
            return;
        };
        let expected = &io["pos_embed"];
        let (_, length, width) = expected.dims3().unwrap();
        let expected: Vec<f32> = expected.flatten_all().unwrap().to_vec1().unwrap();
        for (found, expected) in positions(length, width).iter().zip(&expected) {
            assert!((found - expected).abs() < 2e-6, "{found} for {expected}");
        }
    }

    #[test]
    fn a_first_prediction_is_nothing() {
        for (key, shape) in [
            ("final_layer.linear.weight", vec![4, 8]),
            ("blocks.0.adaLN_modulation.1.weight", vec![48, 8]),
            ("blocks.0.attn.qkv.bias", vec![24]),
        ] {
            assert!(
                first_values(1, key, &shape).iter().all(|value| *value == 0.0),
                "{key}"
            );
        }
        let weights = first_values(1, "blocks.0.attn.qkv.weight", &[24, 8]);
        let square = weights.iter().map(|weight| weight * weight).sum::<f32>() / 192.0;
        assert!((square - 2.0 / 32.0).abs() < 0.02, "{square}");
        assert_ne!(weights, first_values(2, "blocks.0.attn.qkv.weight", &[24, 8]));
    }
}
