//! What a report shows, section by section; each with two sentences and the command behind it.

use super::measured::{First, Measured, Painted};
use super::{LinePlot, PlotLine, ReportBlock, ReportOrder, ReportSection, ReportTable, line_plot};
use crate::document::{
    Atlas, DocumentError, FactorProbes, ProbeReport, SweepRow, TokenMap, influence_sheet, interactions_png,
};
use std::path::Path;

/// Rows of a table.
const SHOWN: usize = 12;

pub(super) fn of(
    measured: &Measured,
    model: &str,
    order: &ReportOrder,
) -> Result<Vec<ReportSection>, DocumentError> {
    let folder = &quoted(&order.folder);
    let first = &measured.first;
    let mut sections = vec![
        reconstruction(measured, folder),
        influence(first)?,
        structure_of(first)?,
    ];
    if let Some(atlas) = &measured.atlas {
        sections.push(codewords(atlas, folder));
    }
    if let Some(map) = &measured.map {
        sections.push(map_of(map, folder)?);
    }
    sections.extend(directions(measured, folder));
    sections.push(probes(&measured.probes, folder)?);
    sections.extend(measured.painted.as_ref().map(|painted| paint(painted, first)));
    for command in sections.iter_mut().filter_map(|section| section.command.as_mut()) {
        command.push_str(&format!(" --model {}", quoted(Path::new(model))));
    }
    Ok(sections)
}

