//! `softscope models check M`

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::document::ModelReport;
use crate::generator::GeneratorReport;
use crate::tokenizer::{CheckReport, VitSize};

pub(super) fn check(context: &Context, model: &str) -> Result<(), CliError> {
    let files = context.places().resolve_model(model)?;
    let report = ModelReport::of(&files)?;
    let json = serde_json::json!({
        "command": "models check",
        "kind": report.kind().to_string(),
        "config": files.config,
        "weights": files.weights,
        "loadable": report.is_loadable(),
        "report": report,
    });
    context.results(&check_text(&report, &files.weights.display().to_string()), &json)?;
    match report.is_loadable() {
        true => Ok(()),
        false => Err(CliError::ModelDoesNotFit {
            model: report.name().to_owned(),
            problems: problems(&report),
        }),
    }
}

/// What stands in the way, in one line.
fn problems(report: &ModelReport) -> String {
    let keys = report.keys();
    let counted = [
        (keys.missing.len(), "missing"),
        (keys.wrong.len(), "wrongly shaped"),
        (keys.wrong_type.len(), "not floating-point"),
        (keys.surplus.len(), "not in the configured model"),
    ];
    let counts = counted.iter().filter(|(count, _)| *count > 0);
    let keys = counts.map(|(count, what)| format!("{count} keys {what}"));
    let unsupported = report.unsupported().iter().cloned();
    unsupported.chain(keys).collect::<Vec<_>>().join("; ")
}

/// A line of the report: what it is of, and what it says.
type Fact = (&'static str, String);

fn tokens_fact(count: usize, dim: usize) -> Fact {
    ("tokens", format!("{count} of {dim} values"))
}

fn tokenizer_facts(report: &CheckReport) -> Vec<Fact> {
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
    vec![
        ("picture", format!("{0} x {0}", report.image_size)),
        tokens_fact(report.num_latent_tokens, report.codebook_embed_dim),
        ("codebook", codebook),
        ("encoder", vit(report.encoder)),
        ("decoder", vit(report.decoder)),
    ]
}

fn generator_facts(report: &GeneratorReport) -> Vec<Fact> {
    let latent = match report.token_shape() {
        Some((count, dim)) => tokens_fact(count, dim),
        None => ("latents", format!("squares of {:?} values", report.latent_shape)),
    };
    let network = format!(
        "width {}, depth {}, {} heads",
        report.hidden_size, report.depth, report.num_heads
    );
    vec![
        latent,
        ("classes", report.num_classes.to_string()),
        ("network", network),
    ]
}

fn check_text(report: &ModelReport, weights: &str) -> String {
    let (section, parameter_count, weight_bytes, own_facts) = match report {
        ModelReport::Tokenizer(it) => (
            &it.section,
            it.parameter_count,
            it.weight_bytes,
            tokenizer_facts(it),
        ),
        ModelReport::Generator(it) => (
            &it.section,
            it.parameter_count,
            it.weight_bytes,
            generator_facts(it),
        ),
    };
    let verdict = match report.is_loadable() {
        true => "loads".to_owned(),
        false => format!("does not load: {}", problems(report)),
    };
    let mut facts = vec![
        ("model", report.name().to_owned()),
        ("kind", report.kind().to_string()),
        ("weights", weights.to_owned()),
        ("section", section.clone().unwrap_or_else(|| "root".to_owned())),
        ("class", report.class()),
    ];
    facts.extend(own_facts);
    facts.extend([
        (
            "parameters",
            format!("{parameter_count} in {:.1} MB", weight_bytes as f64 / 1e6),
        ),
        ("verdict", verdict),
    ]);
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
    let keys = report.keys();
    let shapes = keys.wrong.iter().map(|wrong| {
        format!(
            "{}: expected {:?}, found {:?}",
            wrong.key, wrong.expected, wrong.found
        )
    });
    section("unsupported", report.unsupported().to_vec());
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
