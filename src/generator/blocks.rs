//! Blocks and final layer of candle's operations: on GPUs, and on processors that have no kernels of their own.

use super::network::{NORM_EPS, QK_NORM_EPS};
use super::weights::{Dense, Weights};
use super::{GeneratorArgs, GeneratorError};
use crate::tokenizer::{flash, fused};
use candle_core::{D, DType, Device, Result as CandleResult, Tensor};
use candle_nn::ops;

/// LayerNorm over the last dimension, with or without learned scale and shift.
#[derive(Debug)]
struct Norm {
    scale: Tensor,
    shift: Tensor,
    eps: f32,
}

impl Norm {
    fn plain(width: usize, device: &Device) -> CandleResult<Self> {
        Ok(Self {
            scale: Tensor::ones(width, DType::F32, device)?,
            shift: Tensor::zeros(width, DType::F32, device)?,
            eps: NORM_EPS,
        })
    }

    fn forward(&self, x: &Tensor) -> CandleResult<Tensor> {
        let x = x.contiguous()?;
        if x.device().is_cpu() {
            // candle's own takes the variance as a difference of means, which cancels.
            return fused::layer_norm(&x, &self.scale, &self.shift, self.eps);
        }
        ops::layer_norm(&x, &self.scale, &self.shift, self.eps)
    }
}

/// Softmax of `scores` times `scale` over the last dimension; `scores` is the caller's own.
fn softmax(scores: Tensor, scale: f64) -> CandleResult<Tensor> {
    if scores.device().is_cpu() && scores.is_contiguous() {
        fused::softmax(&scores, scale)?;
        return Ok(scores);
    }
    ops::softmax_last_dim(&(scores * scale)?)
}

/// softmax(`scale` q k^T) v of [B, heads, T, head size] to [B, T, heads * head size].
fn by_products(q: &Tensor, k: &Tensor, v: &Tensor, scale: f64) -> CandleResult<Tensor> {
    let scores = q.contiguous()?.matmul(&k.transpose(2, 3)?.contiguous()?)?;
    let mixed = softmax(scores, scale)?.matmul(&v.contiguous()?)?;
    mixed.transpose(1, 2)?.flatten_from(2)
}

/// GELU of `x`, which is the caller's own.
fn gelu(x: Tensor) -> CandleResult<Tensor> {
    if x.device().is_cpu() && x.is_contiguous() {
        fused::gelu_tanh(&x)?;
        return Ok(x);
    }
    x.gelu()
}

/// x (1 + scale) + shift, scale and shift [B, D] over x [B, N, D].
fn modulate(x: &Tensor, shift: &Tensor, scale: &Tensor) -> CandleResult<Tensor> {
    x.broadcast_mul(&(scale.unsqueeze(1)? + 1.0)?)?
        .broadcast_add(&shift.unsqueeze(1)?)
}

#[derive(Debug)]
struct Block {
    norm: Norm,
    qkv: Dense,
    query_key_norm: Option<(Norm, Norm)>,
    proj: Dense,
    fc1: Dense,
    fc2: Dense,
    modulation: Dense,
    heads: usize,
}

impl Block {
    fn load(weights: &mut Weights<'_>, index: usize, args: &GeneratorArgs) -> Result<Self, GeneratorError> {
        let name = |part: &str| format!("blocks.{index}.{part}");
        let mut head_norm = |part: &str| -> Result<Norm, GeneratorError> {
            Ok(Norm {
                scale: weights.plain(&name(&format!("attn.{part}.weight")))?,
                shift: weights.plain(&name(&format!("attn.{part}.bias")))?,
                eps: QK_NORM_EPS,
            })
        };
        let query_key_norm = if args.qk_norm {
            Some((head_norm("q_norm")?, head_norm("k_norm")?))
        } else {
            None
        };
        Ok(Self {
            norm: Norm::plain(args.hidden_size, weights.device)?,
            qkv: weights.dense(&name("attn.qkv"))?,
            query_key_norm,
            proj: weights.dense(&name("attn.proj"))?,
            fc1: weights.dense(&name("mlp.fc1"))?,
            fc2: weights.dense(&name("mlp.fc2"))?,
            modulation: weights.dense(&name("adaLN_modulation.1"))?,
            heads: args.num_heads,
        })
    }

