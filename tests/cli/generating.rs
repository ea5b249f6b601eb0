//! `generate` against the reference's sampling runs, and on input that is wrong.

use crate::run;
use crate::support::{Golden, Tensors, assert_close, entries, golden, sample};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use std::path::{Path, PathBuf};

/// A generator of the reference collection and the tokenizer its tokens are decoded with.
struct Pair {
    generator: PathBuf,
    io: Tensors,
    meta: serde_json::Value,
    tokenizer: Golden,
}

fn pair(set: &str, tokenizer: &str) -> Option<Pair> {
    let tokenizer = golden(tokenizer)?;
    let generator = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/goldens/gen")).join(set);
    let meta = std::fs::read(generator.join("meta.json")).unwrap();
    Some(Pair {
        io: Tensors::open(&generator.join("io.safetensors")),
        meta: serde_json::from_slice(&meta).unwrap(),
        generator,
        tokenizer,
    })
}

/// The first `pictures` rows of a tensor's axis `axis`.
fn first(io: &Tensors, key: &str, axis: usize, pictures: usize) -> (Dtype, Vec<usize>, Vec<u8>) {
    let (dtype, mut shape, data) = io.raw(key);
    let outer: usize = shape[..axis].iter().product();
    let stride = data.len() / outer;
    let kept = stride / shape[axis] * pictures;
    shape[axis] = pictures;
    let data = data.chunks(stride).flat_map(|row| row[..kept].to_vec()).collect();
    (dtype, shape, data)
}

/// A file of noise and classes for the first two pictures of a set.
fn latents(io: &Tensors, noise: &str, folder: &Path) -> PathBuf {
    let tensors = [
        ("z0", first(io, "sample.z0", 0, 2)),
        ("y", first(io, "sample.y", 0, 2)),
        ("noise", first(io, noise, 1, 2)),
    ];
    let views = tensors
        .iter()
        .map(|(key, (dtype, shape, data))| (*key, TensorView::new(*dtype, shape.clone(), data).unwrap()));
    let path = folder.join("latents.safetensors");
    std::fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    path
}

fn numbers(io: &Tensors, key: &str) -> Vec<f64> {
    let (dtype, _, data) = io.raw(key);
    assert_eq!(dtype, Dtype::F64, "{key}");
    (data.as_chunks::<8>().0.iter())
        .map(|bytes| f64::from_le_bytes(*bytes))
        .collect()
}

/// Largest difference over the largest expected value.
fn relative_error(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let largest = expected
        .iter()
        .fold(0.0_f64, |largest, value| largest.max(value.abs()));
    let worst = found
        .iter()
        .zip(expected)
        .fold(0.0_f64, |worst, (a, b)| worst.max((a - b).abs()));
    worst / largest
}

#[test]
fn sit_runs_end_where_the_reference_ends() {
    let Some(pair) = pair("c1_sit_1d", "a2_softvq_k4") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let latents = latents(&pair.io, "sample.sde_noise", folder.path());
    let sampler = &pair.meta["sampler"];
    let text = |key: &str| sampler[key].to_string();
    for (name, sampler, path, scale, low, high) in [
        (
            "ode_nocfg",
            "ode",
            "linear",
            "1".to_owned(),
            "0".to_owned(),
            "1".to_owned(),
        ),
        (
            "ode_cfg",
            "ode",
            "linear",
            text("cfg_scale"),
            text("guidance_low"),
            text("guidance_high"),
        ),
        (
            "ode_heun_cfg",
            "heun",
            "linear",
            text("cfg_scale"),
            "0.2".to_owned(),
            "0.8".to_owned(),
        ),
        (
            "sde_linear_nocfg",
            "sde",
            "linear",
            "1".to_owned(),
            "0".to_owned(),
            "1".to_owned(),
        ),
        (
            "sde_linear_cfg",
            "sde",
            "linear",
            text("cfg_scale"),
            text("guidance_low"),
            text("guidance_high"),
        ),
        (
            "sde_cosine_cfg",
            "sde",
            "cosine",
            text("cfg_scale"),
            text("guidance_low"),
            text("guidance_high"),
        ),
    ] {
        let out = folder.path().join(format!("{name}.safetensors"));
        run![
            "generate",
            "--generator",
            pair.generator,
            "--model",
            pair.tokenizer.model.path(),
            "--latents",
            latents,
            "--steps",
            text("num_steps"),
            "--sampler",
            sampler,
            "--path",
            path,
            "--cfg",
            scale,
            "--guidance-low",
            low,
            "--guidance-high",
            high,
            "--out",
            out,
        ]
        .ok();
        let found = Tensors::open(&out);
        let error = relative_error(
            &numbers(&found, "sample"),
            &numbers(&pair.io, &format!("sample.{name}.final_f64")),
        );
        assert!(error < 1e-4, "{name}: {error:e}");
        if name == "sde_linear_cfg" {
            assert_close("z", &found.f32("z"), &pair.io.f32("decode.latent"), 1e-5);
            assert_close("dec", &found.f32("dec"), &pair.io.f32("decode.dec"), 5e-5);
        }
    }
}

