//! The innermost loop: some rows of activations times one panel of weights, sums kept in registers.
//!
//! Both operands come in 32-bit words of 1 (f32), 2 (bf16) or 4 (int8) values along the inner dimension: a word of a
//! row is broadcast and multiplied with 32 words of weights, one for each output.
//!
//! A row's words of a panel lie side by side, except in 8 bits: there the same word of all rows of a tile does, so that
//! a tile reads one piece of memory from end to end. These products take half the time, and what their operands take
//! to come counts twice.
#![allow(unsafe_code)] // vector loads through pointers, after one check of both slices for each call

use super::isa::Isa;
use super::{Format, PANEL};

/// Most rows of a tile: 12 times 2 registers of sums leave 8 of 32 for weights and broadcasts.
pub(crate) const MOST_ROWS: usize = 12;
/// Most rows of a tile where registers are fewer.
const PORTABLE_ROWS: usize = 3;

/// Sums [rows, PANEL] of a tile: floats, or integers of [`Format::Int8`].
#[repr(align(64))]
pub(crate) struct Sums([[u32; PANEL]; MOST_ROWS]);

impl Sums {
    pub(crate) fn new() -> Self {
        Self([[0; PANEL]; MOST_ROWS])
    }

    #[inline(always)]
    pub(crate) fn floats(&mut self) -> &mut [[f32; PANEL]; MOST_ROWS] {
        bytemuck::cast_mut(&mut self.0)
    }

    #[inline(always)]
    pub(crate) fn integers(&mut self) -> &mut [[i32; PANEL]; MOST_ROWS] {
        bytemuck::cast_mut(&mut self.0)
    }
}

/// Operands of a tile.
#[derive(Clone, Copy)]
pub(crate) struct TileJob<'a> {
    pub(crate) format: Format,
    /// Activations from the first row of the tile on.
    pub(crate) rows: &'a [u32],
    /// Words from one panel of the inner dimension to the next.
    pub(crate) step: usize,
    /// Weights of one output panel: [inner words, PANEL].
    pub(crate) weights: &'a [u32],
    /// Panels of the inner dimension.
    pub(crate) inner_panels: usize,
    /// Weights that will be read soon: what of them this tile is to fetch.
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code))] // no other tile fetches ahead
    pub(crate) upcoming: &'a [u32],
}

/// Where a word of a row lies among those of a panel.
#[inline(always)]
const fn place(format: Format, row: usize, word: usize) -> usize {
    match format {
        Format::F32 => row * PANEL + word,
        Format::Bf16 => row * PANEL / 2 + word,
        Format::Int8 => word * MOST_ROWS + row,
    }
}

/// Rows that a tile should have at most.
pub(crate) fn most_rows(isa: Isa) -> usize {
    if isa.has_own_tile() {
        MOST_ROWS
    } else {
        PORTABLE_ROWS
    }
}

/// Sums of the first `count` rows, up to [`MOST_ROWS`].
///
/// # Panics
/// Operands shorter than their sizes say.
#[inline]
pub(crate) fn tile(isa: Isa, count: usize, job: &TileJob<'_>, sums: &mut Sums) {
    let words = job.format.panel_words();
    let last_panel = job.inner_panels.saturating_sub(1);
    assert!(
        count <= MOST_ROWS
            && job.rows.len() > last_panel * job.step + place(job.format, count.max(1) - 1, words - 1)
            && job.weights.len() >= job.inner_panels * words * PANEL,
        "a tile of {count} rows is given operands too short for it"
    );
    #[cfg(target_arch = "x86_64")]
    if isa.has_own_tile() {
        return wide::tile(isa, count, job, sums);
    }
    portable::in_parts(isa, count, job, sums);
}

#[cfg(target_arch = "x86_64")]
mod wide {
    use super::super::isa::Level;
    use super::{Format, Isa, PANEL, Sums, TileJob, place, portable};
    use std::arch::x86_64::{
        __m512, __m512bh, __m512i, _MM_HINT_T1, _mm_prefetch, _mm512_castps_si512, _mm512_castsi512_ps,
        _mm512_dpbf16_ps, _mm512_dpbusd_epi32, _mm512_fmadd_ps, _mm512_loadu_si512, _mm512_set1_epi32,
        _mm512_setzero_ps, _mm512_setzero_si512, _mm512_storeu_si512,
    };

