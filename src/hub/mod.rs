//! Getting models: the hub's catalogue, its settings, the cache shared with Python, and downloads that can be cancelled,
//! resumed and trusted. No candle, no user interface.

mod cache;
mod catalogue;
mod checksum;
mod client;
mod download;
mod error;
mod exchange;
mod id;
mod meter;
mod retry;
mod settings;
mod sha1;
mod snapshot;
mod transfer;

pub use cache::{Cache, CachedModel, Removed, free_space};
pub use catalogue::{CATALOGUE, GeneratorEntry, TokenizerEntry};
pub use download::{Downloaded, download};
pub use error::HubError;
pub use id::ModelId;
pub use meter::{NoWatch, Phase, Progress, Watch};
pub use settings::{DEFAULT_REVISION, Settings, Timeouts, Token};
