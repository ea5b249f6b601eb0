//! A ViT's pass and its way back, by hand: one node of candle's graph instead of dozens for each block.
//!
//! candle's backward allocates, clears and adds a gradient for every intermediate tensor, and hands each elementwise
//! operation to a pool of its own that spins. Here only products are candle's; what lies between them is one sweep over
//! memory, and gradients of weights go straight to a [`WeightGradients`].

use super::fused::{exp_of_negative, gelu_and_slope, largest, sum};
use candle_core::backend::BackendStorage;
use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, CustomOp1, Error, Layout, Result, Shape, Storage, Tensor};
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

const NORM_EPSILON: f32 = 1e-6;

/// Where backward passes leave the gradients of weights.
#[derive(Debug, Clone, Default)]
pub(super) struct WeightGradients(Arc<Mutex<Vec<(Tensor, Tensor)>>>);

impl WeightGradients {
    fn add(&self, weight: &Tensor, gradient: Vec<f32>) -> Result<()> {
        let gradient = Tensor::from_vec(gradient, weight.shape(), weight.device())?;
        self.entries().push((weight.clone(), gradient));
        Ok(())
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, Vec<(Tensor, Tensor)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what was left since the last call to the store of the same backward pass.
    pub(super) fn move_into(&self, store: &mut GradStore) -> Result<()> {
        for (weight, gradient) in self.entries().drain(..) {
            let gradient = match store.remove(&weight) {
                Some(other) => (other + gradient)?,
                None => gradient,
            };
            store.insert(&weight, gradient);
        }
        Ok(())
    }
}

/// `weight` and `bias`.
pub(super) type Pair = (Tensor, Tensor);

/// The weights of a block, as the state dict has them.
#[derive(Debug, Clone)]
pub(super) struct BlockWeights {
    pub(super) norm1: Pair,
    pub(super) qkv: Pair,
    pub(super) proj: Pair,
    pub(super) gamma1: Tensor,
    pub(super) norm2: Pair,
    pub(super) fc1: Pair,
    pub(super) fc2: Pair,
    pub(super) gamma2: Tensor,
}

/// One pass [B, T, D] to [B, kept, D] through blocks and the last norm. The last block and the norm compute the kept
/// tokens alone: nothing after them reads the others.
pub(super) struct VitPass {
    pub(super) blocks: Vec<BlockWeights>,
    pub(super) norm: Pair,
    pub(super) num_heads: usize,
    /// The tokens that are read afterwards.
    pub(super) kept: Range<usize>,
    pub(super) gradients: WeightGradients,
    /// What the way back needs of the way there.
    pub(super) saved: OnceLock<Saved>,
}

pub(super) struct Saved {
    blocks: Vec<SavedBlock>,
    norm: SavedNorm,
}

/// Sizes of a block's pass.
#[derive(Clone, Copy)]
struct Sizes {
    batch: usize,
    length: usize,
    width: usize,
    heads: usize,
    /// First of the tokens that come out, and their number.
    kept_start: usize,
    kept: usize,
}

/// Consecutive tokens of every sequence.
#[derive(Clone, Copy)]
struct Tokens {
    start: usize,
    count: usize,
}

impl Sizes {
    fn rows(self) -> usize {
        self.batch * self.length
    }

    fn kept_rows(self) -> usize {
        self.batch * self.kept
    }

    fn all_tokens(self) -> Tokens {
        Tokens {
            start: 0,
            count: self.length,
        }
    }

    fn kept_tokens(self) -> Tokens {
        Tokens {
            start: self.kept_start,
            count: self.kept,
        }
    }

    /// The same pass with every token coming out.
    fn keeping_all(self) -> Self {
        Self {
            kept_start: 0,
            kept: self.length,
            ..self
        }
    }

    /// The kept rows of `values` [B T, D].
    fn keep(self, values: &[f32]) -> Vec<f32> {
        let sequences = values.chunks_exact(self.length * self.width);
        let kept = self.kept_start * self.width..(self.kept_start + self.kept) * self.width;
        sequences
            .flat_map(|sequence| sequence.get(kept.clone()).unwrap_or_default())
            .copied()
            .collect()
    }

