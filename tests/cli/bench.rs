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
        let batch = &model["batch"];
        assert_eq!(batch["positions"], model["previewed_drag"]["positions_ahead"]);
        let of = |side: &str, figure: &str| batch[side][figure].as_f64().unwrap();
        for (ratio, figure) in [("speed_ratio", "best_ms"), ("median_ratio", "median_ms")] {
            assert!(of("together", figure) > 0.0);
            let expected = of("one_by_one", figure) / of("together", figure);
            assert!((batch[ratio].as_f64().unwrap() / expected - 1.0).abs() < 1e-9);
        }
        assert_eq!(batch["together"]["runs"], batch["one_by_one"]["runs"]);
        let load = &model["load"];
        assert_eq!(load["cold"].is_null(), !cfg!(target_os = "linux"));
        for turns in [&load["warm"], &load["cold"]]
            .into_iter()
            .filter(|turns| !turns.is_null())
        {
            let median_ms = |what: &str| turns[what]["median_ms"].as_f64().unwrap();
            let expected = median_ms("load") / median_ms("read");
            assert!((turns["of_read"].as_f64().unwrap() / expected - 1.0).abs() < 1e-9);
        }
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
        "9 positions in one batch",
        "weights in the file cache: read once",
        "one by one",
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

/// Every model is named on stderr before it is measured: a message that stands there alone came before.
#[test]
fn what_stands_in_the_way_is_told_before_anything_is_measured() {
    let models = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let folder = tempfile::tempdir().unwrap();
    let cut_off = folder.path().join("cut-off");
    std::fs::create_dir(&cut_off).unwrap();
    let of_generator = models.join("softscope-sit");
    std::fs::copy(of_generator.join("config.json"), cut_off.join("config.json")).unwrap();
    let weights = std::fs::read(of_generator.join("model.safetensors")).unwrap();
    std::fs::write(cut_off.join("model.safetensors"), &weights[..weights.len() / 2]).unwrap();

    let generator = |path: &std::path::Path| run!["bench", "--generator", path];
    generator(&folder.path().join("nothing")).fails(1, &["nothing"]);
    generator(&models.join("softscope-32")).fails(1, &["softscope-32", "config.json"]);
    generator(&cut_off).fails(1, &["cut-off", "not fully downloaded"]);

    let model = |path: &std::path::Path| run!["bench", "--model", "softscope-32", "--model", path];
    model(&of_generator).fails(1, &["softscope-sit", "not a tokenizer"]);
    run!["bench", "--device", "metal"].fails(1, &["Metal", "cpu"]);
}

#[cfg(unix)]
#[test]
fn a_python_that_is_none_is_told_before_anything_is_measured() {
    use std::os::unix::fs::PermissionsExt as _;
    let with = |python: &std::path::Path| run!["bench", "--against", python];
    with("/nowhere/python".as_ref()).fails(1, &["/nowhere/python", "--against"]);
    // A program that ends at once.
    with("true".as_ref()).fails(1, &["PyTorch's side ended", "it said nothing"]);
    let folder = tempfile::tempdir().unwrap();
    let bare = folder.path().join("python");
    let program = "#!/bin/sh\necho \"ModuleNotFoundError: No module named 'torch'\" >&2\nexit 1\n";
    std::fs::write(&bare, program).unwrap();
    std::fs::set_permissions(&bare, std::fs::Permissions::from_mode(0o755)).unwrap();
    with(&bare).fails(1, &["No module named 'torch'", "torch and numpy"]);
}

/// Compares with PyTorch where `SOFTSCOPE_TEST_PYTHON` names a Python that has it.
#[test]
fn pytorch_gives_the_same_and_is_timed_beside_ours() {
    let Some(python) = std::env::var_os("SOFTSCOPE_TEST_PYTHON") else {
        eprintln!("SKIPPED: SOFTSCOPE_TEST_PYTHON names no Python, nothing was compared with PyTorch");
        return;
    };
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let generators = [
        "models/softscope-sit",
        "tests/fixtures/goldens/c2_sit_1d_qknorm",
        "../shared/goldens/gen/c1_sit_1d",
        "../shared/goldens/gen/c3_sit_2d",
        "../shared/goldens/gen/c4_dit_1d",
    ];
    for generator in generators.map(|path| folder.join(path)) {
        if !generator.is_dir() {
            eprintln!("SKIPPED: {} is not here", generator.display());
            continue;
        }
        let json = run![
            "bench",
            "--seconds",
            "0",
            "--drag",
            "1",
            "--threads",
            "1",
            "--generator",
            generator,
            "--against",
            python,
            "--json",
            "--quiet"
        ]
        .json();
        let of_model = &json["models"][0]["against"];
        for (compared, stages) in [
            (of_model, &["encode", "decode"][..]),
            (&json["generator"]["against"], &["evaluate"][..]),
        ] {
            let precisions: Vec<_> = compared
                .as_array()
                .unwrap()
                .iter()
                .map(|comparison| comparison["precision"].as_str().unwrap())
                .collect();
            assert_eq!(precisions, ["f32", "bf16"]);
            for comparison in compared.as_array().unwrap() {
                let names: Vec<_> = comparison["stages"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|stage| stage["stage"].as_str().unwrap())
                    .collect();
                assert_eq!(names, stages);
                assert!(comparison["their_peak_bytes"].as_u64().unwrap() > 0);
                for stage in comparison["stages"].as_array().unwrap() {
                    let best = |side: &str| stage[side]["best_ms"].as_f64().unwrap();
                    let ratio = stage["speed_ratio"].as_f64().unwrap();
                    assert!((ratio * best("ours") / best("theirs") - 1.0).abs() < 1e-9);
                }
            }
        }
    }
}
