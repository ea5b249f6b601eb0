//! What single edits mean.

use super::*;
use softscope::analysis::{TokenQuantity, mixture_figures, token_quantity};
use softscope::latent::{BlendMode, DirectionSource, blend_rows, editable_mixture, segment_behind};

fn weights_of(state: &LatentState, token: usize) -> Vec<f32> {
    state.mixture(token).unwrap().weights.to_vec()
}

#[test]
fn set_weights_shares_what_is_left_in_proportion() {
    let before = weights_of(&original(), 4);
    let state = edited(
        &original(),
        &[set_weights(&[(1, 3, 0.25), (1, 8, 0.0)], Rest::Proportional)],
    )
    .unwrap();
    let after = weights_of(&state, 4);
    assert!((after[3] - 0.25).abs() < 1e-6 && after[8] == 0.0);
    let others = |weights: &[f32]| 1.0 - weights[3] - weights[8];
    for codeword in (0..CODEWORDS).filter(|codeword| ![3, 8].contains(codeword)) {
        let expected = before[codeword] * 0.75 / others(&before);
        assert!((after[codeword] - expected).abs() < 1e-6, "{codeword}");
    }
}

#[test]
fn set_weights_above_one_are_divided_by_their_sum() {
    for rest in [Rest::Proportional, Rest::Zero] {
        let after = weights_of(
            &edited(&original(), &[set_weights(&[(1, 3, 3.0), (1, 5, 1.0)], rest)]).unwrap(),
            4,
        );
        assert!((after[3] - 0.75).abs() < 1e-6 && (after[5] - 0.25).abs() < 1e-6);
        assert_eq!(after.iter().filter(|weight| **weight > 0.0).count(), 2);
    }
}

#[test]
fn set_weights_with_rest_zero_keeps_only_the_listed() {
    let after = weights_of(
        &edited(&original(), &[set_weights(&[(1, 3, 0.2)], Rest::Zero)]).unwrap(),
        4,
    );
    assert_eq!((after[3], after.iter().sum::<f32>()), (1.0, 1.0));
}

#[test]
fn set_weights_takes_all_where_nothing_else_has_any() {
    let alone = set_weights(&[(1, 3, 1.0)], Rest::Zero);
    let after = edited(
        &original(),
        &[alone.clone(), set_weights(&[(1, 3, 0.4)], Rest::Proportional)],
    )
    .unwrap();
    assert_eq!(weights_of(&after, 4)[3], 1.0);
    let gone = edited(
        &original(),
        &[alone, set_weights(&[(1, 3, 0.0)], Rest::Proportional)],
    );
    assert_eq!(gone.unwrap_err(), EditError::NoMass { token: 4 });
}

#[test]
fn tau_of_the_model_gives_the_unedited_token_and_small_tau_one_codeword() {
    let same = edited(
        &original(),
        &[
            Edit::Zero { tokens: vec![1] },
            Edit::Temperature {
                tokens: vec![1],
                tau: 0.07,
            },
        ],
    );
    assert_eq!(same.unwrap(), original());
    for tau in [1e-6, f32::MIN_POSITIVE, 1e-45] {
        let hard = edited(&original(), &[Edit::Temperature { tokens: vec![1], tau }]).unwrap();
        assert_eq!(mixture_figures(hard.mixture(1).unwrap()).max_weight, 1.0, "{tau}");
    }
    let soft = edited(
        &original(),
        &[Edit::Temperature {
            tokens: vec![1],
            tau: 1e30,
        }],
    )
    .unwrap();
    assert!((mixture_figures(soft.mixture(1).unwrap()).perplexity - CODEWORDS as f64).abs() < 1e-3);
}

#[test]
fn temperature_follows_a_token_through_swaps() {
    let swap = Edit::Swap { a: 0, b: 5 };
    let cool = |token| Edit::Temperature {
        tokens: vec![token],
        tau: 0.02,
    };
    let before = edited(&original(), &[cool(0), swap.clone()]).unwrap();
    assert_eq!(edited(&original(), &[swap.clone(), cool(5)]).unwrap(), before);
    // Also when the mixture was lost on the way.
    let scale = Edit::Scale {
        tokens: vec![5],
        factor: 2.0,
    };
    let freed = edited(&original(), &[swap.clone(), scale, cool(5)]).unwrap();
    assert_eq!(freed.mixture(5), before.mixture(5));
    let moved = edited(&original(), &[swap, Edit::Mean { tokens: vec![5] }]).unwrap();
    assert_eq!(segment_behind(codebook(), &original(), &moved, 5), 0);
}

