//! A report's page: all parts under one title, with the models side by side.

use super::{Report, ReportBlock, ReportSection, ReportTable, utc_date};
use crate::document::{Labelled, picture_count};
use crate::engine::ModelInfo;
use crate::picture::Fit;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// Name of the page in its folder.
pub const REPORT_FILE: &str = "report.html";

/// What a report is to show.
#[derive(Debug, Clone, PartialEq)]
pub struct ReportOrder {
    /// The folder, as the page names it.
    pub folder: PathBuf,
    /// Of how many tokens, the most influential, the singular values are measured.
    pub spectra: usize,
    /// Most tokens in a t-SNE map.
    pub most: usize,
    /// Seed of splits.
    pub seed: u64,
    /// How a picture becomes the model's square.
    pub fit: Fit,
}

impl ReportOrder {
    /// Singular values where nothing else is asked for.
    pub const SPECTRA: usize = 4;
    /// Tokens in t-SNE where nothing else is asked for.
    pub const MOST: usize = 3000;

    /// A report as it usually is.
    pub fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            spectra: Self::SPECTRA,
            most: Self::MOST,
            seed: 0,
            fit: Fit::default(),
        }
    }
}

/// What a report says of one model.
#[derive(Debug, Clone)]
pub struct ReportPart {
    /// The model.
    pub info: Arc<ModelInfo>,
    /// Names and values for the comparison.
    pub summary: Vec<(String, String)>,
    /// What was measured.
    pub sections: Vec<ReportSection>,
}

/// The page of all parts, on the pictures of `folder`.
pub fn report_page(models: &[ReportPart], labelled: &Labelled, folder: &Path) -> Report {
    let names: Vec<&str> = models.iter().map(|of| of.info.name.as_str()).collect();
    let mut facts = vec![
        (
            "Pictures".to_owned(),
            format!(
                "{} of {}",
                picture_count(labelled.pictures.len()),
                folder.display()
            ),
        ),
        ("Date".to_owned(), utc_date(SystemTime::now())),
        (
            "Program".to_owned(),
            format!("softscope {}", env!("CARGO_PKG_VERSION")),
        ),
    ];
    let left_out = labelled.left_out.iter();
    facts.extend(left_out.map(|what| ("Left out".to_owned(), what.clone())));
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
fn models_section(models: &[ReportPart]) -> ReportSection {
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
