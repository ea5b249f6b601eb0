use crate::gradients::wave;
use crate::perceptual::EFFICIENTNET;
use crate::support::formula::{read_recipes, write_safetensors};
use crate::support::{assert_close, shared, values};
use candle_core::{Device, Tensor, Var};
use softscope::trainer::{AdversarialConfig, AdversarialForm, Discriminator, LecamAverages, Norms, Sight};
use std::path::Path;

/// Of the largest value.
const RELATIVE: f64 = 1e-4;

fn largest(tensor: &Tensor) -> f64 {
    values(tensor)
        .into_iter()
        .fold(0.0, |largest: f64, value| largest.max(value.abs()))
}

#[test]
fn the_losses_of_logits_are_the_references() {
    let Some(folder) = shared("goldens/misc/e1_losses") else {
        return;
    };
    let io = candle_core::safetensors::load(folder.join("io.safetensors"), &Device::Cpu).unwrap();
    let (real, fake) = (&io["logits_real"], &io["logits_fake"]);
    for (name, form) in [
        ("hinge", AdversarialForm::Hinge),
        ("vanilla", AdversarialForm::Vanilla),
        ("non_saturating", AdversarialForm::NonSaturating),
    ] {
        let found = form.of_discriminator(real, fake).unwrap();
        assert_close(name, &found, &io[&format!("d.{name}")], 1e-6);
        if let Some(expected) = io.get(&format!("g.{name}")) {
            assert_close(name, &form.of_generator(fake).unwrap(), expected, 1e-6);
        }
    }
    let mut averages = LecamAverages::default();
    let expected_averages = io["lecam.ema_3_updates"].to_vec2::<f64>().unwrap();
    let expected_terms = values(&io["lecam.reg_3_updates"]);
    for (update, (means, expected)) in expected_averages.iter().zip(expected_terms).enumerate() {
        let (real, fake) = (
            (real + 0.3 * update as f64).unwrap(),
            (fake - 0.2 * update as f64).unwrap(),
        );
        let mean = |logits: &Tensor| values(&logits.mean_all().unwrap())[0];
        averages.update(mean(&real), mean(&fake));
        assert!((averages.real - means[0]).abs() < 1e-9 && (averages.fake - means[1]).abs() < 1e-9);
        let found = values(&averages.term(&real, &fake).unwrap())[0];
        assert!((found - expected).abs() < 1e-5, "{found} for {expected}");
    }
}

fn read(network: &Path, stages: &[usize]) -> Discriminator {
    let config = AdversarialConfig {
        network: Some(network.to_owned()),
        stages: stages.to_vec(),
        ..AdversarialConfig::default()
    };
    Discriminator::read(&config, 5).unwrap()
}

#[test]
fn the_dino_discriminator_is_the_references() {
    let Some(folder) = shared("goldens/misc/e3_dino_disc") else {
        return;
    };
    let io = candle_core::safetensors::load(folder.join("io.safetensors"), &Device::Cpu).unwrap();
    let network = tempfile::tempdir().unwrap();
    let mut recipes = read_recipes(&folder);
    let computed = ["x_scale", "x_shift", "num_batches_tracked"];
    recipes.retain(|recipe| !computed.iter().any(|end| recipe.key.ends_with(end)));
    write_safetensors(
        &recipes,
        "e3_dino_disc",
        &network.path().join("model.safetensors"),
    );
    let mut discriminator = read(network.path(), &[1]);

    let readouts = discriminator.readouts(&io["x"], Sight::Whole).unwrap();
    assert_eq!(readouts.len(), 5);
    for (index, readout) in readouts.iter().enumerate() {
        let corner = readout.transpose(1, 2).unwrap();
        let corner = corner.narrow(1, 0, 6).unwrap().narrow(2, 0, 6).unwrap();
        let expected = &io[&format!("act{index}.corner")];
        assert_close("a corner", &corner, expected, RELATIVE * largest(expected));
        let all = values(readout);
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        let expected = values(&io[&format!("act{index}.mean_std")]);
        assert!((mean - expected[0]).abs() < 1e-5, "{mean} for {expected:?}");
    }
    for call in ["first", "second"] {
        discriminator.advance().unwrap();
        let (logits, statistics) = discriminator
            .logits(&io["x"], Sight::Whole, Norms::Batch)
            .unwrap();
        discriminator.track(&statistics).unwrap();
        let expected = &io[&format!("logits_train_{call}_call")];
        assert_close(call, &logits, expected, RELATIVE * largest(expected));
    }
    let (logits, _) = discriminator
        .logits(&io["x"], Sight::Whole, Norms::Running)
        .unwrap();
    let expected = &io["logits_eval_after_two_train_calls"];
    assert_close("eval", &logits, expected, RELATIVE * largest(expected));
    let buffers = discriminator.buffers();
    let (_, direction) = buffers
        .iter()
        .find(|(key, _)| key == "heads.0.0.0.weight_u")
        .unwrap();
    assert_close(
        "u",
        &direction.flatten_all().unwrap(),
        &io["heads0_u_after"],
        1e-5,
    );
}

#[test]
fn gradients_reach_pictures_and_heads() {
    let Some(folder) = shared(EFFICIENTNET) else {
        return;
    };
    let mut discriminator = read(&folder, &[1, 3]);
    discriminator.advance().unwrap();
    let x = Tensor::from_vec(wave(2 * 3 * 24 * 24, 1), (2, 3, 24, 24), &Device::Cpu).unwrap();
    let x = Var::from_tensor(&x).unwrap();
    let function = |x: &Tensor| {
        let (logits, _) = discriminator.logits(x, Sight::Whole, Norms::Batch).unwrap();
        (&logits * &logits.cos().unwrap()).unwrap().sum_all().unwrap()
    };
    let store = function(x.as_tensor()).backward().unwrap();
    let check = |what: &str, var: &Var| {
        let gradient = store.get(var.as_tensor()).unwrap();
        let direction = (gradient / largest(gradient)).unwrap();
        let kept = var.as_tensor().copy().unwrap();
        let step = 1e-3;
        let value = |sign: f64| {
            let moved = (&kept + (&direction * (sign * step)).unwrap()).unwrap();
            var.set(&moved).unwrap();
            values(&function(x.as_tensor()))[0]
        };
        let numeric = (value(1.0) - value(-1.0)) / (2.0 * step);
        var.set(&kept).unwrap();
        let analytic = values(&(gradient * &direction).unwrap().sum_all().unwrap())[0];
        assert!(
            (numeric - analytic).abs() <= 3e-2 * analytic.abs(),
            "{what}: {numeric} by differences, {analytic} by the backward pass"
        );
    };
    check("pictures", &x);
    for key in [
        "heads.0.0.0.weight_orig",
        "heads.1.1.fn.0.weight_orig",
        "heads.1.0.1.weight",
        "heads.0.2.weight_orig",
    ] {
        check(key, &discriminator.parameters()[key]);
    }
    let (logits, _) = discriminator
        .detached()
        .logits(x.as_tensor(), Sight::Whole, Norms::Batch)
        .unwrap();
    let store = logits.sum_all().unwrap().backward().unwrap();
    assert!(store.get(x.as_tensor()).is_some());
    assert!(
        discriminator
            .parameters()
            .values()
            .all(|var| store.get(var.as_tensor()).is_none())
    );
}
