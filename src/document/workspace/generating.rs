//! Generating pictures: what is asked of the engine, and how results enter the library.

use super::importing::TokenImport;
use super::{NoticeKind, Workspace};
use crate::document::{
    DocumentError, GenerationRecord, StartRecord, TokenFileOptions, class_name, tokens_to_bytes,
};
use crate::engine::{
    EngineError, GenerateFrom, GenerateJob, GeneratedPicture, GenerationStep, GeneratorInfo, PictureSeed,
    Request, Stamp, SubjectId, Task, check_generator_fits,
};
use crate::generator::Settings;
use crate::latent::Tokens;
use crate::picture::Rgb8;
use crate::tokenizer::ModelFiles;
use std::sync::Arc;

/// What pictures are made from.
#[derive(Debug, Clone, PartialEq)]
pub enum GenerateStart {
    /// Noise.
    Noise,
    /// The edited tokens of the active picture with noise up to the level `t` (above 0, up to 1).
    Vary {
        /// Noise level.
        t: f64,
    },
    /// The same, but only these tokens are made anew and the others stay exactly as they are.
    Fill {
        /// Tokens to make.
        tokens: Vec<usize>,
        /// Noise level of these tokens.
        t: f64,
    },
}

/// What a person asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct GenerateOrder {
    /// `None` for a picture of no class.
    pub class: Option<u32>,
    /// Of the first picture; each further one takes the next number.
    pub seed: u64,
    /// Pictures.
    pub count: usize,
    /// How they are sampled.
    pub settings: Settings,
    /// What they are made from.
    pub start: GenerateStart,
}

/// The generator, and what it is doing.
#[derive(Default)]
pub(super) struct Generating {
    generator: Option<Arc<GeneratorInfo>>,
    opening: Option<(Stamp, String)>,
    run: Option<Run>,
}

struct Run {
    stamp: Stamp,
    records: Vec<GenerationRecord>,
    /// Pictures finished.
    made: usize,
    step: Option<Arc<GenerationStep>>,
    /// The newest picture of the one being made.
    picture: Option<Arc<Rgb8>>,
    /// The active picture, as long as nobody has chosen another one: results then become active.
    followed: Option<SubjectId>,
}

/// How far a generation is.
#[derive(Debug, Clone)]
pub struct GenerationProgress<'a> {
    /// Pictures finished.
    pub made: usize,
    /// Pictures in all.
    pub count: usize,
    /// How the picture being made will be called.
    pub name: String,
    /// Its newest step; `None` before the first.
    pub step: Option<&'a GenerationStep>,
    /// Its newest decode.
    pub picture: Option<&'a Arc<Rgb8>>,
}

impl Workspace {
    /// Opens a generator in the background. The one before stays in use until then.
    pub fn open_generator(&mut self, files: ModelFiles) {
        let name = files.name.clone();
        let stamp = self.engine.submit(Request::OpenGenerator(files));
        self.generating.opening = Some((stamp, name));
    }

    /// The generator in use.
    pub fn generator(&self) -> Option<&Arc<GeneratorInfo>> {
        self.generating.generator.as_ref()
    }

    /// Name of the generator being opened.
    pub fn opening_generator(&self) -> Option<&str> {
        self.generating.opening.as_ref().map(|(_, name)| name.as_str())
    }

    /// Why the generator in use cannot make pictures for the model in use; `None` when it can.
    pub fn generator_mismatch(&self) -> Option<String> {
        let (generator, model) = self.generating.generator.as_ref().zip(self.model.as_ref())?;
        let shape = (&*model.name, model.space.token_count, model.space.dim);
        check_generator_fits(&generator.name, &generator.args, shape)
            .err()
            .map(|error| error.to_string())
    }

    /// Starts a generation in the background; one that runs is given up for it. Results enter the library one by one.
    pub fn generate(&mut self, order: &GenerateOrder) {
        if let Err(error) = self.start_generation(order) {
            self.error(&error);
        }
    }

    fn start_generation(&mut self, order: &GenerateOrder) -> Result<(), DocumentError> {
        let generator = self
            .generating
            .generator
            .clone()
            .ok_or(EngineError::NoGenerator)?;
        let model = self.model.clone().ok_or(EngineError::NoModel)?;
        if let Some(mismatch) = self.generator_mismatch() {
            return Err(DocumentError::Mismatch(mismatch));
        }
        let label = order.class.or(generator.args.null_label()).ok_or_else(|| {
            DocumentError::Mismatch("this generator makes no pictures without a class: choose one".to_owned())
        })?;
        let seeds = (0..order.count.max(1) as u64).map(|index| order.seed.wrapping_add(index));
        let (from, start) = self.generation_start(&order.start)?;
        let class_name = order.class.and_then(|class| class_name(class, &generator.args));
        let record = |seed| GenerationRecord {
            generator: generator.name.clone(),
            generator_hash: generator.hash.clone(),
            model: Some(model.hash.clone()),
            class: order.class,
            class_name: class_name.map(str::to_owned),
            seed: Some(seed),
            settings: order.settings,
            start: start.clone(),
        };
        let records = seeds.clone().map(record).collect();
        let job = GenerateJob {
            settings: order.settings,
            pictures: seeds.map(|seed| PictureSeed { label, seed }).collect(),
            from,
        };
        self.generating.run = Some(Run {
            stamp: self.engine.submit(Request::Generate(Arc::new(job))),
            records,
            made: 0,
            step: None,
            picture: None,
            followed: self.active,
        });
        Ok(())
    }

