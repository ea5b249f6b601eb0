use super::panics;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

type Job<T> = Box<dyn FnOnce() -> T + Send>;

/// File work (decoding pictures, writing exports, autosave) on a thread of its own, results polled by the owner.
/// A panic in a job becomes its `Err` text. Dropping it finishes what is queued, so that no export is lost.
pub struct Jobs<T: Send + 'static> {
    shared: Arc<Shared<T>>,
    thread: Option<JoinHandle<()>>,
}

struct Shared<T> {
    state: Mutex<State<T>>,
    /// Signalled on every change of the state.
    changed: Condvar,
    wake: Box<dyn Fn() + Send + Sync>,
}

struct State<T> {
    queued: VecDeque<Job<T>>,
    is_running: bool,
    results: VecDeque<Result<T, String>>,
    is_closing: bool,
}

impl<T> State<T> {
    fn outstanding(&self) -> usize {
        self.queued.len() + usize::from(self.is_running) + self.results.len()
    }
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn until_changed<'a>(&self, state: MutexGuard<'a, State<T>>) -> MutexGuard<'a, State<T>> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// The next job, or `None` when the owner is gone and all is done.
    fn next_job(&self) -> Option<Job<T>> {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.queued.pop_front() {
                state.is_running = true;
                return Some(job);
            }
            if state.is_closing {
                return None;
            }
            state = self.until_changed(state);
        }
    }

    fn finish(&self, result: Result<T, String>) {
        let mut state = self.lock();
        state.is_running = false;
        state.results.push_back(result);
        drop(state);
        self.changed.notify_all();
        (self.wake)();
    }
}

impl<T: Send + 'static> Jobs<T> {
    /// `wake` is called after each result is ready (the window repaints then).
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Self {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                queued: VecDeque::new(),
                is_running: false,
                results: VecDeque::new(),
                is_closing: false,
            }),
            changed: Condvar::new(),
            wake: Box::new(wake),
        });
        let worker = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("softscope-files".to_owned())
            .spawn(move || {
                while let Some(job) = worker.next_job() {
                    worker.finish(panics::contained(job));
                }
            })
            .ok();
        Self { shared, thread }
    }

    /// Queues a job; jobs run in order.
    pub fn run(&self, job: impl FnOnce() -> T + Send + 'static) {
        if self.thread.is_none() {
            self.shared.finish(Err(
                "the system refused a thread for file work: close other programs".to_owned(),
            ));
            return;
        }
        self.shared.lock().queued.push_back(Box::new(job));
        self.shared.changed.notify_all();
    }

    /// The next finished result, without waiting.
    pub fn poll(&self) -> Option<Result<T, String>> {
        self.shared.lock().results.pop_front()
    }

    /// Blocks for the next result; `None` when no job is outstanding.
    pub fn wait(&self) -> Option<Result<T, String>> {
        let mut state = self.shared.lock();
        loop {
            if let Some(result) = state.results.pop_front() {
                return Some(result);
            }
            if state.outstanding() == 0 {
                return None;
            }
            state = self.shared.until_changed(state);
        }
    }

    /// Jobs queued or running, results not yet taken included.
    pub fn outstanding(&self) -> usize {
        self.shared.lock().outstanding()
    }
}

impl<T: Send + 'static> Drop for Jobs<T> {
    fn drop(&mut self) {
        self.shared.lock().is_closing = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // Jobs are contained, so that a join can only fail where `wake` panicked; there is nobody left to tell.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    #[test]
    fn results_come_in_the_order_of_the_jobs() {
        let jobs = Jobs::new(|| {});
        for number in 0..20 {
            jobs.run(move || number);
        }
        let results: Vec<i32> = std::iter::from_fn(|| jobs.wait()).map(Result::unwrap).collect();
        assert_eq!(results, (0..20).collect::<Vec<_>>());
        assert_eq!(jobs.outstanding(), 0);
    }

    #[test]
    fn a_panic_becomes_its_text_and_the_thread_lives_on() {
        let jobs = Jobs::new(|| {});
        jobs.run(|| -> u8 { panic!("disk {} full", "A") });
        jobs.run(|| 7);
        assert_eq!(jobs.wait(), Some(Err("disk A full".to_owned())));
        assert_eq!(jobs.wait(), Some(Ok(7)));
        assert_eq!(jobs.wait(), None);
    }

    #[test]
    fn poll_does_not_wait_and_outstanding_counts_until_taken() {
        let (release, gate) = mpsc::channel::<()>();
        let jobs = Jobs::new(|| {});
        jobs.run(move || gate.recv().is_ok());
        assert_eq!(jobs.poll(), None);
        assert_eq!(jobs.outstanding(), 1);
        release.send(()).unwrap();
        assert_eq!(jobs.wait(), Some(Ok(true)));
        assert_eq!(jobs.outstanding(), 0);
    }

    #[test]
    fn wake_is_called_once_a_result_and_after_it_is_there() {
        let wakes = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&wakes);
        let jobs = Jobs::new(move || {
            counter.fetch_add(1, Ordering::SeqCst);
        });
        jobs.run(|| ());
        jobs.run(|| ());
        drop(jobs);
        assert_eq!(wakes.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn dropping_finishes_what_is_queued() {
        let done = Arc::new(AtomicUsize::new(0));
        let jobs = Jobs::new(|| {});
        for _ in 0..5 {
            let done = Arc::clone(&done);
            jobs.run(move || done.fetch_add(1, Ordering::SeqCst));
        }
        drop(jobs);
        assert_eq!(done.load(Ordering::SeqCst), 5);
    }
}
