//! The window as a picture, for a person to look at.

use egui_kittest::Harness;
use std::path::Path;

/// Keeps the window as `target/pictures/NAME.png`.
pub(crate) fn keep<State>(window: &mut Harness<'_, State>, name: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/pictures");
    std::fs::create_dir_all(&folder).unwrap();
    // A machine without a renderer has none to keep.
    if let Ok(image) = window.render() {
        image.save(folder.join(format!("{name}.png"))).unwrap();
    }
}
