//! Checkpoint files as people have them: other containers, wrappers, damage. Every message is checked.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unreachable)] // a test stops at the first surprise

mod support;

use candle_core::{DType, Device, Tensor};
use serde_json::{Value, json};
use softscope::tokenizer::{ModelArgs, ModelClass, ModelFiles, Tokenizer, TokenizerError, check};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use support::pickle::{self, Nesting};
use support::{Golden, assert_close, decode};

const SET: &str = "a3_softvq_nol2";

/// A model folder that a test may damage.
struct Folder {
    golden: Golden,
    directory: tempfile::TempDir,
}

impl Folder {
    fn new() -> Self {
        let golden = Golden::tiny(SET).unwrap();
        let directory = tempfile::tempdir().unwrap();
        std::fs::copy(&golden.files.config, directory.path().join("config.json")).unwrap();
        Self { golden, directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, tensors: &HashMap<String, Tensor>) -> ModelFiles {
        candle_core::safetensors::save(tensors, self.path("model.safetensors")).unwrap();
        self.files("model.safetensors")
    }

    fn files(&self, weights: &str) -> ModelFiles {
        ModelFiles {
            name: "test".to_owned(),
            config: self.path("config.json"),
            weights: self.path(weights),
        }
    }

    fn change_config(&self, key: &str, value: Value) {
        let path = self.path("config.json");
        let mut config: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        config[key] = value;
        std::fs::write(path, config.to_string()).unwrap();
    }
}

fn load(files: &ModelFiles) -> Result<Tokenizer, TokenizerError> {
    Tokenizer::load(files, &Device::Cpu, DType::F32, &mut |_, _| true)
}

/// The message of a failing load, with the test's own folder taken out.
#[track_caller]
fn message(files: &ModelFiles) -> String {
    let text = load(files).expect_err("the load went through").to_string();
    let folder = files.weights.parent().unwrap().display().to_string();
    text.replace(&format!("{folder}/"), "")
}

#[track_caller]
fn assert_same_model(folder: &Folder, files: &ModelFiles) {
    let tokenizer = load(files).unwrap();
    let found = decode(&tokenizer, folder.golden.get("z"));
    assert_close("dec", &found, folder.golden.get("dec"), 5e-5);
    assert_eq!(tokenizer.hash(), folder.golden.load().hash());
}

#[test]
fn every_missing_and_wrong_key_is_listed_in_one_error() {
    let folder = Folder::new();
    let mut tensors = folder.golden.weights();
    tensors.remove("encoder.latent_tokens").unwrap();
    tensors.remove("decoder.model.blocks.1.mlp.fc2.bias").unwrap();
    let wrong = Tensor::zeros((4, 32), DType::F32, &Device::Cpu).unwrap();
    tensors.insert("quant_conv.weight".to_owned(), wrong);
    let integers = Tensor::zeros(32, DType::U8, &Device::Cpu).unwrap();
    tensors.insert("encoder.model.norm.bias".to_owned(), integers);
    let surplus = Tensor::zeros(32, DType::F32, &Device::Cpu).unwrap();
    tensors.insert("encoder.model.blocks.2.norm1.weight".to_owned(), surplus.clone());
    tensors.insert("left_over".to_owned(), surplus);
    let files = folder.write(&tensors);
    assert_eq!(
        message(&files),
        "model.safetensors does not fit its configuration:\n  \
         missing: encoder.latent_tokens\n  \
         missing: decoder.model.blocks.1.mlp.fc2.bias\n  \
         wrong shape: quant_conv.weight: expected [8, 32], found [4, 32]\n  \
         wrong type: encoder.model.norm.bias: expected floating-point numbers\n  \
         not in the configured model: encoder.model.blocks.2.norm1.weight\n\
         Use the config.json that belongs to this checkpoint"
    );
    let report = check(&files).unwrap();
    assert!(!report.is_loadable());
    assert_eq!(
        report.keys.missing,
        ["encoder.latent_tokens", "decoder.model.blocks.1.mlp.fc2.bias"]
    );
    assert_eq!(report.keys.wrong[0].expected, [8, 32]);
    assert_eq!(report.keys.wrong[0].found, [4, 32]);
    assert_eq!(report.keys.unexpected, ["left_over"]);
}

#[test]
fn what_the_reference_adds_or_leaves_out_is_tolerated() {
    let folder = Folder::new();
    let mut tensors = folder.golden.weights();
    let extra = Tensor::zeros(3, DType::F32, &Device::Cpu).unwrap();
    for key in [
        "repa_model.blocks.0.norm1.weight",
        "projection.0.bias",
        "encoder.mask_token",
        "left_over",
    ] {
        tensors.insert(key.to_owned(), extra.clone());
    }
    let usage = Tensor::zeros((2, 65536), DType::F32, &Device::Cpu).unwrap();
    tensors.insert("quantize.codebook_used".to_owned(), usage);
    tensors.remove("decoder.model.patch_embed.proj.weight");
    tensors.remove("decoder.model.patch_embed.proj.bias");
    let files = folder.write(&tensors);
    assert_same_model(&folder, &files);
    let report = check(&files).unwrap();
    assert!(report.is_loadable());
    assert_eq!(report.keys.unexpected, ["left_over"]);
}

#[test]
fn a_report_tells_class_and_sizes() {
    let golden = Golden::tiny(SET).unwrap();
    let report = check(&golden.files).unwrap();
    assert_eq!(report.class, ModelClass::SoftVq);
    assert_eq!(
        (
            report.image_size,
            report.num_latent_tokens,
            report.codebook_embed_dim
        ),
        (32, 8, 8)
    );
    assert_eq!((report.num_codebooks, report.codebook_size), (2, 32));
    assert_eq!(report.encoder.unwrap().embed_dim, 32);
    let tokenizer = golden.load();
    assert_eq!(report.parameter_count, tokenizer.parameter_count());
    assert_eq!(report.weight_bytes, 4 * tokenizer.parameter_count() as u64);
    assert_eq!(report.keys, Default::default());
}

/// Every class is told from its state dict, and its keys are known: none is missing, surplus or unexpected.
#[test]
fn all_classes_are_told_apart_and_load() {
    for (set, class, codebook) in [
        ("a4_kl16_vit", ModelClass::Kl, (0, 0)),
        ("a5_vq16_vit", ModelClass::Vq, (1, 128)),
        ("a5b_vq16_nol2", ModelClass::Vq, (1, 64)),
        ("a6_maetok", ModelClass::Ae, (0, 0)),
        ("a6b_ae_rope_plain", ModelClass::Ae, (0, 0)),
        ("a6c_ae_movq_ape", ModelClass::Ae, (0, 0)),
        ("a7_maetok_512", ModelClass::Ae, (0, 0)),
    ] {
        let Some(golden) = Golden::tiny(set) else { continue };
        let report = check(&golden.files).unwrap();
        assert_eq!(report.class, class, "{set}");
        assert_eq!((report.num_codebooks, report.codebook_size), codebook, "{set}");
        assert!(report.is_loadable(), "{set}: {report:?}");
        assert_eq!(report.keys, Default::default(), "{set}");
        assert_eq!(report.parameter_count, golden.load().parameter_count(), "{set}");
    }
}

/// What fails in the reference itself is refused by name, by the check and by the load.
#[test]
fn what_the_reference_cannot_run_is_refused_by_name() {
    let movq = "vit_base_patch14_dinov2_movqv2";
    for (set, changes, said) in [
        (SET, json!({"use_rope": true}), "axial rotary"),
        (SET, json!({"use_ape": false}), "without positions"),
        (SET, json!({"dec_cls_token": false}), "no class token"),
        (SET, json!({"enc_type": "cnn"}), "`enc_type` is \"cnn\""),
        (SET, json!({"dec_type": "cnn"}), "`dec_type` is \"cnn\""),
        (SET, json!({"to_pixel": "siren"}), "pixel head \"siren\""),
        (
            "a4_kl16_vit",
            json!({"decoder_model": movq}),
            "class KL with an adaptive-norm",
        ),
        ("c2_sit_1d_qknorm", json!({}), "generator"),
    ] {
        let Some(golden) = Golden::tiny(set) else { continue };
        let folder = tempfile::tempdir().unwrap();
        let mut config: Value =
            serde_json::from_str(&std::fs::read_to_string(&golden.files.config).unwrap()).unwrap();
        config
            .as_object_mut()
            .unwrap()
            .extend(changes.as_object().unwrap().clone());
        let files = ModelFiles {
            config: folder.path().join("config.json"),
            ..golden.files.clone()
        };
        std::fs::write(&files.config, config.to_string()).unwrap();
        let report = check(&files).unwrap();
        assert!(!report.is_loadable());
        let message = load(&files).unwrap_err().to_string();
        assert!(message.contains("this model cannot be run: "), "{message}");
        assert!(message.contains(said), "{said}: {message}");
        assert!(message.contains(&report.unsupported.join("; ")), "{message}");
    }
}

#[test]
fn wrapper_prefixes_and_sections_are_found_in_safetensors() {
    let folder = Folder::new();
    let weights = folder.golden.weights();
    for prefix in [
        "_orig_mod.",
        "module.",
        "module._orig_mod.",
        "model.",
        "ema._orig_mod.",
        "_orig_mod.state_dict.",
    ] {
        let prefixed = weights
            .iter()
            .map(|(key, tensor)| (format!("{prefix}{key}"), tensor.clone()))
            .collect();
        assert_same_model(&folder, &folder.write(&prefixed));
    }
}

#[test]
fn averaged_weights_are_preferred() {
    let folder = Folder::new();
    let mut tensors = HashMap::new();
    for (key, tensor) in folder.golden.weights() {
        tensors.insert(format!("model.{key}"), tensor.zeros_like().unwrap());
        tensors.insert(format!("ema.{key}"), tensor);
    }
    let files = folder.write(&tensors);
    assert_same_model(&folder, &files);
    assert_eq!(check(&files).unwrap().section.as_deref(), Some("ema"));
}

#[test]
fn pytorch_files_hold_the_same_model() {
    let folder = Folder::new();
    let weights = folder.golden.weights();
    for (name, nesting) in [
        ("plain.pt", Nesting::Root),
        ("model.pth", Nesting::Under("model")),
        ("ema.bin", Nesting::Under("ema")),
        ("wrapped.pt", Nesting::Wrapped("model", "module._orig_mod.")),
    ] {
        pickle::write(&folder.path(name), &weights, nesting);
        assert_same_model(&folder, &folder.files(name));
    }
}

#[test]
fn transposed_storage_in_a_pytorch_file_is_put_in_order() {
    let folder = Folder::new();
    let weights = folder.golden.weights();
    pickle::write_transposed(&folder.path("strided.pt"), &weights);
    let tokenizer = load(&folder.files("strided.pt")).unwrap();
    assert_close(
        "dec",
        &decode(&tokenizer, folder.golden.get("z")),
        folder.golden.get("dec"),
        5e-5,
    );
}

#[test]
fn other_number_types_are_read() {
    let folder = Folder::new();
    for (dtype, tolerance) in [(DType::F64, 5e-5), (DType::F16, 0.05), (DType::BF16, 0.3)] {
        let weights = folder.golden.weights();
        let converted = weights
            .iter()
            .map(|(key, tensor)| (key.clone(), tensor.to_dtype(dtype).unwrap()))
            .collect();
        let tokenizer = load(&folder.write(&converted)).unwrap();
        assert_close(
            "dec",
            &decode(&tokenizer, folder.golden.get("z")),
            folder.golden.get("dec"),
            tolerance,
        );
    }
}

#[test]
fn values_that_are_not_finite_are_named() {
    let folder = Folder::new();
    for value in [f32::NAN, f32::INFINITY] {
        let mut tensors = folder.golden.weights();
        let mut bias = vec![0.0; 8];
        bias[5] = value;
        tensors.insert(
            "quant_conv.bias".to_owned(),
            Tensor::from_vec(bias, 8, &Device::Cpu).unwrap(),
        );
        assert_eq!(
            message(&folder.write(&tensors)),
            "model.safetensors: `quant_conv.bias` holds a value that is not finite (element 5); \
             the checkpoint is damaged or its training diverged"
        );
    }
}

#[test]
fn a_damaged_safetensors_file_is_refused() {
    let folder = Folder::new();
    let files = folder.write(&folder.golden.weights());
    let whole = std::fs::read(&files.weights).unwrap();
    let header_bytes = u64::from_le_bytes(whole[..8].try_into().unwrap());
    let data_bytes = whole.len() as u64 - 8 - header_bytes;

    let refuse = |bytes: &[u8]| {
        std::fs::write(&files.weights, bytes).unwrap();
        assert!(check(&files).is_err());
        message(&files)
    };
    assert_eq!(
        refuse(&whole[..whole.len() - 100]),
        format!(
            "model.safetensors: its header announces {data_bytes} bytes of weights and {} follow; \
             the file is damaged or not fully downloaded",
            data_bytes - 100
        )
    );
    assert_eq!(
        refuse(&whole[..5]),
        "model.safetensors: the file ends too early; it is damaged or not fully downloaded"
    );
    assert_eq!(
        refuse(&[]),
        "model.safetensors: the file ends too early; it is damaged or not fully downloaded"
    );
    let mut claims_much = whole.clone();
    claims_much[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    assert_eq!(
        refuse(&claims_much),
        format!(
            "model.safetensors: not a safetensors file: it claims a header of {} bytes, {} bytes follow",
            u64::MAX,
            whole.len() - 8
        )
    );
    assert!(refuse(b"<!DOCTYPE html><html>not found</html>").contains("not a safetensors file"));
}

/// Headers that are JSON but lie about shapes and ranges.
#[test]
fn a_lying_header_is_refused_before_anything_is_allocated() {
    let folder = Folder::new();
    let files = folder.files("model.safetensors");
    for header in [
        // far more elements than bytes
        r#"{"a":{"dtype":"F32","shape":[1000000000,1000000000],"data_offsets":[0,16]}}"#,
        // more elements than a machine can count
        r#"{"a":{"dtype":"F32","shape":[18446744073709551615,16],"data_offsets":[0,16]}}"#,
        // a range that ends before it begins
        r#"{"a":{"dtype":"F32","shape":[4],"data_offsets":[16,0]}}"#,
        // two tensors in the same place
        r#"{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"b":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}"#,
        // a gap
        r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}"#,
        // beyond the file
        r#"{"a":{"dtype":"F32","shape":[4000000000],"data_offsets":[0,16000000000]}}"#,
        r#"{"a":{"dtype":"F99","shape":[4],"data_offsets":[0,16]}}"#,
        "[]",
        "{",
    ] {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(&[0; 16]);
        std::fs::write(&files.weights, bytes).unwrap();
        let text = message(&files);
        let is_told = text.contains("safetensors header is not valid") || text.contains("header announces");
        assert!(is_told, "{header}: {text}");
    }
}

#[test]
fn a_damaged_pytorch_file_never_panics() {
    let folder = Folder::new();
    pickle::write(
        &folder.path("model.pt"),
        &folder.golden.weights(),
        Nesting::Under("model"),
    );
    let whole = std::fs::read(folder.path("model.pt")).unwrap();
    let files = folder.files("model.pt");
    // Every byte of the directory and the pickle matters somewhere; a spread of them is turned over.
    for at in (0..whole.len()).step_by(whole.len() / 400) {
        for flip in [0xFF, 0x01, 0x80] {
            let mut damaged = whole.clone();
            damaged[at] ^= flip;
            std::fs::write(&files.weights, &damaged).unwrap();
            let _ = load(&files).map_err(|error| error.to_string());
        }
    }
    for length in [4, 100, whole.len() / 2, whole.len() - 30] {
        std::fs::write(&files.weights, &whole[..length]).unwrap();
        assert!(load(&files).is_err());
    }
    std::fs::write(&files.weights, &whole[..whole.len() / 2]).unwrap();
    assert_eq!(
        message(&files),
        "model.pt: the zip archive has no end; it is damaged or not fully downloaded"
    );
}

#[test]
fn the_old_pytorch_format_is_explained() {
    let folder = Folder::new();
    std::fs::write(folder.path("old.pt"), b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.").unwrap();
    assert_eq!(
        message(&folder.files("old.pt")),
        "old.pt: this is the PyTorch format from before version 1.6; load it in PyTorch and save it again"
    );
}

#[test]
fn progress_counts_every_byte_and_cancels() {
    let golden = Golden::tiny(SET).unwrap();
    let mut calls = Vec::new();
    let tokenizer = Tokenizer::load(&golden.files, &Device::Cpu, DType::F32, &mut |read, total| {
        calls.push((read, total));
        true
    })
    .unwrap();
    let total = 4 * tokenizer.parameter_count() as u64;
    assert!(calls.windows(2).all(|pair| pair[0].0 < pair[1].0));
    assert!(calls.iter().all(|call| call.1 == total));
    assert_eq!(calls.last(), Some(&(total, total)));

    let mut count = 0;
    let result = Tokenizer::load(&golden.files, &Device::Cpu, DType::F32, &mut |_, _| {
        count += 1;
        count < 3
    });
    assert!(matches!(result, Err(TokenizerError::Cancelled)));
    assert_eq!(count, 3);
}

#[test]
fn the_hash_tells_values_apart_and_ignores_what_is_not_used() {
    let folder = Folder::new();
    let mut tensors = folder.golden.weights();
    let own = load(&folder.write(&tensors)).unwrap().hash().to_owned();
    assert_eq!(own.len(), 16);
    tensors.remove("decoder.model.patch_embed.proj.bias");
    assert_eq!(load(&folder.write(&tensors)).unwrap().hash(), own);
    let bias = (&tensors["quant_conv.bias"] + 1e-3).unwrap();
    tensors.insert("quant_conv.bias".to_owned(), bias);
    assert_ne!(load(&folder.write(&tensors)).unwrap().hash(), own);
}

#[test]
fn configurations_keep_unknown_keys_and_fill_in_defaults() {
    let args = ModelArgs::from_json(serde_json::json!({"tau": 1, "new_in_2027": [1, 2], "repa_model": null}))
        .unwrap();
    assert_eq!(args.tau, 1.0);
    assert_eq!(
        (args.image_size, args.codebook_size, args.codebook_embed_dim),
        (256, 16384, 8)
    );
    assert_eq!(args.repa_model, "vit_base_patch16_224");
    assert_eq!(args.extra["new_in_2027"], serde_json::json!([1, 2]));
    let written = args.to_json();
    assert_eq!(written["new_in_2027"], serde_json::json!([1, 2]));
    assert!(written.get("vit_overrides").is_none());
    assert_eq!(ModelArgs::from_json(written).unwrap(), args);
}

#[test]
fn sizes_follow_the_timm_names() {
    let mut args = ModelArgs::default();
    for (name, size) in [
        ("vit_small_patch14_dinov2.lvd142m", (384, 12, 6)),
        ("vit_base_patch14_dinov2.lvd142m", (768, 12, 12)),
        ("vit_large_patch14_dinov2.lvd142m", (1024, 24, 16)),
    ] {
        args.encoder_model = name.to_owned();
        let found = args.encoder_size().unwrap();
        assert_eq!((found.embed_dim, found.depth, found.num_heads), size);
    }
}

#[test]
fn impossible_configurations_name_file_and_key() {
    for (key, value, expected) in [
        (
            "image_size",
            serde_json::json!("big"),
            "`image_size`: invalid type: string \"big\", expected usize",
        ),
        (
            "image_size",
            serde_json::json!(0),
            "`image_size` is 0; it must be from 1 to 1048576",
        ),
        (
            "num_latent_tokens",
            serde_json::json!(7),
            "`num_codebooks` is 2, which does not divide `num_latent_tokens` 7",
        ),
        (
            "enc_patch_size",
            serde_json::json!(7),
            "`enc_patch_size` is 7, which does not divide `image_size` 32",
        ),
        ("tau", serde_json::json!(0), "`tau` is 0; it must be above 0"),
        (
            "vit_overrides",
            serde_json::json!({"x": {"embed_dim": 10, "depth": 1, "num_heads": 4}}),
            "`vit_overrides.x`: `num_heads` 4 does not divide `embed_dim` 10",
        ),
    ] {
        let folder = Folder::new();
        folder.change_config(key, value);
        let files = folder.write(&folder.golden.weights());
        assert_eq!(message(&files), format!("config.json: {expected}"));
    }
    let folder = Folder::new();
    folder.change_config("encoder_model", serde_json::json!("vit_giant_patch14"));
    assert!(
        message(&folder.write(&folder.golden.weights())).contains("`encoder_model` is \"vit_giant_patch14\"")
    );
    std::fs::write(folder.path("config.json"), "{").unwrap();
    assert!(message(&folder.files("model.safetensors")).starts_with("config.json: not valid JSON"));
}

#[test]
fn models_are_found_by_folder_and_by_file() {
    let folder = Folder::new();
    folder.write(&folder.golden.weights());
    let by_folder = ModelFiles::locate(folder.directory.path()).unwrap();
    assert_eq!(by_folder.weights, folder.path("model.safetensors"));
    assert_eq!(by_folder.config, folder.path("config.json"));
    let by_file = ModelFiles::locate(&folder.path("model.safetensors")).unwrap();
    assert_eq!(
        (by_file.name.as_str(), &by_file.config),
        ("model", &by_folder.config)
    );

    let told = |path: &Path| ModelFiles::locate(path).unwrap_err().to_string();
    assert!(told(&folder.path("nothing")).ends_with("there is no such file or folder"));
    assert!(
        told(&folder.path("config.json")).ends_with("a checkpoint is a .safetensors, .pt, .pth or .bin file")
    );
    let empty = tempfile::tempdir().unwrap();
    assert!(told(empty.path()).ends_with("this folder has no model.safetensors (nor a .pt or .bin)"));
    std::fs::remove_file(folder.path("config.json")).unwrap();
    assert!(told(folder.directory.path()).contains("its configuration is missing"));
}
