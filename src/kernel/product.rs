//! Products of activations with packed weights, and what becomes of each sum while it is in the cache.

use super::PANEL;
use super::format::{FloatFormat, Format, Levels, Operand, Tiling, even_height};
use super::isa::{Isa, vectorised};
use super::math::{bf16_bits, gelu, gelu_tanh};
use super::tile::{Sums, TileJob, most_rows, tile};
use super::weight::{PackedWeight, WeightPanel};
use rayon::prelude::*;

/// Tasks for each thread that a product is cut into at least, so that threads end together.
const TASKS_PER_THREAD: usize = 4;

/// Where a product with its bias goes; all are panel-major.
pub(crate) enum Finish<'a> {
    /// Written, f32.
    Store(&'a mut [f32]),
    /// Added to what is there, f32: a residual.
    Add(&'a mut [f32]),
    /// Times a gate added to what is there, f32.
    AddTimes(Gate<'a>, &'a mut [f32]),
    /// The exact GELU of it.
    Gelu(FloatFormat, &'a mut [u32]),
    /// GELU by tanh.
    TanhGelu(FloatFormat, &'a mut [u32]),
}

/// What the channels of each picture are multiplied by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gate<'a> {
    /// Panel-major f32 [pictures, channels].
    pub(crate) values: &'a [f32],
    /// Tokens of a picture.
    pub(crate) length: usize,
    pub(crate) pictures: usize,
}

/// What one row of a panel becomes.
trait Ending: Sync {
    type Value: Send;
    /// Values of a row.
    fn width(&self) -> usize;
    /// `place` is the panel and the row.
    fn end(&self, place: (usize, usize), sums: &[f32; PANEL], out: &mut [Self::Value]);
}

struct Stored;

impl Ending for Stored {
    type Value = f32;

    fn width(&self) -> usize {
        PANEL
    }

    #[inline(always)]
    fn end(&self, _: (usize, usize), sums: &[f32; PANEL], out: &mut [f32]) {
        out.copy_from_slice(sums);
    }
}

struct Added;

impl Ending for Added {
    type Value = f32;

    fn width(&self) -> usize {
        PANEL
    }

    #[inline(always)]
    fn end(&self, _: (usize, usize), sums: &[f32; PANEL], out: &mut [f32]) {
        for (out, sum) in out.iter_mut().zip(sums) {
            *out += sum;
        }
    }
}

impl Ending for Gate<'_> {
    type Value = f32;

    fn width(&self) -> usize {
        PANEL
    }

    #[inline(always)]
    fn end(&self, (panel, row): (usize, usize), sums: &[f32; PANEL], out: &mut [f32]) {
        let gate = &self.values.as_chunks::<PANEL>().0[panel * self.pictures + row / self.length];
        for ((out, sum), gate) in out.iter_mut().zip(sums).zip(gate) {
            *out += gate * sum;
        }
    }
}

/// A function of each value, then the format of the next product.
struct Activated<F>(FloatFormat, F);

impl<F: Fn(f32) -> f32 + Sync> Ending for Activated<F> {
    type Value = u32;

    fn width(&self) -> usize {
        Format::from(self.0).panel_words()
    }

    #[inline(always)]
    fn end(&self, _: (usize, usize), sums: &[f32; PANEL], out: &mut [u32]) {
        // One loop from sum to word: nothing is kept between.
        match self.0 {
            FloatFormat::F32 => {
                for (word, sum) in out.iter_mut().zip(sums) {
                    *word = self.1(*sum).to_bits();
                }
            }
            FloatFormat::Bf16 => {
                let halves: &mut [u16] = bytemuck::cast_slice_mut(out);
                for (half, sum) in halves.iter_mut().zip(sums) {
                    *half = bf16_bits(self.1(*sum));
                }
            }
        }
    }
}

/// `x` [rows, inputs] times a weight, plus its bias, to [rows, outputs] on the calling thread's pool.
///
/// # Panics
/// An operand of another format than the weight's, or sizes that do not fit.
pub(crate) fn product(isa: Isa, x: &Operand<'_>, weight: &PackedWeight, finish: Finish<'_>) {
    check_operand(x, weight);
    match finish {
        Finish::Store(out) => run(isa, x, weight, &Stored, out),
        Finish::Add(out) => run(isa, x, weight, &Added, out),
        Finish::AddTimes(gate, out) => run(isa, x, weight, &gate, out),
        Finish::Gelu(format, out) => run(isa, x, weight, &Activated(format, gelu), out),
        Finish::TanhGelu(format, out) => {
            run(isa, x, weight, &Activated(format, gelu_tanh), out);
        }
    }
}

/// # Panics
/// An operand of another format than the weight's, or sizes that do not fit.
pub(super) fn check_operand(x: &Operand<'_>, weight: &PackedWeight) {
    assert!(
        x.format == weight.format()
            && x.words.len() >= x.format.words_of_panels(x.rows, weight.inner_panels())
            && (x.format != Format::Int8 || x.levels.len() >= x.rows),
        "a product is given an operand that does not fit its weight"
    );
}

/// Some rows of one output panel from `first_row` on, [rows, PANEL].
pub(super) fn store_rows(
    isa: Isa,
    x: &Operand<'_>,
    first_row: usize,
    weight: &PackedWeight,
    panel: usize,
    out: &mut [f32],
) {
    let of_panel = (panel, &weight.panel(panel));
    panel_rows(isa, x, first_row, of_panel, weight.inner_panels(), &Stored, out);
}

fn run<E: Ending>(isa: Isa, x: &Operand<'_>, weight: &PackedWeight, ending: &E, out: &mut [E::Value]) {
    let width = ending.width();
    if x.rows == 0 {
        return;
    }
    let tile_rows = match x.format {
        Format::Int8 => Tiling::new(x.rows).height,
        Format::F32 | Format::Bf16 => most_rows(isa),
    };
    let block = block_rows(x.rows, weight.output_panels(), tile_rows);
    out.par_chunks_mut(x.rows * width)
        .take(weight.output_panels())
        .enumerate()
        .for_each(|(index, out)| {
            out.par_chunks_mut(block * width)
                .enumerate()
                .for_each(|(part, out)| {
                    panel_rows(
                        isa,
                        x,
                        part * block,
                        (index, &weight.panel(index)),
                        weight.inner_panels(),
                        ending,
                        out,
                    );
                });
        });
}

/// Rows of a task: all, unless there are too few panels for the threads.
fn block_rows(rows: usize, panels: usize, tile_rows: usize) -> usize {
    let tasks = TASKS_PER_THREAD * rayon::current_num_threads();
    let parts = tasks.div_ceil(panels.max(1));
    rows.div_ceil(parts).next_multiple_of(tile_rows)
}

vectorised! {
    /// Some rows of one output panel, tile by tile.
    fn panel_rows [E: Ending] (
        isa,
        x: &Operand<'_>,
        first_row: usize,
        panel: (usize, &WeightPanel<'_>),
        inner_panels: usize,
        ending: &E,
        out: &mut [E::Value],
    ) {
        let (panel, weight) = panel;
        let width = ending.width();
        let rows = out.len() / width;
        let height = match x.format {
            Format::Int8 => Tiling::new(x.rows).height,
            Format::F32 | Format::Bf16 => even_height(rows, most_rows(isa)),
        };
        // Each tile fetches its share of the next panel.
        let next = weight.words.len().min(weight.upcoming.len());
        let share = next.div_ceil(rows.div_ceil(height)).next_multiple_of(PANEL);
        let mut upcoming = weight.upcoming[..next].chunks(share.max(1));
        let mut sums = Sums::new();
        for (index, out) in out.chunks_mut(height * width).enumerate() {
            let row = first_row + index * height;
            let (words, step) = x.tile(row, inner_panels);
            let job = TileJob {
                format: x.format,
                rows: words,
                step,
                weights: weight.words,
                inner_panels,
                upcoming: upcoming.next().unwrap_or_default(),
            };
            tile(isa, out.len() / width, &job, &mut sums);
            let levels = x.levels.get(row..).unwrap_or_default();
            for (at, out) in out.chunks_exact_mut(width).enumerate() {
                let values = match levels.get(at) {
                    Some(levels) => dequantise(&sums.integers()[at], *levels, weight),
                    None => with_bias(&sums.floats()[at], weight),
                };
                ending.end((panel, row + at), &values, out);
            }
        }
    }
}

#[inline(always)]
fn with_bias(sums: &[f32; PANEL], weight: &WeightPanel<'_>) -> [f32; PANEL] {
    let mut values = *sums;
    for (value, bias) in values.iter_mut().zip(weight.bias) {
        *value += bias;
    }
    values
}

/// What sums over 8-bit values stand for, plus the bias: those over (value - zero) are less by the zero times the sum
/// of the weights.
#[inline(always)]
fn dequantise(sums: &[i32; PANEL], levels: Levels, weight: &WeightPanel<'_>) -> [f32; PANEL] {
    let mut values = [0.0; PANEL];
    for (lane, value) in values.iter_mut().enumerate() {
        let sum = sums[lane] - levels.zero * weight.sums[lane];
        *value = sum as f32 * (levels.scale * weight.scales[lane]) + weight.bias[lane];
    }
    values
}

#[cfg(test)]
mod tests {
    use super::super::{
        Activation, Grouping, Words, pack_rows, panels, product_of_rows, quantise, read_rows,
    };
    use super::*;
    use proptest::prelude::*;

    fn wave(count: usize, seed: usize) -> Vec<f32> {
        (0..count)
            .map(|index| ((index * 7919 + seed * 104_729) % 2003) as f32 / 1001.0 - 1.0)
            .collect()
    }

    /// x W^T + b in f64, with the largest sum of magnitudes that it could have had.
    struct Plain {
        values: Vec<f64>,
        magnitude: f64,
    }

    impl Plain {
        fn new(x: &[f32], weight: &[f32], bias: &[f32], inputs: usize) -> Self {
            let mut values = Vec::new();
            let mut magnitude = 0.0_f64;
            for x in x.chunks_exact(inputs) {
                for (weight, bias) in weight.chunks_exact(inputs).zip(bias) {
                    let products = x
                        .iter()
                        .zip(weight)
                        .map(|(x, weight)| f64::from(*x) * f64::from(*weight));
                    magnitude = magnitude.max(products.clone().map(f64::abs).sum());
                    values.push(products.sum::<f64>() + f64::from(*bias));
                }
            }
            Self { values, magnitude }
        }

        fn check(&self, found: &[f32], tolerance: f64, what: &str) {
            assert_eq!(found.len(), self.values.len());
            for (found, expected) in found.iter().zip(&self.values) {
                let error = (f64::from(*found) - expected).abs();
                assert!(
                    error <= tolerance * self.magnitude.max(1.0),
                    "{what}: {found} instead of {expected}"
                );
            }
        }
    }

    fn check(rows: usize, inputs: usize, outputs: usize, group: usize) {
        let (x, weight, bias) = (
            wave(rows * inputs, 1),
            wave(outputs * inputs, 2),
            wave(outputs, 3),
        );
        let plain = Plain::new(&x, &weight, &bias, inputs);
        let grouping = Grouping { group };
        let out_size = panels(outputs) * rows * PANEL;
        for isa in Isa::available() {
            for (format, tolerance) in [(FloatFormat::F32, 1e-6), (FloatFormat::Bf16, 8e-3)] {
                let packed = PackedWeight::new(format, inputs, grouping, &bias, |row| {
                    (&weight[row * inputs..][..inputs], 1.0)
                });
                let found = product_of_rows(isa, &x, &packed, Activation::None);
                plain.check(
                    &found,
                    tolerance,
                    &format!("{isa:?} {format:?} {rows} x {inputs} x {outputs}"),
                );

                let words = grouping.panels(inputs) * rows * Format::from(format).panel_words();
                let mut operand = Words::zeroed(words);
                pack_rows(isa, format, &x, inputs, grouping, operand.get_mut());
                let x = Operand::new(format, rows, operand.get());

                let mut stored = vec![5.0; out_size];
                product(isa, &x, &packed, Finish::Store(&mut stored));
                let mut read = vec![0.0; rows * outputs];
                read_rows(&stored, outputs, &mut read);
                assert_eq!(read, found);

                let mut added = vec![2.0; out_size];
                product(isa, &x, &packed, Finish::Add(&mut added));
                for (added, stored) in added.iter().zip(&stored) {
                    assert_eq!(*added, 2.0 + stored);
                }
                // Two pictures where rows allow it; a gate of 0 beyond the channels would hide nothing.
                let pictures = if rows.is_multiple_of(2) { 2 } else { 1 };
                let values = wave(panels(outputs) * pictures * PANEL, 4);
                let gate = Gate {
                    values: &values,
                    length: rows / pictures,
                    pictures,
                };
                let mut gated = vec![2.0; out_size];
                product(isa, &x, &packed, Finish::AddTimes(gate, &mut gated));
                for (index, (gated, stored)) in gated.iter().zip(&stored).enumerate() {
                    let (panel, row, lane) = (index / PANEL / rows, index / PANEL % rows, index % PANEL);
                    let picture = row * pictures / rows;
                    let gate = values[(panel * pictures + picture) * PANEL + lane];
                    assert!((gated - (2.0 + gate * stored)).abs() <= 1e-6 * (2.0 + stored.abs()));
                }
                let mut activated = vec![0; out_size];
                product(isa, &x, &packed, Finish::Gelu(FloatFormat::F32, &mut activated));
                for (activated, stored) in bytemuck::cast_slice::<u32, f32>(&activated).iter().zip(&stored) {
                    assert!((activated - gelu(*stored)).abs() <= 1e-6 * stored.abs().max(1.0));
                }
            }
        }
    }

    #[test]
    fn products_of_odd_sizes_are_the_plain_ones() {
        for (rows, inputs, outputs, group) in [
            (1, 1, 1, 1),
            (13, 65, 33, 65),
            (12, 32, 64, 8),
            (25, 96, 31, 48),
            (3, 7, 130, 7),
            (97, 192, 64, 64),
        ] {
            check(rows, inputs, outputs, group);
        }
    }

    #[test]
    fn eight_bits_are_close_and_the_same_on_all_instructions() {
        let (rows, inputs, outputs) = (29, 100, 70);
        let (x, weight, bias) = (
            wave(rows * inputs, 4),
            wave(outputs * inputs, 5),
            wave(outputs, 6),
        );
        let plain = Plain::new(&x, &weight, &bias, inputs);
        let grouping = Grouping::dense(inputs);
        let mut first: Option<Vec<f32>> = None;
        for isa in Isa::available() {
            let packed = PackedWeight::new(FloatFormat::F32, inputs, grouping, &bias, |row| {
                (&weight[row * inputs..][..inputs], 1.0)
            });
            let packed = packed.quantised(isa);
            let mut floats = vec![0; Format::Bf16.operand_words(rows, inputs)];
            pack_rows(isa, FloatFormat::Bf16, &x, inputs, grouping, &mut floats);
            let mut levels = Vec::new();
            let mut words = Words::zeroed(Format::Int8.operand_words(rows, inputs));
            quantise(isa, &floats, rows, &mut levels, words.get_mut());
            let operand = Operand {
                format: Format::Int8,
                rows,
                words: words.get(),
                levels: &levels,
            };
            let mut stored = vec![0.0; panels(outputs) * rows * PANEL];
            product(isa, &operand, &packed, Finish::Store(&mut stored));
            let mut found = vec![0.0; rows * outputs];
            read_rows(&stored, outputs, &mut found);
            plain.check(&found, 4e-3, &format!("{isa:?}"));
            let first = first.get_or_insert_with(|| found.clone());
            for (found, first) in found.iter().zip(first.iter()) {
                assert!((found - first).abs() < 1e-5, "{isa:?}: {found} and {first}");
            }
        }
    }

    #[test]
    fn a_row_does_not_depend_on_the_rows_beside_it_nor_on_threads() {
        let (rows, inputs, outputs) = (41, 70, 96);
        let (x, weight, bias) = (
            wave(rows * inputs, 7),
            wave(outputs * inputs, 8),
            wave(outputs, 9),
        );
        let grouping = Grouping::dense(inputs);
        let of_rows = |isa: Isa, rows: usize, format: FloatFormat| {
            let packed = PackedWeight::new(format, inputs, grouping, &bias, |row| {
                (&weight[row * inputs..][..inputs], 1.0)
            });
            product_of_rows(isa, &x[..rows * inputs], &packed, Activation::None)
        };
        for isa in Isa::available() {
            for format in [FloatFormat::F32, FloatFormat::Bf16] {
                let all = of_rows(isa, rows, format);
                for count in [1, 5, 12, 13] {
                    assert_eq!(of_rows(isa, count, format), all[..count * outputs]);
                }
                let pool = rayon::ThreadPoolBuilder::new().num_threads(7).build().unwrap();
                assert_eq!(pool.install(|| of_rows(isa, rows, format)), all);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn products_of_any_size_are_the_plain_ones(
            rows in 1_usize..40, inputs in 1_usize..80, outputs in 1_usize..80, group in 1_usize..80,
        ) {
            check(rows, inputs, outputs, group.min(inputs));
        }
    }
}
