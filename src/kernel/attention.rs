//! Multi-head self-attention, a head at a time: no matrix of all tokens by all tokens is ever in memory.

use super::format::{FloatFormat, Format};
use super::isa::{Isa, vectorised};
use super::math::{
    bf16_bits, bf16_bits_of_number, coarse_exp_of_negative, exp_of_negative, higher, in_halves,
};
use super::tile::{MOST_ROWS, Sums, TileJob, most_rows, tile};
use super::{HeadNorm, PANEL, Words, panels};
use rayon::prelude::*;
use std::cell::RefCell;

thread_local! {
    /// One head of one picture, kept from call to call.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Rotary positions: cosine and sine [heads, tokens, head channels / 2].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rotation<'a> {
    pub(crate) cosines: &'a [f32],
    pub(crate) sines: &'a [f32],
}

/// Sizes and kind of an attention. Queries, or their norm, hold the factor 1/sqrt(head channels) already.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attention<'a> {
    pub(crate) heads: usize,
    /// Channels of a head.
    pub(crate) head_dim: usize,
    pub(crate) pictures: usize,
    /// Tokens of a picture.
    pub(crate) length: usize,
    /// Format of queries, keys, values and weights in the two products.
    pub(crate) format: FloatFormat,
    /// Norms of queries and of keys, before they are turned.
    pub(crate) norms: Option<(&'a HeadNorm, &'a HeadNorm)>,
    pub(crate) rotation: Option<Rotation<'a>>,
    /// The tokens that ask: only their rows are computed.
    pub(crate) from: usize,
    pub(crate) until: usize,
}

/// A head of a picture, packed for its two products, and a tile of rows on its way between them.
#[derive(Default)]
struct Scratch {
    queries: Words,
    keys: Words,
    values: Words,
    /// One for each panel of tokens.
    scores: Vec<Sums>,
    weights: Words,
    row: Vec<f32>,
    words: Vec<u32>,
}

