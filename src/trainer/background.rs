//! A run on a thread of its own, for a window that must not wait for it.

use super::record::{RunRecord, Sheet};
use super::run::sheet_path;
use super::{Outcome, Progress, Run, TrainError};
use crate::engine::contained;
use rayon::ThreadPoolBuilder;
use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Time over which the speed is measured.
const RATE_WINDOW: Duration = Duration::from_secs(20);
/// Steps over which it is measured at most.
const RATE_STEPS: usize = 256;
/// How long dropping waits for the state to be written.
const LONGEST_WAIT: Duration = Duration::from_secs(20);
/// How far training stands back for everything else on the machine: 0 not at all, 19 as far as can be.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// What is to be trained, and for how long.
#[derive(Debug, Clone)]
pub struct Order {
    /// The run.
    pub run: Run,
    /// It is stopped after this time where its steps are not done by then.
    pub time_limit: Option<Duration>,
}

/// What a run is doing.
#[derive(Debug, Clone)]
pub enum Phase {
    /// Reading pictures and, of a run that goes on, its state.
    Reading,
    /// Making steps.
    Training,
    /// Nothing more; the state is written unless there is an error.
    Ended(Result<Outcome, Arc<TrainError>>),
}

/// How far a run is.
#[derive(Debug, Clone)]
pub struct Status {
    /// What it is doing.
    pub phase: Phase,
    /// Curves, sheets, steps.
    pub record: RunRecord,
    /// Opaque pictures it trains on; 0 until they are read.
    pub photographs: usize,
    /// Pictures with transparency it trains on.
    pub cutouts: usize,
    /// Of the last step.
    pub learning_rate: f64,
    /// Lately; None before the second step.
    pub pictures_per_second: Option<f64>,
    /// Until the steps are done or the time is over.
    pub time_left: Option<Duration>,
}

impl Status {
    /// Whether it has ended.
    pub fn is_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended(_))
    }
}

struct Shared {
    status: Mutex<Status>,
    /// Signalled on every change of the status.
    changed: Condvar,
    is_stopping: AtomicBool,
    wake: Box<dyn Fn() + Send + Sync>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Status)) {
        change(&mut self.lock());
        self.changed.notify_all();
        (self.wake)();
    }
}

/// A run on a thread of its own. Dropping it stops it and waits a while for its state to be written.
pub struct TrainingRun {
    order: Order,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl TrainingRun {
    /// Starts it. `wake` is called after each change of the status, from the run's thread; a window draws the next frame
    /// then, at a pace of its own.
    pub fn start(order: Order, wake: impl Fn() + Send + Sync + 'static) -> Self {
        let shared = Arc::new(Shared {
            status: Mutex::new(Status {
                phase: Phase::Reading,
                record: RunRecord::new(order.run.config.clone()),
                photographs: 0,
                cutouts: 0,
                learning_rate: 0.0,
                pictures_per_second: None,
                time_left: None,
            }),
            changed: Condvar::new(),
            is_stopping: AtomicBool::new(false),
            wake: Box::new(wake),
        });
        let (work, of_thread) = (order.clone(), Arc::clone(&shared));
        let thread = std::thread::Builder::new()
            .name("softscope-train".to_owned())
            .spawn(move || {
                let outcome = contained(|| perform(&work, &of_thread))
                    .unwrap_or_else(|text| Err(TrainError::Threads(text)));
                end(&of_thread, outcome);
            });
        let thread = match thread {
            Ok(thread) => Some(thread),
            Err(error) => {
                end(&shared, Err(TrainError::Threads(error.to_string())));
                None
            }
        };
        Self {
            order,
            shared,
            thread,
        }
    }

    /// What it was started with.
    pub fn order(&self) -> &Order {
        &self.order
    }

    /// Ends it after the step under way, with its state written. Does not wait.
    pub fn stop(&self) {
        self.shared.is_stopping.store(true, Ordering::Relaxed);
        (self.shared.wake)();
    }

    /// Whether it was told to stop.
    pub fn is_stopping(&self) -> bool {
        self.shared.is_stopping.load(Ordering::Relaxed)
    }

    /// Looks at the status. The run waits for `look` where it has something to tell.
    pub fn look<T>(&self, look: impl FnOnce(&Status) -> T) -> T {
        look(&self.shared.lock())
    }

    /// Blocks until `is_met` or the end of the run; whether it is met.
    pub fn wait_until(&self, is_met: impl Fn(&Status) -> bool) -> bool {
        let status = self.shared.lock();
        let waits = |status: &mut Status| !is_met(status) && !status.is_ended();
        let status = self.shared.changed.wait_while(status, waits);
        is_met(&status.unwrap_or_else(PoisonError::into_inner))
    }

    /// Lets go of it without waiting: what was reached since the last checkpoint may be lost.
    pub fn abandon(mut self) {
        self.stop();
        self.thread = None;
    }
}

impl Drop for TrainingRun {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else {
            return;
        };
        self.stop();
        let waits = |status: &mut Status| !status.is_ended();
        let status = self.shared.lock();
        let waited = self
            .shared
            .changed
            .wait_timeout_while(status, LONGEST_WAIT, waits);
        let is_ended = waited.unwrap_or_else(PoisonError::into_inner).0.is_ended();
        if is_ended {
            // Contained, so that a join fails only where `wake` panicked; there is nobody left to tell.
            let _ = thread.join();
        }
    }
}

fn end(shared: &Shared, outcome: Result<Outcome, TrainError>) {
    shared.change(|status| {
        status.phase = Phase::Ended(outcome.map_err(Arc::new));
        status.time_left = None;
    });
}

