//! Products with weights that do not learn.

use candle_core::{CpuStorage, CustomOp1, Device, Error, Layout, Result, Shape, Tensor};

/// `x` [rows, in] times weights [in, out] on the CPU, all f32. candle's own product goes back to both sides; this one
/// to `x` alone, so that the gradient of an input costs no more than the pass itself.
pub(super) struct FixedProduct(pub(super) Tensor);

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
        let x = Tensor::from_slice(values, layout.shape().clone(), &Device::Cpu)?;
        let product = x.matmul(&self.0)?;
        let shape = product.shape().clone();
        Ok((CpuStorage::F32(product.flatten_all()?.to_vec1()?), shape))
    }

    fn bwd(&self, _x: &Tensor, _product: &Tensor, pull: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(pull.contiguous()?.matmul(&self.0.t()?)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Var;

    #[test]
    fn it_is_the_product_and_goes_back_as_the_product_does() {
        let values = |count: usize, seed: usize| -> Vec<f32> {
            (0..count)
                .map(|index| ((index * 37 + seed) % 23) as f32 / 11.0 - 1.0)
                .collect()
        };
        let weight = Tensor::from_vec(values(12, 1), (4, 3), &Device::Cpu).unwrap();
        let pull = Tensor::from_vec(values(15, 5), (5, 3), &Device::Cpu).unwrap();
        let x = Var::from_vec(values(20, 3), (5, 4), &Device::Cpu).unwrap();
        let gradient = |product: Tensor| {
            let store = (product * &pull).unwrap().sum_all().unwrap().backward().unwrap();
            store.get(x.as_tensor()).unwrap().to_vec2::<f32>().unwrap()
        };
        let plain = x.matmul(&weight).unwrap();
        let fixed = x.apply_op1(FixedProduct(weight)).unwrap();
        assert_eq!(fixed.to_vec2::<f32>().unwrap(), plain.to_vec2::<f32>().unwrap());
        assert_eq!(gradient(fixed), gradient(plain));
    }
}
