use super::PANEL;
use super::format::{Format, Levels};
use super::isa::{Isa, vectorised};
use super::norm::{ROW_BLOCK, for_each_panel};
use rayon::prelude::*;

/// Largest 8-bit activation.
const MOST_LEVEL: f32 = 255.0;

/// Panel-major `x` of `rows` rows, f32, to 8 bits: 0..255 are spread over each row's range, which holds 0.
pub(crate) fn quantise(isa: Isa, x: &[f32], rows: usize, levels: &mut Vec<Levels>, words: &mut [u32]) {
    levels.clear();
    levels.resize(rows, Levels::default());
    levels
        .par_chunks_mut(ROW_BLOCK)
        .with_min_len(2)
        .enumerate()
        .for_each(|(block, levels)| measure(isa, x, rows, block * ROW_BLOCK, levels));
    let panel_words = Format::Int8.panel_words();
    let levels = &*levels;
    words
        .par_chunks_mut((rows * panel_words).max(1))
        .zip(x.par_chunks((rows * PANEL).max(1)))
        .for_each(|(words, x)| round(isa, x, levels, words));
}

vectorised! {
    fn round [] (isa, x: &[f32], levels: &[Levels], words: &mut [u32]) {
        let bytes = bytemuck::cast_slice_mut::<u32, u8>(words).as_chunks_mut::<PANEL>().0;
        for ((x, levels), bytes) in x.as_chunks::<PANEL>().0.iter().zip(levels).zip(bytes) {
            let (factor, zero) = (1.0 / levels.scale, levels.zero as f32);
            for (byte, value) in bytes.iter_mut().zip(x) {
                let level = (value * factor + zero).round_ties_even();
                let level = if level > 0.0 { level } else { 0.0 };
                *byte = (if level < MOST_LEVEL { level } else { MOST_LEVEL }) as i32 as u8;
            }
        }
    }
}

vectorised! {
    fn measure [] (isa, x: &[f32], rows: usize, first: usize, levels: &mut [Levels]) {
        let mut lowest = [[0.0_f32; PANEL]; ROW_BLOCK];
        let mut highest = [[0.0_f32; PANEL]; ROW_BLOCK];
        for_each_panel(x, rows, first, levels.len(), |_, row, values| {
            for (lane, value) in lowest[row].iter_mut().zip(values) {
                *lane = if *value < *lane { *value } else { *lane };
            }
            for (lane, value) in highest[row].iter_mut().zip(values) {
                *lane = if *value > *lane { *value } else { *lane };
            }
        });
        for ((levels, lowest), highest) in levels.iter_mut().zip(&lowest).zip(&highest) {
            let lowest = lowest.iter().copied().fold(0.0, f32::min);
            let range = highest.iter().copied().fold(0.0, f32::max) - lowest;
            levels.scale = if range > 0.0 { range / MOST_LEVEL } else { 1.0 };
            levels.zero = (-lowest / levels.scale).round_ties_even() as i32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::panels;
    use super::*;

    #[test]
    fn values_stand_within_half_a_level() {
        let (rows, channels) = (19, 70);
        let size = panels(channels) * rows * PANEL;
        let x: Vec<f32> = (0..size)
            .map(|index| {
                let is_inside = index / (rows * PANEL) * PANEL + index % PANEL < channels;
                let value = (index * 7919 % 2003) as f32 / 100.0 - 3.0;
                if is_inside && index / PANEL % rows != 5 {
                    value
                } else {
                    0.0
                }
            })
            .collect();
        for isa in Isa::available() {
            let mut levels = Vec::new();
            let mut words = vec![0; Format::Int8.operand_words(rows, channels)];
            quantise(isa, &x, rows, &mut levels, &mut words);
            for (index, (value, byte)) in x.iter().zip(bytemuck::cast_slice::<u32, u8>(&words)).enumerate() {
                let Levels { scale, zero } = levels[index / PANEL % rows];
                let found = scale * (i32::from(*byte) - zero) as f32;
                assert!(
                    (found - value).abs() <= 0.51 * scale + 1e-6,
                    "{value} became {found}, levels of {scale}"
                );
            }
        }
    }
}
