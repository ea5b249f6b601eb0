//! `models check` on generators: what they are and every key that stands in the way, without loading them.

use crate::run;
use crate::support::{Run, Tensors};
use safetensors::tensor::TensorView;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// A generator of the reference collection; `None`, said aloud, where it is not at hand.
fn generator(set: &str) -> Option<PathBuf> {
    let copies = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/goldens"));
    let shared = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/goldens/gen"));
    let found = [copies, shared]
        .map(|folder| folder.join(set))
        .into_iter()
        .find(|folder| folder.is_dir());
    if found.is_none() {
        eprintln!("SKIPPED: the generator {set} is not here, nothing was checked");
    }
    found
}

fn check(folder: &Path) -> Run {
    run!["models", "check", folder]
}

/// Parameters of the state dict, without those of `left_out`.
fn parameters(folder: &Path, left_out: &Value) -> usize {
    let file = Tensors::open(&folder.join("model.safetensors"));
    let left_out: Vec<&str> = left_out
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key.as_str().unwrap())
        .collect();
    let read = file
        .keys()
        .into_iter()
        .filter(|key| !left_out.contains(&key.as_str()));
    read.map(|key| file.shape(&key).iter().product::<usize>()).sum()
}

#[test]
fn a_generator_is_told_as_what_it_is() {
    for (set, class, latent, network) in [
        ("c1_sit_1d", "SiT", [16, 16], "width 64, depth 3, 4 heads"),
        ("c2_sit_1d_qknorm", "SiT", [8, 8], "width 32, depth 2, 4 heads"),
        ("c4_dit_1d", "DiT", [16, 8], "width 48, depth 2, 4 heads"),
    ] {
        let Some(folder) = generator(set) else { continue };
        let found = run!["--json", "models", "check", &folder].json();
        assert_eq!(
            (&found["kind"], &found["loadable"]),
            (&json!("generator"), &json!(true))
        );
        let report = &found["report"];
        assert_eq!((&report["name"], &report["class"]), (&json!(set), &json!(class)));
        assert_eq!(report["latent_shape"], json!(latent));
        assert_eq!(report["num_classes"], 1000);
        assert_eq!(
            report["parameter_count"],
            parameters(&folder, &report["keys"]["unexpected"])
        );
        for absent in ["image_size", "codebook_size", "encoder"] {
            assert_eq!(report[absent], Value::Null, "{absent} is a tokenizer's");
        }

        let text = check(&folder).ok().stdout;
        let tokens = format!("{} of {} values", latent[0], latent[1]);
        for words in [
            "kind        generator",
            class,
            &tokens,
            "classes     1000",
            network,
            "verdict     loads",
        ] {
            assert!(text.contains(words), "{words} in {text}");
        }
        assert!(!text.contains("codebook"), "{text}");
    }
}

/// A copy of a generator without one key, with one cut to half, one beyond the last block and one that nobody reads.
fn damaged(folder: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    std::fs::copy(folder.join("config.json"), copy.path().join("config.json")).unwrap();
    let file = Tensors::open(&folder.join("model.safetensors"));
    let mut kept: Vec<_> = file.keys().into_iter().map(|key| (file.raw(&key), key)).collect();
    kept.retain(|(_, key)| key != MISSING);
    let mut more = Vec::new();
    for ((dtype, shape, data), key) in &mut kept {
        if key == WRONG {
            shape[0] /= 2;
            data.truncate(data.len() / 2);
            more.push(((*dtype, shape.clone(), data.clone()), SURPLUS.to_owned()));
            more.push(((*dtype, shape.clone(), data.clone()), UNREAD.to_owned()));
        }
    }
    kept.extend(more);
    let views = kept
        .iter()
        .map(|((dtype, shape, data), key)| (key, TensorView::new(*dtype, shape.clone(), data).unwrap()));
    let path = copy.path().join("model.safetensors");
    std::fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
    copy
}

const MISSING: &str = "blocks.1.mlp.fc1.weight";
const WRONG: &str = "t_embedder.mlp.0.bias";
const SURPLUS: &str = "blocks.9.attn.proj.bias";
const UNREAD: &str = "training_aid.bias";

#[test]
fn every_key_that_stands_in_a_generators_way_is_told() {
    for set in ["c1_sit_1d", "c2_sit_1d_qknorm", "c4_dit_1d"] {
        let Some(folder) = generator(set) else { continue };
        let copy = damaged(&folder);
        let run = check(copy.path());
        assert_eq!(run.code, Some(1), "{}", run.stdout);
        for words in [
            "missing keys (1)",
            MISSING,
            WRONG,
            "expected",
            SURPLUS,
            UNREAD,
            "ignored",
            "does not load",
        ] {
            assert!(run.stdout.contains(words), "{words} in {}", run.stdout);
        }
        assert!(run.stderr.starts_with("softscope: the model"), "{}", run.stderr);
        assert!(run.stderr.contains("1 keys missing"), "{}", run.stderr);

        let run = run!["--json", "models", "check", copy.path()];
        assert_eq!(run.code, Some(1));
        let found: Value = serde_json::from_str(&run.stdout).unwrap();
        let keys = &found["report"]["keys"];
        assert_eq!(
            (&found["kind"], &found["loadable"]),
            (&json!("generator"), &json!(false))
        );
        assert_eq!(
            (&keys["missing"], &keys["surplus"]),
            (&json!([MISSING]), &json!([SURPLUS]))
        );
        assert_eq!(keys["wrong"][0]["key"], WRONG);
        assert!(keys["unexpected"].as_array().unwrap().contains(&json!(UNREAD)));
    }
}

#[test]
fn a_generators_impossible_configuration_is_told() {
    let Some(folder) = generator("c2_sit_1d_qknorm") else {
        return;
    };
    let copy = damaged(&folder);
    let config = copy.path().join("config.json");
    let mut changed: Value = serde_json::from_slice(&std::fs::read(&config).unwrap()).unwrap();
    changed["num_heads"] = json!(5);
    std::fs::write(&config, changed.to_string()).unwrap();
    check(copy.path()).fails(1, &["config.json", "num_heads"]);
}
