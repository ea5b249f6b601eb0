//! What goes back through the decoder, against the CPU: gradients, maps of influence, the brush, painting.

use crate::support::chosen::pair;
use crate::support::models::{SETS, decode, encoded, left_half, wave};
use softscope::engine::{Ablation, NearHull, NoControl, PaintJob, PaintSettings, PaintTokens, Runner};
use softscope::latent::{LatentState, Tokens};
use softscope::picture::Planar;

/// Of the largest entry: the contract's figure for gradients.
const GRADIENT: f64 = 1e-4;
/// Of the largest entry. Central differences over 5 % of the tokens' spread magnify the rounding of two decodes, 5e-5 at
/// most, some twenty times.
const DIFFERENCES: f64 = 5e-3;

/// Largest difference over the largest expected value; infinite where a value is no number.
fn off_by(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
    let differences = found.iter().zip(expected).map(|(a, b)| f64::from((a - b).abs()));
    let most = differences.fold(
        0.0,
        |most: f64, by| if by.is_nan() { f64::INFINITY } else { most.max(by) },
    );
    most / f64::from(largest)
}

#[track_caller]
fn assert_near(what: &str, found: &[f32], expected: &[f32], tolerance: f64) {
    let error = off_by(found, expected);
    eprintln!("{what}: {error:.1e}");
    assert!(
        error <= tolerance,
        "{what} is off by {error:e} of its largest value"
    );
}

fn picture(runner: &Runner, seed: usize) -> Planar {
    let side = runner.info().args.image_size;
    Planar::new(side as u32, side as u32, wave(3 * side * side, seed)).unwrap()
}

#[test]
fn gradients_of_tokens_are_those_of_the_cpu() {
    for name in SETS {
        let Some((golden, on_device, on_cpu)) = pair(name) else {
            continue;
        };
        let z = encoded(&golden, &on_cpu).z;
        let pictures: Vec<Planar> = (1..=3).map(|seed| picture(&on_cpu, seed)).collect();
        let found = on_device.pull_back(&z, &pictures, &NoControl).unwrap();
        let expected = on_cpu.pull_back(&z, &pictures, &NoControl).unwrap();
        for (found, expected) in found.iter().zip(&expected) {
            assert_near(name, &found.values, &expected.values, GRADIENT);
        }
    }
}

#[test]
fn derivatives_of_pictures_are_those_of_the_cpu() {
    let (golden, on_device, on_cpu) = pair("a3_softvq_nol2").unwrap();
    let state = encoded(&golden, &on_cpu);
    let ways: Vec<Tokens> = (0..5)
        .map(|seed| Tokens::new(state.z.count, state.z.dim, wave(state.z.values.len(), seed)).unwrap())
        .collect();
    let found = on_device
        .directional_derivatives(&state.z, &ways, &NoControl)
        .unwrap();
    let expected = on_cpu
        .directional_derivatives(&state.z, &ways, &NoControl)
        .unwrap();
    for (found, expected) in found.iter().zip(&expected) {
        assert_near("along a direction", &found.data, &expected.data, DIFFERENCES);
    }
    let found = on_device.token_jacobian(&state.z, 1, &NoControl).unwrap();
    let expected = on_cpu.token_jacobian(&state.z, 1, &NoControl).unwrap();
    for (found, expected) in found.iter().zip(&expected) {
        assert_near(
            "a column of the Jacobian",
            &found.data,
            &expected.data,
            DIFFERENCES,
        );
    }
}

#[test]
fn influence_and_the_brush_are_those_of_the_cpu() {
    let (golden, on_device, on_cpu) = pair("a3_softvq_nol2").unwrap();
    let state = encoded(&golden, &on_cpu);
    let of = |runner: &Runner| {
        let ablated = runner.influence(&state, Ablation::Mean, &NoControl).unwrap();
        let linear = runner
            .influence_by_gradient(&state, Ablation::Mean, &NoControl)
            .unwrap();
        let mask = left_half(runner);
        let brush = runner
            .brush_sensitivity(&state.z, &mask, 8, 1, &NoControl)
            .unwrap();
        let brush: Vec<f32> = brush.into_iter().map(|value| value as f32).collect();
        (ablated.signed().to_vec(), linear.signed().to_vec(), brush)
    };
    let (found, expected) = (of(&on_device), of(&on_cpu));
    assert_near("influence by ablation", &found.0, &expected.0, GRADIENT);
    assert_near("influence by gradient", &found.1, &expected.1, DIFFERENCES);
    assert_near("the brush", &found.2, &expected.2, GRADIENT);
}

/// Towards the decode of tokens that are a little different.
fn job(on_cpu: &Runner, state: &LatentState) -> PaintJob {
    let mut wanted = state.z.clone();
    for (index, value) in wanted.values.iter_mut().enumerate() {
        *value += if index % 3 == 0 { 0.3 } else { -0.15 };
    }
    let side = on_cpu.info().args.image_size as u32;
    PaintJob {
        start: state.z.clone(),
        target: Planar::new(side, side, decode(on_cpu, &wanted)).unwrap(),
        mask: left_half(on_cpu),
        tokens: PaintTokens::All,
        settings: PaintSettings {
            near_hull: NearHull::Penalty(PaintSettings::PENALTY),
            steps: 40,
            rate: 0.1,
            hold: 0.2,
        },
    }
}

#[test]
fn painting_ends_as_near_as_on_the_cpu() {
    let (golden, on_device, on_cpu) = pair("a3_softvq_nol2").unwrap();
    let job = job(&on_cpu, &encoded(&golden, &on_cpu));
    let end = |runner: &Runner| {
        let painting = runner.paint(job.clone(), &NoControl).unwrap();
        let (first, (_, best)) = (painting.first().unwrap(), painting.best());
        (first.region, best.unwrap().region)
    };
    let (found, expected) = (end(&on_device), end(&on_cpu));
    assert!(found.1 < 0.6 * found.0, "{found:?}");
    // Steps follow signs of small gradients, so that rounding moves the end a little.
    assert!(
        (found.0 / expected.0 - 1.0).abs() < 1e-3 && (found.1 / expected.1 - 1.0).abs() < 0.05,
        "{found:?}, on the CPU {expected:?}"
    );
}
