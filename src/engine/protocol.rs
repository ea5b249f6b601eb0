//! What goes into the worker and what comes out.

use super::{
    AnalyseJob, Analysed, AnalysisKind, Eviction, GenerateJob, GeneratedPicture, GenerationStep,
    GeneratorInfo, ModelInfo, PaintJob, PaintStep, ReconstructJob, Reconstructed, WorkJob, WorkKind,
};
use crate::analysis::PictureMetrics;
use crate::latent::{Edit, LatentState};
use crate::picture::Rgb8;
use crate::tokenizer::ModelFiles;
use std::sync::Arc;

/// Grows with every request of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Stamp(pub u64);

/// A picture of the workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct SubjectId(pub u64);

/// A place that shows decodes; of its requests only the newest counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ViewId(pub u64);

/// Base tokens, the edits on them, and the picture that metrics are measured against.
#[derive(Debug, Clone)]
pub struct DecodeJob {
    /// The tokens before any edit. Keep the same `Arc` over a drag: the worker then applies only what changed.
    pub base: Arc<LatentState>,
    /// Applied in order.
    pub edits: Arc<[Edit]>,
    /// Of the model's size; `None` gives no metrics.
    pub reference: Option<Arc<Rgb8>>,
}

/// Positions along a slider, to be decoded ahead of the hand on it.
#[derive(Debug, Clone)]
pub struct PrefetchJob {
    /// The tokens before any edit.
    pub base: Arc<LatentState>,
    /// The edit list of each position, applied in order; the position wanted first comes first.
    pub positions: Vec<Arc<[Edit]>>,
}

/// What the worker is asked for.
#[derive(Debug, Clone)]
pub enum Request {
    /// Opens a model. Interrupts everything; a newer one replaces it. Once it has succeeded, what was submitted before
    /// it is [`Event::Cancelled`]; if it fails, the old model stays and that work goes on.
    LoadModel(ModelFiles),
    /// Tokens, mixtures and reconstruction of a picture. A newer encode of the same subject replaces it.
    Encode {
        /// Whose picture.
        subject: SubjectId,
        /// Already the model's square.
        picture: Arc<Rgb8>,
    },
    /// Edits tokens and decodes them. Goes before encodes.
    Decode {
        /// Who shows it.
        view: ViewId,
        /// What to decode.
        job: DecodeJob,
    },
    /// Decodes positions that a hand may come to, in the cheapest precision there is. Goes after encodes; anything that
    /// is submitted later gives it up at once. What was decoded by then has been told.
    Prefetch(Arc<PrefetchJob>),
    /// Reconstructs a picture by any model, while the one in use stays. Goes after all else: it is interrupted for
    /// other requests and begun anew after them.
    Reconstruct {
        /// Who shows it, apart from the views of decodes.
        view: ViewId,
        /// What to reconstruct, by which model.
        job: ReconstructJob,
    },
    /// Measures the tokens of a picture with the model in use. A newer one of its kind replaces it. Goes after
    /// reconstructions: it is interrupted for other requests and begun anew after them.
    Analyse(Arc<AnalyseJob>),
    /// Works on something turn by turn with the model in use. A newer one of its kind replaces it. Goes after analyses:
    /// between turns whatever waits comes first, and a turn that is interrupted is begun anew.
    Work(WorkJob),
    /// Paints with the model in use, after everything but works and generations and between its steps. A newer one replaces it.
    Paint(Arc<PaintJob>),
    /// Opens a generator; a newer one replaces it. The old one stays until then, and is then what generations use no more.
    OpenGenerator(ModelFiles),
    /// Generates pictures with the open generator, after everything else and between its steps. A newer one replaces it.
    Generate(Arc<GenerateJob>),
}

impl Request {
    /// What the request is about, for messages.
    pub fn task(&self) -> Task {
        match self {
            Self::LoadModel(files) => Task::LoadModel(files.name.clone()),
            Self::Encode { subject, .. } => Task::Encode(*subject),
            Self::Decode { view, .. } => Task::Decode(*view),
            Self::Reconstruct { view, job } => Task::Reconstruct {
                view: *view,
                model: job.model.name.clone(),
            },
            Self::Prefetch(_) => Task::Prefetch,
            Self::Analyse(job) => Task::Analyse(job.analysis.kind()),
            Self::Work(job) => Task::Work(job.kind()),
            Self::Paint(_) => Task::Paint,
            Self::OpenGenerator(files) => Task::OpenGenerator(files.name.clone()),
            Self::Generate(_) => Task::Generate,
        }
    }
}

/// What a picture became. `metrics` compare the 8-bit reconstruction with the crop.
#[derive(Debug, Clone)]
pub struct Encoded {
    /// `h`, `z` and the mixture of every token.
    pub state: Arc<LatentState>,
    /// `z` decoded, by the reconstruction convention ([`crate::picture::Planar::to_rgb8`]).
    pub reconstruction: Arc<Rgb8>,
    /// `None` for pictures too small to compare.
    pub metrics: Option<PictureMetrics>,
    /// Time in encoder and quantiser; 0 where the tokens came with the picture.
    pub encode_ms: f64,
    /// Time in the decoder.
    pub decode_ms: f64,
}

