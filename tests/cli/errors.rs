//! What is wrong is said in one line, with the exit code that is promised, and leaves nothing behind.

use crate::run;
use crate::support::{command, entries, golden, sample};
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// A folder to write into, and a check that a failed run wrote nothing.
struct Scratch {
    folder: tempfile::TempDir,
}

impl Scratch {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    #[track_caller]
    fn holds(&self, names: &[&str]) {
        assert_eq!(entries(self.folder.path()), names);
    }
}

#[test]
fn a_missing_file_is_named() {
    let scratch = Scratch::new();
    let out = scratch.path("t.safetensors");
    run!["encode", "nowhere.jpg", "--out", out].fails(1, &["nowhere.jpg"]);
    run!["decode", "nowhere.safetensors", "--out", scratch.path("x.png")].fails(1, &["nowhere.safetensors"]);
    run!["inspect", "nowhere.jpg"].fails(1, &["nowhere.jpg"]);
    run!["compare", "nowhere.jpg", sample("cat.jpg")].fails(1, &["nowhere.jpg"]);
    run![
        "edit",
        sample("cat.jpg"),
        "--recipe",
        "no.json",
        "--out",
        scratch.path("x.png")
    ]
    .fails(1, &["no.json"]);
    run!["nowhere.jpg"].fails(1, &["nowhere.jpg"]);
    scratch.holds(&[]);
}

#[test]
fn wrong_usage_exits_with_2() {
    let scratch = Scratch::new();
    for arguments in [
        &["encode"][..],
        &["encode", "a.jpg"],
        &["encode", "a.jpg", "--out", "t.txt"],
        &["decode", "t.safetensors", "--out", "t.bmp"],
        &["edit", "a.jpg", "--out", "t.gif"],
        &["interpolate", "a.jpg", "b.jpg", "--frames", "1", "--out", "x"],
        &[
            "interpolate",
            "a.jpg",
            "b.jpg",
            "--frames",
            "4",
            "--tokens",
            "5-2",
            "--out",
            "x",
        ],
        &["compare", "a.jpg"],
        &["models"],
        &["models", "list", "--threads", "0"],
        &["models", "list", "--device", "abacus"],
        &["encod"],
    ] {
        let run = crate::support::run(arguments);
        assert_eq!(run.code, Some(2), "{arguments:?}: {}", run.stderr);
        assert_eq!(run.stdout, "", "{arguments:?}");
        assert!(!run.stderr.is_empty(), "{arguments:?}");
    }
    scratch.holds(&[]);
}

#[test]
fn a_damaged_picture_is_named() {
    let scratch = Scratch::new();
    let whole = std::fs::read(sample("cat.jpg")).unwrap();
    let out = scratch.path("t.safetensors");
    let cut = scratch.file("cut.jpg", &whole[..200]);
    run!["encode", sample("dog.jpg"), cut, "--out", out].fails(1, &["cut.jpg"]);
    let empty = scratch.file("empty.png", b"");
    run!["encode", empty, "--out", out].fails(1, &["empty.png"]);
    let text = scratch.file("text.png", b"this is no picture");
    run!["inspect", text].fails(1, &["text.png"]);
    scratch.holds(&["cut.jpg", "empty.png", "text.png"]);
}

#[test]
fn a_lying_safetensors_is_named() {
    let scratch = Scratch::new();
    let out = scratch.path("x.png");
    // A header longer than the file, one that describes more than is there, and no file of tensors at all.
    let mut long = u64::MAX.to_le_bytes().to_vec();
    long.extend(b"{}");
    let header = br#"{"z":{"dtype":"F32","shape":[1,32,32],"data_offsets":[0,4096]}}"#;
    let mut short = (header.len() as u64).to_le_bytes().to_vec();
    short.extend(header);
    for (name, bytes) in [
        ("long.safetensors", &long),
        ("short.safetensors", &short),
        ("text.safetensors", &b"no".to_vec()),
    ] {
        let file = scratch.file(name, bytes);
        run!["decode", file, "--out", out].fails(1, &[name]);
        std::fs::remove_file(file).unwrap();
    }
    scratch.holds(&[]);
}

#[test]
fn tokens_of_another_shape_or_not_finite_are_refused() {
    let scratch = Scratch::new();
    let file = |name: &str, key: &str, count: usize, value: f32| {
        let data: Vec<u8> = std::iter::repeat_n(value, count * 32)
            .flat_map(f32::to_le_bytes)
            .collect();
        let view =
            safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![1, count, 32], &data).unwrap();
        scratch.file(name, &safetensors::serialize([(key, view)], None).unwrap())
    };
    let out = scratch.path("x.png");
    run!["decode", file("few.safetensors", "z", 8, 0.0), "--out", out].fails(1, &["few.safetensors", "z"]);
    run!["decode", file("nan.safetensors", "z", 32, f32::NAN), "--out", out]
        .fails(1, &["nan.safetensors", "z", "NaN"]);
    run!["decode", file("other.safetensors", "q", 32, 0.0), "--out", out]
        .fails(1, &["other.safetensors", "z", "q"]);
    run![
        "encode",
        file("no-x.safetensors", "z", 32, 0.0),
        "--out",
        scratch.path("t.safetensors")
    ]
    .fails(1, &["no-x.safetensors", "x_u8"]);
    scratch.holds(&[
        "few.safetensors",
        "nan.safetensors",
        "no-x.safetensors",
        "other.safetensors",
    ]);
}

