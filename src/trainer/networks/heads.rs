//! Heads of a discriminator over sequences of features: spectral-norm convolutions along the sequence, whose ends meet,
//! with batch norms (the reference's DINO discriminator, after StyleGAN-T, arXiv 2301.09515).

use candle_core::{D, DType, Device, Error, Result, Tensor};
use std::collections::HashMap;

/// Places that the middle convolution of a head reads.
const KERNEL: usize = 9;
/// Of the batch norms.
const NORM_EPSILON: f64 = 1e-6;
/// Weight of new statistics in the running ones.
const MOMENTUM: f64 = 0.1;
/// Slope of the activation below 0.
const LEAK: f64 = 0.2;
/// Length below which a vector is not stretched to unit length.
const SHORTEST_LENGTH: f64 = 1e-12;

/// Which statistics batch norms normalise with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Norms {
    /// Those of the batch at hand, as in training.
    Batch,
    /// The running ones.
    Running,
}

/// Mean and unbiased variance `[C]` that each batch norm saw, in order.
pub type Statistics = Vec<(Tensor, Tensor)>;

#[derive(Debug, Clone)]
struct Convolution {
    key: String,
    /// [out, in, kernel], before it is divided by its largest singular value.
    weight: Tensor,
    bias: Tensor,
    /// Estimates of the first singular vectors [out, 1] and [in kernel, 1].
    left: Tensor,
    right: Tensor,
}

#[derive(Debug, Clone)]
struct Norm {
    key: String,
    weight: Tensor,
    bias: Tensor,
    mean: Tensor,
    variance: Tensor,
}

#[derive(Debug, Clone)]
struct Head {
    point: (Convolution, Norm),
    wide: (Convolution, Norm),
    last: Convolution,
}

/// A head for each read-out.
#[derive(Debug, Clone)]
pub(in crate::trainer) struct Heads(Vec<Head>);

/// A tensor of the heads: key, shape, and what it starts from.
#[derive(Debug, Clone)]
pub(in crate::trainer) struct HeadTensor {
    pub(in crate::trainer) key: String,
    pub(in crate::trainer) shape: Vec<usize>,
    pub(in crate::trainer) start: Start,
    /// Whether it learns by gradients.
    pub(in crate::trainer) is_parameter: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::trainer) enum Start {
    Constant(f32),
    /// Normal values of this deviation.
    Normal(f64),
    /// A random direction of unit length.
    Unit,
}

/// All tensors of heads for read-outs of these channels.
pub(in crate::trainer) fn head_tensors(channels: &[usize]) -> Vec<HeadTensor> {
    let mut tensors = Vec::new();
    let mut add = |key: String, shape: &[usize], start: Start, is_parameter: bool| {
        tensors.push(HeadTensor {
            key,
            shape: shape.to_vec(),
            start,
            is_parameter,
        });
    };
    for (index, width) in channels.iter().enumerate() {
        let head = format!("heads.{index}");
        for (layer, outputs, kernel) in [("0.0", *width, 1), ("1.fn.0", *width, KERNEL), ("2", 1, 1)] {
            let inputs = width * kernel;
            let deviation = 1.0 / (inputs.max(1) as f64).sqrt();
            let shape = [outputs, *width, kernel];
            add(
                format!("{head}.{layer}.weight_orig"),
                &shape,
                Start::Normal(deviation),
                true,
            );
            add(
                format!("{head}.{layer}.bias"),
                &[outputs],
                Start::Constant(0.0),
                true,
            );
            add(format!("{head}.{layer}.weight_u"), &[outputs], Start::Unit, false);
            add(format!("{head}.{layer}.weight_v"), &[inputs], Start::Unit, false);
        }
        for layer in ["0.1", "1.fn.1"] {
            add(
                format!("{head}.{layer}.weight"),
                &[*width],
                Start::Constant(1.0),
                true,
            );
            add(
                format!("{head}.{layer}.bias"),
                &[*width],
                Start::Constant(0.0),
                true,
            );
            add(
                format!("{head}.{layer}.running_mean"),
                &[*width],
                Start::Constant(0.0),
                false,
            );
            add(
                format!("{head}.{layer}.running_var"),
                &[*width],
                Start::Constant(1.0),
                false,
            );
        }
    }
    tensors
}

