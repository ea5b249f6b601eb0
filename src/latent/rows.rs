//! What edits do to one row of values.

use super::BlendMode;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};

/// Above this cosine, either sign, the arc between two rows is not well defined and the line is taken.
const PARALLEL_COSINE: f64 = 0.9995;

/// The row at `t` between `a` (t = 0) and `b` (t = 1), D values each. Linear is exactly (1-t) a + t b in f32; slerp
/// weighs the rows by sin((1-t) theta) / sin(theta) and sin(t theta) / sin(theta), theta being the angle between them.
pub fn blend_rows(a: &[f32], b: &[f32], t: f32, mode: BlendMode) -> Vec<f32> {
    let linear = (1.0 - t, t);
    let (of_a, of_b) = match mode {
        BlendMode::Linear => linear,
        BlendMode::Slerp => arc_weights(a, b, f64::from(t)).unwrap_or(linear),
    };
    a.iter().zip(b).map(|(a, b)| of_a * a + of_b * b).collect()
}

/// `None` where the rows are nearly parallel or opposite, or one has no length.
fn arc_weights(a: &[f32], b: &[f32], t: f64) -> Option<(f32, f32)> {
    let dot =
        |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum() };
    let cosine = dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
    if cosine.is_nan() || cosine.abs() > PARALLEL_COSINE {
        return None;
    }
    let angle = cosine.acos();
    let weight = |share: f64| ((share * angle).sin() / angle.sin()) as f32;
    // The ends are exact, so that t = 0 and t = 1 give the rows themselves.
    Some((
        if t == 1.0 { 0.0 } else { weight(1.0 - t) },
        if t == 1.0 { 1.0 } else { weight(t) },
    ))
}

/// `row` + `deviation` * standard normal draws. Each token has its own stream of the seed, so what a token gets does
/// not depend on which others are listed.
pub(super) fn noisy(row: &[f32], deviation: f32, seed: u64, token: usize) -> Vec<f32> {
    row.iter()
        .zip(normal_draws(seed, token, row.len()))
        .map(|(value, draw)| value + deviation * draw)
        .collect()
}

/// Standard normal draws of a token.
pub(super) fn normal_draws(seed: u64, token: usize, count: usize) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(token as u64);
    StandardNormal.sample_iter(&mut random).take(count).collect()
}
