//! A whole run in a folder: steps, log, evaluations, sample sheets, checkpoints.

use super::data::{DataFolders, Library};
use super::evaluation::{Evaluation, HeldOut};
use super::log::{Log, Row};
use super::{StepReport, TrainConfig, TrainError, Trainer};
use crate::document::write_atomically;
use crate::picture::to_png;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

pub(super) const STATE_FILE: &str = "state.safetensors";
pub(super) const MODEL_FILE: &str = "model.safetensors";
pub(super) const CONFIG_FILE: &str = "config.json";
pub(super) const LOG_FILE: &str = "log.csv";
pub(super) const SETTINGS_FILE: &str = "train.toml";
pub(super) const SAMPLES_FOLDER: &str = "samples";

/// Where a run is and what it reads.
#[derive(Debug, Clone)]
pub struct Run {
    /// The configuration.
    pub config: TrainConfig,
    /// Folders of pictures; see [`DataFolders::find`].
    pub data: Vec<PathBuf>,
    /// Folder that takes checkpoint, log and sheets.
    pub out: PathBuf,
    /// Goes on with the run in `out` instead of starting one.
    pub is_resumed: bool,
}

/// What happened.
#[derive(Debug, Clone, Copy)]
pub enum Progress<'a> {
    /// Pictures were read.
    Read {
        /// Opaque pictures to train on.
        photographs: usize,
        /// Pictures with transparency to train on.
        cutouts: usize,
        /// Steps that were done before.
        steps_done: u64,
    },
    /// A step was done.
    Step(&'a StepReport),
    /// Held-out pictures were measured, and their sheet is written.
    Evaluated(&'a Evaluation),
    /// The model and the state that a run goes on from are written.
    Saved,
}

/// How a run ended.
#[derive(Debug, Clone, Copy)]
pub struct Outcome {
    /// Steps done in all.
    pub steps: u64,
    /// The last figures on held-out pictures.
    pub evaluation: Evaluation,
}

/// The state of the run in the folder `out`.
///
/// # Errors
/// Nothing to continue, or a run where a new one is to start.
pub(super) fn state_file(out: &Path, is_resumed: bool) -> Result<PathBuf, TrainError> {
    let state = out.join(STATE_FILE);
    if is_resumed && !state.is_file() {
        return Err(TrainError::NoRun(out.to_owned()));
    }
    if !is_resumed && state.exists() {
        return Err(TrainError::RunExists(out.to_owned()));
    }
    Ok(state)
}

/// Makes the folder of a run with what it holds.
pub(super) fn make_folders(out: &Path) -> Result<(), TrainError> {
    let samples = out.join(SAMPLES_FOLDER);
    std::fs::create_dir_all(&samples).map_err(|source| TrainError::Folder {
        path: samples,
        source,
    })
}

impl Run {
    /// Trains to the last step, or until `observer` breaks; either way the last state is written.
    ///
    /// # Errors
    /// Folders without pictures or that cannot be written, a state that belongs to another model, divergence.
    pub fn perform(
        &self,
        observer: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
    ) -> Result<Outcome, TrainError> {
        let state = state_file(&self.out, self.is_resumed)?;
        let (library, held_out) = self.read_pictures()?;
        make_folders(&self.out)?;
        let library = Arc::new(library);
        let trainer = if self.is_resumed {
            Trainer::resume(&self.config, &library, &state)?
        } else {
            Trainer::start(&self.config, &library)?
        };
        let log = self.open_log(trainer.steps_done())?;
        let settings = self.out.join(SETTINGS_FILE);
        let text = self.config.to_toml().map_err(|reason| TrainError::Config {
            path: settings.clone(),
            reason,
        })?;
        write_atomically(&settings, text.as_bytes())?;
        let _ = observer(Progress::Read {
            photographs: library.photograph_count(),
            cutouts: library.cutout_count(),
            steps_done: trainer.steps_done(),
        });
        Sitting {
            run: self,
            trainer,
            held_out,
            log,
            started: Instant::now(),
            first_step: 0,
        }
        .train(observer)
    }

    fn read_pictures(&self) -> Result<(Library, HeldOut), TrainError> {
        let (config, side) = (&self.config.data, self.config.model.image_size);
        let folders = DataFolders::find(&self.data, config.held_out_share)?;
        folders.require_some(&self.data)?;
        let library = Library::read(&folders.train, side, config)?;
        let held_out = Library::read(&folders.held_out, side, config)?;
        let held_out = HeldOut::prepare(&held_out, side, self.config.output.evaluated_pictures, config);
        Ok((library, held_out))
    }

    fn open_log(&self, steps_done: u64) -> Result<Log, TrainError> {
        let path = self.out.join(LOG_FILE);
        if self.is_resumed {
            Log::resume(&path, steps_done)
        } else {
            Log::start(&path)
        }
    }
}

/// One sitting of a run.
struct Sitting<'a> {
    run: &'a Run,
    trainer: Trainer,
    held_out: HeldOut,
    log: Log,
    started: Instant,
    first_step: u64,
}

