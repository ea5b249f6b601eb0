//! A sheet of pictures and what several models made of them.

use super::canvas::{Canvas, FAINT, GROUND, INK, TEXT_SIZE, TITLE_SIZE, Text, font, shortened};
use crate::analysis::PictureMetrics;
use crate::document::{ComparedFacts, DocumentError};
use crate::picture::Rgb8;
use ab_glyph::FontRef;

/// Least side of a cell: room for its figures.
const LEAST_SIDE: u32 = 300;
const GAP: u32 = 16;
const LINE: u32 = 20;
/// Lines under each picture.
const NOTES: u32 = 2;

/// What the columns are, and the pictures.
#[derive(Debug, Clone)]
pub struct ModelSheet<'a> {
    /// Heads of the columns after the original.
    pub models: Vec<ComparedFacts>,
    /// One a picture.
    pub rows: Vec<ModelSheetRow<'a>>,
}

/// A picture and what each model made of it.
#[derive(Debug, Clone)]
pub struct ModelSheetRow<'a> {
    /// Name of the picture.
    pub name: &'a str,
    /// The picture, fitted to a square.
    pub original: &'a Rgb8,
    /// As many as the sheet has models.
    pub cells: Vec<ModelSheetCell<'a>>,
}

/// What a model made of a picture.
#[derive(Debug, Clone, Copy)]
pub struct ModelSheetCell<'a> {
    /// At the model's own size.
    pub reconstruction: &'a Rgb8,
    /// How far it is from the picture at that size; `None` for a picture too small to compare.
    pub metrics: Option<PictureMetrics>,
}

/// Every picture of the sheet is drawn as large as the largest, so that the same part is at the same place in all.
///
/// # Errors
/// A sheet without rows.
pub fn model_sheet(sheet: &ModelSheet<'_>) -> Result<Rgb8, DocumentError> {
    let sides = sheet.rows.iter().flat_map(|row| {
        let cells = row.cells.iter().map(|cell| cell.reconstruction.width());
        cells.chain([row.original.width()])
    });
    let side = sides.max().ok_or_else(|| {
        DocumentError::Mismatch("there is nothing compared yet to make a sheet of".to_owned())
    })?;
    let side = side.max(1) * LEAST_SIDE.div_ceil(side.max(1));
    let font = font()?;
    let columns = 1 + sheet.models.len() as u32;
    let width = GAP + columns * (side + GAP);
    let head = GAP + 2 * LINE + GAP / 2;
    let row_height = side + GAP / 2 + NOTES * LINE + GAP;
    let foot_top = head + sheet.rows.len() as u32 * row_height;
    let canvas = Canvas::new(width, foot_top + LINE + GAP, GROUND);
    let mut page = Page { canvas, font, side };
    page.head("Original", "the picture, fitted", 0);
    for (model, column) in sheet.models.iter().zip(1..) {
        let facts = format!(
            "{}, {} px, {} tokens",
            model.class,
            model.side_px,
            model.shape_text()
        );
        page.head(&model.name, &facts, column);
    }
    for (row, index) in sheet.rows.iter().zip(0..) {
        page.row(row, head + index * row_height);
    }
    page.line(FOOT, TEXT_SIZE, FAINT, (GAP, foot_top), width - 2 * GAP);
    page.canvas.into_picture()
}

const FOOT: &str = "Each model at its own size, against the picture fitted to that size.  PSNR: 8-bit values, data range 1.  SSIM: 7x7 uniform window, data range 1; (paper): data range 2.";

struct Page {
    canvas: Canvas,
    font: FontRef<'static>,
    /// Of a cell, pixels.
    side: u32,
}

impl Page {
    fn left(&self, column: u32) -> u32 {
        GAP + column * (self.side + GAP)
    }

    fn line(&mut self, line: &str, size: f32, colour: [u8; 3], (left, top): (u32, u32), room: u32) {
        let line = shortened(&self.font, line, size, room as f32);
        self.canvas.text(
            &Text {
                font: &self.font,
                line: &line,
                size,
                colour,
            },
            left,
            top,
        );
    }

    fn head(&mut self, title: &str, facts: &str, column: u32) {
        let left = self.left(column);
        self.line(title, TITLE_SIZE, INK, (left, GAP), self.side);
        self.line(facts, TEXT_SIZE, FAINT, (left, GAP + LINE), self.side);
    }

    fn row(&mut self, row: &ModelSheetRow<'_>, top: u32) {
        let size = format!("{} x {} px", row.original.width(), row.original.height());
        self.cell(row.original, &[row.name.to_owned(), size], 0, top);
        for (cell, column) in row.cells.iter().zip(1..) {
            self.cell(cell.reconstruction, &figures(cell.metrics), column, top);
        }
    }

    fn cell(&mut self, picture: &Rgb8, notes: &[String; NOTES as usize], column: u32, top: u32) {
        let (left, side) = (self.left(column), self.side);
        self.canvas.draw(picture, left, top, side, side);
        for (note, row) in notes.iter().zip(0..) {
            let note_top = top + side + GAP / 2 + row * LINE;
            self.line(note, TEXT_SIZE, INK, (left, note_top), side);
        }
    }
}

fn figures(metrics: Option<PictureMetrics>) -> [String; NOTES as usize] {
    match metrics {
        Some(metrics) => [
            format!("PSNR {:.2} dB   SSIM {:.4}", metrics.psnr_db, metrics.ssim),
            format!("SSIM (paper) {:.4}   MSE {:.3e}", metrics.ssim_paper, metrics.mse),
        ],
        None => ["no figures: under 7 pixels".to_owned(), String::new()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_of_all_sizes_are_drawn_equally_large() {
        let original = Rgb8::filled(256, 256, [10, 20, 30]);
        let small = Rgb8::filled(64, 64, [200, 100, 50]);
        let facts = ComparedFacts {
            name: "small".to_owned(),
            hash: String::new(),
            class: "SoftVQ".to_owned(),
            side_px: 64,
            token_count: 8,
            dim: 16,
        };
        let sheet = ModelSheet {
            models: vec![facts],
            rows: vec![ModelSheetRow {
                name: "x.png",
                original: &original,
                cells: vec![ModelSheetCell {
                    reconstruction: &small,
                    metrics: None,
                }],
            }],
        };
        let picture = model_sheet(&sheet).unwrap();
        let side = 512;
        assert_eq!(picture.width(), GAP + 2 * (side + GAP));
        let count = |colour: [u8; 3]| picture.pixels().iter().filter(|pixel| **pixel == colour).count();
        assert_eq!(count([10, 20, 30]), (side * side) as usize);
        assert_eq!(count([200, 100, 50]), (side * side) as usize);
    }

    #[test]
    fn nothing_makes_no_sheet() {
        let sheet = ModelSheet {
            models: Vec::new(),
            rows: Vec::new(),
        };
        assert!(
            model_sheet(&sheet)
                .unwrap_err()
                .to_string()
                .contains("nothing compared")
        );
    }
}