/// As a shell reads it as one word.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |character: char| character.is_alphanumeric() || "/._-".contains(character);
    if text.chars().all(is_plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

fn texts(cells: &[&str]) -> Vec<String> {
    cells.iter().map(|cell| (*cell).to_owned()).collect()
}

fn reconstruction(measured: &Measured, folder: &str) -> ReportSection {
    let rows = measured.reconstruction.iter().flat_map(|summary| {
        let deviation = summary.deviation.as_ref();
        let row = |name: &str, mean: f64, deviation: Option<f64>, digits: usize| {
            let deviation =
                deviation.map_or_else(|| "-".to_owned(), |deviation| format!("{deviation:.digits$}"));
            vec![name.to_owned(), format!("{mean:.digits$}"), deviation]
        };
        [
            row("PSNR dB", summary.mean.psnr_db, deviation.map(|of| of.psnr_db), 2),
            row("SSIM", summary.mean.ssim, deviation.map(|of| of.ssim), 4),
            row("MSE", summary.mean.mse, deviation.map(|of| of.mse), 6),
        ]
    });
    let first = &measured.first;
    ReportSection {
        title: "Reconstruction".to_owned(),
        explanation: "How near the decoded pictures are to the pictures, mean and deviation over the folder. PSNR and MSE \
                      are of 8-bit values on a 0..1 scale, SSIM has a 7 x 7 uniform window and data range 1."
            .to_owned(),
        command: Some(format!("softscope reconstruct {folder} --out DIR")),
        blocks: vec![
            ReportBlock::Table(ReportTable {
                header: texts(&["figure", "mean", "deviation"]),
                rows: rows.collect(),
            }),
            ReportBlock::Picture(first.crop.clone(), format!("{}, as the model reads it", first.name)),
            ReportBlock::Picture(first.decoded.clone(), "and as it decodes it".to_owned()),
        ],
    }
}

fn influence(first: &First) -> Result<ReportSection, DocumentError> {
    let by_gradient = first.gradient.ranking();
    let change = |token: usize| {
        by_gradient
            .iter()
            .find(|of| of.token == token)
            .map_or(0.0, |of| of.mean_change)
    };
    let cosine = |token: usize| {
        let found = first.agreement.as_ref().and_then(|found| found.tokens.get(token));
        found.map_or_else(String::new, |found| format!("{:.3}", found.cosine))
    };
    let rows = first.ablation.ranking().into_iter().take(SHOWN).map(|of| {
        vec![
            of.token.to_string(),
            format!("{:.3}", of.mean_change),
            format!("{:.1} %", 100.0 * of.share),
            format!("{:.3}", change(of.token)),
            cosine(of.token),
            format!("{:.2}", of.spread),
        ]
    });
    let agreement = first.agreement.as_ref().map_or_else(String::new, |found| {
        let rank = found
            .rank_correlation
            .map_or_else(|| "none".to_owned(), |rank| format!("{rank:.3}"));
        format!(
            "Over all tokens: cosine {:.3}, rank correlation {rank}.",
            found.cosine
        )
    });
    Ok(ReportSection {
        title: "Token to pixels".to_owned(),
        explanation: format!(
            "What {} loses without each token, in steps of 8-bit values: by ablation, the token at the data-set mean, and by \
             the gradient, which is the same were the decoder linear. The cosine says how far the two maps of a token agree.",
            first.name
        ),
        command: Some(format!(
            "softscope attribute {} --by both --out DIR",
            quoted(&first.path)
        )),
        blocks: vec![
            ReportBlock::Table(ReportTable {
                header: texts(&["token", "ablation", "share", "gradient", "cosine", "spread"]),
                rows: rows.collect(),
            }),
            ReportBlock::Text(agreement),
            ReportBlock::Picture(
                influence_sheet(&first.decoded, &first.ablation)?,
                "By ablation, all tokens on one scale".to_owned(),
            ),
            ReportBlock::Picture(
                influence_sheet(&first.decoded, &first.gradient)?,
                "By the gradient".to_owned(),
            ),
        ],
    })
}

fn structure_of(first: &First) -> Result<ReportSection, DocumentError> {
    let curve = |name: &str, points: &[crate::analysis::KeptQuality]| PlotLine {
        name: name.to_owned(),
        points: points.iter().map(|of| [of.kept as f64, of.psnr_db]).collect(),
    };
    let orders = line_plot(&LinePlot {
        title: "Quality by the number of tokens kept".to_owned(),
        across: "tokens kept, the others at the data-set mean".to_owned(),
        up: "PSNR dB".to_owned(),
        lines: vec![
            curve("first tokens", &first.orders.prefix),
            curve("best tokens", &first.orders.greedy),
        ],
    });
    let spectra = line_plot(&LinePlot {
        title: "Singular values of the decoder's Jacobian".to_owned(),
        across: "index".to_owned(),
        up: "steps (RMS) for one deviation".to_owned(),
        lines: first
            .spectra
            .iter()
            .map(|(token, values)| PlotLine {
                name: format!("token {token}"),
                points: values
                    .iter()
                    .enumerate()
                    .map(|(index, value)| [index as f64, *value])
                    .collect(),
            })
            .collect(),
    });
    Ok(ReportSection {
        title: "Structure".to_owned(),
        explanation: format!(
            "Which pairs of tokens change more together than the sum of both alone, how much of {} the first and the best \
             tokens give, and along how many directions a token moves the picture. The singular values are of the {} most \
             influential tokens.",
            first.name,
            first.spectra.len()
        ),
        command: Some(format!("softscope structure {} --out DIR", quoted(&first.path))),
        blocks: vec![
            ReportBlock::Png(
                interactions_png(&first.interactions)?,
                "What pairs change beyond their sum".to_owned(),
            ),
            ReportBlock::Plot(orders),
            ReportBlock::Plot(spectra),
        ],
    })
}

fn codewords(atlas: &Atlas, folder: &str) -> ReportSection {
    let segments = atlas.segments.iter().map(|of| {
        vec![
            of.segment.to_string(),
            of.tokens.to_string(),
            format!("{:.1}", of.perplexity),
            of.never_first.to_string(),
            of.dead.to_string(),
        ]
    });
    let pairs = atlas.pairs.iter().take(SHOWN).map(|of| {
        vec![
            format!("{}:{} + {}:{}", of.segment, of.a, of.segment, of.b),
            format!("{:.2e}", of.together),
            format!("{:.2}", of.lift),
        ]
    });
    let mut blocks = vec![
        ReportBlock::Table(ReportTable {
            header: texts(&["segment", "tokens", "in use", "never first", "dead"]),
            rows: segments.collect(),
        }),
        ReportBlock::Picture(
            atlas.sheet.clone(),
            "Each row: the codeword alone in the token that uses it most, then the pictures that use it most"
                .to_owned(),
        ),
        ReportBlock::Table(ReportTable {
            header: texts(&["pair", "together", "lift"]),
            rows: pairs.collect(),
        }),
    ];
    if let Some(sweep) = &atlas.sweep {
        blocks.push(ReportBlock::Picture(
            sweep.sheet.clone(),
            "From soft to hard".to_owned(),
        ));
        blocks.push(ReportBlock::Table(ReportTable {
            header: texts(&["sharpness", "entropy nats", "PSNR dB"]),
            rows: sweep.rows.iter().map(SweepRow::cells).map(Vec::from).collect(),
        }));
    }
    ReportSection {
        title: "Codewords".to_owned(),
        explanation: "How many codewords the folder uses (exp of the entropy of their mean weights), which are never the \
                      heaviest of a token or dead, and which come together more than by chance (lift above 1). A dead one \
                      never was the heaviest and has under a hundredth of an even share."
            .to_owned(),
        command: Some(format!("softscope atlas {folder} --out DIR")),
        blocks,
    }
}

fn map_of(map: &TokenMap, folder: &str) -> Result<ReportSection, DocumentError> {
    let mut blocks: Vec<ReportBlock> = map.notes().into_iter().map(ReportBlock::Text).collect();
    blocks.extend(
        map.sheets()?
            .into_iter()
            .map(|(name, sheet)| ReportBlock::Picture(sheet, name)),
    );
    Ok(ReportSection {
        title: "Token map".to_owned(),
        explanation: "All tokens of the folder in the plane, before (h) and after (z) the quantiser, by principal components \
                      and by t-SNE. Distances far apart mean little in t-SNE; neighbours do."
            .to_owned(),
        command: Some(format!("softscope map {folder} --out DIR")),
        blocks,
    })
}

fn directions(measured: &Measured, folder: &str) -> Option<ReportSection> {
    let components = measured.components.as_ref()?;
    let mut together = 0.0;
    let points = components.shares.iter().enumerate().map(|(index, share)| {
        together += share;
        [index as f64 + 1.0, 100.0 * together]
    });
    let plot = line_plot(&LinePlot {
        title: "Variance of the tokens along their principal components".to_owned(),
        across: "components".to_owned(),
        up: "% of the variance, together".to_owned(),
        lines: vec![PlotLine {
            name: "all tokens of a picture".to_owned(),
            points: points.collect(),
        }],
    });
    Some(ReportSection {
        title: "Directions".to_owned(),
        explanation: "Along how few directions the pictures of the folder differ most. Each can be saved and used in a recipe, \
                      where an amount of 1 is one standard deviation."
            .to_owned(),
        command: Some(format!("softscope directions {folder} --pca {} --out DIR", components.shares.len())),
        blocks: vec![ReportBlock::Plot(plot)],
    })
}

fn probes(report: &ProbeReport, folder: &str) -> Result<ReportSection, DocumentError> {
    let mut blocks: Vec<ReportBlock> = report.left_out.iter().cloned().map(ReportBlock::Text).collect();
    if !report.found.is_empty() {
        blocks.push(ReportBlock::Table(ReportTable {
            header: texts(&FactorProbes::COLUMNS),
            rows: report.found.iter().map(FactorProbes::row).collect(),
        }));
    }
    for found in &report.found {
        blocks.push(ReportBlock::Png(
            found.heat_map()?,
            format!("{}, token by token", found.factor),
        ));
    }
    Ok(ReportSection {
        title: "Probes".to_owned(),
        explanation: "How well a linear probe reads the labels (sub-folders) off the tokens, on pictures it did not learn from, \
                      with Wilson's interval of 95 %. Chance is always naming the most frequent label."
            .to_owned(),
        command: Some(format!("softscope probe {folder} --out DIR")),
        blocks,
    })
}

fn paint(painted: &Painted, first: &First) -> ReportSection {
    let row = |name: &str, figures: Option<crate::engine::PaintFigures>| {
        let text = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.2}"));
        let (region, rest) = (figures.map(|of| of.region), figures.map(|of| of.rest));
        vec![name.to_owned(), text(region), text(rest)]
    };
    ReportSection {
        title: "Painting".to_owned(),
        explanation: format!(
            "The tokens of {} were moved until its middle, half as wide and high, looks like the second picture's and the \
             rest stays. Errors are root mean squares in steps of 8-bit values.",
            first.name
        ),
        command: Some(format!(
            "softscope paint {} --mask MASK.png --target {} --out X.png",
            quoted(&first.path),
            quoted(&painted.path)
        )),
        blocks: vec![
            ReportBlock::Table(ReportTable {
                header: texts(&["", "region", "rest"]),
                rows: vec![row("before", painted.before), row("after", painted.after)],
            }),
            ReportBlock::Picture(
                painted.target.clone(),
                "What the middle is to look like".to_owned(),
            ),
            ReportBlock::Picture(painted.picture.clone(), "After".to_owned()),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_for_a_shell() {
        assert_eq!(quoted(Path::new("a/b-1.png")), "a/b-1.png");
        assert_eq!(quoted(Path::new("my pictures")), "'my pictures'");
        assert_eq!(quoted(Path::new("it's")), "'it'\\''s'");
    }
}
