//! Which codewords pictures are made of, as files.

use super::text;
use crate::analysis::{CodewordPair, CodewordUse, SegmentUse};
use crate::document::{DocumentError, contact_sheet, csv_field};
use crate::picture::{self, Rgb8};

/// Ground of a cell without a picture.
const EMPTY: [u8; 3] = [250; 3];

/// What was counted over pictures.
#[derive(Debug, Clone, Copy)]
pub struct CodewordFindings<'a> {
    /// Every codeword, the one used most first.
    pub codewords: &'a [CodewordUse],
    /// Every segment.
    pub segments: &'a [SegmentUse],
    /// The pairs that come together most.
    pub pairs: &'a [CodewordPair],
    /// Names of the pictures, in the order they were counted.
    pub pictures: &'a [String],
    /// Of [`codeword_sheet`].
    pub sheet: &'a Rgb8,
}

/// A codeword on a sheet: a row.
#[derive(Debug, Clone)]
pub struct CodewordSheetRow<'a> {
    /// What was counted of it.
    pub codeword: &'a CodewordUse,
    /// The picture that uses it most, decoded with the codeword alone in that token's place.
    pub in_place: Rgb8,
    /// The crops of the pictures that use it most with their names, in the order of its users.
    pub users: Vec<(Rgb8, String)>,
}

/// The pairs of codewords in the file.
pub const CODEWORD_PAIRS: usize = 200;

/// A row for each codeword: what it does in the token that uses it most, then the pictures that use it most, `columns` of
/// them.
///
/// # Errors
/// A sheet that is too large to hold.
pub fn codeword_sheet(rows: Vec<CodewordSheetRow<'_>>, columns: usize) -> Result<Rgb8, DocumentError> {
    let mut cells = Vec::new();
    for row in rows {
        let CodewordSheetRow {
            codeword,
            in_place,
            users,
        } = row;
        let (width, height) = (in_place.width(), in_place.height());
        let token = codeword
            .users
            .first()
            .map_or_else(String::new, |user| format!(" in token {}", user.token));
        cells.push((
            in_place,
            format!("{}:{}{token}", codeword.segment, codeword.codeword),
        ));
        let mut shown: Vec<(Rgb8, String)> = codeword
            .users
            .iter()
            .zip(users)
            .map(|(user, (crop, name))| {
                let caption = format!("token {}: {:.2}  {name}", user.token, user.weight);
                (crop, caption)
            })
            .collect();
        shown.resize_with(columns, || (Rgb8::filled(width, height, EMPTY), String::new()));
        cells.extend(shown);
    }
    contact_sheet(&cells, columns as u32 + 1)
}

/// `usage.csv`, `segments.csv`, `pairs.csv`, `users.csv` and `atlas.png`.
///
/// # Errors
/// A picture that cannot be encoded.
pub fn codeword_files(found: &CodewordFindings<'_>) -> Result<Vec<(String, Vec<u8>)>, DocumentError> {
    Ok(vec![
        text("usage.csv", usage_csv(found.codewords)),
        text("segments.csv", segments_csv(found.segments)),
        text("pairs.csv", pairs_csv(found.pairs)),
        text("users.csv", users_csv(found)),
        ("atlas.png".to_owned(), picture::to_png(found.sheet, &[])?),
    ])
}

fn usage_csv(codewords: &[CodewordUse]) -> String {
    let mut text = "segment,codeword,mean_weight,times_first,dead\n".to_owned();
    for CodewordUse {
        segment,
        codeword,
        mean_weight,
        times_first,
        is_dead,
        ..
    } in codewords
    {
        text.push_str(&format!(
            "{segment},{codeword},{mean_weight},{times_first},{is_dead}\n"
        ));
    }
    text
}

fn segments_csv(segments: &[SegmentUse]) -> String {
    let mut text = "segment,tokens,perplexity,never_first,dead\n".to_owned();
    for SegmentUse {
        segment,
        tokens,
        perplexity,
        never_first,
        dead,
    } in segments
    {
        text.push_str(&format!("{segment},{tokens},{perplexity},{never_first},{dead}\n"));
    }
    text
}

fn pairs_csv(pairs: &[CodewordPair]) -> String {
    let mut text = "segment,a,b,together,lift\n".to_owned();
    for CodewordPair {
        segment,
        a,
        b,
        together,
        lift,
    } in pairs
    {
        text.push_str(&format!("{segment},{a},{b},{together},{lift}\n"));
    }
    text
}

fn users_csv(found: &CodewordFindings<'_>) -> String {
    let mut text = "segment,codeword,file,token,weight\n".to_owned();
    for codeword in found.codewords {
        for user in &codeword.users {
            let file = found.pictures.get(user.picture).map_or("", String::as_str);
            text.push_str(&format!(
                "{},{},{},{},{}\n",
                codeword.segment,
                codeword.codeword,
                csv_field(file),
                user.token,
                user.weight
            ));
        }
    }
    text
}
