//! All that is open, tied to the engine. Nothing here waits but [`Workspace::settle`]: requests go to the engine, file
//! work to a thread of its own, and [`Workspace::update`] takes in what they have finished.

mod ahead;
mod analysing;
mod brushing;
mod codewords;
mod collecting;
mod comparing;
mod directing;
mod editing;
mod events;
mod exporting;
mod findings;
mod generating;
mod importing;
mod painting;
mod reporting;
mod sessions;
mod subjects;
mod surveying;

use super::autosave::AutosaveSlot;
use super::{DocumentError, Places, Shown, Subject};
use crate::engine::{Engine, EngineStatus, Jobs, ModelInfo, Stamp, SubjectId, ViewId, Wake};
use crate::latent::{DirectionSource, Edit, LatentState};
use crate::picture::{Fit, Rgb8};
use crate::tokenizer::ModelFiles;
use ahead::Ahead;
pub use ahead::Preview;
use analysing::Analysing;
pub use analysing::Finding;
pub use brushing::BrushRanking;
use brushing::Brushing;
use codewords::Counting;
use collecting::Collecting;
pub use collecting::{CollectingProgress, CollectionOrder, CollectionSource, DEFAULT_MOST_COLLECTED};
use comparing::Comparison;
pub use comparing::{ComparedModel, ComparedState, ComparisonFile, MOST_COMPARED};
use directing::Directing;
pub use directing::{DirectionFigures, DirectionOrder, FoundDirections};
use exporting::ExportTask;
use generating::Generating;
pub use generating::{GenerateOrder, GenerateStart, GenerationProgress};
use importing::{FolderImport, TokenImport};
use painting::PaintWork;
pub use painting::{PaintOrder, PaintTarget};
pub use reporting::ReportProgress;
use reporting::Reporting;
use sessions::Saving;
use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
pub use surveying::DEFAULT_MOST_MAPPED;
use surveying::Surveying;

/// Where a picture comes from.
#[derive(Debug, Clone)]
pub enum Import {
    /// A picture, a recipe PNG or JPEG (its edit list is restored), a token file, a recipe (its edits go onto the
    /// active picture), a session, or a folder of pictures.
    Path(PathBuf),
    /// A dropped or pasted file's bytes.
    Bytes {
        /// File name, or what to call it.
        name: String,
        /// Its content.
        bytes: Arc<[u8]>,
    },
    /// A picture in memory, such as one from the clipboard.
    Pixels {
        /// What to call it.
        name: String,
        /// The picture.
        picture: Arc<Rgb8>,
    },
}

/// How a notice is to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeKind {
    /// Something was done, such as "Saved edited.png".
    Done,
    /// Something was done but not all, or not as expected.
    Warning,
    /// Something was not done.
    Error,
}

/// A line for the person: what happened, why, what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// How it is to be taken.
    pub kind: NoticeKind,
    /// What to show.
    pub text: String,
}

/// What a finished file job does to the workspace, back on the owner's thread.
type Finish = Box<dyn FnOnce(&mut Workspace) + Send>;

/// All that is open: the model, the pictures, the active one.
pub struct Workspace {
    engine: Engine,
    jobs: Jobs<Finish>,
    places: Places,
    autosave: AutosaveSlot,
    model: Option<Arc<ModelInfo>>,
    loading: Option<Stamp>,
    /// Models asked for, the newest last.
    opened: Vec<ModelFiles>,
    subjects: Vec<Subject>,
    /// What goes on behind each subject.
    work: HashMap<SubjectId, Work>,
    /// Pictures taken out, newest last, with the place they had.
    removed: Vec<(usize, Subject, Work)>,
    active: Option<SubjectId>,
    last_id: u64,
    encoding: Option<Encoding>,
    hover: Option<Hover>,
    ahead: Ahead,
    /// Pictures that nobody has looked at yet are encoded while nothing else is to do.
    encodes_ahead: bool,
    exports: VecDeque<ExportTask>,
    generating: Generating,
    folder: Option<FolderImport>,
    token_imports: VecDeque<TokenImport>,
    /// Named directions that were read.
    directions: HashMap<String, DirectionSource>,
    saving: Saving,
    comparison: Comparison,
    analysing: Analysing,
    collecting: Collecting,
    surveying: Surveying,
    reporting: Reporting,
    wake: Wake,
    counting: Counting,
    directing: Directing,
    brushing: Brushing,
    painting: PaintWork,
    notices: Vec<Notice>,
}

/// What a picture was imported from; a session keeps it.
#[derive(Debug, Clone)]
enum SourceFile {
    Picture(Arc<[u8]>),
    Tokens(Arc<[u8]>),
    Pixels(Arc<Rgb8>),
}

