//! Which keys a generator's state dict must hold, with which shapes.

use super::{GeneratorArgs, GeneratorClass};
use crate::tokenizer::checkpoint::{Entry, StoredType};
use crate::tokenizer::{KeyComparison, WrongShape};
use std::collections::BTreeMap;

/// Width of the sinusoidal code of time.
pub(super) const TIME_CODE: usize = 256;

/// The key whose rows tell the class.
pub(super) const OUTPUT_KEY: &str = "final_layer.linear.weight";

/// Values that a token of the sequence gives out.
pub(super) fn outputs(args: &GeneratorArgs, class: GeneratorClass) -> usize {
    match class {
        GeneratorClass::Sit => args.token_values(),
        GeneratorClass::Dit => 2 * args.token_values(),
    }
}

/// Every key that is read, with its shape.
pub(super) fn expected(args: &GeneratorArgs, class: GeneratorClass) -> BTreeMap<String, Vec<usize>> {
    let width = args.hidden_size;
    let mut keys = BTreeMap::new();
    let mut add = |key: &str, shape: &[usize]| keys.insert(key.to_owned(), shape.to_vec());
    let mut linear = |prefix: &str, outputs: usize, inputs: &[usize]| {
        add(&format!("{prefix}.weight"), &[&[outputs], inputs].concat());
        add(&format!("{prefix}.bias"), &[outputs]);
    };
    if args.vae_1d {
        linear("x_embedder", width, &[args.in_channels]);
    } else {
        let side = args.patch_size;
        linear("x_embedder.proj", width, &[args.in_channels, side, side]);
    }
    linear("t_embedder.mlp.0", width, &[TIME_CODE]);
    linear("t_embedder.mlp.2", width, &[width]);
    for index in 0..args.depth {
        let block = format!("blocks.{index}");
        linear(&format!("{block}.attn.qkv"), 3 * width, &[width]);
        linear(&format!("{block}.attn.proj"), width, &[width]);
        if args.qk_norm {
            let head_width = width / args.num_heads;
            linear(&format!("{block}.attn.q_norm"), head_width, &[]);
            linear(&format!("{block}.attn.k_norm"), head_width, &[]);
        }
        linear(&format!("{block}.mlp.fc1"), args.mlp_width(), &[width]);
        linear(&format!("{block}.mlp.fc2"), width, &[args.mlp_width()]);
        linear(&format!("{block}.adaLN_modulation.1"), 6 * width, &[width]);
    }
    linear("final_layer.linear", outputs(args, class), &[width]);
    linear("final_layer.adaLN_modulation.1", 2 * width, &[width]);
    add("pos_embed", &[1, args.sequence_length(), width]);
    add("y_embedder.embedding_table.weight", &[args.label_rows(), width]);
    keys
}

/// Holds a state dict against what is expected of it. A block's key that nobody asks for would be ignored in silence;
/// keys outside of the blocks that nobody reads (training aids) are no problem.
pub(super) fn compare(
    expected: &BTreeMap<String, Vec<usize>>,
    entries: &BTreeMap<String, Entry>,
) -> KeyComparison {
    let mut comparison = KeyComparison::default();
    for (key, shape) in expected {
        match entries.get(key) {
            None => comparison.missing.push(key.clone()),
            Some(entry) if entry.shape != *shape => comparison.wrong.push(WrongShape {
                key: key.clone(),
                expected: shape.clone(),
                found: entry.shape.clone(),
            }),
            Some(entry) if entry.stored_type == StoredType::Other => comparison.wrong_type.push(key.clone()),
            Some(_) => {}
        }
    }
    let others = entries.keys().filter(|key| !expected.contains_key(*key)).cloned();
    (comparison.surplus, comparison.unexpected) = others.partition(|key| key.starts_with("blocks."));
    comparison
}
