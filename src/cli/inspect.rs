//! `softscope inspect IN [--token I]… [--top K] [--csv F]`

use super::context::{Context, model_json};
use super::error::CliError;
use super::inputs;
use super::options::{FitArg, TokenList};
use super::outputs;
use super::table::{Table, csv_field};
use crate::analysis::{self, MixtureFigures, TokenQuantity};
use crate::document::write_atomically;
use crate::latent::{self, LatentSpace, LatentState};
use serde::Serialize;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A picture, or tokens (.safetensors with `z`; with `weights` or `h` too the mixtures are exact)
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// Only these tokens, such as `5` or `0,3,8-11`; may be given several times
    #[arg(long = "token", value_name = "I")]
    tokens: Vec<TokenList>,
    /// How many of the heaviest codewords of each token are shown
    #[arg(long, value_name = "K", default_value_t = 5)]
    top: usize,
    /// Also write every figure to this file as CSV
    #[arg(long, value_name = "F.csv")]
    csv: Option<PathBuf>,
    /// How a picture becomes the model's square
    #[arg(long, value_enum, default_value_t = FitArg::Crop)]
    fit: FitArg,
}

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

pub(super) fn run(context: &Context, args: &Args) -> Result<(), CliError> {
    if let Some(csv) = &args.csv {
        outputs::guard(csv, &[&args.input])?;
    }
    let (file, number) = inputs::split_number(&args.input);
    let runner = context.open_model()?;
    let info = runner.info();
    let progress = context.progress("Inspecting");
    let states = inputs::read_states(&runner, &file, args.fit.into(), &progress)?.states;
    drop(progress);

    let tokens = chosen_tokens(&args.tokens, info.space.token_count)?;
    let mut rows = Vec::new();
    for (picture, state) in states.iter().enumerate() {
        if number.is_none_or(|number| number == picture) {
            rows.extend(figures(&info.space, state, picture, &tokens, args.top));
        }
    }
    if let (Some(index), true) = (number, number >= Some(states.len())) {
        return Err(CliError::NoSuchPicture {
            path: file,
            index,
            count: states.len(),
        });
    }
    if let Some(path) = &args.csv {
        write_atomically(path, csv(&rows, args.top).as_bytes())?;
        context.note(&format!("Wrote {}", path.display()));
    }
    let json = serde_json::json!({
        "command": "inspect",
        "model": model_json(info),
        "input": args.input,
        "units": { "entropy_nats": "nats", "perplexity": "effective number of codewords, exp(entropy)" },
        "mean": Means::of(&rows),
        "tokens": rows,
    });
    context.results(&text(&rows, states.len() > 1), &json)
}

/// The tokens named by any `--token`, in order and once; all where none is given.
fn chosen_tokens(lists: &[TokenList], count: usize) -> Result<Vec<usize>, CliError> {
    if lists.is_empty() {
        return TokenList::All.of(count);
    }
    let mut tokens = Vec::new();
    for list in lists {
        tokens.extend(list.of(count)?);
    }
    tokens.sort_unstable();
    tokens.dedup();
    Ok(tokens)
}

fn figures(
    space: &LatentSpace,
    state: &LatentState,
    picture: usize,
    tokens: &[usize],
    top: usize,
) -> Vec<TokenFigures> {
    let quantity = |quantity| analysis::token_quantity(space, state, state, quantity);
    let (norms, distances) = (
        quantity(TokenQuantity::Norm),
        quantity(TokenQuantity::HullDistance),
    );
    let at = |values: &[Option<f32>], token: usize| values.get(token).copied().flatten().unwrap_or(f32::NAN);
    tokens
        .iter()
        .map(|&token| {
            let (mixture, source) = match state.mixture(token) {
                Some(mixture) => (mixture.clone(), MixtureSource::Posterior),
                None => {
                    let segment = space.codebook.segment_of(token, space.token_count);
                    let row = state.z.row(token);
                    let nearest = latent::project_onto_hull(&space.codebook, segment, row);
                    (nearest.mixture, MixtureSource::Projection)
                }
            };
            let segment = mixture.segment;
            let heaviest = analysis::top_codewords(&mixture, top);
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

fn text(rows: &[TokenFigures], has_several_pictures: bool) -> String {
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
        let token = match has_several_pictures {
            true => format!("{}/{}", row.picture, row.token),
            false => row.token.to_string(),
        };
        table.push(vec![
            token,
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
