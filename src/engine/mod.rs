//! Inference off the caller's thread. [`Runner`] owns model and device and works where it is called (the command
//! line uses it as it is); [`Engine`] is a worker thread around one, with stamped requests of which only the newest of
//! a view counts; [`Jobs`] runs file work off the caller's thread.

mod analyse;
mod aside;
mod brush;
mod compare;
mod control;
mod device;
mod edit_cache;
mod error;
mod generate;
mod generator_runner;
mod influence;
mod jacobian;
mod jobs;
mod memory;
mod paint;
mod painting;
mod panics;
mod perform;
mod prefetch;
mod protocol;
mod queue;
mod runner;
mod shelf;
mod structure;
mod sweep;
mod threads;
mod work;
mod worker;

pub use analyse::{AnalyseJob, Analysed, Analysis, AnalysisKind, BrushFound, InfluenceFound, SweptPicture};
pub use aside::{Aside, AsideControl, AsideNews, Wake};
pub use compare::{ReconstructJob, Reconstructed};
pub use control::{Control, NoControl, Part};
pub use device::{DeviceChoice, Precision};
pub(crate) use device::{keep_launch_parameters, open as open_device};
pub use error::EngineError;
pub use generate::{GenerateFrom, GenerateJob, GeneratedPicture, GenerationStep, PictureSeed};
pub use generator_runner::{
    GeneratorInfo, GeneratorRunner, check_generator_fits, latents_of_tokens, tokens_of_latents,
};
pub use influence::Ablation;
pub use jobs::Jobs;
pub use memory::default_memory_limit;
pub use paint::{NearHull, PaintFigures, PaintJob, PaintSettings, PaintTokens, Painting};
pub use painting::{PaintBest, PaintStep};
pub(crate) use panics::contained;
pub use protocol::{
    DecodeJob, Decoded, Encoded, EngineStatus, Event, PrefetchJob, Prefetched, Request, Stamp, SubjectId,
    Task, ViewId,
};
pub use runner::{ModelInfo, RunOptions, Runner};
pub use shelf::{Eviction, EvictionReason};
pub use sweep::{Sharpness, SweepStep};
pub use threads::expected_threads;
pub use work::{Work, WorkJob, WorkKind, WorkTurn};
pub use worker::Engine;
