//! Where each kind of request lines up, and what it interrupts.

use super::{
    Interruption, Queue, Ticket, analyses, cancelled, decodes, encodes, reconstructs, replace_or_push,
};
use crate::engine::{AnalysisKind, Request, SubjectId, ViewId};

impl Queue {
    pub(super) fn submit_load(&mut self, ticket: Ticket) {
        if let Some(older) = self.load.replace(ticket) {
            self.events.push_back(cancelled(&older));
        }
        let is_load = matches!(self.running_request(), Some(Request::LoadModel(_)));
        self.interrupt(if is_load {
            Interruption::Cancelled
        } else {
            Interruption::Parked
        });
    }

    pub(super) fn submit_encode(&mut self, subject: SubjectId, ticket: Ticket) {
        if encodes(self.running_request(), subject) {
            self.interrupt(Interruption::Replaced);
        }
        self.interrupt_late_work();
        replace_or_push(&mut self.encodes, ticket, |waiting| {
            encodes(Some(waiting), subject)
        });
    }

    pub(super) fn submit_decode(&mut self, view: ViewId, ticket: Ticket) {
        if decodes(self.running_request(), view) {
            self.interrupt(Interruption::Replaced);
        }
        self.interrupt_late_work();
        replace_or_push(&mut self.decodes, ticket, |waiting| decodes(Some(waiting), view));
    }

    pub(super) fn submit_reconstruction(&mut self, view: ViewId, ticket: Ticket) {
        if reconstructs(self.running_request(), view) {
            self.interrupt(Interruption::Replaced);
        }
        if self.is_stepping() {
            self.interrupt(Interruption::Parked);
        }
        replace_or_push(&mut self.reconstructions, ticket, |waiting| {
            reconstructs(Some(waiting), view)
        });
    }

    pub(super) fn submit_analysis(&mut self, kind: AnalysisKind, ticket: Ticket) {
        if analyses(self.running_request(), kind) {
            self.interrupt(Interruption::Replaced);
        }
        if self.is_stepping() {
            self.interrupt(Interruption::Parked);
        }
        replace_or_push(&mut self.analyses, ticket, |waiting| {
            analyses(Some(waiting), kind)
        });
    }

    /// Interrupts nothing: nobody waits for it.
    pub(super) fn submit_prefetch(&mut self, ticket: Ticket) {
        if matches!(self.running_request(), Some(Request::Prefetch(_))) {
            self.interrupt(Interruption::Replaced);
        }
        self.prefetch = Some(ticket);
    }

    pub(super) fn submit_open_generator(&mut self, ticket: Ticket) {
        if let Some(older) = self.open_generator.replace(ticket) {
            self.events.push_back(cancelled(&older));
        }
        match self.running_request() {
            Some(Request::OpenGenerator(_)) => self.interrupt(Interruption::Cancelled),
            _ => self.interrupt_late_work(),
        }
    }

    pub(super) fn submit_generation(&mut self, ticket: Ticket) {
        if let Some(older) = self.generation.replace(ticket) {
            self.events.push_back(cancelled(&older));
        }
        if self.is_generating() {
            self.interrupt(Interruption::Cancelled);
        }
    }
}
