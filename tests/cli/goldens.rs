//! The commands against the reference's numbers, at the tolerances that are promised.

use crate::run;
use crate::support::{Golden, Tensors, assert_close, golden};
use std::path::Path;

const SETS: [&str; 3] = ["a1_softvq_k1", "a2_softvq_k4", "a3_softvq_nol2"];

/// `softvq.probs` [K, B S, n] in the order of `weights` [B, L, n].
fn probabilities_by_token(io: &Tensors) -> Vec<f32> {
    let probabilities = io.f32("softvq.probs");
    let &[segments, rows, size] = io.shape("softvq.probs").as_slice() else {
        panic!("three axes")
    };
    let pictures = io.shape("z")[0];
    let per_segment = rows / pictures;
    let mut weights = Vec::with_capacity(probabilities.len());
    for picture in 0..pictures {
        for segment in 0..segments {
            let start = (segment * rows + picture * per_segment) * size;
            weights.extend_from_slice(&probabilities[start..start + per_segment * size]);
        }
    }
    weights
}

#[test]
fn encode_agrees_with_the_reference() {
    for set in SETS {
        let Some(golden) = golden(set) else { return };
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("tokens.safetensors");
        run![
            "encode",
            golden.io,
            "--weights",
            "--out",
            out,
            "--model",
            golden.model.path()
        ]
        .ok();

        let (found, io) = (Tensors::open(&out), Tensors::open(&golden.io));
        assert_eq!(found.keys(), ["h", "indices", "weights", "z"]);
        assert_eq!(found.shape("z"), io.shape("z"));
        assert_close("h", &found.f32("h"), &io.f32("h"), 2e-5);
        assert_close("z", &found.f32("z"), &io.f32("z"), 1e-5);
        assert_close(
            "weights",
            &found.f32("weights"),
            &probabilities_by_token(&io),
            1e-5,
        );
        assert_eq!(found.shape("weights")[..2], io.shape("z")[..2]);
        let margins = io.f32("softvq.top1_minus_top2");
        let indices = found
            .i64("indices")
            .into_iter()
            .zip(io.i64("softvq.indices_by_token"));
        for ((found, expected), margin) in indices.zip(margins) {
            assert!(
                found == expected || margin < 1e-4,
                "{set}: codeword {found}, expected {expected}"
            );
        }
        assert_eq!(found.metadata("fit").as_deref(), Some("crop"));
        assert_eq!(found.metadata("model").map(|hash| hash.len()), Some(16));
    }
}

#[test]
fn bytes_enter_as_the_reference_normalises_them() {
    let Some(golden) = golden("a2_softvq_k4") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let io = Tensors::open(&golden.io);
    let (dtype, shape, data) = io.raw("x_u8");
    let view = safetensors::tensor::TensorView::new(dtype, shape, &data).unwrap();
    let input = folder.path().join("bytes.safetensors");
    std::fs::write(&input, safetensors::serialize([("x_u8", view)], None).unwrap()).unwrap();
    let out = folder.path().join("tokens.safetensors");
    run!["encode", input, "--out", out, "--model", golden.model.path()].ok();
    assert_close("z", &Tensors::open(&out).f32("z"), &io.f32("z"), 1e-5);
}

#[test]
fn decode_agrees_with_the_reference() {
    for set in SETS {
        let Some(golden) = golden(set) else { return };
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("pixels.safetensors");
        run!["decode", golden.io, "--out", out, "--model", golden.model.path()].ok();
        let (found, io) = (Tensors::open(&out), Tensors::open(&golden.io));
        assert_eq!(found.shape("dec"), io.shape("dec"));
        assert_close("dec", &found.f32("dec"), &io.f32("dec"), 5e-5);
    }
}

#[test]
fn decoded_bytes_follow_the_reconstruction_convention() {
    let Some(golden) = golden("a1_softvq_k1") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("picture.png");
    let first = format!("{}#0", golden.io.display());
    run!["decode", first, "--out", out, "--model", golden.model.path()].ok();
    let picture = softscope::picture::open(&out).unwrap();
    let (_, shape, expected) = Tensors::open(&golden.io).raw("u8_recon");
    let (height, width) = (shape[2], shape[3]);
    assert_eq!(
        (picture.width() as usize, picture.height() as usize),
        (width, height)
    );
    for (index, &found) in picture.as_bytes().iter().enumerate() {
        let (pixel, channel) = (index / 3, index % 3);
        assert!(
            found.abs_diff(expected[channel * width * height + pixel]) <= 1,
            "value {index}"
        );
    }
}

