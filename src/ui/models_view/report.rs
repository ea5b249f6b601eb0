//! What a model's files say about it before it is loaded.

use super::{bytes_text, count_text};
use crate::document::ModelReport;
use crate::generator::{GeneratorClass, GeneratorReport};
use crate::tokenizer::{CheckReport, ModelClass};

/// The verdict, the model's sizes, and every key that stands in the way.
pub(super) fn ui(ui: &mut egui::Ui, report: &ModelReport) {
    let verdict = if report.is_loadable() {
        "It can be loaded."
    } else {
        "It cannot be loaded; see below why."
    };
    let color = if report.is_loadable() {
        ui.visuals().text_color()
    } else {
        ui.visuals().error_fg_color
    };
    ui.colored_label(color, verdict);
    ui.label(match report {
        ModelReport::Tokenizer(report) => tokenizer_text(report),
        ModelReport::Generator(report) => generator_text(report),
    });
    let keys = report.keys();
    let wrong: Vec<String> = keys
        .wrong
        .iter()
        .map(|wrong| {
            format!(
                "{}: expected {:?}, found {:?}",
                wrong.key, wrong.expected, wrong.found
            )
        })
        .collect();
    for (title, keys) in [
        ("Not supported", report.unsupported()),
        ("Missing keys", &keys.missing),
        ("Wrong shapes", &wrong),
        ("Wrong types", &keys.wrong_type),
        ("Keys the configured model does not have", &keys.surplus),
        ("Keys without influence", &keys.unexpected),
    ] {
        keys_ui(ui, title, keys);
    }
}

fn tokenizer_text(report: &CheckReport) -> String {
    format!(
        "{}, {} px, {} × {} tokens, {} parameters ({}).",
        class_text(report.class),
        report.image_size,
        report.num_latent_tokens,
        report.codebook_embed_dim,
        count_text(report.parameter_count),
        bytes_text(report.weight_bytes),
    )
}

fn generator_text(report: &GeneratorReport) -> String {
    let latent = match report.token_shape() {
        Some((count, dim)) => format!("{count} × {dim} tokens"),
        None => format!("latent squares of {:?} values", report.latent_shape),
    };
    format!(
        "{}, {latent}, {} classes, {} blocks of width {}, {} parameters ({}).",
        generator_class_text(report.class),
        report.num_classes,
        report.depth,
        report.hidden_size,
        count_text(report.parameter_count),
        bytes_text(report.weight_bytes),
    )
}

/// The class and what it means.
pub(super) fn long_class_text(report: &ModelReport) -> &'static str {
    match report {
        ModelReport::Tokenizer(report) => class_text(report.class),
        ModelReport::Generator(report) => generator_class_text(report.class),
    }
}

pub(super) fn class_text(class: ModelClass) -> &'static str {
    match class {
        ModelClass::SoftVq => "SoftVQ: soft mixture of codewords",
        ModelClass::Vq => "VQ: nearest codeword",
        ModelClass::Kl => "KL: Gaussian posterior",
        ModelClass::Ae => "AE: no bottleneck but its size",
    }
}

fn generator_class_text(class: GeneratorClass) -> &'static str {
    match class {
        GeneratorClass::Sit => "SiT: generator along a flow from noise to tokens",
        GeneratorClass::Dit => "DiT: generator that removes noise from tokens in steps",
    }
}

fn keys_ui(ui: &mut egui::Ui, title: &str, keys: &[String]) {
    if keys.is_empty() {
        return;
    }
    egui::CollapsingHeader::new(format!("{title} ({})", keys.len()))
        .id_salt(title)
        .show(ui, |ui| {
            if ui.button("Copy").clicked() {
                ui.ctx().copy_text(keys.join("\n"));
            }
            let height = ui.text_style_height(&egui::TextStyle::Body);
            egui::ScrollArea::vertical()
                .max_height(200.0)
                .show_rows(ui, height, keys.len(), |ui, rows| {
                    for key in keys.get(rows).unwrap_or_default() {
                        ui.label(key);
                    }
                });
        });
}
