//! What a run has left in its folder.

use super::history::History;
use super::run::{LOG_FILE, SAMPLES_FOLDER, STATE_FILE};
use super::state::read_progress;
use super::{TrainConfig, TrainError};
use crate::document::pictures_in;
use std::path::{Path, PathBuf};

/// Held-out pictures over their reconstructions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sheet {
    /// Steps that were done.
    pub step: u64,
    /// A PNG.
    pub path: PathBuf,
}

/// A run as far as it is.
#[derive(Debug, Clone)]
pub struct RunRecord {
    /// What it was started with.
    pub config: TrainConfig,
    /// Steps done.
    pub steps_done: u64,
    /// Steps after which model and state were written last.
    pub steps_saved: Option<u64>,
    /// Its curves.
    pub history: History,
    /// Its sheets, by step.
    pub sheets: Vec<Sheet>,
}

impl RunRecord {
    /// A run of which nothing is done.
    pub fn new(config: TrainConfig) -> Self {
        Self {
            config,
            steps_done: 0,
            steps_saved: None,
            history: History::default(),
            sheets: Vec::new(),
        }
    }

    /// Reads the run in a folder, without its weights; None where there is none.
    ///
    /// # Errors
    /// A state that cannot be read or is damaged.
    pub fn read(out: &Path) -> Result<Option<Self>, TrainError> {
        let state = out.join(STATE_FILE);
        if !state.is_file() {
            return Ok(None);
        }
        let (steps_done, config) = read_progress(&state)?;
        let mut record = Self {
            steps_done,
            steps_saved: Some(steps_done),
            ..Self::new(config)
        };
        record.read_past(out);
        Ok(Some(record))
    }

    /// Reads the log and the list of sheets, up to the steps that are done. A log that is gone leaves gaps, no error.
    pub(super) fn read_past(&mut self, out: &Path) {
        let log = std::fs::read_to_string(out.join(LOG_FILE)).unwrap_or_default();
        self.history = History::from_log(&log, self.steps_done);
        self.sheets = pictures_in(&out.join(SAMPLES_FOLDER))
            .into_iter()
            .filter_map(|path| {
                let name = path.file_stem()?.to_str()?;
                let step = name.strip_prefix("step-")?.parse().ok()?;
                Some(Sheet { step, path })
            })
            .filter(|sheet| sheet.step <= self.steps_done)
            .collect();
        self.sheets.sort_by_key(|sheet| sheet.step);
    }

    /// Whether every step is done.
    pub fn is_done(&self) -> bool {
        self.steps_done >= self.config.steps
    }
}
