use super::columns::interleave_columns;
use super::isa::{Isa, vectorised};
use super::math::bf16_value;
use super::{FloatFormat, Format, Grouping, PANEL, Words, panels};
use rayon::prelude::*;

/// Largest magnitude of an 8-bit weight.
const MOST_LEVEL: f32 = 127.0;

/// A linear layer's weight and bias as products read them: panels of [`PANEL`] outputs, each [inner words, PANEL].
#[derive(Debug)]
pub(crate) struct PackedWeight {
    format: Format,
    words: Words,
    inputs: usize,
    outputs: usize,
    /// How the inputs lie in the activations' panels.
    grouping: Grouping,
    /// For every output, 0 beyond them.
    bias: Vec<f32>,
    /// What a unit of the weights stands for, for every output: 1 but in [`Format::Int8`].
    scales: Vec<f32>,
    /// The sum of an output's weights in [`Format::Int8`], else 0.
    sums: Vec<i32>,
}

/// A weight that is packed while its rows arrive, so that it is never in memory twice.
#[derive(Debug)]
pub(crate) struct Packing {
    format: FloatFormat,
    words: Words,
    inputs: usize,
    outputs: usize,
    grouping: Grouping,
    /// Outputs that have arrived.
    packed: usize,
}

impl Packing {
    pub(crate) fn new(format: FloatFormat, inputs: usize, outputs: usize, grouping: Grouping) -> Self {
        let panel_words = panel_words(Format::from(format), inputs, grouping);
        Self {
            format,
            words: Words::zeroed(panels(outputs) * panel_words),
            inputs,
            outputs,
            grouping,
            packed: 0,
        }
    }

    /// Packs the rows [n, inputs] after those given before, whole panels unless they are the last; `factor` is what each
    /// output is multiplied by. What is more than the outputs is not taken.
    pub(crate) fn rows(&mut self, values: &[f32], factor: impl Fn(usize) -> f32) {
        let panel_words = panel_words(Format::from(self.format), self.inputs, self.grouping).max(1);
        let first = self.packed;
        let panels = self.words.get_mut().chunks_exact_mut(panel_words);
        let rows = values.chunks((PANEL * self.inputs).max(1));
        for (words, rows) in panels.skip(first / PANEL).zip(rows) {
            let left = self.outputs.saturating_sub(self.packed);
            let lanes = (rows.len() / self.inputs.max(1)).min(left);
            write_panel(self.format, self.inputs, self.grouping, lanes, words, |lane| {
                let row = &rows[lane * self.inputs..][..self.inputs];
                (row, factor(self.packed + lane))
            });
            self.packed += lanes;
        }
    }

    /// What follows begins a panel; outputs that no row was given for are 0.
    pub(crate) fn end_panel(&mut self) {
        self.packed = self.packed.next_multiple_of(PANEL);
    }

    /// `bias` has all factors in it.
    pub(crate) fn finish(self, bias: &[f32]) -> PackedWeight {
        let format = self.format.into();
        PackedWeight::of_floats(format, self.words, self.inputs, self.grouping, bias)
    }
}

/// What a product needs of one output panel.
pub(super) struct WeightPanel<'a> {
    pub(super) words: &'a [u32],
    /// The panels that follow.
    pub(super) upcoming: &'a [u32],
    pub(super) bias: &'a [f32; PANEL],
    pub(super) scales: &'a [f32; PANEL],
    pub(super) sums: &'a [i32; PANEL],
}

impl PackedWeight {
    /// `row` gives, for each output, its weights over the inputs and a factor that they are multiplied by; `bias` has
    /// all factors in it.
    pub(crate) fn new<'a>(
        format: FloatFormat,
        inputs: usize,
        grouping: Grouping,
        bias: &[f32],
        row: impl Fn(usize) -> (&'a [f32], f32) + Sync,
    ) -> Self {
        Self::new_in(&mut Words::default(), format, inputs, grouping, bias, row)
    }

