use super::edit_cache::EditCache;
use super::perform::{self, Backend};
use super::protocol::{EngineStatus, Event, Request, Stamp};
use super::queue::{Outcome, Queue, Signals, Ticket};
use super::{Control, EngineError, RunOptions, Runner, panics};
use crate::tokenizer::ModelFiles;
use std::sync::atomic::{AtomicU32, Ordering};
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
    wake: Box<dyn Fn() + Send + Sync>,
}

#[derive(Default)]
struct State {
    queue: Queue,
    is_closing: bool,
}

impl Engine {
    /// `wake` is called whenever an event is ready or progress moved.
    pub fn start(options: RunOptions, wake: impl Fn() + Send + Sync + 'static) -> Self {
        let open = move |files: &ModelFiles, control: &dyn Control| {
            Runner::open(files, &options, control).map(|runner| Box::new(runner) as Box<dyn Backend>)
        };
        Self::start_with(Box::new(open), Box::new(wake))
    }

    fn start_with(open: Open, wake: Box<dyn Fn() + Send + Sync>) -> Self {
        let shared = Arc::new(Shared {
            state: Mutex::new(State::default()),
            work: Condvar::new(),
            news: Condvar::new(),
            wake,
        });
        let worker = Worker {
            shared: Arc::clone(&shared),
            open,
            model: None,
            cache: EditCache::default(),
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
            if state.queue.is_idle() {
                return None;
            }
            state = self
                .shared
                .news
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Cancels the running load or encode, and what waits of that kind. Each gives [`Event::Cancelled`].
    pub fn cancel(&self) {
        let mut state = self.shared.lock();
        state.queue.cancel();
        let has_news = state.queue.has_events();
        drop(state);
        if has_news {
            self.shared.tell();
        }
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

    /// Blocks for the next task; `None` when the engine is dropped.
    fn next_task(&self) -> Option<(Ticket, Arc<Signals>)> {
        let mut state = self.lock();
        loop {
            if state.is_closing {
                return None;
            }
            if let Some(task) = state.queue.start_next() {
                return Some(task);
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
    model: Option<Box<dyn Backend>>,
    cache: EditCache,
}

impl Worker {
    fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        while let Some((Ticket { stamp, request }, signals)) = shared.next_task() {
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
            }
        }
    }

    /// The old model stays until the new one is there.
    fn load(&mut self, files: &ModelFiles, control: &dyn Control) {
        match contained("loading the model", || (self.open)(files, control)) {
            Ok(model) => {
                let event = Event::ModelLoaded(Arc::clone(model.info()));
                if self.shared.finish(Outcome::Done(event)) {
                    self.cache.clear();
                    self.model = Some(model);
                }
            }
            Err(error) => {
                self.shared.finish(Outcome::from(Err(error)));
            }
        }
    }

    fn with_model<T>(
        &mut self,
        doing: &'static str,
        task: impl FnOnce(&dyn Backend, &mut EditCache) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let model = self.model.as_deref().ok_or(EngineError::NoModel)?;
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
            Request::LoadModel(_) => Duration::ZERO,
            Request::Encode { .. } | Request::Decode { .. } => UNTOLD,
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
mod tests;
