use crate::support::{Golden, assert_close, max_difference, relative_rms, rounding_of_bf16, shared, values};
use candle_core::{DType, Device, Tensor, Var};
use softscope::tokenizer::{Products, Tokenizer};
use softscope::trainer::{
    Aids, Alignment, AlignmentConfig, AlignmentMode, HARD_LOG_FLOOR, Loss, LossWeights, Projection,
    SOFT_LOG_FLOOR, Terms, entropy_term, loss, reconstruction_terms, seam_term,
};
use std::collections::HashMap;

/// Of the largest entry of a gradient.
const GRADIENT: f64 = 1e-4;

fn mse_alone() -> LossWeights {
    LossWeights {
        mse: 1.0,
        ..LossWeights::default()
    }
}

fn variables(golden: &Golden) -> HashMap<String, Var> {
    let weights = golden.weights().into_iter();
    weights
        .map(|(key, tensor)| {
            (
                key,
                Var::from_tensor(&tensor.to_dtype(DType::F32).unwrap()).unwrap(),
            )
        })
        .collect()
}

fn trainable(golden: &Golden, variables: &HashMap<String, Var>) -> Tokenizer {
    let tensors = variables
        .iter()
        .map(|(key, var)| (key.clone(), var.as_tensor().clone()))
        .collect();
    Tokenizer::for_training(golden.args.clone(), tensors).unwrap()
}

#[track_caller]
pub(crate) fn assert_gradient(name: &str, found: &Tensor, expected: &Tensor) {
    let largest = values(expected)
        .into_iter()
        .fold(0.0, |largest: f64, value| largest.max(value.abs()));
    let difference = max_difference(found, expected);
    assert!(
        difference <= GRADIENT * largest,
        "gradient of {name}: differs by {difference:e}, its largest entry is {largest:e}"
    );
}

/// Those terms that a set has values of.
fn check_terms(golden: &Golden, prefix: &str, weights: &LossWeights, terms: &Terms) {
    for (name, found) in [
        ("mse", terms.mse),
        ("entropy_loss", terms.entropy * weights.entropy),
        ("vq_loss", terms.codebook * weights.codebook),
        ("commit_loss", terms.commitment * weights.commitment),
        ("kl_term", terms.kl_nats * weights.kl),
        ("repa_loss", terms.alignment * weights.alignment),
    ] {
        if let Some(expected) = golden.io.get(&format!("{prefix}{name}")) {
            let expected = values(expected)[0];
            assert!(
                (found - expected).abs() <= 1e-5 * expected.abs().max(1.0),
                "{name}: {found} for {expected}"
            );
        }
    }
}

/// Every `<prefix>grad.*` of a set, and the norm over all weights.
fn check_gradients(golden: &Golden, prefix: &str, weights: &LossWeights) {
    check_gradients_with(golden, &variables(golden), prefix, weights, &Aids::default());
}

fn check_gradients_with(
    golden: &Golden,
    variables: &HashMap<String, Var>,
    prefix: &str,
    weights: &LossWeights,
    aids: &Aids<'_>,
) {
    let tokenizer = trainable(golden, variables);
    let Loss { total, terms, .. } = loss(&tokenizer, &golden.x(), weights, aids).unwrap();
    assert_close("loss", &total, golden.get(&format!("{prefix}loss")), 2e-6);
    check_terms(golden, prefix, weights, &terms);
    let store = tokenizer.backward(&total).unwrap();
    let mut compared = 0;
    for (name, expected) in &golden.io {
        let Some(key) = name.strip_prefix(&format!("{prefix}grad.")) else {
            continue;
        };
        if let Some(var) = variables.get(key) {
            assert_gradient(key, store.get(var.as_tensor()).unwrap(), expected);
            compared += 1;
        }
    }
    assert!(compared >= 2, "only {compared} gradients were compared");
    let sum: f64 = variables
        .values()
        .filter_map(|var| store.get(var.as_tensor()))
        .map(|gradient| values(gradient).iter().map(|value| value * value).sum::<f64>())
        .sum();
    let norm = values(golden.get(&format!("{prefix}grad_global_norm")))[0];
    assert!(
        (sum.sqrt() - norm).abs() <= GRADIENT * norm,
        "norm {}, expected {norm}",
        sum.sqrt()
    );
}

