//! Tokens that are mixtures of codewords (SoftVQ).

use super::{Chosen, Report};
use crate::analysis::{self, MixtureFigures, TokenQuantity};
use crate::cli::table::{Table, csv_field};
use crate::latent::{self, Codebook, LatentState};
use serde::Serialize;

/// Where the mixture of a token was taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum MixtureSource {
    /// The softmax the token was made with.
    Posterior,
    /// Nearest mixture of the segment's codewords, for a token known only by its values.
    Projection,
}

/// All figures of one token.
#[derive(Debug, Clone, Serialize)]
struct TokenFigures {
    /// Number of the picture in a token file, 0 for a picture.
    picture: usize,
    token: usize,
    segment: usize,
    mixture: MixtureSource,
    #[serde(flatten)]
    figures: MixtureFigures,
    /// Euclidean length of the token's values.
    norm: f32,
    /// Euclidean distance from the token to the convex hull of its segment's codewords.
    hull_distance: f32,
    /// Heaviest first.
    top: Vec<Codeword>,
}

#[derive(Debug, Clone, Serialize)]
struct Codeword {
    segment: usize,
    codeword: usize,
    weight: f32,
}

/// Means over the tokens shown.
#[derive(Debug, Clone, Copy, Serialize)]
struct Means {
    entropy_nats: f64,
    perplexity: f64,
    max_weight: f64,
    norm: f64,
    hull_distance: f64,
}

impl Means {
    /// `None` for no tokens.
    fn of(rows: &[TokenFigures]) -> Option<Self> {
        let mean =
            |figure: fn(&TokenFigures) -> f64| rows.iter().map(figure).sum::<f64>() / rows.len() as f64;
        (!rows.is_empty()).then(|| Self {
            entropy_nats: mean(|row| row.figures.entropy_nats),
            perplexity: mean(|row| row.figures.perplexity),
            max_weight: mean(|row| f64::from(row.figures.max_weight)),
            norm: mean(|row| f64::from(row.norm)),
            hull_distance: mean(|row| f64::from(row.hull_distance)),
        })
    }
}

pub(super) fn report(chosen: &Chosen<'_>, codebook: &Codebook) -> Report {
    let mut rows = Vec::new();
    for (picture, state) in &chosen.states {
        rows.extend(figures(chosen, codebook, state, *picture));
    }
    Report {
        text: text(&rows, chosen),
        csv: csv(&rows, chosen.top),
        mean: serde_json::json!(Means::of(&rows)),
        units: serde_json::json!({
            "entropy_nats": "nats",
            "perplexity": "effective number of codewords, exp(entropy)",
        }),
        tokens: serde_json::json!(rows),
    }
}

fn figures(
    chosen: &Chosen<'_>,
    codebook: &Codebook,
    state: &LatentState,
    picture: usize,
) -> Vec<TokenFigures> {
    let space = chosen.space;
    let quantity = |quantity| analysis::token_quantity(space, state, state, quantity);
    let (norms, distances) = (
        quantity(TokenQuantity::Norm),
        quantity(TokenQuantity::HullDistance),
    );
    let at = |values: &[Option<f32>], token: usize| values.get(token).copied().flatten().unwrap_or(f32::NAN);
    chosen
        .tokens
        .iter()
        .map(|&token| {
            let (mixture, source) = match state.mixture(token) {
                Some(mixture) => (mixture.clone(), MixtureSource::Posterior),
                None => {
                    let segment = codebook.segment_of(token, space.token_count);
                    let row = state.z.row(token);
                    let nearest = latent::project_onto_hull(codebook, segment, row);
                    (nearest.mixture, MixtureSource::Projection)
                }
            };
            let segment = mixture.segment;
            let heaviest = analysis::top_codewords(&mixture, chosen.top);
            TokenFigures {
                picture,
                token,
                segment,
                mixture: source,
                figures: analysis::mixture_figures(&mixture),
                norm: at(&norms, token),
                hull_distance: at(&distances, token),
                top: heaviest
                    .into_iter()
                    .map(|(codeword, weight)| Codeword {
                        segment,
                        codeword,
                        weight,
                    })
                    .collect(),
            }
        })
        .collect()
}

fn text(rows: &[TokenFigures], chosen: &Chosen<'_>) -> String {
    let mut table = Table::new(&[
        "token",
        "segment",
        "entropy",
        "perplexity",
        "max weight",
        "norm",
        "hull distance",
        "top codewords",
    ]);
    for row in rows {
        let top = row
            .top
            .iter()
            .map(|word| format!("{}:{} {:.4}", word.segment, word.codeword, word.weight));
        table.push(vec![
            chosen.name(row.picture, row.token),
            row.segment.to_string(),
            format!("{:.4}", row.figures.entropy_nats),
            format!("{:.2}", row.figures.perplexity),
            format!("{:.5}", row.figures.max_weight),
            format!("{:.5}", row.norm),
            format!("{:.5}", row.hull_distance),
            top.collect::<Vec<_>>().join("  "),
        ]);
    }
    if let Some(mean) = Means::of(rows).filter(|_| rows.len() > 1) {
        table.push(vec![
            "mean".to_owned(),
            String::new(),
            format!("{:.4}", mean.entropy_nats),
            format!("{:.2}", mean.perplexity),
            format!("{:.5}", mean.max_weight),
            format!("{:.5}", mean.norm),
            format!("{:.5}", mean.hull_distance),
        ]);
    }
    let mut text = table.render();
    text.push_str("\nEntropy in nats; perplexity is exp(entropy), the effective number of codewords; codewords as segment:codeword weight.\n");
    if rows.iter().any(|row| row.mixture == MixtureSource::Projection) {
        text.push_str(
            "The file holds values without mixtures: the nearest mixture of codewords was taken for some tokens.\n",
        );
    }
    text
}

fn csv(rows: &[TokenFigures], top: usize) -> String {
    let mut text =
        String::from("picture,token,segment,mixture,entropy_nats,perplexity,max_weight,norm,hull_distance");
    let widest = rows.iter().map(|row| row.top.len()).max().unwrap_or(0).min(top);
    for place in 1..=widest {
        text.push_str(&format!(
            ",top{place}_segment,top{place}_codeword,top{place}_weight"
        ));
    }
    text.push('\n');
    for row in rows {
        let source = match row.mixture {
            MixtureSource::Posterior => "posterior",
            MixtureSource::Projection => "projection",
        };
        let figures = &row.figures;
        text.push_str(&format!(
            "{},{},{},{},{},{},{},{},{}",
            row.picture,
            row.token,
            row.segment,
            csv_field(source),
            figures.entropy_nats,
            figures.perplexity,
            figures.max_weight,
            row.norm,
            row.hull_distance
        ));
        for word in &row.top {
            text.push_str(&format!(",{},{},{}", word.segment, word.codeword, word.weight));
        }
        text.push('\n');
    }
    text
}
