//! The transformer that encoder and decoder share: pre-norm blocks with layer-scale, then a norm (timm's DINOv2). In
//! the adaptive-norm kind the latents steer the norms, and there is no layer-scale.

use super::adaptive::{AdaptiveNorm, Steering};
use super::by_hand::WeightGradients;
use super::cpu_vit::{CpuBlock, CpuNorm, CpuVit};
use super::flash;
use super::layers::{After, Builder, LayerNorm, Linear, RowChange, softmax};
use super::over_rows;
use super::rotary::{Rotary, Rotation};
use super::stage::VitStages;
use super::trained_vit::{BlockWeights, VitPass};
use super::{Math, TokenizerError, VitSize};
use crate::kernel::Isa;
use candle_core::{DType, Tensor};
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// Which norms a transformer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NormKind {
    /// With learned weights, the same for every token.
    Affine,
    /// Steered by the latents.
    Adaptive,
}

#[derive(Debug, Clone)]
enum Norm {
    Affine(LayerNorm),
    Adaptive(AdaptiveNorm),
}

impl Norm {
    fn forward(&self, x: &Tensor, steering: Option<&Steering>, math: Math) -> Result<Tensor, TokenizerError> {
        match self {
            Self::Affine(norm) => norm.forward(x, math),
            Self::Adaptive(norm) => norm.forward(x, steering, math),
        }
    }

    /// Scale and shift as given; None where the latents steer.
    fn given(&self) -> Option<(Tensor, Tensor)> {
        match self {
            Self::Affine(norm) => Some(norm.given()),
            Self::Adaptive(_) => None,
        }
    }

    fn on_cpu(&self) -> Result<Option<CpuNorm>, TokenizerError> {
        let (norm, steered) = match self {
            Self::Affine(norm) => (norm, None),
            Self::Adaptive(norm) => {
                let (norm, shift, scale) = norm.parts();
                let (Some(shift), Some(scale)) = (shift.panels(), scale.panels()) else {
                    return Ok(None);
                };
                (norm, Some((Arc::clone(shift), Arc::clone(scale))))
            }
        };
        Ok(Some(CpuNorm {
            norm: Arc::new(norm.on_cpu()?),
            steered,
        }))
    }
}

/// Blocks and the last norm.
#[derive(Debug, Clone)]
pub(super) struct Vit {
    blocks: Vec<Block>,
    norm: Norm,
    /// None where positions are only added to the sequence.
    rotary: Option<Rotary>,
    /// The whole pass on the CPU; None where the layers are not packed for it.
    cpu: Option<Arc<CpuVit>>,
    /// Where a pass in one piece leaves the gradients of its weights; None for any other.
    gradients: Option<WeightGradients>,
}

impl Vit {
    /// `prefix`: "encoder.model" or "decoder.model".
    pub(super) fn load(
        builder: &mut Builder<'_>,
        prefix: &str,
        size: VitSize,
        norms: NormKind,
        rotary: Option<Rotary>,
    ) -> Result<Self, TokenizerError> {
        let blocks = builder.each(size.depth, |builder, index| {
            Block::load(builder, &format!("{prefix}.blocks.{index}"), size, norms)
        })?;
        let prefix = format!("{prefix}.norm");
        let norm = match norms {
            NormKind::Affine => Norm::Affine(builder.norm(&prefix)?),
            NormKind::Adaptive => Norm::Adaptive(AdaptiveNorm::load(builder, &prefix, size.embed_dim)?),
        };
        let mut vit = Self {
            blocks,
            norm,
            rotary,
            cpu: None,
            gradients: None,
        };
        vit.cpu = vit.on_cpu()?.map(Arc::new);
        Ok(vit)
    }

    fn on_cpu(&self) -> Result<Option<CpuVit>, TokenizerError> {
        let Some(first) = self.blocks.first() else {
            return Ok(None);
        };
        let mut blocks = Vec::new();
        for block in &self.blocks {
            let Some(block) = block.on_cpu()? else {
                return Ok(None);
            };
            blocks.push(block);
        }
        Ok(self.norm.on_cpu()?.map(|norm| CpuVit {
            blocks,
            norm,
            heads: first.attention.num_heads,
            head_dim: first.attention.head_dim,
            isa: Isa::best(),
        }))
    }

    /// This transformer with weights in 8 bits, for [`Self::forward`] with fused mathematics alone; None where there is
    /// none.
    pub(super) fn quantised(&self) -> Option<Self> {
        let cpu = self.cpu.as_ref()?.quantised()?;
        Some(Self {
            cpu: Some(Arc::new(cpu)),
            ..self.clone()
        })
    }

    /// Lets [`Self::forward_in_one`] serve differentiable passes; weights must be as given. Rotary ones stay as they are.
    pub(super) fn train(&mut self, gradients: &WeightGradients) {
        if self.rotary.is_none() {
            self.gradients = Some(gradients.clone());
        }
    }

