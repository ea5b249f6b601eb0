//! The loaded tokenizer, in numbers.

use super::count_text;
use super::report::class_text;
use crate::engine::ModelInfo;
use crate::latent::{Bottleneck, LatentSpace};
use crate::ui::theme;

/// How tokens are made of the encoder's output, as far as the class has it.
fn bottleneck_facts(space: &LatentSpace) -> Vec<(&'static str, String, &'static str)> {
    let mut facts = vec![(
        "Codebook",
        space.codebook().map_or_else(
            || "none: tokens are free".to_owned(),
            |codebook| format!("{} × {} codewords", codebook.segments, codebook.size),
        ),
        "K × n: segments the token sequence is cut into, and the codewords each of them has.",
    )];
    if let Some(codebook) = space.mixing() {
        facts.push((
            "τ",
            format!("{}", codebook.tau),
            "Temperature of the posterior w = softmax(sim(h, C) / τ). Lower is harder: fewer codewords share a token.",
        ));
    }
    let similarity = match &space.bottleneck {
        Bottleneck::Soft(codebook) if codebook.l2_norm => Some("cosine"),
        Bottleneck::Soft(_) => Some("inner product"),
        Bottleneck::Hard(codebook) if codebook.l2_norm => Some("distance of unit vectors"),
        Bottleneck::Hard(_) => Some("distance"),
        Bottleneck::Gaussian | Bottleneck::Identity => None,
    };
    if let Some(similarity) = similarity {
        facts.push((
            "Similarity",
            similarity.to_owned(),
            "How h is compared with the codewords.",
        ));
    }
    facts
}

/// Every fact, each explained on hover.
pub(super) fn ui(ui: &mut egui::Ui, model: &ModelInfo) {
    let mut facts = vec![
        (
            "Name",
            model.name.clone(),
            "The name of its folder, file or hub repository.",
        ),
        (
            "Class",
            class_text(model.class).to_owned(),
            "Told from the entries of the checkpoint.",
        ),
        (
            "Picture",
            format!("{0} × {0} px", model.args.image_size),
            "Side of the square the encoder reads.",
        ),
        (
            "Tokens",
            format!("{} × {}", model.space.token_count, model.space.dim),
            "L × D: one-dimensional tokens of a picture, and the values of each.",
        ),
    ];
    facts.extend(bottleneck_facts(&model.space));
    facts.extend([
        (
            "Parameters",
            count_text(model.parameter_count),
            "Weights in use, encoder and decoder together.",
        ),
        (
            "Runs on",
            format!("{}, {}", model.device, model.precision),
            "Device and number format of the products.",
        ),
        (
            "Threads",
            model.threads.to_string(),
            "The number that measured fastest on this machine.",
        ),
        (
            "Loaded in",
            format!("{:.0} ms", model.load_ms),
            "Reading, checking and hashing the weights.",
        ),
        (
            "Hash",
            model.hash.clone(),
            "First 16 hex digits of the SHA-256 of the weights in use. Recipes carry it.",
        ),
    ]);
    egui::Grid::new("loaded model")
        .num_columns(2)
        .spacing([24.0, 4.0])
        .show(ui, |ui| {
            for (name, value, explanation) in facts {
                ui.label(theme::muted(name)).on_hover_text(explanation);
                ui.add(egui::Label::new(value).selectable(true))
                    .on_hover_text(explanation);
                ui.end_row();
            }
        });
}
