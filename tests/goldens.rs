//! The tokenizer against the authors' numbers on small models, at the figures of the contract.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unreachable)] // a test stops at the first surprise

mod support;

use candle_core::{DType, IndexOp, Tensor, Var};
use softscope::tokenizer::{Encoding, Gaussian, Math, ModelClass, NoHook, Posterior, Tokenizer};
use std::collections::HashMap;
use support::{
    Golden, Recorder, assert_close, decode, differing_bytes, max_difference, recon_bytes, relative_rms,
    values,
};

const H: f64 = 2e-5;
const Z: f64 = 1e-5;
const DEC: f64 = 5e-5;
/// Of the largest entry of a gradient.
const GRADIENT: f64 = 1e-4;
/// Below this gap between its two largest weights a token's arg-max may go either way.
const CLEAR_MARGIN: f64 = 1e-4;

/// [B, L, n] in the goldens' order [K, B S, n].
fn by_segment(weights: &Tensor, books: usize) -> Tensor {
    let (batch, length, codes) = weights.dims3().unwrap();
    weights
        .reshape((batch, books, length / books, codes))
        .unwrap()
        .transpose(0, 1)
        .unwrap()
        .reshape((books, batch * length / books, codes))
        .unwrap()
}

fn check_forward(golden: &Golden, tokenizer: &Tokenizer) {
    let mut recorder = Recorder::default();
    let encoding = tokenizer.encode(&golden.x(), &mut recorder).unwrap();
    let dec = tokenizer.decode(golden.get("z"), &mut recorder).unwrap();
    let mut stages = 0;
    let is_stage = |name: &str| name.starts_with("stage.") || name == "enc_tokens";
    for (name, expected) in golden.io.iter().filter(|(name, _)| is_stage(name)) {
        let found = recorder
            .0
            .get(name)
            .unwrap_or_else(|| panic!("no stage was reported as {name}"));
        // The contract has no figure for stages; they lie between the tokens' and the picture's.
        assert_close(name, found, expected, DEC);
        stages += 1;
    }
    let expects_stages = golden.io.contains_key("stage.enc.seq_in");
    assert!(
        !expects_stages || stages == recorder.0.len(),
        "some stage has no golden"
    );

    assert_close("h", &encoding.h, golden.get("h"), H);
    assert_close("z", &encoding.z, golden.get("z"), Z);
    check_posterior(golden, tokenizer, &encoding);

    assert_close("dec", &dec, golden.get("dec"), DEC);
    let first = dec.i(0..1).unwrap();
    assert!(differing_bytes(&recon_bytes(&first), golden.get("u8_recon")) < 0.005);
    let one = decode(tokenizer, &golden.get("z").i(0..1).unwrap());
    assert_close(
        "dec of one picture",
        &one,
        &golden.get("dec").i(0..1).unwrap(),
        DEC,
    );
    let alone = tokenizer
        .encode(&golden.x().i(0..1).unwrap(), &mut NoHook)
        .unwrap();
    assert_close("z of one picture", &alone.z, &golden.get("z").i(0..1).unwrap(), Z);
}

/// What each class knows of its tokens beside their values.
fn check_posterior(golden: &Golden, tokenizer: &Tokenizer, encoding: &Encoding) {
    assert_eq!(
        format!("{}Model", tokenizer.class()),
        golden.meta["model_class"].as_str().unwrap()
    );
    match &encoding.posterior {
        Posterior::Mixture { weights } => {
            let by_segment = by_segment(weights, golden.args.num_codebooks);
            if let Some(expected) = golden.io.get("softvq.probs") {
                assert_close("weights", &by_segment, expected, Z);
            }
            let sums = weights.sum(2).unwrap();
            assert_close("sum of weights", &sums, &sums.ones_like().unwrap(), 1e-5);
            check_argmax(golden, weights);
            assert_close("mix", &tokenizer.mix(weights).unwrap(), golden.get("z"), Z);
        }
        Posterior::Nearest { indices, distances } => check_nearest(golden, tokenizer, indices, distances),
        Posterior::Gaussian(gaussian) => check_gaussian(golden, tokenizer, gaussian),
        Posterior::Point => assert_close("z is h", &encoding.z, &encoding.h, 0.0),
    }
}

fn check_nearest(golden: &Golden, tokenizer: &Tokenizer, indices: &Tensor, distances: &Tensor) {
    let expected = golden.get("vq.indices");
    let margins = golden.get("vq.margin");
    let clear = values(margins)
        .into_iter()
        .filter(|margin| *margin > CLEAR_MARGIN);
    assert_eq!(
        clear.count(),
        margins.elem_count(),
        "some token has no clear codeword"
    );
    assert_eq!(values(indices), values(expected));
    let sorted = distances.contiguous().unwrap().sort_last_dim(true).unwrap().0;
    let gap = (sorted.i((.., .., 1)).unwrap() - sorted.i((.., .., 0)).unwrap()).unwrap();
    assert_close("margin", &gap, margins, H);

    let entry = tokenizer.look_up(expected).unwrap();
    assert_close("codebook entry", &entry, golden.get("vq.codebook_entry"), Z);
    let dec = decode(tokenizer, &entry);
    assert_close("decoded codes", &dec, golden.get("vq.decode_code"), DEC);
}

