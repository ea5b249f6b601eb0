//! Which request comes next, which one is given up for it, and what each owes its sender. No threads here: the worker
//! keeps one [`Queue`] behind its lock.

mod cancelling;
mod painting;
mod submitting;
mod works;

use super::AnalysisKind;
use super::protocol::{EngineStatus, Event, Request, Stamp, SubjectId, ViewId};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// A request with its stamp.
#[derive(Debug, Clone)]
pub(super) struct Ticket {
    pub(super) stamp: Stamp,
    pub(super) request: Request,
}

/// What both sides know of a running task without the lock.
#[derive(Debug)]
pub(super) struct Signals {
    is_cancelled: AtomicBool,
    /// Thousandths done; [`Signals::UNKNOWN`] before the first report.
    permille: AtomicU32,
}

impl Signals {
    const UNKNOWN: u32 = u32::MAX;

    fn new() -> Self {
        Self {
            is_cancelled: AtomicBool::new(false),
            permille: AtomicU32::new(Self::UNKNOWN),
        }
    }
    pub(super) fn is_cancelled(&self) -> bool {
        self.is_cancelled.load(Ordering::Relaxed)
    }
    /// Keeps the share done; returns it in thousandths.
    pub(super) fn report(&self, fraction: f32) -> u32 {
        let permille = (fraction.clamp(0.0, 1.0) * 1000.0) as u32;
        self.permille.store(permille, Ordering::Relaxed);
        permille
    }
    fn fraction(&self) -> Option<f32> {
        let permille = self.permille.load(Ordering::Relaxed);
        (permille != Self::UNKNOWN).then(|| permille as f32 / 1000.0)
    }
}

/// Why a running task was told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Interruption {
    /// A person gave it up.
    Cancelled,
    /// A newer request of the same kind and place makes it pointless.
    Replaced,
    /// Something more urgent comes first; it goes on afterwards, unless a model that is loaded first makes it void.
    Parked,
}

struct Running {
    ticket: Ticket,
    signals: Arc<Signals>,
    interruption: Option<Interruption>,
}

/// How a task ended.
pub(super) enum Outcome {
    Done(Event),
    /// Something is there, and the task wants another turn.
    Progressed(Event),
    /// It wants another turn.
    Again,
    /// It noticed that it was told to stop.
    Stopped,
    Failed(String),
}

/// Requests waiting, the one running, events not yet taken.
#[derive(Default)]
pub(super) struct Queue {
    last_stamp: u64,
    load: Option<Ticket>,
    /// At most one a view, the view that waited longest first.
    decodes: VecDeque<Ticket>,
    /// At most one a subject, in order of submission.
    encodes: VecDeque<Ticket>,
    /// Given up by whatever comes in after it.
    prefetch: Option<Ticket>,
    /// At most one a view, in order of submission.
    reconstructions: VecDeque<Ticket>,
    /// At most one a kind, in order of submission.
    analyses: VecDeque<Ticket>,
    /// At most one a kind, in order of submission.
    works: VecDeque<Ticket>,
    open_generator: Option<Ticket>,
    /// Goes on whenever nothing but a work or a generation waits.
    painting: Option<Ticket>,
    /// Goes on whenever nothing else waits.
    generation: Option<Ticket>,
    running: Option<Running>,
    events: VecDeque<Event>,
}

impl Queue {
    /// Takes a request in and gives up what it makes pointless.
    pub(super) fn submit(&mut self, request: Request) -> Stamp {
        self.last_stamp += 1;
        let ticket = Ticket {
            stamp: Stamp(self.last_stamp),
            request,
        };
        let stamp = ticket.stamp;
        if !matches!(ticket.request, Request::Prefetch(_)) {
            self.cancel_prefetch();
        }
        match &ticket.request {
            Request::Prefetch(_) => self.submit_prefetch(ticket),
            Request::LoadModel(_) => self.submit_load(ticket),
            Request::Encode { subject, .. } => {
                let subject = *subject;
                self.submit_encode(subject, ticket);
            }
            Request::Decode { view, .. } => {
                let view = *view;
                self.submit_decode(view, ticket);
            }
            Request::Reconstruct { view, .. } => {
                let view = *view;
                self.submit_reconstruction(view, ticket);
            }
            Request::Analyse(job) => self.submit_analysis(job.analysis.kind(), ticket),
            Request::Work(job) => self.submit_work(job.kind(), ticket),
            Request::Paint(_) => self.submit_painting(ticket),
            Request::OpenGenerator(_) => self.submit_open_generator(ticket),
            Request::Generate(_) => self.submit_generation(ticket),
        }
        stamp
    }

    fn is_generating(&self) -> bool {
        matches!(self.running_request(), Some(Request::Generate(_)))
    }

