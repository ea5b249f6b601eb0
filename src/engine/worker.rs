//! The worker thread, the handle of its owner, and what both share.

mod opening;
mod painting;
mod turns;

use super::edit_cache::EditCache;
use super::generate::Generation;
use super::painting::PaintRun;
use super::perform::{self, Backend};
use super::prefetch::Prefetching;
use super::protocol::{EngineStatus, Event, Request, Stamp};
use super::queue::{Outcome, Queue, Signals, Ticket};
use super::shelf::{Eviction, Shelf};
use super::{
    Control, EngineError, GeneratorRunner, RunOptions, Runner, WorkKind, default_memory_limit, panics,
};
use crate::tokenizer::ModelFiles;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Passes shorter than this show no progress: waking the window for it would cost more frames than it informs.
const UNTOLD: Duration = Duration::from_millis(100);

/// Opens a model; the worker calls it for every load.
type Open = Box<dyn FnMut(&ModelFiles, &dyn Control) -> Result<Box<dyn Backend>, EngineError> + Send>;

/// The worker thread. Dropping it cancels and joins.
pub struct Engine {
    shared: Arc<Shared>,
    /// `None` where the system refused a thread.
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    /// Signalled when there may be work.
    work: Condvar,
    /// Signalled when there may be an event, or nothing left to wait for.
    news: Condvar,
    /// Most memory that the weights of loaded models and of the generator may take, bytes.
    memory_limit: AtomicU64,
    wake: Box<dyn Fn() + Send + Sync>,
}

#[derive(Default)]
struct State {
    queue: Queue,
    is_closing: bool,
    /// The worker has not come back for a task: it may still have something to tell of the last one.
    is_working: bool,
    /// The memory limit was set, and nothing has left for it yet.
    has_new_limit: bool,
}

/// What the worker does next.
enum Work {
    Task(Ticket, Arc<Signals>),
    /// Keep to a new memory limit.
    Trim,
}

impl Engine {
    /// `wake` is called whenever an event is ready or progress moved.
    pub fn start(options: RunOptions, wake: impl Fn() + Send + Sync + 'static) -> Self {
        let open = move |files: &ModelFiles, control: &dyn Control| {
            Runner::open(files, &options, control).map(|runner| Box::new(runner) as Box<dyn Backend>)
        };
        Self::start_with(Box::new(open), options, Box::new(wake))
    }

    fn start_with(open: Open, options: RunOptions, wake: Box<dyn Fn() + Send + Sync>) -> Self {
        let shared = Arc::new(Shared {
            state: Mutex::new(State::default()),
            work: Condvar::new(),
            news: Condvar::new(),
            memory_limit: AtomicU64::new(default_memory_limit()),
            wake,
        });
        let worker = Worker {
            shared: Arc::clone(&shared),
            open,
            shelf: Shelf::default(),
            options,
            generator: None,
            painting: None,
            generation: None,
            cache: EditCache::default(),
            prefetching: Prefetching::default(),
        };
        let thread = std::thread::Builder::new()
            .name("softscope-engine".to_owned())
            .spawn(move || worker.run())
            .ok();
        Self { shared, thread }
    }

    /// Never waits. A newer decode of a view, or encode of a subject, replaces a waiting one and cancels a running one
    /// between blocks; what the older one made after all is dropped. Who wants to see each picture of a drag asks for the
    /// next one when the last is there.
    pub fn submit(&self, request: Request) -> Stamp {
        let mut state = self.shared.lock();
        if self.thread.is_none() {
            let message = "the system refused a thread for the model: close other programs and start again";
            let stamp = state.queue.refuse(&request, message);
            drop(state);
            self.shared.tell();
            return stamp;
        }
        let stamp = state.queue.submit(request);
        let has_news = state.queue.has_events();
        drop(state);
        self.shared.work.notify_one();
        if has_news {
            self.shared.tell();
        }
        stamp
    }

    /// The next event, without waiting.
    pub fn poll(&self) -> Option<Event> {
        self.shared.lock().queue.next_event()
    }

