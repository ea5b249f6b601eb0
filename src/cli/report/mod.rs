//! `softscope report FOLDER --out DIR`

mod measured;
mod sections;

use super::context::{Context, model_json};
use super::error::CliError;
use super::inputs;
use super::options::FitArg;
use super::outputs;
use crate::document::Labelled;
use crate::document::{
    self, Report, ReportBlock, ReportSection, ReportTable, utc_date, write_folder_atomically,
};
use crate::engine::ModelInfo;
use measured::Measured;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

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
    #[arg(long, value_name = "N", default_value_t = 4)]
    spectra: usize,
    /// Most tokens in a t-SNE map
    #[arg(long, value_name = "N", default_value_t = 3000)]
    most: usize,
    /// Seed of splits
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// How a picture becomes the model's square
    #[arg(long, value_enum, default_value_t = FitArg::Crop)]
    fit: FitArg,
}

/// What a report says of one model.
struct OfModel {
    info: Arc<ModelInfo>,
    /// Names and values for the comparison.
    summary: Vec<(String, String)>,
    sections: Vec<ReportSection>,
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
    let mut of_models = Vec::with_capacity(files.len());
    for files in &files {
        let runner = context.open_files(files)?;
        let measured = Measured::new(context, &runner, &labelled, args)?;
        of_models.push(OfModel {
            info: Arc::clone(runner.info()),
            summary: measured.summary(),
            sections: sections::of(&measured, &files.name, args)?,
        });
    }
    let page = document::report_html(&page(&of_models, labelled.pictures.len(), args))?;
    write_folder_atomically(&args.out, &[("report.html".to_owned(), page.into_bytes())])?;
    let path = args.out.join("report.html");
    context.note(&format!("Wrote {}", path.display()));
    let models = of_models.iter().map(|of| {
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

fn page(models: &[OfModel], pictures: usize, args: &Args) -> Report {
    let names: Vec<&str> = models.iter().map(|of| of.info.name.as_str()).collect();
    let facts = vec![
        (
            "Pictures".to_owned(),
            format!("{} of {}", inputs::count(pictures), args.folder.display()),
        ),
        ("Date".to_owned(), utc_date(SystemTime::now())),
        (
            "Program".to_owned(),
            format!("softscope {}", env!("CARGO_PKG_VERSION")),
        ),
    ];
    let mut sections = vec![models_section(models)];
    for of in models {
        sections.extend(of.sections.iter().cloned().map(|section| ReportSection {
            title: match models {
                [_] => section.title,
                _ => format!("{}: {}", of.info.name, section.title),
            },
            ..section
        }));
    }
    Report {
        title: format!("What the tokens of {} mean", names.join(" and ")),
        facts,
        sections,
    }
}

/// The models' facts and figures side by side.
fn models_section(models: &[OfModel]) -> ReportSection {
    let facts = |info: &ModelInfo| -> Vec<(String, String)> {
        [
            ("Hash", info.hash.clone()),
            ("Class", info.class.to_string()),
            ("Parameters", info.parameter_count.to_string()),
            ("Picture", format!("{0} x {0} px", info.args.image_size)),
            (
                "Tokens",
                format!("{} of {} values", info.space.token_count, info.space.dim),
            ),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    };
    let columns: Vec<Vec<(String, String)>> = models
        .iter()
        .map(|of| [facts(&of.info), of.summary.clone()].concat())
        .collect();
    let mut names: Vec<&String> = Vec::new();
    for (name, _) in columns.iter().flatten() {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let row = |name: &&String| {
        let value = |column: &Vec<(String, String)>| {
            let found = column.iter().find(|(other, _)| other == *name);
            found.map_or_else(|| "-".to_owned(), |(_, value)| value.clone())
        };
        std::iter::once((*name).clone())
            .chain(columns.iter().map(value))
            .collect()
    };
    ReportSection {
        title: if models.len() > 1 {
            "Models compared"
        } else {
            "Model"
        }
        .to_owned(),
        explanation:
            "What the models are, and the figures of the sections below in one place. The hash is over the \
                      weights, so equal hashes mean equal figures."
                .to_owned(),
        command: None,
        blocks: vec![ReportBlock::Table(ReportTable {
            header: std::iter::once(String::new())
                .chain(models.iter().map(|of| of.info.name.clone()))
                .collect(),
            rows: names.iter().map(row).collect(),
        })],
    }
}