    fn generation_start(
        &self,
        start: &GenerateStart,
    ) -> Result<(Option<GenerateFrom>, Option<StartRecord>), DocumentError> {
        let (t, filled) = match start {
            GenerateStart::Noise => return Ok((None, None)),
            GenerateStart::Vary { t } => (*t, None),
            GenerateStart::Fill { tokens, .. } if tokens.is_empty() => {
                let text = "nothing is selected to be filled: select the tokens to make anew first";
                return Err(DocumentError::Mismatch(text.to_owned()));
            }
            GenerateStart::Fill { tokens, t } => (*t, Some(tokens.clone())),
        };
        let (picture, tokens) = self.active_tokens().ok_or_else(|| {
            DocumentError::Mismatch(
                "there are no tokens to start from: add a picture and wait until it is encoded".to_owned(),
            )
        })?;
        let from = GenerateFrom::new(Arc::new(tokens), t, filled.as_deref());
        let record = StartRecord {
            picture,
            t,
            tokens: filled,
        };
        Ok((Some(from), Some(record)))
    }

    /// Name and edited tokens of the active picture.
    fn active_tokens(&self) -> Option<(String, Tokens)> {
        let subject = self.active()?;
        let state = match &subject.edited {
            Some(shown) => &shown.state,
            None => &subject.encoded.as_ref()?.state,
        };
        Some((subject.name.clone(), state.z.clone()))
    }

    /// Gives the generation up, and the generator being opened; pictures that are finished stay.
    pub fn cancel_generation(&mut self) {
        self.engine.cancel_generation();
    }

    /// The generation under way.
    pub fn generation(&self) -> Option<GenerationProgress<'_>> {
        let run = self.generating.run.as_ref()?;
        Some(GenerationProgress {
            made: run.made,
            count: run.records.len(),
            name: run
                .records
                .get(run.made)
                .map(GenerationRecord::name)
                .unwrap_or_default(),
            step: run.step.as_deref(),
            picture: run.picture.as_ref(),
        })
    }

    pub(super) fn is_generating(&self) -> bool {
        self.generating.run.is_some() || self.generating.opening.is_some()
    }

    pub(super) fn take_generator(&mut self, info: Arc<GeneratorInfo>) {
        self.generating.opening = None;
        self.generating.generator = Some(info);
    }

    pub(super) fn take_generation_step(&mut self, stamp: Stamp, step: Arc<GenerationStep>) {
        if let Some(run) = self.generating.run.as_mut().filter(|run| run.stamp == stamp) {
            if let Some(picture) = &step.picture {
                run.picture = Some(Arc::clone(picture));
            }
            run.step = Some(step);
        }
    }

    pub(super) fn take_generated(&mut self, stamp: Stamp, picture: &GeneratedPicture) {
        let is_followed = self.is_generation_followed();
        let Some(run) = self.generating.run.as_mut().filter(|run| run.stamp == stamp) else {
            return;
        };
        let record = run.records.get(picture.index).cloned();
        run.made = picture.index + 1;
        run.step = None;
        run.picture = None;
        if let Some(record) = record {
            match self.add_generated(record, picture) {
                Ok(id) if is_followed => {
                    self.set_active(id);
                    if let Some(run) = &mut self.generating.run {
                        run.followed = Some(id);
                    }
                }
                Ok(_) => {}
                Err(error) => self.error(&error),
            }
        }
        if picture.is_last {
            self.generating.run = None;
        }
    }

    /// Whether the person still looks at what the run began with, with nothing under the hand.
    fn is_generation_followed(&self) -> bool {
        let has_preview = self
            .active()
            .is_some_and(|subject| subject.history.pending().is_some());
        let run = self.generating.run.as_ref();
        run.is_some_and(|run| run.followed == self.active) && !has_preview
    }

    fn add_generated(
        &mut self,
        record: GenerationRecord,
        picture: &GeneratedPicture,
    ) -> Result<SubjectId, DocumentError> {
        let options = TokenFileOptions {
            model: record.model.as_deref(),
            generations: std::slice::from_ref(&record),
            ..TokenFileOptions::default()
        };
        let bytes = tokens_to_bytes(std::slice::from_ref(&*picture.state), &options)?;
        let mut import = TokenImport::new(record.name(), None, bytes.into(), record.model.clone());
        import.generation = Some(Arc::new(record));
        let id = self.add_decoded(
            import,
            Arc::clone(&picture.state),
            &picture.picture,
            picture.decode_ms,
        );
        self.changed();
        Ok(id)
    }

    /// A generation, or the opening of a generator, that came to nothing.
    pub(super) fn take_generation_failure(&mut self, stamp: Stamp, task: &Task, message: &str) {
        if let Task::OpenGenerator(name) = task {
            self.generating.opening.take_if(|(opening, _)| *opening == stamp);
            self.notice(
                NoticeKind::Error,
                format!("The generator {name} was not opened: {message}"),
            );
        } else if self.generating.run.take_if(|run| run.stamp == stamp).is_some() {
            self.notice(NoticeKind::Error, format!("Generating stopped: {message}"));
        }
    }

    /// What was cancelled and not replaced is said.
    pub(super) fn take_generation_cancelled(&mut self, stamp: Stamp, task: &Task) {
        if let Task::OpenGenerator(name) = task {
            if self
                .generating
                .opening
                .take_if(|(opening, _)| *opening == stamp)
                .is_some()
            {
                self.notice(
                    NoticeKind::Warning,
                    format!("Opening the generator {name} was cancelled"),
                );
            }
        } else if let Some(run) = self.generating.run.take_if(|run| run.stamp == stamp) {
            let kept = match run.made {
                0 => String::new(),
                1 => "; the finished picture stays".to_owned(),
                made => format!("; the {made} finished pictures stay"),
            };
            self.notice(NoticeKind::Warning, format!("Generating was cancelled{kept}"));
        }
    }
}
