//! What is calculated of a collection, on threads beside the model's: the map of its tokens and their probes.

use super::{NoticeKind, Workspace};
use crate::analysis::TokenRows;
use crate::document::{Collection, MappedPicture, ProbeReport, TokenMap};
use crate::engine::{Aside, AsideControl, AsideNews, Wake};
use std::sync::Arc;

/// Tokens in t-SNE unless a person asks for more.
pub const DEFAULT_MOST_MAPPED: usize = 4000;

/// What is known of the collection that is held.
#[derive(Default)]
pub(super) struct Surveying {
    map: Calculated<TokenMap>,
    probes: Calculated<ProbeReport>,
}

/// A result, and the calculation that makes a new one.
struct Calculated<T> {
    found: Option<Arc<T>>,
    running: Option<Aside<T>>,
}

impl<T> Default for Calculated<T> {
    fn default() -> Self {
        Self {
            found: None,
            running: None,
        }
    }
}

impl<T: Send + 'static> Calculated<T> {
    /// Share done of what is under way, 0..1.
    fn fraction(&self) -> Option<f32> {
        self.running.as_ref().map(Aside::fraction)
    }

    /// Takes in what is there; the text of a fault.
    fn take(&mut self) -> Option<String> {
        let mut fault = None;
        while let Some(running) = &self.running {
            match running.poll() {
                AsideNews::Told(Ok(found)) => self.found = Some(Arc::new(found)),
                AsideNews::Told(Err(text)) => fault = Some(text),
                AsideNews::Nothing => break,
                AsideNews::Over => self.running = None,
            }
        }
        fault
    }

    /// Blocks until what is under way is over; the text of a fault.
    fn finish(&mut self) -> Option<String> {
        let running = self.running.take()?;
        let mut fault = None;
        while let Some(told) = running.wait() {
            match told {
                Ok(found) => self.found = Some(Arc::new(found)),
                Err(text) => fault = Some(text),
            }
        }
        fault
    }
}

impl Workspace {
    /// Lays the tokens of the collection out in the background: at once by principal components, then by t-SNE, of at most
    /// `most` tokens. An older layout under way is given up.
    pub fn map_tokens(&mut self, most: usize) {
        let Some(collection) = self.collected() else {
            return;
        };
        let work = move |control: &AsideControl<TokenMap>| {
            let pictures: Vec<MappedPicture<'_>> = collection
                .pictures
                .iter()
                .map(MappedPicture::of_collected)
                .collect();
            let Some(mut map) = TokenMap::new(&pictures, &collection.factors) else {
                return;
            };
            control.tell(map.clone());
            if map.lay_out(&pictures, most, &|share| control.watch(share)) {
                control.tell(map);
            }
        };
        self.surveying.map.running = Some(Aside::start(Wake::clone(&self.wake), work));
    }

    /// Probes the tokens of the collection in the background against all that is known of its pictures; `seed` draws the
    /// split.
    pub fn probe_tokens(&mut self, seed: u64) {
        let Some(collection) = self.collected() else {
            return;
        };
        let work = move |control: &AsideControl<ProbeReport>| {
            let rows = collection.rows();
            let tokens = TokenRows {
                rows: &rows,
                count: collection.token_count,
                dim: collection.dim,
            };
            let watch = |share| control.watch(share);
            if let Some(report) = ProbeReport::new(tokens, &collection.factors, seed, &watch) {
                control.tell(report);
            }
        };
        self.surveying.probes.running = Some(Aside::start(Wake::clone(&self.wake), work));
    }

    /// The collection, or a notice that there is none.
    fn collected(&mut self) -> Option<Arc<Collection>> {
        let collection = self.collection().map(Arc::clone);
        if collection.is_none() {
            let text = "There are no tokens of many pictures yet: collect a folder first.";
            self.notice(NoticeKind::Error, text);
        }
        collection
    }

    /// The collection's tokens in the plane, as far as they are laid out. The same `Arc` is the same map.
    pub fn token_map(&self) -> Option<&Arc<TokenMap>> {
        self.surveying.map.found.as_ref()
    }

    /// How far the layout under way is, 0..1.
    pub fn mapping(&self) -> Option<f32> {
        self.surveying.map.fraction()
    }

    /// Gives up the layout under way; what is laid out stays.
    pub fn cancel_mapping(&mut self) {
        self.surveying.map.running = None;
    }

    /// What probes read off the collection's tokens.
    pub fn probes(&self) -> Option<&Arc<ProbeReport>> {
        self.surveying.probes.found.as_ref()
    }

    /// How far the probes under way are, 0..1.
    pub fn probing(&self) -> Option<f32> {
        self.surveying.probes.fraction()
    }

    /// Gives up the probes under way; what was found before stays.
    pub fn cancel_probing(&mut self) {
        self.surveying.probes.running = None;
    }

    pub(super) fn is_surveying(&self) -> bool {
        self.mapping().is_some() || self.probing().is_some()
    }

    /// The collection is another one, or gone.
    pub(super) fn forget_survey(&mut self) {
        self.surveying = Surveying::default();
    }

    pub(super) fn take_survey(&mut self) {
        let faults = [self.surveying.map.take(), self.surveying.probes.take()];
        self.tell_faults(faults);
    }

    /// Blocks until all that is calculated is there; false where nothing was under way.
    pub(super) fn finish_survey(&mut self) -> bool {
        let was_under_way = self.is_surveying();
        let faults = [self.surveying.map.finish(), self.surveying.probes.finish()];
        self.tell_faults(faults);
        was_under_way
    }

    fn tell_faults(&mut self, faults: [Option<String>; 2]) {
        for fault in faults.into_iter().flatten() {
            let text = format!("A calculation ended unexpectedly: {fault}");
            self.notice(NoticeKind::Error, text);
        }
    }
}
