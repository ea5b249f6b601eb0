//! What the comparison's viewer shows: the picture, then each model's reconstruction.

use crate::document::{ComparedModel, ComparedState, Workspace};
use crate::engine::Reconstructed;
use crate::picture::Rgb8;
use crate::ui::viewer::Layer;
use std::sync::Arc;

/// The picture as the largest model reads it, and one layer a model, in the order they were chosen.
pub(super) fn layers(workspace: &Workspace) -> Vec<Layer> {
    let models = workspace.compared_models();
    let original = Layer {
        name: "original".to_owned(),
        caption: workspace
            .active()
            .map(|subject| subject.name.clone())
            .unwrap_or_default(),
        picture: largest_crop(models).or_else(|| workspace.active()?.crop.clone()),
        empty_text: if workspace.active().is_some() {
            "Appears with the first reconstruction.".to_owned()
        } else {
            "Open a picture to compare models on.".to_owned()
        },
        ..Layer::default()
    };
    [original].into_iter().chain(models.iter().map(layer)).collect()
}

fn largest_crop(models: &[ComparedModel]) -> Option<Arc<Rgb8>> {
    let crops = models.iter().filter_map(|model| match &model.state {
        ComparedState::Done(done) => Some(&done.crop),
        _ => None,
    });
    // Of several as large, the first: it stays when the others come.
    let largest = crops.reduce(|a, b| if b.width() > a.width() { b } else { a });
    largest.map(Arc::clone)
}

fn layer(model: &ComparedModel) -> Layer {
    let (picture, caption, empty_text) = match &model.state {
        ComparedState::Done(done) => (
            Some(Arc::clone(&done.encoded.reconstruction)),
            caption(done),
            String::new(),
        ),
        ComparedState::Waiting => (None, String::new(), "On its way…".to_owned()),
        ComparedState::Cancelled => (None, String::new(), "Cancelled.".to_owned()),
        ComparedState::Failed(message) => (None, String::new(), message.clone()),
    };
    Layer {
        name: model.files.name.clone(),
        caption,
        picture,
        empty_text,
        ..Layer::default()
    }
}

/// Such as "32 × 32 tokens  128 px  9.3 ms".
fn caption(done: &Reconstructed) -> String {
    let space = &done.model.space;
    format!(
        "{} × {} tokens  {} px  {:.1} ms",
        space.token_count,
        space.dim,
        done.model.args.image_size,
        done.encoded.encode_ms + done.encoded.decode_ms,
    )
}
