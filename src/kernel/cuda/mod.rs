//! Kernels of our own for NVIDIA GPUs, compiled when they are first needed by the compiler that comes with CUDA's libraries
//! (NVRTC) and kept for the process. Where one cannot be had, its callers do without.

mod attention;
mod module;
mod plan;
#[cfg(test)]
mod tests;

pub(crate) use attention::{Attention, attention};
pub(crate) use plan::Products;
