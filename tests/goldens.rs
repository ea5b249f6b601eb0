//! The tokenizer against the authors' numbers on small models, at the figures of the contract.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unreachable)] // a test stops at the first surprise

mod support;

use candle_core::{DType, Device, IndexOp, Tensor, Var};
use softscope::tokenizer::{Math, ModelClass, NoHook, Tokenizer};
use std::collections::HashMap;
use support::forward::{DEC, Z};
use support::{Golden, Recorder, assert_close, backward, decode, forward, recon_bytes, relative_rms, values};

fn check_all_forms(golden: &Golden) {
    forward::check_all_forms(golden, &Device::Cpu);
}

fn check_gradients(golden: &Golden) {
    backward::check_gradients(golden, &Device::Cpu);
}

/// Rows of a set's first picture after an edit named in its `meta.json`.
fn edited(golden: &Golden, edit: &str) -> Tensor {
    let z = golden.get("z");
    let (first, second) = (z.i(0..1).unwrap(), z.i(1..2).unwrap());
    let length = z.dim(1).unwrap();
    let edits = &golden.meta["edits"];
    let index = |value: &serde_json::Value| value.as_u64().unwrap() as usize;
    let row = |at: usize| first.narrow(1, at, 1).unwrap();
    match edit {
        "swap" => {
            let (a, b) = (index(&edits["swap"][0]), index(&edits["swap"][1]));
            let rows: Vec<Tensor> = (0..length)
                .map(|at| {
                    row(if at == a {
                        b
                    } else if at == b {
                        a
                    } else {
                        at
                    })
                })
                .collect();
            Tensor::cat(&rows, 1).unwrap()
        }
        "lerp" => {
            let t = edits["t"].as_f64().unwrap();
            ((first * (1.0 - t)).unwrap() + (second * t).unwrap()).unwrap()
        }
        "splice" => {
            let half = length / 2;
            Tensor::cat(
                &[
                    first.narrow(1, 0, half).unwrap(),
                    second.narrow(1, half, length - half).unwrap(),
                ],
                1,
            )
            .unwrap()
        }
        _ => {
            let zero = index(&edits["zero"]);
            let rows: Vec<Tensor> = (0..length)
                .map(|at| {
                    if at == zero {
                        row(at).zeros_like().unwrap()
                    } else {
                        row(at)
                    }
                })
                .collect();
            Tensor::cat(&rows, 1).unwrap()
        }
    }
}

fn check_edits(golden: &Golden) {
    let tokenizer = golden.load();
    for edit in ["swap", "lerp", "splice", "zero"] {
        let expected = golden.get(&format!("edit.{edit}.z"));
        assert_close(edit, &edited(golden, edit), expected, Z);
        let dec = decode(&tokenizer, expected);
        assert_close(
            &format!("{edit} decoded"),
            &dec,
            golden.get(&format!("edit.{edit}.dec")),
            DEC,
        );
    }
}

macro_rules! golden_tests {
    ($check:ident: $($set:ident)*) => {
        mod $check {
            use super::Golden;
            $(
                #[test]
                fn $set() {
                    if let Some(golden) = Golden::tiny(stringify!($set)) {
                        super::$check(&golden);
                    }
                }
            )*
        }
    };
}

golden_tests! { check_all_forms:
    a1_softvq_k1 a2_softvq_k4 a3_softvq_nol2 a9_softvq_bl_64 a9_softvq_b_32 a9_softvq_bl_64_512 a10_softvq_repa
    a6d_softvq_rope a8_to_pixel_conv a8_to_pixel_siren
    a4_kl16_vit a5_vq16_vit a5b_vq16_nol2 a6_maetok a6b_ae_rope_plain a6c_ae_movq_ape a7_maetok_512
}

golden_tests! { check_edits:
    a1_softvq_k1 a2_softvq_k4 a3_softvq_nol2 a9_softvq_bl_64 a9_softvq_b_32 a9_softvq_bl_64_512 a10_softvq_repa
    a6d_softvq_rope a8_to_pixel_conv a8_to_pixel_siren
    a4_kl16_vit a5_vq16_vit a5b_vq16_nol2 a6_maetok a6b_ae_rope_plain a6c_ae_movq_ape a7_maetok_512
}

golden_tests! { check_gradients:
    a1_softvq_k1 a2_softvq_k4 a3_softvq_nol2 a10_softvq_repa a6d_softvq_rope a8_to_pixel_conv a8_to_pixel_siren
    a4_kl16_vit a5_vq16_vit a5b_vq16_nol2 a6_maetok a6b_ae_rope_plain a6c_ae_movq_ape a7_maetok_512
}

