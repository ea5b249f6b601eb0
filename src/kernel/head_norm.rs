use super::math::sum;

/// A norm over the channels of one head, with a scale and a shift for each.
#[derive(Debug, Clone)]
pub(crate) struct HeadNorm {
    weight: Vec<f32>,
    bias: Vec<f32>,
    epsilon: f32,
}

impl HeadNorm {
    pub(crate) fn new(weight: Vec<f32>, bias: Vec<f32>, epsilon: f32) -> Self {
        Self {
            weight,
            bias,
            epsilon,
        }
    }

    /// The same with all that it gives multiplied by `factor`.
    pub(crate) fn scaled(mut self, factor: f32) -> Self {
        for value in self.weight.iter_mut().chain(&mut self.bias) {
            *value *= factor;
        }
        self
    }

    /// Mean first, then the spread around it: the mean square less the squared mean would cancel.
    #[inline(always)]
    pub(super) fn forward(&self, channels: &mut [f32]) {
        let count = channels.len() as f32;
        let mean = sum(channels, |value| value) / count;
        let variance = sum(channels, |value| (value - mean) * (value - mean)) / count;
        let factor = 1.0 / (variance + self.epsilon).sqrt();
        for ((value, weight), bias) in channels.iter_mut().zip(&self.weight).zip(&self.bias) {
            *value = (*value - mean) * factor * weight + bias;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_centred_scaled_and_shifted() {
        for count in [1, 2, 16, 37, 72] {
            let values = |rate: f64| -> Vec<f32> {
                (0..count)
                    .map(|index| (3.0 + (f64::from(index) * rate).sin()) as f32)
                    .collect()
            };
            let (x, weight, bias) = (values(0.9), values(0.4), values(0.2));
            let mean = x.iter().map(|value| f64::from(*value)).sum::<f64>() / f64::from(count);
            let squares = x.iter().map(|value| (f64::from(*value) - mean).powi(2));
            let deviation = (squares.sum::<f64>() / f64::from(count) + 1e-5).sqrt();
            let mut found = x.clone();
            HeadNorm::new(weight.clone(), bias.clone(), 1e-5)
                .scaled(0.5)
                .forward(&mut found);
            for (index, found) in found.iter().enumerate() {
                let normed = (f64::from(x[index]) - mean) / deviation;
                let expected = 0.5 * (normed * f64::from(weight[index]) + f64::from(bias[index]));
                assert!((f64::from(*found) - expected).abs() < 2e-5);
            }
        }
    }
}
