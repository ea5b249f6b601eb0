//! Blocks and final layer on the CPU by the kernels, over panels of one memory: norms with their modulation, GELU, gates
//! and residuals are made where a product or the next one's operand is written, and no square matrix of attention is.

use super::network::{NORM_EPS, QK_NORM_EPS};
use super::weights::Weights;
use super::{GeneratorArgs, GeneratorError};
use crate::kernel::{
    Attention, Finish, FloatFormat, Format, Gate, Grouping, HeadNorm, Isa, LayerNorm, Modulation, Operand,
    PANEL, PackedWeight, RowStatistics, Steered, Words, pack_rows, panels, product, read_rows,
};
use crate::tokenizer::by_hand::with_values;
use candle_core::{Device, Result as CandleResult, Tensor};

/// The parts of a block's modulation, in order: shift, scale and gate of the attention, the same of the MLP. What a norm
/// gives is multiplied by 1 + scale, so scales have the 1 in them.
const BLOCK_PARTS: [f32; 6] = [0.0, 1.0, 0.0, 0.0, 1.0, 0.0];
/// Shift and scale of the final layer.
const FINAL_PARTS: [f32; 2] = [0.0, 1.0];

/// Blocks and final layer, packed for the CPU.
#[derive(Debug)]
pub(super) struct CpuBlocks {
    blocks: Vec<CpuBlock>,
    /// Of every block and the final layer: without weights.
    norm: LayerNorm,
    modulation: PackedWeight,
    linear: PackedWeight,
    sizes: Sizes,
    format: FloatFormat,
    isa: Isa,
}

#[derive(Debug)]
struct CpuBlock {
    /// Each part in panels of its own.
    modulation: PackedWeight,
    /// Queries, keys, values; queries times 1/sqrt(head channels) where there is no norm that does it.
    qkv: PackedWeight,
    head_norms: Option<(HeadNorm, HeadNorm)>,
    /// Reads each head in panels of its own.
    proj: PackedWeight,
    fc1: PackedWeight,
    fc2: PackedWeight,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sizes {
    width: usize,
    heads: usize,
}

impl Sizes {
    fn head_dim(self) -> usize {
        self.width / self.heads.max(1)
    }
}

/// A batch of sequences on its way.
pub(super) struct CpuStream {
    sizes: Sizes,
    pictures: usize,
    /// Tokens of a picture.
    length: usize,
    /// The residual stream, f32.
    x: Words,
    /// What the modulation's products read.
    condition: Words,
    /// Parts [pictures, channels], f32.
    modulation: Words,
    /// What the next product reads.
    operand: Words,
    /// Queries, keys and values, or what comes out in the end, f32.
    out: Words,
    /// Between the layers of the MLP.
    hidden: Words,
    statistics: Vec<RowStatistics>,
}

impl CpuStream {
    fn rows(&self) -> usize {
        self.pictures * self.length
    }

    /// Values of the residual stream, with those beyond the channels.
    fn values(&self) -> usize {
        panels(self.sizes.width) * self.rows() * PANEL
    }

