//! Gradients of the reconstruction error on a device against the authors' numbers, at the figure of the contract.

use super::{Golden, assert_close, decode, load_on, max_difference, values};
use candle_core::{DType, Device, IndexOp, Tensor, Var};
use softscope::tokenizer::{Math, NoHook, Tokenizer};
use std::collections::HashMap;

/// Of the largest entry of a gradient.
const GRADIENT: f64 = 1e-4;

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

/// Of every weight, of the picture, and of the picture through the model as it is loaded.
pub(crate) fn check_gradients(golden: &Golden, device: &Device) {
    let variables: HashMap<String, Var> = golden
        .weights_on(device)
        .into_iter()
        .map(|(key, tensor)| (key, Var::from_tensor(&tensor).unwrap()))
        .collect();
    let tensors = variables
        .iter()
        .map(|(key, var)| (key.clone(), var.as_tensor().clone()))
        .collect();
    let tokenizer = Tokenizer::from_tensors(golden.args.clone(), tensors, Math::Differentiable).unwrap();
    let x = Var::from_tensor(&golden.x().to_device(device).unwrap()).unwrap();
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
    let packed = load_on(&golden.files, device, DType::F32).with_math(Math::Differentiable);
    let gradients = self::loss(&packed, x.as_tensor()).backward().unwrap();
    let found = gradients.get(x.as_tensor()).unwrap().i(0..1).unwrap();
    assert_gradient("x of the packed model", &found, golden.get("bw.grad.x"));
}
