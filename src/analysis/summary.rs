//! Metrics over many pictures.

use super::PictureMetrics;

/// Mean and spread of each metric over several pictures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MetricsSummary {
    /// How many pictures.
    pub count: usize,
    /// Arithmetic mean of each metric; of the PSNR in dB.
    pub mean: PictureMetrics,
    /// Sample standard deviation (over `count` - 1); `None` for a single picture.
    pub deviation: Option<PictureMetrics>,
}

impl MetricsSummary {
    /// `None` for no pictures. Equal pictures have an infinite PSNR, and so then has the mean; the deviation is not a
    /// number.
    pub fn of(pictures: &[PictureMetrics]) -> Option<Self> {
        if pictures.is_empty() {
            return None;
        }
        let count = pictures.len() as f64;
        let mean = each(|figure| pictures.iter().map(figure).sum::<f64>() / count);
        let deviation = each(|figure| {
            let squares = pictures
                .iter()
                .map(|metrics| (figure(metrics) - figure(&mean)).powi(2));
            (squares.sum::<f64>() / (count - 1.0)).sqrt()
        });
        Some(Self {
            count: pictures.len(),
            mean,
            deviation: (pictures.len() > 1).then_some(deviation),
        })
    }
}

/// Metrics of which every figure is `over` its own values.
fn each(over: impl Fn(fn(&PictureMetrics) -> f64) -> f64) -> PictureMetrics {
    PictureMetrics {
        mse: over(|metrics| metrics.mse),
        psnr_db: over(|metrics| metrics.psnr_db),
        ssim: over(|metrics| metrics.ssim),
        ssim_paper: over(|metrics| metrics.ssim_paper),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics(mse: f64) -> PictureMetrics {
        PictureMetrics {
            mse,
            psnr_db: 20.0 + mse,
            ssim: 0.5,
            ssim_paper: 0.75,
        }
    }

    #[test]
    fn mean_and_deviation_are_over_the_pictures() {
        let summary = MetricsSummary::of(&[metrics(1.0), metrics(3.0)]).unwrap();
        assert_eq!(summary.count, 2);
        assert!((summary.mean.mse - 2.0).abs() < 1e-12);
        let deviation = summary.deviation.unwrap();
        assert!((deviation.psnr_db - 2.0_f64.sqrt()).abs() < 1e-12);
        assert!(deviation.ssim.abs() < 1e-12);
    }

    #[test]
    fn one_picture_has_no_deviation_and_none_no_mean() {
        assert!(MetricsSummary::of(&[metrics(1.0)]).unwrap().deviation.is_none());
        assert_eq!(MetricsSummary::of(&[]), None);
    }
}
