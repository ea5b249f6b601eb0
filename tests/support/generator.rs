//! Small generators of formula weights, written as the hub has them.

use super::formula::{Recipe, write_safetensors};
use serde_json::{Value, json};
use softscope::generator::GeneratorArgs;
use std::path::Path;

/// Configuration of a SiT for `tokens` x `dim`; `changes` replace keys.
pub(crate) fn config(tokens: usize, dim: usize, changes: &Value) -> Value {
    let mut config = json!({
        "input_size": tokens, "in_channels": dim, "patch_size": 1, "hidden_size": 48, "depth": 2, "num_heads": 4,
        "mlp_ratio": 4.0, "num_classes": 3, "class_dropout_prob": 0.1, "qk_norm": false, "vae_1d": true,
        "class_names": ["ink", "chalk", "coal"],
    });
    for (key, value) in changes.as_object().into_iter().flatten() {
        config[key] = value.clone();
    }
    config
}

/// The state dict of a configuration, matrices at the scale that keeps activations as they are.
pub(crate) fn recipes(args: &GeneratorArgs) -> Vec<Recipe> {
    let width = args.hidden_size;
    let values = args.in_channels;
    let outputs = if args.learn_sigma.is_some() {
        2 * values
    } else {
        values
    };
    let hidden = (width as f64 * args.mlp_ratio) as usize;
    let rows = args.num_classes + 1;
    let mut list = vec![
        Recipe::new("pos_embed", &[1, args.input_size, width], 0.0, 0.6),
        Recipe::new("y_embedder.embedding_table.weight", &[rows, width], 0.0, 0.5),
    ];
    let mut linear = |name: &str, outputs: usize, inputs: usize| {
        let amplitude = (3.0 / inputs as f64).sqrt();
        list.push(Recipe::new(
            &format!("{name}.weight"),
            &[outputs, inputs],
            0.0,
            amplitude,
        ));
        list.push(Recipe::new(&format!("{name}.bias"), &[outputs], 0.0, 0.1));
    };
    linear("x_embedder", width, values);
    linear("t_embedder.mlp.0", width, 256);
    linear("t_embedder.mlp.2", width, width);
    for index in 0..args.depth {
        let block = format!("blocks.{index}");
        linear(&format!("{block}.attn.qkv"), 3 * width, width);
        linear(&format!("{block}.attn.proj"), width, width);
        linear(&format!("{block}.mlp.fc1"), hidden, width);
        linear(&format!("{block}.mlp.fc2"), width, hidden);
        linear(&format!("{block}.adaLN_modulation.1"), 6 * width, width);
    }
    linear("final_layer.linear", outputs, width);
    linear("final_layer.adaLN_modulation.1", 2 * width, width);
    list
}

/// Writes a generator's folder.
pub(crate) fn write(folder: &Path, config: &Value) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
    let args: GeneratorArgs = serde_json::from_value(config.clone()).unwrap();
    write_safetensors(&recipes(&args), "generator", &folder.join("model.safetensors"));
}
