//! Kernels from source to a function of a device.

use super::plan::Plan;
use candle_core::cuda_backend::cudarc::driver::sys::CUfunction_attribute_enum::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
use candle_core::cuda_backend::cudarc::driver::{CudaFunction, DriverError};
use candle_core::cuda_backend::cudarc::nvrtc::{CompileError, CompileOptions, Ptx, compile_ptx_with_opts};
use candle_core::cuda_backend::{CudaDevice, DeviceId};
use candle_core::{Error, Result};
use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, Once, PoisonError};

/// Name of the function in every source.
const FUNCTION: &str = "attention";
/// Shared memory that a block has without asking for more.
const SHARED_BYTES_UNASKED: u32 = 48 * 1024;
/// Capability from which on tensor cores multiply bf16 and copies to shared memory are done aside; code compiled for it
/// runs on all later ones.
const MODERN: (i32, i32) = (8, 0);

/// By device and plan; `None` where it cannot be had.
type Functions = HashMap<(DeviceId, Plan), Option<CudaFunction>>;

static FUNCTIONS: LazyLock<Mutex<Functions>> = LazyLock::new(Mutex::default);

/// Compute capability of a device.
pub(super) fn capability(device: &CudaDevice) -> Result<(i32, i32)> {
    let capability = device.cuda_stream().context().compute_capability();
    capability.map_err(Error::wrap)
}

/// Whether tensor cores multiply bf16 there.
pub(super) fn multiplies_bf16(capability: (i32, i32)) -> bool {
    capability >= MODERN
}

/// The kernel of a plan on a device, compiled when it is first asked for; `None` where it cannot be had, which standard
/// error is told once.
pub(super) fn function(device: &CudaDevice, plan: Plan) -> Option<CudaFunction> {
    let mut functions = FUNCTIONS.lock().unwrap_or_else(PoisonError::into_inner);
    let entry = functions.entry((device.id(), plan));
    entry
        .or_insert_with(|| match build(device, plan) {
            Ok(function) => Some(function),
            Err(reason) => {
                tell(&reason);
                None
            }
        })
        .clone()
}

fn build(device: &CudaDevice, plan: Plan) -> std::result::Result<CudaFunction, String> {
    let ptx = compile(plan, capability(device).map_err(|error| error.to_string())?)?;
    load(device, plan, ptx).map_err(|error| error.to_string())
}

fn compile(plan: Plan, capability: (i32, i32)) -> std::result::Result<Ptx, String> {
    let (major, minor) = capability.min(MODERN);
    let mut options = vec![format!("--gpu-architecture=compute_{major}{minor}")];
    let definitions = plan.definitions();
    options.extend(
        definitions
            .iter()
            .map(|(name, value)| format!("-D{name}={value}")),
    );
    let options = CompileOptions {
        options,
        ..CompileOptions::default()
    };
    compile_ptx_with_opts(plan.source(), options).map_err(|error| match error {
        CompileError::CompileError { log, .. } => log.to_string_lossy().into_owned(),
        other => other.to_string(),
    })
}

fn load(device: &CudaDevice, plan: Plan, ptx: Ptx) -> std::result::Result<CudaFunction, DriverError> {
    let function = device
        .cuda_stream()
        .context()
        .load_module(ptx)?
        .load_function(FUNCTION)?;
    let shared_bytes = plan.shared_bytes();
    if shared_bytes > SHARED_BYTES_UNASKED {
        let limit = CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
        function.set_attribute(limit, shared_bytes.cast_signed())?;
    }
    Ok(function)
}

/// Once for the process: what follows is only slower.
fn tell(reason: &str) {
    static TOLD: Once = Once::new();
    TOLD.call_once(|| {
        eprintln!("Attention runs in several steps, more slowly: its kernel cannot be had. {reason}");
    });
}

#[cfg(test)]
mod tests {
    use super::super::plan::{Products, Tiling};
    use super::*;

    #[test]
    fn a_kernel_compiles_for_every_head() {
        for head in [4, 12, 32, 64, 72, 128] {
            for products in [Products::F32, Products::Bf16] {
                for tiling in Tiling::of_head(products, head) {
                    for (is_rotary, capability) in [(false, (9, 0)), (true, (7, 5))] {
                        let plan = Plan {
                            head,
                            is_rotary,
                            tiling,
                        };
                        let capability = match products {
                            Products::F32 => capability,
                            Products::Bf16 => capability.max(MODERN),
                        };
                        let ptx = compile(plan, capability).unwrap_or_else(|log| panic!("{plan:?}: {log}"));
                        assert!(ptx.to_src().contains(FUNCTION), "{plan:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_source_that_does_not_compile_says_why() {
        let tiling = Tiling::F32 {
            rows: 4,
            row_threads: 8,
            columns: 4,
            groups: 3,
        };
        let plan = Plan {
            head: 64,
            is_rotary: false,
            tiling,
        };
        let log = compile(plan, MODERN).unwrap_err();
        assert!(log.contains("a barrier of its own"), "{log}");
    }
}
