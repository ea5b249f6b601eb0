//! Pixels to tokens: the tokens ranked by what they do under the brush, kept up with brush, tokens and influence.

use super::Workspace;
use crate::analysis::TokenInfluence;
use crate::engine::{Ablation, Analysed, AnalysisKind};
use crate::latent::LatentState;
use crate::picture::Mask;
use std::sync::Arc;

/// The brush of a workspace.
#[derive(Default)]
pub(super) struct Brushing {
    mask: Option<Arc<Mask>>,
    is_ranking: bool,
    /// What the gradient was asked of last.
    asked: Option<(Arc<Mask>, Arc<LatentState>)>,
    by_ablation: Option<ByAblation>,
}

/// A ranking by ablation, made or being made.
struct ByAblation {
    mask: Arc<Mask>,
    influence: Arc<Analysed>,
    /// Of the mask, or until that is made of the mask before.
    ranking: Arc<[TokenInfluence]>,
}

/// The tokens by what they do under the brush, with the change of a pixel there in steps of 8-bit values, largest first.
#[derive(Debug, Clone, Default)]
pub struct BrushRanking {
    /// Root mean square change for a random move by one deviation of the latent; empty while it is not known.
    pub by_gradient: Vec<(usize, f64)>,
    /// Mean absolute change without the token; empty as long as influence is not measured.
    pub by_ablation: Vec<(usize, f64)>,
    /// The gradient is of an older brush, or of older tokens.
    pub is_behind: bool,
}

impl Workspace {
    /// Sets the pixels that count; `None` where none do. While `is_ranking` the tokens are ranked under them, anew when
    /// the brush, the tokens or the influence known of them change. May be called every frame.
    pub fn set_brush(&mut self, mask: Option<Arc<Mask>>, is_ranking: bool) {
        self.brushing.mask = mask;
        self.brushing.is_ranking = is_ranking;
        self.pump_brush();
    }

    /// The pixels that count, where they are the model's and any do.
    pub(super) fn brush(&self) -> Option<&Arc<Mask>> {
        let mask = self.brushing.mask.as_ref()?;
        (Some(mask.width()) == self.side() && !mask.is_empty()).then_some(mask)
    }

    /// What is known of the active picture's tokens under the brush.
    pub fn brush_ranking(&self) -> BrushRanking {
        let mut ranking = BrushRanking::default();
        let Some(mask) = &self.brushing.mask else {
            return ranking;
        };
        if let Some(finding) = self.finding(AnalysisKind::Brush)
            && let Analysed::Brush(found) = &*finding.found
        {
            ranking.is_behind = finding.is_stale || !Arc::ptr_eq(&found.mask, mask);
            ranking.by_gradient = found.sensitivity.iter().copied().enumerate().collect();
            ranking.by_gradient.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        }
        let influence = self.finding(AnalysisKind::Influence);
        let influence = influence.filter(|finding| !finding.is_stale);
        if let (Some(influence), Some(known)) = (influence, &self.brushing.by_ablation)
            && Arc::ptr_eq(&known.influence, &influence.found)
        {
            let values = known.ranking.iter().map(|found| (found.token, found.mean_change));
            ranking.by_ablation = values.collect();
        }
        ranking
    }

    /// Another model is there: its pictures and tokens are others.
    pub(super) fn forget_brush(&mut self) {
        self.brushing = Brushing::default();
    }

    /// Asks for what is not known yet.
    pub(super) fn pump_brush(&mut self) {
        if !self.brushing.is_ranking {
            return;
        }
        let Some(mask) = self.brush().map(Arc::clone) else {
            return;
        };
        self.rank_by_ablation(&mask);
        let Some((_, (state, _))) = self.analysed().filter(|(id, _)| self.is_current(*id)) else {
            return;
        };
        let is_asked = self
            .brushing
            .asked
            .as_ref()
            .is_some_and(|(asked, of)| Arc::ptr_eq(asked, &mask) && Arc::ptr_eq(of, &state));
        if !is_asked {
            self.brushing.asked = Some((mask, state));
            self.analyse(AnalysisKind::Brush, Ablation::Mean);
        }
    }

    /// Ranks by the influence that is measured, off this thread; a newer brush makes the older ranking pointless.
    fn rank_by_ablation(&mut self, mask: &Arc<Mask>) {
        let influence = self.finding(AnalysisKind::Influence);
        let Some(influence) = influence.filter(|finding| !finding.is_stale) else {
            return;
        };
        let influence = influence.found;
        let before = self
            .brushing
            .by_ablation
            .as_ref()
            .filter(|known| Arc::ptr_eq(&known.influence, &influence));
        if before.is_some_and(|known| Arc::ptr_eq(&known.mask, mask)) {
            return;
        }
        self.brushing.by_ablation = Some(ByAblation {
            mask: Arc::clone(mask),
            influence: Arc::clone(&influence),
            ranking: before.map_or_else(|| Arc::from([]), |known| Arc::clone(&known.ranking)),
        });
        let mask = Arc::clone(mask);
        self.background(
            move || {
                let ranking = match &*influence {
                    Analysed::Influence(found) => {
                        let [by_ablation, _] = &*found.maps;
                        by_ablation.ranking_within(&mask)
                    }
                    _ => None,
                };
                (mask, influence, ranking.unwrap_or_default())
            },
            |workspace, (mask, influence, ranking)| {
                let known = workspace.brushing.by_ablation.as_mut();
                let is_its = |known: &&mut ByAblation| {
                    Arc::ptr_eq(&known.mask, &mask) && Arc::ptr_eq(&known.influence, &influence)
                };
                if let Some(known) = known.filter(is_its) {
                    known.ranking = ranking.into();
                }
            },
        );
    }
}