    /// Defines a tile of `R` rows: what sums are, how a word of weights is added to them, and their bits.
    macro_rules! tile {
        ($name:ident, $features:literal, $format:expr, $sum:ty, $zero:ident, $add:expr, $bits:expr) => {
            /// # Safety
            /// The features have to be there, and the operands as long as [`super::tile`] checks.
            #[target_feature(enable = $features)]
            unsafe fn $name<const R: usize>(job: &TileJob<'_>, sums: &mut Sums) {
                const WORDS: usize = $format.panel_words();
                let mut registers: [[$sum; 2]; R] = [[$zero(); 2]; R];
                let mut rows = job.rows.as_ptr();
                let mut weights = job.weights.as_ptr();
                let mut upcoming = job.upcoming.chunks(PANEL);
                for _ in 0..job.inner_panels {
                    for word in 0..WORDS {
                        // SAFETY: the caller checked that there are `inner_panels * WORDS * PANEL` words.
                        let (first, second) = unsafe {
                            (
                                _mm512_loadu_si512(weights.cast()),
                                _mm512_loadu_si512(weights.add(PANEL / 2).cast()),
                            )
                        };
                        for (row, registers) in registers.iter_mut().enumerate() {
                            // SAFETY: row < R, and the caller checked that the last panel holds R rows.
                            let value = unsafe { *rows.add(place($format, row, word)) };
                            let value = _mm512_set1_epi32(value as i32);
                            registers[0] = $add(registers[0], value, first);
                            registers[1] = $add(registers[1], value, second);
                        }
                        weights = weights.wrapping_add(PANEL);
                    }
                    if let Some(upcoming) = upcoming.next() {
                        _mm_prefetch::<_MM_HINT_T1>(upcoming.as_ptr().cast());
                        _mm_prefetch::<_MM_HINT_T1>(upcoming.as_ptr().wrapping_add(PANEL / 2).cast());
                    }
                    rows = rows.wrapping_add(job.step);
                }
                for (registers, sums) in registers.iter().zip(&mut sums.0) {
                    for (register, sums) in registers.iter().zip(sums.as_chunks_mut::<16>().0) {
                        // SAFETY: `sums` is 16 words.
                        unsafe { _mm512_storeu_si512(sums.as_mut_ptr().cast(), $bits(*register)) };
                    }
                }
            }
        };
    }

    tile!(
        tile_f32,
        "avx512f",
        Format::F32,
        __m512,
        _mm512_setzero_ps,
        |sum, value, weights| _mm512_fmadd_ps(_mm512_castsi512_ps(value), _mm512_castsi512_ps(weights), sum),
        |sum| _mm512_castps_si512(sum)
    );
    tile!(
        tile_bf16,
        "avx512f,avx512bf16",
        Format::Bf16,
        __m512,
        _mm512_setzero_ps,
        // SAFETY: both are 512 bits, and every pattern of bits is a value.
        |sum, value: __m512i, weights: __m512i| unsafe {
            _mm512_dpbf16_ps(
                sum,
                std::mem::transmute::<__m512i, __m512bh>(value),
                std::mem::transmute::<__m512i, __m512bh>(weights),
            )
        },
        |sum| _mm512_castps_si512(sum)
    );
    tile!(
        tile_int8,
        "avx512f,avx512vnni",
        Format::Int8,
        __m512i,
        _mm512_setzero_si512,
        |sum, value, weights| _mm512_dpbusd_epi32(sum, value, weights),
        |sum| sum
    );

    /// Calls `$tile` with its number of rows as a constant.
    macro_rules! with_rows {
        ($tile:ident, $count:expr, $job:expr, $sums:expr) => {
            // SAFETY: the level says that the features are there, and `super::tile` checked the operands.
            unsafe {
                match $count {
                    0 => {}
                    1 => $tile::<1>($job, $sums),
                    2 => $tile::<2>($job, $sums),
                    3 => $tile::<3>($job, $sums),
                    4 => $tile::<4>($job, $sums),
                    5 => $tile::<5>($job, $sums),
                    6 => $tile::<6>($job, $sums),
                    7 => $tile::<7>($job, $sums),
                    8 => $tile::<8>($job, $sums),
                    9 => $tile::<9>($job, $sums),
                    10 => $tile::<10>($job, $sums),
                    11 => $tile::<11>($job, $sums),
                    _ => $tile::<12>($job, $sums),
                }
            }
        };
    }

    pub(super) fn tile(isa: Isa, count: usize, job: &TileJob<'_>, sums: &mut Sums) {
        match job.format {
            Format::F32 => with_rows!(tile_f32, count, job, sums),
            Format::Bf16 if isa.level() >= Level::Avx512Bf16 => with_rows!(tile_bf16, count, job, sums),
            Format::Int8 if isa.level() >= Level::Avx512Vnni => with_rows!(tile_int8, count, job, sums),
            Format::Bf16 | Format::Int8 => portable::in_parts(isa, count, job, sums),
        }
    }
}

