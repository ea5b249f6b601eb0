use super::math::bf16_bits;
use super::tile::MOST_ROWS;
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
    pub(crate) const fn values_per_word(self) -> usize {
        match self {
            Self::F32 => 1,
            Self::Bf16 => 2,
            Self::Int8 => 4,
        }
    }

    /// Words that hold a row of a panel.
    pub(crate) const fn panel_words(self) -> usize {
        PANEL / self.values_per_word()
    }

    /// Words that hold activations [rows, channels].
    pub(crate) fn operand_words(self, rows: usize, channels: usize) -> usize {
        self.words_of_panels(rows, panels(channels))
    }

    /// Words that hold activations of some panels.
    pub(crate) fn words_of_panels(self, rows: usize, panels: usize) -> usize {
        match self {
            Self::F32 | Self::Bf16 => panels * rows * self.panel_words(),
            Self::Int8 => {
                let tiling = Tiling::new(rows);
                tiling.tiles() * tiling.tile_words(panels)
            }
        }
    }
}

/// Rows of a tile where it has up to `most`: all tiles have about the same, so that none is left with a single row.
pub(super) fn even_height(rows: usize, most: usize) -> usize {
    rows.div_ceil(rows.div_ceil(most).max(1)).max(1)
}

/// How rows in 8 bits lie: in tiles as the register tile takes them, [tiles, channels / PANEL, words of a panel,
/// [`MOST_ROWS`]].
#[derive(Debug, Clone, Copy)]
pub(super) struct Tiling {
    rows: usize,
    /// Rows of every tile but the last.
    pub(super) height: usize,
}

impl Tiling {
    pub(super) fn new(rows: usize) -> Self {
        Self {
            rows,
            height: even_height(rows, MOST_ROWS),
        }
    }

    pub(super) fn tiles(self) -> usize {
        self.rows.div_ceil(self.height)
    }

    /// Words of a tile of activations of `panels` panels.
    pub(super) fn tile_words(self, panels: usize) -> usize {
        panels * Self::PANEL_WORDS
    }

    /// Words of a panel of a tile.
    pub(super) const PANEL_WORDS: usize = MOST_ROWS * Format::Int8.panel_words();
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

/// Activations as a product reads them: panel-major [channels / PANEL, rows, PANEL], or in tiles of rows where they are
/// [`Format::Int8`], as [`mod@super::quantise`] and [`super::LayerNorm::forward_quantised`] write them.
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

    /// Words from a tile's first row on, and how many lie between its panels.
    #[inline(always)]
    pub(super) fn tile(&self, row: usize, panels: usize) -> (&'a [u32], usize) {
        let (start, step) = match self.format {
            Format::Int8 => {
                let tiling = Tiling::new(self.rows);
                (
                    row / tiling.height * tiling.tile_words(panels),
                    Tiling::PANEL_WORDS,
                )
            }
            Format::F32 | Format::Bf16 => {
                let words = self.format.panel_words();
                (row * words, self.rows * words)
            }
        };
        (self.words.get(start..).unwrap_or_default(), step)
    }
}
