//! What the viewer shows of the workspace.

use super::viewer::Layer;
use crate::analysis::PictureMetrics;
use crate::document::{Subject, Workspace};
use std::sync::Arc;

/// Original, reconstruction and edited picture of the active subject, in this order; one empty layer without any.
pub(super) fn layers(workspace: &Workspace) -> Vec<Layer> {
    let Some(subject) = workspace.active() else {
        return vec![Layer {
            empty_text: EMPTY.to_owned(),
            ..Layer::default()
        }];
    };
    let encoded = subject.encoded.as_ref();
    let waiting = waiting_text(workspace);
    let original = Layer {
        name: "original".to_owned(),
        picture: subject.crop.clone(),
        empty_text: waiting.clone(),
        ..Layer::default()
    };
    let reconstruction = Layer {
        name: "reconstruction".to_owned(),
        caption: encoded
            .and_then(|encoded| encoded.metrics)
            .map(metrics_text)
            .unwrap_or_default(),
        picture: encoded.map(|encoded| Arc::clone(&encoded.reconstruction)),
        empty_text: waiting.clone(),
        ..Layer::default()
    };
    vec![original, reconstruction, edited(workspace, subject, waiting)]
}

/// The edited picture, or what it would be under the hover; a blend while the hand is ahead of the decoder.
fn edited(workspace: &Workspace, subject: &Subject, empty_text: String) -> Layer {
    let name = "edited".to_owned();
    let hovered = workspace.hovered();
    if let Some(preview) = workspace.preview().filter(|_| hovered.is_none()) {
        return Layer {
            name,
            badge: Some("preview".to_owned()),
            // Figures of a blend would be figures of nothing.
            caption: String::new(),
            picture: Some(Arc::clone(&preview.picture)),
            empty_text,
        };
    }
    let badge = if hovered.is_some() {
        Some("hover")
    } else {
        subject.history.pending().map(|_| "live")
    };
    let shown = hovered.or(subject.edited.as_ref());
    Layer {
        name,
        badge: badge.map(str::to_owned),
        caption: shown
            .and_then(|shown| shown.metrics)
            .map(metrics_text)
            .unwrap_or_default(),
        picture: shown.map(|shown| Arc::clone(&shown.picture)),
        empty_text,
    }
}

fn metrics_text(metrics: PictureMetrics) -> String {
    format!("PSNR {:.1} dB  SSIM {:.2}", metrics.psnr_db, metrics.ssim)
}

const EMPTY: &str = "Drop a picture here, paste one (Ctrl+V), or add one on the left.";

fn waiting_text(workspace: &Workspace) -> String {
    let text = match workspace.model() {
        None => "Appears when a model is loaded.",
        Some(_) => "Being encoded…",
    };
    text.to_owned()
}
