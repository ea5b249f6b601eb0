//! A collection on its way: pictures are listed and read a few at a time by file jobs and encoded by the engine as work
//! that everything else comes before. No more than those few are held as pixels.

mod reading;

use super::{NoticeKind, Workspace};
use crate::analysis::UsageCounter;
use crate::document::{CollectedPicture, Collection, DocumentError, Factor, path_name, picture_count};
use crate::engine::{ModelInfo, Request, Stamp, Work, WorkJob, WorkKind};
use crate::picture::Fit;
use reading::{CollectWork, Listed, Listing, ReadPicture};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Pictures that are read and encoded together.
const BATCH: usize = 8;
/// Pictures taken unless a person asks for more: with 32 tokens of 32 values about 40 MiB.
pub const DEFAULT_MOST_COLLECTED: usize = 2000;

/// Which pictures a collection is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CollectionSource {
    /// Those of a folder, with its labels ([`crate::document::Labelled::of_folder`]).
    Folder(PathBuf),
    /// Those of the library, labelled by the folders they come from.
    Library,
}

/// A collection to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectionOrder {
    /// Of what.
    pub source: CollectionSource,
    /// At most so many pictures, spread evenly; the collection says what is left out.
    pub most: usize,
    /// How pictures of a folder become the model's square.
    pub fit: Fit,
}

impl CollectionOrder {
    /// Of a source as pictures are usually taken.
    pub fn new(source: CollectionSource) -> Self {
        Self {
            source,
            most: DEFAULT_MOST_COLLECTED,
            fit: Fit::default(),
        }
    }
}

/// How far a collection is.
#[derive(Debug, Clone, PartialEq)]
pub struct CollectingProgress {
    /// What is collected.
    pub name: String,
    /// Pictures that are done.
    pub done: usize,
    /// Pictures in all; 0 until they are listed.
    pub total: usize,
    /// Share done, 0..1.
    pub fraction: f32,
}

/// The collection of a workspace.
#[derive(Default)]
pub(super) struct Collecting {
    held: Option<Arc<Collection>>,
    under_way: Option<UnderWay>,
    /// What was asked for last.
    order: Option<CollectionOrder>,
    /// Tells an answer of a file job for a collection that was given up.
    serial: u64,
}

struct UnderWay {
    order: CollectionOrder,
    model: Arc<ModelInfo>,
    /// Of each picture listed; indices of `waiting` and of the work are into these.
    factors: Vec<Factor>,
    found: usize,
    left_out: Vec<String>,
    waiting: VecDeque<(usize, Listed)>,
    total: usize,
    work: Arc<Mutex<CollectWork>>,
    job: WorkJob,
    /// The encode that is waited for; `None` while a file job is.
    running: Option<Stamp>,
}

