//! The innermost loop: some rows of activations times one panel of weights, sums kept in registers.
//!
//! Both operands come in 32-bit words of 1 (f32), 2 (bf16) or 4 (int8) values along the inner dimension: a word of a
//! row is broadcast and multiplied with 32 words of weights, one for each output.
#![allow(unsafe_code)] // vector loads through pointers, after one check of both slices for each call

use super::isa::Isa;
use super::{Format, PANEL};

/// Most rows of a tile: 12 times 2 registers of sums leave 8 of 32 for weights and broadcasts.
pub(crate) const MOST_ROWS: usize = 12;
/// Most rows of a tile where registers are fewer.
const PORTABLE_ROWS: usize = 3;

/// Sums [rows, PANEL] of a tile.
#[repr(align(64))]
pub(crate) struct Sums(pub(crate) [[f32; PANEL]; MOST_ROWS]);

/// What the sums of integers begin with [rows, PANEL].
#[repr(align(64))]
pub(crate) struct Start(pub(crate) [[i32; PANEL]; MOST_ROWS]);

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
    /// Of [`Format::Int8`]; others begin with 0.
    pub(crate) start: Option<&'a Start>,
    /// Weights that will be read soon.
    pub(crate) upcoming: &'a [u32],
}

/// Rows that a tile should have at most.
pub(crate) fn most_rows(isa: Isa) -> usize {
    if isa.has_own_tile() {
        MOST_ROWS
    } else {
        PORTABLE_ROWS
    }
}

/// Sums of the first `count` rows, up to [`most_rows`].
///
/// # Panics
/// Operands shorter than their sizes say.
#[inline]
pub(crate) fn tile(isa: Isa, count: usize, job: &TileJob<'_>, sums: &mut Sums) {
    let words = job.format.panel_words();
    let last_panel = job.inner_panels.saturating_sub(1);
    assert!(
        count <= most_rows(isa)
            && job.rows.len() >= last_panel * job.step + count * words
            && job.weights.len() >= job.inner_panels * words * PANEL,
        "a tile of {count} rows is given operands too short for it"
    );
    #[cfg(target_arch = "x86_64")]
    if isa.has_own_tile() {
        return wide::tile(isa, count, job, sums);
    }
    match count {
        0 => {}
        1 => portable::tile::<1>(isa, job, sums),
        2 => portable::tile::<2>(isa, job, sums),
        _ => portable::tile::<PORTABLE_ROWS>(isa, job, sums),
    }
}

#[cfg(target_arch = "x86_64")]
mod wide {
    use super::super::isa::Level;
    use super::{Format, Isa, PANEL, Sums, TileJob, portable};
    use std::arch::x86_64::{
        __m512, __m512bh, __m512i, _MM_HINT_T1, _mm_prefetch, _mm512_castsi512_ps, _mm512_cvtepi32_ps,
        _mm512_dpbf16_ps, _mm512_dpbusd_epi32, _mm512_fmadd_ps, _mm512_loadu_si512, _mm512_set1_epi32,
        _mm512_setzero_ps, _mm512_setzero_si512, _mm512_storeu_ps,
    };

    /// Defines a tile of `R` rows: how sums begin, how a word of weights is added to them, and how they end.
    macro_rules! tile {
        ($name:ident, $features:literal, $words:literal, $sum:ty, $zero:ident, $begin:expr, $add:expr, $end:expr) => {
            /// # Safety
            /// The features have to be there, and the operands as long as [`super::tile`] checks.
            #[target_feature(enable = $features)]
            unsafe fn $name<const R: usize>(job: &TileJob<'_>, sums: &mut Sums) {
                let mut registers: [[$sum; 2]; R] = [[$zero(); 2]; R];
                if let Some(start) = job.start {
                    for (registers, start) in registers.iter_mut().zip(&start.0) {
                        for (register, start) in registers.iter_mut().zip(start.as_chunks::<16>().0) {
                            // SAFETY: `start` is 16 words.
                            *register = $begin(unsafe { _mm512_loadu_si512(start.as_ptr().cast()) });
                        }
                    }
                }
                let mut rows = job.rows.as_ptr();
                let mut weights = job.weights.as_ptr();
                let mut upcoming = job.upcoming.as_ptr();
                for _ in 0..job.inner_panels {
                    for word in 0..$words {
                        // SAFETY: the caller checked that there are `inner_panels * $words * PANEL` words.
                        let (first, second) = unsafe {
                            (
                                _mm512_loadu_si512(weights.cast()),
                                _mm512_loadu_si512(weights.add(PANEL / 2).cast()),
                            )
                        };
                        for (row, registers) in registers.iter_mut().enumerate() {
                            // SAFETY: row < R, and the caller checked that the last panel holds R rows.
                            let value = _mm512_set1_epi32(unsafe { *rows.add(row * $words + word) } as i32);
                            registers[0] = $add(registers[0], value, first);
                            registers[1] = $add(registers[1], value, second);
                        }
                        weights = weights.wrapping_add(PANEL);
                    }
                    _mm_prefetch::<_MM_HINT_T1>(upcoming.cast());
                    _mm_prefetch::<_MM_HINT_T1>(upcoming.wrapping_add(16).cast());
                    upcoming = upcoming.wrapping_add(32);
                    rows = rows.wrapping_add(job.step);
                }
                for (registers, sums) in registers.iter().zip(&mut sums.0) {
                    for (register, sums) in registers.iter().zip(sums.as_chunks_mut::<16>().0) {
                        // SAFETY: `sums` is 16 floats.
                        unsafe { _mm512_storeu_ps(sums.as_mut_ptr(), $end(*register)) };
                    }
                }
            }
        };
    }

