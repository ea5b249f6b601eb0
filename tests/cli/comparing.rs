//! `compare --models`: several models on one picture and on many.

use crate::run;
use crate::support::{entries, fixture_model, sample};
use softscope::picture;
use std::path::Path;

fn two_models(small: &Path) -> String {
    format!("softscope-32,{}", small.display())
}

#[test]
fn models_of_different_sizes_are_each_measured_at_their_own() {
    let small = fixture_model("a3_softvq_nol2");
    let folder = tempfile::tempdir().unwrap();
    let (csv, sheet) = (folder.path().join("c.csv"), folder.path().join("s.png"));
    let models = two_models(small.path());
    let json = run![
        "compare",
        sample("cat.jpg"),
        "--models",
        models,
        "--csv",
        csv,
        "--sheet",
        sheet,
        "--json"
    ]
    .json();
    let results = json["results"].as_array().unwrap();
    let sides: Vec<u64> = results
        .iter()
        .map(|row| row["side_px"].as_u64().unwrap())
        .collect();
    assert_eq!(results.len(), 2);
    assert!(sides[0] == 128 && sides[1] != 128, "{sides:?}");
    // The same figures as alone.
    let out = folder.path().join("out");
    for (row, model) in results.iter().zip(models.split(',')) {
        let alone = run![
            "reconstruct",
            sample("cat.jpg"),
            "--model",
            model,
            "--out",
            out,
            "--json"
        ]
        .json();
        for figure in ["psnr_db", "ssim", "ssim_paper", "mse"] {
            assert_eq!(row[figure], alone["pictures"][0][figure], "{model} {figure}");
        }
    }
    assert!(json["sizes"].as_str().unwrap().contains("its own size"));
    assert_eq!(std::fs::read_to_string(&csv).unwrap().lines().count(), 3);
    let sheet = picture::open(&sheet).unwrap();
    assert!(sheet.width() > 3 * 300 && sheet.height() > 300);
    assert_eq!(
        entries(folder.path()),
        ["c.csv", "out", "s.png"],
        "nothing half written"
    );
}

