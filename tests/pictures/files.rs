//! Every kind of file, every kind of damage.

use super::*;
use softscope::picture::from_bytes;

#[test]
fn lossless_files_are_read_exactly() {
    let expected = smooth(12, 8, 40);
    for name in [
        "plain.png",
        "plain.bmp",
        "plain.tif",
        "plain.webp",
        "rgb-16-bit.png",
    ] {
        assert!(open_fixture(name) == expected, "{name}");
    }
    for orientation in 1..=8 {
        let picture = open_fixture(&format!("orientation-{orientation}.png"));
        let (width, height) = if orientation < 5 { (12, 8) } else { (8, 12) };
        assert_eq!(
            (picture.width(), picture.height()),
            (width, height),
            "orientation {orientation}"
        );
        // Where the stored top left corner belongs.
        let (x, y) = [(0, 0), (11, 0), (11, 7), (0, 7), (0, 0), (7, 0), (7, 11), (0, 11)][orientation - 1];
        assert_eq!(
            picture.pixel(x, y),
            expected.pixel(0, 0),
            "orientation {orientation}"
        );
    }
}

#[test]
fn lossy_files_are_read_closely() {
    let expected = smooth(12, 8, 40);
    assert!(max_difference(&open_fixture("progressive.jpg"), &expected) <= 12);
    let turned = open_fixture("orientation-6.jpg");
    let corner = turned
        .pixel(7, 0)
        .unwrap()
        .iter()
        .zip(expected.pixel(0, 0).unwrap())
        .all(|(a, b)| a.abs_diff(b) < 12);
    assert!((turned.width(), turned.height()) == (8, 12) && corner);
    assert_eq!(open_fixture("plain.jpg").width(), 12);
}

#[test]
fn other_colour_models_become_rgb() {
    for name in ["cmyk.jpg", "cmyk.tif"] {
        let picture = open_fixture(name);
        for ((x, y), expected) in [
            ((0, 0), [235, 235, 198]),
            ((9, 5), [102, 161, 198]),
            ((3, 15), [191, 14, 198]),
        ] {
            let found = picture.pixel(x, y).unwrap();
            assert!(
                found.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 4),
                "{name}: {found:?} {expected:?}"
            );
        }
    }
    for (name, tolerance) in [("grey.jpg", 2), ("grey-16-bit.png", 0)] {
        let [red, green, blue] = open_fixture(name).pixel(3, 2).unwrap();
        assert!(
            red.abs_diff(55) <= tolerance && red == green && green == blue,
            "{name}: {red} {green} {blue}"
        );
    }
    let levels = open_fixture("one-bit.png");
    assert!(levels.as_bytes().iter().all(|byte| matches!(byte, 0 | 255)));
    assert!(max_difference(&open_fixture("palette.png"), &smooth(12, 8, 40)) < 100);
}

#[test]
fn transparency_shows_white() {
    let colours = smooth(12, 8, 40);
    for name in ["alpha.png", "alpha.webp"] {
        let picture = open_fixture(name);
        assert_eq!(
            (picture.pixel(0, 3), picture.pixel(11, 3)),
            (Some([255; 3]), colours.pixel(11, 3)),
            "{name}"
        );
        // Column 6: alpha 139.
        let over_white = |value: u8| (f64::from(value) * 139.0 / 255.0 + 116.0).round() as u8;
        assert_eq!(
            picture.pixel(6, 2),
            colours.pixel(6, 2).map(|colour| colour.map(over_white)),
            "{name}"
        );
    }
    assert_eq!(open_fixture("grey-alpha.png").pixel(0, 7), Some([255; 3]));
}

#[test]
fn animations_give_their_first_frame() {
    let first = noise(6, 5, 1);
    for name in ["animated.gif", "animated.webp"] {
        let picture = open_fixture(name);
        assert_eq!((picture.width(), picture.height()), (6, 5), "{name}");
        // The palette costs something, another frame would be far off.
        let distance: u32 = picture
            .as_bytes()
            .iter()
            .zip(first.as_bytes())
            .map(|(a, b)| u32::from(a.abs_diff(*b)))
            .sum();
        assert!(distance < 30 * 90, "{name}: {distance}");
    }
}

fn message(name: &str) -> String {
    match open(&fixture(name)) {
        Ok(picture) => panic!(
            "{name} gave a picture of {} x {}",
            picture.width(),
            picture.height()
        ),
        Err(error) => error.to_string(),
    }
}

#[test]
fn broken_files_say_what_is_wrong() {
    for (name, expected) in [
        ("truncated.png", "is damaged"),
        ("truncated.jpg", "breaks off"),
        ("truncated.gif", "is damaged"),
        ("truncated.webp", "is damaged"),
        ("truncated.bmp", "is damaged"),
        ("truncated.tif", "is damaged"),
        ("bad-checksum.png", "is damaged"),
        ("signature-only.png", "is damaged"),
        ("signature-only.jpg", "is damaged"),
        ("empty.png", "is empty"),
        ("words.png", "not a picture of a known kind"),
        ("zero-size.png", "zero-size.png"),
        ("zero-size.gif", "zero-size.gif"),
        ("huge.png", "is too large: 100000 x 100000"),
        ("large-16-bit.png", "is too large: 14000 x 14000"),
        ("not there.png", "cannot read"),
        ("float.tif", "cannot be read"),
    ] {
        let message = message(name);
        assert!(
            message.contains(expected) && message.contains(name),
            "{name}: {message}"
        );
    }
}

#[test]
fn folders_and_unreadable_files_are_refused() {
    assert!(matches!(open(&fixture("")), Err(PictureError::NotAFile { .. })));
    assert!(
        from_bytes(&[], "pasted")
            .unwrap_err()
            .to_string()
            .contains("'pasted' is empty")
    );
}

#[test]
fn no_cut_of_any_file_panics_or_passes_for_whole() {
    for name in [
        "plain.png",
        "plain.jpg",
        "plain.gif",
        "plain.webp",
        "plain.bmp",
        "plain.tif",
        "progressive.jpg",
    ] {
        let bytes = std::fs::read(fixture(name)).unwrap();
        let whole = from_bytes(&bytes, name).unwrap();
        for length in 0..bytes.len() {
            // The last bytes may be padding or an end mark that carries no pixels.
            if let Ok(picture) = from_bytes(&bytes[..length], name) {
                assert!(
                    picture == whole,
                    "{name} cut to {length} of {} bytes",
                    bytes.len()
                );
            }
        }
    }
}

#[test]
fn no_flipped_byte_panics() {
    for name in [
        "plain.png",
        "plain.jpg",
        "plain.gif",
        "plain.webp",
        "plain.bmp",
        "plain.tif",
    ] {
        let mut bytes = std::fs::read(fixture(name)).unwrap();
        for place in 0..bytes.len() {
            bytes[place] ^= 0xff;
            // Either outcome is right: what counts is that there is one.
            let _ = from_bytes(&bytes, name);
            bytes[place] ^= 0xff;
        }
    }
}
