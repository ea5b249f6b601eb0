//! Models and generators come into memory, and leave it for each other.

use super::{Open, Worker, contained};
use crate::engine::compare::{self, LOAD_SHARE, ReconstructJob, Reconstructed};
use crate::engine::control::Part;
use crate::engine::perform::Backend;
use crate::engine::queue::Outcome;
use crate::engine::shelf::ShelfKey;
use crate::engine::{Control, EngineError, Event, GeneratorRunner};
use crate::tokenizer::ModelFiles;
use std::sync::Arc;

impl Worker {
    /// The old generator stays until the new one is there.
    pub(super) fn open_generator(&mut self, files: &ModelFiles, control: &dyn Control) {
        self.make_room(&ShelfKey::of(files));
        let options = self.options;
        let opened = self.open_with_room("opening the generator", |_| {
            GeneratorRunner::open(files, &options, control)
        });
        match opened {
            Ok(generator) => {
                let info = Arc::clone(generator.info());
                let weight_bytes = info.weight_bytes;
                if self.shared.finish(Outcome::Done(Event::GeneratorOpened(info))) {
                    self.generation = None;
                    self.generator = Some(generator);
                    self.shelf.set_generator_bytes(weight_bytes);
                }
            }
            Err(error) => {
                self.shared.finish(Outcome::from(Err(error)));
            }
        }
        self.trim();
    }

    /// The old model stays in use until the new one is there.
    pub(super) fn load(&mut self, files: &ModelFiles, control: &dyn Control) {
        match self.shelved(files, control) {
            Ok(model) => {
                let event = Event::ModelLoaded(Arc::clone(model.info()));
                if self.shared.finish(Outcome::Done(event)) {
                    self.cache.clear();
                    self.prefetching.forget_model();
                    self.shelf.set_in_use(model);
                }
            }
            Err(error) => {
                self.shared.finish(Outcome::from(Err(error)));
            }
        }
        self.trim();
    }

    pub(super) fn reconstruct(
        &mut self,
        job: &ReconstructJob,
        control: &dyn Control,
    ) -> Result<Reconstructed, EngineError> {
        let is_loaded = self.shelf.take(&ShelfKey::of(&job.model)).is_some();
        let from = if is_loaded { 0.0 } else { LOAD_SHARE };
        let part = |from, to| Part {
            whole: control,
            from,
            to,
        };
        let model = self.shelved(&job.model, &part(0.0, from))?;
        contained("reconstructing", || {
            compare::reconstruct(&*model, job, &part(from, 1.0))
        })
    }

    /// The model of `files`: from the shelf while they are as they were, else read.
    pub(super) fn shelved(
        &mut self,
        files: &ModelFiles,
        control: &dyn Control,
    ) -> Result<Arc<dyn Backend>, EngineError> {
        let key = ShelfKey::of(files);
        if let Some(model) = self.shelf.take(&key) {
            return Ok(model);
        }
        self.make_room(&key);
        let opened = self.open_with_room("loading the model", |open| open(files, control));
        let model: Arc<dyn Backend> = Arc::from(opened?);
        self.shelf.put(key, Arc::clone(&model));
        Ok(model)
    }

    /// Lets models leave for what is about to be read from the files of `key`.
    pub(super) fn make_room(&mut self, key: &ShelfKey) {
        let left = self.shelf.make_room(key, self.shared.memory_limit());
        self.shared.announce(left);
    }

    /// What `open` opens. Where the GPU has no memory for it, the models that are not in use leave, and it is tried once
    /// more.
    pub(super) fn open_with_room<T>(
        &mut self,
        doing: &'static str,
        open: impl Fn(&mut Open) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let result = contained(doing, || open(&mut self.open));
        if !matches!(&result, Err(error) if error.is_of_device_memory()) {
            return result;
        }
        let left = self.shelf.clear();
        if left.is_empty() {
            return result;
        }
        self.shared.announce(left);
        contained(doing, || open(&mut self.open))
    }
}
