//! Pixels prepared for a texture: sizes a device can hold, differences and heat maps as colours.

use crate::picture::Rgb8;
use crate::ui::theme;
use egui::{Color32, ColorImage};
use std::sync::{Arc, Weak};

/// Remembers which picture a texture was made from, without keeping it alive.
#[derive(Debug, Clone)]
pub(super) struct Origin<T>(Weak<T>);

impl<T> Origin<T> {
    pub(super) fn of(value: &Arc<T>) -> Self {
        Self(Arc::downgrade(value))
    }
    /// Whether it was this very value. A freed value's address is not given away while this remembers it.
    pub(super) fn is(&self, value: &Arc<T>) -> bool {
        std::ptr::eq(self.0.as_ptr(), Arc::as_ptr(value))
    }
}

/// The picture as opaque RGBA, reduced as by [`reduced_to`].
pub(super) fn within(picture: &Rgb8, max_side: u32) -> ColorImage {
    let size = [picture.width() as usize, picture.height() as usize];
    reduced_to(ColorImage::from_rgb(size, picture.as_bytes()), max_side)
}

/// The image, made smaller by a whole factor (box filter) where a side exceeds `max_side`.
pub(super) fn reduced_to(image: ColorImage, max_side: u32) -> ColorImage {
    let [width, height] = image.size;
    let factor = width.max(height).div_ceil(max_side.max(1) as usize);
    if factor <= 1 {
        return image;
    }
    let size = [width.div_ceil(factor), height.div_ceil(factor)];
    let pixels = (0..size[1])
        .flat_map(|y| (0..size[0]).map(move |x| (x, y)))
        .map(|(x, y)| block_mean(&image, x * factor, y * factor, factor))
        .collect();
    ColorImage::new(size, pixels)
}

/// Mean colour of the block of `side` x `side` opaque pixels at (`x`, `y`), cut off at the rim of the image.
fn block_mean(image: &ColorImage, x: usize, y: usize, side: usize) -> Color32 {
    let [width, height] = image.size;
    let mut sum = [0_usize; 3];
    let mut count = 0;
    for row in y..(y + side).min(height) {
        for pixel in image
            .pixels
            .iter()
            .skip(row * width + x)
            .take(side.min(width - x))
        {
            sum[0] += usize::from(pixel.r());
            sum[1] += usize::from(pixel.g());
            sum[2] += usize::from(pixel.b());
            count += 1;
        }
    }
    let [r, g, b] = sum.map(|total| ((total + count / 2) / count.max(1)) as u8);
    Color32::from_rgb(r, g, b)
}

/// How a difference becomes a colour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct DifferenceScale {
    /// Differences are multiplied by this before they are mapped.
    pub(super) gain: f32,
    /// Mean of b - a over the channels with the diverging map, else mean of |b - a| with the magnitude map.
    pub(super) signed: bool,
}

impl DifferenceScale {
    /// The difference in 8-bit levels at the ends of the map.
    pub(super) fn full_level(&self) -> f32 {
        255.0 / self.gain
    }

    /// The colour of pixels `a` and `b`.
    fn colour(&self, a: [u8; 3], b: [u8; 3]) -> Color32 {
        let channels = [0, 1, 2].map(|channel| f32::from(b[channel]) - f32::from(a[channel]));
        let mean = |values: [f32; 3]| values.iter().sum::<f32>() / (3.0 * 255.0) * self.gain;
        if self.signed {
            theme::signed(mean(channels))
        } else {
            theme::magnitude(mean(channels.map(f32::abs)))
        }
    }
}