    /// Whether what runs is one step of many, behind all else.
    fn is_stepping(&self) -> bool {
        matches!(
            self.running_request(),
            Some(Request::Work(_) | Request::Paint(_) | Request::Generate(_))
        )
    }

    /// A person waits for what comes in; a reconstruction, which may have a whole model to load, an analysis, a
    /// turn of a work, a painting's step and a generation's step back between two blocks and go on after it.
    fn interrupt_late_work(&mut self) {
        if matches!(
            self.running_request(),
            Some(
                Request::Reconstruct { .. }
                    | Request::Analyse(_)
                    | Request::Work(_)
                    | Request::Paint(_)
                    | Request::Generate(_)
            )
        ) {
            self.interrupt(Interruption::Parked);
        }
    }

    fn running_request(&self) -> Option<&Request> {
        self.running.as_ref().map(|running| &running.ticket.request)
    }

    /// Tells the running task to stop. A person's cancel outweighs every other reason.
    fn interrupt(&mut self, reason: Interruption) {
        if let Some(running) = &mut self.running {
            running.signals.is_cancelled.store(true, Ordering::Relaxed);
            if running.interruption != Some(Interruption::Cancelled) {
                running.interruption = Some(reason);
            }
        }
    }

    /// The next task, now running: a load, else the decode that waited longest, else a generator to open, else the
    /// oldest encode, else what is decoded ahead, else the oldest reconstruction, else the oldest analysis, else the
    /// painting, else the oldest work, else the generation.
    pub(super) fn start_next(&mut self) -> Option<(Ticket, Arc<Signals>)> {
        let ticket = self
            .load
            .take()
            .or_else(|| self.decodes.pop_front())
            .or_else(|| self.open_generator.take())
            .or_else(|| self.encodes.pop_front())
            .or_else(|| self.prefetch.take())
            .or_else(|| self.reconstructions.pop_front())
            .or_else(|| self.analyses.pop_front())
            .or_else(|| self.painting.take())
            .or_else(|| self.works.pop_front())
            .or_else(|| self.generation.take())?;
        let signals = Arc::new(Signals::new());
        self.running = Some(Running {
            ticket: ticket.clone(),
            signals: Arc::clone(&signals),
            interruption: None,
        });
        Some((ticket, signals))
    }

    /// Notes how the running task ended. Returns whether its result counts (a load's new model is to be kept).
    pub(super) fn finish(&mut self, outcome: Outcome) -> bool {
        let Some(Running {
            ticket, interruption, ..
        }) = self.running.take()
        else {
            return false;
        };
        match (outcome, interruption) {
            (_, Some(Interruption::Cancelled)) => self.events.push_back(cancelled(&ticket)),
            (_, Some(Interruption::Replaced)) => {}
            (Outcome::Done(event), _) => {
                match ticket.request {
                    Request::LoadModel(_) => self.drop_work_before(ticket.stamp),
                    Request::OpenGenerator(_) => self.drop_generation_before(ticket.stamp),
                    _ => {}
                }
                self.events.push_back(event);
                return true;
            }
            (Outcome::Progressed(event), _) => {
                self.push_progress(event);
                self.park(ticket);
            }
            (Outcome::Again, _) | (Outcome::Stopped, Some(Interruption::Parked)) => self.park(ticket),
            (Outcome::Failed(message), _) => {
                let task = ticket.request.task();
                self.events.push_back(Event::Failed {
                    stamp: ticket.stamp,
                    task,
                    message,
                });
            }
            (Outcome::Stopped, _) => self.events.push_back(cancelled(&ticket)),
        }
        false
    }

    /// Puts an interrupted request back to where it was.
    fn park(&mut self, ticket: Ticket) {
        match &ticket.request {
            Request::Encode { subject, .. } => {
                let subject = *subject;
                put_back(&mut self.encodes, ticket, |waiting| {
                    encodes(Some(waiting), subject)
                });
            }
            Request::Decode { view, .. } => {
                let view = *view;
                put_back(&mut self.decodes, ticket, |waiting| decodes(Some(waiting), view));
            }
            Request::Reconstruct { view, .. } => {
                let view = *view;
                put_back(&mut self.reconstructions, ticket, |waiting| {
                    reconstructs(Some(waiting), view)
                });
            }
            Request::Analyse(job) => {
                let kind = job.analysis.kind();
                put_back(&mut self.analyses, ticket, |waiting| {
                    analyses(Some(waiting), kind)
                });
            }
            Request::Work(job) => {
                let kind = job.kind();
                self.park_work(kind, ticket);
            }
            Request::Paint(_) => {
                self.painting.get_or_insert(ticket);
            }
            Request::Generate(_) => {
                self.generation.get_or_insert(ticket);
            }
            Request::Prefetch(_) => {
                self.prefetch.get_or_insert(ticket);
            }
            Request::OpenGenerator(_) => {
                self.open_generator.get_or_insert(ticket);
            }
            Request::LoadModel(_) => self.events.push_back(cancelled(&ticket)),
        }
    }

