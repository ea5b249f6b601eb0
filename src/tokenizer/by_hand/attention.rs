//! Attention with a way back, and how heads lie in memory.

use super::Matrix;
use crate::kernel::math::{exp_of_negative, largest, sum};
use candle_core::Result;
use std::ops::Range;

/// Sizes of a block's pass.
#[derive(Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) batch: usize,
    pub(crate) length: usize,
    pub(crate) width: usize,
    pub(crate) heads: usize,
    /// First of the tokens that come out, and their number.
    pub(crate) kept_start: usize,
    pub(crate) kept: usize,
}

/// Consecutive tokens of every sequence.
#[derive(Clone, Copy)]
pub(crate) struct Tokens {
    pub(crate) start: usize,
    pub(crate) count: usize,
}

impl Sizes {
    /// Tokens of all sequences.
    pub(crate) fn rows(self) -> usize {
        self.batch * self.length
    }

    /// Those that come out.
    pub(crate) fn kept_rows(self) -> usize {
        self.batch * self.kept
    }

    pub(crate) fn all_tokens(self) -> Tokens {
        Tokens {
            start: 0,
            count: self.length,
        }
    }

    pub(crate) fn kept_tokens(self) -> Tokens {
        Tokens {
            start: self.kept_start,
            count: self.kept,
        }
    }

    /// The same pass with every token coming out.
    pub(crate) fn keeping_all(self) -> Self {
        Self {
            kept_start: 0,
            kept: self.length,
            ..self
        }
    }

    /// The kept rows of `values` [B T, D].
    pub(crate) fn keep(self, values: &[f32]) -> Vec<f32> {
        let sequences = values.chunks_exact(self.length * self.width);
        let kept = self.kept_start * self.width..(self.kept_start + self.kept) * self.width;
        sequences
            .flat_map(|sequence| sequence.get(kept.clone()).unwrap_or_default())
            .copied()
            .collect()
    }

    /// The way back of [`Self::keep`]: 0 where nothing was kept.
    pub(crate) fn spread(self, kept: &[f32]) -> Vec<f32> {
        let mut values = vec![0.0; self.rows() * self.width];
        let sequences = values.chunks_exact_mut(self.length * self.width);
        for (sequence, kept) in sequences.zip(kept.chunks_exact(self.kept * self.width)) {
            let start = self.kept_start * self.width;
            if let Some(place) = sequence.get_mut(start..start + kept.len()) {
                place.copy_from_slice(kept);
            }
        }
        values
    }

    pub(crate) fn head_dim(self) -> usize {
        self.width / self.heads.max(1)
    }

    /// Products of attention.
    pub(crate) fn attentions(self) -> usize {
        self.batch * self.heads
    }

    /// What queries are multiplied by.
    pub(crate) fn query_scale(self) -> f32 {
        1.0 / (self.head_dim() as f32).sqrt()
    }
}

/// Where part `part` of `parts` of a token's head lies in rows of [.., parts, heads, head size]: `index` counts [B
/// heads, tokens], and rows hold `row_tokens` tokens of each sequence.
fn place(
    index: usize,
    (parts, part): (usize, usize),
    tokens: Tokens,
    row_tokens: Tokens,
    sizes: Sizes,
) -> Range<usize> {
    let (head, token) = (index / tokens.count, index % tokens.count);
    let row = head / sizes.heads * row_tokens.count + tokens.start - row_tokens.start + token;
    let start = (row * parts + part) * sizes.width + head % sizes.heads * sizes.head_dim();
    start..start + sizes.head_dim()
}

/// One part of rows of all tokens as [B heads, tokens, head size], times `scale`.
pub(crate) fn split(
    values: &[f32],
    part: (usize, usize),
    tokens: Tokens,
    row_tokens: Tokens,
    scale: f32,
    sizes: Sizes,
) -> Vec<f32> {
    let mut heads = vec![0.0; sizes.batch * tokens.count * sizes.width];
    for (index, to) in heads.chunks_exact_mut(sizes.head_dim()).enumerate() {
        let from = values
            .get(place(index, part, tokens, row_tokens, sizes))
            .unwrap_or_default();
        to.iter_mut().zip(from).for_each(|(to, from)| *to = from * scale);
    }
    heads
}

/// The way back of [`split`].
pub(crate) fn join(
    heads: &[f32],
    joined: &mut [f32],
    part: (usize, usize),
    tokens: Tokens,
    row_tokens: Tokens,
    scale: f32,
    sizes: Sizes,
) {
    for (index, from) in heads.chunks_exact(sizes.head_dim()).enumerate() {
        let to = joined
            .get_mut(place(index, part, tokens, row_tokens, sizes))
            .unwrap_or_default();
        to.iter_mut().zip(from).for_each(|(to, from)| *to = from * scale);
    }
}

