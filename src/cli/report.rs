//! `softscope report FOLDER --out DIR`

use super::context::{Context, model_json};
use super::error::CliError;
use super::inputs;
use super::options::FitArg;
use super::outputs;
use crate::document::{
    Labelled, REPORT_FILE, ReportOrder, ReportTask, report_html, report_page, write_folder_atomically,
};
use crate::engine::{Work, WorkTurn};
use std::path::PathBuf;
use std::sync::Arc;

/// Models in one report.
const MOST_MODELS: usize = 4;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Folder of pictures; its table labels.tsv or labels.csv, or its sub-folders, are their labels
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// Folder for report.html, a page with everything inside
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Report on several models side by side
    #[arg(long, value_name = "A,B,…", value_delimiter = ',')]
    models: Vec<String>,
    /// Of how many tokens, the most influential, the singular values are measured: each takes two decodes for each of
    /// its values
    #[arg(long, value_name = "N", default_value_t = ReportOrder::SPECTRA)]
    spectra: usize,
    /// Most tokens in a t-SNE map
    #[arg(long, value_name = "N", default_value_t = ReportOrder::MOST)]
    most: usize,
    /// Seed of splits
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// How a picture becomes the model's square
    #[arg(long, value_enum, default_value_t = FitArg::Crop)]
    fit: FitArg,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), CliError> {
    if args.models.len() > MOST_MODELS {
        return Err(CliError::usage(format!("--models takes at most {MOST_MODELS}")));
    }
    let labelled = Labelled::of_folder(&args.folder)?;
    outputs::guard(&args.out, &inputs::paths(&labelled.pictures))?;
    labelled.left_out.iter().for_each(|note| context.note(note));
    let files = if args.models.is_empty() {
        vec![context.model_files()?]
    } else {
        let of = |name: &String| Ok(context.places().resolve_model(name)?);
        args.models.iter().map(of).collect::<Result<Vec<_>, CliError>>()?
    };
    let order = ReportOrder {
        folder: args.folder.clone(),
        spectra: args.spectra,
        most: args.most,
        seed: args.seed,
        fit: args.fit.into(),
    };
    let labelled = Arc::new(labelled);
    let mut parts = Vec::with_capacity(files.len());
    for files in &files {
        let runner = context.open_files(files)?;
        let progress = context.progress(&format!("Measuring {}", files.name));
        let mut task = ReportTask::new(order.clone(), Arc::clone(&labelled));
        while task.turn(&runner, &progress)? == WorkTurn::More {}
        drop(progress);
        parts.push(task.take_part(runner.info())?);
    }
    let page = report_html(&report_page(&parts, &labelled, &args.folder))?;
    write_folder_atomically(&args.out, &[(REPORT_FILE.to_owned(), page.into_bytes())])?;
    let path = args.out.join(REPORT_FILE);
    context.note(&format!("Wrote {}", path.display()));
    let models = parts.iter().map(|of| {
        let figures: serde_json::Map<String, serde_json::Value> = of
            .summary
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().into()))
            .collect();
        serde_json::json!({
            "model": model_json(&of.info),
            "figures": figures,
            "sections": of.sections.iter().map(|section| &section.title).collect::<Vec<_>>(),
        })
    });
    let json = serde_json::json!({
        "command": "report",
        "out": path,
        "pictures": labelled.pictures.len(),
        "models": models.collect::<Vec<_>>(),
    });
    context.results(&format!("{}\n", path.display()), &json)
}