#[test]
fn pictures_leave_by_the_generation_convention() {
    let Some(pair) = pair("c1_sit_1d", "a2_softvq_k4") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let latents = latents(&pair.io, "sample.sde_noise", folder.path());
    let out = folder.path().join("pictures");
    let text = |key: &str| pair.meta["sampler"][key].to_string();
    run![
        "generate",
        "--generator",
        pair.generator,
        "--model",
        pair.tokenizer.model.path(),
        "--latents",
        latents,
        "--steps",
        text("num_steps"),
        "--path",
        "linear",
        "--cfg",
        text("cfg_scale"),
        "--guidance-low",
        text("guidance_low"),
        "--guidance-high",
        text("guidance_high"),
        "--out",
        out,
    ]
    .ok();
    let names = entries(&out);
    assert_eq!(names.len(), 2);
    let picture = softscope::picture::open(&out.join(&names[0])).unwrap();
    let (_, shape, planes) = pair.io.raw("decode.u8_sit");
    let area = shape[2] * shape[3];
    let differing = (0..area)
        .flat_map(|pixel| (0..3).map(move |channel| (pixel, channel)))
        .filter(|(pixel, channel)| {
            let found = picture.pixels()[*pixel][*channel];
            let expected = planes[channel * area + pixel];
            assert!(found.abs_diff(expected) <= 1);
            found != expected
        })
        .count();
    assert!(
        differing * 200 < 3 * area,
        "{differing} of {} bytes differ",
        3 * area
    );
}

#[test]
fn dit_runs_end_where_the_reference_ends() {
    // No tokenizer at hand decodes its 16 x 8 tokens: without --model they are written as they are.
    let Some(pair) = pair("c4_dit_1d", "a2_softvq_k4") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let latents = latents(&pair.io, "sample.noise", folder.path());
    for path in ["linear", "cosine"] {
        let out = folder.path().join(format!("{path}.safetensors"));
        run![
            "generate",
            "--generator",
            pair.generator,
            "--latents",
            latents,
            "--steps",
            pair.meta["num_steps"].to_string(),
            "--sampler",
            "ddpm",
            "--path",
            path,
            "--cfg",
            pair.meta["cfg_scale"].to_string(),
            "--out",
            out,
        ]
        .ok();
        let trajectory: Vec<f64> = (pair.io.f32(&format!("sample.{path}.traj")).into_iter())
            .map(f64::from)
            .collect();
        let found = Tensors::open(&out);
        assert_eq!(found.keys(), ["sample", "y"]);
        let found = numbers(&found, "sample");
        let error = relative_error(&found, &trajectory[trajectory.len() - found.len()..]);
        assert!(error < 1e-4, "{path}: {error:e}");
    }
}

#[test]
fn a_seed_gives_the_same_pictures_in_any_company() {
    let Some(pair) = pair("c1_sit_1d", "a2_softvq_k4") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let generate = |name: &str, options: &[&str]| -> (Tensors, serde_json::Value) {
        let out = folder.path().join(name);
        let fixed = [
            "generate".as_ref(),
            "--json".as_ref(),
            "--generator".as_ref(),
            pair.generator.as_os_str(),
            "--model".as_ref(),
            pair.tokenizer.model.path().as_os_str(),
            "--steps".as_ref(),
            "3".as_ref(),
            "--out".as_ref(),
            out.as_os_str(),
        ];
        let options = options.iter().map(std::ffi::OsStr::new);
        let json = crate::support::run(fixed.into_iter().chain(options)).json();
        (Tensors::open(&out), json)
    };
    let (four, json) = generate(
        "four.safetensors",
        &[
            "--class", "207", "--class", "Geyser", "--count", "2", "--seed", "7", "--cfg", "1.5",
        ],
    );
    assert_eq!(four.i64("y"), [207, 207, 974, 974]);
    assert_eq!(json["pictures"][2]["seed"], 9);
    assert_eq!(json["pictures"][2]["class_name"], "geyser");
    assert_eq!(json["generator"]["class"], "SiT");
    let (alone, _) = generate(
        "alone.safetensors",
        &["--class", "974", "--seed", "9", "--cfg", "1.5"],
    );
    let all = numbers(&four, "sample");
    let single = numbers(&alone, "sample");
    assert!(relative_error(&all[2 * single.len()..3 * single.len()], &single) < 1e-4);
    assert_ne!(all[..single.len()], all[single.len()..2 * single.len()]);

    // The file is a token file like any other.
    let picture = folder.path().join("again.png");
    run![
        "decode",
        folder.path().join("alone.safetensors"),
        "--model",
        pair.tokenizer.model.path(),
        "--out",
        picture
    ]
    .ok();
}

