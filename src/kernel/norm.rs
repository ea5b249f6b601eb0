//! Norms over the channels of each row.

use super::format::Levels;
use super::isa::{Isa, vectorised};
use super::math::in_halves;
use super::quantise::{Ranges, for_each_tile};
use super::tile::MOST_ROWS;
use super::{FloatFormat, Format, PANEL, panels};
use rayon::prelude::*;

/// Rows that are summed together: their lanes stay in the first-level cache, and a panel of them is a page of memory.
const ROW_BLOCK: usize = 32;

/// Mean and 1 / standard deviation of a row.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RowStatistics {
    mean: f32,
    factor: f32,
}

impl RowStatistics {
    #[inline(always)]
    fn normalise(&self, x: &[f32; PANEL], weight: &[f32; PANEL], bias: &[f32; PANEL]) -> [f32; PANEL] {
        let mut values = *x;
        for ((value, weight), bias) in values.iter_mut().zip(weight).zip(bias) {
            *value = (*value - self.mean) * self.factor * weight + bias;
        }
        values
    }
}

/// Scale and shift of each channel after the norm, 0 beyond the channels.
#[derive(Debug, Clone)]
pub(crate) struct LayerNorm {
    weight: Vec<f32>,
    bias: Vec<f32>,
    channels: usize,
    epsilon: f32,
}

/// Which tokens of a picture a modulation is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Steered {
    /// So many at the end, each with a row of its own.
    Last(usize),
    /// All by one row.
    Alike,
}

impl Steered {
    /// Rows of a picture.
    pub(crate) fn rows(self) -> usize {
        match self {
            Self::Last(tokens) => tokens,
            Self::Alike => 1,
        }
    }
}

/// A scale and a shift for each channel of tokens of every picture, after the norm.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Modulation<'a> {
    /// Panel-major f32 [pictures * rows of one, channels].
    pub(crate) scale: &'a [f32],
    pub(crate) shift: &'a [f32],
    pub(crate) steered: Steered,
    /// Tokens of a picture.
    pub(crate) length: usize,
}

impl Modulation<'_> {
    /// The modulation's row for a row of the sequence.
    #[inline(always)]
    fn row(&self, row: usize) -> Option<usize> {
        let picture = row / self.length.max(1);
        match self.steered {
            Steered::Last(tokens) => {
                let steered = (row % self.length.max(1) + tokens).checked_sub(self.length)?;
                Some(picture * tokens + steered)
            }
            Steered::Alike => Some(picture),
        }
    }

    #[inline(always)]
    fn apply(&self, panel: usize, rows: usize, row: usize, values: &mut [f32; PANEL]) {
        let modulated_rows = rows / self.length.max(1) * self.steered.rows();
        let Some(row) = self.row(row) else { return };
        let start = (panel * modulated_rows + row) * PANEL;
        let of = |table: &'_ [f32]| -> [f32; PANEL] { std::array::from_fn(|lane| table[start + lane]) };
        let (scale, shift) = (of(self.scale), of(self.shift));
        for ((value, scale), shift) in values.iter_mut().zip(&scale).zip(&shift) {
            *value = *value * scale + shift;
        }
    }
}

impl LayerNorm {
    pub(crate) fn new(weight: &[f32], bias: &[f32], epsilon: f32) -> Self {
        let padded = |values: &[f32]| {
            let mut values = values.to_vec();
            values.resize(panels(values.len()) * PANEL, 0.0);
            values
        };
        Self {
            weight: padded(weight),
            bias: padded(bias),
            channels: weight.len(),
            epsilon,
        }
    }

    /// Panel-major `x` [rows, channels] to the next product's operand.
    pub(crate) fn forward(
        &self,
        isa: Isa,
        x: &[f32],
        statistics: &mut Vec<RowStatistics>,
        modulation: Option<&Modulation<'_>>,
        format: FloatFormat,
        words: &mut [u32],
    ) {
        let rows = x.len() / (panels(self.channels) * PANEL).max(1);
        statistics.clear();
        statistics.resize(rows, RowStatistics::default());
        statistics
            .par_chunks_mut(ROW_BLOCK)
            .enumerate()
            .for_each(|(block, statistics)| {
                measure(isa, self, x, rows, block * ROW_BLOCK, statistics);
            });
        let panel_words = Format::from(format).panel_words();
        let statistics = &*statistics;
        words
            .par_chunks_mut((rows * panel_words).max(1))
            .zip(x.par_chunks((rows * PANEL).max(1)))
            .enumerate()
            .for_each(|(panel, (words, x))| {
                apply(isa, self, panel, x, statistics, modulation, format, words);
            });
    }

