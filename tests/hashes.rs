//! A model's hash against its definition, taken of the file by other code.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test stops at the first surprise

use candle_core::{DType, Device};
use safetensors::SafeTensors;
use sha2::{Digest, Sha256};
use softscope::generator::Generator;
use softscope::tokenizer::{ModelFiles, Tokenizer};
use std::path::Path;

fn shipped(name: &str) -> ModelFiles {
    ModelFiles::locate(&Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(name)).unwrap()
}

/// First 16 hex digits over all tensors of a file by key, each key followed by the digest of shape and stored values;
/// and how many values these are.
fn definition(weights: &Path) -> (String, usize) {
    let bytes = std::fs::read(weights).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut keys = file.names();
    keys.sort_unstable();
    let (mut hash, mut count) = (Sha256::new(), 0);
    for key in keys {
        let tensor = file.tensor(key).unwrap();
        let mut of_tensor = Sha256::new();
        for dim in tensor.shape() {
            of_tensor.update((*dim as u64).to_le_bytes());
        }
        of_tensor.update(tensor.data());
        hash.update(key.as_bytes());
        hash.update([0]);
        hash.update(of_tensor.finalize());
        count += tensor.shape().iter().product::<usize>();
    }
    let digits: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    (digits[..16].to_owned(), count)
}

/// In f32 two threads read a tokenizer, in bf16 one.
#[test]
fn a_tokenizers_hash_is_of_what_its_file_holds() {
    let files = shipped("softscope-32");
    for dtype in [DType::F32, DType::BF16] {
        let tokenizer = Tokenizer::load(&files, &Device::Cpu, dtype, &mut |_, _| true).unwrap();
        let found = (tokenizer.hash().to_owned(), tokenizer.parameter_count());
        assert_eq!(found, definition(&files.weights), "{dtype:?}");
    }
}

#[test]
fn a_generators_hash_is_of_what_its_file_holds() {
    let files = shipped("softscope-sit");
    let generator = Generator::load(&files, &Device::Cpu, DType::F32, &mut |_, _| true).unwrap();
    let found = (generator.hash().to_owned(), generator.parameter_count());
    assert_eq!(found, definition(&files.weights));
}
