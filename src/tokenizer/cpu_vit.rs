//! A ViT's whole pass on the CPU over panels of one scratch memory: nothing is allocated between the sequence that comes
//! in and the tokens that go out, and no matrix of all tokens by all tokens is made.

use super::TokenizerError;
use super::adaptive::Steering;
use super::layers::with_values;
use super::rotary::{Rotary, Rotation as Turn};
use super::stage::VitStages;
use crate::kernel::{
    Attention, Finish, FloatFormat, Format, Grouping, Isa, LayerNorm, Levels, Modulation, Operand, PANEL,
    PackedWeight, Rotation, RowStatistics, Steered, Words, pack_rows, panels, product, quantise, read_rows,
};
use candle_core::{Device, Tensor};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// Scratch memory above this is freed after a pass: it was that of a large batch.
const MOST_KEPT_BYTES: usize = 64 << 20;
/// Scratch memories kept: an encoder and a decoder may run side by side, each in two models.
const MOST_KEPT: usize = 4;

/// Blocks and last norm of a ViT whose layers are packed for the CPU.
#[derive(Debug, Clone)]
pub(super) struct CpuVit {
    pub(super) blocks: Vec<CpuBlock>,
    pub(super) norm: CpuNorm,
    pub(super) heads: usize,
    pub(super) head_dim: usize,
    pub(super) isa: Isa,
}

#[derive(Debug, Clone)]
pub(super) struct CpuBlock {
    pub(super) norm1: CpuNorm,
    /// Queries times 1/sqrt(head size), keys, values.
    pub(super) qkv: Arc<PackedWeight>,
    /// Reads each head in panels of its own; layer-scale multiplied in, as in `fc2`.
    pub(super) proj: Arc<PackedWeight>,
    pub(super) norm2: CpuNorm,
    pub(super) fc1: Arc<PackedWeight>,
    pub(super) fc2: Arc<PackedWeight>,
}

#[derive(Debug, Clone)]
pub(super) struct CpuNorm {
    pub(super) norm: Arc<LayerNorm>,
    /// Layers from the steering latents to shift and scale.
    pub(super) steered: Option<(Arc<PackedWeight>, Arc<PackedWeight>)>,
}

/// Memory of a pass, kept from one to the next.
#[derive(Default)]
struct Scratch {
    /// The residual stream, f32; and what is left of it when only some tokens go on.
    x: Words,
    kept_x: Words,
    /// What the next product reads, or is quantised for it.
    operand: Words,
    /// Queries, keys and values, f32.
    qkv: Words,
    /// Between the layers of the MLP.
    hidden: Words,
    /// An operand in 8 bits.
    bytes: Words,
    levels: Vec<Levels>,
    statistics: Vec<RowStatistics>,
    steering: Words,
    shift: Words,
    scale: Words,
}

static KEPT: Mutex<Vec<Scratch>> = Mutex::new(Vec::new());

impl Scratch {
    fn take() -> Self {
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        kept.pop().unwrap_or_default()
    }

    fn give_back(self) {
        let words = [
            &self.x,
            &self.kept_x,
            &self.operand,
            &self.qkv,
            &self.hidden,
            &self.bytes,
            &self.steering,
            &self.shift,
            &self.scale,
        ];
        let bytes: usize = words.iter().map(|words| words.capacity_bytes()).sum();
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        if bytes <= MOST_KEPT_BYTES && kept.len() < MOST_KEPT {
            kept.push(self);
        }
    }
}

/// Sizes of a pass.
#[derive(Clone, Copy)]
struct Sizes {
    pictures: usize,
    /// Tokens of a picture.
    length: usize,
    /// Channels of the residual stream.
    width: usize,
    /// Tokens that steer, at the end of every picture's.
    steered: usize,
}

impl Sizes {
    fn rows(&self) -> usize {
        self.pictures * self.length
    }

    /// Values of the residual stream, with those beyond the channels.
    fn stream(&self) -> usize {
        panels(self.width) * self.rows() * PANEL
    }
}

