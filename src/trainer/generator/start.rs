//! Weights that a generator starts from: as the reference starts one, blocks that pass their input on and a prediction
//! of 0; or those of a trained one.

use super::GeneratorTrainConfig;
use crate::generator::{GeneratorArgs, GeneratorClass, GeneratorError, generator_shapes};
use crate::trainer::TrainError;
use crate::trainer::networks::NetworkWeights;
use crate::trainer::run::CONFIG_FILE;
use crate::trainer::start::Noise;
use candle_core::{Device, Tensor, Var};
use std::collections::BTreeMap;
use std::path::Path;

/// Deviation of label table and time embedder.
const EMBEDDER_DEVIATION: f64 = 0.02;
/// Longest period of the code of positions, over 2 pi.
const PERIOD: f64 = 10_000.0;

/// A row for each class, the last for none.
const LABEL_TABLE: &str = "y_embedder.embedding_table.weight";

/// The first weights of a SiT by key, sorted.
///
/// # Errors
/// Sizes of which no network can be built; a generator to start from that cannot be read or has other sizes.
pub(super) fn first_weights(
    config: &GeneratorTrainConfig,
    args: &GeneratorArgs,
) -> Result<BTreeMap<String, Var>, TrainError> {
    let shapes = generator_shapes(args, GeneratorClass::Sit).map_err(|reason| GeneratorError::Config {
        path: "`generator`".into(),
        reason,
    })?;
    let mut trained = config.start_from.as_deref().map(Trained::read).transpose()?;
    shapes
        .into_iter()
        .map(|(key, shape)| {
            let first = first_values(config.seed, &key, &shape);
            let values = match &mut trained {
                Some(trained) => trained.values(&key, &shape, first, args)?,
                None => first,
            };
            let tensor = Tensor::from_vec(values, shape, &Device::Cpu)?;
            Ok((key, Var::from_tensor(&tensor)?))
        })
        .collect()
}

/// A generator whose weights are taken over.
struct Trained {
    weights: NetworkWeights,
    class_names: Vec<String>,
}

impl Trained {
    fn read(folder: &Path) -> Result<Self, TrainError> {
        let args = GeneratorArgs::read(&folder.join(CONFIG_FILE))?;
        Ok(Self {
            weights: NetworkWeights::read(folder)?,
            class_names: args.class_names.unwrap_or_default(),
        })
    }

    /// Its values of a tensor; of the table of labels, the rows of classes that it has too, the others as in `first`.
    fn values(
        &mut self,
        key: &str,
        shape: &[usize],
        first: Vec<f32>,
        args: &GeneratorArgs,
    ) -> Result<Vec<f32>, TrainError> {
        if key != LABEL_TABLE {
            return self.weights.take_shaped(key, shape);
        }
        let width = args.hidden_size;
        let rows = self.class_names.len() + usize::from(args.null_label().is_some());
        let table = self.weights.take_shaped(key, &[rows, width])?;
        let mut values = first;
        let names = args.class_names.as_deref().unwrap_or_default();
        for (row, values) in values.chunks_exact_mut(width).enumerate() {
            // Past the names lies the row of "no class", in both tables.
            let before = match names.get(row) {
                Some(name) => self.class_names.iter().position(|other| other == name),
                None => Some(self.class_names.len()),
            };
            if let Some(trained) = before.and_then(|row| table.chunks_exact(width).nth(row)) {
                values.copy_from_slice(trained);
            }
        }
        Ok(values)
    }
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
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
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
