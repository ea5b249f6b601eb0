use super::GeneratorError;
use super::weights::{Dense, Weights};
use candle_core::{D, DType, Device, Result as CandleResult, Tensor};
use candle_nn::ops;
use std::collections::HashMap;

/// LayerNorm epsilon of blocks and final layer.
const NORM_EPS: f32 = 1e-6;
/// LayerNorm epsilon of the query and key norm.
const QK_NORM_EPS: f32 = 1e-5;
/// Width of the sinusoidal code of time.
const TIME_CODE: usize = 256;
/// Longest period of that code.
const TIME_PERIOD: f64 = 10_000.0;

/// The constructor arguments that the hub writes into a SiT's `config.json`; others in that file are ignored.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
pub struct SitArgs {
    /// Tokens in the sequence (1-D), or side of the latent square (2-D).
    pub input_size: usize,
    /// Values per token, or channels of the latent square.
    pub in_channels: usize,
    /// Side of a patch of the latent square; without effect in 1-D.
    pub patch_size: usize,
    /// Width D.
    pub hidden_size: usize,
    /// Number of blocks.
    pub depth: usize,
    /// Attention heads.
    pub num_heads: usize,
    /// Width of the MLP over D.
    pub mlp_ratio: f64,
    /// Classes; the label table has a further row for "no class" when `class_dropout_prob` > 0.
    pub num_classes: usize,
    /// Share of training labels replaced by "no class".
    #[serde(default = "default_dropout")]
    pub class_dropout_prob: f64,
    /// Whether queries and keys are normalised per head.
    pub qk_norm: bool,
    /// Whether the latent is a sequence of tokens.
    #[serde(default = "default_vae_1d")]
    pub vae_1d: bool,
}

fn default_dropout() -> f64 {
    0.1
}

fn default_vae_1d() -> bool {
    true
}

impl SitArgs {
    /// Number of tokens that the blocks see.
    pub fn sequence_length(&self) -> usize {
        if self.vae_1d {
            self.input_size
        } else {
            (self.input_size / self.patch_size.max(1)).pow(2)
        }
    }

    fn token_values(&self) -> usize {
        if self.vae_1d {
            self.in_channels
        } else {
            self.in_channels * self.patch_size.pow(2)
        }
    }

    fn mlp_width(&self) -> usize {
        // The reference truncates the product.
        (self.hidden_size as f64 * self.mlp_ratio) as usize
    }

    fn check(&self) -> Result<(), GeneratorError> {
        let refuse = |text: String| Err(GeneratorError::Config(text));
        if self.num_heads == 0 || !self.hidden_size.is_multiple_of(self.num_heads) {
            return refuse(format!(
                "hidden_size {} is not a multiple of num_heads {}",
                self.hidden_size, self.num_heads
            ));
        }
        if !self.vae_1d && (self.patch_size == 0 || !self.input_size.is_multiple_of(self.patch_size)) {
            return refuse(format!(
                "input_size {} is not a multiple of patch_size {}",
                self.input_size, self.patch_size
            ));
        }
        if self.sequence_length() == 0 || self.in_channels == 0 || self.depth == 0 {
            return refuse("input_size, in_channels and depth must be at least 1".to_owned());
        }
        Ok(())
    }
}

/// LayerNorm over the last dimension, with or without learned scale and shift.
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
        ops::layer_norm(&x.contiguous()?, &self.scale, &self.shift, self.eps)
    }
}

/// x (1 + scale) + shift, scale and shift [B, D] over x [B, N, D].
fn modulate(x: &Tensor, shift: &Tensor, scale: &Tensor) -> CandleResult<Tensor> {
    x.broadcast_mul(&(scale.unsqueeze(1)? + 1.0)?)?
        .broadcast_add(&shift.unsqueeze(1)?)
}

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
    fn load(
        weights: &mut Weights<'_>,
        index: usize,
        args: &SitArgs,
        device: &Device,
    ) -> Result<Self, GeneratorError> {
        let width = args.hidden_size;
        let name = |part: &str| format!("blocks.{index}.{part}");
        let head_width = width / args.num_heads;
        let mut head_norm = |part: &str| -> Result<Norm, GeneratorError> {
            Ok(Norm {
                scale: weights.get(&name(&format!("attn.{part}.weight")), &[head_width])?,
                shift: weights.get(&name(&format!("attn.{part}.bias")), &[head_width])?,
                eps: QK_NORM_EPS,
            })
        };
        let query_key_norm = if args.qk_norm {
            Some((head_norm("q_norm")?, head_norm("k_norm")?))
        } else {
            None
        };
        Ok(Self {
            norm: Norm::plain(width, device)?,
            qkv: weights.dense(&name("attn.qkv"), width, 3 * width)?,
            query_key_norm,
            proj: weights.dense(&name("attn.proj"), width, width)?,
            fc1: weights.dense(&name("mlp.fc1"), width, args.mlp_width())?,
            fc2: weights.dense(&name("mlp.fc2"), args.mlp_width(), width)?,
            modulation: weights.dense(&name("adaLN_modulation.1"), width, 6 * width)?,
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
        let scores = (q * (head_width as f64).powf(-0.5))?.matmul(&k.transpose(2, 3)?.contiguous()?)?;
        let mixed = ops::softmax_last_dim(&scores)?.matmul(&v)?;
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
            candle_core::bail!(
                "modulation of a SiT block has {} parts instead of 6",
                chunks.len()
            );
        };
        let attended = self.attention(&modulate(&self.norm.forward(x)?, shift_attn, scale_attn)?)?;
        let x = (x + attended.broadcast_mul(&gate_attn.unsqueeze(1)?)?)?;
        let hidden = self
            .fc1
            .forward(&modulate(&self.norm.forward(&x)?, shift_mlp, scale_mlp)?)?
            .gelu()?;
        &x + self
            .fc2
            .forward(&hidden)?
            .broadcast_mul(&gate_mlp.unsqueeze(1)?)?
    }
}

