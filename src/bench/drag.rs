//! A scripted drag: one value of one token moves, each position is asked for when the last is there, as the window does.

use super::timing::quantile;
use crate::engine::{DecodeJob, Engine, EngineError, Event, Request, RunOptions, ViewId};
use crate::latent::{Edit, LatentState};
use crate::tokenizer::ModelFiles;
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

pub(super) fn measure(
    files: &ModelFiles,
    options: &RunOptions,
    state: &LatentState,
    positions: usize,
) -> Result<DragLatency, EngineError> {
    let engine = Engine::start(*options, || {});
    engine.submit(Request::LoadModel(files.clone()));
    answer(&engine)?;
    let base = Arc::new(state.clone());
    let mut times_ms = Vec::with_capacity(positions);
    for position in 0..=positions {
        let value = position as f32 / positions.max(1) as f32;
        let edit = Edit::SetValue {
            token: 0,
            dim: 0,
            value,
        };
        let asked = Instant::now();
        engine.submit(Request::Decode {
            view: ViewId(0),
            job: DecodeJob {
                base: Arc::clone(&base),
                edits: Arc::from([edit]),
                reference: None,
            },
        });
        answer(&engine)?;
        times_ms.push(asked.elapsed().as_secs_f64() * 1e3);
    }
    // The first one finds cold caches.
    times_ms.remove(0);
    Ok(summary(times_ms))
}

/// Waits for what became of the one request under way.
fn answer(engine: &Engine) -> Result<(), EngineError> {
    match engine.wait() {
        Some(Event::Failed { message, .. }) => Err(EngineError::Model(message)),
        Some(Event::Cancelled { .. }) | None => Err(EngineError::Cancelled),
        Some(_) => Ok(()),
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
