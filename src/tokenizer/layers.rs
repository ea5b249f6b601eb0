//! Linear layers, norms and softmax, in a packed form for speed or as they come for training.

use super::fixed_product::FixedProduct;
use super::fused;
use super::source::Source;
use super::{Math, TokenizerError};
use candle_core::{D, DType, Device, Storage, Tensor};
use candle_nn::ops;

/// Every norm of the ViTs (timm's DINOv2 models).
const NORM_EPSILON: f32 = 1e-6;
/// Rows and columns of the squares in which a matrix is transposed: two of them stay in the first-level cache.
const TRANSPOSE_SQUARE: usize = 32;

/// How weights are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Matrices transposed to [in, out], constants multiplied in; cannot be trained.
    Packed,
    /// As the state dict has them, so that gradients reach them and changes to them are seen.
    AsGiven,
}

/// Takes tensors from a source into their places.
pub(super) struct Builder<'a> {
    pub(super) source: &'a mut dyn Source,
    pub(super) device: &'a Device,
    /// Type of the matrices; everything else is f32.
    pub(super) dtype: DType,
    pub(super) form: Form,
}

/// What is multiplied into a linear layer while it is packed.
#[derive(Debug, Clone, Copy)]
pub(super) enum RowChange<'a> {
    None,
    /// A factor for each output row.
    Scale(&'a [f32]),
    /// Row `order[i]` of the state dict becomes output i.
    Order(&'a [usize]),
}

impl RowChange<'_> {
    fn source_row(&self, row: usize) -> usize {
        match self {
            Self::Order(order) => order.get(row).copied().unwrap_or(row),
            Self::None | Self::Scale(_) => row,
        }
    }

    fn factor(&self, row: usize) -> f32 {
        match self {
            Self::Scale(factors) => factors.get(row).copied().unwrap_or(1.0),
            Self::None | Self::Order(_) => 1.0,
        }
    }
}

impl Builder<'_> {
    pub(super) fn is_packed(&self) -> bool {
        self.form == Form::Packed
    }

    /// A tensor as f32 on the model's device.
    pub(super) fn tensor(&mut self, key: &str) -> Result<Tensor, TokenizerError> {
        Ok(self.source.tensor(key)?.to_device(self.device)?)
    }

    pub(super) fn norm(&mut self, prefix: &str) -> Result<LayerNorm, TokenizerError> {
        Ok(LayerNorm {
            weight: self.tensor(&format!("{prefix}.weight"))?,
            bias: self.tensor(&format!("{prefix}.bias"))?,
        })
    }

    /// A norm without weights of its own.
    pub(super) fn plain_norm(&self, width: usize) -> Result<LayerNorm, TokenizerError> {
        Ok(LayerNorm {
            weight: Tensor::ones(width, DType::F32, self.device)?,
            bias: Tensor::zeros(width, DType::F32, self.device)?,
        })
    }

    /// `weight` [out, ...] is taken as [out, in]. The row change applies to the packed form only; in the other the
    /// caller computes its effect on the output.
    pub(super) fn linear(&mut self, prefix: &str, change: RowChange<'_>) -> Result<Linear, TokenizerError> {
        let weight = self.source.tensor(&format!("{prefix}.weight"))?.flatten_from(1)?;
        let bias = self.source.tensor(&format!("{prefix}.bias"))?;
        if self.form == Form::AsGiven {
            return Ok(Linear {
                weight: weight.to_device(self.device)?,
                bias: bias.to_device(self.device)?,
                form: self.form,
            });
        }
        let (rows, columns) = weight.dims2()?;
        let packed = with_values(&weight, |values| transpose(values, rows, columns, change))?;
        let bias = with_values(&bias, |values| {
            (0..rows)
                .map(|row| {
                    values.get(change.source_row(row)).copied().unwrap_or_default() * change.factor(row)
                })
                .collect()
        })?;
        // The state dict's form is freed before the next copy is made, so that one matrix at most is there twice.
        drop(weight);
        let packed = Tensor::from_vec(packed, (columns, rows), &Device::Cpu)?.to_dtype(self.dtype)?;
        Ok(Linear {
            weight: packed.to_device(self.device)?,
            bias: Tensor::from_vec(bias, rows, self.device)?,
            form: self.form,
        })
    }
}

/// Calls `work` with a tensor's row-major values, without a copy where it lies so on the CPU.
fn with_values<T>(tensor: &Tensor, work: impl FnOnce(&[f32]) -> T) -> Result<T, TokenizerError> {
    let tensor = tensor.to_device(&Device::Cpu)?.contiguous()?;
    let (storage, layout) = tensor.storage_and_layout();
    if let (Storage::Cpu(storage), Some((start, end))) = (&*storage, layout.contiguous_offsets())
        && let Some(values) = storage.as_slice::<f32>()?.get(start..end)
    {
        return Ok(work(values));
    }
    Ok(work(&tensor.flatten_all()?.to_vec1::<f32>()?))
}

/// [rows, columns] to [columns, rows], in squares.
fn transpose(values: &[f32], rows: usize, columns: usize, change: RowChange<'_>) -> Vec<f32> {
    let mut transposed = vec![0.0; values.len()];
    for row_start in (0..rows).step_by(TRANSPOSE_SQUARE) {
        let row_end = rows.min(row_start + TRANSPOSE_SQUARE);
        for column_start in (0..columns).step_by(TRANSPOSE_SQUARE) {
            let column_end = columns.min(column_start + TRANSPOSE_SQUARE);
            for row in row_start..row_end {
                let factor = change.factor(row);
                let source = &values[change.source_row(row) * columns..][..columns];
                for (column, value) in source.iter().enumerate().take(column_end).skip(column_start) {
                    transposed[column * rows + row] = value * factor;
                }
            }
        }
    }
    transposed
}