    /// The way back of [`Self::keep`]: 0 where nothing was kept.
    fn spread(self, kept: &[f32]) -> Vec<f32> {
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

    fn head_dim(self) -> usize {
        self.width / self.heads.max(1)
    }

    /// Products of attention.
    fn attentions(self) -> usize {
        self.batch * self.heads
    }

    fn query_scale(self) -> f32 {
        1.0 / (self.head_dim() as f32).sqrt()
    }
}

/// Values that are a product's side.
#[derive(Debug)]
pub(crate) struct Matrix(CpuStorage);

impl Matrix {
    pub(crate) fn new(values: Vec<f32>) -> Self {
        Self(CpuStorage::F32(values))
    }

    pub(crate) fn storage(&self) -> &CpuStorage {
        &self.0
    }

    pub(crate) fn values(&self) -> &[f32] {
        match &self.0 {
            CpuStorage::F32(values) => values,
            _ => &[],
        }
    }

    /// `self` [b, m, k] times `other` [b, k, n]; a side marked transposed lies as [b, k, m] or [b, n, k].
    pub(crate) fn times(
        &self,
        is_transposed: bool,
        other: &CpuStorage,
        other_transposed: bool,
        (b, m, n, k): Dims,
    ) -> Result<Vec<f32>> {
        let layout = |rows: usize, columns: usize, is_transposed: bool| {
            if is_transposed {
                Layout::contiguous((b, columns, rows)).transpose(1, 2)
            } else {
                Ok(Layout::contiguous((b, rows, columns)))
            }
        };
        let (left, right) = (layout(m, k, is_transposed)?, layout(k, n, other_transposed)?);
        into_values(self.0.matmul(other, (b, m, n, k), &left, &right)?)
    }
}

/// Batch, rows, columns and inner size of a product.
pub(crate) type Dims = (usize, usize, usize, usize);

fn into_values(storage: CpuStorage) -> Result<Vec<f32>> {
    match storage {
        CpuStorage::F32(values) => Ok(values),
        _ => Err(Error::msg("training computes in f32")),
    }
}

/// Calls `work` with a weight's storage; weights are whole contiguous tensors.
fn with_storage<T>(weight: &Tensor, work: impl FnOnce(&CpuStorage) -> Result<T>) -> Result<T> {
    let (storage, layout) = weight.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) if layout.is_contiguous() && layout.start_offset() == 0 => work(storage),
        _ => Err(Error::msg("training takes contiguous weights on the CPU")),
    }
}

fn with_values<T>(weight: &Tensor, work: impl FnOnce(&[f32]) -> T) -> Result<T> {
    with_storage(weight, |storage| Ok(work(storage.as_slice::<f32>()?)))
}

/// `x` [rows, in] through a linear layer.
fn linear(x: &Matrix, (weight, bias): &Pair, rows: usize) -> Result<Vec<f32>> {
    let (outputs, inputs) = weight.dims2()?;
    let mut y = with_storage(weight, |weight| {
        x.times(false, weight, true, (1, rows, outputs, inputs))
    })?;
    with_values(bias, |bias| {
        for row in y.chunks_exact_mut(outputs) {
            row.iter_mut().zip(bias).for_each(|(y, bias)| *y += bias);
        }
    })?;
    Ok(y)
}

impl VitPass {
    fn sizes(&self, dims: &[usize]) -> Result<Sizes> {
        match *dims {
            [batch, length, width] => Ok(Sizes {
                batch,
                length,
                width,
                heads: self.num_heads,
                kept_start: self.kept.start,
                kept: self.kept.len(),
            }),
            _ => Err(Error::msg("a sequence has three axes")),
        }
    }

    /// Sizes of a block by its number from 1: only the last one leaves tokens away.
    fn of_block(&self, number: usize, sizes: Sizes) -> Sizes {
        if number == self.blocks.len() {
            sizes
        } else {
            sizes.keeping_all()
        }
    }

    /// The gradient of a linear layer's input, from that of its output [rows, out]; those of its weights are left.
    fn linear_back(&self, pull: &Matrix, x: &Matrix, (weight, bias): &Pair, rows: usize) -> Result<Vec<f32>> {
        let (outputs, inputs) = weight.dims2()?;
        let of_weight = pull.times(true, &x.0, false, (1, outputs, inputs, rows))?;
        self.gradients.add(weight, of_weight)?;
        self.gradients.add(bias, column_sums(pull.values(), outputs))?;
        with_storage(weight, |weight| {
            pull.times(false, weight, false, (1, rows, inputs, outputs))
        })
    }