    fn attention(&self, x: &Tensor) -> CandleResult<Tensor> {
        let (batch, length, width) = x.dims3()?;
        let head_width = width / self.heads;
        let qkv = self
            .qkv
            .forward(x)?
            .reshape((batch, length, 3, self.heads, head_width))?;
        let part = |index: usize| qkv.narrow(2, index, 1)?.squeeze(2)?.transpose(1, 2);
        let (mut q, mut k, v) = (part(0)?, part(1)?, part(2)?);
        if let Some((query_norm, key_norm)) = &self.query_key_norm {
            q = query_norm.forward(&q)?;
            k = key_norm.forward(&k)?;
        }
        let how = flash::Mixing {
            scale: (head_width as f64).powf(-0.5),
            rotation: None,
            dtype: self.qkv.dtype().unwrap_or(DType::F32),
        };
        let mixed = match flash::attention(&q, &k, &v, how)? {
            Some(mixed) => mixed,
            None => by_products(&q, &k, &v, how.scale)?,
        };
        self.proj.forward(&mixed)
    }

    /// `condition` is SiLU of the sum of time and label embedding, [B, D].
    fn forward(&self, x: &Tensor, condition: &Tensor) -> CandleResult<Tensor> {
        let chunks = self.modulation.forward(condition)?.chunk(6, D::Minus1)?;
        let [shift_attn, scale_attn, gate_attn, shift_mlp, scale_mlp, gate_mlp] = chunks.as_slice() else {
            candle_core::bail!("modulation of a block has {} parts instead of 6", chunks.len());
        };
        let attended = self.attention(&modulate(&self.norm.forward(x)?, shift_attn, scale_attn)?)?;
        let x = (x + attended.broadcast_mul(&gate_attn.unsqueeze(1)?)?)?;
        let modulated = modulate(&self.norm.forward(&x)?, shift_mlp, scale_mlp)?;
        let hidden = gelu(self.fc1.forward(&modulated)?)?;
        &x + self
            .fc2
            .forward(&hidden)?
            .broadcast_mul(&gate_mlp.unsqueeze(1)?)?
    }
}

/// All blocks and the final layer.
#[derive(Debug)]
pub(super) struct CandleBlocks {
    blocks: Vec<Block>,
    norm: Norm,
    modulation: Dense,
    linear: Dense,
}

/// Sequences [B, T, D] on their way, and the conditions [B, D] that steer them.
pub(super) struct CandleStream {
    pub(super) sequence: Tensor,
    pub(super) condition: Tensor,
}

impl CandleBlocks {
    pub(super) fn load(weights: &mut Weights<'_>, args: &GeneratorArgs) -> Result<Self, GeneratorError> {
        Ok(Self {
            blocks: weights.each(args.depth, |weights, index| Block::load(weights, index, args))?,
            norm: Norm::plain(args.hidden_size, weights.device)?,
            modulation: weights.dense("final_layer.adaLN_modulation.1")?,
            linear: weights.dense("final_layer.linear")?,
        })
    }

    /// Takes the sequence through a block.
    pub(super) fn step(&self, stream: &mut CandleStream, index: usize) -> CandleResult<()> {
        if let Some(block) = self.blocks.get(index) {
            stream.sequence = block.forward(&stream.sequence, &stream.condition)?;
        }
        Ok(())
    }

    /// The final layer, [B, T, outputs].
    pub(super) fn leave(&self, stream: &CandleStream) -> CandleResult<Tensor> {
        let chunks = self.modulation.forward(&stream.condition)?.chunk(2, D::Minus1)?;
        let [shift, scale] = chunks.as_slice() else {
            candle_core::bail!(
                "modulation of the final layer has {} parts instead of 2",
                chunks.len()
            );
        };
        let normed = modulate(&self.norm.forward(&stream.sequence)?, shift, scale)?;
        self.linear.forward(&normed)
    }
}