/// Central differences along random-looking directions, for `x` and for `z`.
#[test]
fn gradients_agree_with_finite_differences() {
    let golden = Golden::tiny("a3_softvq_nol2").unwrap();
    let tokenizer = golden.load().with_math(Math::Differentiable);
    let target = golden.x().i(0..1).unwrap();
    let x = target.clone();
    let z = golden.get("z").i(0..1).unwrap();
    let of_x = |x: &Tensor| {
        let z = tokenizer.encode(x, &mut NoHook).unwrap().z;
        (decode(&tokenizer, &z) - &target)
            .unwrap()
            .sqr()
            .unwrap()
            .mean_all()
            .unwrap()
    };
    let of_z = |z: &Tensor| {
        (decode(&tokenizer, z) - &target)
            .unwrap()
            .sqr()
            .unwrap()
            .mean_all()
            .unwrap()
    };
    check_direction(&x, &of_x, 1e-2);
    check_direction(&z, &of_z, 1e-2);
}

fn check_direction(at: &Tensor, function: &dyn Fn(&Tensor) -> Tensor, step: f64) {
    let var = Var::from_tensor(at).unwrap();
    let gradients = function(var.as_tensor()).backward().unwrap();
    let gradient = gradients.get(var.as_tensor()).unwrap();
    let count = at.elem_count();
    let direction: Vec<f32> = (0..count)
        .map(|index| ((index * 7919 % 1009) as f32 / 504.0) - 1.0)
        .collect();
    let direction = Tensor::from_vec(direction, at.dims(), at.device()).unwrap();
    let value = |sign: f64| {
        let moved = (at + (&direction * (sign * step)).unwrap()).unwrap();
        values(&function(&moved))[0]
    };
    let numeric = (value(1.0) - value(-1.0)) / (2.0 * step);
    let analytic = values(&(gradient * &direction).unwrap().sum_all().unwrap())[0];
    assert!(
        (numeric - analytic).abs() <= 1e-2 * analytic.abs().max(1e-3),
        "along a direction: {numeric} by differences, {analytic} by the backward pass"
    );
}

#[test]
fn a_changed_variable_is_seen_by_the_next_pass() {
    let golden = Golden::tiny("a3_softvq_nol2").unwrap();
    let variables: HashMap<String, Var> = golden
        .weights()
        .into_iter()
        .map(|(key, tensor)| (key, Var::from_tensor(&tensor).unwrap()))
        .collect();
    let tensors = variables
        .iter()
        .map(|(key, var)| (key.clone(), var.as_tensor().clone()))
        .collect();
    let tokenizer = Tokenizer::from_tensors(golden.args.clone(), tensors, Math::Differentiable).unwrap();
    let before = decode(&tokenizer, golden.get("z"));
    let weight = &variables["decoder.to_pixel.model.weight"];
    weight.set(&(weight.as_tensor() * 2.0).unwrap()).unwrap();
    let bias = &variables["decoder.to_pixel.model.bias"];
    bias.set(&(bias.as_tensor() * 2.0).unwrap()).unwrap();
    assert_close(
        "doubled head",
        &decode(&tokenizer, golden.get("z")),
        &(before * 2.0).unwrap(),
        1e-5,
    );
}

#[test]
fn lower_temperature_hardens_mixtures() {
    let golden = Golden::tiny("a10_softvq_repa").unwrap();
    let tokenizer = golden.load();
    let h = golden.get("h");
    let own = tokenizer.quantise(h, golden.args.tau).unwrap();
    assert_close("own tau", &own.z, golden.get("z"), Z);
    let hard = tokenizer.quantise(h, 1e-6).unwrap();
    let top = hard.weights.max(2).unwrap();
    assert_close("top weight at tau near 0", &top, &top.ones_like().unwrap(), 1e-3);
    let soft = tokenizer.quantise(h, 1e6).unwrap();
    let even = 1.0 / golden.args.codebook_size as f64;
    assert_close(
        "weights at a huge tau",
        &soft.weights,
        &(soft.weights.ones_like().unwrap() * even).unwrap(),
        1e-5,
    );
    for tau in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(tokenizer.quantise(h, tau).is_err(), "tau {tau} was accepted");
    }
}