    /// [B, T, D] to the tokens `kept` [B, kept, D] in one operation; None where this pass is not to be one.
    pub(super) fn forward_in_one(
        &self,
        sequence: &Tensor,
        math: Math,
        kept: Range<usize>,
    ) -> Result<Option<Tensor>, TokenizerError> {
        let (Some(gradients), Math::Differentiable) = (&self.gradients, math) else {
            return Ok(None);
        };
        let pass = self.pass(gradients, kept);
        Ok(pass
            .map(|pass| sequence.contiguous()?.apply_op1(pass))
            .transpose()?)
    }

    /// Lets blocks compute GELU by its tanh approximation; passes in one piece do not.
    pub(super) fn approximate_gelu(&mut self) {
        for block in &mut self.blocks {
            block.has_tanh_gelu = true;
        }
    }

    fn pass(&self, gradients: &WeightGradients, kept: Range<usize>) -> Option<VitPass> {
        let blocks = self.blocks.iter().map(Block::given).collect::<Option<_>>()?;
        Some(VitPass {
            blocks,
            norm: self.norm.given()?,
            num_heads: self.blocks.first()?.attention.num_heads,
            kept,
            gradients: gradients.clone(),
            saved: OnceLock::new(),
        })
    }

    /// [B, T, D] through all blocks and the norm to the tokens `kept` [B, kept, D]; `steering` is read by adaptive norms
    /// alone.
    pub(super) fn forward(
        &self,
        sequence: Tensor,
        steering: Option<&Steering>,
        math: Math,
        kept: Range<usize>,
        mut stages: VitStages<'_>,
    ) -> Result<Tensor, TokenizerError> {
        if let (Some(cpu), Math::Fused) = (&self.cpu, math) {
            return cpu.forward(&sequence, steering, self.rotary.as_ref(), kept, &mut stages);
        }
        let mut x = sequence;
        for (index, block) in self.blocks.iter().enumerate() {
            let rotation = self
                .rotary
                .as_ref()
                .map(|rotary| rotary.block(index))
                .transpose()?;
            x = block.forward(&x, steering, rotation.as_ref(), math)?;
            stages.after_block(index, || Ok(x.clone()))?;
        }
        let x = self.norm.forward(&x, steering, math)?;
        stages.after_norm(|| Ok(x.clone()))?;
        Ok(x.narrow(1, kept.start, kept.len())?)
    }
}

#[derive(Debug, Clone)]
struct Block {
    norm1: Norm,
    attention: Attention,
    norm2: Norm,
    fc1: Linear,
    fc2: ScaledLinear,
    /// Whether GELU is approximated by tanh.
    has_tanh_gelu: bool,
}

/// A linear layer whose output is multiplied by a learned factor for each channel (layer-scale).
#[derive(Debug, Clone)]
struct ScaledLinear {
    linear: Linear,
    /// None when it is multiplied into the packed layer, or there is none.
    gamma: Option<Tensor>,
}

impl ScaledLinear {
    /// `gamma`: the factors' key; blocks with adaptive norms have none. `group`: channels that lie together where packed
    /// for the CPU.
    fn load(
        builder: &mut Builder<'_>,
        linear: &str,
        gamma: Option<String>,
        group: usize,
    ) -> Result<Self, TokenizerError> {
        let Some(gamma) = gamma else {
            return Ok(Self {
                linear: builder.grouped_linear(linear, RowChange::None, group)?,
                gamma: None,
            });
        };
        if builder.is_packed() {
            let gamma = builder.source.tensor(&gamma)?.to_vec1::<f32>()?;
            return Ok(Self {
                linear: builder.grouped_linear(linear, RowChange::Scale(&gamma), group)?,
                gamma: None,
            });
        }
        Ok(Self {
            linear: builder.linear(linear, RowChange::None)?,
            gamma: Some(builder.tensor(&gamma)?),
        })
    }

    /// The output added to a residual.
    fn forward(&self, x: &Tensor, residual: &Tensor, math: Math) -> Result<Tensor, TokenizerError> {
        match &self.gamma {
            Some(gamma) => {
                let y = self.linear.forward(x, math, After::Nothing)?;
                Ok((over_rows::scaled(&y, gamma)? + residual)?)
            }
            None => self.linear.forward(x, math, After::Add(residual)),
        }
    }
}

impl Block {
    fn load(
        builder: &mut Builder<'_>,
        prefix: &str,
        size: VitSize,
        norms: NormKind,
    ) -> Result<Self, TokenizerError> {
        let (norm1, norm2) = match norms {
            NormKind::Affine => (
                Norm::Affine(builder.norm(&format!("{prefix}.norm1"))?),
                Norm::Affine(builder.norm(&format!("{prefix}.norm2"))?),
            ),
            NormKind::Adaptive => {
                let (first, second) = AdaptiveNorm::load_pair(builder, prefix, size.embed_dim)?;
                (Norm::Adaptive(first), Norm::Adaptive(second))
            }
        };
        let gamma = |name: &str| (norms == NormKind::Affine).then(|| format!("{prefix}.{name}.gamma"));
        Ok(Self {
            norm1,
            attention: Attention::load(builder, prefix, size, gamma("ls1"))?,
            norm2,
            fc1: builder.linear(&format!("{prefix}.mlp.fc1"), RowChange::None)?,
            fc2: ScaledLinear::load(
                builder,
                &format!("{prefix}.mlp.fc2"),
                gamma("ls2"),
                size.mlp_dim(),
            )?,
            has_tanh_gelu: false,
        })
    }

