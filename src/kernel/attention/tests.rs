//! Attention against the plain sums, in every format and with every tail.

use super::super::{Grouping, pack_rows};
use super::*;
use proptest::prelude::*;

fn wave(count: usize, seed: usize) -> Vec<f32> {
    (0..count)
        .map(|index| ((index * 7919 + seed * 104_729) % 2003) as f32 / 1001.0 - 1.0)
        .collect()
}

/// A query (`part` 0) or a key (1) as it is multiplied.
fn turned(attention: &Attention<'_>, part: usize, head: usize, token: usize, values: &[f32]) -> Vec<f64> {
    let mut values = values.to_vec();
    if let Some((query, key)) = attention.norms {
        if part == 0 { query } else { key }.forward(&mut values);
    }
    let mut values: Vec<f64> = values.iter().map(|value| f64::from(*value)).collect();
    let Some(rotation) = &attention.rotation else {
        return values;
    };
    for (pair, channels) in values.chunks_exact_mut(2).enumerate() {
        let at = (head * attention.length + token) * (attention.head_dim / 2) + pair;
        let (cosine, sine) = (f64::from(rotation.cosines[at]), f64::from(rotation.sines[at]));
        let (x, y) = (channels[0], channels[1]);
        channels.copy_from_slice(&[x * cosine - y * sine, x * sine + y * cosine]);
    }
    values
}

/// In f64, over `qkv` [rows, 3 D].
fn plain(attention: &Attention<'_>, qkv: &[f32]) -> Vec<f64> {
    let (width, length) = (attention.heads * attention.head_dim, attention.length);
    let mut mixed = vec![0.0; attention.pictures * length * width];
    for picture in 0..attention.pictures {
        for head in 0..attention.heads {
            let of = |part: usize, token: usize| {
                let start = (picture * length + token) * 3 * width + part * width + head * attention.head_dim;
                &qkv[start..start + attention.head_dim]
            };
            for token in 0..length {
                let query = turned(attention, 0, head, token, of(0, token));
                let powers: Vec<f64> = (0..length)
                    .map(|other| {
                        let key = turned(attention, 1, head, other, of(1, other));
                        query
                            .iter()
                            .zip(&key)
                            .map(|(query, key)| query * key)
                            .sum::<f64>()
                            .exp()
                    })
                    .collect();
                let sum: f64 = powers.iter().sum();
                for (other, power) in powers.iter().enumerate() {
                    for (channel, value) in of(2, other).iter().enumerate() {
                        let at = (picture * length + token) * width + head * attention.head_dim + channel;
                        mixed[at] += power / sum * f64::from(*value);
                    }
                }
            }
        }
    }
    mixed
}

fn check(pictures: usize, heads: usize, half_head: usize, length: usize, is_turned: bool, has_norms: bool) {
    let head_dim = 2 * half_head;
    let width = heads * head_dim;
    let rows = pictures * length;
    let qkv: Vec<f32> = wave(rows * 3 * width, 1)
        .iter()
        .map(|value| 1.5 * value)
        .collect();
    let angles = wave(heads * length * half_head, 2);
    let cosines: Vec<f32> = angles.iter().map(|angle| angle.cos()).collect();
    let sines: Vec<f32> = angles.iter().map(|angle| angle.sin()).collect();
    let qkv: Vec<f32> = qkv
        .iter()
        .map(|value| value / (head_dim as f32).sqrt().sqrt())
        .collect();
    let rotation = is_turned.then_some(Rotation {
        cosines: &cosines,
        sines: &sines,
    });
    // Norms bring back the size that the values lost.
    let norm = |seed| {
        let values = |seed| wave(head_dim, seed);
        HeadNorm::new(values(seed), values(seed + 1), 1e-5).scaled((head_dim as f32).sqrt().sqrt().recip())
    };
    let (query_norm, key_norm) = (norm(3), norm(5));
    let norms = has_norms.then_some((&query_norm, &key_norm));
    for isa in Isa::available() {
        let mut packed = vec![0; Format::F32.operand_words(rows, 3 * width)];
        pack_rows(
            isa,
            FloatFormat::F32,
            &qkv,
            3 * width,
            Grouping::dense(3 * width),
            &mut packed,
        );
        for (format, tolerance) in [(FloatFormat::F32, 5e-6), (FloatFormat::Bf16, 0.03)] {
            let (from, until) = (length / 4, length);
            let attention = Attention {
                heads,
                head_dim,
                pictures,
                length,
                format,
                norms,
                rotation,
                from,
                until,
            };
            let grouping = Grouping { group: head_dim };
            let out_rows = pictures * (until - from);
            let mut out = vec![0; grouping.panels(width) * out_rows * PANEL];
            attention.forward(isa, bytemuck::cast_slice(&packed), FloatFormat::F32, &mut out);
            let out: &[f32] = bytemuck::cast_slice(&out);
            for (index, expected) in plain(&attention, &qkv).iter().enumerate() {
                let (picture, token, channel) =
                    (index / width / length, index / width % length, index % width);
                if token < from {
                    continue;
                }
                let row = picture * (until - from) + token - from;
                let (head, within) = (channel / head_dim, channel % head_dim);
                let panel = head * panels(head_dim) + within / PANEL;
                let found = out[(panel * out_rows + row) * PANEL + within % PANEL];
                assert!(
                    (f64::from(found) - expected).abs() < tolerance,
                    "{isa:?} {format:?}, row {row}, channel {channel}: {found} instead of {expected}"
                );
            }
        }
    }
}

#[test]
fn attention_is_the_plain_one() {
    for (pictures, heads, half_head, length) in [(1, 1, 1, 1), (2, 3, 6, 33), (1, 2, 32, 70), (3, 2, 20, 13)]
    {
        for (is_turned, has_norms) in [(false, false), (true, false), (false, true), (true, true)] {
            check(pictures, heads, half_head, length, is_turned, has_norms);
        }
    }
}

#[test]
fn a_value_that_is_no_number_reaches_its_picture_alone() {
    let (heads, head_dim, length) = (2, 8, 5);
    let rows = 2 * length;
    let mut qkv = vec![0.5_f32; panels(3 * heads * head_dim) * rows * PANEL];
    qkv[0] = f32::NAN;
    let attention = Attention {
        heads,
        head_dim,
        pictures: 2,
        length,
        format: FloatFormat::F32,
        norms: None,
        rotation: None,
        from: 0,
        until: length,
    };
    let mut out = vec![0; heads * rows * PANEL];
    attention.forward(Isa::best(), &qkv, FloatFormat::F32, &mut out);
    let out: &[f32] = bytemuck::cast_slice(&out);
    assert!(out[0].is_nan());
    assert!(
        out[length * PANEL..rows * PANEL]
            .iter()
            .all(|value| value.is_finite())
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn attention_of_any_size_is_the_plain_one(
        pictures in 1_usize..3, heads in 1_usize..4, half_head in 1_usize..36, length in 1_usize..50, is_turned: bool,
        has_norms: bool,
    ) {
        check(pictures, heads, half_head, length, is_turned, has_norms);
    }
}
