//! `softscope attribute IN --out DIR`

use super::context::{Context, model_json};
use super::error::CliError;
use super::inputs;
use super::options::{AblationArgs, FitArg};
use super::outputs;
use super::progress::Progress;
use super::table::Table;
use crate::analysis::{Agreement, InfluenceMaps, TokenInfluence, agreement};
use crate::document::{
    GradientFindings, INFLUENCE_COLUMNS, InfluenceFindings, influence_files, write_folder_atomically,
};
use crate::engine::Runner;
use crate::latent::LatentState;
use crate::picture::{Mask, Rgb8};
use clap::ValueEnum;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A picture, or tokens (.safetensors with `z`)
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// Folder for influence.safetensors, influence.png, influence.csv and, by the gradient, gradient.png
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// How influence is measured
    #[arg(long, value_enum, default_value_t = By::Ablation)]
    by: By,
    /// Rank the tokens by what they do under a brush: a picture, painted white on black or opaque on transparent, that
    /// is fitted as the input is
    #[arg(long, value_name = "PNG")]
    mask: Option<PathBuf>,
    /// Backward passes behind the sensitivity of the brush; its error falls with their square root
    #[arg(long, value_name = "N", default_value_t = 16, requires = "mask")]
    probes: usize,
    #[command(flatten)]
    ablation: AblationArgs,
    /// How a picture becomes the model's square
    #[arg(long, value_enum, default_value_t = FitArg::Crop)]
    fit: FitArg,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum By {
    /// The decode with the token minus the decode without it
    Ablation,
    /// The same were the decoder linear around the tokens
    Gradient,
    /// Both, and how far they agree
    Both,
}

/// What was measured of one picture.
struct Measured {
    /// By the first of the ways asked for.
    maps: InfluenceMaps,
    /// By the gradient with its ranking, where both were asked for.
    gradient: Option<(InfluenceMaps, Vec<TokenInfluence>, Agreement)>,
    /// L values; with a mask.
    sensitivity: Option<Vec<f64>>,
    ranking: Vec<TokenInfluence>,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), CliError> {
    let (file, _) = inputs::split_number(&args.input);
    let mut sources = vec![file.as_path()];
    sources.extend(args.mask.as_deref());
    outputs::guard(&args.out, &sources)?;
    let runner = context.open_model()?;
    let mask = args
        .mask
        .as_deref()
        .map(|path| inputs::read_mask(path, inputs::side(runner.info()), args.fit.into()))
        .transpose()?;
    let progress = context.progress("Measuring one token after the other");
    let state = inputs::read_state(&runner, &args.input, args.fit.into(), &progress)?;
    let decoded = runner.decode(&[&state.z], &progress)?;
    let decoded = decoded.first().ok_or(CliError::Nothing)?.to_rgb8();
    let measured = measure(&runner, &state, args, mask.as_ref(), &progress)?;
    drop(progress);

    let found = measured.findings(&decoded);
    let files = influence_files(&found, &runner.info().hash)?;
    write_folder_atomically(&args.out, &files)?;
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    context.note(&format!("Wrote {}: {}", args.out.display(), names.join(", ")));
    let name = |value: Option<clap::builder::PossibleValue>| value.map(|value| value.get_name().to_owned());
    let json = serde_json::json!({
        "command": "attribute",
        "model": model_json(runner.info()),
        "input": args.input,
        "out": args.out,
        "by": name(args.by.to_possible_value()),
        "mask": args.mask,
        "ablation": args.ablation.name(),
        "tokens": measured.ranking,
        "gradient": found.gradient.map(|gradient| gradient.ranking),
        "agreement": found.gradient.map(|gradient| gradient.agreement),
        "sensitivity": measured.sensitivity,
    });
    context.results(&text(&found), &json)
}

fn measure(
    runner: &Runner,
    state: &LatentState,
    args: &Args,
    mask: Option<&Mask>,
    progress: &Progress,
) -> Result<Measured, CliError> {
    let ablation = args.ablation.ablation();
    let passes = 1 + usize::from(args.by == By::Both);
    progress.enter(0, 1, passes);
    let maps = match args.by {
        By::Ablation | By::Both => runner.influence(state, ablation, progress)?,
        By::Gradient => runner.influence_by_gradient(state, ablation, progress)?,
    };
    let gradient = if args.by == By::Both {
        progress.enter(1, 1, passes);
        let gradient = runner.influence_by_gradient(state, ablation, progress)?;
        agreement(&gradient, &maps).map(|agreement| {
            let ranking = ranking(&gradient, mask);
            (gradient, ranking, agreement)
        })
    } else {
        None
    };
    let sensitivity = mask
        .map(|mask| runner.brush_sensitivity(&state.z, mask, args.probes, args.ablation.seed, progress))
        .transpose()?;
    Ok(Measured {
        ranking: ranking(&maps, mask),
        maps,
        gradient,
        sensitivity,
    })
}

/// Over the pixels of the mask, where there is one.
fn ranking(maps: &InfluenceMaps, mask: Option<&Mask>) -> Vec<TokenInfluence> {
    match mask {
        Some(mask) => maps.ranking_within(mask).unwrap_or_default(),
        None => maps.ranking(),
    }
}

impl Measured {
    fn findings<'a>(&'a self, decoded: &'a Rgb8) -> InfluenceFindings<'a> {
        let gradient = self.gradient.as_ref();
        InfluenceFindings {
            decoded,
            maps: &self.maps,
            ranking: &self.ranking,
            gradient: gradient.map(|(maps, ranking, agreement)| GradientFindings {
                maps,
                ranking,
                agreement,
            }),
            sensitivity: self.sensitivity.as_deref(),
        }
    }
}

fn text(found: &InfluenceFindings<'_>) -> String {
    let more = found.further_figures();
    let header: Vec<String> = INFLUENCE_COLUMNS
        .into_iter()
        .chain(more.iter().map(|(name, _)| *name))
        .map(|name| name.replace('_', " "))
        .collect();
    let mut table = Table::new(&header.iter().map(String::as_str).collect::<Vec<_>>());
    for (rank, token) in found.ranking.iter().enumerate() {
        let mut row = vec![
            (rank + 1).to_string(),
            token.token.to_string(),
            format!("{:.3}", token.mean_change),
            format!("{:.1} %", 100.0 * token.share),
            format!("{:.1}", token.largest_change),
            format!("{:.1}", token.centre_x),
            format!("{:.1}", token.centre_y),
            format!("{:.2}", token.spread),
        ];
        let figures = more.iter().filter_map(|(_, figures)| figures.get(token.token));
        row.extend(figures.map(|figure| format!("{figure:.3}")));
        table.push(row);
    }
    let mut text = format!(
        "{}\nchange: |decode of all tokens - decode without the token|, channels averaged, in steps of 8-bit values, before \
         clamping; centre in pixels; spread 1 is even, near 0 a spot\n",
        table.render()
    );
    if let Some(GradientFindings { agreement, .. }) = &found.gradient {
        let rank = agreement
            .rank_correlation
            .map_or_else(|| "none".to_owned(), |value| format!("{value:.3}"));
        text.push_str(&format!(
            "gradient change: the same were the decoder linear. Agreement over all maps: cosine {:.3}, rank correlation of the \
             tokens {rank}; factor: what the gradient's map is to be multiplied by\n",
            agreement.cosine
        ));
    }
    if found.sensitivity.is_some() {
        text.push_str(
            "Figures are over the pixels of the mask. sensitivity: root mean square change there for a random move of the \
             token by one latent deviation in every value, to first order\n",
        );
    }
    text
}