/// False-colour difference at the resolution of `a`; `b` is read at the same place of the unit square.
pub(super) fn difference(a: &Rgb8, b: &Rgb8, scale: DifferenceScale) -> ColorImage {
    let pixels = (0..a.height())
        .flat_map(|y| (0..a.width()).map(move |x| (x, y)))
        .map(|(x, y)| {
            let other = |at: u32, of: u32, count: u32| {
                (u64::from(at) * u64::from(count) / u64::from(of.max(1))) as u32
            };
            match (
                a.pixel(x, y),
                b.pixel(other(x, a.width(), b.width()), other(y, a.height(), b.height())),
            ) {
                (Some(a), Some(b)) => scale.colour(a, b),
                _ => Color32::TRANSPARENT,
            }
        })
        .collect();
    ColorImage::new([a.width() as usize, a.height() as usize], pixels)
}

/// Columns and rows of a heat map of `count` values over `picture`: its own size, or else any square (a patch grid).
pub(super) fn heat_size(count: usize, picture: &Rgb8) -> Option<[u32; 2]> {
    let (width, height) = (picture.width(), picture.height());
    if count == width as usize * height as usize {
        return Some([width, height]);
    }
    let side = (count as f64).sqrt().round() as usize;
    let side = (side > 0 && side * side == count).then_some(side)?;
    u32::try_from(side).ok().map(|side| [side, side])
}

/// A value of a heat map, 0..1, as a byte; not-a-number is 0.
pub(super) fn heat_byte(value: f32) -> u8 {
    (value.clamp(0.0, 1.0) * 255.0).round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(width: u32, height: u32, colour: impl Fn(u32, u32) -> [u8; 3]) -> Rgb8 {
        let data = (0..height)
            .flat_map(|y| (0..width).map(move |x| (x, y)))
            .flat_map(|(x, y)| colour(x, y));
        Rgb8::new(width, height, data.collect()).unwrap()
    }

    #[test]
    fn small_pictures_keep_their_bytes() {
        let source = picture(3, 2, |x, y| [x as u8, y as u8, 7]);
        let texels = within(&source, 3);
        assert_eq!(texels.size, [3, 2]);
        assert_eq!(texels.pixels[4], Color32::from_rgb(1, 1, 7));
    }

    #[test]
    fn large_pictures_are_reduced_to_the_limit() {
        let source = picture(5, 3, |x, _| [10 * x as u8, 0, 0]);
        let texels = within(&source, 3);
        assert_eq!(texels.size, [3, 2]);
        assert_eq!(texels.pixels[0].r(), 5, "mean of columns 0 and 1");
        assert_eq!(
            texels.pixels[5].r(),
            40,
            "the last block has one column and one row"
        );
    }

    #[test]
    fn difference_maps_level_times_gain() {
        let a = picture(1, 1, |_, _| [100, 100, 100]);
        let b = picture(1, 1, |_, _| [130, 70, 100]);
        let unsigned = DifferenceScale {
            gain: 4.0,
            signed: false,
        };
        assert_eq!(
            difference(&a, &b, unsigned).pixels,
            [theme::magnitude(20.0 * 4.0 / 255.0)]
        );
        let signed = DifferenceScale {
            gain: 4.0,
            signed: true,
        };
        assert_eq!(
            difference(&a, &b, signed).pixels,
            [theme::signed(0.0)],
            "the channels cancel"
        );
        assert_eq!(difference(&a, &a, unsigned).pixels, [theme::magnitude(0.0)]);
    }

    #[test]
    fn heat_maps_have_the_size_of_the_picture_or_are_square() {
        let of = picture(4, 2, |_, _| [0; 3]);
        assert_eq!(heat_size(8, &of), Some([4, 2]));
        assert_eq!(heat_size(9, &of), Some([3, 3]));
        assert_eq!(heat_size(0, &of), None);
        assert_eq!(heat_size(7, &of), None);
        assert_eq!(heat_byte(f32::NAN), 0);
    }

    #[test]
    fn origin_knows_its_value() {
        let (one, other) = (Arc::new(5), Arc::new(5));
        let origin = Origin::of(&one);
        assert!(origin.is(&one) && !origin.is(&other));
    }
}
