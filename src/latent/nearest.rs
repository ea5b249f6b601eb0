//! Hard quantisation: how far a row of values is from each codeword, and which is nearest.

use super::Codebook;
use super::mixture::{LANES, normalise};

/// Euclidean distances from `row` (D values) to all codewords of a segment, n values. Where the model compares unit
/// vectors, the row is brought to unit length first. A segment that does not exist has no distances.
pub fn codeword_distances(codebook: &Codebook, segment: usize, row: &[f32]) -> Vec<f32> {
    squared_distances(codebook, segment, &comparable(codebook, row))
        .map(f32::sqrt)
        .collect()
}

/// The codeword nearest to `row`, the first of equals, and the Euclidean distance to it; `None` in a segment that does
/// not exist.
pub fn nearest_codeword(codebook: &Codebook, segment: usize, row: &[f32]) -> Option<(usize, f32)> {
    let (codeword, square) = squared_distances(codebook, segment, &comparable(codebook, row))
        .enumerate()
        .min_by(|(_, a), (_, b)| a.total_cmp(b))?;
    Some((codeword, square.sqrt()))
}

/// The row as the quantiser compares it.
fn comparable(codebook: &Codebook, row: &[f32]) -> Vec<f32> {
    let mut row = row.to_vec();
    if codebook.l2_norm {
        normalise(&mut row);
    }
    row
}

fn squared_distances(codebook: &Codebook, segment: usize, row: &[f32]) -> impl Iterator<Item = f32> {
    codebook
        .segment(segment)
        .unwrap_or_default()
        .chunks_exact(codebook.dim.max(1))
        .map(|codeword| squared_distance(codeword, row))
}

/// Of two rows of one length.
fn squared_distance(a: &[f32], b: &[f32]) -> f32 {
    let square = |(a, b): (&f32, &f32)| (a - b) * (a - b);
    let (a_chunks, a_rest) = a.as_chunks::<LANES>();
    let (b_chunks, b_rest) = b.as_chunks::<LANES>();
    let mut lanes = [0.0f32; LANES];
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        for (sum, pair) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *sum += square(pair);
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(square).sum();
    lanes.iter().sum::<f32>() + rest
}