#[test]
fn a_folder_has_a_line_a_picture_and_model_and_their_mean_and_deviation() {
    let small = fixture_model("a3_softvq_nol2");
    let folder = tempfile::tempdir().unwrap();
    let pictures = folder.path().join("in");
    std::fs::create_dir(&pictures).unwrap();
    for name in ["cat.jpg", "dog.jpg"] {
        std::fs::copy(sample(name), pictures.join(name)).unwrap();
    }
    let csv = folder.path().join("c.csv");
    let models = two_models(small.path());
    let run = run![
        "compare",
        pictures,
        sample("bay.jpg"),
        "--models",
        models,
        "--csv",
        csv,
        "--json"
    ]
    .json();
    let order: Vec<&str> = run["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["picture"].as_str().unwrap())
        .collect();
    assert_eq!(
        order,
        ["cat.jpg", "cat.jpg", "dog.jpg", "dog.jpg", "bay.jpg", "bay.jpg"]
    );
    let psnr: Vec<f64> = run["results"]
        .as_array()
        .unwrap()
        .iter()
        .step_by(2)
        .map(|row| row["psnr_db"].as_f64().unwrap())
        .collect();
    let mean = psnr.iter().sum::<f64>() / 3.0;
    let deviation = (psnr.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 2.0).sqrt();
    let summary = &run["models"][0];
    assert_eq!(summary["pictures"], 3);
    assert!((summary["mean"]["psnr_db"].as_f64().unwrap() - mean).abs() < 1e-9);
    assert!((summary["deviation"]["psnr_db"].as_f64().unwrap() - deviation).abs() < 1e-9);

    let text = std::fs::read_to_string(&csv).unwrap();
    let kinds: Vec<&str> = text.lines().filter_map(|line| line.split(',').next()).collect();
    assert_eq!(kinds.len(), 1 + 6 + 4, "{text}");
    assert_eq!(kinds[7..], ["mean", "deviation", "mean", "deviation"]);
    let first_mean: f64 = text
        .lines()
        .nth(7)
        .unwrap()
        .split(',')
        .nth(8)
        .unwrap()
        .parse()
        .unwrap();
    assert!((first_mean - mean).abs() < 1e-9);
}

#[test]
fn the_table_names_conventions_and_sizes() {
    let text = run![
        "compare",
        sample("cat.jpg"),
        sample("dog.jpg"),
        "--models",
        "softscope-32",
        "--quiet"
    ]
    .ok();
    assert_eq!(text.stderr, "");
    for words in [
        "SSIM (paper)",
        "data range 2",
        "its own size",
        "rFID is not",
        "mean",
        "deviation",
        "32 x 64",
    ] {
        assert!(text.stdout.contains(words), "{words} in {}", text.stdout);
    }
}

#[test]
fn what_cannot_be_compared_is_refused_before_any_work() {
    let folder = tempfile::tempdir().unwrap();
    let (map, csv) = (folder.path().join("m.png"), folder.path().join("c.csv"));
    let (cat, dog) = (sample("cat.jpg"), sample("dog.jpg"));
    run!["compare", cat, "--models", "a,b,c,d,e"].fails(2, &["at most 4"]);
    run!["compare", cat, dog, "--models", "softscope-32", "--map", map].fails(2, &["--map", "--sheet"]);
    run!["compare", cat].fails(2, &["two pictures", "--models"]);
    run!["compare", cat, dog, cat].fails(2, &["two pictures", "not 3"]);
    assert_eq!(run!["compare", cat, dog, "--csv", csv].code, Some(2));
    run![
        "compare",
        cat,
        "--models",
        "softscope-32,nothing-64",
        "--csv",
        csv
    ]
    .fails(1, &["nothing-64"]);
    assert_eq!(entries(folder.path()), Vec::<String>::new());
}

/// A model whose files are there and whose weights do not fit.
fn broken_model() -> tempfile::TempDir {
    let model = fixture_model("a3_softvq_nol2");
    let config = model.path().join("config.json");
    let mut args: serde_json::Value = serde_json::from_slice(&std::fs::read(&config).unwrap()).unwrap();
    args["num_latent_tokens"] = 1024.into();
    std::fs::write(&config, args.to_string()).unwrap();
    model
}

#[test]
fn a_model_that_fails_costs_the_others_nothing() {
    let broken = broken_model();
    let name = broken.path().display().to_string();
    let folder = tempfile::tempdir().unwrap();
    let (csv, sheet, map) = (
        folder.path().join("c.csv"),
        folder.path().join("s.png"),
        folder.path().join("m.png"),
    );
    let models = format!("{name},softscope-32");
    let cat = sample("cat.jpg");
    let run = run![
        "compare", cat, "--models", models, "--csv", csv, "--sheet", sheet, "--map", map, "--json", "--quiet"
    ];
    let stdout = run.fails_after_results(1, &["1 of 2 models", &name]);
    let json: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    let results = json["results"].as_array().unwrap();
    assert_eq!(results.len(), 2);
    assert!(results[0]["psnr_db"].as_f64().unwrap() > 10.0 && results[0]["error"].is_null());
    assert_eq!(results[1]["name"], name);
    assert!(results[1]["error"].as_str().unwrap().contains("latent"), "{json}");
    assert_eq!(json["models"][1]["error"], results[1]["error"]);
    assert_eq!(entries(folder.path()), ["c.csv", "m.png", "s.png"]);
    let text = std::fs::read_to_string(&csv).unwrap();
    let kinds: Vec<&str> = text.lines().filter_map(|line| line.split(',').next()).collect();
    assert_eq!(kinds, ["kind", "picture", "failed"], "{text}");

    let table = run!["compare", cat, sample("dog.jpg"), "--models", models, "--quiet"];
    let table = table.fails_after_results(1, &["1 of 2 models"]);
    let row = table.lines().find(|line| line.starts_with("failed")).unwrap();
    assert!(row.contains(&name) && row.contains("latent"), "{table}");
}

#[test]
fn models_that_all_fail_are_all_named_and_no_pictures_are_written() {
    let (first, second) = (broken_model(), broken_model());
    let names = [first.path(), second.path()].map(|path| path.display().to_string());
    let folder = tempfile::tempdir().unwrap();
    let (csv, sheet) = (folder.path().join("c.csv"), folder.path().join("s.png"));
    let models = names.join(",");
    let run = run![
        "compare",
        sample("cat.jpg"),
        "--models",
        models,
        "--csv",
        csv,
        "--sheet",
        sheet,
        "--json",
        "--quiet"
    ];
    let stdout = run.fails_after_results(1, &["2 of 2 models", &names[0], &names[1]]);
    let json: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(json["results"].as_array().unwrap().len(), 2);
    assert!(json["sheet"].is_null());
    assert_eq!(entries(folder.path()), ["c.csv"]);
}

#[test]
fn a_picture_that_cannot_be_read_is_nobody_elses_fault() {
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("half.png");
    std::fs::write(&picture, b"half").unwrap();
    run!["compare", picture, "--models", "softscope-32"].fails(1, &["half.png"]);
}

#[test]
fn a_sheet_is_no_input() {
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("cat.png");
    std::fs::write(
        &picture,
        picture::to_png(&picture::open(&sample("cat.jpg")).unwrap(), &[]).unwrap(),
    )
    .unwrap();
    run!["compare", picture, "--models", "softscope-32", "--sheet", picture].fails(1, &["cat.png", "input"]);
}

#[test]
fn a_memory_limit_is_an_amount_with_a_unit() {
    run!["models", "list", "--memory-limit", "2GiB"].ok();
    let run = run!["models", "list", "--memory-limit", "much"];
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("such as 6GiB"), "{}", run.stderr);
}