    /// As [`Self::new`], in the memory of `spare`: see [`Self::into_words`].
    pub(crate) fn new_in<'a>(
        spare: &mut Words,
        format: FloatFormat,
        inputs: usize,
        grouping: Grouping,
        bias: &[f32],
        row: impl Fn(usize) -> (&'a [f32], f32) + Sync,
    ) -> Self {
        let outputs = bias.len();
        let format_of_words = Format::from(format);
        let inner_panels = grouping.panels(inputs);
        let panel_words = inner_panels * format_of_words.panel_words() * PANEL;
        let mut words = std::mem::take(spare);
        words
            .take(panels(outputs) * panel_words)
            .par_chunks_mut(panel_words.max(1))
            .enumerate()
            .for_each(|(panel, words)| {
                let lanes = PANEL.min(outputs - panel * PANEL);
                write_panel(format, inputs, grouping, lanes, words, |lane| {
                    row(panel * PANEL + lane)
                });
            });
        Self::of_floats(format_of_words, words, inputs, grouping, bias)
    }

    /// In bf16 of row-major `values` [inputs, outputs], each column the weights of an output, without a bias; on this
    /// thread, in the memory of `spare`: see [`Self::into_words`].
    pub(crate) fn of_columns(values: &[f32], outputs: usize, spare: &mut Words) -> Self {
        let inputs = values.len() / outputs.max(1);
        let panel_words = panels(inputs) * Format::Bf16.panel_words() * PANEL;
        let mut words = std::mem::take(spare);
        let taken = words.take(panels(outputs) * panel_words);
        interleave_columns(Isa::best(), values, outputs, panel_words, taken);
        let grouping = Grouping::dense(inputs);
        Self::of_floats(Format::Bf16, words, inputs, grouping, &vec![0.0; outputs])
    }

    /// Its memory, for another weight.
    pub(crate) fn into_words(self) -> Words {
        self.words
    }

    fn of_floats(format: Format, words: Words, inputs: usize, grouping: Grouping, bias: &[f32]) -> Self {
        let mut padded_bias = bias.to_vec();
        padded_bias.resize(panels(bias.len()) * PANEL, 0.0);
        Self {
            format,
            words,
            inputs,
            outputs: bias.len(),
            grouping,
            scales: vec![1.0; padded_bias.len()],
            sums: vec![0; padded_bias.len()],
            bias: padded_bias,
        }
    }

    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Of the weights, and of the activations that they are multiplied with in f32 or bf16.
    pub(crate) fn float_format(&self) -> FloatFormat {
        match self.format {
            Format::Bf16 => FloatFormat::Bf16,
            Format::F32 | Format::Int8 => FloatFormat::F32,
        }
    }

    pub(crate) fn inputs(&self) -> usize {
        self.inputs
    }

    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    pub(crate) fn grouping(&self) -> Grouping {
        self.grouping
    }

    pub(super) fn inner_panels(&self) -> usize {
        self.grouping.panels(self.inputs)
    }

    pub(super) fn output_panels(&self) -> usize {
        panels(self.outputs)
    }

    pub(super) fn panel(&self, panel: usize) -> WeightPanel<'_> {
        let words = self.inner_panels() * self.format.panel_words() * PANEL;
        let (_, rest) = self.words.get().split_at(panel * words);
        let (own, upcoming) = rest.split_at(words);
        WeightPanel {
            words: own,
            upcoming,
            bias: &self.bias.as_chunks().0[panel],
            scales: &self.scales.as_chunks().0[panel],
            sums: &self.sums.as_chunks().0[panel],
        }
    }

    /// A weight of floats, row-major [inputs, outputs], for what no kernel here does.
    pub(crate) fn unpacked(&self) -> Vec<f32> {
        let mut values = vec![0.0; self.inputs * self.outputs];
        let per_word = self.format.values_per_word();
        let inner_words = self.format.panel_words();
        values
            .par_chunks_mut(self.outputs.max(1))
            .with_min_len(16)
            .enumerate()
            .for_each(|(input, values)| {
                let place = self.place_of(input);
                let (inner_panel, within) = (place / PANEL, place % PANEL);
                let word = inner_panel * inner_words + within / per_word;
                for (panel, values) in values.chunks_mut(PANEL).enumerate() {
                    let words = &self.panel(panel).words[word * PANEL..][..PANEL];
                    for (value, word) in values.iter_mut().zip(words) {
                        *value = self.decode(*word, within % per_word);
                    }
                }
            });
        values
    }

    /// Where an input lies among the padded ones.
    fn place_of(&self, input: usize) -> usize {
        let group = self.grouping.group;
        input / group * panels(group) * PANEL + input % group
    }

    fn decode(&self, word: u32, part: usize) -> f32 {
        match self.format {
            Format::F32 => f32::from_bits(word),
            Format::Bf16 => {
                let halves: [u16; 2] = bytemuck::cast(word);
                bf16_value(halves.get(part).copied().unwrap_or_default())
            }
            Format::Int8 => 0.0,
        }
    }

    /// The same layer in 8 bits: for each output, the largest magnitude becomes 127.
    pub(crate) fn quantised(&self, isa: Isa) -> Self {
        let to_words = Format::Int8.panel_words() * PANEL;
        let inner_panels = self.inner_panels();
        let mut words = Words::zeroed(self.output_panels() * inner_panels * to_words);
        let mut scales = vec![0.0; self.bias.len()];
        let mut sums = vec![0; self.bias.len()];
        words
            .get_mut()
            .par_chunks_mut((inner_panels * to_words).max(1))
            .zip(scales.par_chunks_mut(PANEL))
            .zip(sums.par_chunks_mut(PANEL))
            .enumerate()
            .for_each(|(panel, ((words, scales), sums))| {
                quantise_panel(
                    isa,
                    self.float_format(),
                    self.panel(panel).words,
                    words,
                    scales,
                    sums,
                );
            });
        Self {
            format: Format::Int8,
            words,
            inputs: self.inputs,
            outputs: self.outputs,
            grouping: self.grouping,
            bias: self.bias.clone(),
            scales,
            sums,
        }
    }
}