impl Heads {
    /// `tensors`: all of [`head_tensors`], for `count` read-outs.
    pub(in crate::trainer) fn from_tensors(tensors: &HashMap<String, Tensor>, count: usize) -> Result<Self> {
        let tensor = |key: &str| {
            let found = tensors.get(key).cloned();
            found.ok_or_else(|| Error::msg(format!("`{key}` is missing")))
        };
        let convolution = |key: String| {
            Ok::<_, Error>(Convolution {
                weight: tensor(&format!("{key}.weight_orig"))?,
                bias: tensor(&format!("{key}.bias"))?,
                left: tensor(&format!("{key}.weight_u"))?.unsqueeze(1)?,
                right: tensor(&format!("{key}.weight_v"))?.unsqueeze(1)?,
                key,
            })
        };
        let norm = |key: String| {
            Ok::<_, Error>(Norm {
                weight: tensor(&format!("{key}.weight"))?,
                bias: tensor(&format!("{key}.bias"))?,
                mean: tensor(&format!("{key}.running_mean"))?,
                variance: tensor(&format!("{key}.running_var"))?,
                key,
            })
        };
        let heads = (0..count).map(|index| {
            let key = |layer: &str| format!("heads.{index}.{layer}");
            Ok(Head {
                point: (convolution(key("0.0"))?, norm(key("0.1"))?),
                wide: (convolution(key("1.fn.0"))?, norm(key("1.fn.1"))?),
                last: convolution(key("2"))?,
            })
        });
        heads.collect::<Result<_>>().map(Self)
    }

    /// The same heads, their parameters closed to gradients.
    pub(in crate::trainer) fn detached(&self) -> Self {
        let mut heads = self.clone();
        for head in &mut heads.0 {
            for convolution in head.convolutions_mut() {
                convolution.weight = convolution.weight.detach();
                convolution.bias = convolution.bias.detach();
            }
            for norm in head.norms_mut() {
                norm.weight = norm.weight.detach();
                norm.bias = norm.bias.detach();
            }
        }
        heads
    }

    /// One step of the power iteration towards the first singular vectors.
    pub(in crate::trainer) fn advance(&mut self) -> Result<()> {
        for convolution in self.0.iter_mut().flat_map(Head::convolutions_mut) {
            let matrix = convolution.weight.detach().flatten_from(1)?;
            convolution.right = unit(&matrix.t()?.matmul(&convolution.left)?)?;
            convolution.left = unit(&matrix.matmul(&convolution.right)?)?;
        }
        Ok(())
    }

    /// Takes statistics into the running ones.
    pub(in crate::trainer) fn track(&mut self, statistics: &Statistics) -> Result<()> {
        let norms = self.0.iter_mut().flat_map(Head::norms_mut);
        for (norm, (mean, variance)) in norms.zip(statistics) {
            norm.mean = ((&norm.mean * (1.0 - MOMENTUM))? + (mean * MOMENTUM)?)?;
            norm.variance = ((&norm.variance * (1.0 - MOMENTUM))? + (variance * MOMENTUM)?)?;
        }
        Ok(())
    }

    /// What changes without gradients, by key: singular vectors and running statistics.
    pub(in crate::trainer) fn buffers(&self) -> Vec<(String, Tensor)> {
        let mut buffers = Vec::new();
        for head in &self.0 {
            for convolution in [&head.point.0, &head.wide.0, &head.last] {
                buffers.push((format!("{}.weight_u", convolution.key), convolution.left.clone()));
                buffers.push((format!("{}.weight_v", convolution.key), convolution.right.clone()));
            }
            for norm in [&head.point.1, &head.wide.1] {
                buffers.push((format!("{}.running_mean", norm.key), norm.mean.clone()));
                buffers.push((format!("{}.running_var", norm.key), norm.variance.clone()));
            }
        }
        buffers
    }