    /// Blocks for the next event; `None` when nothing is waiting or running and no event is left.
    pub fn wait(&self) -> Option<Event> {
        let mut state = self.shared.lock();
        loop {
            if let Some(event) = state.queue.next_event() {
                return Some(event);
            }
            if state.queue.is_idle() && !state.is_working && !state.has_new_limit {
                return None;
            }
            state = self
                .shared
                .news
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Cancels the running load, encode, reconstruction, analysis or work, and what waits of these kinds. Each gives
    /// [`Event::Cancelled`].
    pub fn cancel(&self) {
        self.give_up(Queue::cancel);
    }

    /// Cancels the reconstruction that runs and those that wait. Each gives [`Event::Cancelled`].
    pub fn cancel_reconstructions(&self) {
        self.give_up(Queue::cancel_reconstructions);
    }

    /// Cancels what is decoded ahead of the hand. It gives [`Event::Cancelled`].
    pub fn cancel_prefetch(&self) {
        self.give_up(Queue::cancel_prefetch);
    }

    /// Cancels the analysis that runs and those that wait. Each gives [`Event::Cancelled`].
    pub fn cancel_analyses(&self) {
        self.give_up(Queue::cancel_analyses);
    }

    /// Cancels the work of a kind, whether it runs or waits; it gives [`Event::Cancelled`].
    pub fn cancel_work(&self, kind: WorkKind) {
        self.give_up(|queue| queue.cancel_work(kind));
    }

    fn give_up(&self, cancel: impl FnOnce(&mut Queue)) {
        let mut state = self.shared.lock();
        cancel(&mut state.queue);
        let has_news = state.queue.has_events();
        drop(state);
        if has_news {
            self.shared.tell();
        }
    }

    /// Sets how much memory the weights of loaded models may take, the open generator's included, in bytes. Models that
    /// exceed it leave at once, or when the running task is done: the one used least recently first, each with
    /// [`Event::ModelLeft`]. The model in use never does, nor the generator.
    pub fn set_memory_limit(&self, bytes: u64) {
        self.shared.memory_limit.store(bytes, Ordering::Relaxed);
        self.shared.lock().has_new_limit = self.thread.is_some();
        self.shared.work.notify_one();
    }

    /// How much memory the weights of loaded models and of the open generator may take, bytes: half of the machine's
    /// unless set.
    pub fn memory_limit(&self) -> u64 {
        self.shared.memory_limit()
    }

    /// Cancels the generation and the generator being opened. Each gives [`Event::Cancelled`].
    pub fn cancel_generation(&self) {
        self.give_up(Queue::cancel_generation);
    }

    /// Cancels the painting, which gives [`Event::Cancelled`].
    pub fn cancel_painting(&self) {
        self.give_up(Queue::cancel_painting);
    }

    /// What runs and what waits.
    pub fn status(&self) -> EngineStatus {
        self.shared.lock().queue.status()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.is_closing = true;
        state.queue.close();
        drop(state);
        self.shared.work.notify_one();
        if let Some(thread) = self.thread.take() {
            // Tasks are contained, so that a join can only fail where `wake` panicked; there is nobody left to tell.
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// A task that panicked held no lock; the queue behind a poisoned one is whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Blocks for something to do; `None` when the engine is dropped.
    fn next_work(&self) -> Option<Work> {
        let mut state = self.lock();
        loop {
            if state.is_closing {
                return None;
            }
            if std::mem::take(&mut state.has_new_limit) {
                state.is_working = true;
                return Some(Work::Trim);
            }
            if let Some((ticket, signals)) = state.queue.start_next() {
                state.is_working = true;
                return Some(Work::Task(ticket, signals));
            }
            if std::mem::take(&mut state.is_working) {
                self.news.notify_all();
            }
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Notes how the running task ended; whether its result counts.
    fn finish(&self, outcome: Outcome) -> bool {
        let counts = self.lock().queue.finish(outcome);
        self.tell();
        counts
    }

    /// Tells which models left memory.
    fn announce(&self, left: Vec<Eviction>) {
        if left.is_empty() {
            return;
        }
        let mut state = self.lock();
        left.into_iter()
            .for_each(|eviction| state.queue.announce(Event::ModelLeft(eviction)));
        drop(state);
        self.tell();
    }

    fn memory_limit(&self) -> u64 {
        self.memory_limit.load(Ordering::Relaxed)
    }

    /// Something changed that the owner may want to see.
    fn tell(&self) {
        self.news.notify_all();
        (self.wake)();
    }
}

/// What lives on the worker thread.
struct Worker {
    shared: Arc<Shared>,
    open: Open,
    shelf: Shelf,
    cache: EditCache,
    prefetching: Prefetching,
    /// Where and how a generator runs.
    options: RunOptions,
    generator: Option<GeneratorRunner>,
    /// The painting under way, put aside between its steps.
    painting: Option<PaintRun>,
    /// The generation under way, put aside between its steps.
    generation: Option<Generation>,
}

impl Worker {
    fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        while let Some(work) = shared.next_work() {
            let Work::Task(Ticket { stamp, request }, signals) = work else {
                self.trim();
                continue;
            };
            let control = TaskControl::new(&shared, &signals, &request);
            match request {
                Request::LoadModel(files) => self.load(&files, &control),
                Request::Encode { subject, picture } => {
                    let result = self
                        .with_model("encoding", |model, _| perform::encode(model, &picture, &control))
                        .map(|encoded| Event::Encoded {
                            stamp,
                            subject,
                            encoded: Arc::new(encoded),
                        });
                    shared.finish(Outcome::from(result));
                }
                Request::Decode { view, job } => {
                    let result = self
                        .with_model("decoding", |model, cache| {
                            perform::decode(model, cache, &job, &control)
                        })
                        .map(|decoded| Event::Decoded {
                            stamp,
                            view,
                            decoded: Arc::new(decoded),
                        });
                    shared.finish(Outcome::from(result));
                }
                Request::Prefetch(job) => {
                    let outcome = self.prefetch(stamp, &job, &control);
                    shared.finish(outcome);
                }
                Request::Reconstruct { view, job } => {
                    let result = self
                        .reconstruct(&job, &control)
                        .map(|reconstructed| Event::Reconstructed {
                            stamp,
                            view,
                            reconstructed: Arc::new(reconstructed),
                        });
                    shared.finish(Outcome::from(result));
                    self.trim();
                }
                Request::Analyse(job) => {
                    let result = self
                        .with_model("measuring tokens", |model, _| model.analyse(&job, &control))
                        .map(|analysed| Event::Analysed {
                            stamp,
                            analysed: Arc::new(analysed),
                        });
                    shared.finish(Outcome::from(result));
                }
                Request::Work(job) => {
                    let outcome = self.work(stamp, &job, &control);
                    shared.finish(outcome);
                }
                Request::Paint(job) => {
                    let outcome = self.paint(stamp, job, &control);
                    shared.finish(outcome);
                }
                Request::OpenGenerator(files) => self.open_generator(&files, &control),
                Request::Generate(job) => {
                    let outcome = self.generate(stamp, job, &control);
                    shared.finish(outcome);
                }
            }
        }
    }

    /// What was only kept because it was in use, or turned out larger than its file, may have to leave.
    fn trim(&mut self) {
        self.shared.announce(self.shelf.trim(self.shared.memory_limit()));
    }

    fn with_model<T>(
        &mut self,
        doing: &'static str,
        task: impl FnOnce(&dyn Backend, &mut EditCache) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let model = self.shelf.in_use().ok_or(EngineError::NoModel)?;
        contained(doing, || task(model, &mut self.cache))
    }
}

impl From<Result<Event, EngineError>> for Outcome {
    fn from(result: Result<Event, EngineError>) -> Self {
        match result {
            Ok(event) => Self::Done(event),
            Err(EngineError::Cancelled) => Self::Stopped,
            Err(error) => Self::Failed(error.to_string()),
        }
    }
}

/// Runs a task; a panic in it is an error like any other.
fn contained<T>(
    doing: &'static str,
    task: impl FnOnce() -> Result<T, EngineError>,
) -> Result<T, EngineError> {
    panics::contained(task).unwrap_or_else(|reason| Err(EngineError::Internal { doing, reason }))
}

/// The worker's side of a running task: reads its cancel flag, passes progress on in steps of a percent.
struct TaskControl<'a> {
    shared: &'a Shared,
    signals: &'a Signals,
    started: Instant,
    told_after: Duration,
    last_percent: AtomicU32,
}

impl<'a> TaskControl<'a> {
    fn new(shared: &'a Shared, signals: &'a Signals, request: &Request) -> Self {
        let told_after = match request {
            Request::LoadModel(_) | Request::OpenGenerator(_) => Duration::ZERO,
            Request::Encode { .. }
            | Request::Decode { .. }
            | Request::Prefetch(_)
            | Request::Reconstruct { .. }
            | Request::Analyse(_)
            | Request::Work(_)
            | Request::Paint(_)
            | Request::Generate(_) => UNTOLD,
        };
        Self {
            shared,
            signals,
            started: Instant::now(),
            told_after,
            last_percent: AtomicU32::new(u32::MAX),
        }
    }
}

impl Control for TaskControl<'_> {
    fn progress(&self, fraction: f32) {
        let percent = self.signals.report(fraction) / 10;
        if self.started.elapsed() >= self.told_after
            && self.last_percent.swap(percent, Ordering::Relaxed) != percent
        {
            (self.shared.wake)();
        }
    }
    fn is_cancelled(&self) -> bool {
        self.signals.is_cancelled()
    }
}

#[cfg(test)]
pub(super) mod tests;
