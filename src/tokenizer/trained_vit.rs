//! A ViT's pass and its way back, as one operation.

use super::by_hand::{Attention, Matrix, Pair, Products, SavedNorm, Sizes, WeightGradients, with_values};
use crate::kernel::{Isa, gelu_slopes};
use candle_core::{CpuStorage, CustomOp1, Error, Layout, Result, Shape, Tensor};
use std::ops::Range;
use std::sync::OnceLock;

const NORM_EPSILON: f32 = 1e-6;

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
}

struct SavedBlock {
    norm1: SavedNorm,
    attention: Attention,
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
    fn forward(&self, products: Products, x: &mut Vec<f32>, sizes: Sizes) -> Result<SavedBlock> {
        let norm1 = SavedNorm::of(x, sizes.width, NORM_EPSILON);
        let qkv = products.linear(&Matrix::new(norm1.output(&self.norm1)?), &self.qkv, sizes.rows())?;
        let (attention, mixed) = Attention::of_joined(&qkv, sizes)?;
        let rows = sizes.kept_rows();
        let projected = products.linear(&mixed, &self.proj, rows)?;
        if sizes.kept < sizes.length {
            *x = sizes.keep(x);
        }
        add_scaled(x, &projected, &self.gamma1)?;

        let norm2 = SavedNorm::of(x, sizes.width, NORM_EPSILON);
        let mut hidden = products.linear(&Matrix::new(norm2.output(&self.norm2)?), &self.fc1, rows)?;
        let slope = gelu_slopes(Isa::best(), &mut hidden);
        let hidden = Matrix::new(hidden);
        let fed = products.linear(&hidden, &self.fc2, rows)?;
        add_scaled(x, &fed, &self.gamma2)?;
        Ok(SavedBlock {
            norm1,
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
        let (rows, gradients) = (sizes.kept_rows(), &self.gradients);
        let fed = self.scale_back(pull, &saved.fed, &weights.gamma2)?;
        let mut hidden = gradients.linear_back(&fed, &saved.hidden, &weights.fc2, rows)?;
        let slopes = hidden.iter_mut().zip(&saved.slope);
        slopes.for_each(|(pull, slope)| *pull *= slope);
        let input = Matrix::new(saved.norm2.output(&weights.norm2)?);
        let normed = gradients.linear_back(&Matrix::new(hidden), &input, &weights.fc1, rows)?;
        saved.norm2.back(&normed, &weights.norm2, gradients, pull)?;

        let projected = self.scale_back(pull, &saved.projected, &weights.gamma1)?;
        let mixed = gradients.linear_back(&projected, &saved.mixed, &weights.proj, rows)?;
        let qkv = Matrix::new(saved.attention.joined_back(&mixed, sizes)?);
        let input = Matrix::new(saved.norm1.output(&weights.norm1)?);
        let normed = gradients.linear_back(&qkv, &input, &weights.qkv, sizes.rows())?;
        if sizes.kept < sizes.length {
            *pull = sizes.spread(pull);
        }
        saved.norm1.back(&normed, &weights.norm1, gradients, pull)
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
        let products = self.gradients.products();
        let blocks = (1..)
            .zip(&self.blocks)
            .map(|(number, block)| block.forward(products, &mut x, self.of_block(number, sizes)))
            .collect::<Result<_>>()?;
        let norm = SavedNorm::of(&x, sizes.width, NORM_EPSILON);
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
            saved.norm.back(pull, &self.norm, &self.gradients, &mut x)
        })??;
        let blocks = self.blocks.iter().zip(&saved.blocks).enumerate();
        for (index, (weights, saved)) in blocks.rev() {
            self.block_back(&mut x, weights, saved, self.of_block(index + 1, sizes))?;
        }
        Ok(Some(Tensor::from_vec(x, sequence.shape(), sequence.device())?))
    }
}
