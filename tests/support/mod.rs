//! Reading golden sets and comparing with them, wherever the tensors lie.
#![allow(dead_code)] // each test binary uses its own part

pub(crate) mod backward;
pub(crate) mod chosen;
pub(crate) mod fixtures;
pub(crate) mod formula;
pub(crate) mod forward;
pub(crate) mod generator;
pub(crate) mod memory;
pub(crate) mod models;
pub(crate) mod pickle;
pub(crate) mod sampled;

use candle_core::{DType, Device, Tensor};
pub(crate) use fixtures::root;
use serde_json::Value;
use softscope::tokenizer::{ModelArgs, ModelFiles, NoHook, PassHook, Stage, Tokenizer, TokenizerError};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// A golden set: configuration, expected tensors, and its files with `vit_overrides` merged in.
pub(crate) struct Golden {
    pub(crate) args: ModelArgs,
    pub(crate) meta: Value,
    pub(crate) io: HashMap<String, Tensor>,
    pub(crate) folder: PathBuf,
    pub(crate) files: ModelFiles,
    // The merged configuration lives as long as the set.
    _merged: tempfile::TempDir,
}

/// The folder of a shared file or set; None, with a loud line, where the collection is not there.
pub(crate) fn shared(path: &str) -> Option<PathBuf> {
    let folder = root().join("../shared").join(path);
    if folder.exists() {
        return Some(folder);
    }
    eprintln!("SKIPPED: {} is not there", folder.display());
    None
}

impl Golden {
    /// A tiny set by name, from the collection or from the copies.
    pub(crate) fn tiny(name: &str) -> Option<Self> {
        let copy = fixtures::folder(name);
        if copy.exists() {
            return Some(Self::open(&copy));
        }
        shared(&format!("goldens/tiny/{name}")).map(|folder| Self::open(&folder))
    }

    pub(crate) fn full(name: &str) -> Option<Self> {
        shared(&format!("goldens/full/{name}")).map(|folder| Self::open(&folder))
    }

    fn open(folder: &Path) -> Self {
        let (config, meta) = fixtures::config_with_sizes(folder);
        let merged = tempfile::tempdir().unwrap();
        let config_path = merged.path().join("config.json");
        std::fs::write(&config_path, config.to_string()).unwrap();
        let files = ModelFiles {
            name: folder.file_name().unwrap().to_string_lossy().into_owned(),
            config: config_path,
            weights: folder.join("model.safetensors"),
        };
        let io = candle_core::safetensors::load(folder.join("io.safetensors"), &Device::Cpu).unwrap();
        Self {
            args: ModelArgs::from_json(config).unwrap(),
            meta,
            io,
            folder: folder.to_owned(),
            files,
            _merged: merged,
        }
    }

    pub(crate) fn get(&self, name: &str) -> &Tensor {
        self.io
            .get(name)
            .unwrap_or_else(|| panic!("{name} is not in the set"))
    }

    /// The pictures: as stored, or derived from bytes.
    pub(crate) fn x(&self) -> Tensor {
        if let Some(x) = self.io.get("x") {
            return x.clone();
        }
        let bytes = self.get("x_u8").to_dtype(DType::F32).unwrap();
        let x = ((bytes / 255.0).unwrap() - 0.5).unwrap();
        (x / 0.5)
            .unwrap()
            .permute((0, 3, 1, 2))
            .unwrap()
            .contiguous()
            .unwrap()
    }

    pub(crate) fn load(&self) -> Tokenizer {
        load(&self.files, DType::F32)
    }

    pub(crate) fn weights(&self) -> HashMap<String, Tensor> {
        self.weights_on(&Device::Cpu)
    }

    pub(crate) fn weights_on(&self, device: &Device) -> HashMap<String, Tensor> {
        candle_core::safetensors::load(&self.files.weights, device).unwrap()
    }
}

pub(crate) fn load(files: &ModelFiles, dtype: DType) -> Tokenizer {
    load_on(files, &Device::Cpu, dtype)
}

pub(crate) fn load_on(files: &ModelFiles, device: &Device, dtype: DType) -> Tokenizer {
    Tokenizer::load(files, device, dtype, &mut |_, _| true).unwrap()
}

pub(crate) fn decode(tokenizer: &Tokenizer, z: &Tensor) -> Tensor {
    tokenizer.decode(z, &mut NoHook).unwrap()
}

