//! What holds for every list of edits.

use super::*;
use proptest::prelude::*;
use softscope::latent::{BlendMode, DirectionSource, Mixture, project_onto_hull};

fn token_list() -> impl Strategy<Value = Vec<usize>> {
    proptest::sample::subsequence((0..TOKENS).collect::<Vec<_>>(), 1..=TOKENS).prop_shuffle()
}

fn source() -> impl Strategy<Value = TokenSource> {
    (any::<u32>(), proptest::option::of("[a-z]{1,8}")).prop_map(|(seed, name)| TokenSource::Embedded {
        z: rows(TOKENS, seed),
        name,
    })
}

/// Weights of a token in the segment it has where nothing was swapped.
fn weights() -> impl Strategy<Value = Edit> {
    let listed = proptest::collection::btree_map(0..CODEWORDS, 0.0f32..1.5, 1..5);
    let rest = prop_oneof![Just(Rest::Proportional), Just(Rest::Zero)];
    (0..TOKENS, listed, rest).prop_map(|(token, listed, rest)| {
        let segment = token / (TOKENS / SEGMENTS);
        let weights = listed
            .into_iter()
            .map(|(codeword, weight)| (segment, codeword, weight))
            .collect();
        Edit::SetWeights { token, weights, rest }
    })
}

pub(crate) fn edit() -> impl Strategy<Value = Edit> {
    let amount = || -2.0f32..2.0;
    prop_oneof![
        (0..TOKENS, 0..DIM, amount()).prop_map(|(token, dim, value)| Edit::SetValue { token, dim, value }),
        (token_list(), amount()).prop_map(|(tokens, factor)| Edit::Scale { tokens, factor }),
        weights(),
        (token_list(), 1e-4f32..10.0).prop_map(|(tokens, tau)| Edit::Temperature { tokens, tau }),
        (token_list(), 1..=CODEWORDS).prop_map(|(tokens, top)| Edit::Harden { tokens, top }),
        (0..TOKENS, 0..TOKENS).prop_map(|(a, b)| Edit::Swap { a, b }),
        (source(), token_list()).prop_map(|(from, tokens)| Edit::Copy {
            from,
            tokens,
            to: vec![]
        }),
        (source(), token_list()).prop_map(|(from, tokens)| {
            let to = tokens.iter().rev().copied().collect();
            Edit::Copy { from, tokens, to }
        }),
        (source(), token_list(), -1.0f32..2.0, any::<bool>()).prop_map(|(with, tokens, t, is_linear)| {
            let mode = if is_linear {
                BlendMode::Linear
            } else {
                BlendMode::Slerp
            };
            Edit::Blend {
                with,
                tokens,
                t,
                mode,
            }
        }),
        token_list().prop_map(|tokens| Edit::Mean { tokens }),
        token_list().prop_map(|tokens| Edit::Zero { tokens }),
        (token_list(), 0.0f32..3.0, any::<u64>()).prop_map(|(tokens, sigma, seed)| Edit::Noise {
            tokens,
            sigma,
            seed
        }),
        (any::<u32>(), any::<bool>(), amount()).prop_map(|(seed, is_single, amount)| {
            let rows = rows(if is_single { 1 } else { TOKENS }, seed);
            Edit::Direction {
                source: DirectionSource::Vector(rows),
                amount,
            }
        }),
        (token_list(), 0.0f32..3.0, any::<u64>()).prop_map(|(tokens, amount, seed)| Edit::Sample {
            tokens,
            amount,
            seed
        }),
        token_list().prop_map(|tokens| Edit::Project { tokens }),
        token_list().prop_map(|tokens| Edit::Restore { tokens }),
    ]
}

fn edit_list() -> impl Strategy<Value = Vec<Edit>> {
    proptest::collection::vec(edit(), 0..12)
}

