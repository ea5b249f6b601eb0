//! Picture number i of a run.

use super::library::{Item, Library};
use crate::picture::{Rgb8, scaled_crop};
use crate::trainer::DataConfig;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rand_distr::{Distribution, StandardNormal};

/// Numbers of one picture.
pub(in crate::trainer) struct Dice(ChaCha8Rng);

impl Dice {
    pub(in crate::trainer) fn of_picture(seed: u64, index: u64) -> Self {
        let mut stream = ChaCha8Rng::seed_from_u64(seed);
        stream.set_stream(index);
        Self(stream)
    }

    /// Below 1, at least 0.
    pub(in crate::trainer) fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Below `count`.
    pub(in crate::trainer) fn index(&mut self, count: usize) -> usize {
        ((self.unit() * count as f64) as usize).min(count.saturating_sub(1))
    }

    pub(in crate::trainer) fn is_below(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    /// Of mean 0 and deviation 1.
    pub(in crate::trainer) fn normal(&mut self) -> f64 {
        StandardNormal.sample(&mut self.0)
    }

    pub(super) fn colour(&mut self) -> [f64; 3] {
        [0, 1, 2].map(|_| self.between(0.0, 255.0))
    }
}

impl Library {
    /// Picture number `index` of the run with this seed, `side` x `side`.
    pub fn picture(&self, seed: u64, index: u64, side: usize, config: &DataConfig) -> Rgb8 {
        let mut dice = Dice::of_picture(seed, index);
        let is_composite = dice.is_below(config.composite_share) && !self.cutouts.is_empty();
        if is_composite || self.photographs.is_empty() {
            self.composite(&mut dice, side, config)
        } else {
            self.photograph(&mut dice, side, config)
        }
    }

    /// A cut-out over a ground.
    pub fn composite_picture(&self, seed: u64, index: u64, side: usize, config: &DataConfig) -> Rgb8 {
        self.composite(&mut Dice::of_picture(seed, index), side, config)
    }

    /// One certain photograph or cut-out, changed as the next draws have it.
    pub(in crate::trainer) fn picture_of(
        &self,
        item: Item,
        dice: &mut Dice,
        side: usize,
        config: &DataConfig,
    ) -> Rgb8 {
        match item {
            Item::Photograph(index) => self.crop(index, dice, side, config),
            Item::Cutout(index) => {
                let mut ground = self.ground(dice, side, config);
                if let Some(cutout) = self.cutouts.get(index) {
                    cutout.lay_over(&mut ground, dice, config);
                }
                ground
            }
        }
    }

    fn ground(&self, dice: &mut Dice, side: usize, config: &DataConfig) -> Rgb8 {
        let is_plain = dice.is_below(config.plain_ground_share) || self.photographs.is_empty();
        if is_plain {
            plain_ground(dice, side)
        } else {
            self.photograph(dice, side, config)
        }
    }

    fn composite(&self, dice: &mut Dice, side: usize, config: &DataConfig) -> Rgb8 {
        let mut ground = self.ground(dice, side, config);
        if let Some(cutout) = self.cutouts.get(dice.index(self.cutouts.len())) {
            cutout.lay_over(&mut ground, dice, config);
        }
        ground
    }

    fn photograph(&self, dice: &mut Dice, side: usize, config: &DataConfig) -> Rgb8 {
        let drawn = dice.unit() * self.cumulative.last().copied().unwrap_or(1.0);
        let index = self.cumulative.partition_point(|sum| *sum <= drawn);
        let last = self.photographs.len().saturating_sub(1);
        self.crop(index.min(last), dice, side, config)
    }

    /// A crop of random scale and place, turned over half the time (the reference's augmentation).
    fn crop(&self, index: usize, dice: &mut Dice, side: usize, config: &DataConfig) -> Rgb8 {
        let covered = dice.between(config.smallest_crop, 1.0);
        let place = [dice.unit(), dice.unit()];
        let is_flipped = dice.is_below(0.5);
        let Some(picture) = self.photographs.get(index) else {
            return plain_ground(dice, side);
        };
        let mut crop = scaled_crop(picture, side as u32, covered, place);
        if is_flipped {
            crop.flip();
        }
        crop
    }
}

/// One colour, or a straight run from one to another.
fn plain_ground(dice: &mut Dice, side: usize) -> Rgb8 {
    let (first, second) = (dice.colour(), dice.colour());
    let is_gradient = dice.is_below(0.5);
    let angle = dice.between(0.0, std::f64::consts::TAU);
    let (x_share, y_share) = (angle.cos(), angle.sin());
    let mut bytes = Vec::with_capacity(3 * side * side);
    for y in 0..side {
        for x in 0..side {
            let along = |place: usize| (place as f64 + 0.5) / side as f64 - 0.5;
            let t = 0.5 + (along(x) * x_share + along(y) * y_share) / std::f64::consts::SQRT_2;
            let t = if is_gradient { t } else { 0.0 };
            bytes.extend(
                first
                    .iter()
                    .zip(&second)
                    .map(|(a, b)| (a + (b - a) * t).round() as u8),
            );
        }
    }
    Rgb8::new(side as u32, side as u32, bytes)
        .unwrap_or_else(|_| Rgb8::filled(side as u32, side as u32, [128; 3]))
}
