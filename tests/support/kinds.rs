//! Pictures of two kinds that differ in brightness.

use softscope::picture::{self, Rgb8};
use std::path::Path;

/// A pattern of its own for every number, bright or dark.
pub(crate) fn pattern(number: u32, is_bright: bool) -> Rgb8 {
    let (side, base) = (48, if is_bright { 150 } else { 20 });
    let pixel = |index: u32| {
        let (x, y) = (index % side, index / side);
        let value = base + ((x * (number + 2) / 7 + y * 3) % 90) as u8;
        [value, value / 2 + 30, 255 - value]
    };
    Rgb8::new(side, side, (0..side * side).flat_map(pixel).collect()).unwrap()
}

/// Writes the sub-folders `bright` and `dark` of `each` pictures: `bright/bright-00.png` and so on.
pub(crate) fn write_kinds(folder: &Path, each: u32) {
    for kind in ["bright", "dark"] {
        std::fs::create_dir_all(folder.join(kind)).unwrap();
        for number in 0..each {
            let png = picture::to_png(&pattern(number, kind == "bright"), &[]).unwrap();
            std::fs::write(folder.join(format!("{kind}/{kind}-{number:02}.png")), png).unwrap();
        }
    }
}
