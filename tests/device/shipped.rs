//! The models that ship, at their real size, against the CPU.

use crate::support::chosen::choice;
use crate::support::{psnr, root};
use softscope::engine::{
    DeviceChoice, GeneratorRunner, NoControl, Precision, RunOptions, Runner, tokens_of_latents,
};
use softscope::generator::{Noise, Settings, Solver, Start};
use softscope::picture::{self, Fit, Planar, Rgb8};
use softscope::tokenizer::ModelFiles;

/// Of the largest value: tokens after a pass of a real size, in f32.
const TOKENS: f64 = 2e-4;
/// Share of 8-bit values that may differ, by one.
const DIFFERING_BYTES: f64 = 0.005;
const BF16_DB: f64 = 45.0;
/// Latents after eight guided steps, of the largest value.
const LATENTS: f64 = 1e-3;

fn files(model: &str) -> ModelFiles {
    ModelFiles::locate(&root().join("models").join(model)).unwrap()
}

fn options(device: DeviceChoice, precision: Precision) -> RunOptions {
    RunOptions {
        device,
        precision,
        threads: Some(2),
    }
}

fn open(device: DeviceChoice, precision: Precision) -> Runner {
    Runner::open(&files("softscope-32"), &options(device, precision), &NoControl).unwrap()
}

fn photograph(runner: &Runner) -> Planar {
    let side = runner.info().args.image_size as u32;
    let photograph = picture::open(&root().join("assets/samples/parrot.jpg")).unwrap();
    Planar::from_rgb8(&picture::fit(&photograph, side, Fit::Crop))
}

fn decoded(runner: &Runner, states: &[softscope::latent::Tokens]) -> Vec<Rgb8> {
    let tokens: Vec<_> = states.iter().collect();
    let pictures = runner.decode(&tokens, &NoControl).unwrap();
    pictures.iter().map(Planar::to_rgb8).collect()
}

#[track_caller]
fn assert_same_bytes(found: &Rgb8, expected: &Rgb8) {
    let pairs = || found.as_bytes().iter().zip(expected.as_bytes());
    assert!(pairs().all(|(a, b)| a.abs_diff(*b) <= 1));
    let differing = pairs().filter(|(a, b)| a != b).count();
    let share = differing as f64 / expected.as_bytes().len() as f64;
    eprintln!("{share:.1e} of the bytes differ");
    assert!(share < DIFFERING_BYTES, "{share} of the bytes differ");
}

fn off_by<T: Copy + Into<f64>>(found: &[T], expected: &[T]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let largest = expected
        .iter()
        .fold(0.0_f64, |most, value| most.max((*value).into().abs()));
    let differences = found
        .iter()
        .zip(expected)
        .map(|(a, b)| ((*a).into() - (*b).into()).abs());
    differences.fold(
        0.0,
        |most: f64, by| if by.is_nan() { f64::INFINITY } else { most.max(by) },
    ) / largest
}

#[test]
fn a_photograph_is_reconstructed_as_on_the_cpu() {
    let on_device = open(choice(), Precision::F32);
    let on_cpu = open(DeviceChoice::Cpu, Precision::F32);
    let input = [photograph(&on_cpu)];
    let found = on_device.encode(&input, &NoControl).unwrap().remove(0);
    let expected = on_cpu.encode(&input, &NoControl).unwrap().remove(0);
    for (what, found, expected) in [
        ("h", &found.h.unwrap().values, &expected.h.unwrap().values),
        ("z", &found.z.values, &expected.z.values),
    ] {
        let error = off_by(found, expected);
        eprintln!("{what}: {error:.1e}");
        assert!(error < TOKENS, "{what} is off by {error:e}");
    }
    let [found, expected] =
        [&on_device, &on_cpu].map(|runner| decoded(runner, std::slice::from_ref(&expected.z)).remove(0));
    assert_same_bytes(&found, &expected);
}

#[test]
fn bf16_comes_near_the_cpus_f32() {
    let on_device = open(choice(), Precision::Bf16);
    let on_cpu = open(DeviceChoice::Cpu, Precision::F32);
    assert_eq!(on_device.info().precision, "bf16");
    let input = [photograph(&on_cpu)];
    let z = [on_cpu.encode(&input, &NoControl).unwrap().remove(0).z];
    let psnr_db = psnr(
        decoded(&on_device, &z)[0].as_bytes(),
        decoded(&on_cpu, &z)[0].as_bytes(),
    );
    eprintln!("bf16: {psnr_db:.1} dB");
    assert!(psnr_db >= BF16_DB, "PSNR {psnr_db}");
}

#[test]
fn a_seed_gives_the_same_pictures_as_on_the_cpu() {
    let of = |device| {
        let options = options(device, Precision::F32);
        let runner = GeneratorRunner::open(&files("softscope-sit"), &options, &NoControl).unwrap();
        let mut settings = Settings::of_generator(runner.info().class, &runner.info().args);
        settings.steps = 8;
        settings.guidance.scale = 1.5;
        let mut run = |solver| {
            settings.solver = solver;
            let start = Start {
                labels: vec![0, 1],
                noise: Noise::Seeds(vec![1, 2]),
                original: None,
            };
            let mut sampler = runner.sampler(settings, start).unwrap();
            while !sampler.is_finished() {
                runner.step(&mut sampler, &NoControl).unwrap();
            }
            sampler.state().to_vec()
        };
        [run(Solver::Euler), run(Solver::Sde)]
    };
    let (found, expected) = (of(choice()), of(DeviceChoice::Cpu));
    for (found, expected) in found.iter().zip(&expected) {
        let error = off_by(found, expected);
        eprintln!("latents: {error:.1e}");
        assert!(error < LATENTS, "latents are off by {error:e}");
    }
    let on_device = open(choice(), Precision::F32);
    let tokens = tokens_of_latents(&found[0], on_device.info());
    let on_cpu = open(DeviceChoice::Cpu, Precision::F32);
    for (found, expected) in decoded(&on_device, &tokens)
        .iter()
        .zip(&decoded(&on_cpu, &tokens))
    {
        assert_same_bytes(found, expected);
    }
}