#[test]
fn a_recipe_that_cannot_be_applied_says_why() {
    let scratch = Scratch::new();
    let out = scratch.path("x.png");
    let check = |recipe: &str, words: &[&str]| {
        let file = scratch.file("r.json", recipe.as_bytes());
        run!["edit", sample("cat.jpg"), "--recipe", file, "--out", out].fails(1, words);
    };
    check(
        r#"{"softscope_recipe":1,"edits":[{"type":"swirl","tokens":[1]}]}"#,
        &["swirl"],
    );
    check(
        r#"{"softscope_recipe":1,"edits":[{"type":"swap","a":2,"b":99}]}"#,
        &["99"],
    );
    check(r#"{"softscope_recipe":9,"edits":[]}"#, &["9"]);
    check(
        r#"{"softscope_recipe":1,"model":"0123456789abcdef","edits":[]}"#,
        &["0123456789abcdef", "model"],
    );
    check(r#"{"edits":[]}"#, &["softscope_recipe"]);
    check("{", &["r.json"]);
    let copy = r#"{"softscope_recipe":1,"edits":[{"type":"copy","from":"gone.jpg","tokens":[1],"to":[1]}]}"#;
    check(copy, &["gone.jpg"]);
    run!["edit", sample("cat.jpg"), "--out", out].fails(1, &["cat.jpg", "--recipe"]);
    scratch.holds(&["r.json"]);
}

#[test]
fn an_output_that_cannot_be_written_leaves_nothing() {
    let scratch = Scratch::new();
    let file = scratch.file("file", b"mine");
    run!["reconstruct", sample("cat.jpg"), "--out", file].fails(1, &["file", "not a folder"]);
    run![
        "encode",
        sample("cat.jpg"),
        "--out",
        scratch.path("no/t.safetensors")
    ]
    .fails(1, &["t.safetensors"]);
    assert_eq!(std::fs::read(&file).unwrap(), b"mine");
    scratch.holds(&["file"]);
}

#[test]
fn an_input_is_never_overwritten() {
    let scratch = Scratch::new();
    let picture = scratch.path("cat.png");
    std::fs::write(
        &picture,
        softscope::picture::to_png(&softscope::picture::open(&sample("cat.jpg")).unwrap(), &[]).unwrap(),
    )
    .unwrap();
    let before = std::fs::read(&picture).unwrap();
    run!["reconstruct", picture, "--out", scratch.folder.path()].fails(1, &["cat.png", "input"]);
    run!["compare", picture, sample("cat.jpg"), "--map", picture].fails(1, &["cat.png", "input"]);
    assert_eq!(std::fs::read(&picture).unwrap(), before);
    scratch.holds(&["cat.png"]);
}

#[test]
fn two_pictures_of_one_name_are_refused_before_any_work() {
    let scratch = Scratch::new();
    let twin = scratch.path("cat.jpg");
    std::fs::copy(sample("cat.jpg"), &twin).unwrap();
    run![
        "reconstruct",
        sample("cat.jpg"),
        twin,
        "--out",
        scratch.path("out")
    ]
    .fails(1, &["cat.png"]);
    scratch.holds(&["cat.jpg"]);
}

#[test]
fn a_model_that_is_none_is_named() {
    let scratch = Scratch::new();
    let out = scratch.path("t.safetensors");
    let encode = |model: &Path| run!["encode", sample("cat.jpg"), "--out", out, "--model", model];
    encode(Path::new("no-such-model")).fails(1, &["no-such-model", "softscope-32"]);
    let folder = scratch.path("model");
    std::fs::create_dir(&folder).unwrap();
    encode(&folder).fails(1, &["model.safetensors"]);
    std::fs::write(folder.join("model.safetensors"), b"xx").unwrap();
    encode(&folder).fails(1, &["config.json"]);
    std::fs::write(folder.join("config.json"), b"{\"image_size\": \"big\"}").unwrap();
    encode(&folder).fails(1, &["config.json", "image_size"]);
    scratch.holds(&["model"]);
}

#[test]
fn a_config_of_another_model_lists_the_keys() {
    let Some(golden) = golden("a1_softvq_k1") else {
        return;
    };
    let config = golden.model.path().join("config.json");
    let text = std::fs::read_to_string(&config).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
    json["num_latent_tokens"] = 9.into();
    std::fs::write(&config, json.to_string()).unwrap();
    let scratch = Scratch::new();
    let run = run![
        "encode",
        sample("cat.jpg"),
        "--out",
        scratch.path("t.safetensors"),
        "--model",
        golden.model.path()
    ];
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("encoder.latent_tokens"), "{}", run.stderr);
    assert!(run.stderr.contains("decoder.latent_pos_embed"), "{}", run.stderr);
    scratch.holds(&[]);
}

#[test]
fn without_a_display_the_window_says_what_to_do() {
    let run = crate::support::run([sample("cat.jpg")]);
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert!(run.stderr.contains("softscope --help"), "{}", run.stderr);
    assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
}

#[test]
fn a_device_that_is_not_built_in_is_named() {
    #[cfg(not(feature = "cuda"))]
    run!["inspect", sample("cat.jpg"), "--device", "cuda"].fails(1, &["CUDA"]);
    #[cfg(not(feature = "metal"))]
    run!["inspect", sample("cat.jpg"), "--device", "metal"].fails(1, &["Metal"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told() {
    let full = || Stdio::from(std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    let output = command(["models", "list"]).stdout(full()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("standard output"), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
    // A full disk under an output file, and stderr that cannot be written either: still no panic.
    run![
        "compare",
        sample("cat.jpg"),
        sample("cat.jpg"),
        "--map",
        "/dev/full"
    ]
    .fails(2, &["/dev/full"]);
    let status = command(["encode", "nowhere.jpg", "--out", "t.safetensors"])
        .stderr(full())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(1));
}

#[cfg(unix)]
#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let mut child = command(["inspect", sample("cat.jpg").to_str().unwrap()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.stderr.is_empty());
}
