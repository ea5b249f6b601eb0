//! Ridge regression whose strength can be chosen after the one decomposition that costs.

use nalgebra::{DMatrix, DVector, SymmetricEigen};

/// A deviation below this is that of a feature that does not vary.
const LEAST_DEVIATION: f64 = 1e-9;

/// Regression of T targets on F features, both centred on the examples, features brought to unit deviation.
#[derive(Debug, Clone)]
pub(crate) struct Ridge {
    feature_means: Vec<f64>,
    /// 1 / deviation; 0 for a feature that does not vary.
    feature_scales: Vec<f64>,
    target_means: Vec<f64>,
    /// Eigenvalues of the smaller of the two matrices of inner products.
    eigenvalues: DVector<f64>,
    /// [F, r]: from the eigenvectors' coordinates to weights.
    from_coordinates: DMatrix<f64>,
    /// [r, T]: the targets in the eigenvectors' coordinates.
    targets: DMatrix<f64>,
    examples: usize,
}

impl Ridge {
    /// `rows`: N examples of F features; `targets`: N rows of T. `None` without examples, features or targets, or where
    /// lengths differ or a value is not finite.
    pub(crate) fn fit(rows: &[&[f32]], targets: &[Vec<f64>]) -> Option<Self> {
        let features = rows.first()?.len();
        let target_count = targets.first()?.len();
        let is_even = rows.len() == targets.len()
            && rows
                .iter()
                .all(|row| row.len() == features && row.iter().all(|value| value.is_finite()))
            && targets
                .iter()
                .all(|row| row.len() == target_count && row.iter().all(|value| value.is_finite()));
        if !is_even || features == 0 || target_count == 0 {
            return None;
        }
        let examples = rows.len();
        let x = DMatrix::from_fn(examples, features, |row, column| f64::from(rows[row][column]));
        let y = DMatrix::from_fn(examples, target_count, |row, column| targets[row][column]);
        let (x, feature_means) = centred(x);
        let (y, target_means) = centred(y);
        let feature_scales: Vec<f64> = x
            .column_iter()
            .map(|column| (column.norm_squared() / examples as f64).sqrt())
            .map(|deviation| {
                if deviation > LEAST_DEVIATION {
                    1.0 / deviation
                } else {
                    0.0
                }
            })
            .collect();
        let mut x = x;
        for (mut column, scale) in x.column_iter_mut().zip(&feature_scales) {
            column *= *scale;
        }
        let (eigen, from_coordinates, targets) = if features <= examples {
            let eigen = SymmetricEigen::new(x.tr_mul(&x));
            let targets = eigen.eigenvectors.tr_mul(&x.tr_mul(&y));
            let vectors = eigen.eigenvectors.clone();
            (eigen, vectors, targets)
        } else {
            let eigen = SymmetricEigen::new(&x * x.transpose());
            let targets = eigen.eigenvectors.tr_mul(&y);
            let vectors = x.tr_mul(&eigen.eigenvectors);
            (eigen, vectors, targets)
        };
        Some(Self {
            feature_means,
            feature_scales,
            target_means,
            eigenvalues: eigen.eigenvalues,
            from_coordinates,
            targets,
            examples,
        })
    }

    /// The regression at a strength: the penalty on squared weights of unit features, times the number of examples.
    pub(crate) fn at(&self, strength: f64) -> Predictor<'_> {
        let penalty = strength * self.examples as f64;
        let mut coordinates = self.targets.clone();
        for (mut row, eigenvalue) in coordinates.row_iter_mut().zip(self.eigenvalues.iter()) {
            row /= (eigenvalue.max(0.0) + penalty).max(f64::MIN_POSITIVE);
        }
        Predictor {
            ridge: self,
            weights: &self.from_coordinates * coordinates,
        }
    }
}

fn centred(mut matrix: DMatrix<f64>) -> (DMatrix<f64>, Vec<f64>) {
    let rows = matrix.nrows().max(1) as f64;
    let means: Vec<f64> = matrix.column_iter().map(|column| column.sum() / rows).collect();
    for (mut column, mean) in matrix.column_iter_mut().zip(&means) {
        column.add_scalar_mut(-mean);
    }
    (matrix, means)
}

/// A regression with its weights.
#[derive(Debug, Clone)]
pub(crate) struct Predictor<'a> {
    ridge: &'a Ridge,
    /// [F, T].
    weights: DMatrix<f64>,
}

impl Predictor<'_> {
    /// T values for F features.
    pub(crate) fn predict(&self, row: &[f32]) -> Vec<f64> {
        let ridge = self.ridge;
        let mut values = ridge.target_means.clone();
        let unit = row
            .iter()
            .zip(ridge.feature_means.iter().zip(&ridge.feature_scales))
            .map(|(value, (mean, scale))| (f64::from(*value) - mean) * scale);
        for (value, weights) in unit.zip(self.weights.row_iter()) {
            for (sum, weight) in values.iter_mut().zip(weights.iter()) {
                *sum += value * weight;
            }
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 3 x0 - 2 x1 + 5 and x1 / 10, x2 constant.
    fn examples(count: usize) -> (Vec<Vec<f32>>, Vec<Vec<f64>>) {
        (0..count)
            .map(|index| {
                let (a, b) = ((index * 7 % 11) as f64 - 3.0, (index * 5 % 13) as f64);
                (
                    vec![a as f32, b as f32, 4.0],
                    vec![3.0 * a - 2.0 * b + 5.0, b / 10.0],
                )
            })
            .unzip()
    }

    #[test]
    fn without_a_penalty_a_line_is_found_exactly() {
        let (rows, targets) = examples(30);
        let rows: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
        let ridge = Ridge::fit(&rows, &targets).unwrap();
        let found = ridge.at(1e-12).predict(&[10.0, -4.0, 4.0]);
        assert!(
            (found[0] - 43.0).abs() < 1e-5 && (found[1] + 0.4).abs() < 1e-6,
            "{found:?}"
        );
        // With a penalty without end the mean is left.
        let mean = targets.iter().map(|row| row[0]).sum::<f64>() / 30.0;
        assert!((ridge.at(1e12).predict(&[10.0, -4.0, 4.0])[0] - mean).abs() < 1e-3);
    }

    #[test]
    fn few_examples_and_many_features_give_the_same_as_the_normal_equations() {
        let (rows, targets) = examples(6);
        // Repeated columns: 12 features from 6 examples.
        let wide: Vec<Vec<f32>> = rows.iter().map(|row| row.repeat(4)).collect();
        let wide: Vec<&[f32]> = wide.iter().map(Vec::as_slice).collect();
        let narrow: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
        // A feature four times over carries the penalty of a quarter.
        let of_wide = Ridge::fit(&wide, &targets).unwrap();
        let of_narrow = Ridge::fit(&narrow, &targets).unwrap();
        let given = [2.0_f32, 3.0, 4.0];
        let found = of_wide.at(0.4).predict(&given.repeat(4));
        let expected = of_narrow.at(0.1).predict(&given);
        assert!((found[0] - expected[0]).abs() < 1e-6, "{found:?} {expected:?}");
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        assert!(Ridge::fit(&[], &[]).is_none());
        assert!(Ridge::fit(&[&[1.0]], &[vec![1.0], vec![2.0]]).is_none());
        assert!(Ridge::fit(&[&[1.0], &[1.0, 2.0]], &[vec![1.0], vec![2.0]]).is_none());
    }
}
