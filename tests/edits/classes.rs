//! Edits in the classes whose tokens are no mixtures: codewords (VQ), normal distributions (KL), plain values (AE).

use super::properties::edit;
use super::*;
use proptest::prelude::*;
use softscope::analysis::{TokenQuantity, encoder_codeword, nearest_codewords, quantities, token_quantity};
use softscope::latent::{GaussianRow, codeword_distances, nearest_codeword};

/// A model and the tokens of a picture.
#[derive(Debug)]
struct Class {
    space: LatentSpace,
    original: LatentState,
}

impl Class {
    fn of(bottleneck: Bottleneck) -> Self {
        let space = LatentSpace {
            token_count: TOKENS,
            dim: DIM,
            bottleneck,
            mean: 0.01,
            std: 0.3,
        };
        let h = Tokens::new(
            TOKENS,
            space.encoder_dim(),
            values(TOKENS * space.encoder_dim(), 5),
        )
        .unwrap();
        let original = encoded_by(&space, h);
        Self { space, original }
    }

    fn vq() -> Self {
        let codebook = Codebook::new(1, CODEWORDS, DIM, true, 0.07, values(CODEWORDS * DIM, 9)).unwrap();
        Self::of(Bottleneck::Hard(codebook))
    }

    fn kl() -> Self {
        Self::of(Bottleneck::Gaussian)
    }

    fn ae() -> Self {
        Self::of(Bottleneck::Identity)
    }

    fn all() -> [Self; 3] {
        [Self::vq(), Self::kl(), Self::ae()]
    }

    fn edited(&self, edits: &[Edit]) -> Result<LatentState, EditError> {
        let mut state = self.original.clone();
        for edit in edits {
            apply(&self.space, &self.original, &mut state, edit)?;
        }
        Ok(state)
    }

    fn refusal(&self, edit: &Edit) -> String {
        self.edited(std::slice::from_ref(edit)).unwrap_err().to_string()
    }

    fn quantity(&self, state: &LatentState, quantity: TokenQuantity) -> Vec<Option<f32>> {
        token_quantity(&self.space, &self.original, state, quantity)
    }
}

fn encoded_by(space: &LatentSpace, h: Tokens) -> LatentState {
    let rows: Vec<Vec<f32>> = h.to_rows();
    let codewords: Vec<Option<usize>> = rows
        .iter()
        .map(|row| Some(nearest_codeword(space.codebook()?, 0, row)?.0))
        .collect();
    let z: Vec<Vec<f32>> = rows
        .iter()
        .zip(&codewords)
        .map(|(row, codeword)| match (space.codebook(), codeword) {
            (Some(codebook), Some(codeword)) => codebook.codeword(0, *codeword).unwrap().to_vec(),
            _ => row[..DIM].to_vec(),
        })
        .collect();
    LatentState {
        h: Some(h),
        z: Tokens::from_rows(&z).unwrap(),
        assignments: codewords
            .into_iter()
            .map(|codeword| codeword.map(Assignment::Hard))
            .collect(),
    }
}

fn take(codeword: usize, weight: f32, rest: Rest) -> Edit {
    Edit::SetWeights {
        token: 2,
        weights: vec![(0, codeword, weight)],
        rest,
    }
}

#[test]
fn a_vq_token_is_one_codeword_and_takes_another() {
    let vq = Class::vq();
    let codebook = vq.space.codebook().unwrap();
    for edit in [
        take(17, 1.0, Rest::Zero),
        take(17, 0.2, Rest::Zero),
        take(17, 1.0, Rest::Proportional),
    ] {
        let state = vq.edited(&[edit]).unwrap();
        assert_eq!(state.codeword(2), Some(17));
        assert_eq!(state.z.row(2), codebook.codeword(0, 17).unwrap());
        assert_eq!(state.h_row(2), vq.original.h_row(2));
        assert!(state.mixture(2).is_none());
    }
    let several = Edit::SetWeights {
        token: 2,
        weights: vec![(0, 1, 0.5), (0, 2, 0.5)],
        rest: Rest::Zero,
    };
    for (edit, said) in [
        (
            take(17, 0.5, Rest::Proportional),
            "token 2 of a VQ model is one codeword",
        ),
        (take(17, 0.0, Rest::Zero), "one codeword"),
        (several, "one codeword"),
        (take(24, 1.0, Rest::Zero), "codeword 24 does not exist"),
    ] {
        let message = vq.refusal(&edit);
        assert!(message.contains(said), "{message}");
    }
}

