use super::AgainstError;
use super::against::sizes;
use super::python::Python;
use crate::engine::{EngineError, RunOptions, open_device};
use crate::tokenizer::ModelFiles;
use crate::{generator, tokenizer};
use std::path::Path;

/// All that a run will open. A measurement takes minutes: what stands in its way is told before it begins.
#[derive(Debug)]
pub struct Preflight<'a> {
    /// Tokenizers that are measured.
    pub tokenizers: &'a [ModelFiles],
    /// The generator that is measured, where one is.
    pub generator: Option<&'a ModelFiles>,
    /// The Python whose PyTorch they are compared with, where they are.
    pub python: Option<&'a Path>,
}

impl Preflight<'_> {
    /// Reads no weights: values that are not finite are found when a model is loaded.
    ///
    /// # Errors
    /// A device that cannot be had, the first of the models that does not load, one that PyTorch's side does not build,
    /// a Python that does not start or lacks torch, numpy or the device.
    pub fn check(&self, options: &RunOptions) -> Result<(), AgainstError> {
        let device = open_device(options.device)?;
        for files in self.tokenizers {
            let args = tokenizer::require_loadable(files).map_err(EngineError::from)?;
            if self.python.is_some() {
                sizes(&args)?;
            }
        }
        if let Some(files) = self.generator {
            generator::require_loadable(files).map_err(EngineError::from)?;
        }
        self.python
            .map_or(Ok(()), |python| Python::check(python, &device))
    }
}