    /// As [`Self::forward`], to 8 bits.
    pub(crate) fn forward_quantised(
        &self,
        isa: Isa,
        x: &[f32],
        modulation: Option<&Modulation<'_>>,
        levels: &mut Vec<Levels>,
        words: &mut [u32],
    ) {
        let panels = panels(self.channels);
        let rows = x.len() / (panels * PANEL).max(1);
        for_each_tile(rows, panels, levels, words, |first, levels, words| {
            quantise_tile(isa, self, x, rows, first, modulation, levels, words);
        });
    }

    /// Calls `work` with (panel, row of `statistics`, values after the norm) for the rows from `first` on.
    #[inline(always)]
    fn for_each_row(
        &self,
        x: &[f32],
        rows: usize,
        first: usize,
        statistics: &[RowStatistics],
        modulation: Option<&Modulation<'_>>,
        mut work: impl FnMut(usize, usize, &[f32; PANEL]),
    ) {
        for (panel, x) in x.chunks_exact((rows * PANEL).max(1)).enumerate() {
            let (weight, bias) = (self.lanes(&self.weight, panel), self.lanes(&self.bias, panel));
            let x = x.as_chunks::<PANEL>().0.iter().skip(first);
            for (row, (x, of_row)) in x.zip(statistics).enumerate() {
                let mut values = of_row.normalise(x, &weight, &bias);
                if let Some(modulation) = modulation {
                    modulation.apply(panel, rows, first + row, &mut values);
                }
                work(panel, row, &values);
            }
        }
    }

    #[inline(always)]
    fn lanes(&self, values: &[f32], panel: usize) -> [f32; PANEL] {
        let values = values.get(panel * PANEL..).unwrap_or_default();
        std::array::from_fn(|lane| values.get(lane).copied().unwrap_or(0.0))
    }
}

vectorised! {
    fn apply [] (
        isa,
        norm: &LayerNorm,
        panel: usize,
        x: &[f32],
        statistics: &[RowStatistics],
        modulation: Option<&Modulation<'_>>,
        format: FloatFormat,
        words: &mut [u32],
    ) {
        let (weight, bias) = (norm.lanes(&norm.weight, panel), norm.lanes(&norm.bias, panel));
        let rows_of_words = words.chunks_exact_mut(Format::from(format).panel_words());
        let all = x.as_chunks::<PANEL>().0.iter().zip(statistics).zip(rows_of_words);
        for (row, ((x, of_row), words)) in all.enumerate() {
            let mut values = of_row.normalise(x, &weight, &bias);
            if let Some(modulation) = modulation {
                modulation.apply(panel, statistics.len(), row, &mut values);
            }
            format.encode(&values, words);
        }
    }
}

vectorised! {
    /// Some rows to a tile of 8 bits.
    fn quantise_tile [] (
        isa,
        norm: &LayerNorm,
        x: &[f32],
        rows: usize,
        first: usize,
        modulation: Option<&Modulation<'_>>,
        levels: &mut [Levels],
        words: &mut [u32],
    ) {
        let count = levels.len();
        let mut statistics = [RowStatistics::default(); MOST_ROWS];
        measure_rows(norm, x, rows, first, &mut statistics[..count]);
        let statistics = &statistics[..count];
        let mut ranges = Ranges::new();
        norm.for_each_row(x, rows, first, statistics, modulation, |_, row, values| {
            ranges.widen(row, values);
        });
        let scalings = ranges.levels(levels);
        let words = words.as_chunks_mut().0;
        norm.for_each_row(x, rows, first, statistics, modulation, |panel, row, values| {
            scalings[row].round(values, row, &mut words[panel]);
        });
    }
}

vectorised! {
    fn measure [] (
        isa,
        norm: &LayerNorm,
        x: &[f32],
        rows: usize,
        first: usize,
        statistics: &mut [RowStatistics],
    ) {
        measure_rows(norm, x, rows, first, statistics);
    }
}

/// Mean first, then the spread around it: the mean square less the squared mean would cancel. Up to [`ROW_BLOCK`] rows.
#[inline(always)]
fn measure_rows(norm: &LayerNorm, x: &[f32], rows: usize, first: usize, statistics: &mut [RowStatistics]) {
    let count = norm.channels as f32;
    let mut lanes = [[0.0_f32; PANEL]; ROW_BLOCK];
    // All rows in one loop: one of a single row's lanes would be taken apart.
    let of_rows = first * PANEL..(first + statistics.len()) * PANEL;
    for x in x.chunks_exact((rows * PANEL).max(1)) {
        for (lane, value) in lanes.as_flattened_mut().iter_mut().zip(&x[of_rows.clone()]) {
            *lane += value;
        }
    }
    for (statistics, lanes) in statistics.iter_mut().zip(&mut lanes) {
        statistics.mean = in_halves(lanes, |x, y| x + y) / count;
        *lanes = [0.0; PANEL];
    }
    for_each_panel(x, rows, first, statistics.len(), |panel, row, values| {
        let mean = statistics[row].mean;
        let within = norm.channels - panel * PANEL;
        for (index, (lane, value)) in lanes[row].iter_mut().zip(values).enumerate() {
            let distance = if index < within { value - mean } else { 0.0 };
            *lane += distance * distance;
        }
    });
    for (statistics, lanes) in statistics.iter_mut().zip(&lanes) {
        statistics.factor = 1.0 / (in_halves(lanes, |x, y| x + y) / count + norm.epsilon).sqrt();
    }
}

