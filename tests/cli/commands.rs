//! The commands on the model and the photographs that ship.

use crate::run;
use crate::support::{Tensors, assert_close, entries, sample};
use softscope::picture;
use std::path::Path;

fn write_recipe(folder: &Path, edits: &serde_json::Value) -> std::path::PathBuf {
    let path = folder.join("recipe.json");
    std::fs::write(
        &path,
        serde_json::json!({ "softscope_recipe": 1, "edits": edits }).to_string(),
    )
    .unwrap();
    path
}

#[test]
fn a_folder_of_pictures_becomes_tokens_in_the_order_of_names() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = folder.path().join("in");
    std::fs::create_dir(&pictures).unwrap();
    for name in ["dog.jpg", "cat.jpg"] {
        std::fs::copy(sample(name), pictures.join(name)).unwrap();
    }
    std::fs::write(pictures.join("notes.txt"), "no picture").unwrap();
    let out = folder.path().join("tokens.safetensors");
    let run = run!["encode", pictures, sample("bay.jpg"), "--out", out].ok();
    assert_eq!(run.stdout, "", "only results go to stdout");

    let tokens = Tensors::open(&out);
    assert_eq!(tokens.keys(), ["h", "indices", "z"]);
    assert_eq!(tokens.shape("z"), [3, 32, 64]);
    assert_eq!(tokens.shape("indices"), [3, 32]);
    assert_eq!(
        tokens.metadata("names").as_deref(),
        Some(r#"["cat.jpg","dog.jpg","bay.jpg"]"#)
    );

    // A picture's tokens do not depend on its company.
    let alone = folder.path().join("alone.safetensors");
    run!["encode", sample("bay.jpg"), "--out", alone, "--quiet"].ok();
    let (together, alone) = (tokens.f32("z"), Tensors::open(&alone).f32("z"));
    assert_close("bay", &together[2 * alone.len()..], &alone, 5e-6);
}

#[test]
fn reconstruct_writes_pictures_and_figures() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let json = run![
        "reconstruct",
        sample("cat.jpg"),
        sample("bay.jpg"),
        "--out",
        out,
        "--json"
    ]
    .json();
    assert_eq!(entries(&out), ["bay.png", "cat.png"]);
    let crop = picture::fit(
        &picture::open(&sample("cat.jpg")).unwrap(),
        128,
        picture::Fit::Crop,
    );
    let expected =
        softscope::analysis::compare(&crop, &picture::open(&out.join("cat.png")).unwrap()).unwrap();
    let cat = &json["pictures"][0];
    assert!((cat["psnr_db"].as_f64().unwrap() - expected.psnr_db).abs() < 1e-9);
    assert!((cat["ssim_paper"].as_f64().unwrap() - expected.ssim_paper).abs() < 1e-9);
    assert!(
        expected.psnr_db > 15.0,
        "a reconstruction of the cat, not of anything else: {expected:?}"
    );
    let mean = json["mean"]["mse"].as_f64().unwrap();
    let both = cat["mse"].as_f64().unwrap() + json["pictures"][1]["mse"].as_f64().unwrap();
    assert!((mean - both / 2.0).abs() < 1e-12);

    let table = run!["reconstruct", sample("cat.jpg"), "--out", out, "--quiet"].ok();
    assert!(
        table.stdout.contains("PSNR dB") && table.stdout.contains("data range 2"),
        "{}",
        table.stdout
    );
    assert_eq!(table.stderr, "");
}

#[test]
fn inspect_shows_the_same_in_text_csv_and_json() {
    let folder = tempfile::tempdir().unwrap();
    let csv = folder.path().join("tokens.csv");
    let arguments = [
        "inspect",
        sample("cat.jpg").to_str().unwrap(),
        "--token",
        "5",
        "--token",
        "7-8",
        "--top",
        "2",
    ]
    .map(String::from);
    let text = crate::support::run(&arguments).ok().stdout;
    let json = crate::support::run(arguments.iter().map(String::as_str).chain([
        "--json",
        "--csv",
        csv.to_str().unwrap(),
    ]))
    .json();
    let tokens = json["tokens"].as_array().unwrap();
    assert_eq!(
        tokens
            .iter()
            .map(|token| token["token"].as_u64().unwrap())
            .collect::<Vec<_>>(),
        [5, 7, 8]
    );
    let written = std::fs::read_to_string(&csv).unwrap();
    let rows: Vec<Vec<&str>> = written.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.len(), 4);
    assert!(rows.iter().all(|row| row.len() == rows[0].len()), "{written}");
    let column = |name: &str| rows[0].iter().position(|header| *header == name).unwrap();
    for (token, row) in tokens.iter().zip(&rows[1..]) {
        let entropy: f64 = row[column("entropy_nats")].parse().unwrap();
        assert!((token["entropy_nats"].as_f64().unwrap() - entropy).abs() < 1e-9);
        assert_eq!(
            token["top"][0]["codeword"].to_string(),
            row[column("top1_codeword")]
        );
        assert!(text.contains(&format!("{entropy:.4}")), "{text}");
    }
}

#[test]
fn tokens_inspect_like_the_picture_they_came_from() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.safetensors");
    run!["encode", sample("dog.jpg"), "--out", file].ok();
    let [from_picture, from_tokens] =
        [sample("dog.jpg"), file].map(|input| run!["inspect", input, "--json"].json());
    let pairs = from_picture["tokens"]
        .as_array()
        .unwrap()
        .iter()
        .zip(from_tokens["tokens"].as_array().unwrap());
    for (a, b) in pairs {
        assert_eq!(a["top"][0]["codeword"], b["top"][0]["codeword"]);
        assert!((a["entropy_nats"].as_f64().unwrap() - b["entropy_nats"].as_f64().unwrap()).abs() < 1e-3);
        assert_eq!(b["mixture"], "posterior");
    }
}

