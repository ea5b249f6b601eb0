//! What passes with a way back of their own are made of: one node of candle's graph instead of dozens for each block.
//!
//! candle's backward allocates, clears and adds a gradient for every intermediate tensor, and hands each elementwise
//! operation to a pool of its own that spins. Here only products are candle's, or the kernels' where they are [`Products::Bf16`];
//! what lies between them is one sweep over memory, and gradients of weights go straight to a [`WeightGradients`].

mod attention;
mod norm;
mod products;

pub(crate) use attention::{Attention, Sizes, join, split};
pub(crate) use norm::{SavedNorm, input_back as norm_input_back};
pub use products::Products;

use candle_core::backend::BackendStorage;
use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, Error, Layout, Result, Storage, Tensor};
use std::sync::{Arc, Mutex, PoisonError};

/// Where backward passes leave the gradients of weights, and how the products of their linear layers are computed.
#[derive(Debug, Clone, Default)]
pub(crate) struct WeightGradients {
    products: Products,
    entries: Arc<Mutex<Vec<(Tensor, Tensor)>>>,
}

impl WeightGradients {
    pub(crate) fn new(products: Products) -> Self {
        Self {
            products,
            ..Self::default()
        }
    }

    pub(crate) fn products(&self) -> Products {
        self.products
    }

    pub(crate) fn add(&self, weight: &Tensor, gradient: Vec<f32>) -> Result<()> {
        let gradient = Tensor::from_vec(gradient, weight.shape(), weight.device())?;
        self.entries().push((weight.clone(), gradient));
        Ok(())
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, Vec<(Tensor, Tensor)>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what was left since the last call to the store of the same backward pass.
    pub(crate) fn move_into(&self, store: &mut GradStore) -> Result<()> {
        for (weight, gradient) in self.entries().drain(..) {
            let gradient = match store.remove(&weight) {
                Some(other) => (other + gradient)?,
                None => gradient,
            };
            store.insert(&weight, gradient);
        }
        Ok(())
    }

    /// The gradient of a linear layer's input [rows, in], from that of its output [rows, out]; those of its weights are
    /// left here.
    pub(crate) fn linear_back(
        &self,
        pull: &Matrix,
        x: &Matrix,
        (weight, bias): &Pair,
        rows: usize,
    ) -> Result<Vec<f32>> {
        let products = self.products;
        self.add(weight, products.weight_back(pull, x, weight.dims2()?, rows)?)?;
        self.add(bias, column_sums(pull.values(), bias.elem_count()))?;
        products.input_back(pull, weight, rows)
    }
}

/// `weight` and `bias`.
pub(crate) type Pair = (Tensor, Tensor);

/// Values that are a product's side.
#[derive(Debug)]
pub(crate) struct Matrix(CpuStorage);

impl Matrix {
    pub(crate) fn new(values: Vec<f32>) -> Self {
        Self(CpuStorage::F32(values))
    }

    pub(crate) fn storage(&self) -> &CpuStorage {
        &self.0
    }

    pub(crate) fn values(&self) -> &[f32] {
        match &self.0 {
            CpuStorage::F32(values) => values,
            _ => &[],
        }
    }

    /// `self` [b, m, k] times `other` [b, k, n]; a side marked transposed lies as [b, k, m] or [b, n, k].
    pub(crate) fn times(
        &self,
        is_transposed: bool,
        other: &CpuStorage,
        other_transposed: bool,
        (b, m, n, k): Dims,
    ) -> Result<Vec<f32>> {
        let layout = |rows: usize, columns: usize, is_transposed: bool| {
            if is_transposed {
                Layout::contiguous((b, columns, rows)).transpose(1, 2)
            } else {
                Ok(Layout::contiguous((b, rows, columns)))
            }
        };
        let (left, right) = (layout(m, k, is_transposed)?, layout(k, n, other_transposed)?);
        into_values(self.0.matmul(other, (b, m, n, k), &left, &right)?)
    }
}

/// Batch, rows, columns and inner size of a product.
pub(crate) type Dims = (usize, usize, usize, usize);

fn into_values(storage: CpuStorage) -> Result<Vec<f32>> {
    match storage {
        CpuStorage::F32(values) => Ok(values),
        _ => Err(Error::msg("training computes in f32")),
    }
}

/// Calls `work` with a weight's storage; weights are whole contiguous tensors.
fn with_storage<T>(weight: &Tensor, work: impl FnOnce(&CpuStorage) -> Result<T>) -> Result<T> {
    let (storage, layout) = weight.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) if layout.is_contiguous() && layout.start_offset() == 0 => work(storage),
        _ => Err(Error::msg("training takes contiguous weights on the CPU")),
    }
}

/// Calls `work` with a weight's values.
pub(crate) fn with_values<T>(weight: &Tensor, work: impl FnOnce(&[f32]) -> T) -> Result<T> {
    with_storage(weight, |storage| Ok(work(storage.as_slice::<f32>()?)))
}

/// Sums over rows of `width` values.
pub(crate) fn column_sums(values: &[f32], width: usize) -> Vec<f32> {
    let mut sums = vec![0.0; width];
    for row in values.chunks_exact(width) {
        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
    sums
}
