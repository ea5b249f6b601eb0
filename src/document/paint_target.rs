//! What a painted region is to look like.

use crate::picture::{Mask, Planar, Rgb8};

/// The pixels of `source` for a region: the wanted picture has at a pixel what `source` has `offset` pixels to the right
/// and down of it. What falls outside of `source` counts no more in the mask that comes with it.
pub(super) fn moved_patch(source: &Rgb8, mask: &Mask, offset: [i32; 2]) -> (Planar, Mask) {
    let (width, height) = (mask.width(), mask.height());
    let mut wanted = Rgb8::filled(width, height, [0; 3]);
    let mut weights = mask.weights().to_vec();
    let slots = wanted.pixels_mut().iter_mut().zip(&mut weights);
    for ((pixel, weight), place) in slots.zip(0_u32..) {
        let along = |place: u32, offset: i32| place.checked_add_signed(offset);
        let (x, y) = (along(place % width, offset[0]), along(place / width, offset[1]));
        match x.zip(y).and_then(|(x, y)| source.pixel(x, y)) {
            Some(found) => *pixel = found,
            None => *weight = 0.0,
        }
    }
    let moved = Mask::new(width, height, weights).unwrap_or_else(|| mask.clone());
    (Planar::from_rgb8(&wanted), moved)
}

/// `picture` with `wanted` in its place, as far as a pixel counts. Pixels that `wanted` or the mask lack stay.
pub(super) fn composed(picture: &Rgb8, wanted: &Rgb8, mask: &Mask) -> Rgb8 {
    let mut composed = picture.clone();
    let pixels = composed.pixels_mut().iter_mut();
    for ((pixel, wanted), weight) in pixels.zip(wanted.pixels()).zip(mask.weights()) {
        for (byte, wanted) in pixel.iter_mut().zip(wanted) {
            let mixed = (1.0 - weight) * f32::from(*byte) + weight * f32::from(*wanted);
            *byte = mixed.round() as u8;
        }
    }
    composed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_counts_is_wanted_and_the_rest_stays() {
        let (black, white) = (Rgb8::filled(2, 1, [0; 3]), Rgb8::filled(2, 1, [200; 3]));
        let mask = Mask::new(2, 1, vec![0.0, 0.5]).unwrap();
        assert_eq!(composed(&black, &white, &mask).pixels(), [[0; 3], [100; 3]]);
        assert_eq!(
            composed(&black, &Rgb8::filled(1, 1, [9; 3]), &mask).pixels()[1],
            [0; 3]
        );
    }

    #[test]
    fn a_patch_is_taken_from_where_it_was_moved_to() {
        let bytes = (0..4 * 4 * 3).map(|value| value * 5).collect();
        let source = Rgb8::new(4, 4, bytes).unwrap();
        let mask = Mask::new(4, 4, vec![0.5; 16]).unwrap();
        let (same, whole) = moved_patch(&source, &mask, [0, 0]);
        assert_eq!((same, whole), (Planar::from_rgb8(&source), mask.clone()));
        let (moved, part) = moved_patch(&source, &mask, [1, -2]);
        let moved = moved.to_rgb8();
        for (index, weight) in part.weights().iter().enumerate() {
            let (x, y) = (index as u32 % 4, index as u32 / 4);
            if x == 3 || y < 2 {
                assert_eq!(*weight, 0.0);
            } else {
                assert_eq!(*weight, 0.5);
                let found = Planar::from_rgb8(&source).to_rgb8().pixel(x + 1, y - 2);
                assert_eq!(moved.pixel(x, y), found);
            }
        }
        assert!(moved_patch(&source, &mask, [i32::MAX, i32::MIN]).1.is_empty());
    }
}