impl Sitting<'_> {
    fn train(
        mut self,
        observer: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
    ) -> Result<Outcome, TrainError> {
        let output = self.run.config.output.clone();
        self.first_step = self.trainer.steps_done();
        let mut last_figures = None;
        while self.trainer.steps_done() < self.run.config.steps {
            let report = self.trainer.step()?;
            let done = self.trainer.steps_done();
            let is_last = done == self.run.config.steps;
            let is_ended = observer(Progress::Step(&report)).is_break();
            let evaluation = if is_last || done.is_multiple_of(output.evaluate_every) {
                let figures = self.evaluate()?;
                let _ = observer(Progress::Evaluated(&figures));
                Some(figures)
            } else {
                None
            };
            last_figures = evaluation.or(last_figures);
            if evaluation.is_some() || done.is_multiple_of(output.log_every) {
                self.log.add(&self.row(&report, evaluation))?;
            }
            if is_ended || is_last || done.is_multiple_of(output.checkpoint_every) {
                self.save(evaluation)?;
                let _ = observer(Progress::Saved);
            }
            if is_ended {
                break;
            }
        }
        let evaluation = match last_figures {
            Some(figures) => figures,
            None => self.trainer.evaluate(&self.held_out)?.figures,
        };
        Ok(Outcome {
            steps: self.trainer.steps_done(),
            evaluation,
        })
    }

    fn row(&self, report: &StepReport, evaluation: Option<Evaluation>) -> Row {
        let done = self.trainer.steps_done();
        let per_step = self.run.config.pictures_per_step() as u64;
        let seconds = self.started.elapsed().as_secs_f64();
        Row {
            step: done,
            pictures: done * per_step,
            seconds,
            pictures_per_second: ((done - self.first_step) * per_step) as f64 / seconds.max(1e-9),
            learning_rate: report.learning_rate,
            gradient_norm: report.gradient_norm,
            terms: report.terms,
            evaluation,
        }
    }

    fn evaluate(&self) -> Result<Evaluation, TrainError> {
        let evaluated = self.trainer.evaluate(&self.held_out)?;
        if let Some(sheet) = &evaluated.sheet {
            let png = to_png(sheet, &[])?;
            write_atomically(&sheet_path(self.out(), self.trainer.steps_done()), &png)?;
        }
        Ok(evaluated.figures)
    }

    /// The model first and the state last: a run continues from the state, so what is written again then is the same.
    fn save(&self, evaluation: Option<Evaluation>) -> Result<(), TrainError> {
        let figures = match evaluation {
            Some(figures) => figures,
            None => self.trainer.evaluate(&self.held_out)?.figures,
        };
        let write = |name: &str, bytes: &[u8]| -> Result<(), TrainError> {
            Ok(write_atomically(&self.out().join(name), bytes)?)
        };
        write(CONFIG_FILE, self.trainer.model_config(&figures).as_bytes())?;
        write(MODEL_FILE, &self.trainer.model_bytes())?;
        write(STATE_FILE, &self.trainer.state_bytes()?)
    }

    fn out(&self) -> &Path {
        &self.run.out
    }
}

/// The sheet of held-out pictures after `step` steps.
pub(super) fn sheet_path(out: &Path, step: u64) -> PathBuf {
    out.join(SAMPLES_FOLDER).join(format!("step-{step:07}.png"))
}