/// A decoded edit list.
#[derive(Debug, Clone)]
pub struct Decoded {
    /// The tokens after the edits.
    pub state: Arc<LatentState>,
    /// By the reconstruction convention ([`crate::picture::Planar::to_rgb8`]); values that are not numbers become 0.
    pub picture: Arc<Rgb8>,
    /// Against the job's reference.
    pub metrics: Option<PictureMetrics>,
    /// Time in the edits.
    pub edit_ms: f64,
    /// Time in the decoder.
    pub decode_ms: f64,
}

/// Positions of a [`PrefetchJob`] that are decoded.
#[derive(Debug, Clone)]
pub struct Prefetched {
    /// Index of the first of them in the job.
    pub first: usize,
    /// One a position, by the reconstruction convention. Where the model runs cheaper ahead of the hand, not the bytes
    /// that a decode of the same edits gives.
    pub pictures: Vec<Arc<Rgb8>>,
    /// Time in the decoder, all of them together.
    pub decode_ms: f64,
    /// Nothing of the job is left to decode.
    pub is_last: bool,
}

/// What a request was about, for messages.
#[derive(Debug, Clone, PartialEq)]
pub enum Task {
    /// Loading the model of that name.
    LoadModel(String),
    /// Encoding a picture.
    Encode(SubjectId),
    /// Decoding for a view.
    Decode(ViewId),
    /// Reconstructing for a view by the model of that name.
    Reconstruct {
        /// Of the request.
        view: ViewId,
        /// Name of the model.
        model: String,
    },
    /// Decoding ahead of the hand.
    Prefetch,
    /// Measuring tokens.
    Analyse(AnalysisKind),
    /// Working on something turn by turn.
    Work(WorkKind),
    /// Painting.
    Paint,
    /// Opening the generator of that name.
    OpenGenerator(String),
    /// Generating pictures.
    Generate,
}

/// What became of a request.
///
/// Every load is answered once, the newest prefetch by what it decodes and a cancellation if it was given up. The newest
/// encode of a subject, the newest decode and reconstruction of a view, and the newest analysis and work of a kind are
/// answered once; older ones that were replaced are answered before it or not at all.
#[derive(Debug, Clone)]
pub enum Event {
    /// The model that all later events come from.
    ModelLoaded(Arc<ModelInfo>),
    /// An encode is done.
    Encoded {
        /// Of the request.
        stamp: Stamp,
        /// Of the request.
        subject: SubjectId,
        /// The result.
        encoded: Arc<Encoded>,
    },
    /// A decode is done.
    Decoded {
        /// Of the request.
        stamp: Stamp,
        /// Of the request.
        view: ViewId,
        /// The result.
        decoded: Arc<Decoded>,
    },
    /// Some positions are decoded ahead of the hand.
    Prefetched {
        /// Of the request.
        stamp: Stamp,
        /// The pictures.
        prefetched: Arc<Prefetched>,
    },
    /// A reconstruction is done.
    Reconstructed {
        /// Of the request.
        stamp: Stamp,
        /// Of the request.
        view: ViewId,
        /// The result.
        reconstructed: Arc<Reconstructed>,
    },
    /// An analysis is done.
    Analysed {
        /// Of the request.
        stamp: Stamp,
        /// The result.
        analysed: Arc<Analysed>,
    },
    /// A work is done: its result is where it was left.
    Worked {
        /// Of the request.
        stamp: Stamp,
        /// Of the work.
        kind: WorkKind,
    },
    /// A step of a painting is made, or with the last one all of it. Only the newest that was not taken yet is kept.
    Painted {
        /// Of the request.
        stamp: Stamp,
        /// How far it is.
        step: Arc<PaintStep>,
    },
    /// A model that was kept loaded is no longer; nothing that was asked for is lost by it.
    ModelLeft(Eviction),
    /// The generator that all later generations use.
    GeneratorOpened(Arc<GeneratorInfo>),
    /// A step of a generation is made. Only the newest that was not taken yet is kept.
    GenerationStep {
        /// Of the request.
        stamp: Stamp,
        /// How far it is.
        step: Arc<GenerationStep>,
    },
    /// A picture of a generation is finished.
    Generated {
        /// Of the request.
        stamp: Stamp,
        /// The picture.
        picture: Arc<GeneratedPicture>,
    },
    /// The request could not be carried out; the worker lives on.
    Failed {
        /// Of the request.
        stamp: Stamp,
        /// What was tried.
        task: Task,
        /// What happened, why, what to do.
        message: String,
    },
    /// Cancelled by [`super::Engine::cancel`] or by a newer model.
    Cancelled {
        /// Of the request.
        stamp: Stamp,
        /// What was given up.
        task: Task,
    },
}

/// What the worker is doing now.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EngineStatus {
    /// The task under way.
    pub running: Option<Task>,
    /// Share of the running task, 0..1, where known.
    pub fraction: Option<f32>,
    /// Requests waiting.
    pub waiting: usize,
}