    /// None where a layer is not packed for the CPU.
    fn on_cpu(&self) -> Result<Option<CpuBlock>, TokenizerError> {
        let layers = [
            &self.attention.qkv,
            &self.attention.proj.linear,
            &self.fc1,
            &self.fc2.linear,
        ];
        let [Some(qkv), Some(proj), Some(fc1), Some(fc2)] = layers.map(Linear::panels) else {
            return Ok(None);
        };
        let (Some(norm1), Some(norm2)) = (self.norm1.on_cpu()?, self.norm2.on_cpu()?) else {
            return Ok(None);
        };
        Ok(Some(CpuBlock {
            norm1,
            qkv: Arc::clone(qkv),
            proj: Arc::clone(proj),
            norm2,
            fc1: Arc::clone(fc1),
            fc2: Arc::clone(fc2),
        }))
    }

    /// The weights as the state dict has them; None where they are packed.
    fn given(&self) -> Option<BlockWeights> {
        Some(BlockWeights {
            norm1: self.norm1.given()?,
            qkv: self.attention.qkv.given()?,
            proj: self.attention.proj.linear.given()?,
            gamma1: self.attention.proj.gamma.clone()?,
            norm2: self.norm2.given()?,
            fc1: self.fc1.given()?,
            fc2: self.fc2.linear.given()?,
            gamma2: self.fc2.gamma.clone()?,
        })
    }

    fn forward(
        &self,
        x: &Tensor,
        steering: Option<&Steering>,
        rotation: Option<&Rotation>,
        math: Math,
    ) -> Result<Tensor, TokenizerError> {
        let normalised = self.norm1.forward(x, steering, math)?;
        let x = self.attention.forward(&normalised, rotation, x, math)?;
        let normalised = self.norm2.forward(&x, steering, math)?;
        let gelu = if self.has_tanh_gelu {
            After::TanhGelu
        } else {
            After::Gelu
        };
        let hidden = self.fc1.forward(&normalised, math, gelu)?;
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
    fn load(
        builder: &mut Builder<'_>,
        prefix: &str,
        size: VitSize,
        gamma: Option<String>,
    ) -> Result<Self, TokenizerError> {
        let scale = 1.0 / (size.head_dim() as f64).sqrt();
        let mut factors = vec![1.0; 3 * size.embed_dim];
        factors[..size.embed_dim].fill(scale as f32);
        Ok(Self {
            qkv: builder.linear(&format!("{prefix}.attn.qkv"), RowChange::Scale(&factors))?,
            proj: ScaledLinear::load(builder, &format!("{prefix}.attn.proj"), gamma, size.head_dim())?,
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
        let (batch, length, _) = x.dims3()?;
        let qkv = self.qkv.forward(x, math, After::Nothing)?.reshape((
            batch,
            length,
            3,
            self.num_heads,
            self.head_dim,
        ))?;
        // [3, B, heads, T, head size]
        let qkv = qkv.permute((2, 0, 3, 1, 4))?;
        let in_one = match math {
            Math::Fused => self.in_one_kernel(&qkv, rotation)?,
            Math::Differentiable => None,
        };
        let mixed = match in_one {
            Some(mixed) => mixed,
            None => self.by_products(&qkv, rotation, math)?,
        };
        self.proj.forward(&mixed, residual, math)
    }

    /// [3, B, heads, T, head size] to [B, T, D]; None where the device has no kernel for it.
    fn in_one_kernel(
        &self,
        qkv: &Tensor,
        rotation: Option<&Rotation>,
    ) -> Result<Option<Tensor>, TokenizerError> {
        let how = flash::Mixing {
            scale: self.query_scale.unwrap_or(1.0),
            rotation,
            dtype: self.qkv.dtype().unwrap_or(DType::F32),
        };
        Ok(flash::attention(&qkv.get(0)?, &qkv.get(1)?, &qkv.get(2)?, how)?)
    }

    /// The same by two products, with the matrix of all tokens by all tokens between them.
    fn by_products(
        &self,
        qkv: &Tensor,
        rotation: Option<&Rotation>,
        math: Math,
    ) -> Result<Tensor, TokenizerError> {
        // For one picture on the CPU the product takes these views as they are.
        let qkv = if qkv.dim(1)? == 1 && qkv.device().is_cpu() {
            qkv.clone()
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
        let mixed = softmax(query.matmul(&key.transpose(2, 3)?)?, 1.0, math)?.matmul(&value)?;
        Ok(mixed.transpose(1, 2)?.flatten_from(2)?)
    }
}