/// An inner panel's words to values [inner, outputs].
#[inline(always)]
fn decode_panel(format: FloatFormat, words: &[u32], values: &mut [[f32; PANEL]; PANEL]) {
    match format {
        FloatFormat::F32 => {
            for (values, words) in values.iter_mut().zip(words.chunks_exact(PANEL)) {
                for (value, word) in values.iter_mut().zip(words) {
                    *value = f32::from_bits(*word);
                }
            }
        }
        FloatFormat::Bf16 => {
            let pairs = values.as_chunks_mut::<2>().0;
            for ([low, high], words) in pairs.iter_mut().zip(words.chunks_exact(PANEL)) {
                for ((low, high), word) in low.iter_mut().zip(high).zip(words) {
                    let halves: [u16; 2] = bytemuck::cast(*word);
                    *low = bf16_value(halves[0]);
                    *high = bf16_value(halves[1]);
                }
            }
        }
    }
}

vectorised! {
    /// One output panel in 8 bits, with what a unit of each output stands for and the sum of its values.
    fn quantise_panel [] (
        isa,
        format: FloatFormat,
        given: &[u32],
        words: &mut [u32],
        scales: &mut [f32],
        sums: &mut [i32],
    ) {
        let from_words = Format::from(format).panel_words() * PANEL;
        let to_words = Format::Int8.panel_words() * PANEL;
        let mut values = [[0.0_f32; PANEL]; PANEL];
        let mut largest = [0.0_f32; PANEL];
        for given in given.chunks_exact(from_words) {
            decode_panel(format, given, &mut values);
            for row in &values {
                for (largest, value) in largest.iter_mut().zip(row) {
                    let magnitude = value.abs();
                    *largest = if magnitude > *largest { magnitude } else { *largest };
                }
            }
        }
        let mut factors = [0.0_f32; PANEL];
        for ((scale, factor), largest) in scales.iter_mut().zip(&mut factors).zip(&largest) {
            // A layer of zeros stays one.
            *scale = if *largest > 0.0 { *largest / MOST_LEVEL } else { 1.0 };
            *factor = 1.0 / *scale;
        }
        for (given, words) in given.chunks_exact(from_words).zip(words.chunks_exact_mut(to_words)) {
            decode_panel(format, given, &mut values);
            let quads = values.as_chunks::<4>().0.iter();
            for (rows, words) in quads.zip(words.chunks_exact_mut(PANEL)) {
                for (lane, word) in words.iter_mut().enumerate() {
                    let mut levels = [0_i8; 4];
                    for (level, row) in levels.iter_mut().zip(rows) {
                        *level = (row[lane] * factors[lane]).round_ties_even() as i8;
                        sums[lane] += i32::from(*level);
                    }
                    *word = bytemuck::cast(levels);
                }
            }
        }
    }
}

/// Words of an output panel.
fn panel_words(format: Format, inputs: usize, grouping: Grouping) -> usize {
    grouping.panels(inputs) * format.panel_words() * PANEL
}

