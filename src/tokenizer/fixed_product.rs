//! Layers whose weights do not learn.

use crate::kernel::{Activation, Isa, PackedWeight, product_of_rows};
use candle_core::backend::BackendStorage;
use candle_core::{
    CpuStorage, CudaStorage, CustomOp1, Device, Error, Layout, MetalStorage, Result, Shape, Storage, Tensor,
};
use std::sync::Arc;

/// `x` [rows, in] through fixed weights: f32 on the CPU, on a GPU what the weights are. candle's own product goes back to
/// both sides; this one to `x` alone, so that the gradient of an input costs no more than the pass itself, and no memory
/// for gradients of weights.
pub(super) enum FixedProduct {
    /// The whole layer, its bias included.
    Panels(Arc<PackedWeight>),
    /// A weight [in, out] on the device of `x`.
    Transposed(Tensor),
}

impl FixedProduct {
    /// candle's product on a GPU; `of` finds that device's storage.
    fn on_gpu<S: BackendStorage>(
        &self,
        x: &S,
        layout: &Layout,
        of: impl FnOnce(&Storage) -> Option<&S>,
    ) -> Result<(S, Shape)> {
        let elsewhere = || Error::msg("the weights of a fixed product lie on another device than its input");
        let Self::Transposed(weight) = self else {
            return Err(elsewhere());
        };
        let (storage, weight_layout) = weight.storage_and_layout();
        let (rows, inputs) = layout.shape().dims2()?;
        let (expected, outputs) = weight.dims2()?;
        check_inputs(inputs, expected)?;
        let weight = of(&storage).ok_or_else(elsewhere)?;
        let product = x.matmul(weight, (1, rows, outputs, inputs), layout, weight_layout)?;
        Ok((product, (rows, outputs).into()))
    }

    fn inputs(&self) -> Result<usize> {
        match self {
            Self::Panels(packed) => Ok(packed.inputs()),
            Self::Transposed(weight) => weight.dim(0),
        }
    }
}

impl CustomOp1 for FixedProduct {
    fn name(&self) -> &'static str {
        "product with fixed weights"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let CpuStorage::F32(values) = x else {
            return Err(Error::msg("an input of a fixed product is f32"));
        };
        let values = layout
            .contiguous_offsets()
            .and_then(|(start, end)| values.get(start..end))
            .ok_or_else(|| Error::msg("an input of a fixed product is contiguous"))?;
        let (rows, inputs) = layout.shape().dims2()?;
        check_inputs(inputs, self.inputs()?)?;
        match self {
            Self::Panels(packed) => {
                let product = product_of_rows(Isa::best(), values, packed, Activation::None);
                Ok((CpuStorage::F32(product), (rows, packed.outputs()).into()))
            }
            Self::Transposed(weight) => {
                let product = Tensor::from_slice(values, (rows, inputs), &Device::Cpu)?.matmul(weight)?;
                let shape = product.shape().clone();
                Ok((CpuStorage::F32(product.flatten_all()?.to_vec1()?), shape))
            }
        }
    }

    fn cuda_fwd(&self, x: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        self.on_gpu(x, layout, |storage| match storage {
            Storage::Cuda(weight) => Some(weight),
            _ => None,
        })
    }

    fn metal_fwd(&self, x: &MetalStorage, layout: &Layout) -> Result<(MetalStorage, Shape)> {
        self.on_gpu(x, layout, |storage| match storage {
            Storage::Metal(weight) => Some(weight),
            _ => None,
        })
    }

    fn bwd(&self, x: &Tensor, _product: &Tensor, pull: &Tensor) -> Result<Option<Tensor>> {
        let weight = match self {
            // Unpacked for each pass back: beside the packed weights the unpacked ones would double the model.
            Self::Panels(packed) => {
                Tensor::from_vec(packed.unpacked(), (packed.inputs(), packed.outputs()), x.device())?
            }
            Self::Transposed(weight) => weight.clone(),
        };
        Ok(Some(pull.contiguous()?.matmul(&weight.t()?)?))
    }
}

fn check_inputs(found: usize, expected: usize) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(Error::msg(format!(
        "a fixed product takes {expected} channels, not {found}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{FloatFormat, Grouping};
    use candle_core::Var;

    #[test]
    fn it_is_the_product_and_goes_back_as_the_product_does() {
        let values = |count: usize, seed: usize| -> Vec<f32> {
            (0..count)
                .map(|index| ((index * 37 + seed) % 23) as f32 / 11.0 - 1.0)
                .collect()
        };
        let rows = values(12, 1);
        let bias = values(3, 2);
        let packed = PackedWeight::new(FloatFormat::F32, 4, Grouping { group: 2 }, &bias, |row| {
            (&rows[4 * row..][..4], 1.0)
        });
        let weight = Tensor::from_vec(rows.clone(), (3, 4), &Device::Cpu).unwrap();
        let bias = Tensor::from_vec(bias.clone(), 3, &Device::Cpu).unwrap();
        let pull = Tensor::from_vec(values(15, 5), (5, 3), &Device::Cpu).unwrap();
        let x = Var::from_vec(values(20, 3), (5, 4), &Device::Cpu).unwrap();
        let gradient = |product: &Tensor| {
            let store = (product * &pull).unwrap().sum_all().unwrap().backward().unwrap();
            store
                .get(x.as_tensor())
                .unwrap()
                .flatten_all()
                .unwrap()
                .to_vec1::<f32>()
                .unwrap()
        };
        let transposed = weight.t().unwrap().contiguous().unwrap();
        let plain = x.matmul(&transposed).unwrap();
        let with_bias = plain.broadcast_add(&bias).unwrap();
        let fixed = x.apply_op1(FixedProduct::Transposed(transposed)).unwrap();
        let packed = x.apply_op1(FixedProduct::Panels(Arc::new(packed))).unwrap();
        let flat = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let pairs = [
            (flat(&fixed), flat(&plain)),
            (gradient(&fixed), gradient(&plain)),
            (flat(&packed), flat(&with_bias)),
            (gradient(&packed), gradient(&with_bias)),
        ];
        for (found, expected) in pairs
            .iter()
            .flat_map(|(found, expected)| found.iter().zip(expected))
        {
            assert!((found - expected).abs() < 1e-6, "{found} instead of {expected}");
        }
    }
}
