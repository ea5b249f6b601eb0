use softscope::tokenizer::Products;
use softscope::trainer::{Learns, Scheduled, TrainConfig};

#[test]
fn an_unknown_key_is_refused_by_name() {
    for (text, key) in [
        ("stepz = 3", "stepz"),
        ("[loss]\nlpips = { weight = 1.0 }", "lpips"),
        ("[optimiser]\nlearning_rat = 1e-3", "learning_rat"),
        (
            "[model.encoder]\nembed_dim = 8\ndepth = 1\nnum_heads = 1\nmlp = 2",
            "mlp",
        ),
    ] {
        let error = TrainConfig::parse(text).unwrap_err();
        assert!(error.contains(key), "{error}");
    }
}

#[test]
fn an_impossible_value_is_refused_by_name() {
    for (text, key) in [
        ("steps = 0", "`steps`"),
        ("products = \"f16\"", "products"),
        ("[data]\npackage_cap = 0.0", "`data.package_cap`"),
        ("[data]\ncutout_size = [0.9, 0.3]", "`data.cutout_size`"),
        ("[optimiser]\nbatch = 5\nparts = 2", "`optimiser.parts`"),
        ("[optimiser]\nlearning_rate = -1.0", "`optimiser.learning_rate`"),
        ("[loss]\nkl = { weight = -1.0 }", "`loss.kl.weight`"),
        ("[loss.perceptual]\nweight = 1.0", "`loss.perceptual.network`"),
        ("[loss.perceptual]\nstages = [8]", "`loss.perceptual.stages`"),
        ("[loss.alignment]\nweight = 1.0", "`loss.alignment.network`"),
        ("[loss.alignment]\nhidden = 0", "`loss.alignment.hidden`"),
        ("[loss.adversarial]\nweight = 1.0", "`loss.adversarial.network`"),
        ("[loss.adversarial]\nlecam = -1.0", "`loss.adversarial.lecam`"),
        ("[model]\npatch_size = 7", "`enc_patch_size`"),
    ] {
        let error = TrainConfig::parse(text).unwrap_err();
        assert!(error.contains(key), "{error}");
    }
}

#[test]
fn a_configuration_survives_being_written() {
    let config = TrainConfig::parse("seed = 7\n[loss]\nl1 = { weight = 0.25, ramp_steps = 10 }").unwrap();
    assert_eq!(TrainConfig::parse(&config.to_toml().unwrap()).unwrap(), config);
}

#[test]
fn products_are_f32_where_nothing_is_said() {
    let products = |text: &str| TrainConfig::parse(text).unwrap().products;
    assert_eq!(products(""), Products::F32);
    assert_eq!(products("products = \"f32\""), Products::F32);
    assert_eq!(products("products = \"bf16\""), Products::Bf16);
}

#[test]
fn the_example_says_what_the_defaults_are() {
    let text = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/models/recipe/softscope-32.toml"
    ));
    let example = TrainConfig::parse(&text.unwrap()).unwrap();
    let defaults = TrainConfig::default();
    assert_eq!(
        TrainConfig {
            steps: defaults.steps,
            ..example
        },
        defaults
    );
}

#[test]
fn the_second_stage_goes_on_with_the_same_model_behind_its_tokens() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/models/recipe/softscope-32-decoder.toml"
    );
    let second = TrainConfig::parse(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(second.model, TrainConfig::default().model);
    assert_eq!(second.learns, Learns::Decoder);
    assert!(second.start.from.is_some() && second.start.tau_steps == 0);
}

#[test]
fn rates_and_weights_follow_their_schedules() {
    let config = TrainConfig::parse(
        "steps = 110\n[optimiser]\nlearning_rate = 1.0\nwarmup_steps = 10\nfinal_share = 0.1",
    )
    .unwrap();
    let rates: Vec<f64> = (0..110).map(|step| config.learning_rate(step)).collect();
    assert!((rates[0] - 0.1).abs() < 1e-12 && (rates[9] - 1.0).abs() < 1e-12);
    assert!(rates[10..].windows(2).all(|pair| pair[1] < pair[0]));
    assert!((rates[60] - 0.55).abs() < 1e-9 && rates[109] > 0.1 && rates[109] < 0.101);
    let late = Scheduled {
        weight: 2.0,
        from_step: 5,
        ramp_steps: 4,
    };
    let weights: Vec<f64> = (3..10).map(|step| late.at(step)).collect();
    assert_eq!(weights, [0.0, 0.0, 0.5, 1.0, 1.5, 2.0, 2.0]);
}