    /// Adds the gradient of a norm's input to `sum`, from that of its output.
    fn norm_back(
        &self,
        pull: &[f32],
        saved: &SavedNorm,
        (weight, bias): &Pair,
        sum: &mut [f32],
    ) -> Result<()> {
        let width = weight.elem_count();
        let mut of_weight = vec![0.0; width];
        for (pull, x) in pull.chunks_exact(width).zip(saved.unit.chunks_exact(width)) {
            for (total, (pull, x)) in of_weight.iter_mut().zip(pull.iter().zip(x)) {
                *total += pull * x;
            }
        }
        self.gradients.add(bias, column_sums(pull, width))?;
        with_values(weight, |weight| norm_input_back(pull, saved, weight, sum))?;
        self.gradients.add(weight, of_weight)
    }
}

fn column_sums(values: &[f32], width: usize) -> Vec<f32> {
    let mut sums = vec![0.0; width];
    for row in values.chunks_exact(width) {
        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
    sums
}

/// Rows brought to mean 0 and deviation 1, and what they were divided by.
struct SavedNorm {
    unit: Vec<f32>,
    /// 1 / deviation of each row.
    factors: Vec<f32>,
}

impl SavedNorm {
    fn of(x: &[f32], width: usize) -> Self {
        let mut unit = x.to_vec();
        let factors = unit
            .chunks_exact_mut(width)
            .map(|row| {
                let mean = sum(row, |value| value) / width as f32;
                let variance = sum(row, |value| (value - mean) * (value - mean)) / width as f32;
                let factor = 1.0 / (variance + NORM_EPSILON).sqrt();
                row.iter_mut().for_each(|value| *value = (*value - mean) * factor);
                factor
            })
            .collect();
        Self { unit, factors }
    }

    fn output(&self, (weight, bias): &Pair) -> Result<Vec<f32>> {
        let mut y = self.unit.clone();
        with_values(weight, |weight| {
            with_values(bias, |bias| {
                for row in y.chunks_exact_mut(weight.len()) {
                    for ((y, weight), bias) in row.iter_mut().zip(weight).zip(bias) {
                        *y = *y * weight + bias;
                    }
                }
            })
        })??;
        Ok(y)
    }
}

fn norm_input_back(pull: &[f32], saved: &SavedNorm, weight: &[f32], sums: &mut [f32]) {
    let width = weight.len();
    let rows = pull.chunks_exact(width).zip(saved.unit.chunks_exact(width));
    let mut scaled = vec![0.0; width];
    let mut along = vec![0.0; width];
    for ((pull, unit), (sums, factor)) in rows.zip(sums.chunks_exact_mut(width).zip(&saved.factors)) {
        for (((scaled, along), (pull, weight)), unit) in scaled
            .iter_mut()
            .zip(along.iter_mut())
            .zip(pull.iter().zip(weight))
            .zip(unit)
        {
            *scaled = pull * weight;
            *along = *scaled * unit;
        }
        let mean = sum(&scaled, |value| value) / width as f32;
        let mean_along = sum(&along, |value| value) / width as f32;
        for ((sum, scaled), unit) in sums.iter_mut().zip(&scaled).zip(unit) {
            *sum += factor * (scaled - mean - unit * mean_along);
        }
    }
}

struct SavedBlock {
    norm1: SavedNorm,
    /// Queries (times their scale) of the kept tokens, keys and values of all: [B heads, tokens, head size].
    query: Matrix,
    key: Matrix,
    value: Matrix,
    /// [B heads, kept, T]
    attention: Matrix,
    /// Mixed values [rows, D].
    mixed: Matrix,
    /// Output of `proj` before layer-scale.
    projected: Vec<f32>,
    norm2: SavedNorm,
    /// GELU's output and slope [rows, 4D].
    hidden: Matrix,
    slope: Vec<f32>,
    /// Output of `fc2` before layer-scale.
    fed: Vec<f32>,
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
fn split(
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
fn join(
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

/// `x` += `gamma` * `y`
fn add_scaled(x: &mut [f32], y: &[f32], gamma: &Tensor) -> Result<()> {
    with_values(gamma, |gamma| {
        for (x, y) in x.chunks_exact_mut(gamma.len()).zip(y.chunks_exact(gamma.len())) {
            for ((x, y), gamma) in x.iter_mut().zip(y).zip(gamma) {
                *x += gamma * y;
            }
        }
    })
}

impl BlockWeights {
    /// `x` [rows, D] becomes [kept rows, D].
    fn forward(&self, x: &mut Vec<f32>, sizes: Sizes) -> Result<SavedBlock> {
        let (length, kept, size) = (sizes.length, sizes.kept, sizes.head_dim());
        let (all, some, count) = (sizes.all_tokens(), sizes.kept_tokens(), sizes.attentions());
        let norm1 = SavedNorm::of(x, sizes.width);
        let qkv = linear(&Matrix::new(norm1.output(&self.norm1)?), &self.qkv, sizes.rows())?;
        let query = Matrix::new(split(&qkv, (3, 0), some, all, sizes.query_scale(), sizes));
        let key = Matrix::new(split(&qkv, (3, 1), all, all, 1.0, sizes));
        let value = Matrix::new(split(&qkv, (3, 2), all, all, 1.0, sizes));
        let mut attention = query.times(false, &key.0, true, (count, kept, length, size))?;
        softmax(&mut attention, length);
        let attention = Matrix::new(attention);
        let heads = attention.times(false, &value.0, false, (count, kept, size, length))?;
        let rows = sizes.kept_rows();
        let mut mixed = vec![0.0; rows * sizes.width];
        join(&heads, &mut mixed, (1, 0), some, some, 1.0, sizes);
        let mixed = Matrix::new(mixed);
        let projected = linear(&mixed, &self.proj, rows)?;
        if kept < length {
            *x = sizes.keep(x);
        }
        add_scaled(x, &projected, &self.gamma1)?;

        let norm2 = SavedNorm::of(x, sizes.width);
        let mut hidden = linear(&Matrix::new(norm2.output(&self.norm2)?), &self.fc1, rows)?;
        let mut slope = vec![0.0; hidden.len()];
        for (value, slope) in hidden.iter_mut().zip(slope.iter_mut()) {
            (*value, *slope) = gelu_and_slope(*value);
        }
        let hidden = Matrix::new(hidden);
        let fed = linear(&hidden, &self.fc2, rows)?;
        add_scaled(x, &fed, &self.gamma2)?;
        Ok(SavedBlock {
            norm1,
            query,
            key,
            value,
            attention,
            mixed,
            projected,
            norm2,
            hidden,
            slope,
            fed,
        })
    }
}

impl VitPass {
    /// `pull` on the block's output [kept rows, D] becomes that on its input [rows, D].
    fn block_back(
        &self,
        pull: &mut Vec<f32>,
        weights: &BlockWeights,
        saved: &SavedBlock,
        sizes: Sizes,
    ) -> Result<()> {
        let rows = sizes.kept_rows();
        let fed = self.scale_back(pull, &saved.fed, &weights.gamma2)?;
        let mut hidden = self.linear_back(&fed, &saved.hidden, &weights.fc2, rows)?;
        let slopes = hidden.iter_mut().zip(&saved.slope);
        slopes.for_each(|(pull, slope)| *pull *= slope);
        let input = Matrix::new(saved.norm2.output(&weights.norm2)?);
        let normed = self.linear_back(&Matrix::new(hidden), &input, &weights.fc1, rows)?;
        self.norm_back(&normed, &saved.norm2, &weights.norm2, pull)?;

        let projected = self.scale_back(pull, &saved.projected, &weights.gamma1)?;
        let mixed = self.linear_back(&projected, &saved.mixed, &weights.proj, rows)?;
        let qkv = Matrix::new(saved.attention_back(&mixed, sizes)?);
        let input = Matrix::new(saved.norm1.output(&weights.norm1)?);
        let normed = self.linear_back(&qkv, &input, &weights.qkv, sizes.rows())?;
        if sizes.kept < sizes.length {
            *pull = sizes.spread(pull);
        }
        self.norm_back(&normed, &saved.norm1, &weights.norm1, pull)
    }

    /// The gradient before layer-scale; that of `gamma` is left.
    fn scale_back(&self, pull: &[f32], output: &[f32], gamma: &Tensor) -> Result<Matrix> {
        let width = gamma.elem_count();
        let mut of_gamma = vec![0.0; width];
        for (pull, output) in pull.chunks_exact(width).zip(output.chunks_exact(width)) {
            for (total, (pull, output)) in of_gamma.iter_mut().zip(pull.iter().zip(output)) {
                *total += pull * output;
            }
        }
        self.gradients.add(gamma, of_gamma)?;
        let mut before = pull.to_vec();
        with_values(gamma, |gamma| {
            for row in before.chunks_exact_mut(width) {
                row.iter_mut()
                    .zip(gamma)
                    .for_each(|(value, gamma)| *value *= gamma);
            }
        })?;
        Ok(Matrix::new(before))
    }
}

impl SavedBlock {
    /// From the gradient of the mixed values [kept rows, D] to that of queries, keys and values together [rows, 3D].
    fn attention_back(&self, pull: &[f32], sizes: Sizes) -> Result<Vec<f32>> {
        let (count, length, kept, size) = (sizes.attentions(), sizes.length, sizes.kept, sizes.head_dim());
        let (all, some) = (sizes.all_tokens(), sizes.kept_tokens());
        let pull = Matrix::new(split(pull, (1, 0), some, some, 1.0, sizes));
        let value = self
            .attention
            .times(true, &pull.0, false, (count, length, size, kept))?;
        let mut attention = pull.times(false, &self.value.0, true, (count, kept, length, size))?;
        softmax_back(&mut attention, self.attention.values(), length);
        let attention = Matrix::new(attention);
        let query = attention.times(false, &self.key.0, false, (count, kept, size, length))?;
        let key = attention.times(true, &self.query.0, false, (count, length, size, kept))?;
        let mut qkv = vec![0.0; 3 * sizes.rows() * sizes.width];
        join(&query, &mut qkv, (3, 0), some, all, sizes.query_scale(), sizes);
        join(&key, &mut qkv, (3, 1), all, all, 1.0, sizes);
        join(&value, &mut qkv, (3, 2), all, all, 1.0, sizes);
        Ok(qkv)
    }
}

impl CustomOp1 for VitPass {
    fn name(&self) -> &'static str {
        "vit"
    }

    fn cpu_fwd(&self, sequence: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let sizes = self.sizes(layout.dims())?;
        let mut x = layout
            .contiguous_offsets()
            .and_then(|(start, end)| sequence.as_slice::<f32>().ok()?.get(start..end))
            .ok_or_else(|| Error::msg("a sequence is contiguous f32"))?
            .to_vec();
        let blocks = (1..)
            .zip(&self.blocks)
            .map(|(number, block)| block.forward(&mut x, self.of_block(number, sizes)))
            .collect::<Result<_>>()?;
        let norm = SavedNorm::of(&x, sizes.width);
        let output = norm.output(&self.norm)?;
        // An operation runs forward once.
        let _ = self.saved.set(Saved { blocks, norm });
        let shape = Shape::from((sizes.batch, sizes.kept, sizes.width));
        Ok((CpuStorage::F32(output), shape))
    }

    fn bwd(&self, sequence: &Tensor, _output: &Tensor, pull: &Tensor) -> Result<Option<Tensor>> {
        let sizes = self.sizes(sequence.dims())?;
        let saved = self
            .saved
            .get()
            .ok_or_else(|| Error::msg("a pass goes back after it went there"))?;
        let mut x = vec![0.0; sizes.kept_rows() * sizes.width];
        with_values(&pull.contiguous()?.detach(), |pull| {
            self.norm_back(pull, &saved.norm, &self.norm, &mut x)
        })??;
        let blocks = self.blocks.iter().zip(&saved.blocks).enumerate();
        for (index, (weights, saved)) in blocks.rev() {
            self.block_back(&mut x, weights, saved, self.of_block(index + 1, sizes))?;
        }
        Ok(Some(Tensor::from_vec(x, sequence.shape(), sequence.device())?))
    }
}
