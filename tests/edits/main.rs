//! Edits on tokens: against the reference's figures, as properties of random edit lists, and with bad input.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unreachable)] // a test stops at the first surprise

mod classes;
mod goldens;
mod invalid;
mod json;
mod meaning;
mod properties;

use softscope::latent::{
    Assignment, Bottleneck, Codebook, Edit, EditError, LatentSpace, LatentState, Rest, TokenSource, Tokens,
    apply, posterior,
};
use std::sync::OnceLock;

const TOKENS: usize = 6;
const DIM: usize = 5;
const SEGMENTS: usize = 2;
const CODEWORDS: usize = 24;

fn spread(seed: u32) -> impl FnMut() -> f32 {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12_345);
    move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    }
}

fn values(count: usize, seed: u32) -> Vec<f32> {
    std::iter::repeat_with(spread(seed)).take(count).collect()
}

fn rows(count: usize, seed: u32) -> Vec<Vec<f32>> {
    values(count * DIM, seed)
        .chunks(DIM)
        .map(<[f32]>::to_vec)
        .collect()
}

fn space() -> &'static LatentSpace {
    static SPACE: OnceLock<LatentSpace> = OnceLock::new();
    SPACE.get_or_init(|| {
        let stored = values(SEGMENTS * CODEWORDS * DIM, 7);
        let codebook = Codebook::new(SEGMENTS, CODEWORDS, DIM, true, 0.07, stored).unwrap();
        LatentSpace {
            token_count: TOKENS,
            dim: DIM,
            bottleneck: Bottleneck::Soft(codebook),
            mean: 0.01,
            std: 0.3,
        }
    })
}

fn codebook() -> &'static Codebook {
    space().mixing().unwrap()
}

fn original() -> LatentState {
    encoded(space(), Tokens::from_rows(&rows(TOKENS, 3)).unwrap())
}

fn edited(state: &LatentState, edits: &[Edit]) -> Result<LatentState, EditError> {
    let mut edited = state.clone();
    for edit in edits {
        apply(space(), &original(), &mut edited, edit)?;
    }
    Ok(edited)
}

fn embedded(seed: u32) -> TokenSource {
    TokenSource::Embedded {
        z: rows(TOKENS, seed),
        name: None,
    }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

fn encoded(space: &LatentSpace, h: Tokens) -> LatentState {
    let codebook = space.mixing().unwrap();
    let mixture = |token: usize| {
        let segment = codebook.segment_of(token, h.count);
        posterior(codebook, segment, h.row(token), codebook.tau)
    };
    let mixtures: Vec<_> = (0..h.count).map(mixture).collect();
    let z = Tokens::from_rows(
        &mixtures
            .iter()
            .map(|mixture| codebook.mix(mixture))
            .collect::<Vec<_>>(),
    );
    LatentState {
        h: Some(h),
        z: z.unwrap(),
        assignments: mixtures
            .into_iter()
            .map(|mixture| Some(Assignment::Soft(mixture)))
            .collect(),
    }
}

fn assert_close(found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len());
    for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!(
            (found - expected).abs() <= tolerance,
            "value {place}: {found} instead of {expected}"
        );
    }
}

/// Of token 4, which mixes codewords of segment 1.
fn set_weights(weights: &[(usize, usize, f32)], rest: Rest) -> Edit {
    Edit::SetWeights {
        token: 4,
        weights: weights.to_vec(),
        rest,
    }
}
