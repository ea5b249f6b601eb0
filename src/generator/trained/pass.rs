//! Blocks and final layer of a generator as one operation with a way back of its own.

use super::modulation::{ATTENTION, MLP, Modulation, Place};
use crate::generator::network::{NORM_EPS, QK_NORM_EPS};
use crate::kernel::{Isa, gelu_tanh_slopes};
use crate::tokenizer::by_hand::{
    Attention, Matrix, Pair, Products, SavedNorm, Sizes, WeightGradients, join, split,
};
use candle_core::{CpuStorage, CustomOp2, Error, Layout, Result, Shape, Tensor};
use std::sync::OnceLock;

/// The final layer has no gate.
pub(super) const FINAL: Place = Place {
    shift: 0,
    scale: 1,
    gate: 0,
};

/// The weights of a block, as the state dict has them.
#[derive(Debug, Clone)]
pub(super) struct BlockWeights {
    pub(super) qkv: Pair,
    pub(super) query_key_norm: Option<(Pair, Pair)>,
    pub(super) proj: Pair,
    pub(super) fc1: Pair,
    pub(super) fc2: Pair,
    pub(super) modulation: Pair,
}

/// Sequences [B, T, D] and conditions [B, D] (after SiLU) to predictions [B, T, outputs].
pub(super) struct GeneratorPass {
    pub(super) blocks: Vec<BlockWeights>,
    pub(super) final_modulation: Pair,
    pub(super) final_linear: Pair,
    pub(super) heads: usize,
    pub(super) gradients: WeightGradients,
    /// What the way back needs of the way there.
    pub(super) saved: OnceLock<Saved>,
}

pub(super) struct Saved {
    condition: Matrix,
    blocks: Vec<SavedBlock>,
    modulation: Modulation,
    norm: SavedNorm,
}

struct SavedBlock {
    modulation: Modulation,
    norm1: SavedNorm,
    attention: SavedAttention,
    /// Mixed values [B T, D].
    mixed: Matrix,
    /// Output of `proj` before its gate.
    projected: Vec<f32>,
    norm2: SavedNorm,
    /// GELU's output and slope [B T, MLP width].
    hidden: Matrix,
    slope: Vec<f32>,
    /// Output of `fc2` before its gate.
    fed: Vec<f32>,
}

struct SavedAttention {
    attention: Attention,
    /// Of queries and of keys.
    query_key_norm: Option<(SavedNorm, SavedNorm)>,
}

fn modulation(products: Products, condition: &Matrix, weights: &Pair, sizes: Sizes) -> Result<Modulation> {
    let values = products.linear(condition, weights, sizes.batch)?;
    Ok(Modulation::new(values, sizes.batch, sizes.width, sizes.length))
}

