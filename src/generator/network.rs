use super::schema::TIME_CODE;
use super::weights::{Dense, Weights};
use super::{GeneratorArgs, GeneratorClass, GeneratorError, schema};
use crate::tokenizer::{flash, fused};
use candle_core::{D, DType, Device, Result as CandleResult, Tensor};
use candle_nn::ops;

/// LayerNorm epsilon of blocks and final layer.
pub(super) const NORM_EPS: f32 = 1e-6;
/// LayerNorm epsilon of the query and key norm.
pub(super) const QK_NORM_EPS: f32 = 1e-5;
/// Longest period of the code of time.
const TIME_PERIOD: f64 = 10_000.0;

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

/// [cos, sin] code of `t` `[B]`, [B, 256]; in f32 throughout, as the reference does it: times reach 999.
pub(super) fn time_code(t: &Tensor) -> CandleResult<Tensor> {
    let half = TIME_CODE / 2;
    let rate = -TIME_PERIOD.ln() as f32;
    let frequencies: Vec<f32> = (0..half)
        .map(|index| (rate * index as f32 / half as f32).exp())
        .collect();
    let angles = t
        .unsqueeze(1)?
        .broadcast_mul(&Tensor::from_vec(frequencies, (1, half), t.device())?)?;
    Tensor::cat(&[angles.cos()?, angles.sin()?], 1)
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
        let part = |index: usize| qkv.narrow(2, index, 1)?.squeeze(2)?.transpose(1, 2)?.contiguous();
        let (mut q, mut k, v) = (part(0)?, part(1)?, part(2)?);
        if let Some((query_norm, key_norm)) = &self.query_key_norm {
            q = query_norm.forward(&q)?;
            k = key_norm.forward(&k)?;
        }
        let scale = (head_width as f64).powf(-0.5);
        let mixed = match flash::attention(&q, &k, &v, scale as f32)? {
            Some(mixed) => mixed,
            None => {
                let scores = q.matmul(&k.transpose(2, 3)?.contiguous()?)?;
                softmax(scores, scale)?.matmul(&v)?
            }
        };
        self.proj.forward(
            &mixed
                .transpose(1, 2)?
                .contiguous()?
                .reshape((batch, length, width))?,
        )
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

/// The transformer that SiT and DiT share; they differ in what goes in as time and what comes out.
#[derive(Debug)]
pub(super) struct Network {
    args: GeneratorArgs,
    class: GeneratorClass,
    embed: Dense,
    positions: Tensor,
    time_in: Dense,
    time_out: Dense,
    labels: Tensor,
    blocks: Vec<Block>,
    final_norm: Norm,
    final_modulation: Dense,
    final_linear: Dense,
}

/// A pass under way: it can stop after any block and go on later.
pub(super) struct Pass {
    condition: Tensor,
    sequence: Tensor,
    next_block: usize,
}

impl Network {
    pub(super) fn load(
        args: GeneratorArgs,
        class: GeneratorClass,
        weights: &mut Weights<'_>,
    ) -> Result<Self, GeneratorError> {
        let embed = if args.vae_1d {
            "x_embedder"
        } else {
            "x_embedder.proj"
        };
        Ok(Self {
            embed: weights.dense(embed)?,
            positions: weights.plain("pos_embed")?,
            time_in: weights.dense("t_embedder.mlp.0")?,
            time_out: weights.dense("t_embedder.mlp.2")?,
            labels: weights.plain("y_embedder.embedding_table.weight")?,
            blocks: (0..args.depth)
                .map(|index| Block::load(weights, index, &args))
                .collect::<Result<_, _>>()?,
            final_norm: Norm::plain(args.hidden_size, weights.device)?,
            final_modulation: weights.dense("final_layer.adaLN_modulation.1")?,
            final_linear: weights.dense("final_layer.linear")?,
            class,
            args,
        })
    }

    fn condition(&self, t: &Tensor, labels: &Tensor) -> CandleResult<Tensor> {
        let time = self
            .time_out
            .forward(&self.time_in.forward(&time_code(t)?)?.silu()?)?;
        (time + self.labels.index_select(labels, 0)?)?.silu()
    }

    fn patches(&self, x: &Tensor) -> CandleResult<Tensor> {
        if self.args.vae_1d {
            return Ok(x.clone());
        }
        let (p, grid, channels) = (
            self.args.patch_size,
            self.args.input_size / self.args.patch_size,
            self.args.in_channels,
        );
        x.reshape(&[x.dim(0)?, channels, grid, p, grid, p])?
            .permute([0, 2, 4, 1, 3, 5])?
            .contiguous()?
            .reshape((x.dim(0)?, grid * grid, channels * p * p))
    }

    fn unpatch(&self, x: &Tensor) -> CandleResult<Tensor> {
        if self.args.vae_1d {
            return Ok(x.clone());
        }
        let (p, grid) = (self.args.patch_size, self.args.input_size / self.args.patch_size);
        let channels = schema::outputs(&self.args, self.class) / (p * p);
        // The final layer orders a patch as (row, column, channel), channel fastest.
        x.reshape(&[x.dim(0)?, grid, grid, p, p, channels])?
            .permute([0, 5, 1, 3, 2, 4])?
            .contiguous()?
            .reshape((x.dim(0)?, channels, grid * p, grid * p))
    }

    /// Starts a pass over `x` (a batch of latents, f32) at times `t` `[B]` f32 with labels `[B]` u32, all on the
    /// network's device.
    pub(super) fn begin(&self, x: &Tensor, t: &Tensor, labels: &Tensor) -> CandleResult<Pass> {
        Ok(Pass {
            condition: self.condition(t, labels)?,
            sequence: self
                .embed
                .forward(&self.patches(x)?)?
                .broadcast_add(&self.positions)?,
            next_block: 0,
        })
    }

    /// Goes on with a pass to its end. `go_on` is asked before every block; `None` where it said no, and the pass is
    /// then as far as it came.
    pub(super) fn advance(
        &self,
        pass: &mut Pass,
        go_on: &mut dyn FnMut() -> bool,
    ) -> CandleResult<Option<Tensor>> {
        for block in self.blocks.iter().skip(pass.next_block) {
            if !go_on() {
                return Ok(None);
            }
            pass.sequence = block.forward(&pass.sequence, &pass.condition)?;
            pass.next_block += 1;
        }
        let chunks = self
            .final_modulation
            .forward(&pass.condition)?
            .chunk(2, D::Minus1)?;
        let [shift, scale] = chunks.as_slice() else {
            candle_core::bail!(
                "modulation of the final layer has {} parts instead of 2",
                chunks.len()
            );
        };
        let normed = modulate(&self.final_norm.forward(&pass.sequence)?, shift, scale)?;
        Ok(Some(self.unpatch(&self.final_linear.forward(&normed)?)?))
    }
}
