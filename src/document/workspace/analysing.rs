//! Analyses of the active picture's tokens: what is asked of the engine, and results that stay with their picture.

use super::{NoticeKind, Workspace};
use crate::engine::{
    Ablation, AnalyseJob, Analysed, Analysis, AnalysisKind, Request, Sharpness, Stamp, SubjectId,
};
use crate::latent::{Bottleneck, LatentState};
use crate::picture::Rgb8;
use std::collections::HashMap;
use std::sync::Arc;

/// Maps of influence that are kept, bytes; the oldest measurement leaves for a newer one.
const MOST_MAP_BYTES: usize = 512 << 20;

/// Analyses of a workspace.
#[derive(Default)]
pub(super) struct Analysing {
    waiting: Vec<Waiting>,
    found: HashMap<(SubjectId, AnalysisKind), Kept>,
}

/// An analysis that is not done.
struct Waiting {
    stamp: Stamp,
    subject: SubjectId,
    kind: AnalysisKind,
    state: Arc<LatentState>,
    picture: Arc<Rgb8>,
}

/// A result and the tokens it is of.
pub(super) struct Kept {
    stamp: Stamp,
    state: Arc<LatentState>,
    /// The decode of the tokens.
    pub(super) picture: Arc<Rgb8>,
    pub(super) found: Arc<Analysed>,
}

impl Analysing {
    /// Drops the oldest maps of influence while all of them fill more than [`MOST_MAP_BYTES`]; the newest stay.
    fn drop_old_maps(&mut self) {
        loop {
            let maps = |kept: &Kept| match &*kept.found {
                Analysed::Influence(found) => found
                    .maps
                    .iter()
                    .map(|maps| size_of_val(maps.signed()))
                    .sum::<usize>(),
                _ => 0,
            };
            let with_maps = || self.found.iter().filter(|(_, kept)| maps(kept) > 0);
            let bytes: usize = with_maps().map(|(_, kept)| maps(kept)).sum();
            if bytes <= MOST_MAP_BYTES || with_maps().count() < 2 {
                return;
            }
            let Some(oldest) = with_maps()
                .min_by_key(|(_, kept)| kept.stamp)
                .map(|(key, _)| *key)
            else {
                return;
            };
            self.found.remove(&oldest);
        }
    }
}

/// Tokens and their decode.
type Analysable = (Arc<LatentState>, Arc<Rgb8>);

/// A result of an analysis of the active picture.
#[derive(Debug, Clone)]
pub struct Finding {
    /// What was found. The same `Arc` is the same result.
    pub found: Arc<Analysed>,
    /// The tokens were edited, or the edits taken back, since it was measured.
    pub is_stale: bool,
}

impl Workspace {
    /// Measures the edited tokens of the active picture in the background; an older request of the kind is given up.
    /// `ablation` is what takes a token's place where tokens are left out.
    pub fn analyse(&mut self, kind: AnalysisKind, ablation: Ablation) {
        let Some((subject, shown, analysis)) = self.analysis(kind, ablation) else {
            return;
        };
        let (state, picture) = shown;
        let job = AnalyseJob {
            state: Arc::clone(&state),
            analysis,
        };
        let stamp = self.engine.submit(Request::Analyse(Arc::new(job)));
        self.analysing.waiting.retain(|waiting| waiting.kind != kind);
        self.analysing.waiting.push(Waiting {
            stamp,
            subject,
            kind,
            state,
            picture,
        });
    }

