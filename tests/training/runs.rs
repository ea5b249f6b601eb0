use crate::perceptual::EFFICIENTNET;
use crate::support::shared;
use softscope::tokenizer::{ModelFiles, check};
use softscope::trainer::{Progress, Run, TrainConfig};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Photographs and cut-outs, small and made up.
pub(crate) fn pictures() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for index in 0..8_u32 {
        let photograph = image::RgbImage::from_fn(48, 40, |x, y| {
            image::Rgb([
                (x * 5 + index * 20) as u8,
                (y * 6) as u8,
                ((x ^ y) * 4 + index) as u8,
            ])
        });
        photograph
            .save(folder.path().join(format!("package{}__{index}.png", index % 3)))
            .unwrap();
        let cutout = image::RgbaImage::from_fn(32, 32, |x, y| {
            let is_inside = (x as i32 - 16).pow(2) + (y as i32 - 16).pow(2) < 150;
            image::Rgba([200, (index * 30) as u8, x as u8, if is_inside { 255 } else { 0 }])
        });
        cutout
            .save(folder.path().join(format!("cutout{index}.png")))
            .unwrap();
    }
    folder
}

pub(crate) const SMALL: &str = "
steps = 6
threads = 2
[model]
image_size = 32
patch_size = 8
tokens = 8
channels = 8
codebook_size = 32
encoder = { embed_dim = 16, depth = 1, num_heads = 2 }
decoder = { embed_dim = 16, depth = 2, num_heads = 2 }
[data]
held_out_share = 0.3
[optimiser]
batch = 4
accumulate = 2
warmup_steps = 2
[output]
log_every = 1
evaluate_every = 4
checkpoint_every = 100
evaluated_pictures = 2
";

fn run_config(config: &str, data: &Path, out: &Path, is_resumed: bool, stop_after: u64) -> Vec<f64> {
    let run = Run {
        config: TrainConfig::parse(config).unwrap(),
        data: vec![data.to_owned()],
        out: out.to_owned(),
        is_resumed,
    };
    let mut losses = Vec::new();
    let outcome = run
        .perform(&mut |news| match news {
            Progress::Step(report) => {
                losses.push(report.terms.loss);
                if report.step + 1 == stop_after {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            }
            _ => ControlFlow::Continue(()),
        })
        .unwrap();
    assert_eq!(outcome.steps, stop_after.min(6));
    losses
}

/// Trains straight through, and with an interruption before which one thread computes alone; gives back the
/// folders of both.
fn check_resume(config: &str, folder: &Path) -> (PathBuf, PathBuf) {
    let data = pictures();
    let (whole, cut) = (folder.join("whole"), folder.join("cut"));
    let straight = run_config(config, data.path(), &whole, false, 6);
    let alone = config.replace("\nthreads = 2", "\nthreads = 1");
    assert_ne!(config, alone);
    let mut resumed = run_config(&alone, data.path(), &cut, false, 3);
    resumed.extend(run_config(config, data.path(), &cut, true, 6));
    assert_eq!(straight, resumed);
    for name in [
        "model.safetensors",
        "state.safetensors",
        "config.json",
        "train.toml",
    ] {
        let read = |folder: &Path| std::fs::read(folder.join(name)).unwrap();
        assert!(read(&whole) == read(&cut), "{name} differs");
    }
    (whole, cut)
}

#[test]
fn every_class_and_every_loss_goes_on_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    for (class, name) in [("kl", "KL"), ("vq", "VQ"), ("ae", "AE")] {
        let config = SMALL.replace("[model]", &format!("[model]\nclass = \"{class}\""));
        let (whole, _) = check_resume(&config, &folder.path().join(class));
        let report = check(&ModelFiles::locate(&whole).unwrap()).unwrap();
        assert!(
            report.is_loadable() && report.class.to_string() == name,
            "{report:?}"
        );
    }
    let Some(network) = shared(EFFICIENTNET) else {
        return;
    };
    let network = format!("network = '{}'", network.display());
    let config = format!(
        "{SMALL}
[loss.perceptual]
weight = 1.0
from_step = 2
{network}
[loss.alignment]
weight = 0.1
hidden = 12
stage = 3
{network}
[loss.adversarial]
weight = 0.2
from_step = 1
stages = [1, 3]
{network}
"
    );
    let (whole, cut) = check_resume(&config, &folder.path().join("all"));
    let data = pictures();
    let resume = |config: &str| {
        let run = Run {
            config: TrainConfig::parse(config).unwrap(),
            data: vec![data.path().to_owned()],
            out: cut.clone(),
            is_resumed: true,
        };
        run.perform(&mut |_| ControlFlow::Continue(()))
            .unwrap_err()
            .to_string()
    };
    for (from, to, key) in [
        ("hidden = 12", "hidden = 13", "`loss.alignment`"),
        ("stages = [1, 3]", "stages = [2]", "`loss.adversarial`"),
    ] {
        let words = resume(&config.replace(from, to));
        assert!(words.contains(key) && words.contains("set"), "{words}");
    }
    let text = std::fs::read_to_string(whole.join("log.csv")).unwrap();
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let names = lines.next().unwrap();
    let rows: Vec<Vec<&str>> = lines.collect();
    assert!(rows.iter().all(|row| row.len() == names.len()));
    let column = |name: &str| -> Vec<f64> {
        let place = names.iter().position(|other| *other == name).unwrap();
        rows.iter().map(|row| row[place].parse().unwrap()).collect()
    };
    let is_on: Vec<bool> = column("perceptual").iter().map(|value| *value > 0.0).collect();
    assert_eq!(is_on, [false, false, true, true, true, true]);
    for name in ["discriminator", "lecam", "consistency", "adversarial"] {
        let is_on: Vec<bool> = column(name).iter().map(|value| *value != 0.0).collect();
        assert_eq!(is_on, [false, true, true, true, true, true], "{name}");
    }
    assert!(
        column("alignment")
            .iter()
            .all(|value| (-1.0..1.0).contains(value) && *value != 0.0)
    );
}

