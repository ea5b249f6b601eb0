use crate::models::{SETS, Stop, decode, encoded, left_half, open, wave};
use softscope::analysis::agreement;
use softscope::engine::{Ablation, EngineError, NoControl, Runner};
use softscope::latent::Tokens;
use softscope::picture::{Mask, Planar};

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

fn picture(runner: &Runner, seed: usize) -> Planar {
    let side = runner.info().args.image_size;
    Planar::new(side as u32, side as u32, wave(3 * side * side, seed)).unwrap()
}

fn direction(z: &Tokens, seed: usize) -> Tokens {
    Tokens::new(z.count, z.dim, wave(z.values.len(), seed)).unwrap()
}

#[track_caller]
fn assert_near(what: &str, found: f64, expected: f64, scale: f64) {
    assert!(
        (found - expected).abs() <= 1e-2 * scale,
        "{what}: {found}, expected {expected}, scale {scale}"
    );
}

#[test]
fn the_backward_pass_agrees_with_finite_differences_in_every_kind_of_decoder() {
    let mut checked = 0;
    for name in SETS {
        let Some((golden, runner)) = open(name) else {
            continue;
        };
        let z = encoded(&golden, &runner).z;
        let pictures: Vec<Planar> = (1..=2).map(|seed| picture(&runner, seed)).collect();
        let gradients = runner.pull_back(&z, &pictures, &NoControl).unwrap();
        for (u, gradient) in pictures.iter().zip(&gradients) {
            let way = direction(&z, 5);
            let step = 2e-3;
            let at = |sign: f32| {
                let values = z
                    .values
                    .iter()
                    .zip(&way.values)
                    .map(|(z, by)| z + sign * step * by);
                dot(
                    &u.data,
                    &decode(
                        &runner,
                        &Tokens {
                            values: values.collect(),
                            ..z
                        },
                    ),
                )
            };
            let numeric = (at(1.0) - at(-1.0)) / (2.0 * f64::from(step));
            let scale = (dot(&gradient.values, &gradient.values) * dot(&way.values, &way.values)).sqrt();
            assert_near(name, dot(&gradient.values, &way.values), numeric, scale);
        }
        checked += 1;
    }
    assert!(checked >= 4, "only {checked} models were checked");
}

#[test]
fn derivatives_along_directions_are_the_transpose_of_the_backward_pass() {
    for name in SETS {
        let Some((golden, runner)) = open(name) else {
            continue;
        };
        let z = encoded(&golden, &runner).z;
        let u = picture(&runner, 3);
        let gradient = runner
            .pull_back(&z, std::slice::from_ref(&u), &NoControl)
            .unwrap()
            .remove(0);
        let ways: Vec<Tokens> = (0..5).map(|seed| direction(&z, seed)).collect();
        let derivatives = runner.directional_derivatives(&z, &ways, &NoControl).unwrap();
        for (way, derivative) in ways.iter().zip(&derivatives) {
            let scale = (dot(&derivative.data, &derivative.data) * dot(&u.data, &u.data)).sqrt();
            // The rounding of f32 counts against the whole, of which the product is a small part.
            let (found, expected) = (dot(&derivative.data, &u.data), dot(&gradient.values, &way.values));
            assert!(
                (found - expected).abs() <= 2e-3 * scale,
                "{name}: {found}, {expected}, {scale}"
            );
        }
    }
}

