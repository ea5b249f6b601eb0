use super::EngineError;
use crate::latent::{self, Edit, LatentSpace, LatentState};
use std::sync::Arc;

/// The state before the last edit of the list decoded last. A drag replaces only the last edit, so that each of its
/// steps costs one edit however long the list is.
#[derive(Default)]
pub(super) struct EditCache {
    kept: Option<Kept>,
}

struct Kept {
    /// Held, so that its address stays its identity.
    base: Arc<LatentState>,
    /// The list of which the first `applied` edits lead to `state`.
    edits: Arc<[Edit]>,
    applied: usize,
    state: Arc<LatentState>,
}

impl Kept {
    /// Whether `edits` on `base` begin with what led to the kept state.
    fn begins(&self, base: &Arc<LatentState>, edits: &[Edit]) -> bool {
        Arc::ptr_eq(&self.base, base)
            && self
                .edits
                .get(..self.applied)
                .is_some_and(|prefix| edits.starts_with(prefix))
    }
}

impl EditCache {
    /// `base` after `edits`.
    pub(super) fn apply(
        &mut self,
        space: &LatentSpace,
        base: &Arc<LatentState>,
        edits: &Arc<[Edit]>,
    ) -> Result<Arc<LatentState>, EngineError> {
        let (applied, mut state) = match self.kept.take_if(|kept| kept.begins(base, edits)) {
            Some(kept) => (kept.applied, kept.state),
            None => (0, Arc::clone(base)),
        };
        let last = edits.len().saturating_sub(1);
        for index in applied..last {
            apply_one(space, base, &mut state, edits, index)?;
        }
        self.kept = Some(Kept {
            base: Arc::clone(base),
            edits: Arc::clone(edits),
            applied: last.max(applied),
            state: Arc::clone(&state),
        });
        for index in last.max(applied)..edits.len() {
            apply_one(space, base, &mut state, edits, index)?;
        }
        Ok(state)
    }

    /// Forgets what belongs to a model that is gone.
    pub(super) fn clear(&mut self) {
        self.kept = None;
    }
}

fn apply_one(
    space: &LatentSpace,
    base: &LatentState,
    state: &mut Arc<LatentState>,
    edits: &[Edit],
    index: usize,
) -> Result<(), EngineError> {
    let Some(edit) = edits.get(index) else {
        return Ok(());
    };
    latent::apply(space, base, Arc::make_mut(state), edit).map_err(|source| EngineError::Edit {
        index,
        count: edits.len(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latent::{Bottleneck, Codebook, Tokens};
    use proptest::prelude::*;

    fn space() -> LatentSpace {
        let codebook = Codebook::new(1, 2, 2, false, 0.07, vec![1.0, 0.0, 0.0, 1.0]).unwrap();
        LatentSpace {
            token_count: 3,
            dim: 2,
            bottleneck: Bottleneck::Soft(codebook),
            mean: 0.0,
            std: 1.0,
        }
    }

    fn base(first: f32) -> Arc<LatentState> {
        let z = Tokens {
            count: 3,
            dim: 2,
            values: vec![first, 2.0, 3.0, 4.0, 5.0, 6.0],
        };
        Arc::new(LatentState {
            h: None,
            z,
            assignments: vec![None; 3],
        })
    }

    fn applied_plainly(base: &LatentState, edits: &[Edit]) -> LatentState {
        let mut state = base.clone();
        for edit in edits {
            latent::apply(&space(), base, &mut state, edit).unwrap();
        }
        state
    }

    fn any_edit() -> impl Strategy<Value = Edit> {
        prop_oneof![
            (0..3_usize, 0..2_usize, -2.0..2.0_f32).prop_map(|(token, dim, value)| Edit::SetValue {
                token,
                dim,
                value
            }),
            (0..3_usize, 0..3_usize).prop_map(|(a, b)| Edit::Swap { a, b }),
            (0..3_usize, 0.0..2.0_f32).prop_map(|(token, factor)| Edit::Scale {
                tokens: vec![token],
                factor
            }),
            (0..3_usize).prop_map(|token| Edit::Restore { tokens: vec![token] }),
        ]
    }

    /// What a hand does to an edit list between two decodes.
    #[derive(Debug, Clone)]
    enum Step {
        Push(Edit),
        ReplaceLast(Edit),
        Undo,
        OtherPicture,
    }

    fn any_step() -> impl Strategy<Value = Step> {
        prop_oneof![
            any_edit().prop_map(Step::Push),
            any_edit().prop_map(Step::ReplaceLast),
            Just(Step::Undo),
            Just(Step::OtherPicture),
        ]
    }

    proptest! {
        #[test]
        fn the_cache_changes_no_result(steps in prop::collection::vec(any_step(), 1..40)) {
            let pictures = [base(1.0), base(-1.0)];
            let mut active = 0;
            let mut edits: Vec<Edit> = Vec::new();
            let mut cache = EditCache::default();
            for step in steps {
                match step {
                    Step::Push(edit) => edits.push(edit),
                    Step::ReplaceLast(edit) => {
                        edits.pop();
                        edits.push(edit);
                    }
                    Step::Undo => {
                        edits.pop();
                    }
                    Step::OtherPicture => active = 1 - active,
                }
                let list: Arc<[Edit]> = Arc::from(edits.as_slice());
                let state = cache.apply(&space(), &pictures[active], &list).unwrap();
                prop_assert_eq!(&*state, &applied_plainly(&pictures[active], &edits));
            }
        }
    }

    #[test]
    fn a_drag_starts_from_the_state_before_its_edit() {
        let base = base(1.0);
        let mut cache = EditCache::default();
        for value in [0.1, 0.2, 0.3] {
            let edits: Arc<[Edit]> = Arc::from([
                Edit::Swap { a: 0, b: 1 },
                Edit::SetValue {
                    token: 0,
                    dim: 0,
                    value,
                },
            ]);
            let state = cache.apply(&space(), &base, &edits).unwrap();
            assert_eq!(state.z.values[..2], [value, 4.0]);
            let kept = cache.kept.as_ref().unwrap();
            assert_eq!(kept.applied, 1);
            assert_eq!(
                kept.state.z.values[..2],
                [3.0, 4.0],
                "the drag must not leak into what is kept"
            );
        }
    }

    #[test]
    fn an_edit_that_fails_names_its_place_and_spoils_nothing() {
        let base = base(1.0);
        let mut cache = EditCache::default();
        let bad: Arc<[Edit]> = Arc::from([Edit::Swap { a: 0, b: 1 }, Edit::Swap { a: 0, b: 9 }]);
        let result = cache.apply(&space(), &base, &bad);
        assert!(matches!(
            result,
            Err(EngineError::Edit {
                index: 1,
                count: 2,
                ..
            })
        ));
        let good: Arc<[Edit]> = Arc::from([Edit::Swap { a: 0, b: 1 }]);
        let state = cache.apply(&space(), &base, &good).unwrap();
        assert_eq!(*state, applied_plainly(&base, &good));
    }

    #[test]
    fn no_edits_share_the_base() {
        let base = base(1.0);
        let state = EditCache::default()
            .apply(&space(), &base, &Arc::from([]))
            .unwrap();
        assert!(Arc::ptr_eq(&state, &base));
    }
}
