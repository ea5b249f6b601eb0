//! A convolutional network's taps as tensors through which gradients reach the pictures.

use super::chain::{Chain, Pass};
use crate::trainer::values::{gradient_values, values};
use candle_core::{CpuStorage, CustomOp1, Device, Error, Layout, Result, Shape, Tensor};
use std::sync::{Arc, OnceLock};

/// The maps of every tap for `pictures` [B, 3, H, W]: [B, h, w, C] each.
pub(in crate::trainer) fn taps(network: &Arc<Chain>, pictures: &Tensor) -> Result<Vec<Tensor>> {
    let (batch, _, height, width) = pictures.dims4()?;
    let op = Taps {
        network: Arc::clone(network),
        pass: OnceLock::new(),
    };
    let all = pictures.contiguous()?.apply_op1(op)?;
    let mut start = 0;
    let sizes = network.tap_sizes(height, width).into_iter();
    sizes
        .map(|(height, width, channels)| {
            let count = batch * height * width * channels;
            let tap = all.narrow(0, start, count)?;
            start += count;
            tap.reshape((batch, height, width, channels))
        })
        .collect()
}

struct Taps {
    network: Arc<Chain>,
    /// Known once the taps are.
    pass: OnceLock<Pass>,
}

impl CustomOp1 for Taps {
    fn name(&self) -> &'static str {
        "network-taps"
    }

    fn cpu_fwd(&self, pictures: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let &[batch, _, height, width] = layout.dims() else {
            return Err(Error::msg("pictures have four axes"));
        };
        let pass = self
            .network
            .forward(values(pictures, layout)?, (batch, height, width))?;
        let all: Vec<f32> = pass.taps().flat_map(|tap| tap.values).copied().collect();
        let shape = Shape::from(all.len());
        // An operation runs forward once.
        let _ = self.pass.set(pass);
        Ok((CpuStorage::F32(all), shape))
    }

    fn bwd(&self, pictures: &Tensor, _taps: &Tensor, pull: &Tensor) -> Result<Option<Tensor>> {
        let pass = self
            .pass
            .get()
            .ok_or_else(|| Error::msg("a pass goes back after it went there"))?;
        let pull = gradient_values(pull)?;
        let mut start = 0;
        let pulls = pass
            .taps()
            .map(|tap| {
                let end = start + tap.values.len();
                let pull = pull.get(start..end).unwrap_or_default().to_vec();
                start = end;
                pull
            })
            .collect();
        let gradient = self.network.back(pass, pulls)?;
        Ok(Some(Tensor::from_vec(gradient, pictures.shape(), &Device::Cpu)?))
    }
}
