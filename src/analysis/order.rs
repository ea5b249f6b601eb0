//! How good a picture is of some of its tokens.

/// The picture of some tokens, the others at the data-set mean.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct KeptQuality {
    /// Tokens that are kept.
    pub kept: usize,
    /// The token that came last; `None` where none is kept.
    pub token: Option<usize>,
    /// Mean squared difference from the reference on a 0..1 scale, values clamped to what a picture holds, not rounded
    /// to bytes.
    pub mse: f64,
    /// 10 log10(1 / mse); infinite for equal pictures (`null` in JSON).
    pub psnr_db: f64,
}

impl KeptQuality {
    pub(crate) fn new(kept: usize, token: Option<usize>, mse: f64) -> Self {
        Self {
            kept,
            token,
            mse,
            psnr_db: -10.0 * mse.log10(),
        }
    }
}

/// Quality by the number of tokens kept, 0..=L.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct OrderCurves {
    /// The first tokens of the sequence.
    pub prefix: Vec<KeptQuality>,
    /// At each step the token that helps most.
    pub greedy: Vec<KeptQuality>,
}

/// Mean squared difference of two pictures of network values, clamped to -1..1, on a 0..1 scale. Both `[3, H, W]`.
pub fn planar_mse(a: &[f32], b: &[f32]) -> f64 {
    let square = |(a, b): (&f32, &f32)| f64::from(a.clamp(-1.0, 1.0) - b.clamp(-1.0, 1.0)).powi(2);
    a.iter().zip(b).map(square).sum::<f64>() / (4.0 * a.len().max(1) as f64)
}

/// Sum over pixels and channels of weight times squared difference of two `[3, H, W]`, unclamped; one weight a pixel.
pub(crate) fn mean_squares(a: &[f32], b: &[f32], weights: &[f32]) -> f64 {
    a.iter()
        .zip(b)
        .zip(weights.iter().cycle())
        .map(|((a, b), weight)| f64::from(*weight) * f64::from(a - b).powi(2))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_channel_counts_with_the_weight_of_its_pixel() {
        let (a, b) = ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [0.0; 6]);
        let sum = mean_squares(&a, &b, &[0.5, 0.0]);
        assert!((sum - 0.5 * (1.0 + 9.0 + 25.0)).abs() < 1e-9);
    }

    #[test]
    fn values_beyond_white_are_white() {
        assert_eq!(planar_mse(&[1.0, -1.0], &[3.0, -2.0]), 0.0);
        assert!((planar_mse(&[1.0, 0.0], &[-1.0, 0.0]) - 0.5).abs() < 1e-12);
        assert!((KeptQuality::new(1, Some(3), 0.01).psnr_db - 20.0).abs() < 1e-9);
    }
}
