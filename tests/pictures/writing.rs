//! Files written and read back, with the text inside.

use super::*;
use softscope::picture::{embedded_text, from_bytes, to_apng, to_gif, to_jpeg, to_png};

/// No likeness, and the characters that break naive formats.
fn awkward_text(length: usize) -> String {
    "{\"edits\": [1.5e-7, \"ä→\u{1f600}\\\"\"]}\n"
        .chars()
        .cycle()
        .take(length)
        .collect()
}

#[test]
fn png_gives_back_pixels_and_text() {
    let picture = noise(31, 17, 5);
    for length in [0, 1, 70_000, 3_000_000] {
        let text = awkward_text(length);
        let bytes = to_png(&picture, &[("softscope", &text), ("other", "x")]).unwrap();
        assert!(from_bytes(&bytes, "out.png").unwrap() == picture);
        assert!(
            embedded_text(&bytes, "softscope").unwrap().as_deref() == Some(&*text),
            "{length}"
        );
        assert_eq!(embedded_text(&bytes, "other").unwrap().as_deref(), Some("x"));
        assert_eq!(embedded_text(&bytes, "soft").unwrap(), None);
    }
}

#[test]
fn jpeg_gives_back_text_of_any_length() {
    let picture = smooth(31, 17, 5);
    for length in [0, 1, 64_999, 65_000, 65_001, 400_000] {
        let text: String = awkward_text(length);
        let bytes = to_jpeg(&picture, 95, &[("softscope", &text), ("other", "x")]).unwrap();
        assert!(
            embedded_text(&bytes, "softscope").unwrap().as_deref() == Some(&*text),
            "{length}"
        );
        assert_eq!(embedded_text(&bytes, "other").unwrap().as_deref(), Some("x"));
        assert_eq!(embedded_text(&bytes, "soft").unwrap(), None);
        let read = from_bytes(&bytes, "out.jpg").unwrap();
        assert!(compare(&read, &picture).unwrap().psnr_db > 25.0);
    }
}

#[test]
fn written_bytes_are_the_same_each_time() {
    let frames = [noise(9, 9, 1), noise(9, 9, 2)];
    let text = [("softscope", "{}")];
    assert_eq!(
        to_png(&frames[0], &text).unwrap(),
        to_png(&frames[0], &text).unwrap()
    );
    assert_eq!(
        to_jpeg(&frames[0], 90, &text).unwrap(),
        to_jpeg(&frames[0], 90, &text).unwrap()
    );
    assert_eq!(to_gif(&frames, 40).unwrap(), to_gif(&frames, 40).unwrap());
    assert_eq!(to_apng(&frames, 40).unwrap(), to_apng(&frames, 40).unwrap());
}

#[test]
fn pictures_without_text_have_none() {
    for name in [
        "plain.png",
        "plain.jpg",
        "plain.gif",
        "words.png",
        "empty.png",
        "truncated.jpg",
        "signature-only.png",
    ] {
        let bytes = std::fs::read(fixture(name)).unwrap();
        assert_eq!(embedded_text(&bytes, "softscope").unwrap(), None, "{name}");
    }
}

#[test]
fn damaged_text_is_an_error_and_never_another_text() {
    let picture = Rgb8::filled(8, 8, [120, 30, 60]);
    let text = awkward_text(150_000);
    let files = [
        to_png(&picture, &[("softscope", &text)]).unwrap(),
        to_jpeg(&picture, 90, &[("softscope", &text)]).unwrap(),
    ];
    for bytes in files {
        for place in (60..bytes.len()).step_by(bytes.len() / 97) {
            let mut damaged = bytes.clone();
            damaged[place] ^= 0x10;
            if let Ok(found) = embedded_text(&damaged, "softscope") {
                assert!(found.is_none_or(|found| found == text), "byte {place}");
            }
        }
    }
}

#[test]
fn a_lost_piece_of_text_is_an_error() {
    let picture = Rgb8::filled(8, 8, [0; 3]);
    let text = awkward_text(150_000);
    let bytes = to_jpeg(&picture, 90, &[("softscope", &text)]).unwrap();
    // The second APP15 segment: lead and marker, then a length that counts itself.
    let first = bytes.windows(2).position(|pair| pair == [0xff, 0xef]).unwrap();
    let length = |at: usize| 2 + usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
    let second = first + length(first);
    assert_eq!(bytes[second..second + 2], [0xff, 0xef]);
    let without = [&bytes[..second], &bytes[second + length(second)..]].concat();
    let message = embedded_text(&without, "softscope").unwrap_err().to_string();
    assert!(message.contains("pieces"), "{message}");
}

#[test]
fn writers_refuse_what_they_cannot_write() {
    let picture = smooth(8, 8, 0);
    assert!(matches!(
        to_jpeg(&picture, 0, &[]),
        Err(PictureError::Quality { .. })
    ));
    assert!(matches!(
        to_jpeg(&picture, 101, &[]),
        Err(PictureError::Quality { .. })
    ));
    assert!(matches!(
        to_png(&picture, &[("", "x")]),
        Err(PictureError::Keyword { .. })
    ));
    assert!(matches!(
        to_jpeg(&picture, 90, &[("a\0b", "x")]),
        Err(PictureError::Keyword { .. })
    ));
    assert!(matches!(to_gif(&[], 40), Err(PictureError::NoFrames)));
    let frames = [smooth(8, 8, 0), smooth(8, 9, 0)];
    assert!(matches!(
        to_apng(&frames, 40),
        Err(PictureError::FrameSize { frame: 1, .. })
    ));
    assert!(matches!(
        to_gif(&frames, 40),
        Err(PictureError::FrameSize { frame: 1, .. })
    ));
    assert!(
        to_gif(&[Rgb8::filled(70_000, 1, [0; 3])], 40)
            .unwrap_err()
            .to_string()
            .contains("GIF")
    );
}

#[test]
fn animations_hold_every_frame_and_never_end() {
    let frames = [noise(9, 7, 1), noise(9, 7, 2), smooth(9, 7, 3)];
    let bytes = to_apng(&frames, 40).unwrap();
    let mut reader = png::Decoder::new(std::io::Cursor::new(&bytes))
        .read_info()
        .unwrap();
    let control = reader.info().animation_control().unwrap();
    assert_eq!((control.num_frames, control.num_plays), (3, 0));
    for frame in &frames {
        let mut pixels = vec![0; frame.as_bytes().len()];
        reader.next_frame(&mut pixels).unwrap();
        assert!(pixels == frame.as_bytes());
    }
    let bytes = to_gif(&frames, 40).unwrap();
    let loops_forever = bytes.windows(16).any(|run| run == b"NETSCAPE2.0\x03\x01\0\0\0");
    // Graphic control: 4 hundredths of a second.
    let delays = bytes
        .windows(6)
        .filter(|run| run[..3] == [0x21, 0xf9, 4] && run[4..] == [4, 0])
        .count();
    assert!(loops_forever && delays == 3, "{loops_forever} {delays}");
    assert!(
        compare(&from_bytes(&bytes, "out.gif").unwrap(), &frames[0])
            .unwrap()
            .psnr_db
            > 20.0
    );
}