    /// Values of a part of the modulation.
    fn part(&self) -> usize {
        panels(self.sizes.width) * self.pictures * PANEL
    }
}

impl CpuBlock {
    fn load(
        weights: &mut Weights<'_>,
        index: usize,
        args: &GeneratorArgs,
        format: FloatFormat,
    ) -> Result<Self, GeneratorError> {
        let name = |part: &str| format!("blocks.{index}.{part}");
        let (width, head_dim) = (args.hidden_size, args.hidden_size / args.num_heads);
        let factor = (head_dim as f32).sqrt().recip();
        let head_norms = if args.qk_norm {
            let mut norm = |part: &str| -> Result<HeadNorm, GeneratorError> {
                let mut values = |kind: &str| weights.values(&name(&format!("attn.{part}.{kind}")));
                Ok(HeadNorm::new(values("weight")?, values("bias")?, QK_NORM_EPS))
            };
            Some((norm("q_norm")?.scaled(factor), norm("k_norm")?))
        } else {
            None
        };
        let scaled = if head_norms.is_some() { 0 } else { width };
        let dense = Grouping::dense(width);
        let qkv = weights.layer(&name("attn.qkv"))?;
        let qkv = qkv.pack_scaled(format, dense, scaled, factor)?;
        Ok(Self {
            modulation: weights
                .layer(&name("adaLN_modulation.1"))?
                .pack_parts(format, BLOCK_PARTS)?,
            qkv,
            head_norms,
            proj: weights
                .layer(&name("attn.proj"))?
                .pack(format, Grouping { group: head_dim })?,
            fc1: weights.layer(&name("mlp.fc1"))?.pack(format, dense)?,
            fc2: weights
                .layer(&name("mlp.fc2"))?
                .pack(format, Grouping::dense(args.mlp_width()))?,
        })
    }
}

impl CpuBlocks {
    pub(super) fn load(
        weights: &mut Weights<'_>,
        args: &GeneratorArgs,
        format: FloatFormat,
    ) -> Result<Self, GeneratorError> {
        let width = args.hidden_size;
        Ok(Self {
            blocks: weights.each(args.depth, |weights, index| {
                CpuBlock::load(weights, index, args, format)
            })?,
            norm: LayerNorm::new(&vec![1.0; width], &vec![0.0; width], NORM_EPS),
            modulation: weights
                .layer("final_layer.adaLN_modulation.1")?
                .pack_parts(format, FINAL_PARTS)?,
            linear: weights
                .layer("final_layer.linear")?
                .pack(format, Grouping::dense(width))?,
            sizes: Sizes {
                width,
                heads: args.num_heads,
            },
            format,
            isa: Isa::best(),
        })
    }

    /// Begins with sequences [B, T, D] and conditions [B, D] (after SiLU).
    pub(super) fn enter(&self, sequence: &Tensor, condition: &Tensor) -> CandleResult<CpuStream> {
        let (pictures, length, width) = sequence.dims3()?;
        let mut stream = CpuStream {
            sizes: self.sizes,
            pictures,
            length,
            x: Words::default(),
            condition: Words::default(),
            modulation: Words::default(),
            operand: Words::default(),
            out: Words::default(),
            hidden: Words::default(),
            statistics: Vec::new(),
        };
        let dense = Grouping::dense(width);
        let x = stream.x.take(panels(width) * pictures * length * PANEL);
        with_values(&sequence.contiguous()?, |values| {
            pack_rows(self.isa, FloatFormat::F32, values, width, dense, x);
        })?;
        let words = Format::from(self.format).operand_words(pictures, width);
        let words = stream.condition.take(words);
        with_values(&condition.contiguous()?, |values| {
            pack_rows(self.isa, self.format, values, width, dense, words);
        })?;
        Ok(stream)
    }

    /// Takes the sequences through a block.
    pub(super) fn step(&self, stream: &mut CpuStream, index: usize) -> CandleResult<()> {
        self.check(stream)?;
        let Some(block) = self.blocks.get(index) else {
            return Ok(());
        };
        self.modulate(stream, &block.modulation, BLOCK_PARTS.len());
        self.normalise(stream, 0);
        self.attend(stream, block);
        self.add(stream, Source::Operand, &block.proj, 2);
        self.normalise(stream, 3);
        self.widen(stream, &block.fc1);
        self.add(stream, Source::Hidden, &block.fc2, 5);
        Ok(())
    }

    /// The final layer, [B, T, outputs].
    pub(super) fn leave(&self, stream: &mut CpuStream) -> CandleResult<Tensor> {
        self.check(stream)?;
        self.modulate(stream, &self.modulation, FINAL_PARTS.len());
        self.normalise(stream, 0);
        self.multiply(stream, &self.linear);
        let (rows, outputs) = (stream.rows(), self.linear.outputs());
        let mut values = vec![0.0; rows * outputs];
        let panel_major = &*stream.out.take_f32(panels(outputs) * rows * PANEL);
        read_rows(panel_major, outputs, &mut values);
        Tensor::from_vec(values, (stream.pictures, stream.length, outputs), &Device::Cpu)
    }

