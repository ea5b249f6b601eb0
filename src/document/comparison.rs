//! What a comparison of models found, in figures: rows, their means, and both as CSV.

use crate::analysis::{MetricsSummary, PictureMetrics};
use crate::engine::ModelInfo;

/// The facts of a model that a comparison names it by.
#[derive(Debug, Clone, PartialEq)]
pub struct ComparedFacts {
    /// Name of the model.
    pub name: String,
    /// [`Tokenizer::hash`](crate::tokenizer::Tokenizer::hash).
    pub hash: String,
    /// Model family.
    pub class: String,
    /// Side of the square it reads and makes, pixels; its figures are at this size.
    pub side_px: usize,
    /// Tokens of a picture (L).
    pub token_count: usize,
    /// Values of a token (D).
    pub dim: usize,
}

impl ComparedFacts {
    /// Of a loaded model.
    pub fn of(info: &ModelInfo) -> Self {
        Self {
            name: info.name.clone(),
            hash: info.hash.clone(),
            class: info.class.to_string(),
            side_px: info.args.image_size,
            token_count: info.space.token_count,
            dim: info.space.dim,
        }
    }

    /// Such as "32 x 32".
    pub fn shape_text(&self) -> String {
        format!("{} x {}", self.token_count, self.dim)
    }
}

/// One picture through one model.
#[derive(Debug, Clone, PartialEq)]
pub struct ComparisonRow {
    /// Name of the picture.
    pub picture: String,
    /// The model.
    pub model: ComparedFacts,
    /// Reconstruction against the picture fitted to the model's size.
    pub metrics: PictureMetrics,
    /// Time in encoder and in decoder, milliseconds, where it was measured for this picture alone.
    pub times_ms: Option<(f64, f64)>,
}

/// Mean and deviation of each model over the pictures, in the order the models first appear.
pub fn comparison_summaries(rows: &[ComparisonRow]) -> Vec<(ComparedFacts, MetricsSummary)> {
    let mut models: Vec<&ComparedFacts> = Vec::new();
    for row in rows {
        if !models.contains(&&row.model) {
            models.push(&row.model);
        }
    }
    let summary = |model: &&ComparedFacts| {
        let metrics: Vec<PictureMetrics> = rows
            .iter()
            .filter(|row| row.model == **model)
            .map(|row| row.metrics)
            .collect();
        Some(((*model).clone(), MetricsSummary::of(&metrics)?))
    };
    models.iter().filter_map(summary).collect()
}

/// A model that could not be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComparisonFailure {
    /// Name of the model.
    pub model: String,
    /// Why; may have several lines.
    pub message: String,
}

