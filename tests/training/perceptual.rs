use crate::gradients::{assert_gradient, wave};
use crate::support::formula::{read_recipes, write_safetensors};
use crate::support::{assert_close, relative_rms, shared, values};
use candle_core::{D, Device, Tensor, Var};
use softscope::picture::{Fit, Planar, fit, open};
use softscope::trainer::Perceptual;
use std::path::Path;

/// Of a network at hand.
pub(crate) const EFFICIENTNET: &str = "models/perceptual_efficientnet_lite0";

#[test]
fn lpips_is_the_references_with_its_gradient_and_features() {
    let Some(folder) = shared("goldens/misc/e2_lpips_vgg16") else {
        return;
    };
    let io = candle_core::safetensors::load(folder.join("io.safetensors"), &Device::Cpu).unwrap();
    let network = tempfile::tempdir().unwrap();
    let file = network.path().join("model.safetensors");
    let mut recipes = read_recipes(&folder);
    recipes.retain(|recipe| !recipe.key.starts_with("scaling_layer."));
    write_safetensors(&recipes, "e2_lpips_vgg16", &file);
    let perceptual = Perceptual::read(network.path(), &[1]).unwrap();

    let y = Var::from_tensor(&io["y"]).unwrap();
    let distances = perceptual.distances(y.as_tensor(), &io["x"]).unwrap();
    let expected = io["lpips"].flatten_all().unwrap();
    let largest = values(&expected).into_iter().fold(0.0, f64::max);
    assert_close("lpips", &distances, &expected, 1e-5 * largest);
    let store = distances.mean_all().unwrap().backward().unwrap();
    let gradient = store.get(y.as_tensor()).unwrap();
    // In picture 0 the third block has a unit 3e-7 above 0 and a pool with 4e-6 between its two largest: another order of
    // additions may choose differently there.
    let of = |tensor: &Tensor, picture| tensor.narrow(0, picture, 1).unwrap();
    assert_gradient("y", &of(gradient, 1), &of(&io["grad_y"], 1));
    assert!(relative_rms(gradient, &io["grad_y"]) < 5e-3);

    for (index, feature) in perceptual.features(&io["x"]).unwrap().iter().enumerate() {
        let all = values(feature);
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        let squares = all.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
        let deviation = (squares / (all.len() - 1) as f64).sqrt();
        let expected = values(&io[&format!("feat{index}.mean_std")]);
        assert!(
            (mean - expected[0]).abs() < 1e-5 * expected[0].abs(),
            "{mean} for {expected:?}"
        );
        assert!(
            (deviation - expected[1]).abs() < 1e-4 * expected[1],
            "{deviation} for {expected:?}"
        );
        let corner = (0..3).fold(feature.get(0).unwrap(), |corner, axis| {
            corner.narrow(axis, 0, if axis == 0 { 8 } else { 4 }).unwrap()
        });
        assert_close("a corner", &corner, &io[&format!("feat{index}.corner")], 2e-5);
    }
}

#[test]
fn the_distances_of_efficientnet_agree_with_finite_differences() {
    let Some(folder) = shared(EFFICIENTNET) else {
        return;
    };
    let picture = |seed| {
        let values = wave(2 * 3 * 24 * 20, seed);
        Tensor::from_vec(values, (2, 3, 24, 20), &Device::Cpu).unwrap()
    };
    let wanted = picture(2);
    for stages in [&[1][..], &[2, 3], &[1, 5, 7]] {
        let perceptual = Perceptual::read(&folder, stages).unwrap();
        let same = perceptual.distances(&wanted, &wanted).unwrap();
        assert_eq!(values(&same), [0.0, 0.0]);
        let function = |found: &Tensor| {
            let distances = perceptual.distances(found, &wanted).unwrap();
            (distances * Tensor::new(&[1.0_f32, 2.0], &Device::Cpu).unwrap())
                .unwrap()
                .sum_all()
                .unwrap()
        };
        let found = Var::from_tensor(&picture(1)).unwrap();
        let store = function(found.as_tensor()).backward().unwrap();
        let gradient = store.get(found.as_tensor()).unwrap();
        let largest = values(gradient)
            .into_iter()
            .fold(0.0, |top: f64, value| top.max(value.abs()));
        // Along the gradient a short step shows; along anything else ReLUs on the way blur it.
        for (direction, step, tolerance) in [
            ((gradient / largest).unwrap(), 1e-3, 2e-2),
            (picture(5), 1e-3, 2e-1),
        ] {
            let value = |sign: f64| {
                let moved = (found.as_tensor() + (&direction * (sign * step)).unwrap()).unwrap();
                values(&function(&moved))[0]
            };
            let numeric = (value(1.0) - value(-1.0)) / (2.0 * step);
            let analytic = values(&(gradient * &direction).unwrap().sum_all().unwrap())[0];
            assert!(
                (numeric - analytic).abs() <= tolerance * analytic.abs(),
                "stages {stages:?}: {numeric} by differences, {analytic} by the backward pass"
            );
        }
    }
}

