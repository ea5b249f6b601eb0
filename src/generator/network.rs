use super::blocks::{CandleBlocks, CandleStream};
use super::cpu_blocks::{CpuBlocks, CpuStream};
use super::schema::TIME_CODE;
use super::weights::{Dense, Weights};
use super::{GeneratorArgs, GeneratorClass, GeneratorError, schema};
use candle_core::{Result as CandleResult, Tensor};

/// LayerNorm epsilon of blocks and final layer.
pub(super) const NORM_EPS: f32 = 1e-6;
/// LayerNorm epsilon of the query and key norm.
pub(super) const QK_NORM_EPS: f32 = 1e-5;
/// Longest period of the code of time.
const TIME_PERIOD: f64 = 10_000.0;

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
    blocks: Blocks,
}

/// Blocks and final layer, as they are computed where the network lies.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // there is one for a network
enum Blocks {
    Cpu(CpuBlocks),
    Candle(CandleBlocks),
}

/// The sequence on its way through them.
#[allow(clippy::large_enum_variant)] // there is one for a pass
enum Stream {
    Cpu(CpuStream),
    Candle(CandleStream),
}

/// A pass under way: it can stop after any block and go on later.
pub(super) struct Pass {
    stream: Stream,
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
            blocks: match weights.kernel_format() {
                Some(format) => Blocks::Cpu(CpuBlocks::load(weights, &args, format)?),
                None => Blocks::Candle(CandleBlocks::load(weights, &args)?),
            },
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
        let condition = self.condition(t, labels)?;
        let sequence = self.embed.forward(&self.patches(x)?)?;
        let sequence = sequence.broadcast_add(&self.positions)?;
        Ok(Pass {
            stream: match &self.blocks {
                Blocks::Cpu(blocks) => Stream::Cpu(blocks.enter(&sequence, &condition)?),
                Blocks::Candle(_) => Stream::Candle(CandleStream { sequence, condition }),
            },
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
        while pass.next_block < self.args.depth {
            if !go_on() {
                return Ok(None);
            }
            match (&self.blocks, &mut pass.stream) {
                (Blocks::Cpu(blocks), Stream::Cpu(stream)) => blocks.step(stream, pass.next_block)?,
                (Blocks::Candle(blocks), Stream::Candle(stream)) => blocks.step(stream, pass.next_block)?,
                _ => candle_core::bail!("a pass goes on in the network that began it"),
            }
            pass.next_block += 1;
        }
        let tokens = match (&self.blocks, &mut pass.stream) {
            (Blocks::Cpu(blocks), Stream::Cpu(stream)) => blocks.leave(stream)?,
            (Blocks::Candle(blocks), Stream::Candle(stream)) => blocks.leave(stream)?,
            _ => candle_core::bail!("a pass goes on in the network that began it"),
        };
        Ok(Some(self.unpatch(&tokens)?))
    }
}
