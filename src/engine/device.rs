use super::EngineError;
#[cfg(feature = "cuda")]
use candle_core::Tensor;
use candle_core::{DType, Device};
use serde::{Deserialize, Serialize};
#[cfg(feature = "cuda")]
use std::sync::{Mutex, PoisonError};

/// Which device a model should run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceChoice {
    /// CUDA or Metal where built in and present, else the CPU.
    #[default]
    Auto,
    /// The processor; always there.
    Cpu,
    /// The first NVIDIA GPU; needs the cargo feature `cuda`.
    Cuda,
    /// The GPU of an Apple machine; needs the cargo feature `metal`.
    Metal,
}

/// Number format of the model's products.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// f32 on every device, so that no figure depends on where it was computed.
    #[default]
    Auto,
    /// 32-bit floats.
    F32,
    /// bfloat16: half the memory, about three decimal digits.
    Bf16,
}

impl Precision {
    /// Format the weights are kept in.
    pub(super) fn dtype(self) -> DType {
        match self {
            Self::Auto | Self::F32 => DType::F32,
            Self::Bf16 => DType::BF16,
        }
    }
}

/// Name of a number format as shown to a person.
pub(super) fn dtype_name(dtype: DType) -> &'static str {
    dtype.as_str()
}

/// Starts the device of a choice. An explicit choice that cannot be had is an error; `Auto` falls back to the CPU.
pub(crate) fn open(choice: DeviceChoice) -> Result<Device, EngineError> {
    match choice {
        DeviceChoice::Cpu => Ok(Device::Cpu),
        DeviceChoice::Cuda => open_cuda(),
        DeviceChoice::Metal => open_metal(),
        DeviceChoice::Auto => Ok(open_cuda().or_else(|_| open_metal()).unwrap_or(Device::Cpu)),
    }
}

/// Such as "CPU" or "CUDA 0".
pub(super) fn name(device: &Device) -> String {
    match device {
        Device::Cpu => "CPU".to_owned(),
        Device::Cuda(_) => "CUDA 0".to_owned(),
        Device::Metal(_) => "Metal 0".to_owned(),
    }
}

/// One device for the whole process: its kernels are loaded once, and what one model frees another may use. It has a
/// stream of its own, in which the work of all threads stands in order; candle's usual one has a stream for each thread,
/// and what a thread uploads another could then read before it is there.
#[cfg(feature = "cuda")]
fn open_cuda() -> Result<Device, EngineError> {
    static STARTED: Mutex<Option<Device>> = Mutex::new(None);
    let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(device) = &*started {
        return Ok(device.clone());
    }
    let device = start("CUDA", || {
        let device = Device::new_cuda_with_stream(0)?;
        if let Device::Cuda(cuda) = &device {
            keep_memory(cuda)?;
        }
        // A GPU older than the one this was built for has a driver and no kernels.
        (Tensor::ones(1, DType::F32, &device)? + 1.0)?.to_vec1::<f32>()?;
        Ok(device)
    })?;
    Ok(started.insert(device).clone())
}

/// Memory that tensors leave stays with the program for the next ones. Without this the driver takes all of it back
/// whenever a result is read, and maps it again for the next pass.
#[cfg(feature = "cuda")]
#[allow(unsafe_code)] // calls of the driver that have no safe form
fn keep_memory(cuda: &candle_core::CudaDevice) -> candle_core::Result<()> {
    use candle_core::cuda_backend::cudarc::driver::{result, sys};
    let stream = cuda.cuda_stream();
    // Older and shared GPUs have no pools.
    if stream.context().has_async_alloc() {
        let mut threshold_bytes = u64::MAX;
        let attribute = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
        // SAFETY: the context exists, its device has a pool that lives as long as the driver, and the attribute is a u64
        // that the call only reads.
        let kept = unsafe {
            result::device::get_default_mem_pool(stream.context().cu_device()).and_then(|pool| {
                result::mem_pool::set_attribute(pool, attribute, (&raw mut threshold_bytes).cast())
            })
        };
        kept.map_err(candle_core::Error::wrap)?;
    }
    // SAFETY: events order what several streams do; all work of this device is on its one stream.
    unsafe { cuda.disable_event_tracking() };
    Ok(())
}

/// As long as it lives, kernels that this thread starts find the shapes of earlier ones on the GPU and need no upload of
/// their own; so do other values of up to 4 KiB, which stay there. For loops over passes of the same shapes.
#[cfg(feature = "cuda")]
pub(crate) fn keep_launch_parameters(device: &Device) -> impl Sized + use<> {
    match device {
        Device::Cuda(cuda) => Some(cuda.enable_cuda_graph_htod_cache()),
        Device::Cpu | Device::Metal(_) => None,
    }
}

/// As long as it lives, kernels are started faster on devices that can; here there is none.
#[cfg(not(feature = "cuda"))]
pub(crate) fn keep_launch_parameters(_device: &Device) -> impl Sized + use<> {}

#[cfg(not(feature = "cuda"))]
fn open_cuda() -> Result<Device, EngineError> {
    Err(EngineError::DeviceNotBuilt {
        device: "CUDA",
        feature: "cuda",
    })
}

#[cfg(feature = "metal")]
fn open_metal() -> Result<Device, EngineError> {
    start("Metal", || Device::new_metal(0))
}

#[cfg(not(feature = "metal"))]
fn open_metal() -> Result<Device, EngineError> {
    Err(EngineError::DeviceNotBuilt {
        device: "Metal",
        feature: "metal",
    })
}

/// Starts a GPU. Driver bindings panic where a library or a device is missing; that too is only an absent device.
#[cfg(any(feature = "cuda", feature = "metal"))]
fn start(
    device: &'static str,
    new: impl FnOnce() -> candle_core::Result<Device>,
) -> Result<Device, EngineError> {
    super::panics::contained(new)
        .and_then(|opened| opened.map_err(|error| error.to_string()))
        .map_err(|reason| EngineError::DeviceAbsent { device, reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn automatic_choice_always_finds_a_device() {
        assert!(open(DeviceChoice::Auto).is_ok());
        assert!(matches!(open(DeviceChoice::Cpu), Ok(Device::Cpu)));
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn a_device_that_is_not_built_in_names_the_feature_that_adds_it() {
        let message = open(DeviceChoice::Cuda).unwrap_err().to_string();
        assert!(
            message.contains("CUDA") && message.contains("--features cuda"),
            "{message}"
        );
    }

    #[cfg(not(feature = "metal"))]
    #[test]
    fn metal_says_the_same_of_itself() {
        let message = open(DeviceChoice::Metal).unwrap_err().to_string();
        assert!(
            message.contains("Metal") && message.contains("--features metal"),
            "{message}"
        );
    }
}