/// Keeps every stage's output under the goldens' name for it.
#[derive(Default)]
pub(crate) struct Recorder(pub(crate) HashMap<String, Tensor>);

impl PassHook for Recorder {
    fn after(&mut self, stage: Stage, output: &Tensor) -> Result<(), TokenizerError> {
        let name = match stage {
            Stage::EncoderPatchEmbed => "stage.enc.patch_embed".to_owned(),
            Stage::EncoderSequence => "stage.enc.seq_in".to_owned(),
            Stage::EncoderBlock(index) => format!("stage.enc.block{index}"),
            Stage::EncoderNorm => "stage.enc.norm".to_owned(),
            Stage::EncoderTokens => "enc_tokens".to_owned(),
            Stage::DecoderPostQuant => "stage.dec.post_quant".to_owned(),
            Stage::DecoderSequence => "stage.dec.seq_in".to_owned(),
            Stage::DecoderBlock(index) => format!("stage.dec.block{index}"),
            Stage::DecoderNorm => "stage.dec.norm".to_owned(),
            Stage::DecoderImageTokens => "stage.dec.to_pixel_in".to_owned(),
        };
        self.0.insert(name, output.clone());
        Ok(())
    }
}

pub(crate) fn on_cpu(tensor: &Tensor) -> Tensor {
    tensor.to_device(&Device::Cpu).unwrap()
}

pub(crate) fn values(tensor: &Tensor) -> Vec<f64> {
    on_cpu(tensor)
        .to_dtype(DType::F64)
        .unwrap()
        .flatten_all()
        .unwrap()
        .to_vec1()
        .unwrap()
}

/// Largest absolute difference; NaN counts as infinite.
pub(crate) fn max_difference(found: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(found.dims(), expected.dims());
    values(found)
        .iter()
        .zip(values(expected))
        .map(|(found, expected)| (found - expected).abs())
        .fold(0.0, |worst, difference| {
            if difference > worst || difference.is_nan() {
                difference
            } else {
                worst
            }
        })
}

#[track_caller]
pub(crate) fn assert_close(what: &str, found: &Tensor, expected: &Tensor, tolerance: f64) {
    let difference = max_difference(found, expected);
    assert!(
        difference <= tolerance,
        "{what}: differs by {difference:e}, allowed is {tolerance:e}"
    );
}

/// Root mean square of the difference over that of the expected values.
pub(crate) fn relative_rms(found: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(found.dims(), expected.dims());
    let (found, expected) = (values(found), values(expected));
    let difference: f64 = found.iter().zip(&expected).map(|(a, b)| (a - b).powi(2)).sum();
    let size: f64 = expected.iter().map(|value| value.powi(2)).sum();
    (difference / size).sqrt()
}

/// How far a gradient may be from its own where `products` products, one after the other, take operands rounded to
/// bf16. The unit in the last of 8 bits is 2^-7 of a value at most, so an operand is off by 2^-8 at most and a product
/// of two by 2^-7; roundings of products that follow each other have nothing to do with each other, so their squares
/// add.
pub(crate) fn rounding_of_bf16(products: usize) -> f64 {
    (products as f64).sqrt() / 128.0
}

/// The reconstruction script's bytes: clamp(127.5 v + 128), truncated.
pub(crate) fn recon_bytes(dec: &Tensor) -> Vec<u8> {
    values(dec)
        .iter()
        .map(|v| (*v as f32 * 127.5 + 128.0).clamp(0.0, 255.0) as u8)
        .collect()
}

/// Share of bytes that differ; panics where any differs by more than one.
#[track_caller]
pub(crate) fn differing_bytes(found: &[u8], expected: &Tensor) -> f64 {
    let expected: Vec<u8> = expected.flatten_all().unwrap().to_vec1().unwrap();
    assert_eq!(found.len(), expected.len());
    let mut count = 0;
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            found.abs_diff(expected) <= 1,
            "a byte is {found}, expected {expected}"
        );
        count += usize::from(*found != expected);
    }
    count as f64 / found.len() as f64
}

/// Of two 8-bit pictures, dB.
pub(crate) fn psnr(found: &[u8], expected: &[u8]) -> f64 {
    let squares: f64 = found
        .iter()
        .zip(expected)
        .map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2))
        .sum();
    10.0 * (255.0_f64.powi(2) * found.len() as f64 / squares).log10()
}