#[test]
fn the_gradients_maps_are_the_limit_of_small_ablations() {
    let (golden, runner) = open("a3_softvq_nol2").unwrap();
    let state = encoded(&golden, &runner);
    // Noise so small that the decoder is linear over it.
    let squares: f64 = state.z.values.iter().map(|value| f64::from(*value).powi(2)).sum();
    let spread = (squares / state.z.values.len() as f64).sqrt() as f32 / runner.info().space.std;
    let small = Ablation::Noise {
        sigma: 0.02 * spread,
        seed: 4,
    };
    let by_ablation = runner.influence(&state, small, &NoControl).unwrap();
    let by_gradient = runner.influence_by_gradient(&state, small, &NoControl).unwrap();
    let agreed = agreement(&by_gradient, &by_ablation).unwrap();
    assert!(agreed.cosine > 0.999, "{}", agreed.cosine);
    for token in &agreed.tokens {
        assert!(
            token.cosine > 0.99 && (token.factor - 1.0).abs() < 0.05,
            "{token:?}"
        );
    }
    // A large one is further from it.
    let large = runner
        .influence(
            &state,
            Ablation::Noise {
                sigma: 2.0 * spread,
                seed: 4,
            },
            &NoControl,
        )
        .unwrap();
    assert!(agreement(&by_gradient, &large).unwrap().cosine < agreed.cosine);
}

#[test]
fn the_brush_estimates_the_jacobian_under_it() {
    let (golden, runner) = open("a3_softvq_nol2").unwrap();
    let z = encoded(&golden, &runner).z;
    let mask = left_half(&runner);
    let found = runner.brush_sensitivity(&z, &mask, 256, 1, &NoControl).unwrap();
    let pixels = mask.weights().len();
    let std = f64::from(runner.info().space.std);
    for (token, found) in found.iter().enumerate() {
        let columns = runner.token_jacobian(&z, token, &NoControl).unwrap();
        let squares: f64 = columns
            .iter()
            .flat_map(|column| column.data.iter().enumerate())
            .map(|(index, value)| f64::from(mask.weights()[index % pixels]) * f64::from(*value).powi(2))
            .sum();
        let expected = 127.5 * std * (squares / (3.0 * mask.area())).sqrt();
        assert!(
            (found / expected - 1.0).abs() < 0.15,
            "token {token}: {found}, expected {expected}"
        );
    }
    assert_eq!(
        found,
        runner.brush_sensitivity(&z, &mask, 256, 1, &NoControl).unwrap()
    );
}

#[test]
fn an_empty_brush_moves_nothing_and_a_wrong_one_is_refused() {
    let (golden, runner) = open("a3_softvq_nol2").unwrap();
    let z = encoded(&golden, &runner).z;
    let side = runner.info().args.image_size as u32;
    let empty = Mask::new(side, side, vec![0.0; (side * side) as usize]).unwrap();
    assert_eq!(
        runner.brush_sensitivity(&z, &empty, 4, 1, &NoControl).unwrap(),
        vec![0.0; z.count]
    );
    let small = Mask::new(2, 2, vec![1.0; 4]).unwrap();
    assert!(matches!(
        runner.brush_sensitivity(&z, &small, 4, 1, &NoControl),
        Err(EngineError::PictureSize { .. })
    ));
    let other = Tokens::new(1, 1, vec![0.0]).unwrap();
    assert!(matches!(
        runner.pull_back(&other, &[picture(&runner, 1)], &NoControl),
        Err(EngineError::TokenShape { .. })
    ));
}

#[test]
fn every_pass_can_be_cancelled() {
    let (golden, runner) = open("a3_softvq_nol2").unwrap();
    let state = encoded(&golden, &runner);
    let (u, mask) = (picture(&runner, 1), left_half(&runner));
    let all: Vec<usize> = (0..state.z.count).collect();
    let results = [
        runner.pull_back(&state.z, std::slice::from_ref(&u), &Stop).err(),
        runner.brush_sensitivity(&state.z, &mask, 2, 1, &Stop).err(),
        runner
            .directional_derivatives(&state.z, &[direction(&state.z, 1)], &Stop)
            .err(),
        runner.influence_by_gradient(&state, Ablation::Mean, &Stop).err(),
        runner.interactions(&state, &all, Ablation::Mean, &Stop).err(),
        runner.order_curves(&state.z, &u, &Stop).err(),
        runner.sensitivity_spectrum(&state.z, 0, &Stop).err(),
    ];
    for (index, result) in results.into_iter().enumerate() {
        assert!(
            matches!(result, Some(EngineError::Cancelled)),
            "pass {index}: {result:?}"
        );
    }
}
