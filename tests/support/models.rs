//! Small models and tokens to measure.

use super::Golden;
use softscope::engine::{Control, DeviceChoice, NoControl, RunOptions, Runner};
use softscope::latent::{LatentState, Tokens};
use softscope::picture::{Mask, Planar};

/// One of every class and kind of decoder.
pub(crate) const SETS: [&str; 8] = [
    "a2_softvq_k4",
    "a3_softvq_nol2",
    "a4_kl16_vit",
    "a5_vq16_vit",
    "a6c_ae_movq_ape",
    "a6d_softvq_rope",
    "a8_to_pixel_conv",
    "a8_to_pixel_siren",
];

pub(crate) fn open(name: &str) -> Option<(Golden, Runner)> {
    open_on(name, DeviceChoice::default())
}

pub(crate) fn open_on(name: &str, device: DeviceChoice) -> Option<(Golden, Runner)> {
    let golden = Golden::tiny(name)?;
    let options = RunOptions {
        device,
        threads: Some(1),
        ..RunOptions::default()
    };
    let runner = Runner::open(&golden.files, &options, &NoControl).unwrap();
    Some((golden, runner))
}

/// The first picture of a set as the model encodes it.
pub(crate) fn encoded(golden: &Golden, runner: &Runner) -> LatentState {
    let side = runner.info().args.image_size as u32;
    let x = golden
        .x()
        .get(0)
        .unwrap()
        .flatten_all()
        .unwrap()
        .to_vec1::<f32>()
        .unwrap();
    let picture = Planar::new(side, side, x).unwrap();
    runner.encode(&[picture], &NoControl).unwrap().remove(0)
}

pub(crate) fn decode(runner: &Runner, z: &Tokens) -> Vec<f32> {
    runner.decode(&[z], &NoControl).unwrap().remove(0).data
}

/// Values without a pattern in -1..1.
pub(crate) fn wave(count: usize, seed: usize) -> Vec<f32> {
    (0..count)
        .map(|index| ((index * (7919 + 34 * seed) + seed) % 2003) as f32 / 1001.0 - 1.0)
        .collect()
}

/// The left half, its last column by half.
pub(crate) fn left_half(runner: &Runner) -> Mask {
    let side = runner.info().args.image_size;
    let weight = |index: usize| match (2 * (index % side)).cmp(&side) {
        std::cmp::Ordering::Less => 1.0,
        std::cmp::Ordering::Equal => 0.5,
        std::cmp::Ordering::Greater => 0.0,
    };
    Mask::new(side as u32, side as u32, (0..side * side).map(weight).collect()).unwrap()
}

/// Asked to stop from the start.
pub(crate) struct Stop;

impl Control for Stop {
    fn progress(&self, _fraction: f32) {}
    fn is_cancelled(&self) -> bool {
        true
    }
}
