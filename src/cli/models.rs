//! `softscope models list` and `softscope models check M`

use super::context::Context;
use super::error::CliError;
use super::table::Table;
use crate::document::InstalledModel;
use crate::tokenizer::{self, CheckReport, VitSize};
use clap::Subcommand;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The models that `--model` knows by name
    List,
    /// Whether a checkpoint fits its configuration, without loading the weights
    Check {
        /// Name of a model at hand, folder, checkpoint file or hub id
        #[arg(value_name = "M")]
        model: String,
    },
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), CliError> {
    match &args.command {
        Command::List => list(context),
        Command::Check { model } => check(context, model),
    }
}

fn list(context: &Context) -> Result<(), CliError> {
    let models = context.places().models();
    let mut table = Table::new(&[
        "model", "class", "pixels", "tokens", "codebook", "MB", "from", "folder",
    ]);
    let mut rows = Vec::with_capacity(models.len());
    for model in &models {
        // A model that cannot be read is listed with its fault: the list is where a person looks for it.
        let report = tokenizer::check(&model.files);
        table.push(list_row(model, report.as_ref().ok()));
        rows.push(serde_json::json!({
            "name": model.name,
            "from": origin(model),
            "config": model.files.config,
            "weights": model.files.weights,
            "size_bytes": model.size_bytes,
            "loadable": report.as_ref().is_ok_and(CheckReport::is_loadable),
            "report": report.as_ref().ok(),
            "error": report.as_ref().err().map(ToString::to_string),
        }));
    }
    let installed = context.places().installed_models.display().to_string();
    let text = format!("{}\nInstalled models live in {installed}\n", table.render());
    let json = serde_json::json!({ "command": "models list", "models": rows, "installed_models": installed });
    context.results(&text, &json)
}

fn origin(model: &InstalledModel) -> &'static str {
    if model.is_shipped { "shipped" } else { "installed" }
}

fn list_row(model: &InstalledModel, report: Option<&CheckReport>) -> Vec<String> {
    let folder = model
        .files
        .config
        .parent()
        .map(|folder| folder.display().to_string())
        .unwrap_or_default();
    let [class, pixels, tokens, codebook] = match report {
        Some(report) => [
            report.class.to_string(),
            report.image_size.to_string(),
            format!("{} x {}", report.num_latent_tokens, report.codebook_embed_dim),
            format!("{} x {}", report.num_codebooks, report.codebook_size),
        ],
        None => ["unreadable", "-", "-", "-"].map(str::to_owned),
    };
    let size = format!("{:.1}", model.size_bytes as f64 / 1e6);
    vec![
        model.name.clone(),
        class,
        pixels,
        tokens,
        codebook,
        size,
        origin(model).to_owned(),
        folder,
    ]
}

fn check(context: &Context, model: &str) -> Result<(), CliError> {
    let files = context.places().resolve_model(model)?;
    let report = tokenizer::check(&files)?;
    let json = serde_json::json!({
        "command": "models check",
        "config": files.config,
        "weights": files.weights,
        "loadable": report.is_loadable(),
        "report": report,
    });
    context.results(&check_text(&report, &files.weights.display().to_string()), &json)?;
    match report.is_loadable() {
        true => Ok(()),
        false => Err(CliError::ModelDoesNotFit {
            model: report.name.clone(),
            problems: problems(&report),
        }),
    }
}

/// What stands in the way, in one line.
fn problems(report: &CheckReport) -> String {
    let keys = &report.keys;
    let counted = [
        (keys.missing.len(), "missing"),
        (keys.wrong.len(), "wrongly shaped"),
        (keys.wrong_type.len(), "not floating-point"),
        (keys.surplus.len(), "not in the configured model"),
    ];
    let counts = counted.iter().filter(|(count, _)| *count > 0);
    let keys = counts.map(|(count, what)| format!("{count} keys {what}"));
    report
        .unsupported
        .iter()
        .cloned()
        .chain(keys)
        .collect::<Vec<_>>()
        .join("; ")
}

fn check_text(report: &CheckReport, weights: &str) -> String {
    let vit = |size: Option<VitSize>| match size {
        Some(size) => format!(
            "ViT, width {}, depth {}, {} heads",
            size.embed_dim, size.depth, size.num_heads
        ),
        None => "not a ViT of known size".to_owned(),
    };
    let codebook = match report.num_codebooks {
        0 => "none".to_owned(),
        count => format!("{count} x {} codewords", report.codebook_size),
    };
    let verdict = match report.is_loadable() {
        true => "loads".to_owned(),
        false => format!("does not load: {}", problems(report)),
    };
    let facts = [
        ("model", report.name.clone()),
        ("weights", weights.to_owned()),
        (
            "section",
            report.section.clone().unwrap_or_else(|| "root".to_owned()),
        ),
        ("class", report.class.to_string()),
        ("picture", format!("{0} x {0}", report.image_size)),
        (
            "tokens",
            format!(
                "{} of {} values",
                report.num_latent_tokens, report.codebook_embed_dim
            ),
        ),
        ("codebook", codebook),
        ("encoder", vit(report.encoder)),
        ("decoder", vit(report.decoder)),
        (
            "parameters",
            format!(
                "{} in {:.1} MB",
                report.parameter_count,
                report.weight_bytes as f64 / 1e6
            ),
        ),
        ("verdict", verdict),
    ];
    let mut text: String = facts
        .iter()
        .map(|(name, fact)| format!("{name:<11} {fact}\n"))
        .collect();
    let mut section = |title: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            text.push_str(&format!("\n{title} ({}):\n", lines.len()));
            for line in lines {
                text.push_str(&format!("  {line}\n"));
            }
        }
    };
    let keys = &report.keys;
    let shapes = keys.wrong.iter().map(|wrong| {
        format!(
            "{}: expected {:?}, found {:?}",
            wrong.key, wrong.expected, wrong.found
        )
    });
    section("unsupported", report.unsupported.clone());
    section("missing keys", keys.missing.clone());
    section("wrongly shaped keys", shapes.collect());
    section("keys that are not floating-point", keys.wrong_type.clone());
    section(
        "keys that the configured model does not have",
        keys.surplus.clone(),
    );
    section("unexpected keys, ignored", keys.unexpected.clone());
    text
}
