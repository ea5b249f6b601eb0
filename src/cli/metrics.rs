//! Picture metrics in words, columns and JSON; each with its convention.

use crate::analysis::PictureMetrics;

/// Under every table of metrics.
pub(crate) const CONVENTIONS: &str = "\
PSNR: 10 log10(1 / MSE) on 8-bit pictures scaled to 0..1. MSE: on the same scale, over all channels.
SSIM: 7 x 7 uniform window, channels averaged, data range 1. SSIM (paper): data range 2 on 0..1 pictures, as the
reference's script computes it, which makes it higher.";

pub(crate) fn conventions_json() -> serde_json::Value {
    serde_json::json!({
        "mse": "mean squared difference of 8-bit values on a 0..1 scale, all channels",
        "psnr_db": "10 log10(1 / mse), data range 1; null for equal pictures (infinite)",
        "ssim": "7x7 uniform window, channels averaged, data range 1 on 0..1 pictures",
        "ssim_paper": "the same with data range 2 on 0..1 pictures, as the reference's script computes it",
    })
}

/// Columns of [`row`], after one that names what was measured.
pub(crate) fn header(first: &str) -> [&str; 5] {
    [first, "PSNR dB", "SSIM", "SSIM (paper)", "MSE"]
}

pub(crate) fn row(name: &str, metrics: &PictureMetrics) -> Vec<String> {
    [name.to_owned()].into_iter().chain(cells(metrics)).collect()
}

/// The figures of [`row`].
pub(crate) fn cells(metrics: &PictureMetrics) -> [String; 4] {
    [
        format!("{:.2}", metrics.psnr_db),
        format!("{:.4}", metrics.ssim),
        format!("{:.4}", metrics.ssim_paper),
        format!("{:.6}", metrics.mse),
    ]
}

/// JSON has no infinity: the PSNR of equal pictures is null.
pub(crate) fn json(metrics: &PictureMetrics) -> serde_json::Value {
    serde_json::json!({
        "psnr_db": metrics.psnr_db.is_finite().then_some(metrics.psnr_db),
        "ssim": metrics.ssim,
        "ssim_paper": metrics.ssim_paper,
        "mse": metrics.mse,
    })
}