#[test]
fn project_puts_the_nearest_codeword_in_a_moved_tokens_place() {
    let vq = Class::vq();
    let nudge = Edit::SetValue {
        token: 1,
        dim: 0,
        value: vq.original.z.row(1)[0] + 0.01,
    };
    let moved = vq.edited(std::slice::from_ref(&nudge)).unwrap();
    assert_eq!(moved.codeword(1), None);
    let all = Edit::Project {
        tokens: (0..TOKENS).collect(),
    };
    assert_eq!(vq.edited(&[nudge, all.clone()]).unwrap(), vq.original);
    for class in [Class::kl(), Class::ae()] {
        let message = class.refusal(&all);
        assert!(message.contains("project needs codewords"), "{message}");
    }
}

#[test]
fn edits_of_mixtures_name_the_class_that_lacks_them() {
    let tokens = vec![0, 1];
    let temperature = Edit::Temperature {
        tokens: tokens.clone(),
        tau: 0.1,
    };
    let harden = Edit::Harden { tokens, top: 1 };
    for (class, name) in Class::all().iter().zip(["VQ", "KL", "AE"]) {
        for (edit, kind) in [(&temperature, "temperature"), (&harden, "harden")] {
            let message = class.refusal(edit);
            assert!(
                message.starts_with(&format!("{kind} needs"))
                    && message.contains(&format!("class is {name}")),
                "{message}"
            );
        }
    }
    let message = Class::ae().refusal(&take(0, 1.0, Rest::Zero));
    assert!(message.contains("set_weights needs"), "{message}");
}

#[test]
fn samples_go_around_the_mean_and_are_repeatable() {
    let kl = Class::kl();
    let sample = |tokens: &[usize], amount, seed| Edit::Sample {
        tokens: tokens.to_vec(),
        amount,
        seed,
    };
    assert_eq!(kl.edited(&[sample(&[0, 3], 0.0, 4)]).unwrap(), kl.original);
    let once = kl.edited(&[sample(&[0, 3], 1.0, 4)]).unwrap();
    assert_eq!(
        kl.edited(&[sample(&[3], 1.0, 4)]).unwrap().z.row(3),
        once.z.row(3)
    );
    assert_ne!(
        kl.edited(&[sample(&[3], 1.0, 5)]).unwrap().z.row(3),
        once.z.row(3)
    );
    assert_eq!(once.h, kl.original.h, "the distribution stays");
    // A sample starts from the mean, whatever was done to the token before.
    let zero = Edit::Zero { tokens: vec![3] };
    let after_zero = kl.edited(&[zero, sample(&[3], 1.0, 4)]).unwrap();
    assert_eq!(after_zero.z.row(3), once.z.row(3));
    // Twice the amount is twice as far from the mean.
    let twice = kl.edited(&[sample(&[3], 2.0, 4)]).unwrap();
    for ((mean, once), twice) in kl.original.z.row(3).iter().zip(once.z.row(3)).zip(twice.z.row(3)) {
        assert!((2.0 * (once - mean) - (twice - mean)).abs() < 1e-5);
    }
    for amount in [-0.5, f32::NAN, f32::INFINITY] {
        let message = kl.refusal(&sample(&[0], amount, 1));
        assert!(message.contains("amount is"), "{message}");
    }
    let copied = Edit::Copy {
        from: embedded(4),
        tokens: vec![0],
        to: vec![],
    };
    let error = kl
        .edited(&[copied, sample(&[0], 1.0, 1)])
        .unwrap_err()
        .to_string();
    assert!(error.contains("no distribution to sample from"), "{error}");
    for class in [Class::vq(), Class::ae()] {
        let message = class.refusal(&sample(&[0], 1.0, 1));
        assert!(
            message.contains("normal distributions of a KL model"),
            "{message}"
        );
    }
}

