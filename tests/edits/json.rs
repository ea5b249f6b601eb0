//! The recipe's form of edits.

use super::*;
use softscope::latent::{BlendMode, DirectionSource};

#[test]
fn recipes_are_read_as_the_format_says() {
    let read =
        |text: &str| serde_json::from_str::<Edit>(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(
        read(r#"{"type": "swap", "a": 2, "b": 13}"#),
        Edit::Swap { a: 2, b: 13 }
    );
    assert_eq!(
        read(r#"{"type": "set_weights", "token": 4, "weights": [[1, 3, 1], [1, 5, 0.25]], "rest": "zero"}"#),
        set_weights(&[(1, 3, 1.0), (1, 5, 0.25)], Rest::Zero)
    );
    assert_eq!(
        read(r#"{"token": 4, "weights": [[1, 3, 1]], "type": "set_weights"}"#),
        set_weights(&[(1, 3, 1.0)], Rest::Proportional)
    );
    let from = TokenSource::Path("b.png".to_owned());
    assert_eq!(
        read(r#"{"type": "copy", "from": "b.png", "tokens": [3]}"#),
        Edit::Copy {
            from,
            tokens: vec![3],
            to: vec![]
        }
    );
    let with = TokenSource::Embedded {
        z: vec![vec![1.0, 2.0]],
        name: None,
    };
    assert_eq!(
        read(r#"{"type": "blend", "with": {"z": [[1, 2.0]]}, "tokens": [0], "t": 0.5, "mode": "slerp"}"#),
        Edit::Blend {
            with,
            tokens: vec![0],
            t: 0.5,
            mode: BlendMode::Slerp
        }
    );
    assert_eq!(
        read(r#"{"type": "sample", "tokens": [3, 0], "amount": 1.5, "seed": 7}"#),
        Edit::Sample {
            tokens: vec![3, 0],
            amount: 1.5,
            seed: 7
        }
    );
    let name = DirectionSource::Name("smile".to_owned());
    assert_eq!(
        read(r#"{"type": "direction", "name": "smile", "amount": -1}"#),
        Edit::Direction {
            source: name,
            amount: -1.0
        }
    );
    let vector = DirectionSource::Vector(vec![vec![1.0, 2.5]]);
    for text in ["[1, 2.5]", "[[1, 2.5]]"] {
        let edit = Edit::Direction {
            source: vector.clone(),
            amount: 2.0,
        };
        assert_eq!(
            read(&format!(
                r#"{{"type": "direction", "vector": {text}, "amount": 2}}"#
            )),
            edit
        );
    }
}

#[test]
fn recipes_are_written_as_the_format_says() {
    let write = |edit: &Edit| serde_json::to_string(edit).unwrap();
    assert_eq!(
        write(&Edit::Swap { a: 2, b: 13 }),
        r#"{"type":"swap","a":2,"b":13}"#
    );
    assert_eq!(
        write(&set_weights(&[(1, 3, 0.1)], Rest::Zero)),
        r#"{"type":"set_weights","token":4,"weights":[[1,3,0.1]],"rest":"zero"}"#
    );
    let edit = Edit::Direction {
        source: DirectionSource::Name("smile".to_owned()),
        amount: 0.5,
    };
    assert_eq!(
        write(&edit),
        r#"{"type":"direction","name":"smile","amount":0.5}"#
    );
}

#[test]
fn malformed_edits_are_named() {
    for (text, expected) in [
        (r#"{"type": "explode", "tokens": [0]}"#, "explode"),
        (r#"{"tokens": [0]}"#, "type"),
        (r#"{"type": "scale", "tokens": [0]}"#, "factor"),
        (
            r#"{"type": "scale", "tokens": [0], "factor": 1, "colour": 3}"#,
            "colour",
        ),
        (r#"{"type": "scale", "tokens": [-1], "factor": 1}"#, "-1"),
        (r#"{"type": "scale", "tokens": "all", "factor": 1}"#, "sequence"),
        (
            r#"{"type": "set_value", "token": 0, "dim": 0, "value": null}"#,
            "f32",
        ),
        (
            r#"{"type": "copy", "from": 7, "tokens": [0]}"#,
            "a path or tokens",
        ),
        (r#"{"type": "copy", "from": {"y": []}, "tokens": [0]}"#, "`y`"),
        (r#"{"type": "direction", "amount": 1}"#, "vector"),
        (
            r#"{"type": "direction", "name": "a", "vector": [1], "amount": 1}"#,
            "not both",
        ),
        (
            r#"{"type": "direction", "name": "a", "amount": 1, "speed": 2}"#,
            "speed",
        ),
        (
            r#"{"type": "blend", "with": "a", "tokens": [0], "t": 0, "mode": "cubic"}"#,
            "cubic",
        ),
    ] {
        let message = serde_json::from_str::<Edit>(text).unwrap_err().to_string();
        assert!(message.contains(expected), "{text}: {message}");
    }
}
