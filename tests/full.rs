//! Models of real size with formula weights, at the contract's figures, on the device that `SOFTSCOPE_TEST_DEVICE` names.
//! They take memory and minutes, so they run only when asked for: `cargo nextest run --release --profile full`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unreachable)] // a test stops at the first surprise

mod support;

use candle_core::{DType, IndexOp, Tensor};
use softscope::engine::{GeneratorRunner, NoControl, RunOptions};
use softscope::generator::{Noise, Settings, Start};
use softscope::tokenizer::{ModelFiles, NoHook, PassHook, Posterior, Stage, Tokenizer, TokenizerError};
use std::collections::HashMap;
use std::time::Instant;
use support::chosen::{choice, device};
use support::formula::{key_hash, read_recipes, unit, write_safetensors};
use support::generator;
use support::memory::{peak_bytes, reset_peak};
use support::{Golden, decode, differing_bytes, load_on, on_cpu, recon_bytes, relative_rms, shared, values};

const TOKENS: f64 = 2e-4;
const DEC: f64 = 5e-4;
const DIFFERING_BYTES: f64 = 0.005;
/// Statistics of a stage, relative to its standard deviation.
const STAGE: f64 = 5e-4;
const CLEAR_MARGIN: f64 = 1e-4;

#[test]
fn formula_matches_its_test_vectors() {
    let Some(path) = shared("goldens/formula_test_vectors.json") else {
        return;
    };
    let vectors: Vec<serde_json::Value> =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert!(!vectors.is_empty());
    for vector in vectors {
        let hash = key_hash(vector["salt"].as_str().unwrap(), vector["key"].as_str().unwrap());
        assert_eq!(format!("{hash:016x}"), vector["fnv1a64"].as_str().unwrap());
        let u = unit(hash, vector["index"].as_u64().unwrap());
        // serde_json may read a number one unit in the last place off.
        assert!((u - vector["u"].as_f64().unwrap()).abs() <= f64::EPSILON);
        assert_eq!(
            (2.0 * u - 1.0) as f32,
            vector["f32_offset0_amp1"].as_f64().unwrap() as f32
        );
    }
}

/// Keeps what the full sets store of each block: mean, standard deviation, some tokens of the first picture.
#[derive(Default)]
struct BlockFigures {
    means: HashMap<&'static str, Vec<f64>>,
    deviations: HashMap<&'static str, Vec<f64>>,
    first_block: HashMap<&'static str, Tensor>,
    last_block: HashMap<&'static str, Tensor>,
}

impl PassHook for BlockFigures {
    fn after(&mut self, stage: Stage, output: &Tensor) -> Result<(), TokenizerError> {
        let (side, index) = match stage {
            Stage::EncoderBlock(index) => ("enc", index),
            Stage::DecoderBlock(index) => ("dec", index),
            _ => return Ok(()),
        };
        let all = values(output);
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        let variance = all.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (all.len() - 1) as f64;
        self.means.entry(side).or_default().push(mean);
        self.deviations.entry(side).or_default().push(variance.sqrt());
        let first_picture = output.i(0)?.contiguous()?;
        if index == 0 {
            self.first_block.insert(side, first_picture.clone());
        }
        self.last_block.insert(side, first_picture);
        Ok(())
    }
}

impl BlockFigures {
    fn check(&self, golden: &Golden, side: &'static str) {
        let expected_deviations = values(golden.get(&format!("stage.{side}.block_std")));
        let expected_means = values(golden.get(&format!("stage.{side}.block_mean")));
        assert_eq!(self.means[side].len(), expected_means.len());
        for (index, deviation) in expected_deviations.iter().enumerate() {
            let mean_error = (self.means[side][index] - expected_means[index]).abs() / deviation;
            let deviation_error = (self.deviations[side][index] - deviation).abs() / deviation;
            assert!(
                mean_error < STAGE && deviation_error < STAGE,
                "{side} block {index}: mean off by {mean_error}, deviation by {deviation_error}"
            );
        }
        let row = |picture: &Tensor, at: usize| picture.narrow(0, at, 1).unwrap();
        let (first, last) = (&self.first_block[side], &self.last_block[side]);
        let end = first.dim(0).unwrap() - 1;
        for (name, found) in [
            ("block0_last_token", row(first, end)),
            ("block_last_last_token", row(last, end)),
            ("block_last_first_token", row(last, 0)),
        ] {
            let error = relative_rms(&found, golden.get(&format!("stage.{side}.{name}")));
            assert!(error < STAGE, "{side} {name}: off by {error:e}");
        }
    }
}