impl CpuVit {
    /// The same blocks with weights in 8 bits; None where the processor has no products of them.
    pub(super) fn quantised(&self) -> Option<Self> {
        if !self.isa.has_int8() {
            return None;
        }
        let layer = |layer: &Arc<PackedWeight>| Arc::new(layer.quantised(self.isa));
        let block = |block: &CpuBlock| CpuBlock {
            norm1: block.norm1.clone(),
            qkv: layer(&block.qkv),
            proj: layer(&block.proj),
            norm2: block.norm2.clone(),
            fc1: layer(&block.fc1),
            fc2: layer(&block.fc2),
        };
        Some(Self {
            blocks: self.blocks.iter().map(block).collect(),
            ..self.clone()
        })
    }

    /// As [`super::vit::Vit::forward`].
    pub(super) fn forward(
        &self,
        sequence: &Tensor,
        steering: Option<&Steering>,
        rotary: Option<&Rotary>,
        kept: Range<usize>,
        stages: &mut VitStages<'_>,
    ) -> Result<Tensor, TokenizerError> {
        let (pictures, length, width) = sequence.dims3()?;
        let sizes = Sizes {
            pictures,
            length,
            width,
            steered: steering.map_or(Ok(0), |steering| steering.values().dim(1))?,
        };
        let mut scratch = Scratch::take();
        let tokens = self.run(&mut scratch, sizes, sequence, steering, rotary, kept, stages);
        scratch.give_back();
        tokens
    }

    fn run(
        &self,
        scratch: &mut Scratch,
        sizes: Sizes,
        sequence: &Tensor,
        steering: Option<&Steering>,
        rotary: Option<&Rotary>,
        kept: Range<usize>,
        stages: &mut VitStages<'_>,
    ) -> Result<Tensor, TokenizerError> {
        let dense = Grouping::dense(sizes.width);
        let x = scratch.x.take(sizes.stream());
        with_values(sequence, |values| {
            pack_rows(self.isa, FloatFormat::F32, values, sizes.width, dense, x);
        })?;
        if let Some(steering) = steering {
            self.take_steering(scratch, steering)?;
        }
        // What nobody reads of the last block is not computed: tokens on the way out only gave keys and values.
        let is_cut = !stages.reads_outputs() && kept.end + sizes.steered <= sizes.length;
        let mut sizes = sizes;
        let mut kept = kept;
        for (index, block) in self.blocks.iter().enumerate() {
            let turn = rotary.map(|rotary| rotary.block(index)).transpose()?;
            let asking = if is_cut && index + 1 == self.blocks.len() {
                kept.clone()
            } else {
                0..sizes.length
            };
            self.attend(scratch, sizes, block, turn.as_ref(), asking.clone())?;
            if asking.len() < sizes.length {
                cut(scratch, sizes, &asking);
                kept = 0..asking.len();
                sizes = Sizes {
                    length: asking.len(),
                    steered: 0,
                    ..sizes
                };
            }
            self.multiply(scratch, sizes, Source::Mixed, &block.proj, Target::AddToStream);
            self.normalise(scratch, sizes, &block.norm2, self.format());
            self.multiply(scratch, sizes, Source::Normalised, &block.fc1, Target::Hidden);
            self.multiply(scratch, sizes, Source::Hidden, &block.fc2, Target::AddToStream);
            stages.after_block(index, || tensor(scratch.x.take_f32(sizes.stream()), sizes))?;
        }
        self.leave(scratch, sizes, kept, stages)
    }
}

/// What a product reads.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    /// The stream through a norm.
    Normalised,
    /// What attention gave.
    Mixed,
    Hidden,
}

/// Where a product goes.
#[derive(Clone, Copy)]
enum Target {
    Qkv,
    AddToStream,
    /// Through GELU.
    Hidden,
}

impl CpuVit {
    /// Format of the weights, and of what products read.
    fn format(&self) -> Format {
        self.blocks
            .first()
            .map_or(Format::F32, |block| block.qkv.format())
    }