    tile!(
        tile_f32,
        "avx512f",
        32,
        __m512,
        _mm512_setzero_ps,
        |start| _mm512_cvtepi32_ps(start),
        |sum, value, weights| _mm512_fmadd_ps(_mm512_castsi512_ps(value), _mm512_castsi512_ps(weights), sum),
        |sum| sum
    );
    tile!(
        tile_bf16,
        "avx512f,avx512bf16",
        16,
        __m512,
        _mm512_setzero_ps,
        |start| _mm512_cvtepi32_ps(start),
        // SAFETY: both are 512 bits, and every pattern of bits is a value.
        |sum, value: __m512i, weights: __m512i| unsafe {
            _mm512_dpbf16_ps(
                sum,
                std::mem::transmute::<__m512i, __m512bh>(value),
                std::mem::transmute::<__m512i, __m512bh>(weights),
            )
        },
        |sum| sum
    );
    tile!(
        tile_int8,
        "avx512f,avx512vnni",
        8,
        __m512i,
        _mm512_setzero_si512,
        |start| start,
        |sum, value, weights| _mm512_dpbusd_epi32(sum, value, weights),
        |sum| _mm512_cvtepi32_ps(sum)
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
    use super::{Format, Isa, PANEL, PORTABLE_ROWS, Sums, TileJob};

    /// More rows than a tile of these has, some at a time.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn in_parts(isa: Isa, count: usize, job: &TileJob<'_>, sums: &mut Sums) {
        let mut part = Sums([[0.0; PANEL]; super::MOST_ROWS]);
        let mut start = super::Start([[0; PANEL]; super::MOST_ROWS]);
        let mut first = 0;
        while first < count {
            let rows = PORTABLE_ROWS.min(count - first);
            if let Some(all) = job.start {
                start.0[..rows].copy_from_slice(&all.0[first..first + rows]);
            }
            let job = TileJob {
                rows: &job.rows[first * job.format.panel_words()..],
                start: job.start.map(|_| &start),
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
    fn for_each_word<const R: usize>(job: &TileJob<'_>, mut add: impl FnMut(usize, u32, &[u32; PANEL])) {
        let words = job.format.panel_words();
        let weights = job.weights.as_chunks::<PANEL>().0;
        for (panel, weights) in weights.chunks_exact(words).take(job.inner_panels).enumerate() {
            let rows: [&[u32]; R] =
                std::array::from_fn(|row| &job.rows[panel * job.step + row * words..][..words]);
            for (word, weights) in weights.iter().enumerate() {
                for (row, values) in rows.iter().enumerate() {
                    add(row, values[word], weights);
                }
            }
        }
    }

    #[inline(always)]
    fn tile_f32<const R: usize, const FUSED: bool>(job: &TileJob<'_>, sums: &mut Sums) {
        let mut registers = [[0.0_f32; PANEL]; R];
        for_each_word::<R>(job, |row, value, weights| {
            let value = f32::from_bits(value);
            for (sum, weight) in registers[row].iter_mut().zip(weights) {
                *sum = add::<FUSED>(*sum, value, f32::from_bits(*weight));
            }
        });
        sums.0[..R].copy_from_slice(&registers);
    }

    #[inline(always)]
    fn tile_bf16<const R: usize, const FUSED: bool>(job: &TileJob<'_>, sums: &mut Sums) {
        let mut registers = [[0.0_f32; PANEL]; R];
        for_each_word::<R>(job, |row, value, weights| {
            let value = bf16_pair(value);
            for (sum, weight) in registers[row].iter_mut().zip(weights) {
                let weight = bf16_pair(*weight);
                *sum = add::<FUSED>(add::<FUSED>(*sum, value.0, weight.0), value.1, weight.1);
            }
        });
        sums.0[..R].copy_from_slice(&registers);
    }

    #[inline(always)]
    fn tile_int8<const R: usize>(job: &TileJob<'_>, sums: &mut Sums) {
        let mut registers = [[0_i32; PANEL]; R];
        if let Some(start) = job.start {
            registers.copy_from_slice(&start.0[..R]);
        }
        for_each_word::<R>(job, |row, value, weights| {
            let value = value.to_ne_bytes().map(i32::from);
            for (sum, weight) in registers[row].iter_mut().zip(weights) {
                let weight = weight.to_ne_bytes().map(|byte| i32::from(byte as i8));
                *sum +=
                    value[0] * weight[0] + value[1] * weight[1] + value[2] * weight[2] + value[3] * weight[3];
            }
        });
        for (sums, registers) in sums.0.iter_mut().zip(&registers) {
            for (sum, register) in sums.iter_mut().zip(registers) {
                *sum = *register as f32;
            }
        }
    }
}
