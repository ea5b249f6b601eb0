//! `softscope attribute IN --out DIR`

use super::context::{Context, model_json};
use super::error::CliError;
use super::inputs;
use super::options::FitArg;
use super::outputs;
use super::table::Table;
use crate::analysis::{InfluenceMaps, TokenInfluence};
use crate::document::{self, TensorData, TensorEntry, write_folder_atomically};
use crate::engine::Ablation;
use crate::picture;
use clap::ValueEnum;
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A picture, or tokens (.safetensors with `z`)
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// Folder for influence.safetensors, influence.png and influence.csv
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// What takes the place of each token in turn
    #[arg(long, value_enum, default_value_t = Instead::Mean)]
    ablation: Instead,
    /// Strength of `--ablation noise`, in units of the latent's deviation
    #[arg(long, value_name = "S", default_value_t = 1.0)]
    sigma: f32,
    /// Seed of `--ablation noise`
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// How a picture becomes the model's square
    #[arg(long, value_enum, default_value_t = FitArg::Crop)]
    fit: FitArg,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Instead {
    /// The data-set mean of the latent
    Mean,
    /// Zero
    Zero,
    /// The token with Gaussian noise on it
    Noise,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), CliError> {
    let (file, _) = inputs::split_number(&args.input);
    outputs::guard(&args.out, &[&file])?;
    let ablation = match args.ablation {
        Instead::Mean => Ablation::Mean,
        Instead::Zero => Ablation::Zero,
        Instead::Noise => Ablation::Noise {
            sigma: args.sigma,
            seed: args.seed,
        },
    };
    let runner = context.open_model()?;
    let progress = context.progress("Leaving out one token after the other");
    let state = inputs::read_state(&runner, &args.input, args.fit.into(), &progress)?;
    let decoded = runner.decode(&[&state.z], &progress)?;
    let decoded = decoded.first().ok_or(CliError::Nothing)?.to_rgb8();
    let maps = runner.influence(&state, ablation, &progress)?;
    drop(progress);

    let ranking = maps.ranking();
    let files = [
        (
            "influence.safetensors".to_owned(),
            tensors(&maps, &runner.info().hash),
        ),
        (
            "influence.png".to_owned(),
            picture::to_png(&document::influence_sheet(&decoded, &maps)?, &[])?,
        ),
        ("influence.csv".to_owned(), csv(&ranking).into_bytes()),
    ];
    write_folder_atomically(&args.out, &files)?;
    context.note(&format!(
        "Wrote {}: influence.safetensors, influence.png, influence.csv",
        args.out.display()
    ));
    let json = serde_json::json!({
        "command": "attribute",
        "model": model_json(runner.info()),
        "input": args.input,
        "out": args.out,
        "ablation": args.ablation.to_possible_value().map(|value| value.get_name().to_owned()),
        "tokens": ranking,
    });
    context.results(&text(&ranking), &json)
}

/// `influence` f32 `[L,H,W]` and `signed` f32 `[L,3,H,W]`.
fn tensors(maps: &InfluenceMaps, model: &str) -> Vec<u8> {
    let (count, height, width) = (maps.token_count(), maps.height(), maps.width());
    let magnitudes = maps.magnitudes();
    let entries = vec![
        TensorEntry {
            key: "influence",
            shape: vec![count, height, width],
            data: TensorData::F32(&magnitudes),
        },
        TensorEntry {
            key: "signed",
            shape: vec![count, 3, height, width],
            data: TensorData::F32(maps.signed()),
        },
    ];
    let metadata = BTreeMap::from([("model".to_owned(), model.to_owned())]);
    document::tensors_to_bytes(entries, &metadata)
}

const COLUMNS: [&str; 8] = [
    "rank",
    "token",
    "mean_change",
    "share",
    "largest_change",
    "centre_x",
    "centre_y",
    "spread",
];

fn csv(ranking: &[TokenInfluence]) -> String {
    let mut text = COLUMNS.join(",") + "\n";
    for (rank, token) in ranking.iter().enumerate() {
        text.push_str(&format!(
            "{},{},{},{},{},{},{},{}\n",
            rank + 1,
            token.token,
            token.mean_change,
            token.share,
            token.largest_change,
            token.centre_x,
            token.centre_y,
            token.spread
        ));
    }
    text
}

fn text(ranking: &[TokenInfluence]) -> String {
    let mut table = Table::new(&[
        "rank",
        "token",
        "mean change",
        "share",
        "largest",
        "centre x",
        "centre y",
        "spread",
    ]);
    for (rank, token) in ranking.iter().enumerate() {
        table.push(vec![
            (rank + 1).to_string(),
            token.token.to_string(),
            format!("{:.3}", token.mean_change),
            format!("{:.1} %", 100.0 * token.share),
            format!("{:.1}", token.largest_change),
            format!("{:.1}", token.centre_x),
            format!("{:.1}", token.centre_y),
            format!("{:.2}", token.spread),
        ]);
    }
    format!(
        "{}\nchange: |decode of all tokens - decode without the token|, channels averaged, in steps of 8-bit values, before \
         clamping; centre in pixels; spread 1 is even, near 0 a spot\n",
        table.render()
    )
}
