//! `softscope probe FOLDER --out DIR`

use super::composites::{self, CompositeOrder};
use super::context::{Context, model_json};
use super::error::CliError;
use super::inputs::{self, Batches};
use super::options::FitArg;
use super::outputs;
use super::table::Table;
use crate::analysis::TokenRows;
use crate::document::{FactorProbes, FoundProbes, Labelled, ProbeReport, write_folder_atomically};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Folder of pictures, each labelled by its table labels.tsv or labels.csv or, without one, by the sub-folder it lies
    /// in
    #[arg(value_name = "FOLDER", required_unless_present_any = ["labels", "composites"], conflicts_with_all = ["labels", "composites"])]
    folder: Option<PathBuf>,
    /// Table `file,label` instead, the files relative to it; further columns are probed too, those of many numbers as
    /// numbers
    #[arg(long, value_name = "F.csv", conflicts_with = "composites")]
    labels: Option<PathBuf>,
    /// Composites instead: cut-outs of the first folder over photographs of the second, with known concept, tone, place,
    /// size and turn
    #[arg(long, num_args = 2, value_names = ["CUTOUTS", "PHOTOS"])]
    composites: Option<Vec<PathBuf>>,
    /// How many composites
    #[arg(long, value_name = "N", default_value_t = 1000)]
    count: usize,
    /// How many concepts the composites show, drawn by seed
    #[arg(long, value_name = "N", default_value_t = 12)]
    concepts: usize,
    /// Also write the composites and their table labels.csv
    #[arg(long, value_name = "DIR", requires = "composites")]
    save_composites: Option<PathBuf>,
    /// Seed of the split and of the composites
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Folder for probe.csv and a heat map of each factor
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// How a picture becomes the model's square
    #[arg(long, value_enum, default_value_t = FitArg::Crop)]
    fit: FitArg,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), CliError> {
    let runner = context.open_model()?;
    let labelled = gather(context, args, inputs::side(runner.info()))?;
    outputs::guard(&args.out, &inputs::paths(&labelled.pictures))?;
    labelled.left_out.iter().for_each(|note| context.note(note));
    let progress = context.progress("Encoding");
    let mut rows = Vec::with_capacity(labelled.pictures.len());
    Batches::new(&runner, &labelled.pictures, args.fit, &progress).encode(|_, state| {
        rows.push(state.z.values);
        Ok(())
    })?;
    drop(progress);
    let space = &runner.info().space;
    let tokens = TokenRows {
        rows: &rows,
        count: space.token_count,
        dim: space.dim,
    };
    let progress = context.progress("Probing");
    let report = ProbeReport::new(tokens, &labelled.factors, args.seed, &|share| {
        progress.watch(share)
    })
    .unwrap_or_default();
    drop(progress);
    report.left_out.iter().for_each(|reason| context.note(reason));
    if report.found.is_empty() {
        return Err(CliError::TooFewPictures(format!(
            "nothing could be probed: {}",
            report.left_out.join("; ")
        )));
    }
    write_folder_atomically(&args.out, &report.files()?)?;
    context.note(&format!(
        "Wrote {}: probe.csv and a heat map for each factor",
        args.out.display()
    ));
    let json = serde_json::json!({
        "command": "probe",
        "model": model_json(runner.info()),
        "out": args.out,
        "pictures": labelled.pictures.len(),
        "seed": args.seed,
        "factors": report.found.iter().map(found_json).collect::<Vec<_>>(),
        "left_out": report.left_out,
    });
    context.results(&text(&report, labelled.pictures.len()), &json)
}

fn gather(context: &Context, args: &Args, side: u32) -> Result<Labelled, CliError> {
    if let Some(table) = &args.labels {
        return Ok(Labelled::of_table(table)?);
    }
    if let Some([cutouts, photographs]) = args.composites.as_deref() {
        let order = CompositeOrder {
            cutouts,
            photographs,
            count: args.count,
            concepts: args.concepts,
            seed: args.seed,
            side,
        };
        let (labelled, composites) = order.make()?;
        if let Some(folder) = &args.save_composites {
            write_folder_atomically(folder, &composites::composite_files(&composites)?)?;
            context.note(&format!(
                "Wrote {}: {} composites and labels.csv",
                folder.display(),
                composites.len()
            ));
        }
        return Ok(labelled);
    }
    let folder = args
        .folder
        .as_deref()
        .ok_or_else(|| CliError::usage("a folder of pictures is missing"))?;
    Ok(Labelled::of_folder(folder)?)
}

fn found_json(found: &FactorProbes) -> serde_json::Value {
    let factor = &found.factor;
    match &found.probes {
        FoundProbes::Labels { names, probes } => {
            serde_json::json!({"factor": factor, "labels": names, "probes": probes})
        }
        FoundProbes::Numbers(probes) => serde_json::json!({"factor": factor, "probes": probes}),
    }
}

fn text(report: &ProbeReport, pictures: usize) -> String {
    let mut table = Table::new(&FactorProbes::COLUMNS);
    for found in &report.found {
        table.push(found.row());
    }
    format!(
        "{}\nlinear probes of the tokens of {}, ridge regression, 60 % to learn from, 20 % to choose its strength, 20 % \
         tested; chance: always the most frequent label; R^2: 1 - squared error / squared distance from the mean\n",
        table.render(),
        inputs::count(pictures)
    )
}