#[test]
fn the_pass_in_one_piece_has_the_references_gradients() {
    for name in [
        "a1_softvq_k1",
        "a2_softvq_k4",
        "a3_softvq_nol2",
        "a10_softvq_repa",
        "a6d_softvq_rope",
        "a4_kl16_vit",
        "a5_vq16_vit",
        "a5b_vq16_nol2",
        "a6_maetok",
        "a6b_ae_rope_plain",
        "a6c_ae_movq_ape",
    ] {
        if let Some(golden) = Golden::tiny(name) {
            check_gradients(&golden, "bw.", &mse_alone());
        }
    }
}

#[test]
fn gradients_of_rounded_products_are_the_same_within_the_rounding() {
    for name in ["a1_softvq_k1", "a3_softvq_nol2", "a4_kl16_vit", "a5_vq16_vit"] {
        let Some(golden) = Golden::tiny(name) else {
            continue;
        };
        let variables = variables(&golden);
        let gradients = |products: Products| {
            let tokenizer = trainable(&golden, &variables).with_products(products);
            let loss = loss(&tokenizer, &golden.x(), &mse_alone(), &Aids::default()).unwrap();
            tokenizer.backward(&loss.total).unwrap()
        };
        let (exact, rounded) = (gradients(Products::F32), gradients(Products::Bf16));
        // Four products of each block on the way there, four on the way back, and the gradient's own.
        let blocks = variables
            .keys()
            .filter(|key| key.ends_with(".attn.qkv.weight"))
            .count();
        let bound = rounding_of_bf16(8 * blocks + 1);
        let mut furthest = 0.0_f64;
        for (key, var) in &variables {
            let Some(exact) = exact.get(var.as_tensor()) else {
                continue;
            };
            let error = relative_rms(rounded.get(var.as_tensor()).unwrap(), exact);
            eprintln!("{name} {key}: {error:.4} of {bound:.4}");
            assert!(
                error <= bound,
                "{name}: the gradient of {key} is off by {error:e}"
            );
            furthest = furthest.max(error);
        }
        assert!(
            furthest > 1.0 / 1024.0,
            "{name}: nothing was rounded, {furthest:e}"
        );
    }
}

#[test]
fn the_training_loss_and_its_gradients_are_the_references() {
    // a10 adds an alignment term, whose network is not part of the tokenizer.
    for name in [
        "a1_softvq_k1",
        "a2_softvq_k4",
        "a3_softvq_nol2",
        "a6d_softvq_rope",
        "a4_kl16_vit",
        "a5_vq16_vit",
        "a5b_vq16_nol2",
    ] {
        if let Some(golden) = Golden::tiny(name) {
            let weights = LossWeights {
                entropy: golden.args.entropy_loss_ratio,
                kl: golden.args.kl_loss_weight,
                codebook: 1.0,
                commitment: golden.args.commit_loss_beta,
                ..mse_alone()
            };
            check_gradients(&golden, "train.", &weights);
        }
    }
}

