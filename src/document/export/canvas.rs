use crate::document::DocumentError;
use crate::picture::Rgb8;
use ab_glyph::{Font, FontRef, PxScale, ScaleFont, point};

pub(super) const TITLE_SIZE: f32 = 19.0;
pub(super) const TEXT_SIZE: f32 = 15.0;
pub(super) const GROUND: [u8; 3] = [250, 250, 250];
pub(super) const INK: [u8; 3] = [24, 24, 28];
pub(super) const FAINT: [u8; 3] = [96, 96, 104];

/// Pixels under construction; what is drawn outside is cut off.
pub(super) struct Canvas {
    width: u32,
    height: u32,
    data: Vec<u8>,
}

impl Canvas {
    pub(super) fn new(width: u32, height: u32, ground: [u8; 3]) -> Self {
        let pixels = width as usize * height as usize;
        Self {
            width,
            height,
            data: ground.into_iter().cycle().take(3 * pixels).collect(),
        }
    }

    pub(super) fn into_picture(self) -> Result<Rgb8, DocumentError> {
        Ok(Rgb8::new(self.width, self.height, self.data)?)
    }

    fn pixel_mut(&mut self, x: u32, y: u32) -> Option<&mut [u8]> {
        if x >= self.width || y >= self.height {
            return None;
        }
        let start = 3 * (y as usize * self.width as usize + x as usize);
        self.data.get_mut(start..start + 3)
    }

    /// Draws a picture as large as `width` x `height`, each pixel by the one of the picture that lies there.
    pub(super) fn draw(&mut self, picture: &Rgb8, left: u32, top: u32, width: u32, height: u32) {
        let nearest =
            |at: u32, of: u32, count: u32| (u64::from(at) * u64::from(count) / u64::from(of)) as u32;
        for y in 0..height {
            for x in 0..width {
                if let (Some(colour), Some(pixel)) = (
                    picture.pixel(
                        nearest(x, width, picture.width()),
                        nearest(y, height, picture.height()),
                    ),
                    self.pixel_mut(left + x, top + y),
                ) {
                    pixel.copy_from_slice(&colour);
                }
            }
        }
    }

    /// Draws one line of text whose letters' top is about `top`.
    pub(super) fn text(&mut self, text: &Text<'_>, left: u32, top: u32) {
        let font = text.font.as_scaled(PxScale::from(text.size));
        let mut caret = left as f32;
        let base = top as f32 + font.ascent();
        let mut previous = None;
        for character in text.line.chars() {
            let id = font.glyph_id(character);
            if let Some(previous) = previous {
                caret += font.kern(previous, id);
            }
            previous = Some(id);
            let glyph = id.with_scale_and_position(font.scale(), point(caret, base));
            caret += font.h_advance(id);
            let Some(outline) = font.outline_glyph(glyph) else {
                continue;
            };
            let corner = outline.px_bounds().min;
            outline
                .draw(|x, y, cover| self.blend(corner.x + x as f32, corner.y + y as f32, text.colour, cover));
        }
    }

    fn blend(&mut self, x: f32, y: f32, colour: [u8; 3], cover: f32) {
        if x < 0.0 || y < 0.0 {
            return;
        }
        if let Some(pixel) = self.pixel_mut(x as u32, y as u32) {
            for (value, target) in pixel.iter_mut().zip(colour) {
                let mixed =
                    f32::from(*value) + cover.clamp(0.0, 1.0) * (f32::from(target) - f32::from(*value));
                *value = mixed.round() as u8;
            }
        }
    }
}

/// A line of text.
pub(super) struct Text<'a> {
    pub(super) font: &'a FontRef<'a>,
    pub(super) line: &'a str,
    /// Height from ascent to descent, pixels.
    pub(super) size: f32,
    pub(super) colour: [u8; 3],
}

/// Width of a line in pixels.
fn text_width(font: &FontRef<'_>, line: &str, size: f32) -> f32 {
    let font = font.as_scaled(PxScale::from(size));
    line.chars()
        .map(|character| font.h_advance(font.glyph_id(character)))
        .sum()
}

/// The font of all sheets: the window's own.
pub(super) fn font() -> Result<FontRef<'static>, DocumentError> {
    FontRef::try_from_slice(epaint_default_fonts::UBUNTU_LIGHT)
        .map_err(|error| DocumentError::Mismatch(format!("the built-in font cannot be read: {error}")))
}

/// Cuts a line that is wider than `room` pixels and marks the cut.
pub(super) fn shortened(font: &FontRef<'_>, line: &str, size: f32, room: f32) -> String {
    if text_width(font, line, size) <= room {
        return line.to_owned();
    }
    let mut kept = line.to_owned();
    while kept.pop().is_some() {
        let cut = format!("{}…", kept.trim_end());
        if text_width(font, &cut, size) <= room {
            return cut;
        }
    }
    kept
}