#[test]
fn what_does_not_go_together_is_said_before_anything_is_made() {
    let Some(pair) = pair("c1_sit_1d", "a2_softvq_k4") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let latents = latents(&pair.io, "sample.sde_noise", folder.path());
    let tokenizer = pair.tokenizer.model.path().as_os_str();
    let generator = pair.generator.as_os_str();
    let dit = pair.generator.with_file_name("c4_dit_1d");
    let out = folder.path().join("out.safetensors");
    let pictures = folder.path().join("pictures");
    for (arguments, code, words) in [
        (
            vec![
                "--generator".as_ref(),
                dit.as_os_str(),
                "--model".as_ref(),
                tokenizer,
            ],
            1,
            ["16 x 8", "16 x 16"],
        ),
        (
            vec!["--generator".as_ref(), tokenizer],
            1,
            ["config.json", "SiT or DiT"],
        ),
        (
            vec!["--generator".as_ref(), "nowhere".as_ref()],
            1,
            ["nowhere", "Looked in"],
        ),
        (
            vec![
                "--generator".as_ref(),
                generator,
                "--model".as_ref(),
                tokenizer,
                "--sampler".as_ref(),
                "ddpm".as_ref(),
            ],
            1,
            ["SiT", "ddpm"],
        ),
        (
            vec![
                "--generator".as_ref(),
                generator,
                "--model".as_ref(),
                tokenizer,
                "--class".as_ref(),
                "1000".as_ref(),
            ],
            1,
            ["class 1000", "1000, numbered from 0"],
        ),
        (
            vec![
                "--generator".as_ref(),
                generator,
                "--model".as_ref(),
                tokenizer,
                "--latents".as_ref(),
                latents.as_os_str(),
                "--steps".as_ref(),
                "9".as_ref(),
            ],
            1,
            ["draws", "6"],
        ),
        (
            vec![
                "--generator".as_ref(),
                dit.as_os_str(),
                "--latents".as_ref(),
                latents.as_os_str(),
            ],
            1,
            ["16 x 16", "16 x 8"],
        ),
    ] {
        let arguments = arguments.into_iter().map(std::ffi::OsStr::to_os_string);
        let fixed = ["generate".into(), "--out".into(), out.clone().into_os_string()];
        crate::support::run(fixed.into_iter().chain(arguments)).fails(code, &words);
    }
    // Pictures need a tokenizer that fits, asked for or not.
    run!["generate", "--generator", generator, "--out", pictures].fails(1, &["16 x 16", "--model"]);
    assert_eq!(entries(folder.path()), ["latents.safetensors"]);
}

#[test]
fn pictures_are_varied_and_filled_from_any_kind_of_input() {
    let Some(pair) = pair("c1_sit_1d", "a2_softvq_k4") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (model, generator) = (pair.tokenizer.model.path(), &pair.generator);
    let (tokens, out) = (path("tokens.safetensors"), path("out.safetensors"));
    let cat = sample("cat.jpg");
    run!["encode", cat, "--model", model, "--out", tokens].ok();
    let original = Tensors::open(&tokens).f32("z");
    // An Euler step that a small strength leaves one of barely moves a token.
    let z = |arguments: &[&str]| -> Vec<f32> {
        let fixed = [
            "generate",
            "--sampler",
            "ode",
            "--steps",
            "4",
            "--count",
            "2",
            "--class",
            "3",
        ];
        let paths = [
            "--generator".as_ref(),
            generator.as_os_str(),
            "--model".as_ref(),
            model.as_os_str(),
            "--out".as_ref(),
            out.as_os_str(),
        ];
        let arguments = fixed.iter().chain(arguments).map(std::ffi::OsStr::new);
        crate::support::run(arguments.chain(paths)).ok();
        Tensors::open(&out).f32("z")
    };
    let (cat, tokens) = (cat.to_str().unwrap(), tokens.to_str().unwrap());
    let varied = z(&["--vary", cat, "--strength", "0.1"]);
    assert_eq!(varied, z(&["--vary", tokens, "--strength", "0.1"]));
    let distance = |z: &[f32]| -> f32 {
        let squares = z.iter().zip(&original).map(|(a, b)| (a - b).powi(2));
        squares.sum::<f32>().sqrt()
    };
    let much = z(&["--vary", cat, "--strength", "0.9"]);
    assert!(0.0 < distance(&varied) && distance(&varied) < distance(&much));
    assert_ne!(
        varied[..original.len()],
        varied[original.len()..],
        "each has its seed"
    );

    let filled = z(&["--fill", tokens, "--tokens", "2,5-6"]);
    let dim = original.len() / 16;
    for (picture, z) in filled.chunks(original.len()).enumerate() {
        for token in 0..16 {
            let row = token * dim..(token + 1) * dim;
            assert_eq!(
                z[row.clone()] == original[row],
                ![2, 5, 6].contains(&token),
                "token {token} of picture {picture}"
            );
        }
    }
}