#[test]
fn a_token_from_elsewhere_has_no_temperature_until_restored() {
    let copy = Edit::Copy {
        from: embedded(50),
        tokens: vec![2],
        to: vec![1],
    };
    let cool = Edit::Temperature {
        tokens: vec![1],
        tau: 0.02,
    };
    let copied = edited(&original(), &[copy]).unwrap();
    assert_eq!(copied.z.row(1), &rows(TOKENS, 50)[2][..]);
    assert!((copied.h_row(1), copied.mixture(1)) == (None, None) && copied.h_row(2).is_some());
    assert_eq!(
        edited(&copied, std::slice::from_ref(&cool)).unwrap_err(),
        EditError::EncoderOutputUnknown { token: 1 }
    );
    // It can be hardened and weighed all the same, from its nearest mixture.
    let hard = edited(
        &copied,
        &[Edit::Harden {
            tokens: vec![1],
            top: 1,
        }],
    )
    .unwrap();
    assert_eq!(mixture_figures(hard.mixture(1).unwrap()).max_weight, 1.0);
    assert_eq!(
        edited(&copied, &[Edit::Restore { tokens: vec![1] }, cool.clone()]),
        edited(&original(), &[cool])
    );
}

#[test]
fn tokens_of_a_file_without_encoder_output_can_be_edited() {
    let file = LatentState::from_z(original().z);
    let apply_to_file = |edit: Edit| {
        let mut state = file.clone();
        apply(space(), &file, &mut state, &edit).map(|()| state)
    };
    let projected = apply_to_file(Edit::Project { tokens: vec![0, 3] }).unwrap();
    assert!(projected.mixture(0).is_some() && projected.mixture(1).is_none());
    assert_close(projected.z.row(0), file.z.row(0), 1e-4);
    assert_eq!(editable_mixture(codebook(), &file, &file, 4).segment, 1);
    assert_eq!(
        apply_to_file(Edit::Temperature {
            tokens: vec![0],
            tau: 1.0
        })
        .unwrap_err(),
        EditError::EncoderOutputUnknown { token: 0 }
    );
    assert!(apply_to_file(Edit::Swap { a: 0, b: 1 }).is_ok());
}

#[test]
fn harden_keeps_the_heaviest() {
    let before = weights_of(&original(), 2);
    let after = weights_of(
        &edited(
            &original(),
            &[Edit::Harden {
                tokens: vec![2],
                top: 3,
            }],
        )
        .unwrap(),
        2,
    );
    let least_kept = (0..CODEWORDS)
        .filter(|i| after[*i] > 0.0)
        .map(|i| before[i])
        .fold(1.0, f32::min);
    let most_dropped = (0..CODEWORDS)
        .filter(|i| after[*i] == 0.0)
        .map(|i| before[i])
        .fold(0.0, f32::max);
    assert!(after.iter().filter(|weight| **weight > 0.0).count() == 3 && least_kept >= most_dropped);
}

#[test]
fn noise_of_a_token_depends_on_nothing_but_seed_and_token() {
    let noise = |tokens: &[usize], seed| {
        let edit = Edit::Noise {
            tokens: tokens.to_vec(),
            sigma: 1.0,
            seed,
        };
        edited(&original(), &[edit]).unwrap().z
    };
    assert_eq!(noise(&[1, 4], 9).row(4), noise(&[4], 9).row(4));
    assert_ne!(noise(&[4], 9).row(4), noise(&[4], 10).row(4));
    // A recipe's noise must be the same in every version: these bits are kept.
    let shift = noise(&[0], 1).row(0)[0] - original().z.row(0)[0];
    assert!((shift - NOISE_OF_SEED_1).abs() < 1e-6, "{shift}");
}

