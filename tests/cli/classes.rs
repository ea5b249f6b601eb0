//! Models whose tokens are no mixtures, through the program: what encode writes and inspect tells, and which edits act.

use crate::run;
use crate::support::*;
use std::path::PathBuf;

const SETS: [&str; 3] = ["a4_kl16_vit", "a5_vq16_vit", "a6c_ae_movq_ape"];

/// The set's pictures encoded by the program.
fn encoded(golden: &Golden, folder: &tempfile::TempDir) -> PathBuf {
    let out = folder.path().join("tokens.safetensors");
    run![
        "encode",
        golden.io,
        "--out",
        out,
        "--weights",
        "--model",
        golden.model.path()
    ]
    .ok();
    out
}

#[test]
fn encode_writes_what_the_class_has() {
    for (set, keys) in SETS.into_iter().zip([
        &["h", "logvar", "mean", "z"][..],
        &["h", "indices", "z"],
        &["h", "z"],
    ]) {
        let Some(golden) = golden(set) else { return };
        let folder = tempfile::tempdir().unwrap();
        let (found, expected) = (
            Tensors::open(&encoded(&golden, &folder)),
            Tensors::open(&golden.io),
        );
        assert_eq!(found.keys(), keys, "{set}");
        for (key, reference, tolerance) in [
            ("h", "h", 2e-5),
            ("z", "z", 1e-5),
            ("mean", "kl.mean", 1e-5),
            ("logvar", "kl.logvar", 2e-5),
        ] {
            if keys.contains(&key) {
                assert_eq!(found.shape(key), expected.shape(reference), "{set} {key}");
                assert_close(key, &found.f32(key), &expected.f32(reference), tolerance);
            }
        }
        if keys.contains(&"indices") {
            assert_eq!(found.i64("indices"), expected.i64("vq.indices"));
        }
        let dec = folder.path().join("dec.safetensors");
        run!["decode", golden.io, "--out", dec, "--model", golden.model.path()].ok();
        assert_close("dec", &Tensors::open(&dec).f32("dec"), &expected.f32("dec"), 5e-5);
    }
}

#[test]
fn edits_of_values_equal_the_reference_in_every_class() {
    for set in SETS {
        let Some(golden) = golden(set) else { return };
        let folder = tempfile::tempdir().unwrap();
        let tokens = encoded(&golden, &folder);
        let expected = Tensors::open(&golden.io);
        let edits = &golden.meta["edits"];
        let first = format!("{}#0", tokens.display());
        for (name, edit) in [
            (
                "swap",
                serde_json::json!({"type": "swap", "a": edits["swap"][0], "b": edits["swap"][1]}),
            ),
            (
                "zero",
                serde_json::json!({"type": "zero", "tokens": [edits["zero"]]}),
            ),
        ] {
            let recipe = folder.path().join("recipe.json");
            std::fs::write(
                &recipe,
                serde_json::json!({"softscope_recipe": 1, "edits": [edit]}).to_string(),
            )
            .unwrap();
            let out = folder.path().join(format!("{name}.safetensors"));
            run![
                "edit",
                first,
                "--recipe",
                recipe,
                "--out",
                out,
                "--model",
                golden.model.path()
            ]
            .ok();
            let z = Tensors::open(&out).f32("z");
            assert_close(name, &z, &expected.f32(&format!("edit.{name}.z")), 1e-5);
        }
    }
}

#[test]
fn edits_that_a_class_lacks_are_refused_and_a_kl_model_samples() {
    let temperature = serde_json::json!({"type": "temperature", "tokens": [1], "tau": 0.1});
    let sample = serde_json::json!({"type": "sample", "tokens": [1, 4], "amount": 1.0, "seed": 3});
    for (set, edit, words) in [
        ("a4_kl16_vit", &temperature, Some("class is KL")),
        ("a5_vq16_vit", &temperature, Some("class is VQ")),
        ("a6c_ae_movq_ape", &temperature, Some("class is AE")),
        ("a6c_ae_movq_ape", &sample, Some("sample needs")),
        ("a4_kl16_vit", &sample, None),
    ] {
        let Some(golden) = golden(set) else { return };
        let folder = tempfile::tempdir().unwrap();
        let tokens = encoded(&golden, &folder);
        let (recipe, out) = (
            folder.path().join("r.json"),
            folder.path().join("out.safetensors"),
        );
        std::fs::write(
            &recipe,
            serde_json::json!({"softscope_recipe": 1, "edits": [edit]}).to_string(),
        )
        .unwrap();
        let first = format!("{}#0", tokens.display());
        let ran = run![
            "edit",
            first,
            "--recipe",
            recipe,
            "--out",
            out,
            "--model",
            golden.model.path()
        ];
        let Some(words) = words else {
            ran.ok();
            let (before, after) = (Tensors::open(&tokens), Tensors::open(&out).f32("z"));
            let dim = before.shape("z")[2];
            for (token, (mean, now)) in before.f32("mean").chunks(dim).zip(after.chunks(dim)).enumerate() {
                assert_eq!(mean != now, [1, 4].contains(&token), "token {token}");
            }
            continue;
        };
        ran.fails(1, &[words]);
        assert!(!out.exists());
    }
}