#[test]
fn the_alignment_term_and_its_gradients_are_the_references() {
    let Some(golden) = Golden::tiny("a10_softvq_repa") else {
        return;
    };
    let variables = variables(&golden);
    let tensors = variables
        .iter()
        .map(|(key, var)| (key.clone(), var.as_tensor().clone()))
        .collect();
    let projection = Projection::from_tensors(&tensors).unwrap();
    let teacher = |mode| {
        let config = AlignmentConfig {
            network: Some(golden.files.weights.clone()),
            heads: 3,
            mode,
            ..AlignmentConfig::default()
        };
        Alignment::read(&config, 4, golden.args.num_latent_tokens).unwrap()
    };
    let (x, weight) = (golden.x(), golden.args.repa_loss_weight);
    let z = golden.get("z");
    for (name, mode) in [
        ("repeat", AlignmentMode::Repeat),
        ("global", AlignmentMode::Global),
        ("avg_1d", AlignmentMode::Avg1d),
    ] {
        let term = teacher(mode).term(z, &x, &projection).unwrap();
        let expected = golden.get(&format!("train.repa_loss.{name}"));
        assert_close(name, &(term * weight).unwrap(), expected, 1e-6);
    }
    let weights = LossWeights {
        entropy: golden.args.entropy_loss_ratio,
        alignment: weight,
        ..mse_alone()
    };
    let config = AlignmentConfig {
        network: Some(golden.files.weights.clone()),
        heads: 3,
        ..AlignmentConfig::default()
    };
    let words = Alignment::read(&config, 4, 5).unwrap_err().to_string();
    assert!(
        words.contains("16 patches") && words.contains("avg_1d"),
        "{words}"
    );
    let teacher = teacher(AlignmentMode::Repeat);
    let aids = Aids {
        alignment: Some((&teacher, &projection)),
        ..Aids::default()
    };
    check_gradients_with(&golden, &variables, "train.", &weights, &aids);
}

#[test]
fn the_entropy_term_is_the_references() {
    let Some(folder) = shared("goldens/misc/e1_losses") else {
        return;
    };
    let io = candle_core::safetensors::load(folder.join("io.safetensors"), &Device::Cpu).unwrap();
    let affinity = Var::from_tensor(&io["entropy.affinity"]).unwrap();
    for (name, log_floor) in [("softvq", SOFT_LOG_FLOOR), ("vq", HARD_LOG_FLOOR)] {
        let term = entropy_term(affinity.as_tensor(), log_floor).unwrap();
        assert_close(name, &term, &io[&format!("entropy.{name}")], 1e-5);
        let store = term.backward().unwrap();
        assert_gradient(
            "the affinity",
            store.get(affinity.as_tensor()).unwrap(),
            &io[&format!("entropy.{name}.grad")],
        );
    }
}

/// Values on a grid far coarser than a step of the differences below, so that hardly any crosses a kink.
pub(crate) fn wave(count: usize, seed: usize) -> Vec<f32> {
    (0..count)
        .map(|index| ((index * (7919 + 34 * seed) + seed) % 2003) as f32 / 1001.0 - 1.0)
        .collect()
}

fn check_direction(at: &Tensor, function: &dyn Fn(&Tensor) -> Tensor) {
    let var = Var::from_tensor(at).unwrap();
    let store = function(var.as_tensor()).backward().unwrap();
    let direction = Tensor::from_vec(wave(at.elem_count(), 5), at.dims(), &Device::Cpu).unwrap();
    let step = 3e-4;
    let value = |sign: f64| {
        let moved = (at + (&direction * (sign * step)).unwrap()).unwrap();
        values(&function(&moved))[0]
    };
    let numeric = (value(1.0) - value(-1.0)) / (2.0 * step);
    let gradient = store.get(var.as_tensor()).unwrap();
    let analytic = values(&(gradient * &direction).unwrap().sum_all().unwrap())[0];
    assert!(
        (numeric - analytic).abs() <= 2e-2 * analytic.abs().max(5e-2),
        "{numeric} by differences, {analytic} by the backward pass"
    );
}