fn lock(work: &Mutex<CollectWork>) -> MutexGuard<'_, CollectWork> {
    work.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Workspace {
    /// Reads and encodes many pictures in the background, in place of the collection that is on its way. The one that is
    /// held stays until the new one is whole.
    pub fn collect(&mut self, order: CollectionOrder) {
        let Some(model) = self.model.clone() else {
            self.notice(NoticeKind::Error, NO_MODEL);
            return;
        };
        self.cancel_collecting();
        let codebook = model.space.codebook();
        let work = Arc::new(Mutex::new(CollectWork {
            read: Vec::new(),
            done: Vec::new(),
            usage: codebook.map(|codebook| UsageCounter::new(codebook, Collection::USERS)),
            total: 0,
        }));
        self.collecting.order = Some(order.clone());
        self.collecting.under_way = Some(UnderWay {
            order: order.clone(),
            model,
            factors: Vec::new(),
            found: 0,
            left_out: Vec::new(),
            waiting: VecDeque::new(),
            total: 0,
            job: WorkJob::new(WorkKind::Collection, Arc::clone(&work) as Arc<Mutex<dyn Work>>),
            work,
            running: None,
        });
        let serial = self.collecting.serial;
        match order.source.clone() {
            CollectionSource::Library => {
                let listing = self.library_listing(&order);
                self.take_listing(serial, Ok(listing));
            }
            CollectionSource::Folder(folder) => self.background(
                move || Listing::of_folder(&order, &folder),
                move |workspace, listing| workspace.take_listing(serial, listing),
            ),
        }
    }

    /// Collects anew what was collected last, such as with another model. False where nothing was.
    pub fn collect_again(&mut self) -> bool {
        let order = self.collecting.order.clone();
        let is_known = order.is_some();
        order.into_iter().for_each(|order| self.collect(order));
        is_known
    }

    /// The tokens of many pictures, once they are all there. The same `Arc` is the same collection.
    pub fn collection(&self) -> Option<&Arc<Collection>> {
        self.collecting.held.as_ref()
    }

    /// What was asked to be collected last.
    pub fn collection_order(&self) -> Option<&CollectionOrder> {
        self.collecting.order.as_ref()
    }

    /// How far the collection on its way is; `None` where none is.
    pub fn collecting(&self) -> Option<CollectingProgress> {
        let under_way = self.collecting.under_way.as_ref()?;
        let fraction = under_way.job.fraction();
        Some(CollectingProgress {
            name: under_way.order.source.name(),
            done: (fraction * under_way.total as f32).round() as usize,
            total: under_way.total,
            fraction,
        })
    }

    /// Gives up the collection on its way; the one that is held stays.
    pub fn cancel_collecting(&mut self) {
        self.collecting.serial += 1;
        if self.collecting.under_way.take().is_some() {
            self.engine.cancel_work(WorkKind::Collection);
        }
    }

    /// Another model is there: its tokens are others. What was asked for last can be collected again.
    pub(super) fn forget_collection(&mut self) {
        self.cancel_collecting();
        self.collecting.held = None;
        self.forget_survey();
    }

    fn library_listing(&self, order: &CollectionOrder) -> Listing {
        let (mut pictures, mut texts, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
        for subject in &self.subjects {
            let Some(crop) = &subject.crop else {
                left_out.push(format!("{} left out: it is not read yet", subject.name));
                continue;
            };
            let folder = subject.path.as_deref().and_then(Path::parent);
            texts.push(folder.map_or_else(|| "library".to_owned(), path_name));
            pictures.push(Listed::Subject {
                id: subject.id,
                name: subject.name.clone(),
                path: subject.path.clone(),
                crop: Arc::clone(crop),
            });
        }
        let found = self.subjects.len();
        if pictures.len() > order.most {
            left_out.push(format!(
                "{} left out: the limit is {}",
                picture_count(pictures.len() - order.most),
                order.most
            ));
            pictures.truncate(order.most);
            texts.truncate(order.most);
        }
        Listing {
            pictures: pictures.into_iter().enumerate().collect(),
            factors: vec![Factor::of_texts("label", &texts)],
            found,
            left_out,
        }
    }

    /// The collection on its way, if `serial` is of it.
    fn under_way(&mut self, serial: u64) -> Option<&mut UnderWay> {
        let is_its = self.collecting.serial == serial;
        self.collecting.under_way.as_mut().filter(|_| is_its)
    }

    fn take_listing(&mut self, serial: u64, listing: Result<Listing, DocumentError>) {
        let Some(under_way) = self.under_way(serial) else {
            return;
        };
        match listing {
            Ok(listing) => {
                under_way.total = listing.pictures.len();
                lock(&under_way.work).total = under_way.total;
                under_way.waiting = listing.pictures;
                under_way.factors = listing.factors;
                under_way.found = listing.found;
                under_way.left_out = listing.left_out;
                self.read_collected();
            }
            Err(error) => {
                self.cancel_collecting();
                self.error(&error);
            }
        }
    }

    /// Reads the next pictures, or ends where there are none.
    fn read_collected(&mut self) {
        let serial = self.collecting.serial;
        let Some(under_way) = &mut self.collecting.under_way else {
            return;
        };
        let count = BATCH.min(under_way.waiting.len());
        if count == 0 {
            self.end_collecting();
            return;
        }
        let batch: Vec<(usize, Listed)> = under_way.waiting.drain(..count).collect();
        let (model, fit) = (Arc::clone(&under_way.model), under_way.order.fit);
        self.background(
            move || {
                let read = batch
                    .into_iter()
                    .map(|(index, listed)| listed.read(index, &model, fit));
                read.collect::<Vec<_>>()
            },
            move |workspace, read| workspace.take_read(serial, read),
        );
    }

    fn take_read(&mut self, serial: u64, read: Vec<Result<ReadPicture, DocumentError>>) {
        let Some(under_way) = self.under_way(serial) else {
            return;
        };
        let mut pictures = Vec::new();
        for read in read {
            match read {
                Ok(picture) => pictures.push(picture),
                Err(error) => under_way.left_out.push(format!("1 picture left out: {error}")),
            }
        }
        if pictures.is_empty() {
            self.read_collected();
            return;
        }
        lock(&under_way.work).read = pictures;
        let job = under_way.job.clone();
        let stamp = self.engine.submit(Request::Work(job));
        if let Some(under_way) = &mut self.collecting.under_way {
            under_way.running = Some(stamp);
        }
    }

    pub(super) fn take_collected(&mut self, stamp: Stamp) {
        if self.end_collected(stamp) {
            self.read_collected();
        }
    }

    pub(super) fn take_collecting_failure(&mut self, stamp: Stamp, message: &str) {
        if self.end_collected(stamp) {
            self.cancel_collecting();
            self.notice(
                NoticeKind::Error,
                format!("The pictures were not collected: {message}"),
            );
        }
    }

    pub(super) fn take_collecting_cancelled(&mut self, stamp: Stamp) {
        if self.end_collected(stamp) {
            self.cancel_collecting();
        }
    }

    /// A file job ended unexpectedly, and it may have been this one's.
    pub(super) fn collecting_lost_a_job(&mut self) {
        let is_reading = |under_way: &UnderWay| under_way.running.is_none();
        if self.collecting.under_way.as_ref().is_some_and(is_reading) {
            self.cancel_collecting();
        }
    }

    /// Whether `stamp` is the encode that is waited for; it is no longer.
    fn end_collected(&mut self, stamp: Stamp) -> bool {
        let under_way = self.collecting.under_way.as_mut();
        under_way.is_some_and(|under_way| under_way.running.take_if(|running| *running == stamp).is_some())
    }

    fn end_collecting(&mut self) {
        let Some(under_way) = self.collecting.under_way.take() else {
            return;
        };
        let collection = under_way.into_collection();
        if collection.pictures.is_empty() {
            let why = collection.left_out.join("; ");
            let text = format!("{} holds no pictures to collect. {why}", collection.name);
            self.notice(NoticeKind::Error, text.trim_end());
            return;
        }
        let text = format!(
            "Collected {} tokens of {} of {}",
            collection.total_tokens(),
            picture_count(collection.pictures.len()),
            collection.name
        );
        match collection.left_out.as_slice() {
            [] => self.notice(NoticeKind::Done, text),
            left_out => self.notice(NoticeKind::Warning, format!("{text}. {}", summary(left_out))),
        }
        self.forget_survey();
        self.collecting.held = Some(Arc::new(collection));
    }
}

impl CollectionSource {
    fn name(&self) -> String {
        match self {
            Self::Folder(folder) => path_name(folder),
            Self::Library => "library".to_owned(),
        }
    }
}

impl UnderWay {
    fn into_collection(self) -> Collection {
        let (done, usage) = {
            let mut work = lock(&self.work);
            (std::mem::take(&mut work.done), work.usage.take())
        };
        let (kept, pictures): (Vec<usize>, Vec<CollectedPicture>) = done.into_iter().unzip();
        let space = &self.model.space;
        Collection {
            name: self.order.source.name(),
            folder: match self.order.source {
                CollectionSource::Folder(folder) => Some(folder),
                CollectionSource::Library => None,
            },
            model: self.model.hash.clone(),
            token_count: space.token_count,
            dim: space.dim,
            pictures,
            factors: self.factors.iter().map(|factor| factor.of_some(&kept)).collect(),
            found: self.found,
            left_out: self.left_out,
            usage,
        }
    }
}

/// The first of what is left out, and how much more.
fn summary(left_out: &[String]) -> String {
    match left_out {
        [] => String::new(),
        [one] => one.clone(),
        [first, others @ ..] => format!("{first}; and {} more", others.len()),
    }
}

const NO_MODEL: &str = "There is no model to encode pictures with: open one first.";