/// y = x W^T + b.
#[derive(Debug, Clone)]
pub(super) struct Linear {
    /// [in, out] when packed, else [out, in].
    weight: Tensor,
    bias: Tensor,
    form: Form,
}

/// What becomes of a linear layer's output.
#[derive(Debug, Clone, Copy)]
pub(super) enum After<'a> {
    Nothing,
    /// The exact GELU.
    Gelu,
    /// Its approximation by tanh.
    TanhGelu,
    /// A residual of the output's shape is added.
    Add(&'a Tensor),
}

impl Linear {
    /// Two layers: the first `rows` outputs, and the others.
    pub(super) fn split(&self, rows: usize) -> Result<(Self, Self), TokenizerError> {
        let others = self.bias.dim(0)?.saturating_sub(rows);
        let part = |start: usize, count: usize| -> Result<Self, TokenizerError> {
            let weight = match self.form {
                Form::Packed => self.weight.narrow(1, start, count)?.contiguous()?,
                Form::AsGiven => self.weight.narrow(0, start, count)?,
            };
            Ok(Self {
                weight,
                bias: self.bias.narrow(0, start, count)?,
                form: self.form,
            })
        };
        Ok((part(0, rows)?, part(rows, others)?))
    }

    /// `weight` [out, in] and `bias`, where they are kept as given.
    pub(super) fn given(&self) -> (Tensor, Tensor) {
        (self.weight.clone(), self.bias.clone())
    }

    /// [..., in] f32 to [..., out] f32.
    pub(super) fn forward(&self, x: &Tensor, math: Math, after: After<'_>) -> Result<Tensor, TokenizerError> {
        let mut dims = x.dims().to_vec();
        let inputs = dims.pop().unwrap_or_default();
        let rows: usize = dims.iter().product();
        let y = self.product(&x.reshape((rows, inputs))?, math)?;
        dims.push(y.dim(D::Minus1)?);
        if has_fused_operations(&y, math) {
            // The product is new and nobody else's, so it may be changed in place.
            match after {
                After::Nothing => fused::add_bias(&y, &self.bias)?,
                After::TanhGelu => {
                    fused::add_bias(&y, &self.bias)?;
                    return Ok(y.reshape(dims)?.gelu()?);
                }
                After::Gelu => fused::add_bias_gelu(&y, &self.bias)?,
                After::Add(residual) => {
                    fused::add_bias_and_residual(&y, &self.bias, &residual.contiguous()?)?;
                }
            }
            return Ok(y.reshape(dims)?);
        }
        let y = y.broadcast_add(&self.bias)?.reshape(dims)?;
        Ok(match after {
            After::Nothing => y,
            // candle's `gelu` is the tanh approximation.
            After::Gelu => y.gelu_erf()?,
            After::TanhGelu => y.gelu()?,
            After::Add(residual) => (y + residual)?,
        })
    }

    fn product(&self, x: &Tensor, math: Math) -> Result<Tensor, TokenizerError> {
        let is_fixed = math == Math::Differentiable && self.form == Form::Packed;
        if is_fixed && self.weight.dtype() == DType::F32 && self.weight.device().is_cpu() {
            return Ok(x.contiguous()?.apply_op1(FixedProduct(self.weight.clone()))?);
        }
        let weight = match self.form {
            Form::Packed => self.weight.clone(),
            Form::AsGiven => self.weight.t()?,
        };
        if weight.dtype() == DType::F32 {
            return Ok(x.matmul(&weight)?);
        }
        // The CPU has no half-precision product: candle would widen both sides and round the result, so only the
        // weights are widened here.
        if weight.device().is_cpu() {
            return Ok(x.matmul(&weight.to_dtype(DType::F32)?)?);
        }
        Ok(x.to_dtype(weight.dtype())?
            .matmul(&weight)?
            .to_dtype(DType::F32)?)
    }
}

/// LayerNorm over the last dimension.
#[derive(Debug, Clone)]
pub(super) struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
}

impl LayerNorm {
    pub(super) fn given(&self) -> (Tensor, Tensor) {
        (self.weight.clone(), self.bias.clone())
    }

    pub(super) fn forward(&self, x: &Tensor, math: Math) -> Result<Tensor, TokenizerError> {
        if has_fused_operations(x, math) {
            return Ok(fused::layer_norm(
                &x.contiguous()?,
                &self.weight,
                &self.bias,
                NORM_EPSILON,
            )?);
        }
        Ok(match math {
            Math::Fused => ops::layer_norm(&x.contiguous()?, &self.weight, &self.bias, NORM_EPSILON)?,
            Math::Differentiable => ops::layer_norm_slow(x, &self.weight, &self.bias, NORM_EPSILON)?,
        })
    }
}

/// Softmax of `x` times `scale` over the last dimension. `x` has to be the caller's own: it may be changed in place.
pub(super) fn softmax(x: Tensor, scale: f64, math: Math) -> Result<Tensor, TokenizerError> {
    if has_fused_operations(&x, math) && x.is_contiguous() {
        fused::softmax(&x, scale)?;
        return Ok(x);
    }
    let x = (x * scale)?;
    Ok(match math {
        Math::Fused => ops::softmax_last_dim(&x.contiguous()?)?,
        Math::Differentiable => ops::softmax(&x, D::Minus1)?,
    })
}

/// Whether the operations of [`fused`] serve: they have neither gradients nor GPU kernels.
fn has_fused_operations(x: &Tensor, math: Math) -> bool {
    math == Math::Fused && x.device().is_cpu()
}