#[test]
fn every_class_has_its_own_figures() {
    let count = |class: &Class, quantity| class.quantity(&class.original, quantity).iter().flatten().count();
    let every = [
        TokenQuantity::Entropy,
        TokenQuantity::MaxWeight,
        TokenQuantity::Norm,
        TokenQuantity::Edited,
        TokenQuantity::HullDistance,
        TokenQuantity::CodewordDistance,
        TokenQuantity::Deviation,
        TokenQuantity::Divergence,
    ];
    for class in Class::all() {
        for quantity in every {
            let expected = if quantities(&class.space).contains(&quantity) {
                TOKENS
            } else {
                0
            };
            assert_eq!(
                count(&class, quantity),
                expected,
                "{quantity:?} of {:?}",
                class.space.bottleneck
            );
        }
    }
    let vq = Class::vq();
    let codebook = vq.space.codebook().unwrap();
    for token in 0..TOKENS {
        let (codeword, distance) = encoder_codeword(&vq.space, &vq.original, token).unwrap();
        assert_eq!(vq.original.codeword(token), Some(codeword));
        let distances = codeword_distances(codebook, 0, vq.original.h_row(token).unwrap());
        assert!(distances.iter().all(|other| *other >= distance));
        let nearest = nearest_codewords(codebook, 0, vq.original.h_row(token).unwrap(), 3);
        assert_eq!(nearest[0], (codeword, distance));
        assert!(nearest.is_sorted_by(|a, b| a.1 <= b.1) && nearest.len() == 3);
    }
    let kl = Class::kl();
    let gaussian = GaussianRow::behind(&kl.original, 1).unwrap();
    let figures = kl.quantity(&kl.original, TokenQuantity::Divergence);
    assert_eq!(figures[1], Some(gaussian.kl_nats() as f32));
    assert!(GaussianRow::behind(&Class::ae().original, 1).is_none());
}

#[test]
fn encoder_output_of_another_width_is_refused() {
    let kl = Class::kl();
    let mut state = kl.original.clone();
    state.h = Class::ae().original.h;
    let zero = Edit::Zero { tokens: vec![0] };
    assert!(apply(&kl.space, &kl.original, &mut state, &zero).is_err());
}

proptest! {
    #[test]
    fn edits_hold_in_every_class(edits in proptest::collection::vec(edit(), 0..10), last in edit()) {
        for class in Class::all() {
            let mut state = class.original.clone();
            for edit in &edits {
                let before = state.clone();
                if apply(&class.space, &class.original, &mut state, edit).is_err() {
                    prop_assert_eq!(&state, &before, "a failed edit changes nothing: {:?}", edit);
                }
            }
            for token in 0..TOKENS {
                prop_assert!(state.z.row(token).iter().all(|value| value.is_finite()));
                prop_assert!(state.mixture(token).is_none());
                if let (Some(codebook), Some(codeword)) = (class.space.codebook(), state.codeword(token)) {
                    prop_assert_eq!(state.z.row(token), codebook.codeword(0, codeword).unwrap());
                }
            }
            let before = state.clone();
            if apply(&class.space, &class.original, &mut state, &last).is_ok() {
                let touched = last.touched().unwrap_or_else(|| (0..TOKENS).collect());
                for token in (0..TOKENS).filter(|token| !touched.contains(token)) {
                    prop_assert_eq!(state.z.row(token), before.z.row(token));
                    prop_assert_eq!(state.h_row(token), before.h_row(token));
                }
            }
            let restore = Edit::Restore { tokens: (0..TOKENS).collect() };
            apply(&class.space, &class.original, &mut state, &restore).unwrap();
            prop_assert_eq!(&state, &class.original);
        }
    }
}
