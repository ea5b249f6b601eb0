//! A model's hash against its definition, taken of the file by other code.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test stops at the first surprise

use candle_core::{DType, Device};
use safetensors::SafeTensors;
use softscope::generator::Generator;
use softscope::tokenizer::{ModelFiles, Tokenizer};
use std::path::Path;
use twox_hash::XxHash3_128;

fn shipped(name: &str) -> ModelFiles {
    ModelFiles::locate(&Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(name)).unwrap()
}

/// First 16 hex digits of XXH3 over all tensors of a file by key, each key followed by a 0 and the digest of stored values,
/// dimensions and their number; and how many values these are.
fn definition(weights: &Path) -> (String, usize) {
    let bytes = std::fs::read(weights).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut keys = file.names();
    keys.sort_unstable();
    let (mut all, mut count) = (Vec::new(), 0);
    for key in keys {
        let tensor = file.tensor(key).unwrap();
        let mut whole = tensor.data().to_vec();
        for dim in tensor.shape().iter().chain([&tensor.shape().len()]) {
            whole.extend((*dim as u64).to_le_bytes());
        }
        all.extend(key.as_bytes());
        all.push(0);
        all.extend(XxHash3_128::oneshot(&whole).to_be_bytes());
        count += tensor.shape().iter().product::<usize>();
    }
    let digits = format!("{:032x}", XxHash3_128::oneshot(&all));
    (digits[..16].to_owned(), count)
}

/// Several threads read it.
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