impl Attention<'_> {
    /// Panel-major `qkv` [pictures * length, 3 * heads * head channels] f32 to the mixed values
    /// [pictures * asking tokens], a group of panels for each head.
    pub(crate) fn forward(&self, isa: Isa, qkv: &[f32], out_format: FloatFormat, out: &mut [u32]) {
        let words = Format::from(out_format).panel_words();
        let out_rows = self.pictures * self.asking();
        out.par_chunks_mut((panels(self.head_dim) * out_rows * words).max(1))
            .take(self.heads)
            .enumerate()
            .for_each(|(head, out)| {
                SCRATCH.with_borrow_mut(|scratch| mix_head(isa, self, qkv, head, scratch, out_format, out));
            });
    }

    fn asking(&self) -> usize {
        self.until - self.from
    }

    fn words(&self) -> usize {
        Format::from(self.format).panel_words()
    }

    /// Of queries (`part` 0) and keys (1).
    #[inline(always)]
    fn norm(&self, part: usize) -> Option<&HeadNorm> {
        let (query, key) = self.norms?;
        [query, key].get(part).copied()
    }

    /// Queries as rows, keys and values as weights: keys one output for each token, values one for each channel.
    #[inline(always)]
    fn pack(&self, qkv: &[f32], head: usize, picture: usize, scratch: &mut Scratch) {
        let (words, head_panels, token_panels) = (self.words(), panels(self.head_dim), panels(self.length));
        let rows = self.pictures * self.length;
        scratch.row.clear();
        scratch.row.resize(head_panels * PANEL, 0.0);
        let queries = scratch.queries.take(head_panels * self.length * words);
        let keys = scratch.keys.take(token_panels * head_panels * words * PANEL);
        let values = scratch.values.take(head_panels * token_panels * words * PANEL);
        // Tokens that fill the last panel: their weight is 0, and 0 times anything has to be 0.
        values.fill(0);
        for token in 0..self.length {
            let row = picture * self.length + token;
            let read = |part: usize, is_turned: bool, into: &mut Vec<f32>| {
                let first = (part * self.heads + head) * self.head_dim;
                read_channels(qkv, rows, row, first, &mut into[..self.head_dim]);
                if let Some(norm) = self.norm(part) {
                    norm.forward(&mut into[..self.head_dim]);
                }
                if let (Some(rotation), true) = (&self.rotation, is_turned) {
                    let first = (head * self.length + token) * (self.head_dim / 2);
                    rotation.turn(first, &mut into[..self.head_dim]);
                }
            };
            read(0, true, &mut scratch.row);
            for (panel, lanes) in scratch.row.chunks_exact(PANEL).enumerate() {
                self.format.encode(
                    lanes,
                    &mut queries[(panel * self.length + token) * words..][..words],
                );
            }
            read(1, true, &mut scratch.row);
            let keys =
                &mut keys[token / PANEL * head_panels * words * PANEL..][..head_panels * words * PANEL];
            scratch.words.resize(head_panels * words, 0);
            self.format.encode(&scratch.row, &mut scratch.words);
            let column = keys.iter_mut().skip(token % PANEL).step_by(PANEL);
            for (key, word) in column.zip(&scratch.words) {
                *key = *word;
            }
            read(2, false, &mut scratch.row);
            for (panel, lanes) in scratch.row.chunks_exact(PANEL).enumerate() {
                let values =
                    &mut values[panel * token_panels * words * PANEL..][..token_panels * words * PANEL];
                write_row(self.format, lanes, token, values);
            }
        }
    }

    /// Softmax(queries keys^T) values, some queries at a time.
    #[inline(always)]
    fn mix(
        &self,
        isa: Isa,
        scratch: &mut Scratch,
        first_out: usize,
        out_format: FloatFormat,
        out: &mut [u32],
    ) {
        let (words, head_panels, token_panels) = (self.words(), panels(self.head_dim), panels(self.length));
        let out_words = Format::from(out_format).panel_words();
        let out_rows = self.pictures * self.asking();
        let format = Format::from(self.format);
        let most = most_rows(isa);
        let queries = scratch.queries.take(head_panels * self.length * words);
        let keys = scratch.keys.take(token_panels * head_panels * words * PANEL);
        let values = scratch.values.take(head_panels * token_panels * words * PANEL);
        let scores = &mut scratch.scores;
        scores.resize_with(token_panels, Sums::new);
        let weights = scratch.weights.take(token_panels * most * words);
        let mut sums = Sums::new();
        let tiles = self.asking().div_ceil(most);
        let mut row = self.from;
        for index in 0..tiles {
            let count = (self.until - row).div_ceil(tiles - index);
            for (keys, scores) in keys.chunks_exact(head_panels * words * PANEL).zip(&mut *scores) {
                let job = TileJob {
                    format,
                    rows: &queries[row * words..],
                    step: self.length * words,
                    weights: keys,
                    inner_panels: head_panels,
                    upcoming: &[],
                };
                tile(isa, count, &job, scores);
            }
            self.find_largest(scores, &mut sums);
            let mut factors = [0.0; MOST_ROWS];
            for (at, factor) in factors.iter_mut().enumerate().take(count) {
                let largest = in_halves(&sums.floats()[at], higher);
                *factor = self.softmax(scores, most, at, largest, weights);
            }
            for (panel, values) in values.chunks_exact(token_panels * words * PANEL).enumerate() {
                let job = TileJob {
                    format,
                    rows: weights,
                    step: most * words,
                    weights: values,
                    inner_panels: token_panels,
                    upcoming: &[],
                };
                tile(isa, count, &job, &mut sums);
                for (at, (sums, factor)) in sums.floats().iter_mut().zip(&factors).take(count).enumerate() {
                    for sum in sums.iter_mut() {
                        *sum *= factor;
                    }
                    let start = (panel * out_rows + first_out + row - self.from + at) * out_words;
                    out_format.encode(sums, &mut out[start..start + out_words]);
                }
            }
            row += count;
        }
    }

    /// The largest score of every lane of every row; scores beyond the tokens become the lowest.
    #[inline(always)]
    fn find_largest(&self, scores: &mut [Sums], largest: &mut Sums) {
        let inside = self.length - (panels(self.length) - 1) * PANEL;
        for row in scores.last_mut().into_iter().flat_map(Sums::floats) {
            row[inside..].fill(f32::NEG_INFINITY);
        }
        // All rows in one loop: one of a single row's lanes would be taken apart.
        let largest = largest.floats().as_flattened_mut();
        largest.fill(f32::NEG_INFINITY);
        for scores in scores {
            for (largest, score) in largest.iter_mut().zip(scores.floats().as_flattened()) {
                *largest = higher(*score, *largest);
            }
        }
    }

    /// A row of scores to e^(score - largest), [token panels, `most`, PANEL]; gives 1 over their sum.
    #[inline(always)]
    fn softmax(
        &self,
        scores: &mut [Sums],
        most: usize,
        row: usize,
        largest: f32,
        weights: &mut [u32],
    ) -> f32 {
        let words = self.words();
        let last = panels(self.length) - 1;
        let inside = self.length - last * PANEL;
        let mut sums = [0.0_f32; PANEL];
        let weights = weights.chunks_exact_mut(words).skip(row).step_by(most);
        for (panel, (scores, weights)) in scores.iter_mut().zip(weights).enumerate() {
            let scores = &scores.floats()[row];
            // One loop from score to word: nothing is kept between. What is beyond the tokens adds e^-87 to a sum of 1 or
            // more.
            let beyond = if panel == last { inside..PANEL } else { 0..0 };
            match self.format {
                FloatFormat::F32 => {
                    for ((sum, score), word) in sums.iter_mut().zip(scores).zip(&mut *weights) {
                        let power = exp_of_negative(*score - largest);
                        *sum += power;
                        *word = power.to_bits();
                    }
                    weights[beyond].fill(0);
                }
                FloatFormat::Bf16 => {
                    let halves: &mut [u16] = bytemuck::cast_slice_mut(weights);
                    for ((sum, score), half) in sums.iter_mut().zip(scores).zip(&mut *halves) {
                        let power = coarse_exp_of_negative(*score - largest);
                        *sum += power;
                        *half = bf16_bits_of_number(power);
                    }
                    halves[beyond].fill(0);
                }
            }
        }
        1.0 / in_halves(&sums, |x, y| x + y)
    }
}