    /// The active picture, its edited tokens and the measurement; `None`, with a notice, where it cannot be made.
    fn analysis(
        &mut self,
        kind: AnalysisKind,
        ablation: Ablation,
    ) -> Option<(SubjectId, Analysable, Analysis)> {
        let Some((id, shown)) = self.analysed() else {
            let text = "There are no tokens to measure: add a picture and wait until it is encoded.";
            self.notice(NoticeKind::Error, text);
            return None;
        };
        let analysis = match kind {
            AnalysisKind::Influence => Analysis::Influence(ablation),
            AnalysisKind::Pairs => Analysis::Pairs(ablation),
            AnalysisKind::Spectra => Analysis::Spectra,
            AnalysisKind::Orders => {
                let subject = self.subject(id)?;
                let reconstruction = &subject.encoded.as_ref()?.reconstruction;
                Analysis::Orders(Arc::clone(subject.crop.as_ref().unwrap_or(reconstruction)))
            }
            AnalysisKind::Sweep => {
                let Bottleneck::Soft(codebook) = &self.model.as_ref()?.space.bottleneck else {
                    self.notice(NoticeKind::Error, NO_MIXTURES);
                    return None;
                };
                Analysis::Sweep(Sharpness::sweep(codebook.tau).into())
            }
            AnalysisKind::Brush => {
                let Some(mask) = self.brush() else {
                    self.notice(NoticeKind::Error, NO_BRUSH);
                    return None;
                };
                Analysis::Brush(Arc::clone(mask))
            }
        };
        Some((id, shown, analysis))
    }

    /// The active picture and its tokens as decoded last.
    pub(super) fn analysed(&self) -> Option<(SubjectId, Analysable)> {
        let subject = self.active()?;
        let encoded = subject.encoded.as_ref()?;
        let (state, picture) = match &subject.edited {
            Some(shown) => (&shown.state, &shown.picture),
            None => (&encoded.state, &encoded.reconstruction),
        };
        Some((subject.id, (Arc::clone(state), Arc::clone(picture))))
    }

    /// What was found of the active picture, as it is kept.
    pub(super) fn kept(&self, kind: AnalysisKind) -> Option<&Kept> {
        self.analysing.found.get(&(self.active?, kind))
    }

    /// What was found of the active picture.
    pub fn finding(&self, kind: AnalysisKind) -> Option<Finding> {
        let (_, (state, _)) = self.analysed()?;
        let kept = self.kept(kind)?;
        // Taking an edit back gives the same tokens anew.
        let is_same = Arc::ptr_eq(&kept.state, &state) || kept.state.z == state.z;
        Some(Finding {
            found: Arc::clone(&kept.found),
            is_stale: !is_same,
        })
    }

    /// Analyses that run or wait.
    pub fn waiting_analyses(&self) -> impl Iterator<Item = AnalysisKind> + '_ {
        self.analysing.waiting.iter().map(|waiting| waiting.kind)
    }

    /// Gives up the analyses that run and wait; results that are there stay.
    pub fn cancel_analyses(&mut self) {
        self.engine.cancel_analyses();
        self.analysing.waiting.clear();
    }

    pub(super) fn is_analysing(&self) -> bool {
        !self.analysing.waiting.is_empty()
    }

    /// Another model is there: its tokens are others.
    pub(super) fn forget_analyses(&mut self) {
        self.analysing = Analysing::default();
    }

    pub(super) fn take_analysed(&mut self, stamp: Stamp, found: Arc<Analysed>) {
        if let Some(done) = self.end_analysis(stamp) {
            let kept = Kept {
                stamp,
                state: done.state,
                picture: done.picture,
                found,
            };
            self.analysing.found.insert((done.subject, done.kind), kept);
            self.analysing.drop_old_maps();
        }
    }

    pub(super) fn take_analysis_failure(&mut self, stamp: Stamp, message: &str) {
        if let Some(failed) = self.end_analysis(stamp) {
            let name = self
                .subject(failed.subject)
                .map_or("a picture", |subject| &subject.name);
            let text = format!(
                "{} of {name} not measured: {message}",
                capital(failed.kind.name())
            );
            self.notice(NoticeKind::Error, text);
        }
    }

    pub(super) fn take_analysis_cancelled(&mut self, stamp: Stamp) {
        drop(self.end_analysis(stamp));
    }

    /// `None` for an answer that nobody waits for any more.
    fn end_analysis(&mut self, stamp: Stamp) -> Option<Waiting> {
        let waiting = &mut self.analysing.waiting;
        let place = waiting.iter().position(|waiting| waiting.stamp == stamp)?;
        Some(waiting.remove(place))
    }
}

const NO_MIXTURES: &str =
    "This model's tokens are no mixtures of codewords: open a SoftVQ model to go from soft to hard.";

const NO_BRUSH: &str = "Nothing lies under the brush: draw over a part of the picture first.";

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
