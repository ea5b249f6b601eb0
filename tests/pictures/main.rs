//! Pictures in and out: bit for bit what Pillow makes of them, every kind of file, every kind of damage.
//! Reference figures were made with Pillow 13.0.0 and scikit-image's default SSIM.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unreachable)] // a test stops at the first surprise

mod files;
mod fitting;
mod writing;

use softscope::analysis::compare;
use softscope::picture::{PictureError, Planar, Rgb8, open};
use std::path::{Path, PathBuf};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/pictures")
        .join(name)
}

fn open_fixture(name: &str) -> Rgb8 {
    open(&fixture(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Bytes without any likeness between neighbours.
fn noise(width: u32, height: u32, seed: u32) -> Rgb8 {
    let byte = |i: u32| (i.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 24) as u8;
    Rgb8::new(width, height, (0..width * height * 3).map(byte).collect()).unwrap()
}

/// Ramps that wrap around.
fn smooth(width: u32, height: u32, seed: u32) -> Rgb8 {
    let colour = |x: u32, y: u32| [x * 7 + y * 3 + seed, x * x / 5 + y + seed, x * y / 3 + 2 * seed];
    let pixels = (0..height).flat_map(|y| (0..width).flat_map(move |x| colour(x, y)));
    Rgb8::new(width, height, pixels.map(|value| (value % 256) as u8).collect()).unwrap()
}

fn max_difference(a: &Rgb8, b: &Rgb8) -> u8 {
    assert_eq!((a.width(), a.height()), (b.width(), b.height()));
    a.as_bytes()
        .iter()
        .zip(b.as_bytes())
        .map(|(a, b)| a.abs_diff(*b))
        .max()
        .unwrap()
}

#[test]
fn byte_conventions_are_the_references() {
    let values = [-2.0, -1.0, -0.004, 0.0, 0.5, 0.999, 1.0, 7.0, f32::NAN];
    let planar = Planar::new(3, 3, values.repeat(3)).unwrap();
    let red = |picture: &Rgb8| -> Vec<u8> { picture.pixels().iter().map(|pixel| pixel[0]).collect() };
    assert_eq!(red(&planar.to_rgb8()), [0, 0, 127, 128, 191, 255, 255, 255, 0]);
    assert_eq!(
        red(&planar.to_rgb8_generation()),
        [0, 0, 126, 127, 191, 254, 255, 255, 0]
    );
    assert_eq!(
        red(&planar.to_rgb8_notebook()),
        [0, 0, 126, 127, 191, 254, 255, 255, 0]
    );
}

#[test]
fn every_byte_survives_the_network_scale() {
    let ramp = Rgb8::new(
        16,
        16,
        (0..=255u8)
            .flat_map(|byte| [byte, 255 - byte, byte / 2])
            .collect(),
    )
    .unwrap();
    let planar = Planar::from_rgb8(&ramp);
    assert_eq!((planar.data[0], planar.data[255]), (-1.0, 1.0));
    assert!(max_difference(&planar.to_rgb8(), &ramp) <= 1);
}

#[test]
fn buffers_must_fit_their_size() {
    assert!(matches!(
        Rgb8::new(2, 2, vec![0; 11]),
        Err(PictureError::BufferLength { expected: 12, .. })
    ));
    assert!(matches!(
        Rgb8::new(0, 2, vec![]),
        Err(PictureError::ZeroSize { .. })
    ));
    assert!(Rgb8::new(u32::MAX, u32::MAX, vec![]).is_err());
    assert!(Planar::new(2, 2, vec![0.0; 4]).is_err());
    let picture = smooth(4, 3, 0);
    assert_eq!((picture.pixel(4, 0), picture.pixel(0, 3)), (None, None));
    assert_eq!(picture.pixel(1, 1).unwrap(), [10, 1, 0]);
}

#[test]
fn pasting_cuts_off_what_lies_outside() {
    let mut ground = Rgb8::filled(3, 3, [0; 3]);
    ground.paste(&Rgb8::filled(2, 2, [9; 3]), 2, 1);
    let marked = ground.pixels().iter().filter(|pixel| **pixel == [9; 3]).count();
    assert_eq!((marked, ground.pixel(2, 1)), (2, Some([9; 3])));
    ground.paste(&Rgb8::filled(2, 2, [9; 3]), 90, 90);
}

#[test]
fn metrics_equal_scikit_image() {
    for (width, height, mse, psnr_db, ssim, ssim_paper) in [
        (
            7,
            7,
            0.000996267788161016,
            30.01623911285964,
            0.6619079950029683,
            0.830692694551932,
        ),
        (
            64,
            48,
            0.0012740425690973558,
            28.94816060842725,
            0.9019833557275033,
            0.92810935978894,
        ),
        (
            33,
            90,
            0.0012745231804567956,
            28.946522613693503,
            0.8686239559190403,
            0.9087576202490536,
        ),
    ] {
        let a = smooth(width, height, 3);
        let grain = noise(width, height, 5);
        let add = |(a, grain): (&u8, &u8)| (i32::from(*a) + i32::from(*grain) / 8 - 16).clamp(0, 255) as u8;
        let b = Rgb8::new(
            width,
            height,
            a.as_bytes().iter().zip(grain.as_bytes()).map(add).collect(),
        )
        .unwrap();
        let found = compare(&a, &b).unwrap();
        for (found, expected) in [
            (found.mse, mse),
            (found.psnr_db, psnr_db),
            (found.ssim, ssim),
            (found.ssim_paper, ssim_paper),
        ] {
            let expected: f64 = expected;
            assert!(
                (found - expected).abs() < 1e-10 * expected.abs().max(1.0),
                "{found} {expected}"
            );
        }
    }
}
