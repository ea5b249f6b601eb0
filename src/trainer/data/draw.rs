//! Picture number i of a run.

use super::composite::Placement;
use super::library::{Item, Library};
use crate::picture::{Rgb8, scaled_crop};
use crate::trainer::{DataConfig, GroundColours};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rand_distr::{Distribution, StandardNormal};
use std::path::PathBuf;

/// A cut-out over a ground, with all that is known of it.
#[derive(Debug, Clone)]
pub struct Composite {
    /// The picture.
    pub picture: Rgb8,
    /// File of the cut-out.
    pub cutout: PathBuf,
    /// Where and how it lies.
    pub placement: Placement,
    /// Whether the ground is a colour or a gradient, not a photograph.
    pub is_plain: bool,
}

/// No channel of a pale colour is below this.
const DARKEST_PALE: f64 = 215.0;

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

    pub(super) fn colour(&mut self, colours: GroundColours) -> [f64; 3] {
        let darkest = match colours {
            GroundColours::Any => 0.0,
            GroundColours::Pale => DARKEST_PALE,
        };
        [0, 1, 2].map(|_| self.between(darkest, 255.0))
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
                let (mut ground, _) = self.ground(dice, side, config);
                self.lay_over(index, &mut ground, dice, config);
                ground
            }
        }
    }

    /// The same as [`Self::composite_picture`] with what is known of it; `None` of a library without cut-outs.
    pub fn labelled_composite(
        &self,
        seed: u64,
        index: u64,
        side: usize,
        config: &DataConfig,
    ) -> Option<Composite> {
        let (picture, laid) = self.compose(&mut Dice::of_picture(seed, index), side, config);
        let (cutout, placement, is_plain) = laid?;
        Some(Composite {
            picture,
            cutout: self.file_of(Item::Cutout(cutout))?.to_owned(),
            placement,
            is_plain,
        })
    }

    fn composite(&self, dice: &mut Dice, side: usize, config: &DataConfig) -> Rgb8 {
        self.compose(dice, side, config).0
    }

    /// The picture; number of the cut-out, where it lies, and whether the ground is plain.
    fn compose(
        &self,
        dice: &mut Dice,
        side: usize,
        config: &DataConfig,
    ) -> (Rgb8, Option<(usize, Placement, bool)>) {
        let (mut ground, is_plain) = self.ground(dice, side, config);
        let index = dice.index(self.cutouts.len());
        let placement = self.lay_over(index, &mut ground, dice, config);
        (ground, placement.map(|placement| (index, placement, is_plain)))
    }

    /// Lays a cut-out where the next draws have it.
    fn lay_over(
        &self,
        index: usize,
        ground: &mut Rgb8,
        dice: &mut Dice,
        config: &DataConfig,
    ) -> Option<Placement> {
        let cutout = self.cutouts.get(index)?;
        let placement = Placement::drawn(dice, f64::from(ground.width()), config);
        cutout.lay_over(ground, &placement);
        Some(placement)
    }

    /// What a cut-out is laid over, and whether that is plain.
    fn ground(&self, dice: &mut Dice, side: usize, config: &DataConfig) -> (Rgb8, bool) {
        let is_plain = dice.is_below(config.plain_ground_share) || self.photographs.is_empty();
        let ground = if is_plain {
            plain_ground(dice, side, config.ground_colours)
        } else {
            self.photograph(dice, side, config)
        };
        (ground, is_plain)
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
            return plain_ground(dice, side, config.ground_colours);
        };
        let mut crop = scaled_crop(picture, side as u32, covered, place);
        if is_flipped {
            crop.flip();
        }
        crop
    }
}

/// One colour, or a straight run from one to another.
fn plain_ground(dice: &mut Dice, side: usize, colours: GroundColours) -> Rgb8 {
    let (first, second) = (dice.colour(colours), dice.colour(colours));
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