#[test]
fn only_the_class_that_has_it_mixes_or_looks_up() {
    for name in ["a4_kl16_vit", "a5_vq16_vit", "a6_maetok"] {
        let Some(golden) = Golden::tiny(name) else {
            continue;
        };
        let tokenizer = golden.load();
        let error = tokenizer.quantise(golden.get("z"), 0.1).unwrap_err().to_string();
        assert!(error.contains("only SoftVQ"), "{error}");
        let is_vq = tokenizer.class() == ModelClass::Vq;
        assert_eq!(tokenizer.codebook().unwrap().is_some(), is_vq);
        let index = |value: i64| Tensor::full(value, (1, 8), tokenizer.device()).unwrap();
        assert_eq!(tokenizer.look_up(&index(0)).is_ok(), is_vq);
        for beyond in [-1, 128] {
            assert!(
                tokenizer.look_up(&index(beyond)).is_err(),
                "{name} has codeword {beyond}"
            );
        }
    }
}

#[test]
fn half_precision_pictures_are_close() {
    for name in ["a3_softvq_nol2", "a10_softvq_repa"] {
        let golden = Golden::tiny(name).unwrap();
        for dtype in [DType::BF16, DType::F16] {
            let tokenizer = support::load(&golden.files, dtype);
            let dec = decode(&tokenizer, golden.get("z"));
            assert_eq!(dec.dtype(), DType::F32);
            let (found, expected) = (recon_bytes(&dec), recon_bytes(golden.get("dec")));
            let psnr = support::psnr(&found, &expected);
            assert!(psnr >= 45.0, "{name} in {dtype:?}: PSNR {psnr}");
        }
    }
}

#[test]
fn inputs_of_another_shape_are_refused_by_name() {
    let golden = Golden::tiny("a3_softvq_nol2").unwrap();
    let tokenizer = golden.load();
    let picture = Tensor::zeros((1, 3, 16, 16), DType::F32, tokenizer.device()).unwrap();
    let error = tokenizer.encode(&picture, &mut NoHook).unwrap_err().to_string();
    assert_eq!(
        error,
        "this model takes a picture of shape [3, 32, 32] after the batch, not [1, 3, 16, 16]"
    );
    let tokens = Tensor::zeros((1, 4, 8), DType::F32, tokenizer.device()).unwrap();
    let error = tokenizer.decode(&tokens, &mut NoHook).unwrap_err().to_string();
    assert_eq!(
        error,
        "this model takes tokens of shape [8, 8] after the batch, not [1, 4, 8]"
    );
    let empty = Tensor::zeros((0, 8, 8), DType::F32, tokenizer.device()).unwrap();
    assert!(tokenizer.decode(&empty, &mut NoHook).is_err());
}

/// Every variant of the small models.
const VARIANTS: [&str; 8] = [
    "a1_softvq_k1",
    "a4_kl16_vit",
    "a6_maetok",
    "a6b_ae_rope_plain",
    "a6c_ae_movq_ape",
    "a6d_softvq_rope",
    "a8_to_pixel_conv",
    "a9_softvq_bl_64",
];

#[test]
fn a_pass_that_nobody_watches_gives_the_same_bits() {
    for set in VARIANTS {
        let Some(golden) = Golden::tiny(set) else { return };
        let tokenizer = golden.load();
        let mut recorder = Recorder::default();
        let watched = tokenizer.encode(&golden.x(), &mut recorder).unwrap();
        let alone = tokenizer.encode(&golden.x(), &mut NoHook).unwrap();
        assert_eq!(values(&watched.h), values(&alone.h), "{set}: h");
        let watched = tokenizer.decode(golden.get("z"), &mut recorder).unwrap();
        assert_eq!(
            values(&watched),
            values(&decode(&tokenizer, golden.get("z"))),
            "{set}: dec"
        );
    }
}

#[test]
fn less_exact_formats_are_close_in_every_variant() {
    for set in VARIANTS {
        let Some(golden) = Golden::tiny(set) else { return };
        let expected = golden.get("dec");
        let exact = golden.load();
        let rounded = support::load(&golden.files, DType::BF16);
        for (what, tokenizer) in [("f32", &exact), ("bf16", &rounded)] {
            let has_preview = tokenizer.prepare_preview();
            let preview = tokenizer.decode_preview(golden.get("z"), &mut NoHook).unwrap();
            let error = relative_rms(&preview, expected);
            assert!(error < 0.1, "{set}: the preview of {what} is off by {error}");
            let is_exact = values(&preview) == values(&decode(tokenizer, golden.get("z")));
            assert_eq!(is_exact, !has_preview, "{set}: the preview of {what}");
        }
        let error = relative_rms(&decode(&rounded, golden.get("z")), expected);
        assert!(error < 0.02, "{set}: bf16 is off by {error}");
        let h = rounded.encode(&golden.x(), &mut NoHook).unwrap().h;
        let error = relative_rms(&h, golden.get("h"));
        assert!(error < 0.02, "{set}: h in bf16 is off by {error}");
    }
}
