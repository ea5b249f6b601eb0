use super::{GenerationRecord, History};
use crate::analysis::PictureMetrics;
use crate::engine::{Encoded, SubjectId};
use crate::latent::LatentState;
use crate::picture::{Fit, Rgb8};
use std::path::PathBuf;
use std::sync::Arc;

/// A decoded picture on show.
#[derive(Debug, Clone)]
pub struct Shown {
    /// 8-bit picture of the model's side.
    pub picture: Arc<Rgb8>,
    /// Tokens it was decoded from.
    pub state: Arc<LatentState>,
    /// Against the original crop.
    pub metrics: Option<PictureMetrics>,
    /// Time in the edits.
    pub edit_ms: f64,
    /// Time in the decoder.
    pub decode_ms: f64,
}

/// One picture of the library with everything made from it.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Never given to another picture, not even after this one was removed.
    pub id: SubjectId,
    /// File name, or what it was called.
    pub name: String,
    /// File it came from; `None` for a pasted or generated one.
    pub path: Option<PathBuf>,
    /// The picture as imported; of a recipe file the crop its edits start from, of tokens their decode.
    pub source: Arc<Rgb8>,
    /// Longer side 160 pixels at most.
    pub thumbnail: Arc<Rgb8>,
    /// How the picture becomes the model's square.
    pub fit: Fit,
    /// The model's square; `None` while no model is loaded, and until it is this picture's turn.
    pub crop: Option<Arc<Rgb8>>,
    /// `None` until the engine has encoded it.
    pub encoded: Option<Arc<Encoded>>,
    /// Its edits.
    pub history: History,
    /// How it was generated, where it was.
    pub generation: Option<Arc<GenerationRecord>>,
    /// Newest decode of the edit list; the reconstruction where nothing is edited.
    pub edited: Option<Shown>,
}