    /// Format of what attention and GELU write; for weights in 8 bits it is quantised afterwards.
    fn float_format(&self) -> FloatFormat {
        match self.format() {
            Format::F32 => FloatFormat::F32,
            Format::Bf16 | Format::Int8 => FloatFormat::Bf16,
        }
    }

    /// Format of the products inside attention: the faster one where weights are not exact either.
    fn attention_format(&self) -> FloatFormat {
        if self.format() == Format::F32 || !self.isa.has_bf16() {
            FloatFormat::F32
        } else {
            FloatFormat::Bf16
        }
    }

    fn take_steering(&self, scratch: &mut Scratch, steering: &Steering) -> Result<(), TokenizerError> {
        let Some((shift, _)) = &self.norm.steered else {
            return Ok(());
        };
        let (pictures, tokens, channels) = steering.values().dims3()?;
        let format = shift.float_format();
        let size = Format::from(format).operand_words(pictures * tokens, channels);
        with_values(steering.values(), |values| {
            let words = scratch.steering.take(size);
            pack_rows(self.isa, format, values, channels, shift.grouping(), words);
        })
    }

    /// The stream through a norm, as the next product reads it.
    fn normalise(&self, scratch: &mut Scratch, sizes: Sizes, norm: &CpuNorm, format: Format) {
        let Scratch {
            x,
            operand,
            bytes,
            levels,
            statistics,
            steering,
            shift,
            scale,
            ..
        } = scratch;
        let x = x.take_f32(sizes.stream());
        let modulation = self.steer(sizes, norm, steering, shift, scale);
        let modulation = modulation.as_ref();
        let words = format.operand_words(sizes.rows(), sizes.width);
        let mut to_floats = |format| {
            let words = operand.take(words);
            norm.norm
                .forward(self.isa, x, statistics, modulation, format, words);
        };
        match format {
            Format::F32 => to_floats(FloatFormat::F32),
            Format::Bf16 => to_floats(FloatFormat::Bf16),
            Format::Int8 => {
                norm.norm
                    .forward_quantised(self.isa, x, modulation, levels, bytes.take(words));
            }
        }
    }