#[test]
fn inspect_tells_what_the_class_has() {
    for set in SETS {
        let Some(golden) = golden(set) else { return };
        let folder = tempfile::tempdir().unwrap();
        let tokens = encoded(&golden, &folder);
        let csv = folder.path().join("tokens.csv");
        let arguments = ["inspect", tokens.to_str().unwrap(), "--top", "3", "--model"].map(str::to_owned);
        let model = golden.model.path().to_str().unwrap().to_owned();
        let text = run(arguments.iter().chain([&model])).ok().stdout;
        let extra = ["--json", "--csv", csv.to_str().unwrap()].map(str::to_owned);
        let json = run(arguments.iter().chain([&model]).chain(&extra)).json();
        let io = Tensors::open(&golden.io);
        let dim = io.shape("z")[2];
        let rows = json["tokens"].as_array().unwrap();
        assert_eq!(rows.len(), io.f32("z").len() / dim);
        let number = |row: &serde_json::Value, key: &str| row[key].as_f64().unwrap();
        let indices = (set == SETS[1]).then(|| io.i64("vq.indices"));
        for (index, row) in rows.iter().enumerate() {
            let z = &io.f32("z")[index * dim..(index + 1) * dim];
            let norm = z.iter().map(|value| value * value).sum::<f32>().sqrt();
            assert!((number(row, "norm") - f64::from(norm)).abs() < 1e-5, "{row}");
            if let Some(indices) = &indices {
                assert_eq!(row["codeword"].as_i64(), Some(indices[index]));
                assert_eq!(row["nearest"], row["codeword"]);
                let margin = number(row, "second_distance").powi(2) - number(row, "distance").powi(2);
                assert!(
                    (margin - f64::from(io.f32("vq.margin")[index])).abs() < 1e-4,
                    "{row}"
                );
                assert_eq!(row["top"].as_array().unwrap().len(), 3);
            }
        }
        if set == SETS[0] {
            for (picture, expected) in io.f32("kl.per_image").into_iter().enumerate() {
                let of_picture = rows.iter().filter(|row| row["picture"] == picture);
                let found: f64 = of_picture.map(|row| number(row, "kl_nats")).sum();
                assert!(
                    (found - f64::from(expected)).abs() < 1e-5 * f64::from(expected),
                    "{found}, {expected}"
                );
            }
            let deviations = io.f32("kl.std");
            let mean =
                deviations.iter().map(|value| f64::from(*value)).sum::<f64>() / deviations.len() as f64;
            assert!((number(&json["mean"], "deviation") - mean).abs() < 1e-5);
        }
        let written = std::fs::read_to_string(&csv).unwrap();
        let lines: Vec<Vec<&str>> = written.lines().map(|line| line.split(',').collect()).collect();
        assert_eq!(lines.len(), rows.len() + 1);
        assert!(lines.iter().all(|line| line.len() == lines[0].len()), "{written}");
        let norm = lines[0].iter().position(|header| *header == "norm").unwrap();
        let first: f64 = lines[1][norm].parse().unwrap();
        // A JSON reader may be off by the last bit.
        assert!((first - number(&rows[0], "norm")).abs() < 1e-12 * first);
        assert!(text.contains(&format!("{first:.5}")), "{text}");
    }
}

#[test]
fn check_tells_the_class() {
    for (set, class) in SETS.into_iter().zip(["KL", "VQ", "AE"]) {
        let Some(golden) = golden(set) else { return };
        let json = run!["models", "check", golden.model.path(), "--json"].json();
        assert!(
            json.to_string().to_uppercase().contains(&format!("\"{class}\"")),
            "{json}"
        );
    }
}