    fn check(&self, stream: &CpuStream) -> CandleResult<()> {
        if stream.sizes != self.sizes {
            candle_core::bail!("a pass goes on in the network that began it");
        }
        Ok(())
    }
}

/// What a product reads.
#[derive(Clone, Copy)]
enum Source {
    Operand,
    Hidden,
}

impl CpuBlocks {
    /// The condition's parts for what follows.
    fn modulate(&self, stream: &mut CpuStream, layer: &PackedWeight, parts: usize) {
        let (rows, values) = (stream.pictures, parts * stream.part());
        let words = Format::from(self.format).operand_words(rows, self.sizes.width);
        let read = Operand::new(self.format, rows, stream.condition.take(words));
        product(
            self.isa,
            &read,
            layer,
            Finish::Store(stream.modulation.take_f32(values)),
        );
    }

    /// The stream through its norm, shifted by the modulation's part `first` and scaled by the next, as a product reads
    /// it.
    fn normalise(&self, stream: &mut CpuStream, first: usize) {
        let (values, part) = (stream.values(), stream.part());
        let words = Format::from(self.format).operand_words(stream.rows(), self.sizes.width);
        let modulation = &*stream.modulation.take_f32((first + 2) * part);
        let (shift, scale) = modulation[first * part..].split_at(part);
        let modulation = Modulation {
            scale,
            shift,
            steered: Steered::Alike,
            length: stream.length,
        };
        self.norm.forward(
            self.isa,
            stream.x.take_f32(values),
            &mut stream.statistics,
            Some(&modulation),
            self.format,
            stream.operand.take(words),
        );
    }

    /// The operand times a weight, f32.
    fn multiply(&self, stream: &mut CpuStream, weight: &PackedWeight) {
        let rows = stream.rows();
        let words = Format::from(self.format).operand_words(rows, self.sizes.width);
        let read = Operand::new(self.format, rows, stream.operand.take(words));
        let out = stream.out.take_f32(panels(weight.outputs()) * rows * PANEL);
        product(self.isa, &read, weight, Finish::Store(out));
    }

    /// The operand through queries, keys and values to what each token takes from all others.
    fn attend(&self, stream: &mut CpuStream, block: &CpuBlock) {
        self.multiply(stream, &block.qkv);
        let rows = stream.rows();
        let is_exact = self.format == FloatFormat::F32 || !self.isa.has_bf16();
        let attention = Attention {
            heads: self.sizes.heads,
            head_dim: self.sizes.head_dim(),
            pictures: stream.pictures,
            length: stream.length,
            format: if is_exact {
                FloatFormat::F32
            } else {
                FloatFormat::Bf16
            },
            norms: block.head_norms.as_ref().map(|(query, key)| (query, key)),
            rotation: None,
            from: 0,
            until: stream.length,
        };
        let qkv = &*stream.out.take_f32(panels(block.qkv.outputs()) * rows * PANEL);
        let mixed = Format::from(self.format).words_of_panels(rows, inner_panels(&block.proj));
        attention.forward(self.isa, qkv, self.format, stream.operand.take(mixed));
    }

    /// The operand through the MLP's first layer and its GELU.
    fn widen(&self, stream: &mut CpuStream, layer: &PackedWeight) {
        let rows = stream.rows();
        let format = Format::from(self.format);
        let words = stream.operand.take(format.operand_words(rows, self.sizes.width));
        let hidden = stream.hidden.take(format.operand_words(rows, layer.outputs()));
        let read = Operand::new(self.format, rows, words);
        product(self.isa, &read, layer, Finish::TanhGelu(self.format, hidden));
    }

    /// What `source` holds through a layer and the modulation's part `gate` to the stream.
    fn add(&self, stream: &mut CpuStream, source: Source, layer: &PackedWeight, gate: usize) {
        let (rows, values, part) = (stream.rows(), stream.values(), stream.part());
        let words = Format::from(self.format).words_of_panels(rows, inner_panels(layer));
        let read = match source {
            Source::Operand => stream.operand.take(words),
            Source::Hidden => stream.hidden.take(words),
        };
        let modulation = &*stream.modulation.take_f32((gate + 1) * part);
        let gate = Gate {
            values: &modulation[gate * part..],
            length: stream.length,
            pictures: stream.pictures,
        };
        product(
            self.isa,
            &Operand::new(self.format, rows, read),
            layer,
            Finish::AddTimes(gate, stream.x.take_f32(values)),
        );
    }
}

/// Panels that a layer reads.
fn inner_panels(layer: &PackedWeight) -> usize {
    layer.grouping().panels(layer.inputs())
}
