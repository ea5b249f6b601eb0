//! The commands that say what tokens mean, on small models and small pictures.

use crate::run;
use crate::support::{Tensors, entries, fixture_model, sample};
use softscope::picture::{self, Rgb8};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const SOFT: &str = "a3_softvq_nol2";

/// A pattern of its own for every number, bright or dark.
fn pattern(number: u32, is_bright: bool) -> Rgb8 {
    let bytes = (0..32 * 32 * 3u32).map(|index| {
        let noise = (index * 7919 + number * 104_729) % 2003 % 90;
        (if is_bright { 150 + noise } else { 20 + noise }) as u8
    });
    Rgb8::new(32, 32, bytes.collect()).unwrap()
}

fn write(path: &Path, picture: &Rgb8) {
    std::fs::write(path, picture::to_png(picture, &[]).unwrap()).unwrap();
}

/// Sub-folders `bright` and `dark` of `count` pictures each.
fn two_kinds(count: u32) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, is_bright) in [("bright", true), ("dark", false)] {
        let kind = folder.path().join(name);
        std::fs::create_dir(&kind).unwrap();
        for number in 0..count {
            write(
                &kind.join(format!("{number:02}.png")),
                &pattern(number, is_bright),
            );
        }
    }
    folder
}

fn painted(folder: &Path, name: &str, is_white: impl Fn(u32, u32) -> bool) -> PathBuf {
    let pixels = (0..32 * 32).flat_map(|index| [if is_white(index % 32, index / 32) { 255 } else { 0 }; 3]);
    let path = folder.join(name);
    write(&path, &Rgb8::new(32, 32, pixels.collect()).unwrap());
    path
}

#[test]
fn both_ways_are_compared_and_a_brush_ranks_the_tokens_under_it() {
    let (model, folder) = (fixture_model(SOFT), tempfile::tempdir().unwrap());
    let mask = painted(folder.path(), "mask.png", |x, _| x < 12);
    let out = folder.path().join("out");
    let arguments = ["--by", "both", "--ablation", "noise", "--sigma", "0.01"];
    let json = run![
        "attribute",
        sample("cat.jpg"),
        arguments[0],
        arguments[1],
        arguments[2],
        arguments[3],
        arguments[4],
        arguments[5],
        "--mask",
        mask,
        "--out",
        out,
        "--model",
        model.path(),
        "--json"
    ]
    .json();
    assert!(
        json["agreement"]["cosine"].as_f64().unwrap() > 0.9,
        "{}",
        json["agreement"]["cosine"]
    );
    let count = json["tokens"].as_array().unwrap().len();
    assert_eq!(json["sensitivity"].as_array().unwrap().len(), count);
    assert!(
        json["sensitivity"]
            .as_array()
            .unwrap()
            .iter()
            .all(|value| value.as_f64().unwrap() > 0.0)
    );
    assert_eq!(
        entries(&out),
        [
            "gradient.png",
            "influence.csv",
            "influence.png",
            "influence.safetensors"
        ]
    );
    let tensors = Tensors::open(&out.join("influence.safetensors"));
    assert_eq!(
        tensors.keys(),
        ["gradient_influence", "gradient_signed", "influence", "signed"]
    );
    assert_eq!(tensors.shape("gradient_signed"), tensors.shape("signed"));
    // The ranking is over the mask: mean over its pixels of the map.
    let (influence, shape) = (tensors.f32("influence"), tensors.shape("influence"));
    let pixels = shape[1] * shape[2];
    let first = &json["tokens"][0];
    let map = &influence[first["token"].as_u64().unwrap() as usize * pixels..][..pixels];
    let inside: Vec<f32> = map
        .iter()
        .enumerate()
        .filter(|(at, _)| at % shape[2] < 12)
        .map(|(_, value)| *value)
        .collect();
    let mean = 127.5 * f64::from(inside.iter().sum::<f32>()) / inside.len() as f64;
    assert!((mean - first["mean_change"].as_f64().unwrap()).abs() < 1e-3 * mean);
    let csv = std::fs::read_to_string(out.join("influence.csv")).unwrap();
    assert!(
        csv.lines()
            .next()
            .unwrap()
            .ends_with("spread,gradient_change,cosine,factor,sensitivity")
    );
    assert_eq!(csv.lines().count(), count + 1);

    let black = painted(folder.path(), "black.png", |_, _| false);
    run![
        "attribute",
        sample("cat.jpg"),
        "--mask",
        black,
        "--out",
        out,
        "--model",
        model.path()
    ]
    .fails(1, &["black.png", "white on black"]);
}

