//! Between row-major values, as everything else has them, and panels.

use super::isa::{Isa, vectorised};
use super::{FloatFormat, Format, PANEL, panels};
use rayon::prelude::*;

/// Channels that lie together, each group in panels of its own: the heads of an attention, or all as one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grouping {
    /// Channels of a group.
    pub(crate) group: usize,
}

impl Grouping {
    /// All channels side by side.
    pub(crate) fn dense(channels: usize) -> Self {
        Self {
            group: channels.max(1),
        }
    }

    /// Panels that hold `channels`.
    pub(crate) fn panels(self, channels: usize) -> usize {
        channels.div_ceil(self.group) * panels(self.group)
    }

    /// The channels that lie in a panel: the first of them, and how many.
    pub(crate) fn channels_of(self, panel: usize, channels: usize) -> (usize, usize) {
        let per_group = panels(self.group);
        let (group, within) = (panel / per_group, panel % per_group * PANEL);
        let first = group * self.group + within;
        let end = ((group + 1) * self.group).min(channels);
        (first.min(channels), end.saturating_sub(first).min(PANEL))
    }
}

/// Row-major `values` [rows, channels] to panels.
pub(crate) fn pack_rows(
    isa: Isa,
    format: FloatFormat,
    values: &[f32],
    channels: usize,
    grouping: Grouping,
    words: &mut [u32],
) {
    let rows = values.len() / channels.max(1);
    let panel_words = Format::from(format).panel_words();
    words
        .par_chunks_mut((rows * panel_words).max(1))
        .enumerate()
        .for_each(|(panel, words)| {
            let lanes = grouping.channels_of(panel, channels);
            pack_panel(isa, format, values, channels, lanes, words);
        });
}

vectorised! {
    fn pack_panel [] (
        isa,
        format: FloatFormat,
        values: &[f32],
        channels: usize,
        within: (usize, usize),
        words: &mut [u32],
    ) {
        let (first, count) = within;
        let panel_words = Format::from(format).panel_words();
        let mut lanes = [0.0; PANEL];
        for (row, words) in values.chunks_exact(channels).zip(words.chunks_exact_mut(panel_words)) {
            let row = &row[first..first + count];
            // Rows of a whole panel need no copy.
            if let Some(row) = row.first_chunk::<PANEL>() {
                format.encode(row, words);
            } else {
                lanes[..count].copy_from_slice(row);
                format.encode(&lanes, words);
            }
        }
    }
}

/// Panels of f32 to row-major `values` [rows, channels].
pub(crate) fn read_rows(panel_major: &[f32], channels: usize, values: &mut [f32]) {
    let rows = values.len() / channels.max(1);
    values
        .par_chunks_mut(channels.max(1))
        .with_min_len(16)
        .enumerate()
        .for_each(|(row, values)| {
            for (panel, values) in values.chunks_mut(PANEL).enumerate() {
                let start = (panel * rows + row) * PANEL;
                values.copy_from_slice(&panel_major[start..start + values.len()]);
            }
        });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_as_they_went_in() {
        for (rows, channels) in [(1, 1), (3, 32), (5, 33), (7, 100)] {
            let values: Vec<f32> = (0..rows * channels).map(|index| index as f32 - 40.0).collect();
            let mut words = vec![7; Format::F32.operand_words(rows, channels)];
            let grouping = Grouping::dense(channels);
            pack_rows(
                Isa::best(),
                FloatFormat::F32,
                &values,
                channels,
                grouping,
                &mut words,
            );
            let mut back = vec![0.0; values.len()];
            read_rows(bytemuck::cast_slice(&words), channels, &mut back);
            assert_eq!(back, values);
            let total: f32 = bytemuck::cast_slice::<u32, f32>(&words).iter().sum();
            assert_eq!(
                total,
                values.iter().sum::<f32>(),
                "what is beyond the channels is 0"
            );
        }
    }

    #[test]
    fn groups_have_panels_of_their_own() {
        let grouping = Grouping { group: 40 };
        assert_eq!(grouping.panels(80), 4);
        let found: Vec<_> = (0..4).map(|panel| grouping.channels_of(panel, 80)).collect();
        assert_eq!(found, [(0, 32), (32, 8), (40, 32), (72, 8)]);
        assert_eq!(Grouping::dense(70).channels_of(2, 70), (64, 6));
    }
}