/// Calls `work` with (panel, row of the block, values) for `count` rows from `first` on.
#[inline(always)]
fn for_each_panel(
    x: &[f32],
    rows: usize,
    first: usize,
    count: usize,
    mut work: impl FnMut(usize, usize, &[f32; PANEL]),
) {
    for (panel, x) in x.chunks_exact((rows * PANEL).max(1)).enumerate() {
        let x = x.as_chunks::<PANEL>().0;
        for (row, values) in x.iter().skip(first).take(count).enumerate() {
            work(panel, row, values);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Grouping, pack_rows, read_rows};
    use super::*;

    fn wave(count: usize, size: f32) -> Vec<f32> {
        (0..count)
            .map(|index| size * ((index * 7919 % 2003) as f32 / 1001.0 - 1.0))
            .collect()
    }

    /// (x - mean) / sqrt(variance + epsilon) in f64.
    fn plain(row: &[f32]) -> Vec<f64> {
        let count = row.len() as f64;
        let mean = row.iter().map(|value| f64::from(*value)).sum::<f64>() / count;
        let variance = row
            .iter()
            .map(|value| (f64::from(*value) - mean).powi(2))
            .sum::<f64>()
            / count;
        row.iter()
            .map(|value| (f64::from(*value) - mean) / (variance + 1e-6).sqrt())
            .collect()
    }

    #[test]
    fn rows_are_normalised_scaled_and_steered() {
        let (pictures, length) = (2, 11);
        let rows = pictures * length;
        let kinds = [Steered::Last(4), Steered::Alike];
        for (channels, kind) in [1, 5, 32, 48, 100]
            .into_iter()
            .flat_map(|channels| kinds.map(|kind| (channels, kind)))
        {
            let steered = kind.rows();
            let x = wave(rows * channels, 3.0)
                .iter()
                .map(|value| value + 7.0)
                .collect::<Vec<_>>();
            let (weight, bias) = (wave(channels, 1.5), wave(channels, 0.5));
            let (scale, shift) = (
                wave(pictures * steered * channels, 2.0),
                wave(pictures * steered * channels, 1.0),
            );
            for isa in Isa::available() {
                let packed = |values: &[f32]| {
                    let rows = values.len() / channels;
                    let mut words = vec![0; Format::F32.operand_words(rows, channels)];
                    pack_rows(
                        isa,
                        FloatFormat::F32,
                        values,
                        channels,
                        Grouping::dense(channels),
                        &mut words,
                    );
                    bytemuck::cast_slice::<u32, f32>(&words).to_vec()
                };
                let (scale_panels, shift_panels) = (packed(&scale), packed(&shift));
                let modulation = Modulation {
                    scale: &scale_panels,
                    shift: &shift_panels,
                    steered: kind,
                    length,
                };
                let norm = LayerNorm::new(&weight, &bias, 1e-6);
                for modulation in [None, Some(&modulation)] {
                    let mut words = vec![9; Format::F32.operand_words(rows, channels)];
                    norm.forward(
                        isa,
                        &packed(&x),
                        &mut Vec::new(),
                        modulation,
                        FloatFormat::F32,
                        &mut words,
                    );
                    let mut found = vec![0.0; rows * channels];
                    read_rows(bytemuck::cast_slice(&words), channels, &mut found);
                    for row in 0..rows {
                        let (picture, token) = (row / length, row % length);
                        for (channel, value) in plain(&x[row * channels..][..channels]).iter().enumerate() {
                            let mut expected = value * f64::from(weight[channel]) + f64::from(bias[channel]);
                            let row_of_modulation = match kind {
                                Steered::Last(tokens) => (token + tokens).checked_sub(length),
                                Steered::Alike => Some(0),
                            };
                            if let (Some(row), Some(_)) = (row_of_modulation, modulation) {
                                let at = (picture * steered + row) * channels + channel;
                                expected = expected * f64::from(scale[at]) + f64::from(shift[at]);
                            }
                            let error = (f64::from(found[row * channels + channel]) - expected).abs();
                            assert!(
                                error < 2e-5,
                                "{isa:?} {channels} channels, row {row}: off by {error:e}"
                            );
                        }
                    }
                    let all: &[f32] = bytemuck::cast_slice(&words);
                    let inside: f32 = found.iter().map(|value| value.abs()).sum();
                    let outside = all.iter().map(|value| value.abs()).sum::<f32>() - inside;
                    assert!(modulation.is_some() || outside.abs() < 1e-3 * inside.max(1.0));
                }
            }
        }
    }
}
