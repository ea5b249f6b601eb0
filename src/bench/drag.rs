//! A scripted drag: one value of one token moves, each position is asked for when the last is there, as the window does;
//! and the same with previews.

use super::timing::quantile;
use crate::engine::{DecodeJob, Engine, EngineError, Event, PrefetchJob, Request, RunOptions, ViewId};
use crate::latent::{Edit, LatentState};
use crate::picture::{self, Rgb8};
use crate::tokenizer::ModelFiles;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

/// From the request to the picture, over the positions of a drag.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct DragLatency {
    /// Positions asked for; each was answered with its picture.
    pub positions: usize,
    /// The least disturbed.
    pub best_ms: f64,
    /// Half were faster.
    pub median_ms: f64,
    /// 95 % were faster.
    pub p95_ms: f64,
    /// The slowest.
    pub worst_ms: f64,
    /// How many took how long: upper bound in milliseconds (`None`: no bound) and count.
    pub histogram: Vec<(Option<f64>, usize)>,
}

/// Upper bounds of the histogram's bins, ms; about a factor 1.5 apart, with frames of 60 and 30 Hz among them.
const BOUNDS_MS: [f64; 12] = [
    2.0, 4.0, 6.0, 8.0, 11.0, 16.7, 25.0, 33.3, 50.0, 100.0, 250.0, 1000.0,
];

/// A drag over a number whose positions were decoded ahead, as the window does with slow models: a blend stands for the
/// picture until that is decoded.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct PreviewedDrag {
    /// Positions decoded ahead.
    pub positions_ahead: usize,
    /// Time to decode these, ms.
    pub ahead_ms: f64,
    /// To the first picture: the blend.
    pub preview: DragLatency,
    /// To the exact picture.
    pub exact: DragLatency,
}

/// As many as the window decodes ahead.
pub(super) const POSITIONS_AHEAD: usize = 9;

/// The worker with the model that is measured, and the tokens that are dragged.
pub(super) struct Rig {
    engine: Engine,
    base: Arc<LatentState>,
}

impl Rig {
    pub(super) fn new(
        files: &ModelFiles,
        options: &RunOptions,
        state: &LatentState,
    ) -> Result<Self, EngineError> {
        let engine = Engine::start(*options, || {});
        engine.submit(Request::LoadModel(files.clone()));
        answer(&engine)?;
        let base = Arc::new(state.clone());
        Ok(Self { engine, base })
    }

    /// Each position is asked for when the last is there.
    pub(super) fn drag(&self, positions: usize) -> Result<DragLatency, EngineError> {
        let times_ms = drag_over(positions, |position| {
            let asked = Instant::now();
            self.decode(position)?;
            Ok(milliseconds_since(asked))
        })?;
        Ok(summary(times_ms))
    }

    /// The same over positions that are decoded ahead first.
    pub(super) fn previewed_drag(&self, positions: usize) -> Result<PreviewedDrag, EngineError> {
        let started = Instant::now();
        let ahead = self.decode_ahead()?;
        let ahead_ms = milliseconds_since(started);
        let times_ms = drag_over(positions, |position| {
            let asked = Instant::now();
            black_box(blend_at(&ahead, position));
            let preview_ms = milliseconds_since(asked);
            self.decode(position)?;
            Ok((preview_ms, milliseconds_since(asked)))
        })?;
        let (preview_ms, exact_ms) = times_ms.into_iter().unzip();
        Ok(PreviewedDrag {
            positions_ahead: ahead.len(),
            ahead_ms,
            preview: summary(preview_ms),
            exact: summary(exact_ms),
        })
    }

    fn decode(&self, position: f32) -> Result<(), EngineError> {
        self.engine.submit(Request::Decode {
            view: ViewId(0),
            job: DecodeJob {
                base: Arc::clone(&self.base),
                edits: edits_at(position),
                reference: None,
            },
        });
        answer(&self.engine).map(drop)
    }

    fn decode_ahead(&self) -> Result<Vec<Arc<Rgb8>>, EngineError> {
        let job = PrefetchJob {
            base: Arc::clone(&self.base),
            positions: ahead().collect(),
        };
        self.engine.submit(Request::Prefetch(Arc::new(job)));
        let mut pictures = Vec::new();
        while pictures.len() < POSITIONS_AHEAD {
            if let Event::Prefetched { prefetched, .. } = answer(&self.engine)? {
                pictures.extend_from_slice(&prefetched.pictures);
            }
        }
        Ok(pictures)
    }
}

