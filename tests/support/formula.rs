//! The weight formula of the goldens (their README, section 3): integer hashing only, the same bits everywhere.

use candle_core::{Device, Tensor};
use serde_json::Value;
use std::collections::HashMap;
use std::io::{BufWriter, Write};
use std::path::Path;

/// 64-bit FNV-1a over `salt/key`.
pub(crate) fn key_hash(salt: &str, key: &str) -> u64 {
    salt.bytes()
        .chain(*b"/")
        .chain(key.bytes())
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
}

/// Element `index` in [0, 1).
pub(crate) fn unit(hash: u64, index: u64) -> f64 {
    let mut state = hash.wrapping_add((index + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    state ^= state >> 31;
    (state >> 11) as f64 * (-53.0_f64).exp2()
}

/// One line of a set's `keys.json`.
pub(crate) struct Recipe {
    pub(crate) key: String,
    pub(crate) shape: Vec<usize>,
    kind: String,
    offset: f64,
    amp: f64,
}

impl Recipe {
    pub(crate) fn new(key: &str, shape: &[usize], offset: f64, amp: f64) -> Self {
        Self {
            key: key.to_owned(),
            shape: shape.to_vec(),
            kind: "uniform".to_owned(),
            offset,
            amp,
        }
    }

    pub(crate) fn values(&self, salt: &str) -> Vec<f32> {
        let count = self.shape.iter().product::<usize>() as u64;
        let hash = key_hash(salt, &self.key);
        match self.kind.as_str() {
            "uniform" => (0..count)
                .map(|index| (self.offset + self.amp * (2.0 * unit(hash, index) - 1.0)) as f32)
                .collect(),
            "uniform_l2normalised" => {
                let values: Vec<f32> = (0..count)
                    .map(|index| (self.offset + self.amp * (2.0 * unit(hash, index) - 1.0)) as f32)
                    .collect();
                let length = values.iter().map(|value| value * value).sum::<f32>().sqrt();
                values.iter().map(|value| value / length).collect()
            }
            "const" => vec![self.offset as f32; count as usize],
            "floor" => (0..count)
                .map(|index| (unit(hash, index) * self.amp).floor() as f32)
                .collect(),
            "grid_x" => (0..count).map(|index| (index % count.isqrt()) as f32).collect(),
            "grid_y" => (0..count).map(|index| (index / count.isqrt()) as f32).collect(),
            other => panic!("{}: no formula for {other}", self.key),
        }
    }
}

pub(crate) fn read_recipes(folder: &Path) -> Vec<Recipe> {
    let text = std::fs::read_to_string(folder.join("keys.json")).unwrap();
    let lines: Vec<Value> = serde_json::from_str(&text).unwrap();
    lines
        .iter()
        .map(|line| Recipe {
            key: line["key"].as_str().unwrap().to_owned(),
            shape: serde_json::from_value(line["shape"].clone()).unwrap(),
            kind: line["kind"].as_str().unwrap().to_owned(),
            offset: line["offset"].as_f64().unwrap_or_default(),
            amp: line["amp"].as_f64().unwrap_or_default(),
        })
        .collect()
}

/// A state dict in memory.
pub(crate) fn state_dict(recipes: &[Recipe], salt: &str) -> HashMap<String, Tensor> {
    recipes
        .iter()
        .map(|recipe| {
            let tensor =
                Tensor::from_vec(recipe.values(salt), recipe.shape.as_slice(), &Device::Cpu).unwrap();
            (recipe.key.clone(), tensor)
        })
        .collect()
}

/// A safetensors file, written tensor by tensor so that no more than one is in memory.
pub(crate) fn write_safetensors(recipes: &[Recipe], salt: &str, path: &Path) {
    let mut header = serde_json::Map::new();
    let mut end = 0;
    for recipe in recipes {
        let start = end;
        end += 4 * recipe.shape.iter().product::<usize>();
        header.insert(
            recipe.key.clone(),
            serde_json::json!({"dtype": "F32", "shape": recipe.shape, "data_offsets": [start, end]}),
        );
    }
    let header = serde_json::to_vec(&header).unwrap();
    let mut file = BufWriter::new(std::fs::File::create(path).unwrap());
    file.write_all(&(header.len() as u64).to_le_bytes()).unwrap();
    file.write_all(&header).unwrap();
    for recipe in recipes {
        for value in recipe.values(salt) {
            file.write_all(&value.to_le_bytes()).unwrap();
        }
    }
    file.flush().unwrap();
}
