//! Layers whose weights do not learn.

use crate::kernel::{Activation, Isa, PackedWeight, product_of_rows};
use candle_core::{CpuStorage, CustomOp1, Device, Error, Layout, Result, Shape, Tensor};
use std::sync::Arc;

/// `x` [rows, in] through fixed weights, f32 on the CPU. candle's own product goes back to both sides; this one to `x`
/// alone, so that the gradient of an input costs no more than the pass itself.
pub(super) enum FixedProduct {
    /// The whole layer, its bias included.
    Panels(Arc<PackedWeight>),
    /// A weight [in, out].
    Transposed(Tensor),
}

impl FixedProduct {
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
        let expected = self.inputs()?;
        if inputs != expected {
            return Err(Error::msg(format!(
                "a fixed product takes {expected} channels, not {inputs}"
            )));
        }
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
