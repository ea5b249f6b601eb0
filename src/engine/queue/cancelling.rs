//! What a person gives up: what runs is told to stop, what waits is answered.

use super::{Interruption, Queue, cancelled};
use crate::engine::{Request, WorkKind};

impl Queue {
    /// Cancels the generation, and the generator being opened.
    pub(in crate::engine) fn cancel_generation(&mut self) {
        if matches!(
            self.running_request(),
            Some(Request::OpenGenerator(_) | Request::Generate(_))
        ) {
            self.interrupt(Interruption::Cancelled);
        }
        for ticket in self
            .open_generator
            .take()
            .into_iter()
            .chain(self.generation.take())
        {
            self.events.push_back(cancelled(&ticket));
        }
    }

    /// Cancels what is decoded ahead of the hand.
    pub(in crate::engine) fn cancel_prefetch(&mut self) {
        if matches!(self.running_request(), Some(Request::Prefetch(_))) {
            self.interrupt(Interruption::Cancelled);
        }
        let waiting = self.prefetch.take();
        self.events.extend(waiting.iter().map(cancelled));
    }

    /// Cancels the running load, encode, reconstruction, analysis or work, and what waits of these kinds.
    pub(in crate::engine) fn cancel(&mut self) {
        self.cancel_prefetch();
        self.cancel_reconstructions();
        self.cancel_analyses();
        WorkKind::ALL.into_iter().for_each(|kind| self.cancel_work(kind));
        if matches!(
            self.running_request(),
            Some(Request::LoadModel(_) | Request::Encode { .. })
        ) {
            self.interrupt(Interruption::Cancelled);
        }
        for ticket in self.load.take().into_iter().chain(self.encodes.drain(..)) {
            self.events.push_back(cancelled(&ticket));
        }
    }

    /// Cancels the reconstruction that runs and those that wait.
    pub(in crate::engine) fn cancel_reconstructions(&mut self) {
        if matches!(self.running_request(), Some(Request::Reconstruct { .. })) {
            self.interrupt(Interruption::Cancelled);
        }
        let waiting = self.reconstructions.drain(..);
        self.events.extend(waiting.map(|ticket| cancelled(&ticket)));
    }

    /// Cancels the analysis that runs and those that wait.
    pub(in crate::engine) fn cancel_analyses(&mut self) {
        if matches!(self.running_request(), Some(Request::Analyse(_))) {
            self.interrupt(Interruption::Cancelled);
        }
        let waiting = self.analyses.drain(..);
        self.events.extend(waiting.map(|ticket| cancelled(&ticket)));
    }

    /// Stops what runs and forgets what waits, without a word: nobody listens any more.
    pub(in crate::engine) fn close(&mut self) {
        self.interrupt(Interruption::Cancelled);
        self.load = None;
        self.encodes.clear();
        self.decodes.clear();
        self.prefetch = None;
        self.reconstructions.clear();
        self.analyses.clear();
        self.works.clear();
        self.open_generator = None;
        self.painting = None;
        self.generation = None;
    }
}
