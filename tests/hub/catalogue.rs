//! The catalogue against what is known of the released models.

use serde_json::Value;
use softscope::hub::{CATALOGUE, ModelId};
use softscope::tokenizer::ModelClass;
use std::collections::BTreeSet;
use std::path::Path;

/// `None`, said aloud, where the goldens are not at hand.
fn golden(name: &str) -> Option<Value> {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/goldens")).join(name);
    let Ok(text) = std::fs::read(&path) else {
        eprintln!(
            "SKIPPED: {} is not here, nothing was compared with it",
            path.display()
        );
        return None;
    };
    Some(serde_json::from_slice(&text).unwrap())
}

#[test]
fn ids_are_ids_and_come_once() {
    let generators = CATALOGUE
        .iter()
        .flat_map(|entry| entry.generators.iter().map(|generator| generator.id));
    let ids: Vec<&str> = CATALOGUE.iter().map(|entry| entry.id).chain(generators).collect();
    assert_eq!(ids.len(), 22);
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
    for id in &ids {
        assert_eq!(id.parse::<ModelId>().unwrap().to_string(), **id);
    }
    for entry in &CATALOGUE {
        assert_eq!(entry.class == ModelClass::Ae, entry.id.starts_with("MAETok/"));
        let name = entry.id.split_once('/').unwrap().1;
        for generator in entry.generators {
            assert!(generator.id.ends_with(&format!("-xl_{name}")), "{}", generator.id);
        }
    }
}

#[test]
fn sizes_are_those_of_the_configurations() {
    let Some(released) = golden("released_configs.json") else {
        return;
    };
    let tokenizers = released["tokenizers"].as_object().unwrap();
    assert_eq!(tokenizers.len(), CATALOGUE.len());
    for entry in &CATALOGUE {
        let config = &tokenizers[entry.id];
        assert_eq!(config["image_size"], entry.image_size, "{}", entry.id);
        assert_eq!(config["num_latent_tokens"], entry.token_count, "{}", entry.id);
        assert_eq!(config["codebook_embed_dim"], entry.token_dim, "{}", entry.id);
        for generator in entry.generators {
            let kind = if generator.architecture == "SiT-XL" {
                "sit"
            } else {
                "dit"
            };
            let config = &released[kind][generator.id];
            assert_eq!(config["input_size"], entry.token_count, "{}", generator.id);
            assert_eq!(config["in_channels"], entry.token_dim, "{}", generator.id);
            assert_eq!(
                generator_parameters(config),
                generator.parameter_count,
                "{}",
                generator.id
            );
        }
    }
}

/// Weights of a SiT or DiT over one-dimensional tokens.
fn generator_parameters(config: &Value) -> u64 {
    let number = |key: &str| config[key].as_u64().unwrap();
    let (width, channels) = (number("hidden_size"), number("in_channels"));
    let linear = |inputs: u64, outputs: u64| inputs * outputs + outputs;
    let outputs = if config["learn_sigma"] == true {
        2 * channels
    } else {
        channels
    };
    let block = linear(width, 3 * width)
        + linear(width, width)
        + linear(width, 4 * width)
        + linear(4 * width, width)
        + linear(width, 6 * width);
    number("input_size") * width
        + linear(channels, width)
        + linear(256, width)
        + linear(width, width)
        + (number("num_classes") + 1) * width
        + number("depth") * block
        + linear(width, 2 * width)
        + linear(width, outputs)
}

/// The number of weights in a list of keys with their shapes, without those that `is_left_out`.
fn counted(keys: &Value, is_left_out: impl Fn(&str) -> bool) -> u64 {
    let keys = keys.as_array().unwrap().iter();
    keys.filter(|key| !is_left_out(key["key"].as_str().unwrap()))
        .map(|key| {
            let shape = key["shape"].as_array().unwrap();
            shape.iter().map(|dim| dim.as_u64().unwrap()).product::<u64>()
        })
        .sum()
}

#[test]
fn the_formula_for_generators_counts_their_keys() {
    for set in ["gen/c1_sit_1d", "gen/c4_dit_1d"] {
        let (Some(keys), Some(config)) = (
            golden(&format!("{set}/keys.json")),
            golden(&format!("{set}/config.json")),
        ) else {
            return;
        };
        assert_eq!(counted(&keys, |_| false), generator_parameters(&config), "{set}");
    }
}

#[test]
fn tokenizers_have_as_many_weights_as_their_state_dicts() {
    for (set, id) in [
        ("b1_softvq_l_64", "SoftVQVAE/softvq-l-64"),
        ("b2_softvq_b_32", "SoftVQVAE/softvq-b-32"),
        ("b3_softvq_bl_64_512", "SoftVQVAE/softvq-bl-64-512"),
        ("b4_maetok_b_128", "MAETok/maetok-b-128"),
    ] {
        let Some(keys) = golden(&format!("full/{set}/keys.json")) else {
            return;
        };
        let entry = CATALOGUE.iter().find(|entry| entry.id == id).unwrap();
        // Present in a state dict, never read at inference.
        let is_unused = |key: &str| {
            key.starts_with("decoder.model.patch_embed.")
                || key.starts_with("decoder.model.norm.adaLN_modulation.")
                || key == "quantize.codebook_used"
                || key.contains(".freqs_t_")
                || (key == "decoder.model.pos_embed" && entry.class == ModelClass::Ae)
        };
        assert_eq!(counted(&keys, is_unused), entry.parameter_count, "{id}");
        assert_eq!(entry.size_bytes(), 4 * entry.parameter_count);
    }
}
