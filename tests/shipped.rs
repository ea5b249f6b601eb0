//! The models that ship do what their cards say: the headline figures are measured anew from the shipped files, on the
//! held-out pictures that the cards name.

// A test stops at the first surprise, in its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unreachable)]

mod support;

use candle_core::{DType, Device};
use softscope::generator::Generator;
use softscope::tokenizer::{ModelFiles, Tokenizer};
use softscope::trainer::{DataConfig, DataFolders, GeneratorRun, GeneratorTrainConfig, HeldOut, Library};
use std::path::{Path, PathBuf};

/// As many of each kind as `softscope train` evaluates by default.
const PICTURES: usize = 64;

fn model(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(name)
}

fn card(name: &str) -> String {
    std::fs::read_to_string(model(name).join("README.md")).unwrap()
}

/// The number in the second cell of the card's row that begins with `name`.
fn on_card(card: &str, name: &str) -> f64 {
    let row = card
        .lines()
        .find(|line| line.starts_with(&format!("| {name}")))
        .unwrap_or_else(|| panic!("the card has no row \"{name}\""));
    let cell = row.split('|').nth(2).unwrap().trim();
    cell.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn the_card_says_what_is_measured() {
    let Some(data) = support::shared("data") else {
        return;
    };
    let files = ModelFiles::locate(&model("softscope-32")).unwrap();
    let tokenizer = Tokenizer::load(&files, &Device::Cpu, DType::F32, &mut |_, _| true).unwrap();
    let side = tokenizer.args().image_size;
    let config = DataConfig::default();
    let folders =
        DataFolders::find(&[data.join("photos"), data.join("emoji")], config.held_out_share).unwrap();
    let library = Library::read(&folders.held_out, side, &config).unwrap();
    let held_out = HeldOut::prepare(&library, side, PICTURES, &config);
    let found = held_out.evaluate(&tokenizer).unwrap().figures;

    let card = card("softscope-32");
    for (name, found, tolerance) in [
        ("PSNR of photographs", found.photograph_psnr_db, 0.02),
        ("PSNR of composites", found.composite_psnr_db, 0.02),
        ("effective number of codewords", found.perplexity, 0.5),
        ("largest weight", found.top_weight, 0.001),
        ("part of the codebook in use", found.codebook_used, 0.006),
    ] {
        let stated = on_card(&card, name);
        assert!(
            (stated - found).abs() <= tolerance,
            "{name}: the card says {stated}, measured {found:.4}"
        );
    }
    let args = tokenizer.args();
    assert!(
        (args.vq_mean - found.latent_mean).abs() < 1e-4,
        "{}",
        found.latent_mean
    );
    assert!(
        (args.vq_std - found.latent_deviation).abs() < 1e-4,
        "{}",
        found.latent_deviation
    );
}

#[test]
fn the_generators_card_says_what_is_measured() {
    let Some(data) = support::shared("data") else {
        return;
    };
    let config = GeneratorTrainConfig::read(&model("recipe").join("softscope-sit.toml"))
        .unwrap()
        .unwrap();
    let files = ModelFiles::locate(&model("softscope-sit")).unwrap();
    let generator = Generator::load(&files, &Device::Cpu, DType::F32, &mut |_, _| true).unwrap();
    let run = GeneratorRun {
        tokenizer: ModelFiles::locate(&model(&config.tokenizer)).unwrap(),
        config,
        data: vec![data.join("photos"), data.join("emoji")],
        out: PathBuf::new(),
        is_resumed: false,
    };
    let found = run.held_out_loss(&generator).unwrap();

    let stated = on_card(&card("softscope-sit"), "loss on held-out pictures");
    assert!(
        (stated - found).abs() <= 0.002,
        "the card says {stated}, measured {found:.4}"
    );
}
