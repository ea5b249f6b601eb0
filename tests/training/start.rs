use crate::runs::{SMALL, pictures};
use softscope::trainer::{Run, TrainConfig};
use std::ops::ControlFlow;
use std::path::Path;

/// Held-out PSNR of first weights, which one step at a rate of next to nothing leaves as they are.
fn first_psnr_db(kind: &str) -> f64 {
    let text = format!(
        "
steps = 1
threads = 1
[model]
image_size = 32
patch_size = 8
tokens = 8
channels = 24
codebook_size = 256
encoder = {{ embed_dim = 96, depth = 2, num_heads = 3 }}
decoder = {{ embed_dim = 96, depth = 1, num_heads = 3 }}
[start]
kind = \"{kind}\"
[data]
composite_share = 0.0
held_out_share = 0.3
[optimiser]
batch = 2
learning_rate = 1e-12
[output]
evaluated_pictures = 4
"
    );
    let (data, out) = (pictures(), tempfile::tempdir().unwrap());
    let run = Run {
        config: TrainConfig::parse(&text).unwrap(),
        data: vec![data.path().to_owned()],
        out: out.path().to_owned(),
        is_resumed: false,
    };
    let outcome = run.perform(&mut |_| ControlFlow::Continue(())).unwrap();
    outcome.evaluation.photograph_psnr_db
}

#[test]
fn a_linear_start_shows_pictures_before_the_first_step() {
    let (linear, near) = (first_psnr_db("linear"), first_psnr_db("near"));
    assert!(linear > near + 6.0, "{linear:.2} dB against {near:.2} dB");
    assert_eq!(first_psnr_db("auto").to_bits(), linear.to_bits());
}

#[test]
fn a_linear_start_without_room_is_refused_by_key() {
    let error = TrainConfig::parse(
        "[start]\nkind = \"linear\"\n[model.decoder]\nembed_dim = 64\ndepth = 2\nnum_heads = 2",
    )
    .unwrap_err();
    assert!(error.contains("`model.decoder`"), "{error}");
}

#[test]
fn the_temperature_falls_by_equal_factors_and_stays() {
    let config = TrainConfig::parse("[model]\ntau = 0.02\n[start]\ntau = 0.08\ntau_steps = 10").unwrap();
    let taus: Vec<f64> = [0, 5, 10, 400].map(|step| config.tau(step)).to_vec();
    for (tau, wanted) in taus.iter().zip([0.08, 0.04, 0.02, 0.02]) {
        assert!((tau - wanted).abs() < 1e-12, "{taus:?}");
    }
    assert!(
        TrainConfig::parse("[start]\ntau = 0.0")
            .unwrap_err()
            .contains("`start.tau`")
    );
}

#[test]
fn a_run_goes_on_from_a_model() {
    let (data, first, second) = (
        pictures(),
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
    );
    let train = |text: &str, out: &Path| {
        let run = Run {
            config: TrainConfig::parse(text).unwrap(),
            data: vec![data.path().to_owned()],
            out: out.to_owned(),
            is_resumed: false,
        };
        run.perform(&mut |_| ControlFlow::Continue(()))
            .map(|outcome| outcome.evaluation)
    };
    let trained = train(SMALL, first.path()).unwrap();
    let still = SMALL
        .replace("steps = 6", "steps = 1")
        .replace("warmup_steps = 2", "learning_rate = 1e-12");
    let from = format!("{still}\n[start]\nfrom = {:?}\n", first.path());
    let found = train(&from, second.path()).unwrap();
    assert!((found.photograph_psnr_db - trained.photograph_psnr_db).abs() < 0.01);

    let other_sizes = from.replace("tokens = 8", "tokens = 16");
    let error = train(&other_sizes, tempfile::tempdir().unwrap().path())
        .unwrap_err()
        .to_string();
    assert!(error.contains("latent"), "{error}");
}
