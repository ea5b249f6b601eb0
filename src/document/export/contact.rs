use super::canvas::{Canvas, GROUND, INK, Text, font, shortened};
use crate::document::DocumentError;
use crate::picture::Rgb8;

/// Least width of a cell: room for its caption.
pub(super) const CELL: u32 = 128;
pub(super) const GAP: u32 = 8;
const LINE: u32 = 18;
const TEXT_SIZE: f32 = 14.0;

/// Pictures with a line of text under each, `columns` in a row, all cells as large as the first picture (drawn at a
/// whole multiple of its size, at least 128 pixels wide).
///
/// # Errors
/// The built-in font cannot be read, or the sheet is too large to hold.
pub fn contact_sheet(cells: &[(Rgb8, String)], columns: u32) -> Result<Rgb8, DocumentError> {
    let columns = columns.clamp(1, (cells.len() as u32).max(1));
    let (side, tall) = cells
        .first()
        .map_or((1, 1), |(picture, _)| (picture.width(), picture.height()));
    let scale = CELL.div_ceil(side.max(1));
    let (width, height) = (side * scale, tall * scale);
    let rows = (cells.len() as u32).div_ceil(columns);
    let (across, down) = (width + GAP, height + LINE + GAP);
    let mut canvas = Canvas::new(GAP + columns * across, GAP + rows * down, GROUND);
    let font = font()?;
    for (index, (picture, caption)) in (0_u32..).zip(cells) {
        let left = GAP + index % columns * across;
        let top = GAP + index / columns * down;
        canvas.draw(picture, left, top, width, height);
        let line = shortened(&font, caption, TEXT_SIZE, width as f32);
        let text = Text {
            font: &font,
            line: &line,
            size: TEXT_SIZE,
            colour: INK,
        };
        canvas.text(&text, left, top + height);
    }
    canvas.into_picture()
}
