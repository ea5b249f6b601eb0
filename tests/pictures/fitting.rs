//! Pictures to a model's square, bit for bit as Pillow does it.

use super::*;
use safetensors::SafeTensors;
use sha2::{Digest, Sha256};
use softscope::picture::{Fit, fit, thumbnail};

fn short_hash(picture: &Rgb8) -> String {
    Sha256::digest(picture.as_bytes())
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Noise or ramps, width, height, side, hashes of crop, stretch and pad.
const PILLOW: [(bool, u32, u32, u32, [&str; 3]); 12] = [
    (
        true,
        1,
        1,
        8,
        ["75932f2646ed530b", "75932f2646ed530b", "75932f2646ed530b"],
    ),
    (
        true,
        5,
        3,
        16,
        ["1dc7512a57a0647e", "8df57588ac5f6cef", "b7110485899bdbdb"],
    ),
    (
        false,
        33,
        77,
        32,
        ["b6aecf47d3c2c7fe", "f5a906893bb616df", "455e7a1e32de9a52"],
    ),
    (
        true,
        64,
        64,
        64,
        ["9e5fe4211af37111", "9e5fe4211af37111", "9e5fe4211af37111"],
    ),
    (
        false,
        127,
        129,
        64,
        ["804574aa568b1bd0", "05f40919c6c4e38e", "96de2dac39182170"],
    ),
    (
        true,
        128,
        300,
        64,
        ["9358c0ff74bec497", "6eaff9fefa2bd8bc", "952945403980f69f"],
    ),
    (
        false,
        255,
        511,
        64,
        ["faf5b31310d8d2c9", "84bc56320c56b19c", "2f4da43dbd4ba180"],
    ),
    (
        true,
        1000,
        37,
        32,
        ["a77523ca78fb88be", "46480bac496f0bfa", "32965e01c2fd185b"],
    ),
    (
        false,
        513,
        769,
        256,
        ["d927d7c57c207f6b", "8303d29bef47e254", "7b1cc6c19a1925ec"],
    ),
    (
        true,
        301,
        203,
        100,
        ["8676bbff6c6a789e", "7070dcd819a611ba", "babb31ad5aefa2cf"],
    ),
    (
        false,
        2,
        900,
        8,
        ["39828ffaa15ac4ca", "477a6561b1f996f2", "57b141554f3e2aea"],
    ),
    (
        true,
        97,
        64,
        48,
        ["5c4a6f0d330669be", "1b7262ec3fe3255c", "0cbf86d82a48d263"],
    ),
];

#[test]
fn fit_is_pillow_bit_for_bit() {
    for (is_noise, width, height, side, expected) in PILLOW {
        let picture = if is_noise {
            noise(width, height, 11)
        } else {
            smooth(width, height, 11)
        };
        for (how, expected) in [Fit::Crop, Fit::Stretch, Fit::Pad].into_iter().zip(expected) {
            let fitted = fit(&picture, side, how);
            assert_eq!((fitted.width(), fitted.height()), (side, side));
            assert_eq!(
                short_hash(&fitted),
                expected,
                "{width} x {height} to {side}, {how:?}"
            );
        }
    }
}

fn golden_picture(file: &SafeTensors, name: &str) -> Rgb8 {
    let view = file.tensor(name).unwrap();
    let [height, width, 3] = *view.shape() else {
        panic!("{name}: {:?}", view.shape())
    };
    Rgb8::new(width as u32, height as u32, view.data().to_vec()).unwrap()
}

fn check_golden_fit(file: &SafeTensors, case: usize) {
    let source = golden_picture(file, &format!("{case}.src_u8"));
    let crop = golden_picture(file, &format!("{case}.center_crop_u8"));
    assert!(fit(&source, crop.width(), Fit::Crop) == crop, "case {case}: crop");
    let stretched = golden_picture(file, &format!("{case}.demo_resize_u8"));
    assert!(
        fit(&source, stretched.width(), Fit::Stretch) == stretched,
        "case {case}: stretch"
    );
}

#[test]
fn fit_equals_the_reference_on_photographs() {
    let bytes = std::fs::read(fixture("preprocess.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    check_golden_fit(&file, 2);
    check_golden_fit(&file, 3);
}

#[test]
fn fit_and_normalisation_equal_all_goldens() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../shared/goldens/misc/p_preprocess/io.safetensors"
    );
    let Ok(bytes) = std::fs::read(path) else {
        eprintln!("SKIPPED: {path} is not there; the copies in tests/fixtures are still checked");
        return;
    };
    let file = SafeTensors::deserialize(&bytes).unwrap();
    for case in 0..4 {
        check_golden_fit(&file, case);
        let crop = golden_picture(&file, &format!("{case}.center_crop_u8"));
        let expected = file.tensor(&format!("{case}.center_crop_norm")).unwrap();
        let found: Vec<u8> = Planar::from_rgb8(&crop)
            .data
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        assert!(found == expected.data(), "case {case}: normalisation");
    }
}

#[test]
fn slivers_fit_without_taking_their_enlarged_size() {
    // Enlarged whole, this would be 256 x 25 million pixels.
    let sliver = smooth(1, 100_000, 0);
    let fitted = fit(&sliver, 256, Fit::Crop);
    assert_eq!((fitted.width(), fitted.height()), (256, 256));
    assert_eq!(fit(&sliver, 64, Fit::Pad).pixel(0, 0), Some([128; 3]));
}

#[test]
fn thumbnails_keep_the_shape_and_never_enlarge() {
    let small = thumbnail(&smooth(900, 300, 0), 96);
    assert_eq!((small.width(), small.height()), (96, 32));
    assert_eq!(thumbnail(&smooth(2000, 1, 0), 64).height(), 1);
    let tiny = smooth(10, 20, 0);
    assert_eq!(thumbnail(&tiny, 64), tiny);
}
