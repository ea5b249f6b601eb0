//! The transformer that encoder and decoder share: pre-norm blocks with layer-scale, then a norm (timm's DINOv2).

use super::layers::{After, Builder, LayerNorm, Linear, RowChange, softmax};
use super::rotary::{Rotary, Rotation};
use super::{Math, TokenizerError, VitSize};
use candle_core::Tensor;

/// Blocks and the last norm.
#[derive(Debug, Clone)]
pub(super) struct Vit {
    blocks: Vec<Block>,
    norm: LayerNorm,
    /// None where positions are only added to the sequence.
    rotary: Option<Rotary>,
}

impl Vit {
    /// `prefix`: "encoder.model" or "decoder.model".
    pub(super) fn load(
        builder: &mut Builder<'_>,
        prefix: &str,
        size: VitSize,
        rotary: Option<Rotary>,
    ) -> Result<Self, TokenizerError> {
        let blocks = (0..size.depth)
            .map(|index| Block::load(builder, &format!("{prefix}.blocks.{index}"), size))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            blocks,
            norm: builder.norm(&format!("{prefix}.norm"))?,
            rotary,
        })
    }

    /// [B, T, D] through all blocks and the norm; `after_block` sees every block's output.
    pub(super) fn forward(
        &self,
        sequence: Tensor,
        math: Math,
        mut after_block: impl FnMut(usize, &Tensor) -> Result<(), TokenizerError>,
    ) -> Result<Tensor, TokenizerError> {
        let mut x = sequence;
        for (index, block) in self.blocks.iter().enumerate() {
            let rotation = self
                .rotary
                .as_ref()
                .map(|rotary| rotary.block(index))
                .transpose()?;
            x = block.forward(&x, rotation.as_ref(), math)?;
            after_block(index, &x)?;
        }
        self.norm.forward(&x, math)
    }
}

#[derive(Debug, Clone)]
struct Block {
    norm1: LayerNorm,
    attention: Attention,
    norm2: LayerNorm,
    fc1: Linear,
    fc2: ScaledLinear,
}

/// A linear layer whose output is multiplied by a learned factor for each channel (layer-scale).
#[derive(Debug, Clone)]
struct ScaledLinear {
    linear: Linear,
    /// None when it is multiplied into the packed layer.
    gamma: Option<Tensor>,
}

impl ScaledLinear {
    fn load(builder: &mut Builder<'_>, linear: &str, gamma: &str) -> Result<Self, TokenizerError> {
        if builder.is_packed() {
            let gamma = builder.source.tensor(gamma)?.to_vec1::<f32>()?;
            return Ok(Self {
                linear: builder.linear(linear, RowChange::Scale(&gamma))?,
                gamma: None,
            });
        }
        Ok(Self {
            linear: builder.linear(linear, RowChange::None)?,
            gamma: Some(builder.tensor(gamma)?),
        })
    }

    /// The output added to a residual.
    fn forward(&self, x: &Tensor, residual: &Tensor, math: Math) -> Result<Tensor, TokenizerError> {
        match &self.gamma {
            Some(gamma) => {
                let y = self.linear.forward(x, math, After::Nothing)?;
                Ok((y.broadcast_mul(gamma)? + residual)?)
            }
            None => self.linear.forward(x, math, After::Add(residual)),
        }
    }
}

impl Block {
    fn load(builder: &mut Builder<'_>, prefix: &str, size: VitSize) -> Result<Self, TokenizerError> {
        Ok(Self {
            norm1: builder.norm(&format!("{prefix}.norm1"))?,
            attention: Attention::load(builder, prefix, size)?,
            norm2: builder.norm(&format!("{prefix}.norm2"))?,
            fc1: builder.linear(&format!("{prefix}.mlp.fc1"), RowChange::None)?,
            fc2: ScaledLinear::load(
                builder,
                &format!("{prefix}.mlp.fc2"),
                &format!("{prefix}.ls2.gamma"),
            )?,
        })
    }

    fn forward(&self, x: &Tensor, rotation: Option<&Rotation>, math: Math) -> Result<Tensor, TokenizerError> {
        let x = self
            .attention
            .forward(&self.norm1.forward(x, math)?, rotation, x, math)?;
        let hidden = self
            .fc1
            .forward(&self.norm2.forward(&x, math)?, math, After::Gelu)?;
        self.fc2.forward(&hidden, &x, math)
    }
}

/// Multi-head self-attention with one product for queries, keys and values.
#[derive(Debug, Clone)]
struct Attention {
    qkv: Linear,
    proj: ScaledLinear,
    num_heads: usize,
    head_dim: usize,
    /// 1/sqrt(head size) when it is not multiplied into the packed queries.
    query_scale: Option<f64>,
}

impl Attention {
    fn load(builder: &mut Builder<'_>, prefix: &str, size: VitSize) -> Result<Self, TokenizerError> {
        let scale = 1.0 / (size.head_dim() as f64).sqrt();
        let mut factors = vec![1.0; 3 * size.embed_dim];
        factors[..size.embed_dim].fill(scale as f32);
        Ok(Self {
            qkv: builder.linear(&format!("{prefix}.attn.qkv"), RowChange::Scale(&factors))?,
            proj: ScaledLinear::load(
                builder,
                &format!("{prefix}.attn.proj"),
                &format!("{prefix}.ls1.gamma"),
            )?,
            num_heads: size.num_heads,
            head_dim: size.head_dim(),
            query_scale: (!builder.is_packed()).then_some(scale),
        })
    }

    /// Attention over `x`, added to a residual.
    fn forward(
        &self,
        x: &Tensor,
        rotation: Option<&Rotation>,
        residual: &Tensor,
        math: Math,
    ) -> Result<Tensor, TokenizerError> {
        let (batch, length, width) = x.dims3()?;
        let qkv = self.qkv.forward(x, math, After::Nothing)?.reshape((
            batch,
            length,
            3,
            self.num_heads,
            self.head_dim,
        ))?;
        // [3, B, heads, T, head size]
        let qkv = qkv.permute((2, 0, 3, 1, 4))?;
        // For one picture on the CPU the product takes these views as they are.
        let qkv = if batch == 1 && x.device().is_cpu() {
            qkv
        } else {
            qkv.contiguous()?
        };
        let (query, key, value) = (qkv.get(0)?, qkv.get(1)?, qkv.get(2)?);
        let query = match self.query_scale {
            Some(scale) => (query * scale)?,
            None => query,
        };
        let (query, key) = match rotation {
            Some(rotation) => (rotation.apply(&query)?, rotation.apply(&key)?),
            None => (query, key),
        };
        let weights = softmax(query.matmul(&key.transpose(2, 3)?)?, 1.0, math)?;
        let mixed = weights
            .matmul(&value)?
            .transpose(1, 2)?
            .reshape((batch, length, width))?;
        self.proj.forward(&mixed, residual, math)
    }
}
