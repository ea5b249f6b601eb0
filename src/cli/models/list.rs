//! `softscope models list`

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::table::Table;
use crate::document::{InstalledModel, ModelOrigin, ModelReport};
use crate::hub::{CATALOGUE, GeneratorEntry, TokenizerEntry, free_space};
use crate::tokenizer::CheckReport;
use serde_json::{Value, json};

/// Lists the models at hand; with `available` those that could be downloaded too.
pub(super) fn list(context: &Context, available: bool) -> Result<(), CliError> {
    let models = context.places().models();
    let mut table = Table::new(&[
        "model", "class", "pixels", "tokens", "codebook", "MB", "from", "folder",
    ]);
    let mut rows = Vec::with_capacity(models.len());
    for model in &models {
        // A model that cannot be read is listed with its fault: the list is where a person looks for it.
        let report = ModelReport::of(&model.files);
        let fitting = report.as_ref().ok();
        table.push(list_row(model, fitting));
        rows.push(json!({
            "name": model.name,
            "kind": model.kind.to_string(),
            "from": origin(model),
            "config": model.files.config,
            "weights": model.files.weights,
            "size_bytes": model.size_bytes,
            "loadable": fitting.is_some_and(ModelReport::is_loadable),
            "report": fitting,
            "error": report.as_ref().err().map(ToString::to_string),
        }));
    }
    let installed = context.places().installed_models.display().to_string();
    let cache = context.places().hub.cache.as_ref();
    let folder = cache.map(|cache| cache.folder().display().to_string());
    let free_bytes = cache.and_then(|cache| free_space(cache.folder()));
    let mut text = table.render();
    let mut json = json!({
        "command": "models list",
        "models": rows,
        "installed_models": installed,
        "hub_cache": folder,
        "free_bytes": free_bytes,
    });
    if available {
        let is_here = |id: &str| models.iter().any(|model| model.name == id);
        text.push_str(&available_text(&is_here));
        json["available"] = CATALOGUE
            .iter()
            .map(|entry| entry_json(entry, &is_here))
            .collect();
    }
    text.push_str(&format!("\nInstalled models live in {installed}\n"));
    if let Some(folder) = folder {
        let free = free_bytes.map_or_else(String::new, |bytes| {
            format!(", {:.1} GB free", bytes as f64 / 1e9)
        });
        text.push_str(&format!("Downloaded models live in {folder}{free}\n"));
    }
    context.results(&text, &json)
}

fn origin(model: &InstalledModel) -> &'static str {
    match model.origin {
        ModelOrigin::Shipped => "shipped",
        ModelOrigin::Installed => "installed",
        ModelOrigin::Hub => "hub",
    }
}

fn list_row(model: &InstalledModel, report: Option<&ModelReport>) -> Vec<String> {
    let folder = model
        .files
        .config
        .parent()
        .map(|folder| folder.display().to_string())
        .unwrap_or_default();
    let absent = || "-".to_owned();
    let class = report.map_or_else(|| "unreadable".to_owned(), ModelReport::class);
    let shape = report.and_then(ModelReport::token_shape);
    let tokens = shape.map_or_else(absent, |(count, dim)| tokens_text(count, dim));
    let (pixels, codebook) = match report {
        Some(ModelReport::Tokenizer(report)) => (report.image_size.to_string(), codebook_text(report)),
        Some(ModelReport::Generator(_)) | None => (absent(), absent()),
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

fn codebook_text(report: &CheckReport) -> String {
    match report.num_codebooks {
        0 => "none".to_owned(),
        count => format!("{count} x {}", report.codebook_size),
    }
}

fn tokens_text(count: usize, dim: usize) -> String {
    format!("{count} x {dim}")
}

/// The released models, each tokenizer before its generators.
fn available_text(is_here: &dyn Fn(&str) -> bool) -> String {
    let mut table = Table::new(&[
        "released model",
        "class",
        "pixels",
        "tokens",
        "MB",
        "rFID",
        "gFID",
        "guided",
        "here",
    ]);
    let here = |id: &str| if is_here(id) { "yes" } else { "" }.to_owned();
    let megabytes = |bytes: u64| format!("{:.0}", bytes as f64 / 1e6);
    for entry in &CATALOGUE {
        table.push(vec![
            entry.id.to_owned(),
            entry.class.to_string(),
            entry.image_size.to_string(),
            tokens_text(entry.token_count, entry.token_dim),
            megabytes(entry.size_bytes()),
            format!("{:.2}", entry.rfid),
            String::new(),
            String::new(),
            here(entry.id),
        ]);
        for generator in entry.generators {
            table.push(vec![
                format!("  {}", generator.id),
                generator.architecture.to_owned(),
                String::new(),
                String::new(),
                megabytes(generator.size_bytes()),
                String::new(),
                generator
                    .gfid
                    .map_or_else(|| "-".to_owned(), |gfid| format!("{gfid:.2}")),
                format!("{:.2}", generator.gfid_guided),
                here(generator.id),
            ]);
        }
    }
    format!(
        "\n{}Figures as published; sizes are those of the weights in use. \
         Get one with `softscope models download ID`\n",
        table.render()
    )
}

fn entry_json(entry: &TokenizerEntry, is_here: &dyn Fn(&str) -> bool) -> Value {
    let generator = |generator: &GeneratorEntry| {
        json!({
            "id": generator.id,
            "architecture": generator.architecture,
            "parameters": generator.parameter_count,
            "size_bytes": generator.size_bytes(),
            "gfid": generator.gfid,
            "gfid_guided": generator.gfid_guided,
            "here": is_here(generator.id),
        })
    };
    json!({
        "id": entry.id,
        "class": entry.class.to_string(),
        "image_size": entry.image_size,
        "token_count": entry.token_count,
        "token_dim": entry.token_dim,
        "parameters": entry.parameter_count,
        "size_bytes": entry.size_bytes(),
        "rfid": entry.rfid,
        "here": is_here(entry.id),
        "generators": entry.generators.iter().map(generator).collect::<Vec<_>>(),
    })
}