impl BlockWeights {
    /// `x` [B T, D] becomes the block's output.
    fn forward(
        &self,
        products: Products,
        x: &mut [f32],
        condition: &Matrix,
        sizes: Sizes,
    ) -> Result<SavedBlock> {
        let rows = sizes.rows();
        let modulation = modulation(products, condition, &self.modulation, sizes)?;
        let norm1 = SavedNorm::of(x, sizes.width, NORM_EPS);
        let qkv = products.linear(&modulation.apply(&norm1, ATTENTION), &self.qkv, rows)?;
        let (attention, mixed) = self.attention(&qkv, sizes)?;
        let projected = products.linear(&mixed, &self.proj, rows)?;
        modulation.add_gated(x, &projected, ATTENTION);

        let norm2 = SavedNorm::of(x, sizes.width, NORM_EPS);
        let mut hidden = products.linear(&modulation.apply(&norm2, MLP), &self.fc1, rows)?;
        let slope = gelu_tanh_slopes(Isa::best(), &mut hidden);
        let hidden = Matrix::new(hidden);
        let fed = products.linear(&hidden, &self.fc2, rows)?;
        modulation.add_gated(x, &fed, MLP);
        Ok(SavedBlock {
            modulation,
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

    /// From queries, keys and values together [B T, 3D] to mixed values.
    fn attention(&self, qkv: &[f32], sizes: Sizes) -> Result<(SavedAttention, Matrix)> {
        let Some((query_weights, key_weights)) = &self.query_key_norm else {
            let (attention, mixed) = Attention::of_joined(qkv, sizes)?;
            let saved = SavedAttention {
                attention,
                query_key_norm: None,
            };
            return Ok((saved, mixed));
        };
        let all = sizes.all_tokens();
        let heads = |part: usize| split(qkv, (3, part), all, all, 1.0, sizes);
        let query_norm = SavedNorm::of(&heads(0), sizes.head_dim(), QK_NORM_EPS);
        let key_norm = SavedNorm::of(&heads(1), sizes.head_dim(), QK_NORM_EPS);
        let mut query = query_norm.output(query_weights)?;
        query.iter_mut().for_each(|value| *value *= sizes.query_scale());
        let (attention, mixed) = Attention::new(query, key_norm.output(key_weights)?, heads(2), sizes)?;
        let saved = SavedAttention {
            attention,
            query_key_norm: Some((query_norm, key_norm)),
        };
        Ok((saved, mixed))
    }

    /// `pull` on the block's output becomes that on its input; that on the condition is added to `condition_pull`.
    fn back(
        &self,
        pull: &mut [f32],
        saved: &SavedBlock,
        condition: &Matrix,
        condition_pull: &mut [f32],
        gradients: &WeightGradients,
        sizes: Sizes,
    ) -> Result<()> {
        let (rows, modulation) = (sizes.rows(), &saved.modulation);
        let mut of_modulation = modulation.zeros_like();
        let fed = modulation.gate_back(pull, &saved.fed, MLP, &mut of_modulation);
        let mut hidden = gradients.linear_back(&fed, &saved.hidden, &self.fc2, rows)?;
        let slopes = hidden.iter_mut().zip(&saved.slope);
        slopes.for_each(|(pull, slope)| *pull *= slope);
        let input = modulation.apply(&saved.norm2, MLP);
        let normed = gradients.linear_back(&Matrix::new(hidden), &input, &self.fc1, rows)?;
        modulation.apply_back(&normed, &saved.norm2, MLP, &mut of_modulation, pull);

        let projected = modulation.gate_back(pull, &saved.projected, ATTENTION, &mut of_modulation);
        let mixed = gradients.linear_back(&projected, &saved.mixed, &self.proj, rows)?;
        let qkv = Matrix::new(self.attention_back(&mixed, &saved.attention, gradients, sizes)?);
        let input = modulation.apply(&saved.norm1, ATTENTION);
        let normed = gradients.linear_back(&qkv, &input, &self.qkv, rows)?;
        modulation.apply_back(&normed, &saved.norm1, ATTENTION, &mut of_modulation, pull);
        modulation_back(
            of_modulation,
            condition,
            &self.modulation,
            condition_pull,
            gradients,
            sizes,
        )
    }

    /// The way back of [`Self::attention`].
    fn attention_back(
        &self,
        pull: &[f32],
        saved: &SavedAttention,
        gradients: &WeightGradients,
        sizes: Sizes,
    ) -> Result<Vec<f32>> {
        let weights = self.query_key_norm.as_ref();
        let Some(((query_weights, key_weights), (query_norm, key_norm))) =
            weights.zip(saved.query_key_norm.as_ref())
        else {
            return saved.attention.joined_back(pull, sizes);
        };
        let [mut query, key, value] = saved.attention.back(pull, sizes)?;
        query.iter_mut().for_each(|pull| *pull *= sizes.query_scale());
        let of_input = |pull: &[f32], norm: &SavedNorm, weights: &Pair| -> Result<Vec<f32>> {
            let mut input = vec![0.0; pull.len()];
            norm.back(pull, weights, gradients, &mut input)?;
            Ok(input)
        };
        let query = of_input(&query, query_norm, query_weights)?;
        let key = of_input(&key, key_norm, key_weights)?;
        let all = sizes.all_tokens();
        let mut qkv = vec![0.0; 3 * sizes.rows() * sizes.width];
        for (part, heads) in [query, key, value].iter().enumerate() {
            join(heads, &mut qkv, (3, part), all, all, 1.0, sizes);
        }
        Ok(qkv)
    }
}

/// The way back of [`modulation`]; adds to `condition_pull`.
fn modulation_back(
    gradient: Modulation,
    condition: &Matrix,
    weights: &Pair,
    condition_pull: &mut [f32],
    gradients: &WeightGradients,
    sizes: Sizes,
) -> Result<()> {
    let gradient = Matrix::new(gradient.into_values());
    let pull = gradients.linear_back(&gradient, condition, weights, sizes.batch)?;
    condition_pull
        .iter_mut()
        .zip(pull)
        .for_each(|(sum, pull)| *sum += pull);
    Ok(())
}

impl GeneratorPass {
    fn sizes(&self, dims: &[usize]) -> Result<Sizes> {
        match *dims {
            [batch, length, width] => Ok(Sizes {
                batch,
                length,
                width,
                heads: self.heads,
                kept_start: 0,
                kept: length,
            }),
            _ => Err(Error::msg("a sequence has three axes")),
        }
    }
}

/// A copy of contiguous f32 values.
fn copy(storage: &CpuStorage, layout: &Layout) -> Result<Vec<f32>> {
    layout
        .contiguous_offsets()
        .and_then(|(start, end)| storage.as_slice::<f32>().ok()?.get(start..end))
        .map(<[f32]>::to_vec)
        .ok_or_else(|| Error::msg("sequences and conditions are contiguous f32"))
}

impl CustomOp2 for GeneratorPass {
    fn name(&self) -> &'static str {
        "generator"
    }

    fn cpu_fwd(
        &self,
        sequence: &CpuStorage,
        sequence_layout: &Layout,
        condition: &CpuStorage,
        condition_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let sizes = self.sizes(sequence_layout.dims())?;
        let mut x = copy(sequence, sequence_layout)?;
        let condition = Matrix::new(copy(condition, condition_layout)?);
        let products = self.gradients.products();
        let blocks = self
            .blocks
            .iter()
            .map(|block| block.forward(products, &mut x, &condition, sizes))
            .collect::<Result<_>>()?;
        let modulation = modulation(products, &condition, &self.final_modulation, sizes)?;
        let norm = SavedNorm::of(&x, sizes.width, NORM_EPS);
        let output = products.linear(&modulation.apply(&norm, FINAL), &self.final_linear, sizes.rows())?;
        let outputs = output.len() / sizes.rows().max(1);
        // An operation runs forward once.
        let _ = self.saved.set(Saved {
            condition,
            blocks,
            modulation,
            norm,
        });
        let shape = Shape::from((sizes.batch, sizes.length, outputs));
        Ok((CpuStorage::F32(output), shape))
    }

    fn bwd(
        &self,
        sequence: &Tensor,
        condition: &Tensor,
        _output: &Tensor,
        pull: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let sizes = self.sizes(sequence.dims())?;
        let saved = self
            .saved
            .get()
            .ok_or_else(|| Error::msg("a pass goes back after it went there"))?;
        let pull = Matrix::new(pull.detach().flatten_all()?.to_vec1()?);
        let input = saved.modulation.apply(&saved.norm, FINAL);
        let gradients = &self.gradients;
        let normed = gradients.linear_back(&pull, &input, &self.final_linear, sizes.rows())?;
        let mut of_modulation = saved.modulation.zeros_like();
        let mut x = vec![0.0; sizes.rows() * sizes.width];
        saved
            .modulation
            .apply_back(&normed, &saved.norm, FINAL, &mut of_modulation, &mut x);
        let mut of_condition = vec![0.0; sizes.batch * sizes.width];
        let given = &saved.condition;
        modulation_back(
            of_modulation,
            given,
            &self.final_modulation,
            &mut of_condition,
            gradients,
            sizes,
        )?;
        for (block, saved) in self.blocks.iter().zip(&saved.blocks).rev() {
            block.back(&mut x, saved, given, &mut of_condition, gradients, sizes)?;
        }
        Ok((
            Some(Tensor::from_vec(x, sequence.shape(), sequence.device())?),
            Some(Tensor::from_vec(
                of_condition,
                condition.shape(),
                condition.device(),
            )?),
        ))
    }
}