/// The velocity network of SiT, f32.
pub struct Sit {
    args: SitArgs,
    device: Device,
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

impl Sit {
    /// From a state dict of f32 tensors on one device.
    ///
    /// # Errors
    /// [`GeneratorError::MissingKeys`] with every absent key, [`GeneratorError::WrongShape`], or a configuration that
    /// makes no network.
    pub fn from_tensors(
        args: SitArgs,
        tensors: &HashMap<String, Tensor>,
        device: &Device,
    ) -> Result<Self, GeneratorError> {
        args.check()?;
        let mut weights = Weights::new(tensors);
        let width = args.hidden_size;
        let rows = args.num_classes + usize::from(args.class_dropout_prob > 0.0);
        let sit = Self {
            device: device.clone(),
            embed: if args.vae_1d {
                weights.dense("x_embedder", args.in_channels, width)?
            } else {
                weights.patch_dense("x_embedder.proj", args.in_channels, args.patch_size, width)?
            },
            positions: weights.get("pos_embed", &[1, args.sequence_length(), width])?,
            time_in: weights.dense("t_embedder.mlp.0", TIME_CODE, width)?,
            time_out: weights.dense("t_embedder.mlp.2", width, width)?,
            labels: weights.get("y_embedder.embedding_table.weight", &[rows, width])?,
            blocks: (0..args.depth)
                .map(|index| Block::load(&mut weights, index, &args, device))
                .collect::<Result<_, _>>()?,
            final_norm: Norm::plain(width, device)?,
            final_modulation: weights.dense("final_layer.adaLN_modulation.1", width, 2 * width)?,
            final_linear: weights.dense("final_layer.linear", width, args.token_values())?,
            args,
        };
        weights.finish()?;
        Ok(sit)
    }

    /// The configuration.
    pub fn args(&self) -> &SitArgs {
        &self.args
    }

    /// The label that means "no class": the last row of the label table.
    pub fn null_label(&self) -> u32 {
        (self.labels.dim(0).unwrap_or(1) - 1) as u32
    }

    /// Shape of a batch of `batch` latents: [B, L, C], or [B, C, S, S] in 2-D.
    pub fn latent_shape(&self, batch: usize) -> Vec<usize> {
        let (size, channels) = (self.args.input_size, self.args.in_channels);
        if self.args.vae_1d {
            vec![batch, size, channels]
        } else {
            vec![batch, channels, size, size]
        }
    }

    /// [cos, sin] code of `t` `[B]`, [B, 256].
    fn time_code(&self, t: &Tensor) -> CandleResult<Tensor> {
        let half = TIME_CODE / 2;
        let frequencies: Vec<f32> = (0..half)
            .map(|i| (-TIME_PERIOD.ln() * i as f64 / half as f64).exp() as f32)
            .collect();
        let angles =
            t.unsqueeze(1)?
                .broadcast_mul(&Tensor::from_vec(frequencies, (1, half), &self.device)?)?;
        Tensor::cat(&[angles.cos()?, angles.sin()?], 1)
    }

    fn condition(&self, t: &Tensor, labels: &Tensor) -> CandleResult<Tensor> {
        let time = self
            .time_out
            .forward(&self.time_in.forward(&self.time_code(t)?)?.silu()?)?;
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
        let (p, grid, channels) = (
            self.args.patch_size,
            self.args.input_size / self.args.patch_size,
            self.args.in_channels,
        );
        // The final layer orders a patch as (row, column, channel), channel fastest.
        x.reshape(&[x.dim(0)?, grid, grid, p, p, channels])?
            .permute([0, 5, 1, 3, 2, 4])?
            .contiguous()?
            .reshape((x.dim(0)?, channels, grid * p, grid * p))
    }

    /// Velocity at `x` ([`Sit::latent_shape`], f32), times `t` `[B]` f32 in 0..1, labels `[B]` u32; same shape as `x`.
    pub fn forward(&self, x: &Tensor, t: &Tensor, labels: &Tensor) -> CandleResult<Tensor> {
        let condition = self.condition(t, labels)?;
        let mut sequence = self
            .embed
            .forward(&self.patches(x)?)?
            .broadcast_add(&self.positions)?;
        for block in &self.blocks {
            sequence = block.forward(&sequence, &condition)?;
        }
        let chunks = self.final_modulation.forward(&condition)?.chunk(2, D::Minus1)?;
        let [shift, scale] = chunks.as_slice() else {
            candle_core::bail!(
                "modulation of the final layer has {} parts instead of 2",
                chunks.len()
            );
        };
        let normed = modulate(&self.final_norm.forward(&sequence)?, shift, scale)?;
        self.unpatch(&self.final_linear.forward(&normed)?)
    }
}