/// Applies what can be applied; a swap may have made a weight edit's segment wrong, which must change nothing.
fn apply_all(edits: &[Edit]) -> LatentState {
    let mut state = original();
    for edit in edits {
        let before = state.clone();
        if apply(space(), &original(), &mut state, edit).is_err() {
            assert_eq!(state, before, "{edit:?}");
        }
    }
    state
}

proptest! {
    #[test]
    fn weights_stay_a_distribution_and_give_the_token(edits in edit_list()) {
        let state = apply_all(&edits);
        for token in 0..TOKENS {
            let row = state.z.row(token);
            prop_assert!(row.iter().all(|value| value.is_finite()));
            let Some(mixture) = state.mixture(token) else { continue };
            let sum: f64 = mixture.weights.iter().map(|weight| f64::from(*weight)).sum();
            prop_assert!((sum - 1.0).abs() < 1e-5, "sum {}", sum);
            prop_assert!(mixture.weights.iter().all(|weight| (0.0..=1.000_001).contains(weight)));
            for (found, expected) in row.iter().zip(codebook().mix(mixture)) {
                prop_assert!((found - expected).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn edits_change_only_the_tokens_they_name(edits in edit_list(), edit in edit()) {
        let before = apply_all(&edits);
        let mut after = before.clone();
        if apply(space(), &original(), &mut after, &edit).is_ok() {
            let touched = edit.touched().unwrap_or_else(|| (0..TOKENS).collect());
            for token in (0..TOKENS).filter(|token| !touched.contains(token)) {
                prop_assert_eq!(bits(after.z.row(token)), bits(before.z.row(token)), "{:?}", edit);
                prop_assert_eq!(after.mixture(token), before.mixture(token));
                prop_assert_eq!(after.h_row(token), before.h_row(token));
            }
        }
    }

    #[test]
    fn swapping_twice_changes_nothing(edits in edit_list(), a in 0..TOKENS, b in 0..TOKENS) {
        let state = apply_all(&edits);
        let swap = Edit::Swap { a, b };
        prop_assert_eq!(edited(&state, &[swap.clone(), swap]).unwrap(), state);
    }

    #[test]
    fn restoring_everything_gives_the_original_bits(edits in edit_list()) {
        let restore = Edit::Restore { tokens: (0..TOKENS).collect() };
        let state = edited(&apply_all(&edits), &[restore]).unwrap();
        prop_assert_eq!(bits(&state.z.values), bits(&original().z.values));
        prop_assert_eq!(state, original());
    }

    #[test]
    fn json_gives_back_the_edit_bit_for_bit(edit in edit()) {
        let text = serde_json::to_string(&edit).unwrap();
        prop_assert_eq!(serde_json::from_str::<Edit>(&text).unwrap(), edit, "{}", text);
    }

    #[test]
    fn json_keeps_every_finite_float(bits in any::<u32>()) {
        let value = f32::from_bits(bits);
        prop_assume!(value.is_finite());
        let edit = Edit::SetValue { token: 0, dim: 0, value };
        let text = serde_json::to_string(&edit).unwrap();
        let Edit::SetValue { value: found, .. } = serde_json::from_str(&text).unwrap() else { panic!("{text}") };
        prop_assert_eq!(found.to_bits(), bits, "{}", text);
    }

    #[test]
    fn labels_are_one_line(edit in edit()) {
        let label = edit.label();
        prop_assert!(!label.is_empty() && !label.contains('\n') && label.len() < 90, "{}", label);
    }

    #[test]
    fn blends_meet_their_ends(seed in any::<u32>(), is_linear in any::<bool>(), tokens in token_list()) {
        let mode = if is_linear { BlendMode::Linear } else { BlendMode::Slerp };
        let blend = |t: f32| Edit::Blend { with: embedded(seed), tokens: tokens.clone(), t, mode };
        prop_assert_eq!(edited(&original(), &[blend(0.0)]).unwrap(), original());
        let end = edited(&original(), &[blend(1.0)]).unwrap();
        for &token in &tokens {
            prop_assert_eq!(end.z.row(token), &rows(TOKENS, seed)[token][..]);
        }
    }

    #[test]
    fn projections_are_the_nearest_mixture(row in proptest::collection::vec(-2.0f32..2.0, DIM), segment in 0..SEGMENTS) {
        let codebook = codebook();
        let projection = project_onto_hull(codebook, segment, &row);
        let distance = |a: &[f32], b: &[f32]| -> f32 {
            a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt()
        };
        for codeword in 0..CODEWORDS {
            let vertex = codebook.codeword(segment, codeword).unwrap();
            prop_assert!(projection.distance <= distance(vertex, &row) + 1e-5);
        }
        prop_assert!((distance(&projection.z, &row) - projection.distance).abs() < 1e-5);
        prop_assert!(projection.gap < 1e-6, "gap {}", projection.gap);
        let again = project_onto_hull(codebook, segment, &projection.z);
        prop_assert!(again.distance < 1e-4 && distance(&again.z, &projection.z) < 1e-4);
    }

    #[test]
    fn a_mixture_lies_in_its_hull(weights in proptest::collection::vec(0.0f32..1.0, CODEWORDS), segment in 0..SEGMENTS) {
        let sum: f32 = weights.iter().sum();
        prop_assume!(sum > 0.1);
        let mixture = Mixture { segment, weights: weights.iter().map(|weight| weight / sum).collect() };
        let row = codebook().mix(&mixture);
        let projection = project_onto_hull(codebook(), segment, &row);
        let norm = row.iter().map(|value| value * value).sum::<f32>().sqrt();
        prop_assert!(projection.distance <= 1e-4 * norm.max(0.1), "{} of {}", projection.distance, norm);
    }
}

#[test]
fn a_full_size_hull_is_searched_to_the_end() {
    let (size, dim) = (4096, 32);
    let codebook = Codebook::new(1, size, dim, true, 0.07, values(size * dim, 1)).unwrap();
    let inside = codebook.mix(&posterior(&codebook, 0, &values(dim, 2), 0.07));
    let projection = project_onto_hull(&codebook, 0, &inside);
    let norm = inside.iter().map(|value| value * value).sum::<f32>().sqrt();
    assert!(
        projection.distance < 1e-3 * norm,
        "{} of {norm}",
        projection.distance
    );
    let outside: Vec<f32> = values(dim, 3).iter().map(|value| value * 4.0).collect();
    let projection = project_onto_hull(&codebook, 0, &outside);
    let norm = outside.iter().map(|value| value * value).sum::<f32>().sqrt();
    assert!(
        projection.distance > norm - 1.0 && projection.gap < 1e-4 * norm * norm,
        "{projection:?}"
    );
    assert!(
        projection
            .mixture
            .weights
            .iter()
            .filter(|weight| **weight > 0.0)
            .count()
            <= dim + 1
    );
}

#[test]
fn degenerate_hulls_end() {
    // Two equal codewords, one at the row itself, one opposite.
    let stored = vec![1.0, 0.0, 1.0, 0.0, 0.0, 1.0, -1.0, 0.0];
    let codebook = Codebook::new(1, 4, 2, false, 0.07, stored).unwrap();
    for row in [
        [1.0, 0.0],
        [0.0, 0.0],
        [0.2, 0.2],
        [9.0, 0.0],
        [0.0, -3.0],
        [1e20, 1e20],
    ] {
        let projection = project_onto_hull(&codebook, 0, &row);
        let sum: f32 = projection.mixture.weights.iter().sum();
        assert!(
            (sum - 1.0).abs() < 1e-5 && projection.distance.is_finite(),
            "{row:?} {projection:?}"
        );
    }
    assert!(project_onto_hull(&codebook, 0, &[0.2, 0.2]).distance < 1e-5);
    assert!((project_onto_hull(&codebook, 0, &[0.0, -3.0]).distance - 3.0).abs() < 1e-5);
    assert!(
        project_onto_hull(&codebook, 9, &[0.0, 0.0])
            .distance
            .is_infinite()
    );
}