    /// Of steps that nobody has taken yet only the newest is told.
    fn push_progress(&mut self, event: Event) {
        if let Some(stamp) = stepped(&event) {
            self.events.retain(|waiting| stepped(waiting) != Some(stamp));
        }
        self.events.push_back(event);
    }

    /// Another generator or tokenizer is there: what was asked of the old one is void.
    fn drop_generation_before(&mut self, newer: Stamp) {
        if let Some(void) = self.generation.take_if(|ticket| ticket.stamp < newer) {
            self.events.push_back(cancelled(&void));
        }
    }

    /// A new model is there: what was asked of the old one is void. Reconstructions name their own.
    fn drop_work_before(&mut self, load: Stamp) {
        for waiting in [
            &mut self.decodes,
            &mut self.encodes,
            &mut self.analyses,
            &mut self.works,
        ] {
            let (void, kept): (VecDeque<_>, VecDeque<_>) =
                waiting.drain(..).partition(|ticket| ticket.stamp < load);
            *waiting = kept;
            self.events.extend(void.iter().map(cancelled));
        }
        self.drop_painting_before(load);
        self.drop_generation_before(load);
    }

    /// Answers a request that nobody will carry out.
    pub(super) fn refuse(&mut self, request: &Request, reason: &str) -> Stamp {
        self.last_stamp += 1;
        let stamp = Stamp(self.last_stamp);
        self.events.push_back(Event::Failed {
            stamp,
            task: request.task(),
            message: reason.to_owned(),
        });
        stamp
    }

    /// Tells something that answers no request.
    pub(super) fn announce(&mut self, event: Event) {
        self.events.push_back(event);
    }

    pub(super) fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    pub(super) fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Whether nothing waits or runs.
    pub(super) fn is_idle(&self) -> bool {
        self.running.is_none() && self.waiting() == 0
    }

    fn waiting(&self) -> usize {
        let single = [
            &self.load,
            &self.prefetch,
            &self.open_generator,
            &self.painting,
            &self.generation,
        ];
        single.into_iter().flatten().count()
            + self.decodes.len()
            + self.encodes.len()
            + self.reconstructions.len()
            + self.analyses.len()
            + self.works.len()
    }

    pub(super) fn status(&self) -> EngineStatus {
        EngineStatus {
            running: self.running_request().map(Request::task),
            fraction: self
                .running
                .as_ref()
                .and_then(|running| running.signals.fraction()),
            waiting: self.waiting(),
        }
    }
}

fn cancelled(ticket: &Ticket) -> Event {
    Event::Cancelled {
        stamp: ticket.stamp,
        task: ticket.request.task(),
    }
}

/// The request whose step an event tells.
fn stepped(event: &Event) -> Option<Stamp> {
    match event {
        Event::GenerationStep { stamp, .. } | Event::Painted { stamp, .. } => Some(*stamp),
        _ => None,
    }
}

fn encodes(request: Option<&Request>, wanted: SubjectId) -> bool {
    matches!(request, Some(Request::Encode { subject, .. }) if *subject == wanted)
}

fn decodes(request: Option<&Request>, wanted: ViewId) -> bool {
    matches!(request, Some(Request::Decode { view, .. }) if *view == wanted)
}

fn reconstructs(request: Option<&Request>, wanted: ViewId) -> bool {
    matches!(request, Some(Request::Reconstruct { view, .. }) if *view == wanted)
}

fn analyses(request: Option<&Request>, wanted: AnalysisKind) -> bool {
    matches!(request, Some(Request::Analyse(job)) if job.analysis.kind() == wanted)
}

/// An interrupted request goes to the front of its line, unless a newer one has taken its place meanwhile.
fn put_back(line: &mut VecDeque<Ticket>, ticket: Ticket, is_same: impl Fn(&Request) -> bool) {
    if !line.iter().any(|waiting| is_same(&waiting.request)) {
        line.push_front(ticket);
    }
}

/// A newer request keeps the place in line of the one it replaces.
fn replace_or_push(line: &mut VecDeque<Ticket>, ticket: Ticket, is_same: impl Fn(&Request) -> bool) {
    match line.iter_mut().find(|waiting| is_same(&waiting.request)) {
        Some(waiting) => *waiting = ticket,
        None => line.push_back(ticket),
    }
}