#[test]
fn variations_that_cannot_be_are_refused() {
    let Some(pair) = pair("c1_sit_1d", "a2_softvq_k4") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.png");
    let cat = sample("cat.jpg").to_string_lossy().into_owned();
    for (arguments, code, words) in [
        (
            vec!["--vary", &cat, "--strength", "0"],
            2,
            vec!["--strength is 0", "up to 1"],
        ),
        (vec!["--strength", "0.5"], 2, vec!["--strength", "--vary"]),
        (
            vec!["--vary", "nowhere.png"],
            1,
            vec!["nowhere.png", "no such file"],
        ),
        (
            vec!["--fill", &cat, "--tokens", "99"],
            1,
            vec!["no token 99", "16"],
        ),
    ] {
        let fixed = [
            "generate".as_ref(),
            "--quiet".as_ref(),
            "--generator".as_ref(),
            pair.generator.as_os_str(),
            "--model".as_ref(),
            pair.tokenizer.model.path().as_os_str(),
            "--out".as_ref(),
            out.as_os_str(),
        ];
        let arguments = arguments.iter().map(std::ffi::OsStr::new);
        crate::support::run(fixed.into_iter().chain(arguments)).fails(code, &words);
    }
    let picture = folder.path().join("cat.jpg");
    std::fs::copy(&cat, &picture).unwrap();
    let without_tokens = run![
        "generate",
        "--generator",
        pair.generator,
        "--fill",
        cat,
        "--out",
        out
    ];
    assert_eq!(without_tokens.code, Some(2));
    assert!(
        without_tokens.stderr.contains("--tokens"),
        "{}",
        without_tokens.stderr
    );
    assert_eq!(entries(folder.path()), ["cat.jpg"]);
}

#[test]
fn an_edited_picture_still_says_how_it_was_generated() {
    let Some(pair) = pair("c1_sit_1d", "a2_softvq_k4") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let model = pair.tokenizer.model.path();
    let options = [
        "--class", "207", "--count", "2", "--seed", "7", "--steps", "3", "--out",
    ];
    for out in ["tokens.safetensors", "pictures"] {
        let whole = ["generate".into(), "--generator".into(), pair.generator.clone()];
        let whole = whole.into_iter().chain(["--model".into(), model.to_owned()]);
        let whole = whole.chain(options.iter().map(PathBuf::from)).chain([path(out)]);
        crate::support::run(whole).ok();
    }
    let recipe = path("recipe.json");
    let swap = serde_json::json!({"softscope_recipe": 1, "edits": [{"type": "swap", "a": 1, "b": 5}]});
    std::fs::write(&recipe, swap.to_string()).unwrap();

    let second = entries(&path("pictures")).remove(1);
    let number = path("tokens.safetensors#1");
    let picture = path("pictures").join(second);
    for (input, name) in [(&picture, "picture"), (&number, "tokens")] {
        for extension in ["png", "jpg", "safetensors"] {
            let out = path(&format!("edited-{name}.{extension}"));
            run!["edit", input, "--model", model, "--recipe", recipe, "--out", out].ok();
            let record = generation(&out);
            assert_eq!(record["seed"], 8, "{name}.{extension}");
            assert_eq!(record["class"], 207, "{name}.{extension}");
        }
    }
    // And once more, with the recipe inside.
    let again = path("again.png");
    let edited = path("edited-picture.png");
    run!["edit", edited, "--model", model, "--out", again].ok();
    assert_eq!(generation(&again), generation(&picture));
}

/// The record of the only picture in a file.
fn generation(path: &Path) -> serde_json::Value {
    const KEYWORD: &str = softscope::document::GENERATION_KEYWORD;
    if softscope::document::is_tensor_file(path) {
        let records = Tensors::open(path).metadata(KEYWORD).unwrap();
        let mut records: Vec<serde_json::Value> = serde_json::from_str(&records).unwrap();
        assert_eq!(records.len(), 1);
        return records.remove(0);
    }
    let bytes = std::fs::read(path).unwrap();
    let text = softscope::picture::embedded_text(&bytes, KEYWORD).unwrap();
    serde_json::from_str(&text.unwrap()).unwrap()
}
