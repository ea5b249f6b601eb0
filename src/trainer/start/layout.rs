//! How a linear start shares out the channels of a ViT: what the patches of a token's cell hold, and where they are.

use super::cells;
use crate::tokenizer::VitSize;
use crate::trainer::{ModelConfig, TrainedClass};
use std::f64::consts::TAU;

/// Waves of the position code that tell patches apart well enough.
const FEWEST_WAVES: usize = 4;
/// The fastest wave, radians for each patch, and the longest over the shortest.
const FASTEST_WAVE: f64 = 0.35 * TAU;
const WAVE_RATIO: f64 = 10.0;
/// How much more a query's exact match counts than nothing, before the softmax.
const MATCH_LOGIT: f64 = 24.0;
/// How much more the wanted kind of token counts than the other.
const KIND_LOGIT: f64 = 6.0;
/// How much more the class token counts for a patch that a head is not for.
const NOTHING_LOGIT: f64 = 40.0;
/// Height of the class token's mark.
const CLASS_HEIGHT: f64 = 5.0;

/// The channels of one ViT, in order: the contents of each patch of a cell, the position code, then single marks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Channels {
    pub(super) width: usize,
    pub(super) head_dim: usize,
    /// Patches on a side of the picture.
    pub(super) side: usize,
    /// Rows and columns of the latent tokens' grid.
    grid: (usize, usize),
    /// Patches of a cell; a head for each.
    pub(super) slots: usize,
    waves: usize,
}

/// Which tokens a head of the first block looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Looking {
    /// Latent tokens for a patch of their cell.
    ForPatches,
    /// Patches of a slot for the token of their cell; others find the class token.
    ForLatents,
}

/// Whether a model can start as a linear code.
///
/// # Errors
/// A message that names the key.
pub(in crate::trainer) fn linear_fits(model: &ModelConfig) -> Result<(), String> {
    if model.class != TrainedClass::SoftVq || !model.codebook_l2_norm || model.channels < 3 {
        return Err(
            "`start.kind` is \"linear\"; that takes `model.class` \"softvq\", `model.codebook_l2_norm` and 3 `model.channels` \
             or more"
                .to_owned(),
        );
    }
    Channels::of(model, model.encoder, "encoder")?;
    Channels::of(model, model.decoder, "decoder").map(|_| ())
}

impl Channels {
    /// # Errors
    /// A message that names the key which leaves no room.
    pub(super) fn of(model: &ModelConfig, size: VitSize, name: &str) -> Result<Self, String> {
        let side = model.image_size / model.patch_size.max(1);
        let (rows, columns) = cells(model.tokens);
        if rows == 0 || !side.is_multiple_of(rows) || !side.is_multiple_of(columns) {
            return Err(format!(
                "`start.kind` is \"linear\"; that takes `model.tokens` whose {rows} x {columns} cells fit {side} x {side} patches"
            ));
        }
        let slots = side / rows * (side / columns);
        let head_dim = size.embed_dim / size.num_heads.max(1);
        let marks = 3 + slots;
        let room = size.embed_dim.saturating_sub(slots * head_dim + marks);
        let waves = (room / 4).min(head_dim.saturating_sub(2) / 4);
        if slots > size.num_heads || waves < FEWEST_WAVES {
            return Err(format!(
                "`start.kind` is \"linear\"; `model.{name}` needs a head for each of the {slots} patches of a token and room for \
                 {FEWEST_WAVES} position waves; \"near\" goes with any size"
            ));
        }
        Ok(Self {
            width: size.embed_dim,
            head_dim,
            side,
            grid: (rows, columns),
            slots,
            waves,
        })
    }

    /// Channels that hold what patches look like.
    pub(super) fn contents(&self) -> usize {
        self.slots * self.head_dim
    }

    /// First of the marks: a constant, the kind of token, the class token, then one for each slot.
    fn marks(&self) -> usize {
        self.contents() + 4 * self.waves
    }

    fn frequency(&self, wave: usize) -> f64 {
        FASTEST_WAVE * WAVE_RATIO.powf(-(wave as f64) / self.waves as f64)
    }

    fn cell(&self) -> (usize, usize) {
        (self.side / self.grid.0, self.side / self.grid.1)
    }

    /// Row and column of a patch of a cell from the cell's middle, in patches.
    fn offset(&self, slot: usize) -> (f64, f64) {
        let (rows, columns) = self.cell();
        let from_middle = |index: usize, count: usize| index as f64 - (count as f64 - 1.0) / 2.0;
        (
            from_middle(slot / columns, rows),
            from_middle(slot % columns, columns),
        )
    }

    /// Latent token and slot of a patch.
    pub(super) fn place(&self, patch: usize) -> (usize, usize) {
        let (rows, columns) = self.cell();
        let (row, column) = (patch / self.side, patch % self.side);
        (
            row / rows * self.grid.1 + column / columns,
            row % rows * columns + column % columns,
        )
    }

