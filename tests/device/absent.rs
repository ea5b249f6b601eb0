//! A device that cannot be had, and one that is full.

use crate::support::Golden;
use crate::support::chosen::device;
use candle_core::{DType, Tensor};
use softscope::engine::{DeviceChoice, EngineError, NoControl, RunOptions, Runner};

#[test]
fn an_explicit_choice_is_kept_or_refused_in_words() {
    let golden = Golden::tiny("a3_softvq_nol2").unwrap();
    for (choice, name) in [(DeviceChoice::Cuda, "CUDA"), (DeviceChoice::Metal, "Metal")] {
        let options = RunOptions {
            device: choice,
            ..RunOptions::default()
        };
        match Runner::open(&golden.files, &options, &NoControl) {
            Ok(runner) => assert!(runner.info().device.starts_with(name)),
            Err(error @ (EngineError::DeviceNotBuilt { .. } | EngineError::DeviceAbsent { .. })) => {
                let message = error.to_string();
                assert!(message.contains(name) && message.contains("`cpu`"), "{message}");
            }
            Err(error) => panic!("{name}: {error}"),
        }
    }
}

#[test]
fn a_full_gpu_says_that_its_memory_is_full() {
    let device = device();
    if device.is_cpu() {
        // The system's own allocator decides there, and may promise what it does not have.
        return;
    }
    let error = Tensor::zeros((1 << 20, 1 << 20), DType::F32, &device).unwrap_err();
    let message = EngineError::from(error).to_string();
    assert!(
        message.contains("memory") && message.contains("`cpu`"),
        "{message}"
    );
}
