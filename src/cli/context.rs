//! What every command stands on: the options, the model at hand, where results go.

use super::error::CliError;
use super::options::GlobalArgs;
use super::progress::Progress;
use crate::document::Places;
use crate::engine::{DeviceChoice, GeneratorRunner, ModelInfo, RunOptions, Runner};
use crate::latent::Tokens;
use crate::picture::Planar;
use crate::tokenizer::ModelFiles;
use std::io::Write;

/// Pictures that go through the model together: enough to keep the products large, few enough to stay small in memory.
pub(crate) const BATCH: usize = 8;

pub(crate) struct Context {
    global: GlobalArgs,
    places: Places,
}

impl Context {
    pub(crate) fn new(global: GlobalArgs, takes_several_models: bool) -> Result<Self, CliError> {
        if global.model.len() > 1 && !takes_several_models {
            return Err(CliError::usage(
                "--model is given more than once; this command takes one model",
            ));
        }
        Ok(Self {
            global,
            places: Places::find(),
        })
    }

    pub(crate) fn places(&self) -> &Places {
        &self.places
    }

    pub(crate) fn run_options(&self) -> RunOptions {
        self.global.run_options()
    }

    /// The device that the command line names, or else the one that is given.
    pub(crate) fn device_or(&self, given: DeviceChoice) -> DeviceChoice {
        match self.run_options().device {
            DeviceChoice::Auto => given,
            named => named,
        }
    }

    /// Bytes; `None` where no limit was given.
    pub(crate) fn memory_limit(&self) -> Option<u64> {
        self.global.memory_limit.map(|size| size.0)
    }

    pub(crate) fn model_name(&self) -> Option<&str> {
        self.global.model.first().map(String::as_str)
    }

    /// Every model that `--model` names, or the one that ships.
    pub(crate) fn all_model_files(&self) -> Result<Vec<ModelFiles>, CliError> {
        if self.global.model.is_empty() {
            return Ok(vec![self.model_files()?]);
        }
        let names = self.global.model.iter();
        names.map(|name| Ok(self.places.resolve_model(name)?)).collect()
    }

    /// The model that `--model` names, or the one that ships.
    pub(crate) fn model_files(&self) -> Result<ModelFiles, CliError> {
        match self.model_name() {
            Some(name) => Ok(self.places.resolve_model(name)?),
            None => Ok(self.places.default_model()?),
        }
    }

    /// Loads the model that `--model` names, or the one that ships.
    pub(crate) fn open_model(&self) -> Result<Runner, CliError> {
        self.open_files(&self.model_files()?)
    }

    pub(crate) fn open_files(&self, files: &ModelFiles) -> Result<Runner, CliError> {
        let progress = self.progress(&format!("Loading {}", files.name));
        Ok(Runner::open(files, &self.run_options(), &progress)?)
    }

    pub(crate) fn open_generator(&self, files: &ModelFiles) -> Result<GeneratorRunner, CliError> {
        let progress = self.progress(&format!("Loading {}", files.name));
        Ok(GeneratorRunner::open(files, &self.run_options(), &progress)?)
    }

    /// Tokens to network values, a few pictures at a time.
    pub(crate) fn decode(&self, runner: &Runner, tokens: &[&Tokens]) -> Result<Vec<Planar>, CliError> {
        let progress = self.progress("Decoding");
        let mut decoded = Vec::with_capacity(tokens.len());
        for batch in tokens.chunks(BATCH) {
            progress.enter(decoded.len(), batch.len(), tokens.len());
            decoded.extend(runner.decode(batch, &progress)?);
        }
        Ok(decoded)
    }

    /// Nothing but results and the one message of a failure.
    pub(crate) fn is_quiet(&self) -> bool {
        self.global.quiet
    }

    /// A bar on stderr, where one is wanted.
    pub(crate) fn progress(&self, what: &str) -> Progress {
        Progress::start(what, !self.global.quiet)
    }

    /// A line for the person on stderr, such as what was written.
    pub(crate) fn note(&self, text: &str) {
        if !self.global.quiet {
            // Where stderr is closed there is nobody to tell.
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }

    /// Results: `text` for a person, `json` for a program; never both.
    pub(crate) fn results(&self, text: &str, json: &serde_json::Value) -> Result<(), CliError> {
        let mut out = std::io::stdout().lock();
        let written = if self.global.json {
            writeln!(out, "{json:#}")
        } else {
            write!(out, "{text}")
        };
        written.and_then(|()| out.flush()).map_err(CliError::Stdout)
    }
}

/// The facts of a model that stand in every JSON result.
pub(crate) fn model_json(info: &ModelInfo) -> serde_json::Value {
    serde_json::json!({
        "name": info.name,
        "hash": info.hash,
        "class": info.class.to_string(),
        "device": info.device,
        "precision": info.precision,
        "threads": info.threads,
    })
}