#[test]
fn own_operations_agree_with_finite_differences() {
    let picture = |seed| Tensor::from_vec(wave(2 * 3 * 8 * 8, seed), (2, 3, 8, 8), &Device::Cpu).unwrap();
    let wanted = picture(2);
    for shares in [
        [1.0_f32, 0.0, 0.0],
        [0.0, 1.0, 0.0],
        [0.0, 0.0, 1.0],
        [0.5, 1.0, 0.3],
    ] {
        check_direction(&picture(1), &|found| {
            let terms = reconstruction_terms(found, &wanted).unwrap();
            (terms * Tensor::new(&shares, &Device::Cpu).unwrap())
                .unwrap()
                .sum_all()
                .unwrap()
        });
    }
    check_direction(&picture(1), &|found| seam_term(found, &wanted, 4).unwrap());
    let similarities = Tensor::from_vec(wave(6 * 10, 3), (1, 6, 10), &Device::Cpu).unwrap();
    check_direction(&(similarities * 0.02).unwrap(), &|similarities| {
        entropy_term(similarities, SOFT_LOG_FLOOR).unwrap()
    });
}

#[test]
fn seams_are_the_steps_between_patches_alone() {
    let flat = Tensor::zeros((1, 3, 4, 6), DType::F32, &Device::Cpu).unwrap();
    let seam = |found: &[f32]| {
        let found = Tensor::from_slice(found, (1, 1, 4, 6), &Device::Cpu).unwrap();
        let found = found.repeat((1, 3, 1, 1)).unwrap();
        values(&seam_term(&found, &flat, 2).unwrap())[0]
    };
    // Steps of 1 within patches of two pixels.
    let inside: Vec<f32> = (0..24)
        .map(|place| [0.0, 1.0, 1.0, 0.0, 0.0, 1.0][place % 6])
        .collect();
    assert_eq!(seam(&inside), 0.0);
    // 3 from the first patch to the second, nothing from the second to the third; all rows alike.
    let across: Vec<f32> = (0..24)
        .map(|place| [0.0, 0.0, 3.0, 3.0, 3.0, 3.0][place % 6])
        .collect();
    assert_eq!(seam(&across), 1.5);
    // 2 from the upper patches to the lower ones.
    let down: Vec<f32> = (0..24).map(|place| if place < 12 { 0.0 } else { 2.0 }).collect();
    assert_eq!(seam(&down), 2.0);
    let one_patch = seam_term(&flat, &flat, 6);
    assert!(one_patch.is_err(), "4 rows are no multiple of 6");
}

#[test]
fn every_weight_of_a_vit_agrees_with_finite_differences() {
    let golden = Golden::tiny("a3_softvq_nol2").unwrap();
    let variables = variables(&golden);
    let tokenizer = trainable(&golden, &variables);
    let x = golden.x();
    let value = || {
        loss(&tokenizer, &x, &mse_alone(), &Aids::default())
            .unwrap()
            .total
    };
    let store = tokenizer.backward(&value()).unwrap();
    let mut checked = 0;
    for (key, var) in variables.iter().filter(|(key, _)| key.contains("blocks.0.")) {
        let kept = var.as_tensor().copy().unwrap();
        let direction = Tensor::from_vec(wave(kept.elem_count(), 7), kept.dims(), &Device::Cpu).unwrap();
        let step = 2e-3;
        let mut moved = [0.0; 2];
        for (moved, sign) in moved.iter_mut().zip([1.0, -1.0]) {
            var.set(&(&kept + (&direction * (sign * step)).unwrap()).unwrap())
                .unwrap();
            *moved = values(&value())[0];
        }
        var.set(&kept).unwrap();
        let numeric = (moved[0] - moved[1]) / (2.0 * step);
        let gradient = store.get(var.as_tensor()).unwrap();
        let analytic = values(&(gradient * &direction).unwrap().sum_all().unwrap())[0];
        assert!(
            (numeric - analytic).abs() <= 3e-2 * analytic.abs().max(1e-2),
            "{key}: {numeric} by differences, {analytic} by the backward pass"
        );
        checked += 1;
    }
    assert!(checked >= 28, "only {checked} weights were checked");
}