/// What goes on behind a subject.
#[derive(Debug)]
struct Work {
    file: SourceFile,
    /// The decode that is waited for, and the edit list it is of.
    decode: Option<(Stamp, Arc<[Edit]>)>,
    /// A newer edit list waits for that decode to end: so every result of a drag is seen, however slow the model.
    decode_again: bool,
    /// Since when the picture on show is not that of the edit list.
    behind_since: Option<Instant>,
    /// Edit list that [`Subject::edited`] shows.
    shown: Option<Arc<[Edit]>>,
    /// Side and fit of the crop that is being made.
    cropping: Option<(u32, Fit)>,
    /// Encoding failed or was cancelled: not tried again until something changes.
    is_encode_held: bool,
    /// Applied edits that were there before the model in use was; they may not fit it.
    carried: usize,
    /// Model the edit list was made with, where a file told; checked once encoded.
    made_with: Option<String>,
    /// The failure told last, so that a drag does not tell it at every step.
    last_failure: Option<String>,
}

impl Work {
    fn new(file: SourceFile) -> Self {
        Self {
            file,
            decode: None,
            decode_again: false,
            behind_since: None,
            shown: None,
            cropping: None,
            is_encode_held: false,
            carried: 0,
            made_with: None,
            last_failure: None,
        }
    }

    /// Forgets everything that came from a model or crop that is no longer in use.
    fn forget_results(&mut self) {
        self.decode = None;
        self.decode_again = false;
        self.behind_since = None;
        self.shown = None;
        self.is_encode_held = false;
    }
}

struct Encoding {
    stamp: Stamp,
    /// Tells an answer for an older crop.
    crop: Arc<Rgb8>,
}

struct Hover {
    subject: SubjectId,
    base: Arc<LatentState>,
    edits: Arc<[Edit]>,
    stamp: Option<Stamp>,
    shown: Option<Shown>,
}

const HOVER_VIEW: ViewId = ViewId(1);
const EXPORT_VIEW: ViewId = ViewId(2);
const TOKENS_VIEW: ViewId = ViewId(3);

/// The view of a subject's edited picture. Ids start at 1, so none meets the fixed views.
fn edited_view(id: SubjectId) -> ViewId {
    ViewId(4 * id.0)
}

impl Workspace {
    /// `wake` is called from other threads when [`Workspace::update`] has something to take in.
    pub fn new(engine: Engine, places: Places, wake: impl Fn() + Send + Sync + 'static) -> Self {
        let wake: Wake = Arc::new(wake);
        let for_jobs = Wake::clone(&wake);
        let mut workspace = Self {
            engine,
            jobs: Jobs::new(move || for_jobs()),
            saving: Saving::default(),
            autosave: AutosaveSlot::take(&places),
            places,
            model: None,
            loading: None,
            opened: Vec::new(),
            subjects: Vec::new(),
            work: HashMap::new(),
            removed: Vec::new(),
            active: None,
            last_id: 0,
            encoding: None,
            hover: None,
            ahead: Ahead::default(),
            encodes_ahead: true,
            exports: VecDeque::new(),
            generating: Generating::default(),
            folder: None,
            token_imports: VecDeque::new(),
            directions: HashMap::new(),
            comparison: Comparison::default(),
            analysing: Analysing::default(),
            counting: Counting::default(),
            directing: Directing::default(),
            collecting: Collecting::default(),
            brushing: Brushing::default(),
            painting: PaintWork::default(),
            surveying: Surveying::default(),
            reporting: Reporting::default(),
            wake,
            notices: Vec::new(),
        };
        if let Err(error) = workspace.autosave.keep_last() {
            workspace.error(&error);
        }
        workspace
    }

    /// Takes in what the engine and the file jobs have finished; call once a frame. Never waits.
    pub fn update(&mut self) -> Vec<Notice> {
        while let Some(finished) = self.jobs.poll() {
            self.take_job(finished);
        }
        while let Some(event) = self.engine.poll() {
            self.take_event(event);
        }
        self.take_survey();
        self.pump();
        std::mem::take(&mut self.notices)
    }

    /// Blocks until nothing is outstanding (tests and scripts), taking everything in.
    pub fn settle(&mut self) -> Vec<Notice> {
        loop {
            self.pump();
            if let Some(finished) = self.jobs.wait() {
                self.take_job(finished);
            } else if let Some(event) = self.engine.wait() {
                self.take_event(event);
            } else if !self.finish_survey() {
                return std::mem::take(&mut self.notices);
            }
        }
    }