fn check(name: &str) {
    let Some(golden) = Golden::full(name) else { return };
    let recipes = read_recipes(&golden.folder);
    let folder = tempfile::tempdir().unwrap();
    let files = ModelFiles {
        weights: folder.path().join("model.safetensors"),
        ..golden.files.clone()
    };
    write_safetensors(&recipes, name, &files.weights);
    let tokenizer = load_within_memory(&files);

    let mut figures = BlockFigures::default();
    let encoding = tokenizer.encode(&golden.x(), &mut figures).unwrap();
    figures.check(&golden, "enc");
    let dec = on_cpu(&tokenizer.decode(golden.get("z"), &mut figures).unwrap());
    figures.check(&golden, "dec");

    for (what, found) in [("h", &encoding.h), ("z", &encoding.z)] {
        let error = relative_rms(found, golden.get(what));
        println!("{name} {what}: relative RMS {error:e}");
        assert!(error < TOKENS, "{what}: relative RMS {error:e}");
    }
    match &encoding.posterior {
        Posterior::Mixture { weights } => check_top_weights(&golden, weights),
        Posterior::Point => assert_eq!(values(&encoding.h), values(&encoding.z)),
        other => panic!("no full-size set has {other:?}"),
    }

    let first = dec.i(0..1).unwrap();
    let error = relative_rms(&first, golden.get("dec"));
    println!("{name} dec: relative RMS {error:e}");
    assert!(error < DEC, "dec: relative RMS {error:e}");
    let share = differing_bytes(&recon_bytes(&first), golden.get("u8_recon"));
    println!("{name}: {share} of the bytes differ");
    assert!(share < DIFFERING_BYTES, "{share} of the bytes differ");
    check_reconstruction_error(&golden, &dec);
    check_edits(&golden, &tokenizer);
}

fn check_top_weights(golden: &Golden, weights: &Tensor) {
    let (expected_top, expected_index) = (
        golden.get("softvq.top8_prob"),
        golden.get("softvq.top8_index").to_dtype(DType::U32).unwrap(),
    );
    let weights = on_cpu(weights);
    let found = weights
        .contiguous()
        .unwrap()
        .gather(&expected_index.contiguous().unwrap(), 2)
        .unwrap();
    let error = relative_rms(&found, expected_top);
    assert!(error < TOKENS, "top weights: relative RMS {error:e}");
    let argmax: Vec<u32> = weights
        .argmax(2)
        .unwrap()
        .flatten_all()
        .unwrap()
        .to_vec1()
        .unwrap();
    let (top, index) = (values(expected_top), values(&expected_index));
    let mut compared = 0;
    for (token, found) in argmax.iter().enumerate() {
        if top[8 * token] - top[8 * token + 1] > CLEAR_MARGIN {
            assert_eq!(f64::from(*found), index[8 * token], "arg-max of token {token}");
            compared += 1;
        }
    }
    assert!(
        compared > argmax.len() / 2,
        "hardly any token had a clear arg-max"
    );
}

fn check_reconstruction_error(golden: &Golden, dec: &Tensor) {
    let x = golden.x();
    for (index, expected) in values(golden.get("recon_mse")).into_iter().enumerate() {
        let difference = (dec.i(index).unwrap() - x.i(index).unwrap()).unwrap();
        let found = values(&difference.sqr().unwrap().mean_all().unwrap())[0];
        assert!(
            (found - expected).abs() < DEC * expected,
            "MSE of picture {index}: {found}, expected {expected}"
        );
    }
}

