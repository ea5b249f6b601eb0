//! A whole run in a folder: bank, steps, log, sample sheets, checkpoints.

use super::bank::{self, Bank, Latents, Scale};
use super::pictures::{Labelled, Pictures};
use super::record::GeneratorRecord;
use super::{GeneratorTrainConfig, GeneratorTrainer, LabelTable, Task};
use crate::document::write_atomically;
use crate::engine::open_device;
use crate::generator::Generator;
use crate::picture::to_png;
use crate::tokenizer::{ModelFiles, Tokenizer};
use crate::trainer::log::CsvLog;
use crate::trainer::run::{
    CONFIG_FILE, LOG_FILE, MODEL_FILE, SAMPLES_FOLDER, SETTINGS_FILE, STATE_FILE, make_folders, state_file,
};
use crate::trainer::state::{Saved, read_state};
use crate::trainer::workers::Workers;
use crate::trainer::{StepReport, TrainError};
use candle_core::{DType, Device};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

const HEADER: &str = "step,samples,seconds,samples_per_second,learning_rate,gradient_norm,loss,held_out_loss";

/// Where a run is and what it reads.
#[derive(Debug, Clone)]
pub struct GeneratorRun {
    /// The configuration.
    pub config: GeneratorTrainConfig,
    /// The tokenizer that it names.
    pub tokenizer: ModelFiles,
    /// Folders of pictures, as a tokenizer is trained on; with sub-folders for classes where no table names them.
    pub data: Vec<PathBuf>,
    /// Folder that takes checkpoint, log and sheets.
    pub out: PathBuf,
    /// Goes on with the run in `out` instead of starting one.
    pub is_resumed: bool,
}

/// What happened.
#[derive(Debug, Clone, Copy)]
pub enum GeneratorProgress<'a> {
    /// Pictures were read.
    Read {
        /// Pictures to train on.
        pictures: usize,
        /// Classes among them.
        classes: &'a [String],
        /// Pictures without a class, which are not used.
        left_out: usize,
        /// Steps that were done before.
        steps_done: u64,
    },
    /// A part of the bank was encoded: the share that is done.
    Encoded(f32),
    /// A step was done.
    Step(&'a StepReport),
    /// Held-out pictures were measured, and a sheet was written: their loss.
    Evaluated(f64),
}

/// How a run ended.
#[derive(Debug, Clone, Copy)]
pub struct GeneratorOutcome {
    /// Steps done in all.
    pub steps: u64,
    /// The last loss on held-out pictures; not a number where there are none or nothing was measured.
    pub held_out_loss: f64,
}

type Observer<'a> = dyn FnMut(GeneratorProgress<'_>) -> ControlFlow<()> + 'a;

impl GeneratorRun {
    /// Trains to the last step, or until `observer` breaks; either way the last state is written. Broken off before
    /// the bank is full, a run writes nothing.
    ///
    /// # Errors
    /// Folders without pictures or that cannot be written, a tokenizer that cannot be loaded, a state that belongs to
    /// another run, divergence.
    pub fn perform(&self, observer: &mut Observer<'_>) -> Result<GeneratorOutcome, TrainError> {
        let state = state_file(&self.out, self.is_resumed)?;
        let (labels, scale) = self.labels_and_scale()?;
        let side = scale.tokenizer.args().image_size;
        let pictures = Pictures::read(&self.data, labels.as_ref(), side, &self.config)?;
        let trainer = self.trainer(scale, &pictures, &state)?;
        make_folders(&self.out)?;
        let log = self.open_log(trainer.step)?;
        let settings = self.out.join(SETTINGS_FILE);
        let text = self.config.to_toml().map_err(|reason| TrainError::Config {
            path: settings.clone(),
            reason,
        })?;
        write_atomically(&settings, text.as_bytes())?;
        let _ = observer(GeneratorProgress::Read {
            pictures: pictures.train.count(),
            classes: &pictures.classes,
            left_out: pictures.left_out,
            steps_done: trainer.step,
        });
        let task = &trainer.task;
        let mut go_on = |share: f32| observer(GeneratorProgress::Encoded(share)).is_continue();
        let filled = Bank::fill(
            &self.config,
            trainer.step,
            &pictures.train,
            &task.scale,
            &task.workers,
            &mut go_on,
        )?;
        let Some(bank) = filled else {
            return Ok(GeneratorOutcome {
                steps: trainer.step,
                held_out_loss: f64::NAN,
            });
        };
        let count = self.config.output.evaluated_pictures;
        let held_out = bank::held_out(&pictures.held_out, count, &task.scale, &task.workers)?;
        Sitting {
            run: self,
            pictures: &pictures,
            first_step: trainer.step,
            trainer,
            bank,
            held_out,
            log,
            started: Instant::now(),
        }
        .train(observer)
    }

    /// Mean loss of a generator on the held-out pictures of `data`, as a run of this configuration measures its own:
    /// (v - v')^2 at times spread evenly over 0..1, with the same noise each time.
    ///
    /// # Errors
    /// Folders without pictures, a tokenizer that cannot be loaded, a generator for other tokens.
    pub fn held_out_loss(&self, generator: &Generator) -> Result<f64, TrainError> {
        let (labels, scale) = self.labels_and_scale()?;
        let side = scale.tokenizer.args().image_size;
        let classes = generator.args().class_names.clone().unwrap_or_default();
        let pictures = Labelled::held_out(&self.data, labels.as_ref(), &classes, side, &self.config)?;
        let task = self.task(scale, &classes)?;
        let count = self.config.output.evaluated_pictures;
        let held_out = bank::held_out(&pictures, count, &task.scale, &task.workers)?;
        task.held_out_loss(generator, &held_out)
    }

