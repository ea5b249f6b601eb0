//! Inference off the caller's thread. [`Runner`] owns model and device and works where it is called (the command
//! line uses it as it is); [`Engine`] is a worker thread around one, with stamped requests of which only the newest of
//! a view counts; [`Jobs`] runs file work off the caller's thread.

mod control;
mod device;
mod edit_cache;
mod error;
mod influence;
mod jobs;
mod panics;
mod perform;
mod protocol;
mod queue;
mod runner;
mod threads;
mod worker;

pub use control::{Control, NoControl};
pub use device::{DeviceChoice, Precision};
pub use error::EngineError;
pub use influence::Ablation;
pub use jobs::Jobs;
pub use protocol::{
    DecodeJob, Decoded, Encoded, EngineStatus, Event, Request, Stamp, SubjectId, Task, ViewId,
};
pub use runner::{ModelInfo, RunOptions, Runner};
pub use worker::Engine;
