use super::Timing;
use crate::engine::{EngineError, NoControl, RunOptions, Runner};
use crate::tokenizer::{ModelFiles, TokenizerError};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Bytes of one read where a file is only read.
const READ_BYTES: usize = 1 << 20;

/// A model's load beside a read of its weights from first to last byte, by turns.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct LoadBench {
    /// With the weights in the system's file cache.
    pub warm: LoadTurns,
    /// With the weights to be fetched from the disk, which the system is asked for before each of them; `None` where it
    /// cannot be asked (it can on Linux).
    pub cold: Option<LoadTurns>,
}

/// Times of reads and loads that took turns.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct LoadTurns {
    /// All weight files, one after the other, on one thread.
    pub read: Timing,
    /// From their paths to a model that is ready.
    pub load: Timing,
    /// Median of the loads over that of the reads: 1 is a model that is ready when its weights have been read once.
    pub of_read: f64,
}

impl LoadBench {
    /// # Errors
    /// As [`Runner::open`], or a file that cannot be read.
    pub(super) fn of(
        files: &ModelFiles,
        options: &RunOptions,
        budget: Duration,
    ) -> Result<Self, EngineError> {
        let model = Model {
            files,
            options,
            weights: files.weight_files()?,
        };
        Ok(Self {
            warm: model.turns(budget, || Ok(()))?,
            cold: model.cold(budget)?,
        })
    }
}

struct Model<'a> {
    files: &'a ModelFiles,
    options: &'a RunOptions,
    weights: Vec<PathBuf>,
}

impl Model<'_> {
    fn turns(
        &self,
        budget: Duration,
        prepare: impl FnMut() -> Result<(), EngineError>,
    ) -> Result<LoadTurns, EngineError> {
        let [read, load] = Timing::by_turns(
            budget,
            prepare,
            || self.each_file(read),
            || Runner::open(self.files, self.options, &NoControl).map(drop),
        )?;
        Ok(LoadTurns {
            read,
            load,
            of_read: load.median_ms / read.median_ms,
        })
    }

    #[cfg(target_os = "linux")]
    fn cold(&self, budget: Duration) -> Result<Option<LoadTurns>, EngineError> {
        self.turns(budget, || self.each_file(forget)).map(Some)
    }

    #[cfg(not(target_os = "linux"))]
    fn cold(&self, _budget: Duration) -> Result<Option<LoadTurns>, EngineError> {
        Ok(None)
    }

    fn each_file(&self, work: impl Fn(&mut File) -> io::Result<()>) -> Result<(), EngineError> {
        self.weights.iter().try_for_each(|path| {
            let result = File::open(path).and_then(|mut file| work(&mut file));
            result.map_err(|source| unreadable(path, source))
        })
    }
}

fn unreadable(path: &Path, source: io::Error) -> EngineError {
    let path = path.to_owned();
    TokenizerError::Read { path, source }.into()
}

/// From the first byte to the last.
fn read(file: &mut File) -> io::Result<()> {
    let mut buffer = vec![0; READ_BYTES];
    while file.read(&mut buffer)? > 0 {}
    Ok(())
}

/// Has the system drop what it keeps of a file in memory.
#[cfg(target_os = "linux")]
fn forget(file: &mut File) -> io::Result<()> {
    // Pages that are still to be written would stay.
    file.sync_data()?;
    rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed)?;
    Ok(())
}