#[test]
fn a_run_that_was_stopped_goes_on_to_the_same_bytes_whatever_the_threads() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, cut) = check_resume(SMALL, folder.path());
    let steps = |folder: &Path| -> Vec<String> {
        let text = std::fs::read_to_string(folder.join("log.csv")).unwrap();
        text.lines()
            .map(|line| line.split(',').next().unwrap().to_owned())
            .collect()
    };
    assert_eq!(steps(&whole), ["step", "1", "2", "3", "4", "5", "6"]);
    assert_eq!(steps(&cut), steps(&whole));
    assert!(whole.join("samples/step-0000004.png").is_file());

    let report = check(&ModelFiles::locate(&whole).unwrap()).unwrap();
    assert!(
        report.is_loadable() && report.keys.unexpected.is_empty(),
        "{report:?}"
    );

    let rounded = format!("products = \"bf16\"\n{SMALL}");
    let (rounded, _) = check_resume(&rounded, &folder.path().join("bf16"));
    let model = |folder: &Path| std::fs::read(folder.join("model.safetensors")).unwrap();
    assert!(
        model(&rounded) != model(&whole),
        "what is rounded is not the same"
    );
}

#[test]
fn folders_and_states_that_do_not_fit_are_refused_in_words() {
    let data = pictures();
    let folder = tempfile::tempdir().unwrap();
    let start = |text: &str, data: &Path, is_resumed: bool| {
        let run = Run {
            config: TrainConfig::parse(text).unwrap(),
            data: vec![data.to_owned()],
            out: folder.path().join("run"),
            is_resumed,
        };
        run.perform(&mut |news| match news {
            Progress::Step(_) => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        })
        .map_err(|error| error.to_string())
    };
    assert!(
        start(SMALL, data.path(), true)
            .unwrap_err()
            .contains("no run to continue")
    );
    let empty = tempfile::tempdir().unwrap();
    assert!(
        start(SMALL, empty.path(), false)
            .unwrap_err()
            .contains("no pictures")
    );
    start(SMALL, data.path(), false).unwrap();
    assert!(start(SMALL, data.path(), false).unwrap_err().contains("--resume"));
    let other = SMALL.replace("codebook_size = 32", "codebook_size = 16");
    assert!(start(&other, data.path(), true).unwrap_err().contains("`model`"));
    let state = folder.path().join("run/state.safetensors");
    std::fs::write(&state, b"half").unwrap();
    assert!(
        start(SMALL, data.path(), true)
            .unwrap_err()
            .contains("cannot be continued")
    );
}

#[test]
fn training_brings_the_loss_down() {
    let data = pictures();
    let folder = tempfile::tempdir().unwrap();
    let run = Run {
        config: TrainConfig::parse(&SMALL.replace("steps = 6", "steps = 120")).unwrap(),
        data: vec![data.path().to_owned()],
        out: folder.path().join("run"),
        is_resumed: false,
    };
    let mut losses = Vec::new();
    run.perform(&mut |news| {
        if let Progress::Step(report) = news {
            losses.push(report.terms.mse);
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    let (first, last) = (mean(&losses[..10]), mean(&losses[110..]));
    assert!(
        last < 0.7 * first,
        "mean squared difference from {first} to {last}"
    );
}

#[test]
fn a_run_of_the_decoder_alone_leaves_tokens_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let data = pictures();
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    run_config(SMALL, data.path(), &first, false, 6);
    let from = format!(
        "learns = \"decoder\"\n{SMALL}[start]\nfrom = '{}'\n",
        first.display()
    );
    run_config(&from, data.path(), &second, false, 6);

    let weights = |run: &Path| {
        candle_core::safetensors::load(run.join("model.safetensors"), &candle_core::Device::Cpu).unwrap()
    };
    let (before, after) = (weights(&first), weights(&second));
    let bytes = |tensor: &candle_core::Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    for (key, tensor) in &before {
        let is_same = bytes(tensor) == bytes(&after[key]);
        let is_behind_tokens = key.starts_with("decoder.") || key.starts_with("post_quant_conv.");
        assert!(is_same || is_behind_tokens, "{key} moved");
    }
    let moved = "decoder.model.blocks.0.mlp.fc1.weight";
    assert!(
        bytes(&before[moved]) != bytes(&after[moved]),
        "{moved} did not move"
    );
}
