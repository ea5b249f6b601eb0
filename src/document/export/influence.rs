use super::contact::contact_sheet;
use crate::analysis::{InfluenceMaps, heat_colours};
use crate::document::DocumentError;
use crate::picture::Rgb8;

/// Cells in a row.
const COLUMNS: u32 = 8;

/// The picture and a heat map for every token, in token order, all on one scale: the brightest colour is the largest
/// change of any token.
///
/// # Errors
/// The built-in font cannot be read, or the sheet is too large to hold.
pub fn influence_sheet(decoded: &Rgb8, maps: &InfluenceMaps) -> Result<Rgb8, DocumentError> {
    let magnitudes = maps.magnitudes();
    let largest = magnitudes.iter().copied().fold(0.0, f32::max);
    let mut shares = vec![0.0; maps.token_count()];
    for token in maps.ranking() {
        if let Some(share) = shares.get_mut(token.token) {
            *share = token.share;
        }
    }
    let cells = magnitudes
        .chunks_exact((maps.width() * maps.height()).max(1))
        .zip(&shares)
        .enumerate()
        .map(|(token, (values, share))| {
            let caption = format!("{token}:  {:.1} %", 100.0 * share);
            Ok((heat_map(maps, values, largest)?, caption))
        });
    let picture = std::iter::once(Ok((decoded.clone(), "picture".to_owned())));
    let cells = picture
        .chain(cells)
        .collect::<Result<Vec<(Rgb8, String)>, DocumentError>>()?;
    contact_sheet(&cells, COLUMNS)
}

fn heat_map(maps: &InfluenceMaps, values: &[f32], largest: f32) -> Result<Rgb8, DocumentError> {
    let colours = heat_colours();
    let colour = |value: &f32| {
        // A cast from a float saturates, NaN (of 0 / 0) becomes 0.
        let level = (255.0 * value / largest).round() as u8;
        colours.get(usize::from(level)).copied().unwrap_or_default()
    };
    let data = values.iter().flat_map(colour).collect();
    Ok(Rgb8::new(maps.width() as u32, maps.height() as u32, data)?)
}

#[cfg(test)]
mod tests {
    use super::super::contact::{CELL, GAP};
    use super::*;

    #[test]
    fn the_brightest_colour_is_the_largest_change_of_any_token() {
        let mut signed = vec![0.0; 2 * 3 * 16];
        signed[3 * 16..].fill(-0.5);
        let maps = InfluenceMaps::new(4, 4, signed).unwrap();
        let sheet = influence_sheet(&Rgb8::filled(4, 4, [9, 8, 7]), &maps).unwrap();
        let colours = heat_colours();
        let cell = |index: u32| sheet.pixel(GAP + index * (CELL + GAP) + 5, GAP + 5);
        assert_eq!(cell(0), Some([9, 8, 7]));
        assert_eq!(cell(1), Some(colours[0]));
        assert_eq!(cell(2), Some(colours[255]));
    }

    #[test]
    fn a_sheet_of_dead_tokens_is_dark_and_not_broken() {
        let maps = InfluenceMaps::new(4, 4, vec![0.0; 3 * 16]).unwrap();
        let sheet = influence_sheet(&Rgb8::filled(4, 4, [0; 3]), &maps).unwrap();
        assert_eq!(
            sheet.pixel(GAP + CELL + GAP + 5, GAP + 5),
            Some(heat_colours()[0])
        );
    }
}
