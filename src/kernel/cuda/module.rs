//! Kernels from source to a function of a device.

use super::plan::Plan;
use candle_core::cuda_backend::CudaDevice;
use candle_core::cuda_backend::cudarc::driver::CudaFunction;
use candle_core::cuda_backend::cudarc::driver::sys::CUfunction_attribute_enum::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
use candle_core::cuda_backend::cudarc::nvrtc::{CompileError, CompileOptions, compile_ptx_with_opts};
use candle_core::{Error, Result};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, Once, PoisonError};

/// Name of the function in every source.
const FUNCTION: &str = "attention";
/// Shared memory that a block has without asking for more.
const SHARED_BYTES_UNASKED: u32 = 48 * 1024;
/// Capability from which on tensor cores multiply bf16 and copies to shared memory are done aside; code compiled for it
/// runs on all later ones.
const MODERN: (i32, i32) = (8, 0);

/// A compiled kernel.
struct Module {
    name: String,
    ptx: String,
}

/// By capability and plan; `None` where it cannot be had.
type Modules = HashMap<((i32, i32), Plan), Option<Arc<Module>>>;

static MODULES: LazyLock<Mutex<Modules>> = LazyLock::new(Mutex::default);

/// Compute capability of a device.
pub(super) fn capability(device: &CudaDevice) -> Result<(i32, i32)> {
    device
        .cuda_stream()
        .context()
        .compute_capability()
        .map_err(Error::wrap)
}

/// Whether tensor cores multiply bf16 there.
pub(super) fn multiplies_bf16(capability: (i32, i32)) -> bool {
    capability >= MODERN
}

/// The kernel of a plan on a device, compiled when it is first asked for; `None` where it cannot be had, which standard
/// error is told once.
pub(super) fn function(device: &CudaDevice, plan: Plan) -> Result<Option<CudaFunction>> {
    let capability = capability(device)?;
    let mut modules = MODULES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = modules.get(&(capability, plan)) {
        let known = known.clone();
        drop(modules);
        return known.map(|module| load(device, plan, &module)).transpose();
    }
    let built = build(device, plan, capability);
    let (module, function) = match built {
        Ok((module, function)) => (Some(Arc::new(module)), Some(function)),
        Err(reason) => {
            tell(&reason);
            (None, None)
        }
    };
    modules.insert((capability, plan), module);
    Ok(function)
}

fn build(
    device: &CudaDevice,
    plan: Plan,
    capability: (i32, i32),
) -> std::result::Result<(Module, CudaFunction), String> {
    let module = Module {
        name: format!("{plan:?}"),
        ptx: compile(plan, capability)?,
    };
    let function = load(device, plan, &module).map_err(|error| error.to_string())?;
    Ok((module, function))
}

fn compile(plan: Plan, capability: (i32, i32)) -> std::result::Result<String, String> {
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
    match compile_ptx_with_opts(plan.source(), options) {
        Ok(ptx) => Ok(ptx.to_src()),
        Err(CompileError::CompileError { log, .. }) => Err(log.to_string_lossy().into_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn load(device: &CudaDevice, plan: Plan, module: &Module) -> Result<CudaFunction> {
    let function = device.get_or_load_custom_func(FUNCTION, &module.name, &module.ptx)?;
    let shared_bytes = plan.shared_bytes();
    if shared_bytes > SHARED_BYTES_UNASKED {
        let limit = CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
        device
            .cuda_stream()
            .context()
            .bind_to_thread()
            .and_then(|()| function.set_attribute(limit, shared_bytes.try_into().unwrap_or(i32::MAX)))
            .map_err(Error::wrap)?;
    }
    Ok(function.into_cuda_function())
}

/// Once for the process: what follows is only slower.
fn tell(reason: &str) {
    static TOLD: Once = Once::new();
    TOLD.call_once(|| {
        eprintln!("Attention runs in several steps, more slowly: its kernel cannot be had. {reason}")
    });
}

#[cfg(test)]
mod tests {
    use super::super::plan::{Products, Tiling};
    use super::*;

    #[test]
    fn a_kernel_compiles_for_every_head() {
        for head in [4, 8, 12, 16, 24, 32, 48, 64, 72, 80, 96, 128] {
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
                        assert!(ptx.contains(FUNCTION), "{plan:?}");
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
