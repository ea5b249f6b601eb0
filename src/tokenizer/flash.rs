//! Attention in one kernel that keeps no weights in memory, where candle has one: on Metal.
//!
//! On CUDA candle has it in a crate of its own (`candle-flash-attn`), for half floats alone: models run in f32 unless
//! `--precision bf16` asks for less, and in bf16 too activations are f32 between products. Its build fetches CUTLASS from
//! the network and compiles some fifty kernels for one generation of GPUs. What candle takes of cuDNN are convolutions.
//! The sequences here have few hundred tokens: the weights that two products and a softmax leave in memory are 6 MiB for
//! the 16 heads of a ViT-L over 321 tokens, which a GPU's cache holds.

use candle_core::{Result, Tensor};
use candle_nn::ops;

/// Head sizes that the kernel takes.
const HEAD_SIZES: [usize; 7] = [32, 64, 72, 80, 96, 128, 256];

/// softmax(`scale` q k^T) v over [B, heads, T, head size], f32 or half, without gradients; `None` where there is no such
/// kernel, and the same is to be made of products.
pub(crate) fn attention(query: &Tensor, key: &Tensor, value: &Tensor, scale: f32) -> Result<Option<Tensor>> {
    let (_, _, length, head_size) = query.dims4()?;
    if !query.device().is_metal() || length < 2 || !HEAD_SIZES.contains(&head_size) {
        return Ok(None);
    }
    // No mask, nothing causal, no soft cap.
    ops::sdpa(query, key, value, None, false, scale, 1.0).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{DType, Device};

    #[test]
    fn the_cpu_is_left_to_products() {
        let x = Tensor::zeros((1, 2, 8, 64), DType::F32, &Device::Cpu).unwrap();
        assert!(attention(&x, &x, &x, 1.0).unwrap().is_none());
    }
}
