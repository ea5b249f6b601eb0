//! `softscope compare PICTURE… --models M1,M2,…`: one model after the other, each over all pictures.

use super::{Args, guard_outputs, measure, write_map};
use crate::analysis::{MetricsSummary, PictureMetrics};
use crate::cli::context::{Context, model_json};
use crate::cli::error::CliError;
use crate::cli::inputs::{self, Batches, PictureInput};
use crate::cli::metrics;
use crate::cli::table::Table;
use crate::document::{
    self, ComparedFacts, ComparisonFailure, ComparisonRow, DocumentError, ModelSheet, ModelSheetCell,
    ModelSheetRow, write_atomically,
};
use crate::picture::{self, Rgb8};
use crate::tokenizer::ModelFiles;
use std::path::{Path, PathBuf};

/// Pictures that a sheet holds: more would make a picture that few programs open.
const SHEET_PICTURES: usize = 16;

/// Under every table of models.
const SIZES: &str =
    "Each model is measured at its own size (px), against the picture fitted to that size: figures at different sizes
are of different pictures. rFID is not among them: it needs the Inception weights.";

/// What one model made of the pictures.
struct ByModel {
    name: String,
    json: serde_json::Value,
    rows: Vec<ComparisonRow>,
    /// Crop and reconstruction of as many pictures as a map or a sheet shows.
    shown: Vec<(Rgb8, Rgb8)>,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), CliError> {
    let pictures = inputs::gather(&args.pictures)?;
    guard_outputs(args, &inputs::paths(&pictures))?;
    if args.map.is_some() && pictures.len() > 1 {
        return Err(CliError::usage(format!(
            "--map shows one picture, and {} are given; write a --sheet of them instead",
            pictures.len()
        )));
    }
    // All names first, so that a mistyped one costs no work.
    let models = args
        .models
        .iter()
        .map(|name| Ok((name.as_str(), context.places().resolve_model(name)?)))
        .collect::<Result<Vec<_>, CliError>>()?;
    let (mut results, mut failures) = (Vec::new(), Vec::new());
    for (name, files) in &models {
        match by_model(context, args, &pictures, name, files) {
            Ok(done) => results.push(done),
            Err(error) if is_of_model(&error) => failures.push(ComparisonFailure {
                model: (*name).to_owned(),
                message: error.to_string(),
            }),
            Err(error) => return Err(error),
        }
    }

    if let Some(map) = args.map.as_ref().filter(|_| !results.is_empty()) {
        let pairs: Vec<(Rgb8, Rgb8)> = results.iter().flat_map(|model| model.shown.clone()).collect();
        write_map(context, map, &pairs)?;
    }
    let rows = by_picture(&results);
    if let Some(csv) = &args.csv {
        write_atomically(csv, document::comparison_csv(&rows, &failures).as_bytes())?;
        context.note(&format!("Wrote {}", csv.display()));
    }
    if let Some(path) = args.sheet.as_ref().filter(|_| !results.is_empty()) {
        write_sheet(context, path, &pictures, &results)?;
    }
    context.results(
        &text(&rows, &results, &failures),
        &json(args, &results, &failures),
    )?;
    if failures.is_empty() {
        return Ok(());
    }
    Err(CliError::ModelsFailed {
        failed: failures.into_iter().map(|failure| failure.model).collect(),
        total: models.len(),
    })
}

/// Whether an error is one model's own, so that the others can go on.
fn is_of_model(error: &CliError) -> bool {
    matches!(
        error,
        CliError::Engine(_)
            | CliError::Tokenizer(_)
            | CliError::ModelDoesNotFit { .. }
            | CliError::Document(DocumentError::WrongPictureSize { .. })
    )
}

fn by_model(
    context: &Context,
    args: &Args,
    pictures: &[PictureInput],
    name: &str,
    files: &ModelFiles,
) -> Result<ByModel, CliError> {
    let runner = context.open_files(files)?;
    let facts = ComparedFacts {
        name: name.to_owned(),
        ..ComparedFacts::of(runner.info())
    };
    let shown_count = match (&args.sheet, &args.map) {
        (None, None) => 0,
        _ => SHEET_PICTURES,
    };
    let progress = context.progress(&format!("Reconstructing with {name}"));
    let (mut rows, mut shown) = (Vec::with_capacity(pictures.len()), Vec::new());
    Batches::new(&runner, pictures, args.fit, &progress).reconstruct(|picture, crop, reconstruction| {
        rows.push(ComparisonRow {
            picture: picture.name.clone(),
            model: facts.clone(),
            metrics: measure(crop, reconstruction, &picture.path)?,
            times_ms: None,
        });
        if shown.len() < shown_count {
            shown.push((crop.clone(), reconstruction.clone()));
        }
        Ok(())
    })?;
    Ok(ByModel {
        name: name.to_owned(),
        json: model_json(runner.info()),
        rows,
        shown,
    })
}

/// The rows of all models, those of a picture together.
fn by_picture(results: &[ByModel]) -> Vec<ComparisonRow> {
    let count = results.first().map_or(0, |model| model.rows.len());
    (0..count)
        .flat_map(|picture| results.iter().filter_map(move |model| model.rows.get(picture)))
        .cloned()
        .collect()
}

