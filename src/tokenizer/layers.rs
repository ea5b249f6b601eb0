//! Linear layers, norms and softmax, in a packed form for speed or as they come for training.

use super::fixed_product::FixedProduct;
use super::fused;
use super::over_rows;
use super::source::{self, Source};
use super::{Math, TokenizerError};
use crate::kernel::{
    self, Activation, FloatFormat, Grouping, Isa, PANEL, PackedWeight, Packing, product_of_rows,
};
use candle_core::{D, DType, Device, Storage, Tensor};
use candle_nn::ops;
use std::ops::Range;
use std::sync::Arc;

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
    /// Threads that parts of one kind may be read on.
    pub(super) readers: usize,
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

impl<'a> Builder<'a> {
    pub(super) fn packed(
        source: &'a mut dyn Source,
        device: &'a Device,
        dtype: DType,
        readers: usize,
    ) -> Self {
        Self {
            source,
            device,
            dtype,
            form: Form::Packed,
            readers,
        }
    }
}

impl Builder<'_> {
    pub(super) fn is_packed(&self) -> bool {
        self.form == Form::Packed
    }

    /// `count` parts of one kind, in their order, read side by side where there are readers and the source can be shared.
    pub(super) fn each<T: Send>(
        &mut self,
        count: usize,
        load: impl Fn(&mut Builder<'_>, usize) -> Result<T, TokenizerError> + Sync,
    ) -> Result<Vec<T>, TokenizerError> {
        let (device, dtype, form) = (self.device, self.dtype, self.form);
        source::each(self.source, self.readers, count, |source, index| {
            let mut builder = Builder {
                source,
                device,
                dtype,
                form,
                readers: 1,
            };
            load(&mut builder, index)
        })
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
        self.whole_layer(prefix, change, None)
    }

    /// As [`Self::linear`]; where packed for the CPU, the inputs lie in groups of `group` channels.
    pub(super) fn grouped_linear(
        &mut self,
        prefix: &str,
        change: RowChange<'_>,
        group: usize,
    ) -> Result<Linear, TokenizerError> {
        self.whole_layer(prefix, change, Some(Grouping { group }))
    }

    fn whole_layer(
        &mut self,
        prefix: &str,
        change: RowChange<'_>,
        grouping: Option<Grouping>,
    ) -> Result<Linear, TokenizerError> {
        match (self.panel_format(), change) {
            (Some(format), RowChange::None | RowChange::Scale(_)) if self.is_packed() => {
                self.packed_on_arrival(prefix, format, change, grouping)
            }
            _ => {
                let given = self.layer(prefix)?;
                let all = 0..given.1.elem_count();
                self.place(given, all, change, grouping)
            }
        }
    }

    /// A layer whose weight is packed while it is read; its rows keep their order.
    fn packed_on_arrival(
        &mut self,
        prefix: &str,
        format: FloatFormat,
        change: RowChange<'_>,
        grouping: Option<Grouping>,
    ) -> Result<Linear, TokenizerError> {
        let bias = changed_bias(&self.source.tensor(&format!("{prefix}.bias"))?, change)?;
        let key = format!("{prefix}.weight");
        let inputs = self.source.shape(&key)?.iter().skip(1).product();
        let grouping = grouping.unwrap_or(Grouping::dense(inputs));
        let mut packing = Packing::new(format, inputs, bias.len(), grouping);
        self.source.by_pieces(&key, inputs * PANEL, &mut |rows| {
            packing.rows(rows, |row| change.factor(row));
        })?;
        self.panels(packing.finish(&bias), bias)
    }

    fn panels(&self, packed: PackedWeight, bias: Vec<f32>) -> Result<Linear, TokenizerError> {
        Ok(Linear {
            weight: Weight::Panels(Arc::new(packed)),
            bias: Tensor::new(bias, self.device)?,
        })
    }

    /// A layer whose outputs are several layers' one after the other, each of `rows`.
    pub(super) fn stacked_linears(
        &mut self,
        prefix: &str,
        rows: usize,
    ) -> Result<Vec<Linear>, TokenizerError> {
        let given = self.layer(prefix)?;
        (0..given.1.elem_count() / rows.max(1))
            .map(|part| {
                self.place(
                    given.clone(),
                    part * rows..(part + 1) * rows,
                    RowChange::None,
                    None,
                )
            })
            .collect()
    }

    fn layer(&mut self, prefix: &str) -> Result<(Tensor, Tensor), TokenizerError> {
        let weight = self.source.tensor(&format!("{prefix}.weight"))?.flatten_from(1)?;
        Ok((weight, self.source.tensor(&format!("{prefix}.bias"))?))
    }

    /// The outputs `part` of a layer as given, in this builder's form.
    fn place(
        &self,
        (weight, bias): (Tensor, Tensor),
        part: Range<usize>,
        change: RowChange<'_>,
        grouping: Option<Grouping>,
    ) -> Result<Linear, TokenizerError> {
        let all = weight;
        let weight = all.narrow(0, part.start, part.len())?;
        drop(all);
        let bias = bias.narrow(0, part.start, part.len())?;
        if self.form == Form::AsGiven {
            return Ok(Linear {
                weight: Weight::AsGiven(weight.to_device(self.device)?),
                bias: bias.to_device(self.device)?,
            });
        }
        let (rows, columns) = weight.dims2()?;
        let bias = changed_bias(&bias, change)?;
        if let Some(format) = self.panel_format() {
            let grouping = grouping.unwrap_or(Grouping::dense(columns));
            let packed = with_values(&weight, |values| {
                PackedWeight::new(format, columns, grouping, &bias, |row| {
                    (
                        &values[change.source_row(row) * columns..][..columns],
                        change.factor(row),
                    )
                })
            })?;
            return self.panels(packed, bias);
        }
        let packed = with_values(&weight, |values| transpose(values, rows, columns, change))?;
        // The state dict's form is freed before the next copy is made, so that one matrix at most is there twice.
        drop(weight);
        let packed = Tensor::from_vec(packed, (columns, rows), &Device::Cpu)?.to_dtype(self.dtype)?;
        Ok(Linear {
            weight: Weight::Transposed(packed.to_device(self.device)?),
            bias: Tensor::from_vec(bias, rows, self.device)?,
        })
    }

    fn panel_format(&self) -> Option<FloatFormat> {
        panel_format(self.device, self.dtype)
    }
}

