//! The order in which a report is measured.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What is measured after what, and the share of the whole that is done after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Pictures,
    Ablation,
    Gradient,
    Pairs,
    Orders,
    Spectra,
    Codewords,
    Sweep,
    Map,
    Probes,
    Painting,
    Done,
}

impl Step {
    const ALL: [Self; 12] = [
        Self::Pictures,
        Self::Ablation,
        Self::Gradient,
        Self::Pairs,
        Self::Orders,
        Self::Spectra,
        Self::Codewords,
        Self::Sweep,
        Self::Map,
        Self::Probes,
        Self::Painting,
        Self::Done,
    ];

    pub(super) fn next(self) -> Self {
        let place = Self::ALL.iter().position(|step| *step == self);
        let next = place.and_then(|place| Self::ALL.get(place + 1));
        next.copied().unwrap_or(Self::Done)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Pictures => "all pictures through the model",
            Self::Ablation => "the first picture without each token",
            Self::Gradient => "the same by the gradient",
            Self::Pairs => "pairs of tokens",
            Self::Orders => "orders of tokens",
            Self::Spectra => "sensitivity of tokens",
            Self::Codewords => "codewords",
            Self::Sweep => "soft to hard",
            Self::Map => "map of all tokens",
            Self::Probes => "probes",
            Self::Painting => "painting",
            Self::Done => "writing",
        }
    }

    pub(super) fn done_before(self) -> f32 {
        let place = Self::ALL.iter().position(|step| *step == self);
        let before = place.and_then(|place| Self::ALL.get(place.checked_sub(1)?));
        before.map_or(0.0, |step| step.done_after())
    }

    pub(super) fn done_after(self) -> f32 {
        match self {
            Self::Pictures => 0.25,
            Self::Ablation => 0.29,
            Self::Gradient => 0.36,
            Self::Pairs => 0.54,
            Self::Orders => 0.62,
            Self::Spectra => 0.72,
            Self::Codewords => 0.75,
            Self::Sweep => 0.76,
            Self::Map => 0.88,
            Self::Probes => 0.92,
            Self::Painting | Self::Done => 1.0,
        }
    }
}

/// What a report is doing, readable while a turn of it runs.
#[derive(Debug, Clone, Default)]
pub struct ReportStage(Arc<AtomicUsize>);

impl ReportStage {
    /// In words.
    pub fn name(&self) -> &'static str {
        let step = Step::ALL.get(self.0.load(Ordering::Relaxed));
        step.copied().unwrap_or(Step::Done).name()
    }

    pub(super) fn set(&self, step: Step) {
        let place = Step::ALL.iter().position(|other| *other == step);
        self.0.store(place.unwrap_or_default(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_follow_each_other_and_the_share_grows() {
        let mut step = Step::Pictures;
        let mut seen = vec![step];
        while step != Step::Done {
            assert!(step.done_before() < step.done_after(), "{step:?}");
            step = step.next();
            assert_eq!(
                seen.last().map(|before| before.done_after()),
                Some(step.done_before())
            );
            seen.push(step);
        }
        assert_eq!(seen, Step::ALL);
        assert_eq!(Step::Done.next(), Step::Done);
    }
}