fn check_edits(golden: &Golden, tokenizer: &Tokenizer) {
    let z = golden.get("z");
    let first = z.i(0..1).unwrap();
    let rows: Vec<Tensor> = (0..z.dim(1).unwrap())
        .map(|at| {
            first
                .narrow(
                    1,
                    [at, 20, 3][usize::from(at == 3) + 2 * usize::from(at == 20)],
                    1,
                )
                .unwrap()
        })
        .collect();
    let swapped = on_cpu(&decode(tokenizer, &Tensor::cat(&rows, 1).unwrap()));
    let change = (swapped - golden.get("dec")).unwrap();
    let found = values(&change.sqr().unwrap().mean_all().unwrap())[0].sqrt();
    let expected = values(golden.get("edit.swap_3_20.delta_rms"))[0];
    assert!(
        (found - expected).abs() < 2e-3 * expected,
        "change by the swap: {found}, expected {expected}"
    );

    let Some(expected) = golden.io.get("edit.lerp_0.3.u8_recon") else {
        return;
    };
    let second = z.i(1..2).unwrap();
    let mixed = ((first * 0.7).unwrap() + (second * 0.3).unwrap()).unwrap();
    let dec = decode(tokenizer, &mixed);
    assert!(differing_bytes(&recon_bytes(&dec), expected) < DIFFERING_BYTES);
    let all = values(&dec);
    let mean = all.iter().sum::<f64>() / all.len() as f64;
    assert!((mean - values(golden.get("edit.lerp_0.3.mean"))[0]).abs() < DEC);
}

/// Loads a model and checks that no more than 1.2 times its weights were resident at any moment.
fn load_within_memory(files: &ModelFiles) -> Tokenizer {
    let weights = std::fs::metadata(&files.weights).unwrap().len();
    // Starting it is no part of the load.
    let device = device();
    let before = reset_peak();
    let tokenizer = load_on(files, &device, DType::F32);
    if let Some(before) = before {
        let added = peak_bytes().unwrap().saturating_sub(before);
        let ratio = added as f64 / weights as f64;
        println!("{}: the load's peak is {ratio:.3} of the weights", files.name);
        assert!(ratio < 1.2, "the load's peak is {ratio} of the weights");
    }
    tokenizer
}

#[test]
#[cfg_attr(
    debug_assertions,
    ignore = "full size: cargo nextest run --release --profile full"
)]
fn b1_softvq_l_64() {
    check("b1_softvq_l_64");
}

#[test]
#[cfg_attr(
    debug_assertions,
    ignore = "full size: cargo nextest run --release --profile full"
)]
fn b2_softvq_b_32() {
    check("b2_softvq_b_32");
}

#[test]
#[cfg_attr(
    debug_assertions,
    ignore = "full size: cargo nextest run --release --profile full"
)]
fn b3_softvq_bl_64_512() {
    check("b3_softvq_bl_64_512");
}

#[test]
#[cfg_attr(
    debug_assertions,
    ignore = "full size: cargo nextest run --release --profile full"
)]
fn b4_maetok_b_128() {
    check("b4_maetok_b_128");
}

/// PSNR of 8-bit pictures that bf16 must reach against f32, and 8 bits for a preview.
const BF16_DB: f64 = 45.0;
const PREVIEW_DB: f64 = 38.0;