#[test]
fn structure_writes_pairs_orders_and_spectra() {
    let (model, folder) = (fixture_model(SOFT), tempfile::tempdir().unwrap());
    let out = folder.path().join("out");
    let json = run![
        "structure",
        sample("dog.jpg"),
        "--tokens",
        "0,2-3",
        "--out",
        out,
        "--model",
        model.path(),
        "--json"
    ]
    .json();
    assert_eq!(
        entries(&out),
        [
            "interactions.csv",
            "interactions.png",
            "orders.csv",
            "spectra.csv",
            "spectra.png",
            "structure.safetensors"
        ]
    );
    assert_eq!(json["quality_against"], "the picture");
    let pairs: Vec<(u64, u64)> = json["pairs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pair| (pair["a"].as_u64().unwrap(), pair["b"].as_u64().unwrap()))
        .collect();
    assert!(pairs.len() == 3 && pairs.contains(&(0, 2)) && pairs.contains(&(2, 3)));
    let tensors = Tensors::open(&out.join("structure.safetensors"));
    assert_eq!(tensors.i64("tokens"), [0, 2, 3]);
    let orders = json["orders"]["greedy"].as_array().unwrap();
    assert_eq!(orders[0]["kept"], 0);
    assert!(
        orders[1]["mse"].as_f64().unwrap() <= json["orders"]["prefix"][1]["mse"].as_f64().unwrap() + 1e-9
    );
    run![
        "structure",
        sample("dog.jpg"),
        "--tokens",
        "99",
        "--out",
        out,
        "--model",
        model.path()
    ]
    .fails(1, &["no token 99"]);
}

#[test]
fn a_probe_reads_brightness_off_the_tokens_and_its_table_gives_the_same() {
    let (model, folder) = (fixture_model(SOFT), two_kinds(20));
    let out = folder.path().join("out");
    let json = run![
        "probe",
        folder.path(),
        "--out",
        out,
        "--model",
        model.path(),
        "--json"
    ]
    .json();
    let factor = &json["factors"][0];
    assert_eq!(
        (factor["factor"].as_str(), json["pictures"].as_u64()),
        (Some("label"), Some(40))
    );
    let hits = &factor["probes"]["all"]["hits"];
    assert_eq!(
        (hits["share"].as_f64(), hits["tested"].as_u64()),
        (Some(1.0), Some(8))
    );
    assert!(
        hits["interval"][0].as_f64().unwrap() < 0.7,
        "eight pictures say little"
    );
    assert_eq!(factor["probes"]["chance"]["share"], 0.5);
    assert_eq!(entries(&out), ["label.png", "probe.csv"]);

    let mut table = "file,kind,number\n".to_owned();
    for kind in ["bright", "dark"] {
        for number in 0..20 {
            table.push_str(&format!("{kind}/{number:02}.png,{kind},{number}.5\n"));
        }
    }
    let labels = folder.path().join("labels.csv");
    std::fs::write(&labels, table).unwrap();
    let other = folder.path().join("other");
    let from_table = run![
        "probe",
        "--labels",
        labels,
        "--out",
        other,
        "--model",
        model.path(),
        "--json"
    ]
    .json();
    assert_eq!(from_table["factors"][0]["probes"], factor["probes"]);
    assert_eq!(from_table["factors"][1]["factor"], "number");
    assert!(from_table["factors"][1]["probes"]["all"]["r_squared"].is_number());
}

#[test]
fn composites_have_known_factors_and_are_the_same_for_a_seed() {
    let (model, folder) = (fixture_model(SOFT), tempfile::tempdir().unwrap());
    let (cutouts, photographs) = (folder.path().join("cutouts"), folder.path().join("photographs"));
    std::fs::create_dir(&cutouts).unwrap();
    std::fs::create_dir(&photographs).unwrap();
    for (name, colour) in [
        ("disc-light", [250, 220, 180]),
        ("disc-dark", [90, 50, 30]),
        ("block", [20, 30, 200]),
    ] {
        let picture = image::RgbaImage::from_fn(32, 32, |x, y| {
            let (x, y) = (f32::from(x as u8) - 15.5, f32::from(y as u8) - 15.5);
            let is_inside = if name == "block" {
                x.abs() < 12.0
            } else {
                x.hypot(y) < 14.0
            };
            let [red, green, blue] = colour;
            image::Rgba([red, green, blue, if is_inside { 255 } else { 0 }])
        });
        picture.save(cutouts.join(format!("{name}.png"))).unwrap();
    }
    write(&photographs.join("a.png"), &pattern(1, true));
    let probe = |out: &str, saved: &str| {
        run![
            "probe",
            "--composites",
            cutouts,
            photographs,
            "--count",
            "60",
            "--seed",
            "5",
            "--save-composites",
            folder.path().join(saved),
            "--out",
            folder.path().join(out),
            "--model",
            model.path(),
            "--json"
        ]
        .json()
    };
    let (first, second) = (probe("o1", "s1"), probe("o2", "s2"));
    assert_eq!(first["factors"], second["factors"]);
    let names: Vec<&str> = first["factors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|of| of["factor"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["concept", "tone", "ground", "x", "y", "size", "turn"]);
    let table = |name: &str| std::fs::read(folder.path().join(name).join("labels.csv")).unwrap();
    assert_eq!(table("s1"), table("s2"));
    assert_eq!(entries(&folder.path().join("s1")).len(), 61);
    let text = String::from_utf8(table("s1")).unwrap();
    assert!(
        text.contains(",disc,light,") && text.contains(",block,none,"),
        "{text}"
    );
}

#[test]
fn a_direction_separates_and_a_recipe_takes_it() {
    let (model, folder) = (fixture_model(SOFT), two_kinds(10));
    let file = folder.path().join("bright.json");
    let (with, without) = (folder.path().join("bright"), folder.path().join("dark"));
    let json = run![
        "directions",
        with,
        without,
        "--out",
        file,
        "--model",
        model.path(),
        "--json"
    ]
    .json();
    assert_eq!(json["separation"]["area"], 1.0);
    assert_eq!(json["separation"]["hits"]["tested"], 6);
    assert_eq!(json["pictures"]["with"], 7);

    let saved: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let recipe = folder.path().join("recipe.json");
    let edit = serde_json::json!({"softscope_recipe": 1, "model": saved["model"],
        "edits": [{"type": "direction", "vector": saved["vector"], "amount": 1.0}]});
    std::fs::write(&recipe, edit.to_string()).unwrap();
    let out = folder.path().join("z.safetensors");
    let picture = folder.path().join("dark/00.png");
    run![
        "edit",
        picture,
        "--recipe",
        recipe,
        "--out",
        out,
        "--model",
        model.path()
    ]
    .ok();
    let tokens = folder.path().join("tokens.safetensors");
    run!["encode", picture, "--out", tokens, "--model", model.path()].ok();
    let (edited, plain) = (Tensors::open(&out).f32("z"), Tensors::open(&tokens).f32("z"));
    let rows = saved["vector"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|row| row.as_array().unwrap());
    for ((edited, plain), step) in edited.iter().zip(&plain).zip(rows) {
        assert!((edited - plain - step.as_f64().unwrap() as f32).abs() < 1e-5);
    }

    let components = folder.path().join("components");
    let json = run![
        "directions",
        with,
        "--pca",
        "3",
        "--out",
        components,
        "--model",
        model.path(),
        "--json"
    ]
    .json();
    assert_eq!(json["deviations"].as_array().unwrap().len(), 3);
    assert_eq!(
        entries(&components),
        ["components.csv", "pca-1.json", "pca-2.json", "pca-3.json"]
    );
    for (arguments, words) in [
        (vec![with.clone()], "two folders"),
        (
            vec![with.clone(), without, "--pca".into(), "2".into()],
            "one folder",
        ),
        (vec![with, "--pca".into(), "0".into()], "at least one"),
    ] {
        let all = ["directions".into()].into_iter().chain(arguments);
        let all = all.chain([
            "--out".into(),
            components.clone(),
            "--model".into(),
            model.path().to_path_buf(),
        ]);
        crate::support::run(all).fails(2, &[words]);
    }
}

#[test]
fn an_atlas_counts_every_token_and_sweeps_from_soft_to_hard() {
    let (model, folder) = (fixture_model(SOFT), two_kinds(3));
    let out = folder.path().join("out");
    let json = run![
        "atlas",
        folder.path(),
        "--top",
        "4",
        "--users",
        "2",
        "--out",
        out,
        "--model",
        model.path(),
        "--json"
    ]
    .json();
    assert_eq!(
        entries(&out),
        [
            "atlas.png",
            "pairs.csv",
            "segments.csv",
            "sweep.csv",
            "sweep.png",
            "usage.csv",
            "users.csv"
        ]
    );
    let codewords = json["codewords"].as_array().unwrap();
    assert!(
        codewords.len() == 4
            && codewords
                .iter()
                .all(|of| of["users"].as_array().unwrap().len() == 2)
    );
    let usage = std::fs::read_to_string(out.join("usage.csv")).unwrap();
    let sum: f64 = usage
        .lines()
        .skip(1)
        .map(|line| line.split(',').nth(2).unwrap().parse::<f64>().unwrap())
        .sum();
    let segments = json["segments"].as_array().unwrap().len() as f64;
    assert!(
        (sum - segments).abs() < 1e-3,
        "the weights of each segment sum to 1: {sum}"
    );
    let entropies: Vec<f64> = json["sweep"]
        .as_array()
        .unwrap()
        .iter()
        .map(|of| of["entropy_nats"].as_f64().unwrap())
        .collect();
    assert!(
        entropies.is_sorted_by(|a, b| a >= b) && *entropies.last().unwrap() == 0.0,
        "{entropies:?}"
    );

    let kl = fixture_model("a4_kl16_vit");
    run!["atlas", folder.path(), "--out", out, "--model", kl.path()].fails(1, &["KL", "no codewords"]);
    let vq = fixture_model("a5_vq16_vit");
    let out = folder.path().join("vq");
    let json = run![
        "atlas",
        folder.path(),
        "--out",
        out,
        "--model",
        vq.path(),
        "--json"
    ]
    .json();
    assert!(json["sweep"].is_null() && json["pairs"].as_array().unwrap().is_empty());
}

#[test]
fn a_map_holds_every_token_twice_and_says_what_it_leaves_out() {
    let (model, folder) = (fixture_model(SOFT), two_kinds(4));
    let out = folder.path().join("out");
    let run = run![
        "map",
        folder.path(),
        "--most",
        "20",
        "--out",
        out,
        "--model",
        model.path()
    ]
    .ok();
    assert!(
        run.stderr.contains("t-SNE shows") && run.stderr.contains("raise --most"),
        "{}",
        run.stderr
    );
    let csv = std::fs::read_to_string(out.join("map.csv")).unwrap();
    let rows: Vec<Vec<&str>> = csv
        .lines()
        .skip(1)
        .map(|line| line.split(',').collect())
        .collect();
    let of = |stage: &str| rows.iter().filter(|row| row[4] == stage).count();
    assert_eq!((of("h"), of("z")), (rows.len() / 2, rows.len() / 2));
    assert_eq!(rows.len() % (2 * 8), 0);
    assert!(
        rows.iter()
            .all(|row| row.len() == 9 && ["bright", "dark"].contains(&row[1]) && !row[3].is_empty())
    );
    let names = entries(&out);
    assert!(
        names.contains(&"h-pca-label.png".to_owned()) && names.contains(&"z-tsne-entropy.png".to_owned())
    );
    let ae = fixture_model("a6c_ae_movq_ape");
    let out = folder.path().join("ae");
    run![
        "map",
        folder.path(),
        "--no-tsne",
        "--out",
        out,
        "--model",
        ae.path()
    ]
    .ok();
    assert_eq!(
        entries(&out),
        [
            "h-pca-label.png",
            "h-pca-position.png",
            "map.csv",
            "z-pca-label.png",
            "z-pca-position.png"
        ]
    );
}

#[test]
fn a_painting_is_a_recipe_that_gives_the_same_file() {
    let (model, folder) = (fixture_model(SOFT), tempfile::tempdir().unwrap());
    let mask = painted(folder.path(), "mask.png", |x, y| x < 16 && y < 16);
    let target = painted(folder.path(), "target.png", |x, _| x % 2 == 0);
    let paint = |out: &Path| {
        run![
            "paint",
            sample("city.jpg"),
            "--mask",
            mask,
            "--target",
            target,
            "--tokens",
            "best:3",
            "--steps",
            "8",
            "--out",
            out,
            "--model",
            model.path(),
            "--json"
        ]
        .json()
    };
    let (picture, recipe) = (
        folder.path().join("painted.png"),
        folder.path().join("recipe.json"),
    );
    let json = paint(&picture);
    assert_eq!(json["tokens"].as_array().unwrap().len(), 3);
    assert!(json["after"]["loss"].as_f64().unwrap() <= json["before"]["loss"].as_f64().unwrap());
    assert_eq!(json["edits"].as_array().unwrap().len(), 1);
    paint(&recipe);
    let replayed = folder.path().join("replayed.png");
    run![
        "edit",
        sample("city.jpg"),
        "--recipe",
        recipe,
        "--out",
        replayed,
        "--model",
        model.path()
    ]
    .ok();
    assert_eq!(
        std::fs::read(&picture).unwrap(),
        std::fs::read(&replayed).unwrap()
    );
    let out = folder.path().join("x.webp");
    run![
        "paint",
        sample("city.jpg"),
        "--mask",
        mask,
        "--target",
        target,
        "--out",
        out,
        "--model",
        model.path()
    ]
    .fails(2, &["x.webp"]);
    let out = folder.path().join("x.png");
    run![
        "paint",
        sample("city.jpg"),
        "--mask",
        mask,
        "--target",
        target,
        "--rate",
        "0",
        "--out",
        out,
        "--model",
        model.path()
    ]
    .fails(2, &["--rate"]);
    run![
        "paint",
        sample("city.jpg"),
        "--mask",
        mask,
        "--target",
        mask,
        "--out",
        mask,
        "--model",
        model.path()
    ]
    .fails(1, &["is an input"]);
}

#[test]
fn a_report_is_one_page_with_every_part_and_compares_models() {
    let (soft, kl, folder) = (fixture_model(SOFT), fixture_model("a4_kl16_vit"), two_kinds(10));
    let out = folder.path().join("out");
    let models = format!("{},{}", soft.path().display(), kl.path().display());
    let json = run![
        "report",
        folder.path(),
        "--models",
        models,
        "--spectra",
        "1",
        "--out",
        out,
        "--json"
    ]
    .json();
    assert_eq!(entries(&out), ["report.html"]);
    let page = std::fs::read_to_string(out.join("report.html")).unwrap();
    let pieces = page.split("data:image/png;base64,").enumerate();
    let words: String = pieces
        .map(|(index, piece)| {
            if index == 0 {
                piece
            } else {
                piece.split_once('"').unwrap().1
            }
        })
        .collect();
    assert!(!words.contains("http") && !words.contains("NaN"));
    for model in json["models"].as_array().unwrap() {
        let hash = model["model"]["hash"].as_str().unwrap();
        assert!(page.contains(hash), "{hash}");
        let sections: Vec<&str> = model["sections"]
            .as_array()
            .unwrap()
            .iter()
            .map(|title| title.as_str().unwrap())
            .collect();
        let expected = [
            "Reconstruction",
            "Token to pixels",
            "Structure",
            "Token map",
            "Directions",
            "Probes",
            "Painting",
        ];
        assert!(
            expected.iter().all(|title| sections.contains(title)),
            "{sections:?}"
        );
        assert_eq!(
            sections.contains(&"Codewords"),
            model["model"]["class"] == "SoftVQ"
        );
    }
    for command in [
        "attribute",
        "structure",
        "atlas",
        "map",
        "directions",
        "probe",
        "paint",
        "reconstruct",
    ] {
        assert!(page.contains(&format!("<code>softscope {command} ")), "{command}");
    }
}