impl ComparisonFailure {
    /// The message as one line, for tables.
    pub fn line(&self) -> String {
        self.message.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// One line a picture and model, then, where there is more than one picture, one line with the mean and one with the
/// sample deviation of each model, then one line for each model that failed. The first column tells them apart: `picture`,
/// `mean`, `deviation`, `failed`. A last column, `error`, is there where a model failed.
pub fn comparison_csv(rows: &[ComparisonRow], failures: &[ComparisonFailure]) -> String {
    let has_times = rows.iter().any(|row| row.times_ms.is_some());
    let mut csv =
        String::from("kind,picture,model,hash,class,side_px,tokens,dim,psnr_db,ssim,ssim_paper,mse");
    if has_times {
        csv.push_str(",encode_ms,decode_ms");
    }
    csv.push_str(if failures.is_empty() { "\n" } else { ",error\n" });
    let mut push = |kind: &str,
                    picture: &str,
                    model: &ComparedFacts,
                    metrics: &PictureMetrics,
                    times: Option<(f64, f64)>| {
        let mut fields = vec![
            kind.to_owned(),
            csv_field(picture),
            csv_field(&model.name),
            model.hash.clone(),
            csv_field(&model.class),
            model.side_px.to_string(),
            model.token_count.to_string(),
            model.dim.to_string(),
            metrics.psnr_db.to_string(),
            metrics.ssim.to_string(),
            metrics.ssim_paper.to_string(),
            metrics.mse.to_string(),
        ];
        if has_times {
            let text = |ms: Option<f64>| ms.map(|ms| format!("{ms:.2}")).unwrap_or_default();
            fields.push(text(times.map(|(encode, _)| encode)));
            fields.push(text(times.map(|(_, decode)| decode)));
        }
        if !failures.is_empty() {
            fields.push(String::new());
        }
        csv.push_str(&fields.join(","));
        csv.push('\n');
    };
    for row in rows {
        push("picture", &row.picture, &row.model, &row.metrics, row.times_ms);
    }
    for (model, summary) in comparison_summaries(rows) {
        if let Some(deviation) = &summary.deviation {
            push("mean", "", &model, &summary.mean, None);
            push("deviation", "", &model, deviation, None);
        }
    }
    for failure in failures {
        let mut fields = vec!["failed".to_owned(), String::new(), csv_field(&failure.model)];
        let figures = if has_times { 11 } else { 9 };
        fields.resize(fields.len() + figures, String::new());
        fields.push(csv_field(&failure.line()));
        csv.push_str(&fields.join(","));
        csv.push('\n');
    }
    csv
}

/// `value` as a CSV field (RFC 4180): quoted where it holds a comma, a quote or a line break.
pub fn csv_field(value: &str) -> String {
    if value.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", value.replace('"', "\"\""))
    } else {
        value.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(picture: &str, model: &str, mse: f64) -> ComparisonRow {
        ComparisonRow {
            picture: picture.to_owned(),
            model: ComparedFacts {
                name: model.to_owned(),
                hash: "0123456789abcdef".to_owned(),
                class: "SoftVQ".to_owned(),
                side_px: 256,
                token_count: 64,
                dim: 32,
            },
            metrics: PictureMetrics {
                mse,
                psnr_db: -10.0 * mse.log10(),
                ssim: 0.5,
                ssim_paper: 0.75,
            },
            times_ms: None,
        }
    }

    #[test]
    fn every_model_has_its_own_mean() {
        let rows = [
            row("x", "a", 0.1),
            row("x", "b", 0.5),
            row("y", "a", 0.3),
            row("y", "b", 0.5),
        ];
        let summaries = comparison_summaries(&rows);
        let [(a, of_a), (b, of_b)] = &summaries[..] else {
            panic!("{summaries:?}")
        };
        assert_eq!((a.name.as_str(), b.name.as_str()), ("a", "b"));
        assert!((of_a.mean.mse - 0.2).abs() < 1e-12 && (of_b.mean.mse - 0.5).abs() < 1e-12);
        assert!(of_b.deviation.unwrap().mse.abs() < 1e-12);
    }

    #[test]
    fn the_csv_has_a_line_a_picture_and_two_a_model() {
        let rows = [row("x, the first", "a", 0.1), row("y", "a", 0.3)];
        let csv = comparison_csv(&rows, &[]);
        let lines: Vec<&str> = csv.lines().collect();
        assert_eq!(lines.len(), 1 + 2 + 2, "{csv}");
        assert!(lines[0].ends_with(",mse"), "no times without any: {}", lines[0]);
        assert!(
            lines[1].starts_with("picture,\"x, the first\",a,0123456789abcdef,SoftVQ,256,64,32,10,"),
            "{}",
            lines[1]
        );
        assert!(lines[3].starts_with("mean,,a,") && lines[4].starts_with("deviation,,a,"));
        assert_eq!(comparison_csv(&rows[..1], &[]).lines().count(), 2);
    }

    #[test]
    fn times_are_there_where_they_were_measured() {
        let timed = ComparisonRow {
            times_ms: Some((12.345, 6.0)),
            ..row("x", "a", 0.1)
        };
        let csv = comparison_csv(&[timed, row("x", "b", 0.1)], &[]);
        assert!(csv.contains(",encode_ms,decode_ms\n"), "{csv}");
        assert!(
            csv.contains(",12.35,6.00\n") || csv.contains(",12.34,6.00\n"),
            "{csv}"
        );
        assert!(csv.ends_with(",,\n"), "{csv}");
    }

    #[test]
    fn a_model_that_failed_has_a_line_with_its_message_and_every_line_as_many_fields() {
        let failure = ComparisonFailure {
            model: "broken".to_owned(),
            message: "no keys;\n  see the list".to_owned(),
        };
        let timed = ComparisonRow {
            times_ms: Some((1.0, 2.0)),
            ..row("x", "a", 0.1)
        };
        for rows in [vec![row("x", "a", 0.1)], vec![timed], Vec::new()] {
            let csv = comparison_csv(&rows, std::slice::from_ref(&failure));
            let fields: Vec<usize> = csv.lines().map(|line| line.split(',').count()).collect();
            assert_eq!(fields.len(), 2 + rows.len(), "{csv}");
            assert!(fields.iter().all(|count| *count == fields[0]), "{csv}");
            assert!(csv.lines().next().unwrap().ends_with(",error"), "{csv}");
            let last = csv.lines().last().unwrap();
            assert!(
                last.starts_with("failed,,broken,") && last.ends_with(",no keys; see the list"),
                "{csv}"
            );
        }
    }

    #[test]
    fn csv_quotes_what_needs_it() {
        assert_eq!(csv_field("cat.jpg"), "cat.jpg");
        assert_eq!(csv_field("a \"b\", c"), "\"a \"\"b\"\", c\"");
    }
}