/// 0.3 (the latent deviation) times the first draw of stream 0 of seed 1.
const NOISE_OF_SEED_1: f32 = -0.070_454;

#[test]
fn noise_is_standard_normal() {
    let wide = LatentState::from_z(Tokens::new(TOKENS, DIM, vec![0.0; TOKENS * DIM]).unwrap());
    let mut draws = Vec::new();
    for seed in 0..400 {
        let mut state = wide.clone();
        let noise = Edit::Noise {
            tokens: (0..TOKENS).collect(),
            sigma: 1.0,
            seed,
        };
        apply(space(), &wide, &mut state, &noise).unwrap();
        draws.extend(state.z.values.iter().map(|value| f64::from(*value) / 0.3));
    }
    let mean = draws.iter().sum::<f64>() / draws.len() as f64;
    let variance = draws.iter().map(|draw| (draw - mean).powi(2)).sum::<f64>() / draws.len() as f64;
    assert!(
        mean.abs() < 0.03 && (variance - 1.0).abs() < 0.04,
        "{mean} {variance}"
    );
}

#[test]
fn slerp_keeps_the_length_of_rows_of_one_length() {
    let unit = |row: &[f32]| -> Vec<f32> {
        let norm = row.iter().map(|value| value * value).sum::<f32>().sqrt();
        row.iter().map(|value| value / norm).collect()
    };
    let (a, b) = (unit(&values(DIM, 1)), unit(&values(DIM, 2)));
    let middle = blend_rows(&a, &b, 0.5, BlendMode::Slerp);
    assert!((middle.iter().map(|value| value * value).sum::<f32>() - 1.0).abs() < 1e-5);
    // Parallel and empty rows fall back to the line instead of dividing by 0.
    let line = |a: &[f32], b: &[f32]| blend_rows(a, b, 0.25, BlendMode::Slerp);
    assert_eq!(line(&[2.0, 0.0], &[4.0, 0.0]), [2.5, 0.0]);
    assert_eq!(line(&[0.0, 0.0], &[4.0, 0.0]), [1.0, 0.0]);
    assert_eq!(line(&[2.0, 0.0], &[-2.0, 0.0]), [1.0, 0.0]);
}

#[test]
fn a_direction_moves_every_token_or_each_its_own_way() {
    let step = vec![1.0, 0.0, -1.0, 0.5, 0.0];
    let along = |vector| Edit::Direction {
        source: DirectionSource::Vector(vector),
        amount: 2.0,
    };
    let moved = edited(&original(), &[along(vec![step.clone()])]).unwrap();
    for token in 0..TOKENS {
        for ((after, before), step) in moved.z.row(token).iter().zip(original().z.row(token)).zip(&step) {
            assert_eq!(*after, before + 2.0 * step);
        }
    }
    let mut rows = vec![vec![0.0; DIM]; TOKENS];
    rows[3] = step;
    let one = along(rows);
    let moved = edited(&original(), std::slice::from_ref(&one)).unwrap();
    let free: Vec<usize> = (0..TOKENS)
        .filter(|token| moved.mixture(*token).is_none())
        .collect();
    assert_eq!((free, one.touched()), (vec![3], Some(vec![3])));
}

#[test]
fn quantities_tell_free_tokens_from_mixed_ones() {
    let scaled = edited(
        &original(),
        &[Edit::Scale {
            tokens: vec![2],
            factor: 5.0,
        }],
    )
    .unwrap();
    let quantity = |quantity| token_quantity(space(), &original(), &scaled, quantity);
    assert!(quantity(TokenQuantity::Entropy)[2].is_none() && quantity(TokenQuantity::MaxWeight)[1].is_some());
    assert_eq!(quantity(TokenQuantity::Edited)[1], Some(0.0));
    assert_eq!(quantity(TokenQuantity::HullDistance)[1], Some(0.0));
    let norm = quantity(TokenQuantity::Norm)[2].unwrap();
    let edited = quantity(TokenQuantity::Edited)[2].unwrap();
    assert!((edited - norm * 0.8 / 0.3).abs() < 1e-4, "{edited} {norm}");
    assert!(quantity(TokenQuantity::HullDistance)[2].unwrap() > 0.0);
}
