//! Singular values of a matrix with few columns.

use nalgebra::{DMatrix, SymmetricEigen};

/// Singular values, largest first, of the matrix with these columns of one length: square roots of the eigenvalues of
/// the columns' inner products. Values under about 1e-7 of the largest are rounding. Columns that are not finite have
/// values that are no numbers.
pub fn singular_values(columns: &[&[f32]]) -> Vec<f64> {
    let product =
        |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum() };
    let size = columns.len();
    if columns
        .iter()
        .any(|column| !column.iter().all(|value| value.is_finite()))
    {
        return vec![f64::NAN; size];
    }
    if size == 0 {
        return Vec::new();
    }
    let mut gram = DMatrix::zeros(size, size);
    for (row, a) in columns.iter().enumerate() {
        for (column, b) in columns.iter().enumerate().take(row + 1) {
            let value = product(a, b);
            gram[(row, column)] = value;
            gram[(column, row)] = value;
        }
    }
    let mut values: Vec<f64> = SymmetricEigen::new(gram)
        .eigenvalues
        .iter()
        .map(|value| value.max(0.0).sqrt())
        .collect();
    values.sort_by(|a, b| b.total_cmp(a));
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orthogonal_columns_have_their_lengths_as_singular_values() {
        let found = singular_values(&[&[0.0, 2.0, 0.0], &[3.0, 0.0, 4.0], &[0.0, 0.0, 0.0]]);
        assert!(
            found
                .iter()
                .zip([5.0, 2.0, 0.0])
                .all(|(a, b)| (a - b).abs() < 1e-6)
        );
        assert!(singular_values(&[]).is_empty());
        assert!(singular_values(&[&[f32::NAN]])[0].is_nan());
    }

    #[test]
    fn equal_columns_have_one_direction() {
        let found = singular_values(&[&[1.0, 1.0], &[1.0, 1.0]]);
        assert!((found[0] - 2.0).abs() < 1e-9 && found[1] < 1e-6);
    }
}