mod portable {
    use super::super::isa::{Level, vectorised};
    use super::super::math::bf16_pair;
    use super::{Format, Isa, PANEL, PORTABLE_ROWS, Sums, TileJob, place};

    /// Some rows at a time, as many as a tile has where registers are few.
    pub(super) fn in_parts(isa: Isa, count: usize, job: &TileJob<'_>, sums: &mut Sums) {
        let mut part = Sums::new();
        let mut first = 0;
        while first < count {
            let rows = PORTABLE_ROWS.min(count - first);
            let job = TileJob {
                rows: &job.rows[place(job.format, first, 0)..],
                ..*job
            };
            match rows {
                1 => tile::<1>(isa, &job, &mut part),
                2 => tile::<2>(isa, &job, &mut part),
                _ => tile::<PORTABLE_ROWS>(isa, &job, &mut part),
            }
            sums.0[first..first + rows].copy_from_slice(&part.0[..rows]);
            first += rows;
        }
    }

    pub(super) fn tile<const R: usize>(isa: Isa, job: &TileJob<'_>, sums: &mut Sums) {
        tile_of(isa, [(); R], job, sums);
    }

    vectorised! {
        fn tile_of [const R: usize] (isa, rows: [(); R], job: &TileJob<'_>, sums: &mut Sums) {
            // A fused multiplication and addition where it is an instruction; elsewhere it would be a call.
            let is_fused = isa.level() > Level::Portable || cfg!(target_arch = "aarch64");
            match (job.format, is_fused) {
                (Format::F32, true) => tile_f32::<R, true>(job, sums),
                (Format::F32, false) => tile_f32::<R, false>(job, sums),
                (Format::Bf16, true) => tile_bf16::<R, true>(job, sums),
                (Format::Bf16, false) => tile_bf16::<R, false>(job, sums),
                (Format::Int8, _) => tile_int8::<R>(job, sums),
            }
        }
    }

    #[inline(always)]
    fn add<const FUSED: bool>(sum: f32, x: f32, y: f32) -> f32 {
        if FUSED { x.mul_add(y, sum) } else { sum + x * y }
    }

    /// Calls `add` with every word of the rows, each with its 32 words of weights.
    #[inline(always)]
    fn for_each_word<const R: usize>(
        format: Format,
        job: &TileJob<'_>,
        mut add: impl FnMut(usize, u32, &[u32; PANEL]),
    ) {
        let words = format.panel_words();
        let weights = job.weights.as_chunks::<PANEL>().0;
        for (panel, weights) in weights.chunks_exact(words).take(job.inner_panels).enumerate() {
            let rows = &job.rows[panel * job.step..][..=place(format, R - 1, words - 1)];
            for (word, weights) in weights.iter().enumerate() {
                for row in 0..R {
                    add(row, rows[place(format, row, word)], weights);
                }
            }
        }
    }

    #[inline(always)]
    fn tile_f32<const R: usize, const FUSED: bool>(job: &TileJob<'_>, sums: &mut Sums) {
        let mut registers = [[0.0_f32; PANEL]; R];
        for_each_word::<R>(Format::F32, job, |row, value, weights| {
            let value = f32::from_bits(value);
            for (sum, weight) in registers[row].iter_mut().zip(weights) {
                *sum = add::<FUSED>(*sum, value, f32::from_bits(*weight));
            }
        });
        sums.floats()[..R].copy_from_slice(&registers);
    }

    #[inline(always)]
    fn tile_bf16<const R: usize, const FUSED: bool>(job: &TileJob<'_>, sums: &mut Sums) {
        let mut registers = [[0.0_f32; PANEL]; R];
        for_each_word::<R>(Format::Bf16, job, |row, value, weights| {
            let value = bf16_pair(value);
            for (sum, weight) in registers[row].iter_mut().zip(weights) {
                let weight = bf16_pair(*weight);
                *sum = add::<FUSED>(add::<FUSED>(*sum, value.0, weight.0), value.1, weight.1);
            }
        });
        sums.floats()[..R].copy_from_slice(&registers);
    }

    #[inline(always)]
    fn tile_int8<const R: usize>(job: &TileJob<'_>, sums: &mut Sums) {
        let mut registers = [[0_i32; PANEL]; R];
        for_each_word::<R>(Format::Int8, job, |row, value, weights| {
            let value = value.to_ne_bytes().map(i32::from);
            for (sum, weight) in registers[row].iter_mut().zip(weights) {
                let weight = weight.to_ne_bytes().map(|byte| i32::from(byte as i8));
                *sum +=
                    value[0] * weight[0] + value[1] * weight[1] + value[2] * weight[2] + value[3] * weight[3];
            }
        });
        sums.integers()[..R].copy_from_slice(&registers);
    }
}
