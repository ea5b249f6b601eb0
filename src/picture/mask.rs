use super::fit::{Fit, fit};
use super::{Rgb8, Rgba8};

/// How much each pixel of a picture counts: W x H weights of 0..1, rows from the top.
#[derive(Debug, Clone, PartialEq)]
pub struct Mask {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) weights: Vec<f32>,
}

impl Mask {
    /// `None` when a side is 0, the length is not `width * height`, or a weight is outside 0..1.
    pub fn new(width: u32, height: u32, weights: Vec<f32>) -> Option<Self> {
        let pixels = u64::from(width) * u64::from(height);
        let is_usable = pixels > 0
            && weights.len() as u64 == pixels
            && weights.iter().all(|weight| (0.0..=1.0).contains(weight));
        is_usable.then_some(Self {
            width,
            height,
            weights,
        })
    }

    /// From a painted picture: its opacity where it has transparency, else its brightness (white counts, black does
    /// not). It becomes a square of `side` pixels as a picture does; what a fit adds at the edges counts nothing.
    pub fn fitted(painted: &Rgba8, side: u32, how: Fit) -> Self {
        let (width, height) = (painted.width(), painted.height());
        let is_transparent = painted.pixels().iter().any(|[.., alpha]| *alpha < u8::MAX);
        let level = |[red, green, blue, alpha]: &[u8; 4]| {
            if is_transparent {
                *alpha
            } else {
                ((u16::from(*red) + u16::from(*green) + u16::from(*blue)) / 3) as u8
            }
        };
        let grey = painted.pixels().iter().flat_map(|pixel| [level(pixel); 3]);
        let grey =
            Rgb8::new(width, height, grey.collect()).unwrap_or_else(|_| Rgb8::filled(width, height, [0; 3]));
        // Only what no picture reaches is the same whether the picture is black or white.
        let reached = |level| fit(&Rgb8::filled(width, height, [level; 3]), side, how);
        let (black, white, grey) = (reached(0), reached(u8::MAX), fit(&grey, side, how));
        let weights = grey
            .pixels()
            .iter()
            .zip(black.pixels().iter().zip(white.pixels()))
            .map(|([level, ..], (black, white))| {
                if black == white {
                    0.0
                } else {
                    f32::from(*level) / f32::from(u8::MAX)
                }
            });
        Self {
            width: grey.width(),
            height: grey.height(),
            weights: weights.collect(),
        }
    }

    /// Columns.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// One weight a pixel, 0..1.
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// Sum of the weights: how many whole pixels it amounts to.
    pub fn area(&self) -> f64 {
        self.weights.iter().map(|weight| f64::from(*weight)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn painted(width: u32, height: u32, pixel: impl Fn(u32, u32) -> [u8; 4]) -> Rgba8 {
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        let data = pixels.flat_map(|(x, y)| pixel(x, y)).collect();
        Rgba8::new(width, height, data).unwrap()
    }

    #[test]
    fn opacity_counts_where_there_is_any_else_brightness() {
        let bright = painted(8, 8, |x, _| {
            if x < 4 {
                [255, 255, 255, 255]
            } else {
                [0, 0, 0, 255]
            }
        });
        let mask = Mask::fitted(&bright, 8, Fit::Crop);
        assert_eq!(
            (mask.area(), mask.weights()[0], mask.weights()[7]),
            (32.0, 1.0, 0.0)
        );
        let opaque = painted(
            8,
            8,
            |x, _| if x < 2 { [0, 0, 0, 255] } else { [255, 255, 255, 0] },
        );
        assert_eq!(Mask::fitted(&opaque, 8, Fit::Crop).area(), 16.0);
    }

    #[test]
    fn what_padding_adds_counts_nothing() {
        let white = painted(8, 4, |_, _| [255; 4]);
        let mask = Mask::fitted(&white, 8, Fit::Pad);
        assert_eq!((mask.width(), mask.height()), (8, 8));
        assert_eq!(mask.area(), 32.0);
        assert_eq!(mask.weights()[0], 0.0);
    }

    #[test]
    fn weights_must_fit_and_lie_in_range() {
        assert!(Mask::new(2, 2, vec![0.0, 1.0, 0.5, 0.25]).is_some());
        for wrong in [vec![0.0; 3], vec![0.0, 0.0, 0.0, 1.5], vec![f32::NAN; 4]] {
            assert!(Mask::new(2, 2, wrong).is_none());
        }
        assert!(Mask::new(0, 2, vec![]).is_none());
    }
}
