//! Side-by-side reconstruction: a picture through a model that need not be the one in use.

use super::perform::{self, Backend};
use super::protocol::Encoded;
use super::{Control, EngineError, ModelInfo};
use crate::picture::{self, Fit, Rgb8};
use crate::tokenizer::ModelFiles;
use std::sync::Arc;

/// A picture and the model that is to reconstruct it.
#[derive(Debug, Clone)]
pub struct ReconstructJob {
    /// The model; it is loaded where it is not yet, and kept as far as the memory limit allows.
    pub model: ModelFiles,
    /// At its own size.
    pub picture: Arc<Rgb8>,
    /// How it becomes the model's square.
    pub fit: Fit,
}

/// What a model made of a picture. Its metrics are at the model's own size, against the picture fitted to that size.
#[derive(Debug, Clone)]
pub struct Reconstructed {
    /// Facts of the model.
    pub model: Arc<ModelInfo>,
    /// The picture as the model read it.
    pub crop: Arc<Rgb8>,
    /// Tokens, reconstruction, metrics, times.
    pub encoded: Encoded,
}

/// The share of the progress bar that loading takes where the model has to be read.
pub(super) const LOAD_SHARE: f32 = 0.6;

/// Fits the picture, encodes, decodes, measures.
pub(super) fn reconstruct(
    model: &dyn Backend,
    job: &ReconstructJob,
    control: &dyn Control,
) -> Result<Reconstructed, EngineError> {
    let info = model.info();
    let side = u32::try_from(info.args.image_size)
        .map_err(|_| EngineError::Model(format!("an image size of {} pixels", info.args.image_size)))?;
    let crop = picture::fit(&job.picture, side, job.fit);
    let encoded = perform::encode(model, &crop, control)?;
    Ok(Reconstructed {
        model: Arc::clone(info),
        crop: Arc::new(crop),
        encoded,
    })
}