/// Holds less exact decodes of a set against its f32 ones.
fn check_formats(name: &str) {
    let Some(golden) = Golden::full(name) else { return };
    let folder = tempfile::tempdir().unwrap();
    let files = ModelFiles {
        weights: folder.path().join("model.safetensors"),
        ..golden.files.clone()
    };
    write_safetensors(&read_recipes(&golden.folder), name, &files.weights);
    let z = golden.get("z").i(0..1).unwrap();
    let expected: Vec<u8> = golden.get("u8_recon").flatten_all().unwrap().to_vec1().unwrap();
    let psnr = |dec: Tensor| support::psnr(&recon_bytes(&dec), &expected);
    for dtype in [DType::BF16, DType::F32] {
        let tokenizer = load_on(&files, &device(), dtype);
        let exact = psnr(tokenizer.decode(&z, &mut NoHook).unwrap());
        let preview = psnr(tokenizer.decode_preview(&z, &mut NoHook).unwrap());
        println!("{name} in {dtype:?}: PSNR {exact:.1} dB, preview {preview:.1} dB");
        assert!(dtype == DType::F32 || exact >= BF16_DB, "PSNR {exact}");
        assert!(preview >= PREVIEW_DB, "PSNR {preview} of the preview");
    }
}

#[test]
#[cfg_attr(
    debug_assertions,
    ignore = "full size: cargo nextest run --release --profile full"
)]
fn b1_in_less_exact_formats_is_close() {
    check_formats("b1_softvq_l_64");
}

#[test]
#[cfg_attr(
    debug_assertions,
    ignore = "full size: cargo nextest run --release --profile full"
)]
fn b2_in_less_exact_formats_is_close() {
    check_formats("b2_softvq_b_32");
}

#[test]
#[cfg_attr(
    debug_assertions,
    ignore = "full size: cargo nextest run --release --profile full"
)]
fn b4_in_less_exact_formats_is_close() {
    check_formats("b4_maetok_b_128");
}

/// SiT-XL as published for softvq-l-64, weights by formula: one guided step of a picture, and what it takes.
#[test]
#[cfg_attr(
    debug_assertions,
    ignore = "full size: cargo nextest run --release --profile full"
)]
fn a_sit_xl_step() {
    let folder = tempfile::tempdir().unwrap();
    let config = generator::config(
        64,
        32,
        &serde_json::json!({
            "hidden_size": 1152, "depth": 28, "num_heads": 16, "num_classes": 1000, "class_names": null,
        }),
    );
    generator::write(folder.path(), &config);
    let files = ModelFiles::locate(folder.path()).unwrap();
    let weights_bytes = std::fs::metadata(&files.weights).unwrap().len();

    let resting_bytes = reset_peak();
    let started = Instant::now();
    let options = RunOptions {
        device: choice(),
        ..RunOptions::default()
    };
    let runner = GeneratorRunner::open(&files, &options, &NoControl).unwrap();
    let load_s = started.elapsed().as_secs_f64();
    let loaded_peak = peak_bytes();
    let mut settings = Settings::of(runner.info().class);
    settings.steps = 4;
    settings.guidance.scale = 1.5;
    let start = Start {
        labels: vec![207],
        noise: Noise::Seeds(vec![1]),
        original: None,
    };
    let mut sampler = runner.sampler(settings, start).unwrap();
    let mut steps_ms = Vec::new();
    while !sampler.is_finished() {
        let started = Instant::now();
        runner.step(&mut sampler, &NoControl).unwrap();
        steps_ms.push(started.elapsed().as_secs_f64() * 1e3);
    }
    assert!(sampler.state().iter().all(|value| value.is_finite()));
    assert_eq!(sampler.state().len(), 64 * 32);
    let parameters = runner.info().parameter_count;
    println!(
        "SiT-XL: {parameters} parameters, loaded in {load_s:.1} s; guided steps of one picture in {steps_ms:.0?} ms"
    );
    if let (Some(resting), Some(loaded), Some(peak)) = (resting_bytes, loaded_peak, peak_bytes()) {
        let mib = |bytes: u64| bytes.saturating_sub(resting) >> 20;
        println!(
            "SiT-XL: {} MiB of weights; peak {} MiB while loading, {} MiB with the steps",
            weights_bytes >> 20,
            mib(loaded),
            mib(peak)
        );
        assert!((loaded - resting) as f64 <= 1.2 * weights_bytes as f64);
    }
}
