use super::canvas::{Canvas, FAINT, GROUND, INK, TEXT_SIZE, TITLE_SIZE, Text, font, shortened};
use crate::analysis::{PictureMetrics, compare, difference_map};
use crate::document::DocumentError;
use crate::picture::Rgb8;

/// Least width of a column: room for its figures.
const COLUMN: u32 = 300;
const GAP: u32 = 16;
const LINE: u32 = 20;

/// What a comparison sheet shows; all pictures of one size.
#[derive(Debug, Clone, Copy)]
pub struct SheetPictures<'a> {
    /// The model's square of the picture.
    pub original: &'a Rgb8,
    /// Its decode without edits.
    pub reconstruction: &'a Rgb8,
    /// Its decode with edits.
    pub edited: &'a Rgb8,
    /// Name of the picture.
    pub name: &'a str,
    /// Name and hash of the model, for the foot.
    pub model: &'a str,
    /// Number of edits in force.
    pub edit_count: usize,
}

/// Original, reconstruction, edited and false-colour difference side by side, each with its name and figures.
pub fn comparison_sheet(sheet: &SheetPictures<'_>) -> Result<Rgb8, DocumentError> {
    let difference = difference_map(sheet.original, sheet.edited, 255.0 / BRIGHTEST).ok_or_else(|| {
        DocumentError::Mismatch("the pictures of a comparison sheet must be of one size".to_owned())
    })?;
    let font = font()?;
    let (side, tall) = (sheet.original.width().max(1), sheet.original.height());
    let scale = COLUMN.div_ceil(side);
    let (column, height) = (side * scale, tall * scale);
    let columns = [
        (
            sheet.original,
            "Original".to_owned(),
            [sheet.name.to_owned(), format!("{side} x {tall} px")],
        ),
        (
            sheet.reconstruction,
            "Reconstruction".to_owned(),
            figures(compare(sheet.original, sheet.reconstruction)),
        ),
        (
            sheet.edited,
            edited_title(sheet.edit_count),
            figures(compare(sheet.original, sheet.edited)),
        ),
        (
            &difference,
            "|Edited - original|".to_owned(),
            difference_legend(sheet.original, sheet.edited),
        ),
    ];
    let width = GAP + columns.len() as u32 * (column + GAP);
    let picture_top = GAP + LINE + GAP / 2;
    let notes_top = picture_top + height + GAP / 2;
    let foot_top = notes_top + 2 * LINE + GAP / 2;
    let mut canvas = Canvas::new(width, foot_top + LINE + GAP, GROUND);
    for (index, (picture, title, notes)) in columns.iter().enumerate() {
        let left = GAP + index as u32 * (column + GAP);
        let mut line = |line: &str, size, colour, top| {
            let line = shortened(&font, line, size, column as f32);
            canvas.text(
                &Text {
                    font: &font,
                    line: &line,
                    size,
                    colour,
                },
                left,
                top,
            );
        };
        line(title, TITLE_SIZE, INK, GAP);
        for (row, note) in notes.iter().enumerate() {
            line(note, TEXT_SIZE, INK, notes_top + row as u32 * LINE);
        }
        canvas.draw(picture, left, picture_top, column, height);
    }
    let foot = format!(
        "{}.  PSNR: 8-bit values, data range 1.  SSIM: 7x7 uniform window, data range 1.  Figures are against the original.",
        sheet.model
    );
    let foot = shortened(&font, &foot, TEXT_SIZE, (width - 2 * GAP) as f32);
    canvas.text(
        &Text {
            font: &font,
            line: &foot,
            size: TEXT_SIZE,
            colour: FAINT,
        },
        GAP,
        foot_top,
    );
    canvas.into_picture()
}

fn edited_title(edit_count: usize) -> String {
    match edit_count {
        0 => "Edited (no edits)".to_owned(),
        1 => "Edited (1 edit)".to_owned(),
        count => format!("Edited ({count} edits)"),
    }
}

fn figures(metrics: Option<PictureMetrics>) -> [String; 2] {
    match metrics {
        Some(metrics) => [
            format!("PSNR {:.2} dB   SSIM {:.4}", metrics.psnr_db, metrics.ssim),
            format!("MSE {:.3e}", metrics.mse),
        ],
        None => ["no figures: under 7 pixels".to_owned(), String::new()],
    }
}

/// How to read the colours, and the largest mean difference over the channels of a pixel.
fn difference_legend(a: &Rgb8, b: &Rgb8) -> [String; 2] {
    let difference = |(a, b): (&[u8; 3], &[u8; 3])| {
        a.iter()
            .zip(b)
            .map(|(a, b)| u32::from(a.abs_diff(*b)))
            .sum::<u32>()
    };
    let largest = a
        .pixels()
        .iter()
        .zip(b.pixels())
        .map(difference)
        .max()
        .unwrap_or(0);
    [
        format!("dark 0, brightest {BRIGHTEST:.0} or more of 255"),
        format!("largest {:.1}", f64::from(largest) / 3.0),
    ]
}

/// Mean absolute difference of a pixel that gets the brightest colour, of 255.
const BRIGHTEST: f32 = 64.0;
