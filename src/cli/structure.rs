//! `softscope structure IN --out DIR`

use super::context::{Context, model_json};
use super::error::CliError;
use super::inputs;
use super::options::{AblationArgs, FitArg, TokenList};
use super::outputs;
use super::progress::Progress;
use super::table::Table;
use crate::analysis::{Interactions, OrderCurves};
use crate::document::{StructureFindings, structure_files, write_folder_atomically};
use crate::engine::Runner;
use crate::picture::Planar;
use std::path::PathBuf;

/// Pairs shown in the table; all of them are in the files.
const SHOWN_PAIRS: usize = 10;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A picture, or tokens (.safetensors with `z`)
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// Folder for interactions.csv and .png, orders.csv, spectra.csv and .png, structure.safetensors
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Tokens whose pairs and spectra are measured, such as 0,3,8-11: a pair takes a decode, a token's spectrum two
    /// decodes for each of its values
    #[arg(long, value_name = "LIST", default_value = "all")]
    tokens: TokenList,
    #[command(flatten)]
    ablation: AblationArgs,
    /// How a picture becomes the model's square
    #[arg(long, value_enum, default_value_t = FitArg::Crop)]
    fit: FitArg,
}

/// What was measured of one picture.
struct Measured {
    interactions: Interactions,
    orders: OrderCurves,
    /// Token and its D singular values.
    spectra: Vec<(usize, Vec<f64>)>,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), CliError> {
    let (file, _) = inputs::split_number(&args.input);
    outputs::guard(&args.out, &[&file])?;
    let runner = context.open_model()?;
    let tokens = args.tokens.of(runner.info().space.token_count)?;
    let progress = context.progress("Measuring pairs, orders and directions");
    let (state, crop) = inputs::read_with_crop(&runner, &args.input, args.fit.into(), &progress)?;
    let against = if crop.is_some() {
        "the picture"
    } else {
        "the decode of all tokens"
    };
    let reference = match &crop {
        Some(crop) => Planar::from_rgb8(crop),
        None => runner
            .decode(&[&state.z], &progress)?
            .pop()
            .ok_or(CliError::Nothing)?,
    };
    let parts = 4;
    progress.enter(0, 1, parts);
    let interactions = runner.interactions(&state, &tokens, args.ablation.ablation(), &progress)?;
    progress.enter(1, 1, parts);
    let orders = runner.order_curves(&state.z, &reference, &progress)?;
    let spectra = spectra(&runner, &state.z, &tokens, &progress)?;
    drop(progress);
    let measured = Measured {
        interactions,
        orders,
        spectra,
    };
    let found = StructureFindings {
        interactions: Some(&measured.interactions),
        orders: Some(&measured.orders),
        spectra: Some(&measured.spectra),
    };
    let files = structure_files(&found, &runner.info().hash)?;
    write_folder_atomically(&args.out, &files)?;
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    context.note(&format!("Wrote {}: {}", args.out.display(), names.join(", ")));
    let json = serde_json::json!({
        "command": "structure",
        "model": model_json(runner.info()),
        "input": args.input,
        "out": args.out,
        "ablation": args.ablation.name(),
        "quality_against": against,
        "pairs": measured.interactions.pairs(),
        "orders": measured.orders,
        "spectra": measured.spectra.iter().map(|(token, values)| serde_json::json!({"token": token, "values": values})).collect::<Vec<_>>(),
    });
    context.results(&text(&measured, against), &json)
}

fn spectra(
    runner: &Runner,
    z: &crate::latent::Tokens,
    tokens: &[usize],
    progress: &Progress,
) -> Result<Vec<(usize, Vec<f64>)>, CliError> {
    let count = tokens.len();
    let spectrum = |(index, token): (usize, &usize)| {
        // The second half of the bar.
        progress.enter(count + index, 1, 2 * count);
        Ok((*token, runner.sensitivity_spectrum(z, *token, progress)?))
    };
    tokens.iter().enumerate().map(spectrum).collect()
}

fn text(measured: &Measured, against: &str) -> String {
    let mut pairs = Table::new(&["pair", "change"]);
    for pair in measured.interactions.pairs().iter().take(SHOWN_PAIRS) {
        pairs.push(vec![
            format!("{} + {}", pair.a, pair.b),
            format!("{:.3}", pair.change),
        ]);
    }
    let mut curve = Table::new(&["kept", "first tokens dB", "best tokens dB", "which"]);
    for (prefix, greedy) in measured.orders.prefix.iter().zip(&measured.orders.greedy) {
        curve.push(vec![
            prefix.kept.to_string(),
            format!("{:.2}", prefix.psnr_db),
            format!("{:.2}", greedy.psnr_db),
            greedy
                .token
                .map_or_else(|| "-".to_owned(), |token| format!("+ {token}")),
        ]);
    }
    let mut spectra = Table::new(&["token", "largest", "median", "smallest"]);
    for (token, values) in &measured.spectra {
        let at = |place: usize| {
            values
                .get(place)
                .map_or_else(String::new, |value| format!("{value:.3}"))
        };
        let last = values.len().saturating_sub(1);
        spectra.push(vec![token.to_string(), at(0), at(last / 2), at(last)]);
    }
    format!(
        "{}\nchange: what the pair changes beyond the sum of both alone, mean absolute value in steps of 8-bit values; the \
         {SHOWN_PAIRS} strongest pairs\n\n{}\nPSNR against {against}, tokens that are not kept at the data-set mean\n\n{}\n\
         singular values of the decoder's Jacobian: root mean square change of the picture in steps of 8-bit values for \
         one latent deviation\n",
        pairs.render(),
        curve.render(),
        spectra.render()
    )
}
