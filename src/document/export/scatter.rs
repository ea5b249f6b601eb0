use super::canvas::{Canvas, FAINT, GROUND, INK, TEXT_SIZE, TITLE_SIZE, Text, font, shortened};
use crate::analysis::mixed_order;
use crate::document::DocumentError;
use crate::picture::Rgb8;

const GAP: u32 = 16;
const LINE: u32 = 20;
/// Side of the square that the points lie in.
const FIELD: u32 = 720;
/// Side of a point.
const POINT: u32 = 3;
/// Width of the legend.
const LEGEND: u32 = 200;

/// Points in the plane, each with a colour.
#[derive(Debug, Clone, Copy)]
pub struct ScatterSheet<'a> {
    /// What is shown.
    pub title: &'a str,
    /// How it was made, under the title.
    pub note: &'a str,
    /// Places; the axes are scaled alike so that all fit.
    pub points: &'a [[f64; 2]],
    /// One colour a point.
    pub colours: &'a [[u8; 3]],
    /// Colours with their meaning.
    pub legend: &'a [([u8; 3], String)],
}

/// Draws the points over each other in a mixed order, so that none of the groups hides the others.
///
/// # Errors
/// Colours of another number than the points; the built-in font cannot be read.
pub fn scatter_sheet(sheet: &ScatterSheet<'_>) -> Result<Rgb8, DocumentError> {
    if sheet.points.len() != sheet.colours.len() {
        return Err(DocumentError::Mismatch(format!(
            "{} points were given {} colours",
            sheet.points.len(),
            sheet.colours.len()
        )));
    }
    let font = font()?;
    let (left, top) = (GAP, GAP + 2 * LINE + GAP / 2);
    let (width, height) = (left + FIELD + 2 * GAP + LEGEND, top + FIELD + GAP);
    let mut canvas = Canvas::new(width, height, GROUND);
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
    write(sheet.note, TEXT_SIZE, FAINT, GAP, GAP + LINE, width - 2 * GAP);
    let legend_left = left + FIELD + GAP;
    let shown = ((FIELD / LINE) as usize).min(sheet.legend.len());
    for (index, (_, name)) in (0_u32..).zip(sheet.legend.iter().take(shown)) {
        write(
            name,
            TEXT_SIZE,
            INK,
            legend_left + 18,
            top + index * LINE,
            LEGEND - 18,
        );
    }
    for (index, (colour, _)) in (0_u32..).zip(sheet.legend.iter().take(shown)) {
        canvas.draw(
            &Rgb8::filled(1, 1, *colour),
            legend_left,
            top + index * LINE + 3,
            10,
            10,
        );
    }
    let place = Placing::of(sheet.points);
    for index in mixed_order(sheet.points.len()) {
        if let (Some(point), Some(colour)) = (sheet.points.get(index), sheet.colours.get(index))
            && let Some((x, y)) = place.of_point(point)
        {
            canvas.draw(&Rgb8::filled(1, 1, *colour), left + x, top + y, POINT, POINT);
        }
    }
    canvas.into_picture()
}

/// From the plane to the field.
struct Placing {
    centre: [f64; 2],
    extent: f64,
}

impl Placing {
    fn of(points: &[[f64; 2]]) -> Self {
        let bounds = |axis: usize| {
            let values = points
                .iter()
                .map(|point| point[axis])
                .filter(|value| value.is_finite());
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
                (low.min(value), high.max(value))
            })
        };
        let (across, down) = (bounds(0), bounds(1));
        let middle = |(low, high): (f64, f64)| (low + high) / 2.0;
        Self {
            centre: [middle(across), middle(down)],
            extent: (across.1 - across.0).max(down.1 - down.0).max(f64::MIN_POSITIVE),
        }
    }

    /// `None` for what is not finite.
    fn of_point(&self, point: &[f64; 2]) -> Option<(u32, u32)> {
        let room = f64::from(FIELD - POINT);
        let along = |axis: usize| 0.5 + (point[axis] - self.centre[axis]) / self.extent;
        let (x, y) = (along(0) * room, (1.0 - along(1)) * room);
        (x.is_finite() && y.is_finite()).then(|| (x.round() as u32, y.round() as u32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_lie_in_the_field_and_what_is_no_number_nowhere() {
        let red = [255, 0, 0];
        let points = [[0.0, 0.0], [2.0, 1.0], [f64::NAN, 0.0]];
        let sheet = ScatterSheet {
            title: "points",
            note: "",
            points: &points,
            colours: &[red; 3],
            legend: &[],
        };
        let picture = scatter_sheet(&sheet).unwrap();
        let count = picture.pixels().iter().filter(|pixel| **pixel == red).count();
        assert_eq!(count, 2 * (POINT * POINT) as usize);
        assert!(
            scatter_sheet(&ScatterSheet {
                colours: &[red],
                ..sheet
            })
            .is_err()
        );
    }
}
