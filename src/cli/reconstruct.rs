//! `softscope reconstruct IN… --out DIR`

use super::context::{Context, model_json};
use super::error::CliError;
use super::inputs::{self, Batches};
use super::options::FitArg;
use super::outputs;
use super::table::Table;
use crate::analysis::{self, PictureMetrics};
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

    let summary = Summary::of(&rows);
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
        "mean": summary.mean.as_ref().map(super::metrics::json),
        "deviation": summary.deviation.as_ref().map(super::metrics::json),
    });
    context.results(&text(&rows, &summary), &json)
}

/// Mean and sample deviation of each metric over the pictures.
struct Summary {
    mean: Option<PictureMetrics>,
    /// `None` for fewer than two pictures.
    deviation: Option<PictureMetrics>,
}

impl Summary {
    fn of(rows: &[(String, PictureMetrics)]) -> Self {
        let count = rows.len() as f64;
        let over = |figure: fn(&PictureMetrics) -> f64| {
            let mean = rows.iter().map(|(_, metrics)| figure(metrics)).sum::<f64>() / count;
            let squares = rows
                .iter()
                .map(|(_, metrics)| (figure(metrics) - mean).powi(2))
                .sum::<f64>();
            (mean, (squares / (count - 1.0)).sqrt())
        };
        let mse = over(|metrics| metrics.mse);
        let psnr = over(|metrics| metrics.psnr_db);
        let ssim = over(|metrics| metrics.ssim);
        let ssim_paper = over(|metrics| metrics.ssim_paper);
        let mean = PictureMetrics {
            mse: mse.0,
            psnr_db: psnr.0,
            ssim: ssim.0,
            ssim_paper: ssim_paper.0,
        };
        let deviation = PictureMetrics {
            mse: mse.1,
            psnr_db: psnr.1,
            ssim: ssim.1,
            ssim_paper: ssim_paper.1,
        };
        Self {
            mean: (!rows.is_empty()).then_some(mean),
            deviation: (rows.len() > 1).then_some(deviation),
        }
    }
}

fn text(rows: &[(String, PictureMetrics)], summary: &Summary) -> String {
    let mut table = Table::new(&super::metrics::header("picture"));
    for (name, metrics) in rows {
        table.push(super::metrics::row(name, metrics));
    }
    if let (Some(mean), Some(deviation)) = (&summary.mean, &summary.deviation) {
        table.push(super::metrics::row("mean", mean));
        table.push(super::metrics::row("deviation", deviation));
    }
    format!("{}\n{}\n", table.render(), super::metrics::CONVENTIONS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_deviation_are_over_the_pictures() {
        let row = |mse: f64| {
            (
                "a".to_owned(),
                PictureMetrics {
                    mse,
                    psnr_db: 20.0 + mse,
                    ssim: 0.5,
                    ssim_paper: 0.75,
                },
            )
        };
        let summary = Summary::of(&[row(1.0), row(3.0)]);
        assert!((summary.mean.unwrap().mse - 2.0).abs() < 1e-12);
        assert!((summary.deviation.unwrap().psnr_db - 2.0_f64.sqrt()).abs() < 1e-12);
        assert!(Summary::of(&[row(1.0)]).deviation.is_none());
    }
}