/// Applies `edits` to picture 0 of the set and compares tokens and pixels.
fn check_edit(golden: &Golden, edits: &serde_json::Value, key: &str) {
    let folder = tempfile::tempdir().unwrap();
    let recipe = folder.path().join("recipe.json");
    let edits = serde_json::json!({ "softscope_recipe": 1, "edits": edits });
    std::fs::write(&recipe, edits.to_string()).unwrap();
    let tokens = folder.path().join("edited.safetensors");
    let pixels = folder.path().join("pixels.safetensors");
    // The file holds several pictures: the first is meant where no number stands behind it.
    let edited = run![
        "edit",
        golden.io,
        "--recipe",
        recipe,
        "--out",
        tokens,
        "--model",
        golden.model.path()
    ]
    .ok();
    assert!(edited.stderr.contains("the first is taken"), "{}", edited.stderr);
    run!["decode", tokens, "--out", pixels, "--model", golden.model.path()].ok();
    let io = Tensors::open(&golden.io);
    assert_close(
        key,
        &Tensors::open(&tokens).f32("z"),
        &io.f32(&format!("edit.{key}.z")),
        1e-6,
    );
    assert_close(
        key,
        &Tensors::open(&pixels).f32("dec"),
        &io.f32(&format!("edit.{key}.dec")),
        5e-5,
    );
}

#[test]
fn edits_agree_with_the_reference() {
    for set in SETS {
        let Some(golden) = golden(set) else { return };
        let edits = &golden.meta["edits"];
        let count = Tensors::open(&golden.io).shape("z")[1];
        let second = format!("{}#1", golden.io.display());
        let (all, half): (Vec<usize>, Vec<usize>) = ((0..count).collect(), (count / 2..count).collect());
        check_edit(
            &golden,
            &serde_json::json!([{ "type": "swap", "a": edits["swap"][0], "b": edits["swap"][1] }]),
            "swap",
        );
        check_edit(
            &golden,
            &serde_json::json!([{ "type": "zero", "tokens": [edits["zero"]] }]),
            "zero",
        );
        let blend = serde_json::json!([{ "type": "blend", "with": second, "tokens": all, "t": edits["t"] }]);
        check_edit(&golden, &blend, "lerp");
        let splice = serde_json::json!([{ "type": "copy", "from": second, "tokens": half, "to": half }]);
        check_edit(&golden, &splice, "splice");
    }
}

#[test]
fn paths_of_a_recipe_are_relative_to_it() {
    let Some(golden) = golden("a1_softvq_k1") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(&golden.io, folder.path().join("other.safetensors")).unwrap();
    let recipe = folder.path().join("recipe.json");
    let edits =
        serde_json::json!([{ "type": "copy", "from": "other.safetensors#1", "tokens": [3], "to": [3] }]);
    std::fs::write(
        &recipe,
        serde_json::json!({ "softscope_recipe": 1, "edits": edits }).to_string(),
    )
    .unwrap();
    let out = folder.path().join("edited.safetensors");
    let first = format!("{}#0", golden.io.display());
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

    let (z, edited) = (Tensors::open(&golden.io).f32("z"), Tensors::open(&out).f32("z"));
    let row = edited.len() / Tensors::open(&golden.io).shape("z")[1];
    assert_eq!(
        edited[3 * row..4 * row],
        z[edited.len() + 3 * row..edited.len() + 4 * row]
    );
    assert_eq!(edited[..3 * row], z[..3 * row]);
}

#[test]
fn interpolation_runs_from_end_to_end() {
    let Some(golden) = golden("a1_softvq_k1") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("between.safetensors");
    let [first, second] = [0, 1].map(|index| format!("{}#{index}", golden.io.display()));
    run![
        "interpolate",
        first,
        second,
        "--frames",
        "5",
        "--tokens",
        "0,2-3",
        "--out",
        out,
        "--model",
        golden.model.path()
    ]
    .ok();
    let (io, found) = (Tensors::open(&golden.io), Tensors::open(&out));
    let &[_, count, dim] = io.shape("z").as_slice() else {
        panic!("three axes")
    };
    assert_eq!(found.shape("z"), [5, count, dim]);
    let (z, frames) = (io.f32("z"), found.f32("z"));
    let (a, b) = z.split_at(count * dim);
    for (frame, rows) in frames.chunks(count * dim).enumerate() {
        let t = frame as f32 / 4.0;
        let expected: Vec<f32> = (0..count * dim)
            .map(|index| {
                if [0, 2, 3].contains(&(index / dim)) {
                    (1.0 - t) * a[index] + t * b[index]
                } else {
                    a[index]
                }
            })
            .collect();
        assert_close(&format!("frame {frame}"), rows, &expected, 1e-6);
    }
}

