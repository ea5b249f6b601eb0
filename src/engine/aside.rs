//! A calculation that needs no model, on a thread of its own beside the worker and the file jobs.

use super::panics;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, mpsc};

/// Called when there is something to take in.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// The calculation as its owner sees it. Dropping it tells it to stop and does not wait for that.
pub struct Aside<T> {
    signals: Arc<Signals>,
    told: mpsc::Receiver<Result<T, String>>,
}

struct Signals {
    is_cancelled: AtomicBool,
    permille: AtomicU32,
    wake: Wake,
}

/// The calculation's side.
pub struct AsideControl<T> {
    signals: Arc<Signals>,
    teller: mpsc::Sender<Result<T, String>>,
}

/// What there is to take in.
#[derive(Debug, PartialEq, Eq)]
pub enum AsideNews<T> {
    /// A result, of which there may be several; the text of a fault where the calculation ended by one.
    Told(Result<T, String>),
    /// Nothing yet.
    Nothing,
    /// Nothing, and nothing more will come.
    Over,
}

impl<T: Send + 'static> Aside<T> {
    /// Starts `work`. `wake` is called after each of its results, at its end, and for each percent that is done.
    pub fn start(wake: Wake, work: impl FnOnce(&AsideControl<T>) + Send + 'static) -> Self {
        let (teller, told) = mpsc::channel();
        let signals = Arc::new(Signals {
            is_cancelled: AtomicBool::new(false),
            permille: AtomicU32::new(0),
            wake,
        });
        let control = AsideControl {
            signals: Arc::clone(&signals),
            teller,
        };
        let refused = control.teller.clone();
        let spawned = std::thread::Builder::new()
            .name("softscope-aside".to_owned())
            .spawn(move || {
                if let Err(fault) = panics::contained(|| work(&control)) {
                    control.send(Err(fault));
                }
                let wake = Arc::clone(&control.signals.wake);
                // The owner sees the end once it is woken.
                drop(control);
                wake();
            });
        if spawned.is_err() {
            let why = "the system refused a thread: close other programs and try again";
            // The receiver is still here.
            let _ = refused.send(Err(why.to_owned()));
        }
        Self { signals, told }
    }

    /// Share done as last told, 0..1.
    pub fn fraction(&self) -> f32 {
        self.signals.permille.load(Ordering::Relaxed) as f32 / 1000.0
    }

    /// The next result, without waiting.
    pub fn poll(&self) -> AsideNews<T> {
        match self.told.try_recv() {
            Ok(result) => AsideNews::Told(result),
            Err(mpsc::TryRecvError::Empty) => AsideNews::Nothing,
            Err(mpsc::TryRecvError::Disconnected) => AsideNews::Over,
        }
    }

    /// Blocks for the next result; `None` when nothing more will come.
    pub fn wait(&self) -> Option<Result<T, String>> {
        self.told.recv().ok()
    }
}

impl<T> Drop for Aside<T> {
    fn drop(&mut self) {
        self.signals.is_cancelled.store(true, Ordering::Relaxed);
    }
}

impl<T> AsideControl<T> {
    /// Hands a result to the owner; more may follow.
    pub fn tell(&self, result: T) {
        self.send(Ok(result));
    }

    fn send(&self, result: Result<T, String>) {
        // An owner that is gone waits for nothing.
        let _ = self.teller.send(result);
        (self.signals.wake)();
    }

    /// Notes the share done; false when told to stop.
    pub fn watch(&self, share: f32) -> bool {
        let permille = (1000.0 * share.clamp(0.0, 1.0)) as u32;
        let before = self.signals.permille.swap(permille, Ordering::Relaxed);
        if before / 10 != permille / 10 {
            (self.signals.wake)();
        }
        !self.signals.is_cancelled.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wake() -> Wake {
        Arc::new(|| ())
    }

    #[test]
    fn results_come_in_order_and_then_it_is_over() {
        let aside = Aside::start(wake(), |control| (0..3).for_each(|number| control.tell(number)));
        let results: Vec<i32> = std::iter::from_fn(|| aside.wait()).map(Result::unwrap).collect();
        assert_eq!(results, [0, 1, 2]);
        assert_eq!(aside.poll(), AsideNews::Over);
    }

    #[test]
    fn it_stops_when_its_owner_is_gone() {
        let (asked, asks) = mpsc::channel();
        let (stopped, stops) = mpsc::channel();
        let aside: Aside<()> = Aside::start(wake(), move |control| {
            assert!(control.watch(0.5));
            asked.send(()).unwrap();
            while control.watch(0.6) {
                std::thread::yield_now();
            }
            stopped.send(()).unwrap();
        });
        asks.recv().unwrap();
        assert!(aside.fraction() >= 0.5 && matches!(aside.poll(), AsideNews::Nothing));
        drop(aside);
        stops.recv().unwrap();
    }

    #[test]
    fn a_fault_becomes_its_text() {
        let aside: Aside<u8> = Aside::start(wake(), |_| panic!("no room"));
        assert_eq!(aside.wait(), Some(Err("no room".to_owned())));
        assert_eq!(aside.wait(), None);
    }
}
