//! `softscope probe FOLDER --out DIR`

use super::composites::{self, CompositeOrder};
use super::context::{Context, model_json};
use super::error::CliError;
use super::inputs::{self, Batches};
use super::options::FitArg;
use super::outputs;
use super::table::Table;
use crate::analysis::{ClassProbes, Hits, NumberProbes, Split, TokenRows, probe_classes, probe_numbers};
use crate::document::{
    self, Factor, FactorValues, Labelled, MatrixSheet, csv_field, write_folder_atomically,
};
use crate::picture;
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

/// What one factor's probes found.
pub(super) enum Found {
    Labels {
        factor: String,
        names: Vec<String>,
        probes: ClassProbes,
    },
    Numbers {
        factor: String,
        probes: NumberProbes,
    },
}

/// Factors that could be probed, and why others could not.
pub(super) struct Report {
    pub(super) found: Vec<Found>,
    pub(super) left_out: Vec<String>,
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
    let report = probe(tokens, &labelled.factors, args.seed);
    report.left_out.iter().for_each(|reason| context.note(reason));
    if report.found.is_empty() {
        return Err(CliError::TooFewPictures(format!(
            "nothing could be probed: {}",
            report.left_out.join("; ")
        )));
    }
    write_folder_atomically(&args.out, &files(&report)?)?;
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

/// Probes every factor that has enough examples.
pub(super) fn probe(tokens: TokenRows<'_>, factors: &[Factor], seed: u64) -> Report {
    let mut report = Report {
        found: Vec::new(),
        left_out: Vec::new(),
    };
    for factor in factors {
        match probe_factor(tokens, factor, seed) {
            Ok(found) => report.found.push(found),
            Err(reason) => report
                .left_out
                .push(format!("{} is left out: {reason}", factor.name)),
        }
    }
    report
}

fn probe_factor(tokens: TokenRows<'_>, factor: &Factor, seed: u64) -> Result<Found, &'static str> {
    match &factor.values {
        FactorValues::Labels { names, .. } if names.len() < 2 => Err("all pictures have the same label"),
        FactorValues::Labels { names, of } => {
            let split = Split::stratified(of, seed);
            let probes = probe_classes(tokens, of, names.len(), &split)
                .ok_or("too few pictures for training, validation and test")?;
            Ok(Found::Labels {
                factor: factor.name.clone(),
                names: names.clone(),
                probes,
            })
        }
        FactorValues::Numbers(numbers) => {
            let split = Split::stratified(&vec![0; numbers.len()], seed);
            let probes = probe_numbers(tokens, numbers, &split)
                .ok_or("too few pictures or too few different numbers")?;
            Ok(Found::Numbers {
                factor: factor.name.clone(),
                probes,
            })
        }
    }
}

fn found_json(found: &Found) -> serde_json::Value {
    match found {
        Found::Labels {
            factor,
            names,
            probes,
        } => serde_json::json!({
            "factor": factor, "labels": names, "probes": probes,
        }),
        Found::Numbers { factor, probes } => serde_json::json!({"factor": factor, "probes": probes}),
    }
}

fn files(report: &Report) -> Result<Vec<(String, Vec<u8>)>, CliError> {
    let mut files = vec![("probe.csv".to_owned(), csv(report).into_bytes())];
    for found in &report.found {
        files.push((format!("{}.png", file_stem(found.factor())), heat_map(found)?));
    }
    Ok(files)
}

/// A factor's name as a file name.
fn file_stem(factor: &str) -> String {
    let plain = |character: char| {
        if character.is_alphanumeric() {
            character
        } else {
            '_'
        }
    };
    factor.chars().map(plain).collect()
}

impl Found {
    pub(super) fn factor(&self) -> &str {
        match self {
            Self::Labels { factor, .. } | Self::Numbers { factor, .. } => factor,
        }
    }
}

/// Token by label: area under the curve; of a number one column of R^2.
pub(super) fn heat_map(found: &Found) -> Result<Vec<u8>, CliError> {
    let tokens = |count: usize| (0..count).map(|token| token.to_string()).collect::<Vec<_>>();
    let sheet = match found {
        Found::Labels {
            factor,
            names,
            probes,
        } => document::matrix_sheet(&MatrixSheet {
            title: &format!("{factor}: what each token alone tells"),
            rows: &tokens(probes.tokens.len()),
            columns: names,
            values: &probes.areas,
            range: (0.5, 1.0),
            unit: "area under the ROC curve, one label against the others",
        })?,
        Found::Numbers { factor, probes } => document::matrix_sheet(&MatrixSheet {
            title: &format!("{factor}: what each token alone tells"),
            rows: &tokens(probes.tokens.len()),
            columns: std::slice::from_ref(factor),
            values: &probes
                .tokens
                .iter()
                .map(|probe| probe.r_squared)
                .collect::<Vec<_>>(),
            range: (0.0, 1.0),
            unit: "R squared",
        })?,
    };
    Ok(picture::to_png(&sheet, &[])?)
}

fn csv(report: &Report) -> String {
    let mut text = "factor,token,measure,value,low,high,chance,tested,validation,strength\n".to_owned();
    for found in &report.found {
        let factor = csv_field(found.factor());
        match found {
            Found::Labels { probes, .. } => {
                let chance = probes.chance.share;
                for (name, probe) in named(&probes.all, &probes.tokens) {
                    let Hits {
                        share,
                        interval,
                        tested,
                        ..
                    } = probe.hits;
                    text.push_str(&format!(
                        "{factor},{name},accuracy,{share},{},{},{chance},{tested},{},{}\n",
                        interval.0, interval.1, probe.validation_share, probe.strength
                    ));
                }
            }
            Found::Numbers { probes, .. } => {
                for (name, probe) in named(&probes.all, &probes.tokens) {
                    text.push_str(&format!(
                        "{factor},{name},r_squared,{},,,0,{},{},{}\n",
                        probe.r_squared, probe.tested, probe.validation_r_squared, probe.strength
                    ));
                }
            }
        }
    }
    text
}

/// All tokens, then each.
fn named<'a, T>(all: &'a T, tokens: &'a [T]) -> impl Iterator<Item = (String, &'a T)> {
    let each = tokens
        .iter()
        .enumerate()
        .map(|(token, probe)| (token.to_string(), probe));
    std::iter::once(("all".to_owned(), all)).chain(each)
}

fn text(report: &Report, pictures: usize) -> String {
    let mut table = Table::new(&COLUMNS);
    for found in &report.found {
        table.push(row(found));
    }
    format!(
        "{}\nlinear probes of the tokens of {}, ridge regression, 60 % to learn from, 20 % to choose its strength, 20 % \
         tested; chance: always the most frequent label; R^2: 1 - squared error / squared distance from the mean\n",
        table.render(),
        inputs::count(pictures)
    )
}

/// Columns of [`row`].
pub(super) const COLUMNS: [&str; 7] = [
    "factor",
    "measure",
    "all tokens",
    "95 % interval",
    "chance",
    "best token",
    "tested",
];

pub(super) fn row(found: &Found) -> Vec<String> {
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    match found {
        Found::Labels { factor, probes, .. } => {
            let hits = probes.all.hits;
            let best = probes
                .tokens
                .iter()
                .enumerate()
                .max_by(|(_, a), (_, b)| a.hits.share.total_cmp(&b.hits.share));
            vec![
                factor.clone(),
                "accuracy".to_owned(),
                percent(hits.share),
                format!("{} to {}", percent(hits.interval.0), percent(hits.interval.1)),
                percent(probes.chance.share),
                best.map_or_else(String::new, |(token, probe)| {
                    format!("{token}: {}", percent(probe.hits.share))
                }),
                hits.tested.to_string(),
            ]
        }
        Found::Numbers { factor, probes } => {
            let best = probes
                .tokens
                .iter()
                .enumerate()
                .max_by(|(_, a), (_, b)| a.r_squared.total_cmp(&b.r_squared));
            vec![
                factor.clone(),
                "R^2".to_owned(),
                format!("{:.3}", probes.all.r_squared),
                String::new(),
                "0".to_owned(),
                best.map_or_else(String::new, |(token, probe)| {
                    format!("{token}: {:.3}", probe.r_squared)
                }),
                probes.all.tested.to_string(),
            ]
        }
    }
}