/// The class of a picture by the network's own head, which is plain candle here.
fn class_of(
    perceptual: &Perceptual,
    weights: &std::collections::HashMap<String, Tensor>,
    file: &Path,
) -> u32 {
    let values = Planar::from_rgb8(&fit(&open(file).unwrap(), 224, Fit::Crop)).data;
    let x = Tensor::from_vec(values, (1, 3, 224, 224), &Device::Cpu).unwrap();
    let last = perceptual.features(&x).unwrap().pop().unwrap();
    let x = last.conv2d(&weights["_conv_head.weight"], 0, 1, 1, 1).unwrap();
    let of_norm = |name: &str| weights[&format!("_bn1.{name}")].reshape((1, 1280, 1, 1)).unwrap();
    let spread = (of_norm("running_var") + 1e-3).unwrap().sqrt().unwrap();
    let x = x.broadcast_sub(&of_norm("running_mean")).unwrap();
    let x = x.broadcast_div(&spread).unwrap();
    let x = x.broadcast_mul(&of_norm("weight")).unwrap();
    let x = x.broadcast_add(&of_norm("bias")).unwrap();
    let x = x.clamp(0.0_f32, 6.0_f32).unwrap();
    let x = x.flatten_from(2).unwrap().mean(D::Minus1).unwrap();
    let logits = x.matmul(&weights["_fc.weight"].t().unwrap()).unwrap();
    let logits = logits.broadcast_add(&weights["_fc.bias"]).unwrap();
    logits.argmax(D::Minus1).unwrap().to_vec1::<u32>().unwrap()[0]
}

#[test]
fn efficientnet_knows_what_photographs_show() {
    let Some(folder) = shared(EFFICIENTNET) else {
        return;
    };
    let perceptual = Perceptual::read(&folder, &[7]).unwrap();
    let weights = candle_core::safetensors::load(folder.join("model.safetensors"), &Device::Cpu).unwrap();
    // Classes of ImageNet.
    for (name, classes) in [
        ("goldfish", 1..=1),
        ("cat", 281..=287),
        ("dog", 151..=268),
        ("hot-air-balloon", 417..=417),
    ] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("assets/samples/{name}.jpg"));
        let class = class_of(&perceptual, &weights, &file);
        assert!(classes.contains(&class), "{name} is taken for class {class}");
    }
}

#[test]
fn a_file_that_holds_another_network_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("other.safetensors");
    let tensors = std::collections::HashMap::from([(
        "some.weight".to_owned(),
        Tensor::zeros((2, 2), candle_core::DType::F32, &Device::Cpu).unwrap(),
    )]);
    candle_core::safetensors::save(&tensors, &file).unwrap();
    let words = Perceptual::read(&file, &[1]).unwrap_err().to_string();
    assert!(
        words.contains("other.safetensors") && words.contains("_conv_stem.weight"),
        "{words}"
    );
    let words = Perceptual::read(&folder.path().join("none"), &[1])
        .unwrap_err()
        .to_string();
    assert!(words.contains("none"), "{words}");
}