    /// Whether the engine or a file job still works.
    pub fn is_busy(&self) -> bool {
        let decoding = self.work.values().any(|work| work.decode.is_some());
        let hovering = self.hover.as_ref().is_some_and(|hover| hover.stamp.is_some());
        self.jobs.outstanding() > 0
            || self.loading.is_some()
            || self.encoding.is_some()
            || !self.exports.is_empty()
            || decoding
            || hovering
            || self.comparison_progress().is_some()
            || self.is_generating()
            || self.is_analysing()
            || self.collecting().is_some()
            || self.is_painting()
            || self.is_surveying()
            || self.reporting().is_some()
    }

    /// Folders in use.
    pub fn places(&self) -> &Places {
        &self.places
    }

    /// What the engine does now.
    pub fn engine_status(&self) -> EngineStatus {
        self.engine.status()
    }

    /// Cancels the running load, encode or generation, and what waits of them; exports that still decode; a folder being
    /// imported; what the comparison still lacks; analyses; a collection, its map, its probes and a report; a painting.
    pub fn cancel(&mut self) {
        self.engine.cancel();
        self.engine.cancel_generation();
        self.folder = None;
        for subject in self.subjects.iter().filter(|subject| subject.encoded.is_none()) {
            if let Some(work) = self.work.get_mut(&subject.id) {
                work.is_encode_held = true;
            }
        }
        self.cancel_exports();
        self.hold_comparison();
        self.cancel_analyses();
        self.cancel_collecting();
        self.cancel_mapping();
        self.cancel_probing();
        self.cancel_report();
        self.discard_painting();
    }

    /// The model in use.
    pub fn model(&self) -> Option<&Arc<ModelInfo>> {
        self.model.as_ref()
    }

    /// Side of the model's square, pixels.
    fn side(&self) -> Option<u32> {
        u32::try_from(self.model.as_ref()?.args.image_size).ok()
    }

    /// Loads a model in the background; pictures are encoded again when it is there, edit lists stay.
    pub fn open_model(&mut self, files: ModelFiles) {
        self.opened.retain(|opened| *opened != files);
        self.opened.push(files.clone());
        self.loading = Some(self.engine.submit(crate::engine::Request::LoadModel(files)));
    }

    /// The models that were opened in this run, the newest last; some may have failed.
    pub fn opened_models(&self) -> &[ModelFiles] {
        &self.opened
    }

    /// Sets how much memory the weights of models kept open may take, the generator's included, in bytes. What exceeds
    /// it leaves at once ([`Engine::set_memory_limit`]).
    pub fn set_memory_limit(&self, bytes: u64) {
        self.engine.set_memory_limit(bytes);
    }

    /// How much memory the weights of models kept open may take, bytes.
    pub fn memory_limit(&self) -> u64 {
        self.engine.memory_limit()
    }

    /// Whether pictures that were not active yet are encoded while nothing else is to do, the one after the active
    /// picture first.
    pub fn set_encodes_ahead(&mut self, encodes_ahead: bool) {
        self.encodes_ahead = encodes_ahead;
    }

    fn notice(&mut self, kind: NoticeKind, text: impl Into<String>) {
        self.notices.push(Notice {
            kind,
            text: text.into(),
        });
    }

    fn error(&mut self, error: &DocumentError) {
        self.notice(NoticeKind::Error, error.to_string());
    }

    /// Runs file work off this thread; what it returns is done to the workspace when it has finished.
    fn background<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
        finish: impl FnOnce(&mut Self, T) + Send + 'static,
    ) {
        self.jobs.run(move || -> Finish {
            let result = work();
            Box::new(move |workspace| finish(workspace, result))
        });
    }

    fn take_job(&mut self, finished: Result<Finish, String>) {
        match finished {
            Ok(finish) => finish(self),
            Err(message) => {
                // Which job it was is lost with it: whatever waits for one may be tried anew.
                self.saving.is_autosaving = false;
                self.work
                    .values_mut()
                    .for_each(|work| work.is_encode_held |= work.cropping.take().is_some());
                self.next_of_folder();
                self.collecting_lost_a_job();
                self.reporting_lost_a_job();
                self.directing_lost_a_job();
                self.notice(
                    NoticeKind::Error,
                    format!("A task on a file ended unexpectedly: {message}"),
                );
            }
        }
    }

    /// Starts whatever can start now.
    fn pump(&mut self) {
        self.pump_token_imports();
        self.pump_ahead();
        self.pump_encoding();
        self.pump_exports();
        self.pump_comparison();
        self.pump_brush();
        self.pump_painting();
        self.pump_autosave();
    }
}

/// Whether a decode may overtake the one that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DecodeWhen {
    /// At once: what runs is out of date.
    Now,
    /// When the one that runs has been shown.
    Free,
}
