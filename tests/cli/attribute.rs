//! `attribute` against the reference's own decode without a token, and its files.

use crate::run;
use crate::support::{Tensors, assert_close, entries, golden, sample};

#[test]
fn influence_is_the_reference_decode_minus_its_decode_without_the_token() {
    for set in ["a1_softvq_k1", "a2_softvq_k4"] {
        let Some(golden) = golden(set) else { return };
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("influence");
        run![
            "attribute",
            golden.io,
            "--ablation",
            "zero",
            "--out",
            out,
            "--model",
            golden.model.path(),
            "--quiet"
        ]
        .ok();
        let io = Tensors::open(&golden.io);
        let token = golden.meta["edits"]["zero"].as_u64().unwrap() as usize;
        let (whole, without) = (io.f32("dec"), io.f32("edit.zero.dec"));
        let values = without.len();
        let expected: Vec<f32> = whole[..values].iter().zip(&without).map(|(a, b)| a - b).collect();

        let found = Tensors::open(&out.join("influence.safetensors"));
        let [count, channels, height, width] = found.shape("signed")[..] else {
            panic!("four axes")
        };
        assert_eq!((count, channels), (io.shape("z")[1], 3));
        assert_eq!(found.shape("influence"), [count, height, width]);
        let signed = found.f32("signed");
        assert_close(
            set,
            &signed[token * values..(token + 1) * values],
            &expected,
            1e-4,
        );
        let pixels = height * width;
        let magnitude: Vec<f32> = (0..pixels)
            .map(|pixel| {
                (0..3)
                    .map(|channel| expected[channel * pixels + pixel].abs())
                    .sum::<f32>()
                    / 3.0
            })
            .collect();
        let influence = found.f32("influence");
        assert_close(
            set,
            &influence[token * pixels..(token + 1) * pixels],
            &magnitude,
            1e-4,
        );
    }
}

#[test]
fn a_sheet_a_table_and_a_ranking_of_all_tokens_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("influence");
    let json = run!["attribute", sample("city.jpg"), "--out", out, "--json"].json();
    assert_eq!(
        entries(&out),
        ["influence.csv", "influence.png", "influence.safetensors"]
    );
    let tokens = json["tokens"].as_array().unwrap();
    assert_eq!(tokens.len(), 32);
    let changes: Vec<f64> = tokens
        .iter()
        .map(|token| token["mean_change"].as_f64().unwrap())
        .collect();
    assert!(changes.is_sorted_by(|a, b| a >= b), "{changes:?}");
    assert!(
        *changes.last().unwrap() > 0.0,
        "every token of the shipped model counts"
    );
    let shares: f64 = tokens.iter().map(|token| token["share"].as_f64().unwrap()).sum();
    assert!((shares - 1.0).abs() < 1e-9);
    let csv = std::fs::read_to_string(out.join("influence.csv")).unwrap();
    assert_eq!(csv.lines().count(), 33);
    let sheet = softscope::picture::open(&out.join("influence.png")).unwrap();
    assert!(sheet.width() > 8 * 128 && sheet.height() > 4 * 128);
}

#[test]
fn noise_is_the_same_for_the_same_seed_and_a_bad_strength_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let table = |seed: &str| {
        let out = folder.path().join(seed);
        run![
            "attribute",
            sample("city.jpg"),
            "--ablation",
            "noise",
            "--seed",
            seed,
            "--out",
            out
        ]
        .ok()
        .stdout
    };
    assert_eq!(table("1"), table("1"));
    assert_ne!(table("1"), table("2"));
    let out = folder.path().join("bad");
    run![
        "attribute",
        sample("city.jpg"),
        "--ablation",
        "noise",
        "--sigma=-1",
        "--out",
        out
    ]
    .fails(1, &["sigma"]);
    assert!(!out.exists());
}