fn softmax(rows: &mut [f32], width: usize) {
    for row in rows.chunks_exact_mut(width) {
        let top = largest(row);
        row.iter_mut()
            .for_each(|value| *value = exp_of_negative(*value - top));
        let factor = 1.0 / sum(row, |value| value);
        row.iter_mut().for_each(|value| *value *= factor);
    }
}

/// `pull` on softmax's output becomes that on its input.
fn softmax_back(pull: &mut [f32], output: &[f32], width: usize) {
    for (pull, output) in pull.chunks_exact_mut(width).zip(output.chunks_exact(width)) {
        pull.iter_mut()
            .zip(output)
            .for_each(|(pull, output)| *pull *= output);
        let total = sum(pull, |value| value);
        pull.iter_mut()
            .zip(output)
            .for_each(|(pull, output)| *pull -= output * total);
    }
}

/// What the way back of attention needs of the way there.
pub(crate) struct Attention {
    /// Queries (times their scale) of the kept tokens, keys and values of all: [B heads, tokens, head size].
    query: Matrix,
    key: Matrix,
    value: Matrix,
    /// [B heads, kept, T]
    weights: Matrix,
}

impl Attention {
    /// From queries, keys and values together [rows, 3D] to mixed values [kept rows, D].
    pub(crate) fn of_joined(qkv: &[f32], sizes: Sizes) -> Result<(Self, Matrix)> {
        let (all, some) = (sizes.all_tokens(), sizes.kept_tokens());
        Self::new(
            split(qkv, (3, 0), some, all, sizes.query_scale(), sizes),
            split(qkv, (3, 1), all, all, 1.0, sizes),
            split(qkv, (3, 2), all, all, 1.0, sizes),
            sizes,
        )
    }

    /// From scaled queries, keys and values, each [B heads, tokens, head size], to mixed values [kept rows, D].
    pub(crate) fn new(
        query: Vec<f32>,
        key: Vec<f32>,
        value: Vec<f32>,
        sizes: Sizes,
    ) -> Result<(Self, Matrix)> {
        let (length, kept, size) = (sizes.length, sizes.kept, sizes.head_dim());
        let (some, count) = (sizes.kept_tokens(), sizes.attentions());
        let (query, key, value) = (Matrix::new(query), Matrix::new(key), Matrix::new(value));
        let mut weights = query.times(false, key.storage(), true, (count, kept, length, size))?;
        softmax(&mut weights, length);
        let weights = Matrix::new(weights);
        let heads = weights.times(false, value.storage(), false, (count, kept, size, length))?;
        let mut mixed = vec![0.0; sizes.kept_rows() * sizes.width];
        join(&heads, &mut mixed, (1, 0), some, some, 1.0, sizes);
        let saved = Self {
            query,
            key,
            value,
            weights,
        };
        Ok((saved, Matrix::new(mixed)))
    }

    /// From the gradient of the mixed values [kept rows, D] to those of scaled queries, keys and values, each as
    /// [`Self::new`] takes them.
    pub(crate) fn back(&self, pull: &[f32], sizes: Sizes) -> Result<[Vec<f32>; 3]> {
        let (count, length, kept, size) = (sizes.attentions(), sizes.length, sizes.kept, sizes.head_dim());
        let some = sizes.kept_tokens();
        let pull = Matrix::new(split(pull, (1, 0), some, some, 1.0, sizes));
        let value = self
            .weights
            .times(true, pull.storage(), false, (count, length, size, kept))?;
        let mut weights = pull.times(false, self.value.storage(), true, (count, kept, length, size))?;
        softmax_back(&mut weights, self.weights.values(), length);
        let weights = Matrix::new(weights);
        let query = weights.times(false, self.key.storage(), false, (count, kept, size, length))?;
        let key = weights.times(true, self.query.storage(), false, (count, length, size, kept))?;
        Ok([query, key, value])
    }

    /// From the gradient of the mixed values [kept rows, D] to that of queries, keys and values together [rows, 3D].
    pub(crate) fn joined_back(&self, pull: &[f32], sizes: Sizes) -> Result<Vec<f32>> {
        let [query, key, value] = self.back(pull, sizes)?;
        let (all, some) = (sizes.all_tokens(), sizes.kept_tokens());
        let mut qkv = vec![0.0; 3 * sizes.rows() * sizes.width];
        join(&query, &mut qkv, (3, 0), some, all, sizes.query_scale(), sizes);
        join(&key, &mut qkv, (3, 1), all, all, 1.0, sizes);
        join(&value, &mut qkv, (3, 2), all, all, 1.0, sizes);
        Ok(qkv)
    }
}