    /// What the latents do to a norm; None where they do not steer it.
    fn steer<'a>(
        &self,
        sizes: Sizes,
        norm: &CpuNorm,
        steering: &mut Words,
        shift: &'a mut Words,
        scale: &'a mut Words,
    ) -> Option<Modulation<'a>> {
        let (shift_layer, scale_layer) = norm.steered.as_ref().filter(|_| sizes.steered > 0)?;
        let rows = sizes.pictures * sizes.steered;
        let format = shift_layer.float_format();
        let size = Format::from(format).operand_words(rows, shift_layer.inputs());
        let steering = Operand::new(format, rows, steering.take(size));
        let table = panels(sizes.width) * rows * PANEL;
        let (shift, scale) = (shift.take_f32(table), scale.take_f32(table));
        product(self.isa, &steering, shift_layer, Finish::Store(shift));
        product(self.isa, &steering, scale_layer, Finish::Store(scale));
        Some(Modulation {
            scale,
            shift,
            steered: Steered::Last(sizes.steered),
            length: sizes.length,
        })
    }

    fn multiply(
        &self,
        scratch: &mut Scratch,
        sizes: Sizes,
        source: Source,
        weight: &PackedWeight,
        target: Target,
    ) {
        let Scratch {
            x,
            operand,
            qkv,
            hidden,
            bytes,
            levels,
            ..
        } = scratch;
        let (rows, format) = (sizes.rows(), self.float_format());
        let inner_panels = weight.grouping().panels(weight.inputs());
        let size = Format::from(format).words_of_panels(rows, inner_panels);
        // Hidden values are read by one product and written by another, never both in one.
        let (read, written) = match source {
            Source::Normalised | Source::Mixed => (operand, Some(hidden)),
            Source::Hidden => (hidden, None),
        };
        let read = if weight.format() == Format::Int8 {
            let bytes = bytes.take(Format::Int8.words_of_panels(rows, inner_panels));
            if source != Source::Normalised {
                quantise(self.isa, read.take(size), rows, levels, bytes);
            }
            Operand {
                format: Format::Int8,
                rows,
                words: bytes,
                levels,
            }
        } else {
            Operand::new(format, rows, read.take(size))
        };
        let out = panels(weight.outputs()) * rows * PANEL;
        match (target, written) {
            (Target::AddToStream, _) => {
                product(self.isa, &read, weight, Finish::Add(x.take_f32(sizes.stream())));
            }
            (Target::Hidden, Some(hidden)) => {
                let hidden = hidden.take(out / Format::from(format).values_per_word());
                product(self.isa, &read, weight, Finish::Gelu(format, hidden));
            }
            (Target::Qkv | Target::Hidden, _) => {
                product(self.isa, &read, weight, Finish::Store(qkv.take_f32(out)));
            }
        }
    }

    /// The stream through norm, queries, keys and values to what each of the `asking` tokens takes from all others.
    fn attend(
        &self,
        scratch: &mut Scratch,
        sizes: Sizes,
        block: &CpuBlock,
        turn: Option<&Turn>,
        asking: Range<usize>,
    ) -> Result<(), TokenizerError> {
        self.normalise(scratch, sizes, &block.norm1, self.format());
        self.multiply(scratch, sizes, Source::Normalised, &block.qkv, Target::Qkv);
        let Scratch { operand, qkv, .. } = scratch;
        let qkv = &*qkv.take_f32(panels(block.qkv.outputs()) * sizes.rows() * PANEL);
        let format = self.float_format();
        let out_rows = sizes.pictures * asking.len();
        let out_panels = self.heads * panels(self.head_dim);
        let out = operand.take(out_panels * out_rows * Format::from(format).panel_words());
        let mut attend = |rotation: Option<Rotation<'_>>| {
            let attention = Attention {
                heads: self.heads,
                head_dim: self.head_dim,
                pictures: sizes.pictures,
                length: sizes.length,
                format: self.attention_format(),
                norms: None,
                rotation,
                from: asking.start,
                until: asking.end,
            };
            attention.forward(self.isa, qkv, format, out);
        };
        let Some((cosines, sines)) = turn.map(Turn::tables) else {
            attend(None);
            return Ok(());
        };
        with_values(cosines, |cosines| {
            with_values(sines, |sines| attend(Some(Rotation { cosines, sines })))
        })?
    }

    /// The last norm, and the tokens that are wanted.
    fn leave(
        &self,
        scratch: &mut Scratch,
        sizes: Sizes,
        kept: Range<usize>,
        stages: &mut VitStages<'_>,
    ) -> Result<Tensor, TokenizerError> {
        self.normalise(scratch, sizes, &self.norm, Format::F32);
        let all = tensor(scratch.operand.take_f32(sizes.stream()), sizes)?;
        stages.after_norm(|| Ok(all.clone()))?;
        Ok(all.narrow(1, kept.start, kept.len())?)
    }
}

/// Leaves only the tokens `kept` of every picture in the stream.
fn cut(scratch: &mut Scratch, sizes: Sizes, kept: &Range<usize>) {
    let Scratch { x, kept_x, .. } = scratch;
    let from = x.take_f32(sizes.stream());
    let to = kept_x.take_f32(panels(sizes.width) * sizes.pictures * kept.len() * PANEL);
    let pictures = from.chunks_exact(sizes.length * PANEL);
    for (from, to) in pictures.zip(to.chunks_exact_mut(kept.len() * PANEL)) {
        to.copy_from_slice(&from[kept.start * PANEL..kept.end * PANEL]);
    }
    std::mem::swap(x, kept_x);
}

/// Panels as [B, T, D].
fn tensor(panel_major: &[f32], sizes: Sizes) -> Result<Tensor, TokenizerError> {
    let mut values = vec![0.0; sizes.rows() * sizes.width];
    read_rows(panel_major, sizes.width, &mut values);
    let shape = (sizes.pictures, sizes.length, sizes.width);
    Ok(Tensor::from_vec(values, shape, &Device::Cpu)?)
}