/// The value of one token moves.
fn edits_at(position: f32) -> Arc<[Edit]> {
    Arc::from([Edit::SetValue {
        token: 0,
        dim: 0,
        value: position,
    }])
}

/// The edits of the positions that are decoded ahead, equally far apart.
pub(super) fn ahead() -> impl Iterator<Item = Arc<[Edit]>> {
    (0..POSITIONS_AHEAD).map(|index| edits_at(index as f32 / (POSITIONS_AHEAD - 1) as f32))
}

/// What `ask` gives for each position of a drag. The first one finds cold caches and does not count.
fn drag_over<T>(
    positions: usize,
    mut ask: impl FnMut(f32) -> Result<T, EngineError>,
) -> Result<Vec<T>, EngineError> {
    let mut given = Vec::with_capacity(positions);
    for position in 0..=positions {
        let answer = ask(position as f32 / positions.max(1) as f32)?;
        if position > 0 {
            given.push(answer);
        }
    }
    Ok(given)
}

/// `position` between its neighbours of `ahead`, which lie equally far apart.
fn blend_at(ahead: &[Arc<Rgb8>], position: f32) -> Option<Rgb8> {
    let place = position * ahead.len().saturating_sub(1) as f32;
    let before = ahead.get(place as usize)?;
    let after = ahead.get(place.ceil() as usize)?;
    picture::blend(before, after, place.fract())
}

fn milliseconds_since(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}

/// Waits for what became of the one request under way.
fn answer(engine: &Engine) -> Result<Event, EngineError> {
    match engine.wait() {
        Some(Event::Failed { message, .. }) => Err(EngineError::Model(message)),
        Some(Event::Cancelled { .. }) | None => Err(EngineError::Cancelled),
        Some(event) => Ok(event),
    }
}

fn summary(mut times_ms: Vec<f64>) -> DragLatency {
    times_ms.sort_by(f64::total_cmp);
    DragLatency {
        positions: times_ms.len(),
        best_ms: times_ms.first().copied().unwrap_or(0.0),
        median_ms: quantile(&times_ms, 0.5),
        p95_ms: quantile(&times_ms, 0.95),
        worst_ms: times_ms.last().copied().unwrap_or(0.0),
        histogram: histogram(&times_ms),
    }
}

fn histogram(times_ms: &[f64]) -> Vec<(Option<f64>, usize)> {
    let mut lower = 0.0;
    let mut bins = Vec::new();
    for bound in BOUNDS_MS.into_iter().chain([f64::INFINITY]) {
        let count = times_ms
            .iter()
            .filter(|time| **time >= lower && **time < bound)
            .count();
        bins.push((bound.is_finite().then_some(bound), count));
        lower = bound;
    }
    bins
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blend_lies_between_its_neighbours() {
        let ahead: Vec<Arc<Rgb8>> = [0, 100, 200]
            .map(|level| Arc::new(Rgb8::filled(1, 1, [level; 3])))
            .to_vec();
        for (position, level) in [(0.0, 0), (0.25, 50), (0.5, 100), (0.75, 150), (1.0, 200)] {
            let blend = blend_at(&ahead, position).unwrap();
            assert_eq!(blend.as_bytes(), [level; 3], "at {position}");
        }
        assert_eq!(blend_at(&[], 0.5), None);
    }

    #[test]
    fn every_time_is_in_one_bin() {
        let latency = summary(vec![5000.0, 1.0, 16.7, 3.0]);
        assert_eq!(latency.positions, 4);
        assert_eq!(latency.histogram.iter().map(|(_, count)| count).sum::<usize>(), 4);
        assert_eq!(latency.histogram.first(), Some(&(Some(2.0), 1)));
        assert_eq!(latency.histogram.last(), Some(&(None, 1)));
        assert_eq!((latency.best_ms, latency.worst_ms), (1.0, 5000.0));
        assert_eq!((latency.median_ms, latency.p95_ms), (3.0, 5000.0));
    }
}
