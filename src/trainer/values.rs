//! The numbers inside contiguous f32 tensors on the CPU.

use candle_core::{CpuStorage, Layout, Result, Storage, Tensor};

pub(super) fn values<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    layout
        .contiguous_offsets()
        .and_then(|(start, end)| storage.as_slice::<f32>().ok()?.get(start..end))
        .ok_or_else(not_contiguous)
}

pub(super) fn values_mut<'a>(storage: &'a mut CpuStorage, layout: &Layout) -> Result<&'a mut [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(values), Some((start, end))) => {
            values.get_mut(start..end).ok_or_else(not_contiguous)
        }
        _ => Err(not_contiguous()),
    }
}

/// Calls `work` with a contiguous tensor's values, without a copy.
pub(super) fn with_values<T>(tensor: &Tensor, work: impl FnOnce(&[f32]) -> T) -> Result<T> {
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => Ok(work(values(storage, layout)?)),
        _ => Err(not_contiguous()),
    }
}

/// A copy of a tensor's values, row-major.
pub(super) fn gradient_values(tensor: &Tensor) -> Result<Vec<f32>> {
    with_values(&tensor.contiguous()?, <[f32]>::to_vec)
}

fn not_contiguous() -> candle_core::Error {
    candle_core::Error::msg("training takes contiguous f32 tensors on the CPU")
}