#[test]
fn inspect_reports_the_reference_mixtures() {
    let Some(golden) = golden("a2_softvq_k4") else {
        return;
    };
    let io = Tensors::open(&golden.io);
    let json = run![
        "inspect",
        golden.io,
        "--top",
        "3",
        "--json",
        "--model",
        golden.model.path()
    ]
    .json();
    let tokens = json["tokens"].as_array().unwrap();
    let &[pictures, count, dim] = io.shape("z").as_slice() else {
        panic!("three axes")
    };
    assert_eq!(tokens.len(), pictures * count);
    let (weights, z) = (probabilities_by_token(&io), io.f32("z"));
    let size = io.shape("softvq.probs")[2];
    let segment_tokens = count / io.shape("softvq.probs")[0];
    for (index, token) in tokens.iter().enumerate() {
        let row = &weights[index * size..(index + 1) * size];
        let entropy: f64 = row
            .iter()
            .map(|&w| f64::from(w))
            .filter(|w| *w > 0.0)
            .map(|w| -w * w.ln())
            .sum();
        let norm = z[index * dim..(index + 1) * dim]
            .iter()
            .map(|v| v * v)
            .sum::<f32>()
            .sqrt();
        let number = |key: &str| token[key].as_f64().unwrap();
        assert!((number("entropy_nats") - entropy).abs() < 1e-3, "{token}");
        assert!(
            (number("perplexity") - entropy.exp()).abs() < 1e-2 * entropy.exp(),
            "{token}"
        );
        assert!((number("norm") - f64::from(norm)).abs() < 1e-5, "{token}");
        assert!(
            number("hull_distance").abs() < 1e-2,
            "a mixture lies in the hull: {token}"
        );
        let heaviest = row.iter().copied().fold(0.0, f32::max);
        assert!(
            (number("max_weight") - f64::from(heaviest)).abs() < 1e-5,
            "{token}"
        );
        let top = token["top"].as_array().unwrap();
        assert_eq!(top.len(), 3);
        assert_eq!(
            top[0]["segment"].as_u64().unwrap() as usize,
            (index % count) / segment_tokens
        );
        for word in top {
            let codeword = word["codeword"].as_u64().unwrap() as usize;
            assert!(
                (word["weight"].as_f64().unwrap() - f64::from(row[codeword])).abs() < 1e-5,
                "{token}"
            );
        }
    }
}

#[test]
fn check_tells_class_and_every_key() {
    let Some(golden) = golden("a2_softvq_k4") else {
        return;
    };
    let json = run!["models", "check", golden.model.path(), "--json"].json();
    assert_eq!(json["loadable"], true);
    assert_eq!(json["report"]["num_latent_tokens"], 16);

    // One key less and one of another shape.
    let weights = golden.model.path().join("model.safetensors");
    damage(&weights);
    let run = run!["models", "check", golden.model.path()];
    assert_eq!(run.code, Some(1));
    for word in ["quant_conv.bias", "post_quant_conv.bias", "missing", "expected"] {
        assert!(run.stdout.contains(word), "{word} in {}", run.stdout);
    }
    assert!(run.stderr.starts_with("softscope: the model"), "{}", run.stderr);
}

/// Drops `quant_conv.bias` and cuts `post_quant_conv.bias` to half.
fn damage(path: &Path) {
    let file = Tensors::open(path);
    let mut kept = Vec::new();
    for key in file.keys() {
        let (dtype, mut shape, mut data) = file.raw(&key);
        if key == "quant_conv.bias" {
            continue;
        }
        if key == "post_quant_conv.bias" {
            shape[0] /= 2;
            data.truncate(data.len() / 2);
        }
        kept.push((key, dtype, shape, data));
    }
    let views: Vec<_> = kept
        .iter()
        .map(|(key, dtype, shape, data)| {
            (
                key,
                safetensors::tensor::TensorView::new(*dtype, shape.clone(), data).unwrap(),
            )
        })
        .collect();
    std::fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

#[test]
fn a_token_swapped_across_segments_keeps_its_mixture_in_the_file() {
    let Some(golden) = golden("a2_softvq_k4") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let recipe = folder.path().join("recipe.json");
    std::fs::write(
        &recipe,
        r#"{"softscope_recipe":1,"edits":[{"type":"swap","a":2,"b":13}]}"#,
    )
    .unwrap();
    let edited = folder.path().join("edited.safetensors");
    let first = format!("{}#0", golden.io.display());
    let model = golden.model.path();
    run![
        "edit", first, "--recipe", recipe, "--out", edited, "--model", model
    ]
    .ok();
    let inspect = |input: &std::ffi::OsStr, token: &str| {
        let json = run!["inspect", input, "--token", token, "--json", "--model", model].json();
        json["tokens"][0].clone()
    };
    let (before, after) = (inspect(first.as_ref(), "2"), inspect(edited.as_ref(), "13"));
    assert_eq!(after["mixture"], "posterior");
    assert_eq!(after["segment"], 0, "token 2 is of segment 0, wherever it stands");
    assert_eq!(before["top"][0]["codeword"], after["top"][0]["codeword"]);
}