    fn labels_and_scale(&self) -> Result<(Option<LabelTable>, Scale), TrainError> {
        let labels = self.config.labels.as_deref().map(LabelTable::read).transpose()?;
        let tokenizer = Tokenizer::load(&self.tokenizer, &Device::Cpu, DType::F32, &mut |_, _| true)?;
        Ok((labels, Scale { tokenizer }))
    }

    fn task(&self, scale: Scale, classes: &[String]) -> Result<Task, TrainError> {
        let args = self.config.args(scale.shape(), classes);
        Ok(Task {
            args: args.map_err(|reason| TrainError::Config {
                path: self.out.join(CONFIG_FILE),
                reason,
            })?,
            common: self.config.common(),
            classes: classes.to_vec(),
            scale,
            workers: Workers::start(self.config.threads)?,
            device: open_device(self.config.device)?,
            config: self.config.clone(),
        })
    }

    fn trainer(
        &self,
        scale: Scale,
        pictures: &Pictures,
        state: &Path,
    ) -> Result<GeneratorTrainer, TrainError> {
        let task = self.task(scale, &pictures.classes)?;
        if !self.is_resumed {
            return GeneratorTrainer::start(task);
        }
        let saved = read_state(state)?;
        match self.difference(&saved, &task) {
            Some(key) => Err(TrainError::other_run(state, key)),
            None => GeneratorTrainer::resume(task, saved),
        }
    }

    /// What must not change within a run and did.
    fn difference(&self, saved: &Saved<GeneratorRecord>, task: &Task) -> Option<&'static str> {
        let (before, now) = (&saved.config.config, &self.config);
        if before.generator != now.generator {
            Some("`generator`")
        } else if before.seed != now.seed {
            Some("`seed`")
        } else if before.optimiser.batch != now.optimiser.batch
            || before.optimiser.parts != now.optimiser.parts
            || before.optimiser.accumulate != now.optimiser.accumulate
        {
            Some("`optimiser.batch`, `optimiser.parts` or `optimiser.accumulate`")
        } else if saved.config.classes != task.classes {
            Some("set of classes")
        } else if saved.config.tokenizer_hash != task.scale.tokenizer.hash() {
            Some("`tokenizer`")
        } else {
            None
        }
    }

    fn open_log(&self, steps_done: u64) -> Result<CsvLog, TrainError> {
        let path = self.out.join(LOG_FILE);
        if self.is_resumed {
            CsvLog::resume(&path, HEADER, steps_done)
        } else {
            CsvLog::start(&path, HEADER)
        }
    }
}

/// One sitting of a run.
struct Sitting<'a> {
    run: &'a GeneratorRun,
    pictures: &'a Pictures,
    trainer: GeneratorTrainer,
    bank: Bank,
    held_out: Vec<Latents>,
    log: CsvLog,
    started: Instant,
    first_step: u64,
}

impl Sitting<'_> {
    fn train(mut self, observer: &mut Observer<'_>) -> Result<GeneratorOutcome, TrainError> {
        let (config, output) = (&self.run.config, &self.run.config.output);
        let mut held_out_loss = f64::NAN;
        while self.trainer.step < config.steps {
            let report = self.trainer.step(&mut self.bank, &self.pictures.train)?;
            let done = self.trainer.step;
            let is_last = done == config.steps;
            let is_ended = observer(GeneratorProgress::Step(&report)).is_break();
            let measured = if is_last || done.is_multiple_of(output.evaluate_every) {
                let loss = self.evaluate()?;
                let _ = observer(GeneratorProgress::Evaluated(loss));
                Some(loss)
            } else {
                None
            };
            held_out_loss = measured.unwrap_or(held_out_loss);
            if measured.is_some() || done.is_multiple_of(output.log_every) {
                self.log.add_line(&self.row(&report, measured))?;
            }
            if is_ended || is_last || done.is_multiple_of(output.checkpoint_every) {
                self.save()?;
            }
            if is_ended {
                break;
            }
        }
        Ok(GeneratorOutcome {
            steps: self.trainer.step,
            held_out_loss,
        })
    }

    fn row(&self, report: &StepReport, held_out_loss: Option<f64>) -> String {
        let done = self.trainer.step;
        let per_step = self.trainer.task.common.pictures_per_step() as u64;
        let seconds = self.started.elapsed().as_secs_f64();
        let rate = ((done - self.first_step) * per_step) as f64 / seconds.max(1e-9);
        let held_out_loss = held_out_loss.map(|loss| format!("{loss:.5}")).unwrap_or_default();
        format!(
            "{done},{},{seconds:.1},{rate:.2},{:.3e},{:.4},{:.5},{held_out_loss}",
            done * per_step,
            report.learning_rate,
            report.gradient_norm,
            report.terms.loss
        )
    }

    fn evaluate(&self) -> Result<f64, TrainError> {
        if let Some(sheet) = self.trainer.sheet()? {
            let name = format!("step-{:07}.png", self.trainer.step);
            let png = to_png(&sheet, &[])?;
            write_atomically(&self.run.out.join(SAMPLES_FOLDER).join(name), &png)?;
        }
        self.trainer.held_out_loss(&self.held_out)
    }

    /// The model first and the state last: a run continues from the state, so what is written again then is the same.
    fn save(&self) -> Result<(), TrainError> {
        let write = |name: &str, bytes: &[u8]| -> Result<(), TrainError> {
            Ok(write_atomically(&self.run.out.join(name), bytes)?)
        };
        write(CONFIG_FILE, self.trainer.model_config().as_bytes())?;
        write(MODEL_FILE, &self.trainer.model_bytes())?;
        write(STATE_FILE, &self.trainer.state_bytes()?)
    }
}