    /// Writes the code of a place, and a mark for each token.
    fn position(&self, row: f64, column: f64, kind: f64) -> Vec<f64> {
        let mut values = vec![0.0; self.width];
        for (axis, place) in [row, column].into_iter().enumerate() {
            for wave in 0..self.waves {
                let angle = place * self.frequency(wave);
                let start = self.contents() + 2 * axis * self.waves + wave;
                set(&mut values, start, angle.sin());
                set(&mut values, start + self.waves, angle.cos());
            }
        }
        set(&mut values, self.marks(), 1.0);
        set(&mut values, self.marks() + 1, kind);
        values
    }

    /// [1 + side x side, width]: the class token's mark, then the patches.
    pub(super) fn picture_positions(&self) -> Vec<f32> {
        let mut class = vec![0.0; self.width];
        set(&mut class, self.marks(), 1.0);
        set(&mut class, self.marks() + 2, CLASS_HEIGHT);
        let patches = (0..self.side * self.side).flat_map(|patch| {
            let (row, column) = (patch / self.side, patch % self.side);
            let mut values = self.position(row as f64, column as f64, 1.0);
            set(&mut values, self.marks() + 3 + self.place(patch).1, 1.0);
            values
        });
        class
            .into_iter()
            .chain(patches)
            .map(|value| value as f32)
            .collect()
    }

    /// [tokens, width]: each in the middle of its cell.
    pub(super) fn latent_positions(&self) -> Vec<f32> {
        let (cell_rows, cell_columns) = self.cell();
        let middle = |index: usize, cell: usize| (index * cell) as f64 + (cell as f64 - 1.0) / 2.0;
        (0..self.grid.0 * self.grid.1)
            .flat_map(|token| {
                let (row, column) = (token / self.grid.1, token % self.grid.1);
                self.position(middle(row, cell_rows), middle(column, cell_columns), -1.0)
            })
            .map(|value| value as f32)
            .collect()
    }

    /// Rows of the queries and of the keys of the head for a slot, each [head size, width].
    pub(super) fn queries_and_keys(&self, slot: usize, looking: Looking) -> (Vec<f32>, Vec<f32>) {
        let mut queries = vec![0.0; self.head_dim * self.width];
        let mut keys = queries.clone();
        // A token's norm turns each of its channels into this many times its height.
        let norm = self.width as f64 / (2 * self.waves + 3) as f64;
        let root = (self.head_dim as f64).sqrt();
        let gain = (MATCH_LOGIT * root / (2.0 * self.waves as f64 * norm)).sqrt();
        let sign = if looking == Looking::ForPatches { 1.0 } else { -1.0 };
        let (row, column) = self.offset(slot);
        for (axis, shift) in [row * sign, column * sign].into_iter().enumerate() {
            for wave in 0..self.waves {
                let (sin, cos) = (shift * self.frequency(wave)).sin_cos();
                let row = 2 * axis * self.waves + wave;
                let (sine, cosine) = (self.contents() + row, self.contents() + row + self.waves);
                for (row, channel) in [(row, sine), (row + self.waves, cosine)] {
                    set(&mut keys, row * self.width + channel, gain);
                    set(&mut queries, row * self.width + channel, gain * cos);
                }
                set(&mut queries, row * self.width + cosine, gain * sin);
                set(&mut queries, (row + self.waves) * self.width + sine, -gain * sin);
            }
        }
        let kind_row = 4 * self.waves * self.width;
        let kind_gain = (KIND_LOGIT / 2.0 * root / norm).sqrt();
        set(&mut queries, kind_row + self.marks(), sign * kind_gain);
        set(&mut keys, kind_row + self.marks() + 1, kind_gain);
        if looking == Looking::ForLatents {
            let class_norm = (self.width as f64 / (1.0 + CLASS_HEIGHT * CLASS_HEIGHT)).sqrt();
            let gain = (NOTHING_LOGIT / 2.0 * root / (norm.sqrt() * CLASS_HEIGHT * class_norm)).sqrt();
            let nothing_row = kind_row + self.width;
            set(&mut keys, nothing_row + self.marks() + 2, gain);
            for other in 0..self.slots {
                let wanted = if other == slot { -gain } else { gain };
                set(&mut queries, nothing_row + self.marks() + 3 + other, wanted);
            }
        }
        let as_f32 = |values: Vec<f64>| values.into_iter().map(|value| value as f32).collect();
        (as_f32(queries), as_f32(keys))
    }
}

/// `values[index] = value`, where there is such a place.
fn set(values: &mut [f64], index: usize, value: f64) {
    if let Some(place) = values.get_mut(index) {
        *place = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_patch_has_a_token_and_a_slot_of_its_own() {
        let model = ModelConfig::default();
        let channels = Channels::of(&model, model.encoder, "encoder").unwrap();
        let mut places: Vec<_> = (0..64).map(|patch| channels.place(patch)).collect();
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), 64);
        assert!(places.iter().all(|(token, slot)| *token < 32 && *slot < 2));
    }

    #[test]
    fn sizes_without_room_are_named() {
        let mut model = ModelConfig::default();
        model.decoder.num_heads = 1;
        assert!(linear_fits(&model).unwrap_err().contains("model.decoder"));
        model = ModelConfig::default();
        model.tokens = 30;
        assert!(linear_fits(&model).unwrap_err().contains("model.tokens"));
    }
}
