//! Works: behind analyses and before generations, one a kind.

use super::{Interruption, Queue, Ticket, cancelled, put_back, replace_or_push};
use crate::engine::{Request, WorkKind};

impl Queue {
    pub(super) fn submit_work(&mut self, kind: WorkKind, ticket: Ticket) {
        if works(self.running_request(), kind) {
            self.interrupt(Interruption::Replaced);
        }
        if self.is_generating() {
            self.interrupt(Interruption::Parked);
        }
        replace_or_push(&mut self.works, ticket, |waiting| works(Some(waiting), kind));
    }

    pub(super) fn park_work(&mut self, kind: WorkKind, ticket: Ticket) {
        put_back(&mut self.works, ticket, |waiting| works(Some(waiting), kind));
    }

    /// Cancels the work of a kind, whether it runs or waits.
    pub(in crate::engine) fn cancel_work(&mut self, kind: WorkKind) {
        if works(self.running_request(), kind) {
            self.interrupt(Interruption::Cancelled);
        }
        if let Some(place) = self
            .works
            .iter()
            .position(|ticket| works(Some(&ticket.request), kind))
        {
            self.events.extend(self.works.remove(place).iter().map(cancelled));
        }
    }
}

fn works(request: Option<&Request>, wanted: WorkKind) -> bool {
    matches!(request, Some(Request::Work(job)) if job.kind() == wanted)
}
