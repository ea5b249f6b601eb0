//! `softscope reconstruct IN… --out DIR`

use super::context::{Context, model_json};
use super::error::CliError;
use super::inputs::{self, Batches};
use super::options::FitArg;
use super::outputs;
use super::table::Table;
use crate::analysis::{self, MetricsSummary, PictureMetrics};
use crate::document::write_atomically;
use crate::picture;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Pictures, folders of pictures, or a .safetensors with `x` or `x_u8`
    #[arg(value_name = "IN", required = true)]
    inputs: Vec<PathBuf>,
    /// Folder for `<stem>.png` of every picture
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// How pictures become the model's square
    #[arg(long, value_enum, default_value_t = FitArg::Crop)]
    fit: FitArg,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), CliError> {
    let pictures = inputs::gather(&args.inputs)?;
    let stems = pictures
        .iter()
        .map(|picture| (picture.stem.as_str(), picture.path.as_path()));
    let outputs = outputs::png_names(&args.out, stems)?;
    let sources = inputs::paths(&pictures);
    for output in &outputs {
        outputs::guard(output, &sources)?;
    }
    let runner = context.open_model()?;
    outputs::make_folder(&args.out)?;

    let progress = context.progress("Reconstructing");
    let mut rows: Vec<(String, PictureMetrics)> = Vec::with_capacity(pictures.len());
    Batches::new(&runner, &pictures, args.fit, &progress).reconstruct(|picture, crop, reconstruction| {
        let metrics = analysis::compare(crop, reconstruction)
            .ok_or_else(|| CliError::TooSmall(picture.path.clone()))?;
        if let Some(output) = outputs.get(rows.len()) {
            write_atomically(output, &picture::to_png(reconstruction, &[])?)?;
        }
        rows.push((picture.name.clone(), metrics));
        Ok(())
    })?;
    drop(progress);

    let metrics: Vec<PictureMetrics> = rows.iter().map(|(_, metrics)| *metrics).collect();
    let summary = MetricsSummary::of(&metrics);
    let deviation = summary.and_then(|summary| summary.deviation);
    context.note(&format!(
        "Wrote {} to {}",
        inputs::count(rows.len()),
        args.out.display()
    ));
    let json = serde_json::json!({
        "command": "reconstruct",
        "model": model_json(runner.info()),
        "out": args.out,
        "fit": args.fit.name(),
        "conventions": super::metrics::conventions_json(),
        "pictures": rows.iter().zip(&outputs).map(|((name, metrics), output)| {
            let mut row = super::metrics::json(metrics);
            row["picture"] = name.as_str().into();
            row["out"] = serde_json::json!(output);
            row
        }).collect::<Vec<_>>(),
        "mean": summary.map(|summary| super::metrics::json(&summary.mean)),
        "deviation": deviation.as_ref().map(super::metrics::json),
    });
    context.results(&text(&rows, summary), &json)
}

fn text(rows: &[(String, PictureMetrics)], summary: Option<MetricsSummary>) -> String {
    let mut table = Table::new(&super::metrics::header("picture"));
    for (name, metrics) in rows {
        table.push(super::metrics::row(name, metrics));
    }
    if let Some(summary) = summary
        && let Some(deviation) = &summary.deviation
    {
        table.push(super::metrics::row("mean", &summary.mean));
        table.push(super::metrics::row("deviation", deviation));
    }
    format!("{}\n{}\n", table.render(), super::metrics::CONVENTIONS)
}
