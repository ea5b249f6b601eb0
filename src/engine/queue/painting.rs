//! The painting: behind analyses and before works and generations, one at a time.

use super::{Interruption, Queue, Ticket, cancelled};
use crate::engine::{Request, Stamp};

impl Queue {
    pub(super) fn submit_painting(&mut self, ticket: Ticket) {
        if let Some(older) = self.painting.replace(ticket) {
            self.events.push_back(cancelled(&older));
        }
        if matches!(self.running_request(), Some(Request::Paint(_))) {
            self.interrupt(Interruption::Cancelled);
        } else if self.is_generating() {
            self.interrupt(Interruption::Parked);
        }
    }

    /// Cancels the painting.
    pub(in crate::engine) fn cancel_painting(&mut self) {
        if matches!(self.running_request(), Some(Request::Paint(_))) {
            self.interrupt(Interruption::Cancelled);
        }
        let waiting = self.painting.take();
        self.events.extend(waiting.map(|ticket| cancelled(&ticket)));
    }

    /// A new model is there: what is to be painted with the old one is void.
    pub(super) fn drop_painting_before(&mut self, load: Stamp) {
        let void = self.painting.take_if(|ticket| ticket.stamp < load);
        self.events.extend(void.map(|ticket| cancelled(&ticket)));
    }
}