fn write_sheet<'a>(
    context: &Context,
    path: &Path,
    pictures: &'a [PictureInput],
    results: &'a [ByModel],
) -> Result<(), CliError> {
    let row = |(index, picture): (usize, &'a PictureInput)| {
        let shown = results.iter().filter_map(|model| model.shown.get(index));
        Some(ModelSheetRow {
            name: &picture.name,
            // The largest of the squares that the models read.
            original: shown.map(|(crop, _)| crop).max_by_key(|crop| crop.width())?,
            cells: results
                .iter()
                .filter_map(|model| {
                    let (_, reconstruction) = model.shown.get(index)?;
                    let metrics = model.rows.get(index)?.metrics;
                    Some(ModelSheetCell {
                        reconstruction,
                        metrics: Some(metrics),
                    })
                })
                .collect(),
        })
    };
    let sheet = ModelSheet {
        models: results
            .iter()
            .filter_map(|model| Some(model.rows.first()?.model.clone()))
            .collect(),
        rows: pictures.iter().enumerate().filter_map(row).collect(),
    };
    write_atomically(path, &picture::to_png(&document::model_sheet(&sheet)?, &[])?)?;
    let left_out = match pictures.len().saturating_sub(SHEET_PICTURES) {
        0 => String::new(),
        count => format!(" (without the last {})", inputs::count(count)),
    };
    context.note(&format!("Wrote {}{left_out}", path.display()));
    Ok(())
}

fn text(rows: &[ComparisonRow], results: &[ByModel], failures: &[ComparisonFailure]) -> String {
    let is_one = results.iter().all(|model| model.rows.len() == 1);
    let leading = |picture: &str, model: &ComparedFacts| {
        let mut cells = vec![model.name.clone(), model.side_px.to_string(), model.shape_text()];
        if !is_one {
            cells.insert(0, picture.to_owned());
        }
        cells
    };
    let mut header = vec![
        "picture",
        "model",
        "px",
        "tokens",
        "PSNR dB",
        "SSIM",
        "SSIM (paper)",
        "MSE",
    ];
    if is_one {
        header.remove(0);
    }
    let mut table = Table::new(&header).with_left(if is_one { 1 } else { 2 });
    let mut push = |picture: &str, model: &ComparedFacts, figures: &PictureMetrics| {
        let mut cells = leading(picture, model);
        cells.extend(metrics::cells(figures));
        table.push(cells);
    };
    for row in rows {
        push(&row.picture, &row.model, &row.metrics);
    }
    for model in results {
        let summary = model.summary();
        if let (Some(row), Some(summary)) = (model.rows.first(), summary)
            && let Some(deviation) = &summary.deviation
        {
            push("mean", &row.model, &summary.mean);
            push("deviation", &row.model, deviation);
        }
    }
    for failure in failures {
        let mut cells = vec![failure.model.clone()];
        if !is_one {
            cells.insert(0, "failed".to_owned());
        }
        table.push_words(cells, &failure.line());
    }
    format!("{}\n{}\n{SIZES}\n", table.render(), metrics::CONVENTIONS)
}

fn json(args: &Args, results: &[ByModel], failures: &[ComparisonFailure]) -> serde_json::Value {
    let of_model = |model: &ByModel| {
        let summary = model.summary();
        let deviation = summary.and_then(|summary| summary.deviation);
        serde_json::json!({
            "name": model.name,
            "pictures": model.rows.len(),
            "mean": summary.map(|summary| metrics::json(&summary.mean)),
            "deviation": deviation.as_ref().map(metrics::json),
        })
    };
    let picture_count = results.first().map_or(0, |model| model.rows.len());
    let rows = (0..picture_count).flat_map(|picture| {
        let of_model = move |model: &ByModel| Some(model.row_json(model.rows.get(picture)?));
        results.iter().filter_map(of_model)
    });
    let failed = || {
        failures
            .iter()
            .map(|failure| serde_json::json!({ "name": failure.model, "error": failure.message }))
    };
    let was_written = |path: &Option<PathBuf>| path.clone().filter(|_| !results.is_empty());
    serde_json::json!({
        "command": "compare",
        "reference": args.pictures.first(),
        "fit": args.fit.name(),
        "conventions": metrics::conventions_json(),
        "sizes": SIZES,
        "results": rows.chain(failed()).collect::<Vec<_>>(),
        "models": results.iter().map(of_model).chain(failed()).collect::<Vec<_>>(),
        "map": was_written(&args.map),
        "csv": args.csv,
        "sheet": was_written(&args.sheet),
    })
}

impl ByModel {
    /// Mean and deviation over the pictures.
    fn summary(&self) -> Option<MetricsSummary> {
        let metrics: Vec<PictureMetrics> = self.rows.iter().map(|row| row.metrics).collect();
        MetricsSummary::of(&metrics)
    }

    fn row_json(&self, row: &ComparisonRow) -> serde_json::Value {
        let mut json = metrics::json(&row.metrics);
        json["name"] = self.name.as_str().into();
        json["picture"] = row.picture.as_str().into();
        json["side_px"] = row.model.side_px.into();
        json["tokens"] = row.model.token_count.into();
        json["dim"] = row.model.dim.into();
        json["model"] = self.json.clone();
        json
    }
}