    /// Read-outs [B, L, C], one for each head, to logits [B, sum of L].
    pub(in crate::trainer) fn logits(
        &self,
        readouts: &[Tensor],
        norms: Norms,
    ) -> Result<(Tensor, Statistics)> {
        let mut statistics = Vec::new();
        let logits = self
            .0
            .iter()
            .zip(readouts)
            .map(|(head, readout)| head.logits(readout, norms, &mut statistics))
            .collect::<Result<Vec<_>>>()?;
        Ok((Tensor::cat(&logits, 1)?, statistics))
    }
}

impl Head {
    fn convolutions_mut(&mut self) -> [&mut Convolution; 3] {
        [&mut self.point.0, &mut self.wide.0, &mut self.last]
    }

    fn norms_mut(&mut self) -> [&mut Norm; 2] {
        [&mut self.point.1, &mut self.wide.1]
    }

    fn logits(&self, readout: &Tensor, norms: Norms, statistics: &mut Statistics) -> Result<Tensor> {
        let mut block = |(convolution, norm): &(Convolution, Norm), x: &Tensor| {
            let x = norm.forward(&convolution.forward(x)?, norms, statistics)?;
            x.maximum(&(&x * LEAK)?)
        };
        let x = block(&self.point, readout)?;
        let x = ((block(&self.wide, &x)? + &x)? * std::f64::consts::FRAC_1_SQRT_2)?;
        self.last.forward(&x)?.squeeze(2)
    }
}

impl Convolution {
    /// [B, L, in] to [B, L, out].
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (batch, length, inputs) = x.dims3()?;
        let (outputs, _, kernel) = self.weight.dims3()?;
        let product = self.weight.flatten_from(1)?.matmul(&self.right)?;
        let largest = (product * &self.left)?.sum_all()?;
        let weight = self
            .weight
            .permute((0, 2, 1))?
            .reshape((outputs, kernel * inputs))?;
        let weight = weight.broadcast_div(&largest)?;
        let rows = if kernel == 1 {
            x.reshape((batch * length, inputs))?
        } else {
            let read = (0..length * kernel).map(|index| {
                let (place, tap) = (index / kernel, index % kernel);
                // As many times around as keeps the difference above 0.
                ((place + tap + kernel * length - kernel / 2) % length) as u32
            });
            let read = Tensor::from_iter(read, &Device::Cpu)?;
            x.contiguous()?
                .index_select(&read, 1)?
                .reshape((batch * length, kernel * inputs))?
        };
        let y = rows.matmul(&weight.t()?)?.broadcast_add(&self.bias)?;
        y.reshape((batch, length, outputs))
    }
}

impl Norm {
    fn forward(&self, x: &Tensor, norms: Norms, statistics: &mut Statistics) -> Result<Tensor> {
        let (batch, length, width) = x.dims3()?;
        let rows = x.reshape((batch * length, width))?;
        let (mean, variance) = match norms {
            Norms::Running => (self.mean.clone(), self.variance.clone()),
            Norms::Batch => {
                let mean = rows.mean(0)?;
                let variance = rows.broadcast_sub(&mean)?.sqr()?.mean(0)?;
                let count = (batch * length) as f64;
                let unbiased = (variance.detach() * (count / (count - 1.0).max(1.0)))?;
                statistics.push((mean.detach(), unbiased));
                (mean, variance)
            }
        };
        let unit = rows
            .broadcast_sub(&mean)?
            .broadcast_div(&(variance + NORM_EPSILON)?.sqrt()?)?;
        let y = unit.broadcast_mul(&self.weight)?.broadcast_add(&self.bias)?;
        y.reshape((batch, length, width))
    }
}

/// A column [n, 1] at unit length.
fn unit(column: &Tensor) -> Result<Tensor> {
    let length = column.sqr()?.sum_all()?.sqrt()?;
    column.broadcast_div(&length.to_dtype(DType::F32)?.maximum(SHORTEST_LENGTH)?)
}

/// Values of unit length.
pub(in crate::trainer) fn unit_values(values: Vec<f32>) -> Result<Tensor> {
    let count = values.len();
    unit(&Tensor::from_vec(values, (count, 1), &Device::Cpu)?)?.flatten_all()
}

/// [B, H, W, C] to [B, H W, C].
pub(in crate::trainer) fn as_sequence(map: &Tensor) -> Result<Tensor> {
    map.flatten(1, D::Minus2)
}
