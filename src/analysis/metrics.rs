//! How far two pictures are apart, each figure by a named convention.

use crate::picture::Rgb8;
use rayon::prelude::*;

/// Side of SSIM's uniform window.
const WINDOW: usize = 7;
const WINDOW_AREA: f64 = (WINDOW * WINDOW) as f64;
/// SSIM's constants for luminance and contrast.
const K1: f64 = 0.01;
const K2: f64 = 0.03;
const CHANNELS: usize = 3;
const BYTE_MAX: f64 = 255.0;

/// Distances between two pictures of the same size. Conventions are named at each field.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct PictureMetrics {
    /// Mean squared difference of 8-bit values over all channels, on a 0..1 scale.
    pub mse: f64,
    /// 10 log10(1 / mse), data range 1; infinite for equal pictures (`null` in JSON).
    pub psnr_db: f64,
    /// SSIM (7x7 uniform window, channels averaged, sample covariance: skimage's default), data range 1 on 0..1 pictures.
    pub ssim: f64,
    /// The same with data range 2 on 0..1 pictures, as the reference's script computes it: inflated.
    pub ssim_paper: f64,
}

/// `None` when the sizes differ or a side is under 7 pixels.
pub fn compare(a: &Rgb8, b: &Rgb8) -> Option<PictureMetrics> {
    let (width, height) = (a.width() as usize, a.height() as usize);
    if (a.width(), a.height()) != (b.width(), b.height()) || width.min(height) < WINDOW {
        return None;
    }
    let mse = mean_squared_error(a, b);
    let [ssim, ssim_paper] = structural_similarity(a, b, [1.0, 2.0]);
    Some(PictureMetrics {
        mse,
        psnr_db: -10.0 * mse.log10(),
        ssim,
        ssim_paper,
    })
}

fn mean_squared_error(a: &Rgb8, b: &Rgb8) -> f64 {
    let squared = |(a, b): (&u8, &u8)| u64::from(a.abs_diff(*b)).pow(2);
    let sum: u64 = a.as_bytes().iter().zip(b.as_bytes()).map(squared).sum();
    sum as f64 / a.as_bytes().len() as f64 / BYTE_MAX.powi(2)
}

/// Mean SSIM for several data ranges at once (Wang et al. 2004 in the form of scikit-image's default). The border that
/// a window does not cover whole is left out. Window sums are exact integers.
fn structural_similarity<const N: usize>(a: &Rgb8, b: &Rgb8, ranges: [f64; N]) -> [f64; N] {
    let stride = a.width() as usize * CHANNELS;
    let window_rows = a.height() as usize - WINDOW + 1;
    let window_columns = a.width() as usize - WINDOW + 1;
    let constants = ranges.map(|range| [K1, K2].map(|k| (k * range * BYTE_MAX).powi(2)));
    let row_sum = |row: usize| {
        let rows = row * stride..(row + WINDOW) * stride;
        let (a, b) = (a.as_bytes().get(rows.clone()), b.as_bytes().get(rows));
        row_similarity(a.unwrap_or_default(), b.unwrap_or_default(), stride, &constants)
    };
    // Added up in row order, so that the figure does not depend on the threads.
    let rows: Vec<[f64; N]> = (0..window_rows).into_par_iter().map(row_sum).collect();
    let count = (window_rows * window_columns * CHANNELS) as f64;
    let mut means = [0.0; N];
    for row in rows {
        for (mean, sum) in means.iter_mut().zip(row) {
            *mean += sum / count;
        }
    }
    means
}

/// Sum of the similarity over the windows of one band of [`WINDOW`] rows, all channels, for each pair of constants.
fn row_similarity<const N: usize>(a: &[u8], b: &[u8], stride: usize, constants: &[[f64; 2]; N]) -> [f64; N] {
    let mut columns = vec![Sums::default(); stride];
    for (a, b) in a.chunks_exact(stride).zip(b.chunks_exact(stride)) {
        for ((column, a), b) in columns.iter_mut().zip(a).zip(b) {
            column.add_pixel(i64::from(*a), i64::from(*b));
        }
    }
    let mut totals = [0.0; N];
    for channel in 0..CHANNELS {
        let mut window = Sums::default();
        let entering = columns.iter().skip(channel).step_by(CHANNELS);
        let mut leaving = columns.iter().skip(channel).step_by(CHANNELS);
        for (column, sums) in entering.enumerate() {
            window.add(sums);
            if column + 1 < WINDOW {
                continue;
            }
            let statistics = window.statistics();
            for (total, constants) in totals.iter_mut().zip(constants) {
                *total += statistics.similarity(*constants);
            }
            if let Some(sums) = leaving.next() {
                window.subtract(sums);
            }
        }
    }
    totals
}

/// Sums over the pixels of a window, or of one column of it.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    a: i64,
    b: i64,
    /// a squared + b squared: SSIM needs only the sum of the two variances.
    squares: i64,
    product: i64,
}

