//! Bad input.

use super::*;
use softscope::latent::{BlendMode, DirectionSource};

#[test]
fn invalid_edits_are_refused_and_change_nothing() {
    let tokens = || vec![0, 1];
    let wrong_width = TokenSource::Embedded {
        z: vec![vec![0.0; DIM + 1]; TOKENS],
        name: None,
    };
    let not_finite = TokenSource::Embedded {
        z: vec![vec![f32::NAN; DIM]; TOKENS],
        name: None,
    };
    let short = TokenSource::Embedded {
        z: rows(1, 1),
        name: None,
    };
    let path = TokenSource::Path("cat.png".to_owned());
    let blend = |with, t| Edit::Blend {
        with,
        tokens: vec![0, 1],
        t,
        mode: BlendMode::Linear,
    };
    let direction = |rows| Edit::Direction {
        source: DirectionSource::Vector(rows),
        amount: 1.0,
    };
    for (edit, expected) in [
        (
            Edit::SetValue {
                token: 6,
                dim: 0,
                value: 1.0,
            },
            "token 6 does not exist: use a token from 0 to 5",
        ),
        (
            Edit::SetValue {
                token: usize::MAX,
                dim: 0,
                value: 1.0,
            },
            "from 0 to 5",
        ),
        (
            Edit::SetValue {
                token: 1,
                dim: 5,
                value: 1.0,
            },
            "token 1 has no value 5: use a value from 0 to 4",
        ),
        (
            Edit::SetValue {
                token: 1,
                dim: 0,
                value: f32::NAN,
            },
            "value is NaN",
        ),
        (
            Edit::Scale {
                tokens: vec![],
                factor: 1.0,
            },
            "lists no tokens",
        ),
        (
            Edit::Scale {
                tokens: vec![1, 1],
                factor: 2.0,
            },
            "token 1 is listed twice",
        ),
        (
            Edit::Scale {
                tokens: tokens(),
                factor: f32::INFINITY,
            },
            "factor is inf",
        ),
        (
            Edit::Scale {
                tokens: tokens(),
                factor: 3e38,
            },
            "token 1 would hold",
        ),
        (
            set_weights(&[(0, 3, 0.5)], Rest::Zero),
            "token 4 mixes codewords of segment 1, not of segment 0",
        ),
        (
            set_weights(&[(1, 24, 0.5)], Rest::Zero),
            "codeword 24 does not exist in segment 1: use a codeword from 0 to 23",
        ),
        (set_weights(&[(1, 3, -0.5)], Rest::Zero), "weight is -0.5"),
        (set_weights(&[(1, 3, f32::NAN)], Rest::Zero), "weight is NaN"),
        (
            set_weights(&[(1, 3, 0.1), (1, 3, 0.2)], Rest::Zero),
            "codeword 3 of token 4 is listed twice",
        ),
        (set_weights(&[(1, 3, 0.0)], Rest::Zero), "would all be 0"),
        (
            set_weights(&[], Rest::Proportional),
            "lists no codeword weights for token 4",
        ),
        (
            Edit::Temperature {
                tokens: tokens(),
                tau: 0.0,
            },
            "tau is 0: use a number above 0",
        ),
        (
            Edit::Temperature {
                tokens: tokens(),
                tau: -1.0,
            },
            "tau is -1",
        ),
        (
            Edit::Temperature {
                tokens: vec![0, 99],
                tau: 1.0,
            },
            "token 99",
        ),
        (
            Edit::Harden {
                tokens: tokens(),
                top: 0,
            },
            "keep 1 to 24",
        ),
        (
            Edit::Harden {
                tokens: tokens(),
                top: 25,
            },
            "cannot keep 25",
        ),
        (Edit::Swap { a: 0, b: 6 }, "token 6"),
        (
            Edit::Copy {
                from: path,
                tokens: tokens(),
                to: vec![],
            },
            "'cat.png' were not read",
        ),
        (
            Edit::Copy {
                from: embedded(1),
                tokens: tokens(),
                to: vec![1],
            },
            "2 tokens cannot be copied to 1 places",
        ),
        (
            Edit::Copy {
                from: embedded(1),
                tokens: vec![0, 7],
                to: tokens(),
            },
            "have no token 7: they are 6 (0 to 5)",
        ),
        (
            Edit::Copy {
                from: embedded(1),
                tokens: tokens(),
                to: vec![3, 3],
            },
            "token 3 is listed twice",
        ),
        (
            Edit::Copy {
                from: embedded(1),
                tokens: vec![],
                to: vec![],
            },
            "lists no tokens",
        ),
        (
            Edit::Copy {
                from: wrong_width,
                tokens: tokens(),
                to: vec![],
            },
            "row 0 of the given tokens has 6 values",
        ),
        (
            Edit::Copy {
                from: not_finite,
                tokens: tokens(),
                to: vec![],
            },
            "row 0 of the given values holds NaN",
        ),
        (blend(short, 0.5), "have no token 1"),
        (blend(embedded(1), 2.5), "t is 2.5: use a number from -1 to 2"),
        (blend(embedded(1), f32::NAN), "t is NaN"),
        (
            Edit::Noise {
                tokens: tokens(),
                sigma: -0.1,
                seed: 0,
            },
            "sigma is -0.1",
        ),
        (
            direction(rows(2, 1)),
            "the direction has 2 rows of 5 values: give 1 or 6 rows of 5 values",
        ),
        (direction(vec![vec![1.0; 3]]), "1 rows of 3 values"),
        (direction(vec![]), "0 rows"),
        (direction(vec![vec![f32::INFINITY; DIM]]), "holds inf"),
        (
            Edit::Direction {
                source: DirectionSource::Name("smile".to_owned()),
                amount: 1.0,
            },
            "'smile' was not found",
        ),
        (
            Edit::Direction {
                source: DirectionSource::Vector(rows(1, 1)),
                amount: f32::NAN,
            },
            "amount is NaN",
        ),
    ] {
        // Two tokens with a large value, so that factors overflow after some rows are worked out.
        let before = edited(
            &original(),
            &[Edit::SetValue {
                token: 1,
                dim: 2,
                value: 1e10,
            }],
        )
        .unwrap();
        let mut state = before.clone();
        let error = apply(space(), &original(), &mut state, &edit).expect_err(&format!("{edit:?}"));
        assert!(error.to_string().contains(expected), "{edit:?}: {error}");
        assert_eq!(state, before, "{edit:?}");
    }
}

#[test]
fn tokens_of_another_model_are_refused() {
    let other = LatentState::from_z(Tokens::new(4, DIM + 1, vec![0.0; 4 * (DIM + 1)]).unwrap());
    let mut state = other.clone();
    let error = apply(space(), &other, &mut state, &Edit::Zero { tokens: vec![0] }).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("the tokens are 4 x 6, the model's are 4 x 5"),
        "{error}"
    );
}

#[test]
fn codebooks_that_cannot_be_are_refused() {
    let make =
        |segments, size, dim, tau, count| Codebook::new(segments, size, dim, true, tau, vec![1.0; count]);
    assert!(make(2, 3, 4, 0.07, 24).is_some());
    assert!(make(2, 3, 4, 0.07, 23).is_none() && make(0, 3, 4, 0.07, 0).is_none());
    assert!(make(2, 3, 4, 0.0, 24).is_none() && make(2, 3, 4, f32::NAN, 24).is_none());
    assert!(make(usize::MAX, 3, 4, 0.07, 24).is_none());
    assert!(Codebook::new(1, 1, 1, true, 0.07, vec![f32::NAN]).is_none());
}