/// An output panel of `lanes` outputs; `row` gives the weights of each and their factor.
fn write_panel<'a>(
    format: FloatFormat,
    inputs: usize,
    grouping: Grouping,
    lanes: usize,
    words: &mut [u32],
    row: impl Fn(usize) -> (&'a [f32], f32),
) {
    let mut rows: [(&[f32], f32); PANEL] = [(&[], 0.0); PANEL];
    for (lane, place) in rows.iter_mut().enumerate().take(lanes) {
        *place = row(lane);
    }
    let rows = rows.get(..lanes).unwrap_or(&rows);
    let inner_words = Format::from(format).panel_words() * PANEL;
    for (inner_panel, words) in words.chunks_exact_mut(inner_words).enumerate() {
        let (first, count) = grouping.channels_of(inner_panel, inputs);
        if lanes < PANEL {
            // Spare memory holds an earlier weight.
            words.fill(0);
        }
        write_block(Isa::best(), format, rows, first, count, words);
    }
}

vectorised! {
    /// The inputs `first..first + count` of several outputs, given with their factors: an inner panel.
    fn write_block [] (isa, format: FloatFormat, rows: &[(&[f32], f32)], first: usize, count: usize, words: &mut [u32]) {
        for (lane, (values, factor)) in rows.iter().enumerate() {
            write_lane(format, &values[first..first + count], *factor, lane, words);
        }
    }
}

/// One output's weights over an inner panel, 0 beyond them: words of consecutive inputs, [`PANEL`] words apart.
#[inline(always)]
fn write_lane(format: FloatFormat, values: &[f32], factor: f32, lane: usize, words: &mut [u32]) {
    let mut scaled = [0.0; PANEL];
    for (scaled, value) in scaled.iter_mut().zip(values) {
        *scaled = value * factor;
    }
    match format {
        FloatFormat::F32 => write_column::<{ Format::F32.panel_words() }>(format, &scaled, lane, words),
        FloatFormat::Bf16 => write_column::<{ Format::Bf16.panel_words() }>(format, &scaled, lane, words),
    }
}

#[inline(always)]
fn write_column<const WORDS: usize>(
    format: FloatFormat,
    values: &[f32; PANEL],
    lane: usize,
    words: &mut [u32],
) {
    let mut column = [0_u32; WORDS];
    format.encode(values, &mut column);
    // Loops of known length have no branches: more of what they wait for in memory is under way at once.
    if let Some(rows) = words.as_chunks_mut::<PANEL>().0.as_mut_array::<WORDS>() {
        for (row, word) in rows.iter_mut().zip(column) {
            if let Some(place) = row.get_mut(lane) {
                *place = word;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_comes_back_with_its_factors() {
        for (outputs, inputs, group) in [(1, 1, 1), (5, 3, 3), (33, 40, 20), (64, 96, 12), (70, 65, 65)] {
            let values: Vec<f32> = (0..outputs * inputs)
                .map(|index| (index % 97) as f32 - 48.0)
                .collect();
            for format in [FloatFormat::F32, FloatFormat::Bf16] {
                let mut used =
                    Words::zeroed(panels(outputs) * PANEL * inputs.div_ceil(group) * PANEL * panels(group));
                used.get_mut().fill(u32::MAX);
                let (grouping, bias) = (Grouping { group }, vec![0.5; outputs]);
                let row = |row: usize| {
                    let factor = [1.0, 2.0][row % 2];
                    (&values[row * inputs..][..inputs], factor)
                };
                let packed = PackedWeight::new_in(&mut used, format, inputs, grouping, &bias, row);
                let clean = PackedWeight::new(format, inputs, grouping, &bias, row);
                let mut arriving = Packing::new(format, inputs, outputs, grouping);
                for rows in values.chunks(PANEL * inputs) {
                    arriving.rows(rows, |row| [1.0, 2.0][row % 2]);
                }
                let arrived = arriving.finish(&bias);
                for panel in 0..packed.output_panels() {
                    assert_eq!(packed.panel(panel).words, clean.panel(panel).words);
                    assert_eq!(packed.panel(panel).words, arrived.panel(panel).words);
                }
                let back = packed.unpacked();
                for row in 0..outputs {
                    for column in 0..inputs {
                        let expected = values[row * inputs + column] * if row % 2 == 0 { 1.0 } else { 2.0 };
                        assert_eq!(back[column * outputs + row], expected);
                    }
                }
                assert_eq!(packed.bias[..outputs], vec![0.5; outputs]);
                assert!(packed.bias[outputs..].iter().all(|bias| *bias == 0.0));
            }
        }
    }
}