impl Sums {
    fn add_pixel(&mut self, a: i64, b: i64) {
        self.a += a;
        self.b += b;
        self.squares += a * a + b * b;
        self.product += a * b;
    }

    fn add(&mut self, other: &Self) {
        self.a += other.a;
        self.b += other.b;
        self.squares += other.squares;
        self.product += other.product;
    }

    fn subtract(&mut self, other: &Self) {
        self.a -= other.a;
        self.b -= other.b;
        self.squares -= other.squares;
        self.product -= other.product;
    }

    fn statistics(&self) -> Statistics {
        let area = (WINDOW * WINDOW) as i64;
        let normaliser = WINDOW_AREA * (WINDOW_AREA - 1.0);
        Statistics {
            mean_squares: (self.a * self.a + self.b * self.b) as f64 / (WINDOW_AREA * WINDOW_AREA),
            mean_product: (self.a * self.b) as f64 / (WINDOW_AREA * WINDOW_AREA),
            variances: (area * self.squares - self.a * self.a - self.b * self.b) as f64 / normaliser,
            covariance: (area * self.product - self.a * self.b) as f64 / normaliser,
        }
    }
}

/// What SSIM is made of, on the 0..255 scale.
struct Statistics {
    /// Sum of the two squared means.
    mean_squares: f64,
    mean_product: f64,
    /// Sum of the two sample variances.
    variances: f64,
    covariance: f64,
}

impl Statistics {
    fn similarity(&self, [c1, c2]: [f64; 2]) -> f64 {
        (2.0 * self.mean_product + c1) * (2.0 * self.covariance + c2)
            / ((self.mean_squares + c1) * (self.variances + c2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same sums by definition, window by window.
    fn ssim_by_definition(a: &Rgb8, b: &Rgb8, range: f64) -> f64 {
        let (width, height) = (a.width(), a.height());
        let (c1, c2) = ((K1 * range).powi(2), (K2 * range).powi(2));
        let mut values = Vec::new();
        for channel in 0..CHANNELS {
            for (y, x) in (0..=height - 7).flat_map(|y| (0..=width - 7).map(move |x| (y, x))) {
                let window = |picture: &Rgb8| -> Vec<f64> {
                    let place = |i: u32| picture.pixel(x + i % 7, y + i / 7).unwrap()[channel];
                    (0..49).map(|i| f64::from(place(i)) / 255.0).collect()
                };
                let (a, b) = (window(a), window(b));
                let mean = |values: &[f64]| values.iter().sum::<f64>() / 49.0;
                let (ma, mb) = (mean(&a), mean(&b));
                let covariance = |p: &[f64], mp: f64, q: &[f64], mq: f64| {
                    p.iter().zip(q).map(|(p, q)| (p - mp) * (q - mq)).sum::<f64>() / 48.0
                };
                let (va, vb) = (covariance(&a, ma, &a, ma), covariance(&b, mb, &b, mb));
                let vab = covariance(&a, ma, &b, mb);
                values.push(
                    (2.0 * ma * mb + c1) * (2.0 * vab + c2) / ((ma * ma + mb * mb + c1) * (va + vb + c2)),
                );
            }
        }
        values.iter().sum::<f64>() / values.len() as f64
    }

    fn noise(width: u32, height: u32, seed: u32) -> Rgb8 {
        let byte = |i: u32| ((i.wrapping_mul(2_654_435_761).wrapping_add(seed)) >> 21) as u8;
        Rgb8::new(width, height, (0..width * height * 3).map(byte).collect()).unwrap()
    }

    #[test]
    fn sliding_sums_equal_the_definition() {
        let (a, b) = (noise(19, 12, 1), noise(19, 12, 77_777));
        let metrics = compare(&a, &b).unwrap();
        assert!((metrics.ssim - ssim_by_definition(&a, &b, 1.0)).abs() < 1e-12);
        assert!((metrics.ssim_paper - ssim_by_definition(&a, &b, 2.0)).abs() < 1e-12);
    }

    #[test]
    fn equal_pictures_are_equal() {
        let picture = noise(7, 7, 3);
        let metrics = compare(&picture, &picture).unwrap();
        assert_eq!((metrics.mse, metrics.psnr_db), (0.0, f64::INFINITY));
        assert!((metrics.ssim - 1.0).abs() < 1e-12 && (metrics.ssim_paper - 1.0).abs() < 1e-12);
    }

    #[test]
    fn black_and_white_are_as_far_apart_as_can_be() {
        let (black, white) = (Rgb8::filled(8, 8, [0; 3]), Rgb8::filled(8, 8, [255; 3]));
        let metrics = compare(&black, &white).unwrap();
        assert_eq!((metrics.mse, metrics.psnr_db), (1.0, 0.0));
    }

    #[test]
    fn other_sizes_and_small_pictures_have_no_metrics() {
        assert!(compare(&noise(8, 8, 0), &noise(8, 9, 0)).is_none());
        assert!(compare(&noise(6, 20, 0), &noise(6, 20, 0)).is_none());
    }
}
