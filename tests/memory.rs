//! What a load takes in memory.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unreachable)] // a test stops at the first surprise

mod support;

use candle_core::{DType, Device};
use softscope::tokenizer::{ModelFiles, Tokenizer};
use support::formula::{Recipe, write_safetensors};
use support::memory::{peak_bytes, reset_peak};

/// Tell the measuring process what to load.
const FOLDER: &str = "SOFTSCOPE_TEST_FOLDER";
const PRECISION: &str = "SOFTSCOPE_TEST_PRECISION";

const WIDTH: usize = 512;
const DEPTH: usize = 6;

fn vit(prefix: &str, list: &mut Vec<Recipe>) {
    let mut add = |key: String, shape: &[usize]| list.push(Recipe::new(&key, shape, 0.0, 0.05));
    add(format!("{prefix}.latent_pos_embed"), &[1, 32, WIDTH]);
    add(format!("{prefix}.model.cls_token"), &[1, 1, WIDTH]);
    add(format!("{prefix}.model.pos_embed"), &[1, 65, WIDTH]);
    add(format!("{prefix}.model.norm.weight"), &[WIDTH]);
    add(format!("{prefix}.model.norm.bias"), &[WIDTH]);
    for index in 0..DEPTH {
        let block = format!("{prefix}.model.blocks.{index}");
        for vector in [
            "norm1.weight",
            "norm1.bias",
            "norm2.weight",
            "norm2.bias",
            "ls1.gamma",
            "ls2.gamma",
        ] {
            add(format!("{block}.{vector}"), &[WIDTH]);
        }
        for (layer, rows, columns) in [
            ("attn.qkv", 3 * WIDTH, WIDTH),
            ("attn.proj", WIDTH, WIDTH),
            ("mlp.fc1", 4 * WIDTH, WIDTH),
            ("mlp.fc2", WIDTH, 4 * WIDTH),
        ] {
            add(format!("{block}.{layer}.weight"), &[rows, columns]);
            add(format!("{block}.{layer}.bias"), &[rows]);
        }
    }
}

fn recipes() -> Vec<Recipe> {
    let mut list = Vec::new();
    vit("encoder", &mut list);
    vit("decoder", &mut list);
    for (key, shape) in [
        ("encoder.latent_tokens", &[1, 32, WIDTH][..]),
        ("encoder.model.patch_embed.proj.weight", &[WIDTH, 3, 16, 16]),
        ("encoder.model.patch_embed.proj.bias", &[WIDTH]),
        ("quant_conv.weight", &[32, WIDTH]),
        ("quant_conv.bias", &[32]),
        ("quantize.embedding", &[1, 1024, 32]),
        ("post_quant_conv.weight", &[WIDTH, 32]),
        ("post_quant_conv.bias", &[WIDTH]),
        ("decoder.mask_token", &[1, 1, WIDTH]),
        ("decoder.to_pixel.model.weight", &[768, WIDTH]),
        ("decoder.to_pixel.model.bias", &[768]),
    ] {
        list.push(Recipe::new(key, shape, 0.0, 0.05));
    }
    list
}

fn write_model(folder: &std::path::Path) {
    let name = "vit_small_patch14_dinov2.lvd142m";
    let config = serde_json::json!({
        "image_size": 128, "enc_type": "vit", "dec_type": "vit",
        "encoder_model": name, "decoder_model": name,
        "num_latent_tokens": 32, "codebook_size": 1024, "codebook_embed_dim": 32,
        "vit_overrides": {name: {"embed_dim": WIDTH, "depth": DEPTH, "num_heads": WIDTH / 64}},
    });
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
    write_safetensors(&recipes(), "memory", &folder.join("model.safetensors"));
}

/// The contract's figure: a load peaks under 1.2 times the weights' size, in the precision that runs. Each precision
/// is measured in a process of its own, for memory that a process has freed hides what it takes next.
#[test]
fn a_load_keeps_one_copy_of_the_weights() {
    let folder = tempfile::tempdir().unwrap();
    write_model(folder.path());
    for precision in ["f32", "bf16"] {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "measured_load", "--ignored", "--nocapture"])
            .env(FOLDER, folder.path())
            .env(PRECISION, precision)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        print!("{text}");
        assert!(
            output.status.success(),
            "{precision}: {text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[test]
#[ignore = "run by the test above, in a process of its own"]
fn measured_load() {
    let (Ok(folder), Ok(precision)) = (std::env::var(FOLDER), std::env::var(PRECISION)) else {
        return;
    };
    let files = ModelFiles::locate(folder.as_ref()).unwrap();
    let stored = std::fs::metadata(&files.weights).unwrap().len();
    assert!(stored > 100_000_000, "too small to measure");
    let (dtype, size) = if precision == "bf16" {
        (DType::BF16, stored / 2)
    } else {
        (DType::F32, stored)
    };
    let Some(before) = reset_peak() else {
        eprintln!("SKIPPED: this system does not tell a process's peak memory");
        return;
    };
    let tokenizer = Tokenizer::load(&files, &Device::Cpu, dtype, &mut |_, _| true).unwrap();
    let ratio = peak_bytes().unwrap().saturating_sub(before) as f64 / size as f64;
    println!("{precision}: the load's peak is {ratio:.3} of the weights");
    assert!(
        ratio > 0.9,
        "{precision}: {ratio} of the weights cannot be all of them"
    );
    assert!(
        ratio < 1.2,
        "{precision}: the load's peak is {ratio} of the weights"
    );
    drop(tokenizer);
}
