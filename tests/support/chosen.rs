//! The device under test: as the environment variable `SOFTSCOPE_TEST_DEVICE` names it (`cpu`, `cuda`, `metal`; `auto`,
//! or not set, as the program chooses by itself).

use super::Golden;
use super::models::open_on;
use candle_core::Device;
use softscope::engine::{DeviceChoice, Runner};
use std::io::Write;
use std::sync::OnceLock;

const VARIABLE: &str = "SOFTSCOPE_TEST_DEVICE";

/// As it is named.
pub(crate) fn choice() -> DeviceChoice {
    match std::env::var(VARIABLE).as_deref() {
        Err(_) | Ok("auto") => DeviceChoice::Auto,
        Ok("cpu") => DeviceChoice::Cpu,
        Ok("cuda") => DeviceChoice::Cuda,
        Ok("metal") => DeviceChoice::Metal,
        Ok(other) => panic!("{VARIABLE} is {other}, none of auto, cpu, cuda, metal"),
    }
}

/// A small model on the device and on the CPU.
pub(crate) fn pair(name: &str) -> Option<(Golden, Runner, Runner)> {
    let (golden, on_device) = open_on(name, choice())?;
    let (_, on_cpu) = open_on(name, DeviceChoice::Cpu)?;
    Some((golden, on_device, on_cpu))
}

/// The device, started by the engine as the program does it.
pub(crate) fn device() -> Device {
    static STARTED: OnceLock<Device> = OnceLock::new();
    let start = || {
        let (_, runner) = open_on("a3_softvq_nol2", choice()).unwrap();
        // Not by `eprintln!`, which a passing test keeps to itself.
        let _ = writeln!(std::io::stderr(), "device under test: {}", runner.info().device);
        runner.tokenizer().device().clone()
    };
    STARTED.get_or_init(start).clone()
}
