//! The clipboard as a source of pictures, read on a thread of its own: another program may be slow to hand them over.

use super::dialogs::typed_path;
use crate::document::Import;
use crate::engine::Jobs;
use crate::picture::Rgb8;
use std::sync::Arc;

/// The name of a picture that came without a file.
const PASTED: &str = "pasted picture";

/// What was found, or why nothing was.
pub(super) type Pasted = Result<Vec<Import>, String>;

/// Reads that are under way.
pub(super) struct Clipboard {
    jobs: Jobs<Pasted>,
}

impl Clipboard {
    /// `ctx` is repainted when something was found.
    pub(super) fn new(ctx: &egui::Context) -> Self {
        let ctx = ctx.clone();
        Self {
            jobs: Jobs::new(move || ctx.request_repaint()),
        }
    }
    /// Reads what is on the clipboard: a picture, else paths.
    pub(super) fn read(&self) {
        self.jobs
            .run(|| read_picture().or_else(|refusal| paths_of(&read_text().map_err(|_| refusal)?)));
    }
    /// Takes text that the window was given: paths, else what picture is on the clipboard beside the text.
    pub(super) fn take_text(&self, text: String) {
        self.jobs
            .run(move || paths_of(&text).or_else(|refusal| read_picture().map_err(|_| refusal)));
    }
    /// Takes a picture that the window was given.
    pub(super) fn take_picture(&self, image: Arc<egui::ColorImage>) {
        self.jobs.run(move || {
            let [width, height] = image.size;
            over_white(width, height, image.pixels.iter().map(egui::Color32::to_array))
        });
    }
    /// The next outcome. Never waits.
    pub(super) fn poll(&self) -> Option<Pasted> {
        self.jobs.poll().map(Result::flatten)
    }
    /// Blocks for the next outcome; `None` when nothing is being read.
    pub(super) fn wait(&self) -> Option<Pasted> {
        self.jobs.wait().map(Result::flatten)
    }
}

fn read_picture() -> Result<Vec<Import>, String> {
    let image = arboard::Clipboard::new().and_then(|mut clipboard| clipboard.get_image());
    let image = image.map_err(|_| {
        "Nothing to paste: the clipboard holds neither a picture nor the path of one. \
         Copy a picture, or drop its file on the window."
            .to_owned()
    })?;
    // arboard gives straight alpha; egui's pictures are premultiplied.
    let pixels = image.bytes.chunks_exact(4).map(|pixel| match *pixel {
        [r, g, b, a] => egui::Color32::from_rgba_unmultiplied(r, g, b, a).to_array(),
        _ => [0; 4],
    });
    over_white(image.width, image.height, pixels)
}

fn read_text() -> Result<String, arboard::Error> {
    arboard::Clipboard::new()?.get_text()
}

fn paths_of(text: &str) -> Result<Vec<Import>, String> {
    let paths: Vec<Import> = text
        .lines()
        .map(typed_path)
        .filter(|path| path.is_absolute() && path.exists())
        .map(Import::Path)
        .collect();
    if paths.is_empty() {
        return Err("Nothing to paste: the text on the clipboard is not the path of a file.".to_owned());
    }
    Ok(paths)
}

/// Premultiplied RGBA over white.
fn over_white(
    width: usize,
    height: usize,
    pixels: impl Iterator<Item = [u8; 4]>,
) -> Result<Vec<Import>, String> {
    let unusable = |reason: String| format!("The picture on the clipboard could not be used: {reason}.");
    let side = |length: usize| u32::try_from(length).map_err(|error| unusable(error.to_string()));
    let data = pixels
        .flat_map(|[r, g, b, a]| [r, g, b].map(|value| value.saturating_add(255 - a)))
        .collect();
    let picture =
        Rgb8::new(side(width)?, side(height)?, data).map_err(|error| unusable(error.to_string()))?;
    Ok(vec![Import::Pixels {
        name: PASTED.to_owned(),
        picture: Arc::new(picture),
    }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_is_no_path_is_refused_with_words() {
        let refusal = paths_of("hello\nworld").unwrap_err();
        assert!(refusal.contains("not the path of a file"), "{refusal}");
    }

    #[test]
    fn a_path_of_a_file_is_taken_relative_ones_are_not() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let imports = paths_of(&format!("Cargo.toml\n\"{}\"", file.path().display())).unwrap();
        assert!(matches!(&imports[..], [Import::Path(path)] if path == file.path()));
    }

    #[test]
    fn transparency_is_laid_over_white() {
        let clear = [0, 0, 0, 0];
        let half_black = [0, 0, 0, 128];
        let imports = over_white(2, 1, [clear, half_black].into_iter()).unwrap();
        let [Import::Pixels { picture, .. }] = &imports[..] else {
            panic!("{imports:?}")
        };
        assert_eq!(picture.as_bytes(), [255, 255, 255, 127, 127, 127]);
    }
}