/// How matrices are packed for the CPU; None where candle's products serve.
pub(crate) fn panel_format(device: &Device, dtype: DType) -> Option<FloatFormat> {
    let has_kernels = device.is_cpu() && Isa::best().has_own_tile();
    match dtype {
        DType::F32 if has_kernels => Some(FloatFormat::F32),
        DType::BF16 if has_kernels => Some(FloatFormat::Bf16),
        _ => None,
    }
}

fn changed_bias(bias: &Tensor, change: RowChange<'_>) -> Result<Vec<f32>, TokenizerError> {
    with_values(bias, |values| {
        let changed = |row| {
            let value: Option<&f32> = values.get(change.source_row(row));
            value.copied().unwrap_or_default() * change.factor(row)
        };
        (0..values.len()).map(changed).collect()
    })
}

/// Calls `work` with a tensor's row-major values, without a copy where it lies so on the CPU.
pub(super) fn with_values<T>(tensor: &Tensor, work: impl FnOnce(&[f32]) -> T) -> Result<T, TokenizerError> {
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
    weight: Weight,
    bias: Tensor,
}

#[derive(Debug, Clone)]
enum Weight {
    /// [out, in].
    AsGiven(Tensor),
    /// [in, out].
    Transposed(Tensor),
    /// For the CPU's own products; holds the bias too.
    Panels(Arc<PackedWeight>),
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
    /// `weight` [out, in] and `bias`; None where they are packed.
    pub(super) fn given(&self) -> Option<(Tensor, Tensor)> {
        match &self.weight {
            Weight::AsGiven(weight) => Some((weight.clone(), self.bias.clone())),
            Weight::Transposed(_) | Weight::Panels(_) => None,
        }
    }

    /// Weight and bias where they are packed for the CPU's own products.
    pub(super) fn panels(&self) -> Option<&Arc<PackedWeight>> {
        match &self.weight {
            Weight::Panels(packed) => Some(packed),
            Weight::AsGiven(_) | Weight::Transposed(_) => None,
        }
    }

    /// Format of the matrix; None where it is packed.
    pub(super) fn dtype(&self) -> Option<DType> {
        match &self.weight {
            Weight::AsGiven(weight) | Weight::Transposed(weight) => Some(weight.dtype()),
            Weight::Panels(_) => None,
        }
    }

