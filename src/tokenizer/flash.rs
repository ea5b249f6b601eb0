//! Attention in one kernel that keeps no weights in memory: on CUDA by the crate's own, on Metal by candle's.

use super::rotary::Rotation;
use candle_core::{DType, Device, Result, Tensor};
use candle_nn::ops;

/// Head sizes that Metal's kernel takes.
const METAL_HEAD_SIZES: [usize; 7] = [32, 64, 72, 80, 96, 128, 256];

/// How queries, keys and values are mixed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mixing<'a> {
    /// Scores are multiplied by it.
    pub(crate) scale: f64,
    /// Turns queries and keys first.
    pub(crate) rotation: Option<&'a Rotation>,
    /// Format of the model's matrices: the products may be made in it.
    #[cfg_attr(not(feature = "cuda"), expect(dead_code))] // CUDA's kernel alone has a choice
    pub(crate) dtype: DType,
}

/// softmax(scale q k^T) v of [B, heads, T, head size] f32, in any layout, to [B, T, heads * head size], without
/// gradients; `None` where there is no such kernel, and the same is to be made of products.
pub(crate) fn attention(
    query: &Tensor,
    key: &Tensor,
    value: &Tensor,
    how: Mixing<'_>,
) -> Result<Option<Tensor>> {
    match query.device() {
        Device::Cpu => Ok(None),
        Device::Cuda(_) => on_cuda(query, key, value, how),
        Device::Metal(_) => on_metal(query, key, value, how),
    }
}

#[cfg(feature = "cuda")]
fn on_cuda(query: &Tensor, key: &Tensor, value: &Tensor, how: Mixing<'_>) -> Result<Option<Tensor>> {
    use crate::kernel::cuda::{Attention, Products, attention};
    let how = Attention {
        scale: how.scale,
        rotation: how.rotation.map(Rotation::tables),
        products: match how.dtype {
            DType::BF16 => Products::Bf16,
            _ => Products::F32,
        },
    };
    attention(query, key, value, how)
}

#[cfg(not(feature = "cuda"))]
fn on_cuda(_: &Tensor, _: &Tensor, _: &Tensor, _: Mixing<'_>) -> Result<Option<Tensor>> {
    Ok(None)
}

fn on_metal(query: &Tensor, key: &Tensor, value: &Tensor, how: Mixing<'_>) -> Result<Option<Tensor>> {
    let (_, _, length, head_size) = query.dims4()?;
    if length < 2 || !METAL_HEAD_SIZES.contains(&head_size) {
        return Ok(None);
    }
    let turned = |x: &Tensor| match how.rotation {
        Some(rotation) => rotation.apply(x),
        None => x.contiguous(),
    };
    let (query, key, value) = (turned(query)?, turned(key)?, value.contiguous()?);
    // No mask, nothing causal, no soft cap.
    let mixed = ops::sdpa(&query, &key, &value, None, false, how.scale as f32, 1.0)?;
    mixed.transpose(1, 2)?.flatten_from(2).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_is_left_to_products() {
        let x = Tensor::zeros((1, 2, 8, 64), DType::F32, &Device::Cpu).unwrap();
        let how = Mixing {
            scale: 1.0,
            rotation: None,
            dtype: DType::F32,
        };
        assert!(attention(&x, &x, &x, how).unwrap().is_none());
    }
}
