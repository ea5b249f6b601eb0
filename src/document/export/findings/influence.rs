//! What each token does to a picture, as files.

use super::text;
use crate::analysis::{Agreement, InfluenceMaps, TokenInfluence};
use crate::document::{DocumentError, TensorData, TensorEntry, influence_sheet, tensors_to_bytes};
use crate::picture::{self, Rgb8};
use std::collections::BTreeMap;

/// What was measured of one picture.
#[derive(Debug, Clone, Copy)]
pub struct InfluenceFindings<'a> {
    /// The decode of all tokens.
    pub decoded: &'a Rgb8,
    /// By the first of the measures: by ablation where there are both.
    pub maps: &'a InfluenceMaps,
    /// Every token's figures, the most influential first.
    pub ranking: &'a [TokenInfluence],
    /// By the gradient, where there are both measures.
    pub gradient: Option<GradientFindings<'a>>,
    /// L values of [`crate::engine::Runner::brush_sensitivity`], where a brush was given.
    pub sensitivity: Option<&'a [f64]>,
}

/// What the gradient says beside ablation.
#[derive(Debug, Clone, Copy)]
pub struct GradientFindings<'a> {
    /// The same maps were the decoder linear.
    pub maps: &'a InfluenceMaps,
    /// Every token's figures, the most influential first.
    pub ranking: &'a [TokenInfluence],
    /// How far both agree.
    pub agreement: &'a Agreement,
}

/// Columns of `influence.csv` before those of [`InfluenceFindings::further_figures`].
pub const INFLUENCE_COLUMNS: [&str; 8] = [
    "rank",
    "token",
    "mean_change",
    "share",
    "largest_change",
    "centre_x",
    "centre_y",
    "spread",
];

impl InfluenceFindings<'_> {
    /// Figures beyond the ranking of the maps, with their names; one for each of the tokens, in token order.
    pub fn further_figures(&self) -> Vec<(&'static str, Vec<f64>)> {
        let count = self.maps.token_count();
        let mut further = Vec::new();
        if let Some(gradient) = &self.gradient {
            let changes = gradient.ranking.iter();
            further.push((
                "gradient_change",
                by_token(count, changes.map(|token| (token.token, token.mean_change))),
            ));
            let tokens = gradient.agreement.tokens.iter();
            further.push((
                "cosine",
                by_token(count, tokens.clone().map(|token| (token.token, token.cosine))),
            ));
            further.push((
                "factor",
                by_token(count, tokens.map(|token| (token.token, token.factor))),
            ));
        }
        if let Some(sensitivity) = self.sensitivity {
            further.push(("sensitivity", sensitivity.to_vec()));
        }
        further
    }
}

fn by_token(count: usize, figures: impl Iterator<Item = (usize, f64)>) -> Vec<f64> {
    let mut of_token = vec![0.0; count];
    for (token, figure) in figures {
        if let Some(slot) = of_token.get_mut(token) {
            *slot = figure;
        }
    }
    of_token
}

/// `influence.safetensors`, `influence.png`, `influence.csv` and, with both measures, `gradient.png`. `model` is the
/// hash of the model.
///
/// # Errors
/// A sheet that is too large to hold, a picture that cannot be encoded.
pub fn influence_files(
    found: &InfluenceFindings<'_>,
    model: &str,
) -> Result<Vec<(String, Vec<u8>)>, DocumentError> {
    let sheet = |maps: &InfluenceMaps| -> Result<Vec<u8>, DocumentError> {
        Ok(picture::to_png(&influence_sheet(found.decoded, maps)?, &[])?)
    };
    let mut files = vec![
        ("influence.safetensors".to_owned(), tensors(found, model)),
        ("influence.png".to_owned(), sheet(found.maps)?),
        text("influence.csv", csv(found)),
    ];
    if let Some(gradient) = &found.gradient {
        files.push(("gradient.png".to_owned(), sheet(gradient.maps)?));
    }
    Ok(files)
}

/// `influence` f32 `[L,H,W]` and `signed` f32 `[L,3,H,W]`; with both measures also `gradient_influence` and
/// `gradient_signed`.
fn tensors(found: &InfluenceFindings<'_>, model: &str) -> Vec<u8> {
    let maps = found.maps;
    let (count, height, width) = (maps.token_count(), maps.height(), maps.width());
    let entry = |key, signed: bool, data| TensorEntry {
        key,
        shape: if signed {
            vec![count, 3, height, width]
        } else {
            vec![count, height, width]
        },
        data: TensorData::F32(data),
    };
    let magnitudes = maps.magnitudes();
    let mut entries = vec![
        entry("influence", false, &magnitudes),
        entry("signed", true, maps.signed()),
    ];
    let of_gradient = found.gradient.map(|found| (found.maps, found.maps.magnitudes()));
    if let Some((maps, magnitudes)) = &of_gradient {
        entries.push(entry("gradient_influence", false, magnitudes));
        entries.push(entry("gradient_signed", true, maps.signed()));
    }
    let metadata = BTreeMap::from([("model".to_owned(), model.to_owned())]);
    tensors_to_bytes(entries, &metadata)
}

fn csv(found: &InfluenceFindings<'_>) -> String {
    let further = found.further_figures();
    let columns: Vec<&str> = INFLUENCE_COLUMNS
        .into_iter()
        .chain(further.iter().map(|(name, _)| *name))
        .collect();
    let mut text = columns.join(",") + "\n";
    for (rank, token) in found.ranking.iter().enumerate() {
        text.push_str(&format!(
            "{},{},{},{},{},{},{},{}",
            rank + 1,
            token.token,
            token.mean_change,
            token.share,
            token.largest_change,
            token.centre_x,
            token.centre_y,
            token.spread
        ));
        for figure in further.iter().filter_map(|(_, figures)| figures.get(token.token)) {
            text.push_str(&format!(",{figure}"));
        }
        text.push('\n');
    }
    text
}
