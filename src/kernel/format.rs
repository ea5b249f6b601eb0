use super::math::bf16_bits;
use super::{PANEL, panels};

/// How a product's operands are kept. All sums are f32, or 32-bit integers for [`Format::Int8`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Format {
    F32,
    /// Rounded to 8 bits of mantissa, to nearest even.
    Bf16,
    /// Weights -127..127 with a scale for each output; activations 0..255 with a scale and a zero for each row.
    Int8,
}

impl Format {
    /// Values of one 32-bit word.
    pub(crate) fn values_per_word(self) -> usize {
        match self {
            Self::F32 => 1,
            Self::Bf16 => 2,
            Self::Int8 => 4,
        }
    }

    /// Words that hold a row of a panel.
    pub(crate) fn panel_words(self) -> usize {
        PANEL / self.values_per_word()
    }

    /// Words that hold activations [rows, channels].
    pub(crate) fn operand_words(self, rows: usize, channels: usize) -> usize {
        panels(channels) * rows * self.panel_words()
    }
}

/// The formats that hold a value whatever lies beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum FloatFormat {
    F32,
    Bf16,
}

impl From<FloatFormat> for Format {
    fn from(format: FloatFormat) -> Self {
        match format {
            FloatFormat::F32 => Self::F32,
            FloatFormat::Bf16 => Self::Bf16,
        }
    }
}

impl FloatFormat {
    /// Writes values side by side into words.
    #[inline(always)]
    pub(crate) fn encode(self, values: &[f32], words: &mut [u32]) {
        match self {
            Self::F32 => {
                for (word, value) in words.iter_mut().zip(values) {
                    *word = value.to_bits();
                }
            }
            Self::Bf16 => {
                let halves: &mut [u16] = bytemuck::cast_slice_mut(words);
                for (half, value) in halves.iter_mut().zip(values) {
                    *half = bf16_bits(*value);
                }
            }
        }
    }
}

/// What the 8-bit values of a row stand for: `scale` times (value less `zero`).
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Levels {
    pub(crate) scale: f32,
    pub(crate) zero: i32,
}

/// Activations as a product reads them: panel-major [channels / PANEL, rows, PANEL].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operand<'a> {
    pub(crate) format: Format,
    pub(crate) rows: usize,
    pub(crate) words: &'a [u32],
    /// One for each row of [`Format::Int8`]; empty otherwise.
    pub(crate) levels: &'a [Levels],
}

impl<'a> Operand<'a> {
    /// `words` of f32 or bf16.
    pub(crate) fn new(format: FloatFormat, rows: usize, words: &'a [u32]) -> Self {
        Self {
            format: format.into(),
            rows,
            words,
            levels: &[],
        }
    }
}
