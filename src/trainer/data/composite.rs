//! Cut-outs laid over a ground at any place, size and angle.

use super::draw::Dice;
use crate::picture::{Rgb8, Rgba8};
use crate::trainer::DataConfig;

/// A picture with transparency and its halvings, so that a small copy is not made of single pixels.
#[derive(Debug, Clone)]
pub(super) struct Cutout {
    /// Each half the side of the one before.
    levels: Vec<Level>,
}

/// Colours multiplied by their alpha, so that neighbours mix without a seam.
#[derive(Debug, Clone)]
struct Level {
    width: usize,
    height: usize,
    /// Red, green, blue times alpha, and alpha, 0..255.
    pixels: Vec<[u8; 4]>,
}

/// Below this side a level is not halved again.
const SMALLEST_SIDE: usize = 16;

impl Level {
    fn at(&self, x: isize, y: isize) -> [f32; 4] {
        let is_inside = (0..self.width as isize).contains(&x) && (0..self.height as isize).contains(&y);
        let pixel = is_inside.then(|| self.pixels.get(y as usize * self.width + x as usize));
        pixel.flatten().map_or([0.0; 4], |pixel| pixel.map(f32::from))
    }

    /// Between four pixels; `x` and `y` in pixels from the top left corner. Outside there is nothing.
    fn between(&self, x: f32, y: f32) -> [f32; 4] {
        let (x, y) = (x - 0.5, y - 0.5);
        let (left, top) = (x.floor(), y.floor());
        let (right_share, lower_share) = (x - left, y - top);
        let (column, row) = (left as isize, top as isize);
        let corners = [
            (self.at(column, row), (1.0 - right_share) * (1.0 - lower_share)),
            (self.at(column + 1, row), right_share * (1.0 - lower_share)),
            (self.at(column, row + 1), (1.0 - right_share) * lower_share),
            (self.at(column + 1, row + 1), right_share * lower_share),
        ];
        let mut mixed = [0.0; 4];
        for (pixel, weight) in corners {
            for (sum, value) in mixed.iter_mut().zip(pixel) {
                *sum += value * weight;
            }
        }
        mixed
    }

    fn halved(&self) -> Self {
        let (width, height) = (self.width / 2, self.height / 2);
        let pixels = (0..width * height)
            .map(|index| {
                let (x, y) = ((2 * (index % width)) as isize, (2 * (index / width)) as isize);
                let four = [
                    self.at(x, y),
                    self.at(x + 1, y),
                    self.at(x, y + 1),
                    self.at(x + 1, y + 1),
                ];
                [0, 1, 2, 3].map(|channel: usize| {
                    let sum: f32 = four.iter().map(|pixel| pixel[channel]).sum();
                    (sum / 4.0).round() as u8
                })
            })
            .collect();
        Self {
            width,
            height,
            pixels,
        }
    }
}

/// Where and how a cut-out lies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placement {
    /// Longer side of the cut-out as a share of the picture's side.
    pub size: f64,
    /// How far it is turned, clockwise.
    pub angle_radians: f64,
    /// Its centre from the left and from the top, as shares of the picture's side.
    pub centre: [f64; 2],
    /// Whether its left is its right.
    pub is_flipped: bool,
}

impl Placement {
    /// A random size, angle and place, turned over half the time; most of the cut-out stays inside. In pixels of a
    /// picture of `side`, so that the same draws give the same picture.
    pub(super) fn drawn(dice: &mut Dice, side: f64, config: &DataConfig) -> Self {
        let [smallest, largest] = config.cutout_size;
        let size = side * dice.between(smallest, largest);
        let turn = config.cutout_turn_degrees.to_radians();
        let angle_radians = dice.between(-turn, turn);
        let room = (side - size).max(0.0) / 2.0 + config.cutout_overhang * side;
        let centre = [0, 1].map(|_| side / 2.0 + dice.between(-room, room));
        Self {
            size: size / side,
            angle_radians,
            centre: centre.map(|place| place / side),
            is_flipped: dice.is_below(0.5),
        }
    }
}

impl Cutout {
    pub(super) fn new(picture: &Rgba8) -> Self {
        let pixels = picture
            .pixels()
            .iter()
            .map(|[red, green, blue, alpha]| {
                let times_alpha = |value: &u8| ((u32::from(*value) * u32::from(*alpha) + 127) / 255) as u8;
                [times_alpha(red), times_alpha(green), times_alpha(blue), *alpha]
            })
            .collect();
        let mut level = Level {
            width: picture.width() as usize,
            height: picture.height() as usize,
            pixels,
        };
        let mut levels = Vec::new();
        while level.width.min(level.height) >= 2 * SMALLEST_SIDE {
            let next = level.halved();
            levels.push(std::mem::replace(&mut level, next));
        }
        levels.push(level);
        Self { levels }
    }

    /// Lays the cut-out over a ground as large as the placement's shares are of.
    pub(super) fn lay_over(&self, ground: &mut Rgb8, placement: &Placement) {
        let side = f64::from(ground.width());
        let size = side * placement.size;
        let angle = placement.angle_radians;
        let centre = placement.centre.map(|share| side * share);

        // The level whose pixels are nearest above the size wanted.
        let level = self
            .levels
            .iter()
            .rev()
            .find(|level| level.width.max(level.height) as f64 >= size)
            .or(self.levels.first());
        let Some(level) = level else { return };
        let scale = level.width.max(level.height) as f64 / size;
        let (sine, cosine) = angle.sin_cos();
        let mirror = if placement.is_flipped { -1.0 } else { 1.0 };
        let width = ground.width() as usize;
        for (index, pixel) in ground.pixels_mut().iter_mut().enumerate() {
            let x = (index % width) as f64 + 0.5 - centre[0];
            let y = (index / width) as f64 + 0.5 - centre[1];
            let across = mirror * (cosine * x + sine * y) * scale + level.width as f64 / 2.0;
            let down = (cosine * y - sine * x) * scale + level.height as f64 / 2.0;
            let [red, green, blue, alpha] = level.between(across as f32, down as f32);
            if alpha > 0.0 {
                let left = 1.0 - alpha / 255.0;
                for (under, over) in pixel.iter_mut().zip([red, green, blue]) {
                    *under = (f32::from(*under) * left + over).round() as u8;
                }
            }
        }
    }
}
