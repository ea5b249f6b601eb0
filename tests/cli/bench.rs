//! `bench` measures what it says, in the form it says; no figure is judged here.

use crate::run;
use crate::support::sample;

#[test]
fn a_bench_tells_stages_rates_and_the_drag_of_every_model_given() {
    let models = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("models/softscope-32");
    let json = run![
        "bench",
        "--model",
        "softscope-32",
        "--model",
        models,
        "--seconds",
        "0",
        "--drag",
        "3",
        "--threads",
        "1",
        "--json"
    ]
    .json();
    let measured = json["models"].as_array().unwrap();
    assert_eq!(measured.len(), 2);
    for model in measured {
        assert_eq!(model["threads"], 1);
        assert!(model["peak_gflop_per_s"].as_f64().unwrap() > 0.0);
        let stages = model["stages"].as_array().unwrap();
        let names: Vec<_> = stages
            .iter()
            .map(|stage| stage["stage"].as_str().unwrap())
            .collect();
        let has_preview = !model["preview_peak_gop_per_s"].is_null();
        let mut expected = vec!["load", "encode", "decode", "preview", "edit"];
        expected.retain(|name| has_preview || *name != "preview");
        assert_eq!(names, expected);
        for stage in stages {
            let best_ms = stage["best_ms"].as_f64().unwrap();
            assert!(best_ms > 0.0 && best_ms <= stage["median_ms"].as_f64().unwrap());
            assert!(stage["runs"].as_u64().unwrap() >= 3);
            if let Some(gflop) = stage["gflop"].as_f64() {
                let rate = stage["gflop_per_s"].as_f64().unwrap();
                assert!((rate * best_ms / 1e3 / gflop - 1.0).abs() < 1e-9);
            }
        }
        let drag = &model["drag"];
        assert_eq!(drag["positions"], 3);
        let counted: u64 = drag["histogram"]
            .as_array()
            .unwrap()
            .iter()
            .map(|bin| bin[1].as_u64().unwrap())
            .sum();
        assert_eq!(counted, 3);
    }
}

#[test]
fn a_bench_without_json_is_a_table() {
    let run = run!["bench", "--seconds", "0", "--drag", "1", "--threads", "1"].ok();
    for word in [
        "stage",
        "encode",
        "decode",
        "GFLOP/s",
        "of peak",
        "drag of 1 positions",
    ] {
        assert!(run.stdout.contains(word), "`{word}` is not in:\n{}", run.stdout);
    }
}

#[test]
fn other_commands_take_one_model() {
    let out = tempfile::tempdir().unwrap();
    run![
        "encode",
        sample("cat.jpg"),
        "--model",
        "a",
        "--model",
        "b",
        "--out",
        out.path().join("t.safetensors")
    ]
    .fails(2, &["--model"]);
}

#[test]
fn a_python_that_is_none_is_named() {
    let with = |python: &str| {
        run![
            "bench",
            "--seconds",
            "0",
            "--drag",
            "1",
            "--threads",
            "1",
            "--precision",
            "f32",
            "--against",
            python,
            "--quiet"
        ]
    };
    with("/nowhere/python").fails(1, &["/nowhere/python", "--against"]);
    // A program that ends at once.
    with("true").fails(1, &["PyTorch's side ended"]);
}