fn check_gaussian(golden: &Golden, tokenizer: &Tokenizer, gaussian: &Gaussian) {
    assert_close("mean", &gaussian.mean, golden.get("kl.mean"), Z);
    assert_close("logvar", &gaussian.logvar, golden.get("kl.logvar"), H);
    let deviation = gaussian.deviation().unwrap();
    assert_close("deviation", &deviation, golden.get("kl.std"), H);
    assert_close("variance", &gaussian.variance().unwrap(), golden.get("kl.var"), H);
    let kl = gaussian.kl_nats().unwrap().sum(1).unwrap();
    let expected = golden.get("kl.per_image");
    for (found, expected) in values(&kl).into_iter().zip(values(expected)) {
        assert!(
            (found - expected).abs() < 1e-5 * expected,
            "KL {found}, expected {expected}"
        );
    }
    let weighted = (kl.mean_all().unwrap() * golden.args.kl_loss_weight).unwrap();
    let expected = golden.get("kl.loss_weighted");
    let (found, expected) = (values(&weighted)[0], values(expected)[0]);
    assert!(
        (found - expected).abs() < 1e-5 * expected,
        "{found}, expected {expected}"
    );
    let sample = gaussian.sample(golden.get("kl.eps")).unwrap();
    assert_close("sample", &sample, golden.get("kl.z_sample"), Z);
    let dec = decode(tokenizer, golden.get("kl.z_sample"));
    assert_close("decoded sample", &dec, golden.get("kl.dec_sample"), DEC);
}

/// Packed for speed, packed with differentiable operations, and as a training run holds it.
fn check_all_forms(golden: &Golden) {
    let tokenizer = golden.load();
    check_forward(golden, &tokenizer);
    check_forward(golden, &tokenizer.with_math(Math::Differentiable));
    let given = Tokenizer::from_tensors(golden.args.clone(), golden.weights(), Math::Differentiable);
    check_forward(golden, &given.unwrap());
}

fn check_argmax(golden: &Golden, weights: &Tensor) {
    let found: Vec<u32> = weights
        .argmax(2)
        .unwrap()
        .flatten_all()
        .unwrap()
        .to_vec1()
        .unwrap();
    let Some(expected) = golden.io.get("softvq.indices_by_token") else {
        return;
    };
    let margins = values(golden.get("softvq.top1_minus_top2"));
    let mut compared = 0;
    for ((found, expected), margin) in found.iter().zip(values(expected)).zip(margins) {
        if margin > CLEAR_MARGIN {
            assert_eq!(f64::from(*found), expected);
            compared += 1;
        }
    }
    assert!(compared > found.len() / 2, "hardly any token had a clear arg-max");
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

/// Mean squared reconstruction error over the batch.
fn loss(tokenizer: &Tokenizer, x: &Tensor) -> Tensor {
    let z = tokenizer.encode(x, &mut NoHook).unwrap().z;
    (decode(tokenizer, &z) - x)
        .unwrap()
        .sqr()
        .unwrap()
        .mean_all()
        .unwrap()
}

#[track_caller]
fn assert_gradient(name: &str, found: &Tensor, expected: &Tensor) {
    let largest = values(expected)
        .into_iter()
        .fold(0.0, |largest: f64, value| largest.max(value.abs()));
    let difference = max_difference(found, expected);
    assert!(
        difference <= GRADIENT * largest,
        "gradient of {name}: differs by {difference:e}, its largest entry is {largest:e}"
    );
}

fn check_gradients(golden: &Golden) {
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
    let x = Var::from_tensor(&golden.x()).unwrap();
    let loss = loss(&tokenizer, x.as_tensor());
    assert_close("loss", &loss, golden.get("bw.loss"), 1e-6);
    let gradients = loss.backward().unwrap();

    let mut compared = 0;
    for (name, expected) in &golden.io {
        let Some(key) = name.strip_prefix("bw.grad.") else {
            continue;
        };
        let found = match key {
            "x" => gradients.get(x.as_tensor()).unwrap().i(0..1).unwrap(),
            _ => gradients.get(variables[key].as_tensor()).unwrap().clone(),
        };
        assert_gradient(key, &found, expected);
        compared += 1;
    }
    assert!(compared >= 12, "only {compared} gradients were compared");
    let sum: f64 = variables
        .values()
        .filter_map(|var| gradients.get(var.as_tensor()))
        .map(|gradient| values(gradient).iter().map(|value| value * value).sum::<f64>())
        .sum();
    let norm = values(golden.get("bw.grad_global_norm"))[0];
    assert!(
        (sum.sqrt() - norm).abs() <= GRADIENT * norm,
        "global norm {}, expected {norm}",
        sum.sqrt()
    );

    // The loaded, packed model must give the same gradient of its input.
    let packed = golden.load().with_math(Math::Differentiable);
    let gradients = self::loss(&packed, x.as_tensor()).backward().unwrap();
    let found = gradients.get(x.as_tensor()).unwrap().i(0..1).unwrap();
    assert_gradient("x of the packed model", &found, golden.get("bw.grad.x"));
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
