//! Hull distances, worked out on a thread of their own: projecting every token may take longer than a frame.

use crate::analysis::{self, TokenQuantity};
use crate::ui::shown_tokens::{ShownTokens, TokenValues};
use crate::ui::worked_out::WorkedOut;
use egui::Context;

#[derive(Default)]
pub(super) struct HullDistances {
    found: WorkedOut<Vec<Option<f32>>>,
}

impl HullDistances {
    /// The newest distances known; asks for those of `tokens` unless a hand is still moving them.
    pub(super) fn values(&mut self, ctx: &Context, tokens: &ShownTokens, is_dragging: bool) -> TokenValues {
        let of = (tokens.state.clone(), None);
        let asked = tokens.clone();
        let newest = self.found.newest(ctx, &of, !is_dragging, move || {
            analysis::token_quantity(
                &asked.space,
                &asked.original,
                &asked.state,
                TokenQuantity::HullDistance,
            )
        });
        match newest {
            Some((_, values)) if values.len() == tokens.count() => values.as_slice().into(),
            _ => vec![None; tokens.count()].into(),
        }
    }

    pub(super) fn is_working(&self) -> bool {
        self.found.is_working()
    }

    pub(super) fn error(&self) -> Option<String> {
        let message = self.found.error()?;
        Some(format!("Hull distances could not be computed: {message}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::SubjectId;
    use crate::latent::{Assignment, Bottleneck, Codebook, LatentSpace, LatentState, Mixture, Tokens};
    use std::sync::Arc;

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