fn perform(order: &Order, shared: &Shared) -> Result<Outcome, TrainError> {
    // Threads of candle serve everything in this process, decodes too, and keep the priority of the one that starts them.
    let _ = candle_core::utils::barrier_pool();
    stand_back();
    // Threads of the pool stand back as this one does. Pictures are read on it, and not on the pool that all share.
    let pool = ThreadPoolBuilder::new()
        .num_threads(order.run.config.threads)
        .thread_name(|index| format!("softscope-train-files-{index}"))
        .build()
        .map_err(|error| TrainError::Threads(error.to_string()))?;
    pool.install(|| {
        let mut observer = Observer::new(order, shared);
        order.run.perform(&mut |news| observer.take(news))
    })
}

/// Lets everything else on the machine go first. Linux keeps a priority for each thread, and hands it on to the threads
/// that it starts; elsewhere the limit on threads has to do.
fn stand_back() {
    #[cfg(target_os = "linux")]
    {
        // Refused: it then competes for the processor as any thread does.
        let _ = rustix::process::setpriority_process(None, NICENESS);
    }
}

/// Turns a run's news into its status.
struct Observer<'a> {
    order: &'a Order,
    shared: &'a Shared,
    /// Since the pictures were read.
    started: Instant,
    speed: Speed,
}

impl<'a> Observer<'a> {
    fn new(order: &'a Order, shared: &'a Shared) -> Self {
        Self {
            order,
            shared,
            started: Instant::now(),
            speed: Speed::default(),
        }
    }

    fn take(&mut self, news: Progress<'_>) -> ControlFlow<()> {
        let run = &self.order.run;
        match news {
            Progress::Read {
                photographs,
                cutouts,
                steps_done,
            } => {
                self.started = Instant::now();
                self.speed.add(self.started, steps_done);
                self.shared.change(|status| {
                    status.phase = Phase::Training;
                    (status.photographs, status.cutouts) = (photographs, cutouts);
                    status.record.steps_done = steps_done;
                    if run.is_resumed {
                        status.record.steps_saved = Some(steps_done);
                        status.record.read_past(&run.out);
                    }
                });
            }
            Progress::Step(report) => {
                let done = report.step + 1;
                self.speed.add(Instant::now(), done);
                let steps_per_second = self.speed.steps_per_second();
                let time_left = self.time_left(done, steps_per_second);
                self.shared.change(|status| {
                    status.record.steps_done = done;
                    status.record.history.add_terms(done, &report.terms);
                    status.learning_rate = report.learning_rate;
                    let pictures = run.config.pictures_per_step() as f64;
                    status.pictures_per_second = steps_per_second.map(|steps| steps * pictures);
                    status.time_left = time_left;
                });
            }
            Progress::Evaluated(figures) => self.shared.change(|status| {
                let record = &mut status.record;
                let step = record.steps_done;
                record.history.add_figures(step, figures);
                record.sheets.extend(sheet_of(&run.out, step));
            }),
            Progress::Saved => self
                .shared
                .change(|status| status.record.steps_saved = Some(status.record.steps_done)),
        }
        let is_time_over = self
            .order
            .time_limit
            .is_some_and(|limit| self.started.elapsed() >= limit);
        if is_time_over || self.shared.is_stopping.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    fn time_left(&self, done: u64, steps_per_second: Option<f64>) -> Option<Duration> {
        let limit = self.order.time_limit;
        let limit = limit.map(|limit| limit.saturating_sub(self.started.elapsed()));
        let left = self.order.run.config.steps.saturating_sub(done) as f64;
        let steps = steps_per_second.and_then(|rate| Duration::try_from_secs_f64(left / rate).ok());
        match (steps, limit) {
            (Some(steps), Some(limit)) => Some(steps.min(limit)),
            (steps, limit) => steps.or(limit),
        }
    }
}

fn sheet_of(out: &Path, step: u64) -> Option<Sheet> {
    let path = sheet_path(out, step);
    path.is_file().then_some(Sheet { step, path })
}

/// Steps a second, evaluations and checkpoints included.
#[derive(Default)]
struct Speed {
    /// When how many steps were done.
    marks: VecDeque<(Instant, u64)>,
}

impl Speed {
    fn add(&mut self, at: Instant, steps_done: u64) {
        self.marks.push_back((at, steps_done));
        let is_old = |(then, _): &(Instant, u64)| at.duration_since(*then) > RATE_WINDOW;
        while self.marks.len() > 2
            && (self.marks.len() > RATE_STEPS || self.marks.front().is_some_and(is_old))
        {
            self.marks.pop_front();
        }
    }

    fn steps_per_second(&self) -> Option<f64> {
        let ((first, before), (last, done)) = (self.marks.front()?, self.marks.back()?);
        let seconds = last.duration_since(*first).as_secs_f64();
        (seconds > 0.0 && done > before).then(|| (done - before) as f64 / seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_speed_is_that_of_the_last_while() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let mut speed = Speed::default();
        assert_eq!(speed.steps_per_second(), None);
        speed.add(at(0), 100);
        assert_eq!(speed.steps_per_second(), None);
        speed.add(at(10), 120);
        assert_eq!(speed.steps_per_second(), Some(2.0));
        speed.add(at(40), 420);
        speed.add(at(50), 520);
        assert_eq!(speed.steps_per_second(), Some(10.0), "what was slow is long ago");
        for step in 0..1000 {
            speed.add(at(51), 521 + step);
        }
        assert!(speed.marks.len() <= RATE_STEPS);
    }
}
