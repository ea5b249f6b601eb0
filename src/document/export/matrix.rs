use super::canvas::{Canvas, FAINT, GROUND, INK, TEXT_SIZE, TITLE_SIZE, Text, font, shortened};
use crate::analysis::heat_colours;
use crate::document::DocumentError;
use crate::picture::Rgb8;

const GAP: u32 = 16;
const LINE: u32 = 20;
/// Room left of the rows for their names.
const NAMES: u32 = 120;
/// Sides of a cell: as large as fits the sheet.
const CELL_RANGE: (u32, u32) = (6, 24);
/// About how many pixels the cells may take.
const SHEET: u32 = 900;
/// Up to so many columns are wide enough for their names.
const NAMED_COLUMNS: u32 = 12;
const NAMED_WIDTH: u32 = 72;

/// Figures by row and column, as colours.
#[derive(Debug, Clone, Copy)]
pub struct MatrixSheet<'a> {
    /// What is shown.
    pub title: &'a str,
    /// Names of the rows (R).
    pub rows: &'a [String],
    /// Names of the columns (C).
    pub columns: &'a [String],
    /// [R, C]; what is not finite is left blank.
    pub values: &'a [f64],
    /// What the darkest and the brightest colour mean.
    pub range: (f64, f64),
    /// Unit of the figures.
    pub unit: &'a str,
}

/// A heat map with the names of its rows and columns.
///
/// # Errors
/// `values` is not R x C; the built-in font cannot be read.
pub fn matrix_sheet(sheet: &MatrixSheet<'_>) -> Result<Rgb8, DocumentError> {
    let (rows, columns) = (sheet.rows.len() as u32, sheet.columns.len() as u32);
    if sheet.values.len() != sheet.rows.len() * sheet.columns.len() {
        return Err(DocumentError::Mismatch(format!(
            "a heat map of {rows} x {columns} cells was given {} figures",
            sheet.values.len()
        )));
    }
    let side = (SHEET / rows.max(columns).max(1)).clamp(CELL_RANGE.0, CELL_RANGE.1);
    let across = if columns <= NAMED_COLUMNS {
        NAMED_WIDTH
    } else {
        side
    };
    let font = font()?;
    let (left, top) = (GAP + NAMES, GAP + 3 * LINE);
    let width = (left + columns * across + GAP).max(640);
    let mut canvas = Canvas::new(width, top + rows * side + 2 * GAP, GROUND);
    let mut write = |line: &str, size: f32, colour, x: u32, y: u32, room: u32| {
        let line = shortened(&font, line, size, room as f32);
        let text = Text {
            font: &font,
            line: &line,
            size,
            colour,
        };
        canvas.text(&text, x, y);
    };
    write(sheet.title, TITLE_SIZE, INK, GAP, GAP, width - 2 * GAP);
    let (darkest, brightest) = sheet.range;
    let legend = format!("dark {darkest:.3}, bright {brightest:.3} {}", sheet.unit);
    write(&legend, TEXT_SIZE, FAINT, GAP, GAP + LINE, width - 2 * GAP);
    // As many names as have room.
    let every = |room: u32, cell: u32| room.div_ceil(cell).max(1) as usize;
    for (index, name) in sheet.columns.iter().enumerate().step_by(every(40, across)) {
        let x = left + index as u32 * across;
        write(name, TEXT_SIZE, FAINT, x, GAP + 2 * LINE, across.max(40) - 4);
    }
    for (index, name) in sheet.rows.iter().enumerate().step_by(every(16, side)) {
        write(name, TEXT_SIZE, INK, GAP, top + index as u32 * side, NAMES - 4);
    }
    let colours = heat_colours();
    let range = (brightest - darkest).max(f64::MIN_POSITIVE);
    for (index, value) in sheet
        .values
        .iter()
        .enumerate()
        .filter(|(_, value)| value.is_finite())
    {
        // A cast from a float saturates.
        let level = (255.0 * (value - darkest) / range).round() as u8;
        let colour = colours.get(usize::from(level)).copied().unwrap_or_default();
        let (row, column) = (index as u32 / columns.max(1), index as u32 % columns.max(1));
        let cell = Rgb8::filled(1, 1, colour);
        canvas.draw(&cell, left + column * across, top + row * side, across, side);
    }
    canvas.into_picture()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_the_range_have_the_ends_of_the_colours() {
        let names = |count: usize| (0..count).map(|index| index.to_string()).collect::<Vec<_>>();
        let (rows, columns) = (names(2), names(3));
        let sheet = MatrixSheet {
            title: "figures",
            rows: &rows,
            columns: &columns,
            values: &[0.0, 1.0, f64::NAN, 9.0, -9.0, 0.5],
            range: (0.0, 1.0),
            unit: "",
        };
        let picture = matrix_sheet(&sheet).unwrap();
        let colours = heat_colours();
        let cell = |row: u32, column: u32| {
            picture
                .pixel(
                    GAP + NAMES + NAMED_WIDTH * column + 5,
                    GAP + 3 * LINE + 24 * row + 5,
                )
                .unwrap()
        };
        assert_eq!(
            (cell(0, 0), cell(0, 1), cell(0, 2)),
            (colours[0], colours[255], GROUND)
        );
        assert_eq!(
            (cell(1, 0), cell(1, 1), cell(1, 2)),
            (colours[255], colours[0], colours[128])
        );
        assert!(
            matrix_sheet(&MatrixSheet {
                values: &[0.0],
                ..sheet
            })
            .is_err()
        );
    }
}
