//! Hull distances, worked out on a thread of their own: projecting every token may take longer than a frame.

use crate::analysis::{self, TokenQuantity};
use crate::engine::Jobs;
use crate::latent::LatentState;
use crate::ui::shown_tokens::{ShownTokens, TokenValues};
use egui::Context;
use std::sync::Arc;

type Outcome = (Arc<LatentState>, Vec<Option<f32>>);

#[derive(Default)]
pub(super) struct HullDistances {
    /// Started when first asked for.
    jobs: Option<Jobs<Outcome>>,
    known: Option<(Arc<LatentState>, TokenValues)>,
    working_on: Option<Arc<LatentState>>,
    error: Option<String>,
}

impl HullDistances {
    /// The newest distances known; asks for those of `tokens` unless a hand is still moving them.
    pub(super) fn values(&mut self, ctx: &Context, tokens: &ShownTokens, is_dragging: bool) -> TokenValues {
        self.take_in();
        let is_known = self
            .known
            .as_ref()
            .is_some_and(|(state, _)| Arc::ptr_eq(state, &tokens.state));
        if !is_known && !is_dragging && self.working_on.is_none() && self.error.is_none() {
            self.start(ctx, tokens);
        }
        match &self.known {
            Some((_, values)) if values.len() == tokens.count() => values.clone(),
            _ => vec![None; tokens.count()].into(),
        }
    }

    pub(super) fn is_working(&self) -> bool {
        self.working_on.is_some()
    }

    pub(super) fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    fn start(&mut self, ctx: &Context, tokens: &ShownTokens) {
        let jobs = self.jobs.get_or_insert_with(|| {
            let ctx = ctx.clone();
            Jobs::new(move || ctx.request_repaint())
        });
        let tokens = tokens.clone();
        self.working_on = Some(tokens.state.clone());
        jobs.run(move || {
            let distances = analysis::token_quantity(
                &tokens.space,
                &tokens.original,
                &tokens.state,
                TokenQuantity::HullDistance,
            );
            (tokens.state, distances)
        });
    }

    fn take_in(&mut self) {
        let Some(jobs) = &self.jobs else { return };
        while let Some(outcome) = jobs.poll() {
            self.working_on = None;
            match outcome {
                Ok((state, values)) => self.known = Some((state, values.into())),
                Err(message) => self.error = Some(format!("Hull distances could not be computed: {message}")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::SubjectId;
    use crate::latent::{Assignment, Bottleneck, Codebook, LatentSpace, Mixture, Tokens};

    /// Two tokens between two codewords, then moved: one stays on the line between them, one leaves it.
    fn tokens(rows: [[f32; 2]; 2], mixtures: [Option<f32>; 2]) -> ShownTokens {
        let codebook = Codebook::new(1, 2, 2, true, 0.1, vec![1.0, 0.0, 0.0, 1.0]).unwrap();
        let mixture = |weight: f32| {
            Assignment::Soft(Mixture {
                segment: 0,
                weights: vec![weight, 1.0 - weight].into(),
            })
        };
        let state = Arc::new(LatentState {
            h: None,
            z: Tokens::new(2, 2, rows.concat()).unwrap(),
            assignments: mixtures.map(|weight| weight.map(mixture)).to_vec(),
        });
        let space = Arc::new(LatentSpace {
            token_count: 2,
            dim: 2,
            bottleneck: Bottleneck::Soft(codebook),
            mean: 0.0,
            std: 1.0,
        });
        ShownTokens {
            id: SubjectId(1),
            space,
            original: state.clone(),
            state,
        }
    }

    fn finished(hull: &mut HullDistances, tokens: &ShownTokens) -> TokenValues {
        let ctx = Context::default();
        let first = hull.values(&ctx, tokens, false);
        assert!(
            first.iter().all(Option::is_none) && hull.is_working(),
            "the caller never waits"
        );
        while hull.is_working() {
            std::thread::yield_now();
            hull.values(&ctx, tokens, true);
        }
        hull.values(&ctx, tokens, true)
    }

    #[test]
    fn distances_come_from_another_thread() {
        let tokens = tokens([[0.5, 0.5], [1.0, 1.0]], [Some(0.5), None]);
        let mut hull = HullDistances::default();
        let distances = finished(&mut hull, &tokens);
        assert!(distances[0].unwrap() < 1e-4, "a mixture lies in the hull");
        assert!(
            (distances[1].unwrap() - 0.5_f32.sqrt()).abs() < 1e-3,
            "{distances:?}"
        );
        assert_eq!(hull.error(), None);
    }

    #[test]
    fn nothing_is_started_while_a_hand_moves_the_tokens() {
        let tokens = tokens([[0.5, 0.5], [1.0, 1.0]], [Some(0.5), None]);
        let mut hull = HullDistances::default();
        let values = hull.values(&Context::default(), &tokens, true);
        assert_eq!(values[..], [None, None]);
        assert!(!hull.is_working());
    }
}
