//! Vectors that meet every row of a tensor, with a gradient that a GPU sums fast: candle sums that of a broadcast one
//! column at a time, a stride apart in memory, where a product with ones takes all columns at once.

use candle_core::{Result, Tensor};

/// `x` [.., D] times `vector` `[D]`.
pub(crate) fn scaled(x: &Tensor, vector: &Tensor) -> Result<Tensor> {
    if x.device().is_cpu() {
        return x.broadcast_mul(vector);
    }
    x * over_rows(vector, x)?
}

/// `x` [.., D] plus `vector` `[D]`.
pub(crate) fn shifted(x: &Tensor, vector: &Tensor) -> Result<Tensor> {
    if x.device().is_cpu() {
        return x.broadcast_add(vector);
    }
    x + over_rows(vector, x)?
}

/// `vector` `[D]` in every row of a tensor like `x` [.., D].
fn over_rows(vector: &Tensor, x: &Tensor) -> Result<Tensor> {
    let width = vector.elem_count();
    let rows = x.elem_count() / width.max(1);
    let ones = Tensor::ones((rows, 1), vector.dtype(), vector.device())?;
    ones.matmul(&vector.reshape((1, width))?)?.reshape(x.shape())
}

/// `values` [B, 1, D] for each of `length` tokens, [B, length, D].
pub(crate) fn over_tokens(values: &Tensor, length: usize) -> Result<Tensor> {
    let (batch, _, _) = values.dims3()?;
    Tensor::ones((batch, length, 1), values.dtype(), values.device())?.matmul(values)
}

/// Sums over the rows of `x` [rows, D], [1, D].
pub(crate) fn row_sums(x: &Tensor) -> Result<Tensor> {
    Tensor::ones((1, x.dim(0)?), x.dtype(), x.device())?.matmul(x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, Var};

    fn numbers(count: usize, shape: &[usize]) -> Tensor {
        let values: Vec<f32> = (1..=count).map(|i| (i as f32 * 0.61).sin()).collect();
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
    }

    fn values(tensor: &Tensor) -> Vec<f32> {
        tensor.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn products_with_ones_broadcast_and_sum() {
        let (x, vector) = (numbers(24, &[2, 3, 4]), numbers(4, &[4]));
        let vector = Var::from_tensor(&vector).unwrap();
        let gradient = |y: Tensor| {
            let loss = (y * &x).unwrap().sum_all().unwrap();
            values(loss.backward().unwrap().get(&vector).unwrap())
        };
        let spread = over_rows(&vector, &x).unwrap();
        assert_eq!(
            values(&spread),
            values(&vector.broadcast_as(x.shape()).unwrap().contiguous().unwrap())
        );
        let expected = gradient(vector.broadcast_as(x.shape()).unwrap());
        for (found, expected) in gradient(spread).iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-6);
        }
        for (found, expected) in values(&row_sums(&x.reshape((6, 4)).unwrap()).unwrap())
            .iter()
            .zip(&expected)
        {
            assert!((found - expected).abs() < 1e-6);
        }
        let condition = numbers(8, &[2, 1, 4]);
        assert_eq!(
            values(&over_tokens(&condition, 3).unwrap()),
            values(&condition.broadcast_as((2, 3, 4)).unwrap().contiguous().unwrap())
        );
    }
}