#[test]
fn a_recipe_picture_replays_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let edits = serde_json::json!([
        { "type": "swap", "a": 2, "b": 13 },
        { "type": "copy", "from": sample("dog.jpg"), "tokens": [4, 5], "to": [6, 7] },
        { "type": "noise", "tokens": [1], "sigma": 0.5, "seed": 7 },
    ]);
    let recipe = write_recipe(folder.path(), &edits);
    let [first, again, jpeg, replayed] =
        ["first.png", "again.png", "edited.jpg", "replayed.png"].map(|name| folder.path().join(name));
    run!["edit", sample("cat.jpg"), "--recipe", recipe, "--out", first].ok();
    run!["edit", first, "--out", again].ok();
    let bytes = std::fs::read(&first).unwrap();
    assert_eq!(bytes, std::fs::read(&again).unwrap());

    run!["edit", first, "--out", jpeg].ok();
    run!["edit", jpeg, "--out", replayed].ok();
    assert_eq!(bytes, std::fs::read(&replayed).unwrap());
    run!["edit", sample("cat.jpg"), "--recipe", jpeg, "--out", replayed].ok();
    assert_eq!(bytes, std::fs::read(&replayed).unwrap());
}

#[test]
fn an_edit_changes_only_what_it_names() {
    let folder = tempfile::tempdir().unwrap();
    let recipe = write_recipe(
        folder.path(),
        &serde_json::json!([{ "type": "swap", "a": 2, "b": 13 }]),
    );
    let [plain, edited] = ["plain.safetensors", "edited.safetensors"].map(|name| folder.path().join(name));
    run!["encode", sample("cat.jpg"), "--out", plain].ok();
    run!["edit", sample("cat.jpg"), "--recipe", recipe, "--out", edited].ok();
    let (plain, edited) = (Tensors::open(&plain).f32("z"), Tensors::open(&edited));
    assert_eq!(edited.shape("z"), [1, 32, 64]);
    let mut expected: Vec<&[f32]> = plain.chunks(64).collect();
    expected.swap(2, 13);
    assert_eq!(edited.f32("z"), expected.concat());
}

#[test]
fn interpolation_takes_every_form() {
    let folder = tempfile::tempdir().unwrap();
    let ends = [sample("cat.jpg"), sample("dog.jpg")];
    let write = |name: &str, mode: &str| {
        let out = folder.path().join(name);
        run![
            "interpolate",
            ends[0],
            ends[1],
            "--frames",
            "3",
            "--mode",
            mode,
            "--out",
            out
        ]
        .ok();
        out
    };
    let frames = write("frames", "linear");
    assert_eq!(entries(&frames).len(), 3);
    let strip = picture::open(&write("strip.png", "linear")).unwrap();
    assert_eq!((strip.width(), strip.height()), (3 * 128, 128));
    let first = picture::open(&frames.join(&entries(&frames)[0])).unwrap();
    assert_eq!(strip.pixel(5, 9), first.pixel(5, 9));
    for name in ["film.gif", "film.apng"] {
        let film = picture::open(&write(name, "slerp")).unwrap();
        assert_eq!((film.width(), film.height()), (128, 128), "{name}");
    }
    let z = Tensors::open(&write("between.safetensors", "slerp"));
    assert_eq!(z.shape("z"), [3, 32, 64]);
}

#[test]
fn compare_measures_pictures_and_models() {
    let folder = tempfile::tempdir().unwrap();
    let map = folder.path().join("map.png");
    let cat = sample("cat.jpg");
    let equal = run!["compare", cat, cat, "--json"].json();
    assert!(equal["results"][0]["psnr_db"].is_null(), "{equal}");
    assert_eq!(equal["results"][0]["mse"], 0.0);
    let other = run!["compare", cat, sample("dog.jpg"), "--map", map, "--json"].json();
    assert!(other["results"][0]["psnr_db"].as_f64().unwrap() < 20.0);
    assert_eq!(
        picture::open(&map).unwrap().width(),
        picture::open(&cat).unwrap().width()
    );

    let models = run![
        "compare",
        cat,
        "--models",
        "softscope-32,softscope-32",
        "--map",
        map,
        "--json"
    ]
    .json();
    let results = models["results"].as_array().unwrap();
    assert_eq!(results.len(), 2);
    assert_eq!(results[0]["psnr_db"], results[1]["psnr_db"]);
    assert_eq!(picture::open(&map).unwrap().width(), 2 * 128);
}

#[test]
fn the_shipped_model_is_listed_and_sound() {
    let json = run!["models", "list", "--json"].json();
    let shipped = json["models"]
        .as_array()
        .unwrap()
        .iter()
        .find(|model| model["name"] == "softscope-32")
        .unwrap();
    assert_eq!(shipped["loadable"], true);
    let report = run!["models", "check", "softscope-32"].ok().stdout;
    for word in [
        "SoftVQ",
        "128 x 128",
        "32 of 64 values",
        "1 x 1024 codewords",
        "loads",
    ] {
        assert!(report.contains(word), "{word} in {report}");
    }
    assert!(run!["models", "list"].ok().stdout.contains("softscope-32"));
}

#[test]
fn every_fit_gives_tokens_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = ["crop", "stretch", "pad"].map(|fit| {
        let out = folder.path().join(format!("{fit}.safetensors"));
        run!["encode", sample("crab.jpg"), "--fit", fit, "--out", out].ok();
        let file = Tensors::open(&out);
        assert_eq!(file.metadata("fit").as_deref(), Some(fit));
        file.f32("z")
    });
    assert!(tokens[0] != tokens[1] && tokens[1] != tokens[2] && tokens[0] != tokens[2]);
}
