use crate::models::{decode, encoded, open};
use softscope::analysis::planar_mse;
use softscope::engine::{Ablation, EngineError, NoControl, Runner};
use softscope::latent::Tokens;
use softscope::picture::Planar;

/// Tokens with those of `gone` at the mean.
fn without(runner: &Runner, z: &Tokens, gone: &[usize]) -> Tokens {
    let mut left = z.clone();
    for token in gone {
        left.row_mut(*token).fill(runner.info().space.mean);
    }
    left
}

#[test]
fn an_interaction_is_what_a_pair_changes_beyond_the_sum() {
    for name in ["a3_softvq_nol2", "a4_kl16_vit"] {
        let (golden, runner) = open(name).unwrap();
        let state = encoded(&golden, &runner);
        let tokens: Vec<usize> = (0..state.z.count).rev().collect();
        let found = runner
            .interactions(&state, &tokens, Ablation::Mean, &NoControl)
            .unwrap();
        let size = tokens.len();
        let of = |gone: &[usize]| decode(&runner, &without(&runner, &state.z, gone));
        let all = of(&[]);
        for (row, a) in tokens.iter().enumerate() {
            let without_a = of(&[*a]);
            for (column, b) in tokens.iter().enumerate() {
                let (without_b, without_both) = (of(&[*b]), of(&[*a, *b]));
                let terms = (0..all.len()).map(|index| {
                    let value = if row == column {
                        all[index] - without_a[index]
                    } else {
                        all[index] - without_a[index] - without_b[index] + without_both[index]
                    };
                    f64::from(value).abs()
                });
                let expected = 127.5 * terms.sum::<f64>() / all.len() as f64;
                let value = found.values()[row * size + column];
                assert!(
                    (value - expected).abs() < 1e-3 * expected.max(0.1),
                    "{a}, {b}: {value}, {expected}"
                );
            }
        }
    }
}

#[test]
fn orders_start_at_nothing_and_end_at_everything() {
    let (golden, runner) = open("a3_softvq_nol2").unwrap();
    let z = encoded(&golden, &runner).z;
    let whole = runner.decode(&[&z], &NoControl).unwrap().remove(0);
    let curves = runner.order_curves(&z, &whole, &NoControl).unwrap();
    let everything: Vec<usize> = (0..z.count).collect();
    let none = planar_mse(&decode(&runner, &without(&runner, &z, &everything)), &whole.data);
    for curve in [&curves.prefix, &curves.greedy] {
        assert_eq!(curve.len(), z.count + 1);
        assert!((curve[0].mse - none).abs() < 1e-6 * none.max(1e-3) && curve[0].token.is_none());
        assert!(curve[z.count].mse < 1e-9);
        let mut order: Vec<usize> = curve.iter().filter_map(|point| point.token).collect();
        order.sort_unstable();
        assert_eq!(order, everything);
    }
    // The first greedy token is the best of all, by trying each.
    let alone = |kept: usize| {
        let gone: Vec<usize> = (0..z.count).filter(|token| *token != kept).collect();
        planar_mse(&decode(&runner, &without(&runner, &z, &gone)), &whole.data)
    };
    let best = (0..z.count).map(alone).fold(f64::INFINITY, f64::min);
    assert!((curves.greedy[1].mse - best).abs() < 1e-9);
    // A prefix of three, by hand.
    let three: Vec<usize> = (3..z.count).collect();
    let expected = planar_mse(&decode(&runner, &without(&runner, &z, &three)), &whole.data);
    assert!((curves.prefix[3].mse - expected).abs() < 1e-9 && curves.prefix[3].token == Some(2));
}

#[test]
fn a_spectrum_bounds_every_move_and_its_squares_add_up_to_the_jacobians() {
    let (golden, runner) = open("a3_softvq_nol2").unwrap();
    let z = encoded(&golden, &runner).z;
    let token = 2;
    let spectrum = runner.sensitivity_spectrum(&z, token, &NoControl).unwrap();
    assert_eq!(spectrum.len(), z.dim);
    assert!(spectrum.is_sorted_by(|a, b| a >= b));
    let columns = runner.token_jacobian(&z, token, &NoControl).unwrap();
    let values = columns[0].data.len() as f64;
    let std = f64::from(runner.info().space.std);
    let unit = 127.5 * std / values.sqrt();
    let squares: f64 = columns
        .iter()
        .flat_map(|column| column.data.iter())
        .map(|value| (unit * f64::from(*value)).powi(2))
        .sum();
    let summed: f64 = spectrum.iter().map(|value| value.powi(2)).sum();
    assert!((summed / squares - 1.0).abs() < 1e-6);
    // A small move along a value axis changes the picture by no more than the largest singular value says.
    let mut moved = z.clone();
    moved.row_mut(token)[0] += 1e-3 * std as f32;
    let change: f64 = decode(&runner, &moved)
        .iter()
        .zip(decode(&runner, &z))
        .map(|(a, b)| (127.5 * f64::from(a - b)).powi(2))
        .sum();
    assert!((change / values).sqrt() <= 1e-3 * spectrum[0] * 1.02);
}

#[test]
fn what_does_not_fit_is_refused() {
    let (golden, runner) = open("a3_softvq_nol2").unwrap();
    let z = encoded(&golden, &runner).z;
    let small = Planar::new(2, 2, vec![0.0; 12]).unwrap();
    assert!(matches!(
        runner.order_curves(&z, &small, &NoControl),
        Err(EngineError::PictureSize { .. })
    ));
    assert!(matches!(
        runner.sensitivity_spectrum(&z, z.count, &NoControl),
        Err(EngineError::TokenShape { .. })
    ));
}