    /// [..., in] f32 to [..., out] f32.
    pub(super) fn forward(&self, x: &Tensor, math: Math, after: After<'_>) -> Result<Tensor, TokenizerError> {
        let mut dims = x.dims().to_vec();
        let inputs = dims.pop().unwrap_or_default();
        let rows: usize = dims.iter().product();
        let x = x.reshape((rows, inputs))?;
        dims.push(self.bias.dim(0)?);
        match &self.weight {
            Weight::Panels(packed) if math == Math::Fused => {
                let y = with_values(&x, |x| {
                    product_of_rows(Isa::best(), x, packed, after.activation())
                })?;
                let y = Tensor::from_vec(y, dims, x.device())?;
                Ok(match after {
                    After::Add(residual) => (y + residual)?,
                    After::Nothing | After::Gelu | After::TanhGelu => y,
                })
            }
            Weight::Panels(packed) => {
                let y = x
                    .contiguous()?
                    .apply_op1(FixedProduct::Panels(Arc::clone(packed)))?;
                after.apply(y.reshape(dims)?)
            }
            Weight::Transposed(weight) if math == Math::Differentiable && has_fixed_product(weight) => {
                let x = x.to_dtype(weight.dtype())?.contiguous()?;
                let y = x.apply_op1(FixedProduct::Transposed(weight.clone()))?;
                self.finish(&y.to_dtype(DType::F32)?, dims, math, after)
            }
            Weight::AsGiven(weight) => self.finish(&product(&x, &weight.t()?)?, dims, math, after),
            Weight::Transposed(weight) => self.finish(&product(&x, weight)?, dims, math, after),
        }
    }

    /// Bias and what follows it, to a product that is new and nobody else's.
    fn finish(
        &self,
        y: &Tensor,
        dims: Vec<usize>,
        math: Math,
        after: After<'_>,
    ) -> Result<Tensor, TokenizerError> {
        if has_fused_operations(y, math) {
            match after {
                After::Nothing => fused::add_bias(y, &self.bias)?,
                After::TanhGelu => {
                    fused::add_bias(y, &self.bias)?;
                    return Ok(y.reshape(dims)?.gelu()?);
                }
                After::Gelu => fused::add_bias_gelu(y, &self.bias)?,
                After::Add(residual) => {
                    fused::add_bias_and_residual(y, &self.bias, &residual.contiguous()?)?;
                }
            }
            return Ok(y.reshape(dims)?);
        }
        let y = match math {
            Math::Fused => y.broadcast_add(&self.bias)?,
            Math::Differentiable => over_rows::shifted(y, &self.bias)?,
        };
        after.apply(y.reshape(dims)?)
    }
}

impl After<'_> {
    fn activation(&self) -> Activation {
        match self {
            Self::Nothing | Self::Add(_) => Activation::None,
            Self::Gelu => Activation::Gelu,
            Self::TanhGelu => Activation::TanhGelu,
        }
    }

    /// By operations that have a backward pass.
    fn apply(&self, y: Tensor) -> Result<Tensor, TokenizerError> {
        Ok(match self {
            Self::Nothing => y,
            // candle's `gelu` is the tanh approximation.
            Self::Gelu => y.gelu_erf()?,
            Self::TanhGelu => y.gelu()?,
            Self::Add(residual) => (y + *residual)?,
        })
    }
}

/// Whether [`FixedProduct`] serves for a weight [in, out]: the CPU has no product of half floats.
fn has_fixed_product(weight: &Tensor) -> bool {
    !weight.device().is_cpu() || weight.dtype() == DType::F32
}

/// candle's product of `x` [rows, in] with a weight [in, out].
fn product(x: &Tensor, weight: &Tensor) -> Result<Tensor, TokenizerError> {
    if weight.dtype() == DType::F32 {
        return Ok(x.matmul(weight)?);
    }
    // The CPU has no half-precision product: candle would widen both sides and round the result, so only the weights
    // are widened here.
    if weight.device().is_cpu() {
        return Ok(x.matmul(&weight.to_dtype(DType::F32)?)?);
    }
    Ok(x.to_dtype(weight.dtype())?.matmul(weight)?.to_dtype(DType::F32)?)
}

/// LayerNorm over the last dimension.
#[derive(Debug, Clone)]
pub(super) struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
}

impl LayerNorm {
    /// As the CPU's own pass reads it.
    pub(super) fn on_cpu(&self) -> Result<kernel::LayerNorm, TokenizerError> {
        let (weight, bias) = (self.weight.to_vec1::<f32>()?, self.bias.to_vec1::<f32>()?);
        Ok(kernel::LayerNorm::new(&weight, &bias, NORM_EPSILON))
    }

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
            Math::Differentiable => self.differentiable(x)?,
        })
    }
}

impl LayerNorm {
    fn differentiable(&self, x: &Tensor) -> Result<Tensor, TokenizerError> {
        let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
        let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
        let unit = centred.broadcast_div(&(variance + f64::from(NORM_EPSILON))?.sqrt()?)?;
        Ok(over_rows::shifted(
            &over_rows::scaled(&unit, &self.weight)?,
            &self.bias,
        )?)
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