vectorised! {
    /// One head of every picture.
    fn mix_head [] (
        isa,
        attention: &Attention<'_>,
        qkv: &[f32],
        head: usize,
        scratch: &mut Scratch,
        out_format: FloatFormat,
        out: &mut [u32],
    ) {
        for picture in 0..attention.pictures {
            attention.pack(qkv, head, picture, scratch);
            attention.mix(isa, scratch, picture * attention.asking(), out_format, out);
        }
    }
}

impl Rotation<'_> {
    /// Turns adjacent pairs of channels; `first` is the place of their first angle.
    #[inline(always)]
    fn turn(&self, first: usize, channels: &mut [f32]) {
        let angles = self.cosines.iter().zip(self.sines).skip(first);
        for (pair, (cosine, sine)) in channels.as_chunks_mut::<2>().0.iter_mut().zip(angles) {
            let [x, y] = *pair;
            *pair = [x * cosine - y * sine, x * sine + y * cosine];
        }
    }
}

/// Channels from `first` on of one row of panel-major values.
#[inline(always)]
fn read_channels(panel_major: &[f32], rows: usize, row: usize, first: usize, into: &mut [f32]) {
    let mut channel = first;
    let mut into = into;
    while !into.is_empty() {
        let lane = channel % PANEL;
        let count = (PANEL - lane).min(into.len());
        let start = (channel / PANEL * rows + row) * PANEL + lane;
        let (part, rest) = into.split_at_mut(count);
        let from = &panel_major[start..start + count];
        // A whole panel is two vectors; anything else is a call.
        match (part.as_mut_array::<PANEL>(), from.as_array()) {
            (Some(part), Some(from)) => *part = *from,
            _ => part.copy_from_slice(from),
        }
        channel += count;
        into = rest;
    }
}

/// Writes one inner row of weights [inner words, PANEL] over the outputs; rows come in order.
#[inline(always)]
fn write_row(format: FloatFormat, values: &[f32], inner: usize, weights: &mut [u32]) {
    match format {
        FloatFormat::F32 => format.encode(values, &mut weights[inner * PANEL..][..PANEL]),
        FloatFormat::Bf16 => {
            let words = weights[inner / 2 * PANEL..][..PANEL].iter_mut().zip(values);
            if inner.is_multiple_of(2) {
                words.for_each(|(word, value)| *word = u32::from_ne_bytes(pair(bf16_bits(*value), 0)));
            } else {
                words.for_each(|(word, value)| *word |= u32::from_ne_bytes(pair(0, bf16_bits(*value))));
            }
        }
    }
}

/// Two halves of a word, in the order in which they lie in memory.
#[inline(always)]
fn pair(first: u16, second: u16) -> [u8; 4] {
    bytemuck::cast([first, second])
}

#[cfg(test)]
mod tests;
