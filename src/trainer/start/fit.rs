//! Principal components and least squares.

use nalgebra::{DMatrix, DVector};

/// Share of the mean diagonal that is added to it: directions of hardly any strength would get weights so large that
/// training could not move anything before them.
const RIDGE: f64 = 1e-3;

/// Directions of the greatest variance.
pub(super) struct Components {
    pub(super) mean: DVector<f64>,
    /// A unit direction in each column, strongest first.
    pub(super) axes: DMatrix<f64>,
    pub(super) deviations: Vec<f64>,
}

/// `inputs` [n, p] on the map `weight` [p, q] and `bias` `[q]` that is nearest to given outputs.
pub(super) struct LinearMap {
    pub(super) weight: DMatrix<f64>,
    pub(super) bias: DVector<f64>,
}

fn centred(rows: &DMatrix<f64>) -> (DMatrix<f64>, DVector<f64>) {
    let mean = rows.row_mean().transpose();
    let mut centred = rows.clone();
    for (mut column, mean) in centred.column_iter_mut().zip(mean.iter()) {
        column.add_scalar_mut(-mean);
    }
    (centred, mean)
}

/// The first `count` components of `rows` [n, p]; at most p.
pub(super) fn components(rows: &DMatrix<f64>, count: usize) -> Components {
    let (centred, mean) = centred(rows);
    let covariance = centred.tr_mul(&centred) / rows.nrows().max(1) as f64;
    let eigen = covariance.symmetric_eigen();
    let mut order: Vec<usize> = (0..eigen.eigenvalues.len()).collect();
    order.sort_by(|a, b| eigen.eigenvalues[*b].total_cmp(&eigen.eigenvalues[*a]));
    order.truncate(count);
    Components {
        mean,
        axes: eigen.eigenvectors.select_columns(&order),
        deviations: order
            .iter()
            .map(|index| eigen.eigenvalues[*index].max(0.0).sqrt())
            .collect(),
    }
}

/// None where the inputs hold numbers that are not finite.
pub(super) fn least_squares(inputs: &DMatrix<f64>, outputs: &DMatrix<f64>) -> Option<LinearMap> {
    let (x, x_mean) = centred(inputs);
    let (y, y_mean) = centred(outputs);
    let mut squares = x.tr_mul(&x);
    let ridge = (RIDGE * squares.diagonal().mean()).max(f64::MIN_POSITIVE);
    for index in 0..squares.nrows() {
        squares[(index, index)] += ridge;
    }
    let weight = squares.cholesky()?.solve(&x.tr_mul(&y));
    let bias = y_mean - weight.tr_mul(&x_mean);
    Some(LinearMap { weight, bias })
}

/// An orthonormal basis from random columns.
pub(super) fn orthonormal(random: DMatrix<f64>) -> DMatrix<f64> {
    random.qr().q()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs() -> DMatrix<f64> {
        DMatrix::from_fn(40, 3, |row, column| ((row * (column + 2)) as f64 * 0.7).sin())
    }

    #[test]
    fn an_affine_map_is_found_again() {
        let weight = DMatrix::from_fn(3, 2, |row, column| row as f64 - 0.5 * column as f64);
        let mut outputs = inputs() * &weight;
        outputs.column_mut(1).add_scalar_mut(2.0);
        let found = least_squares(&inputs(), &outputs).unwrap();
        assert!((found.weight - weight).amax() < 1e-2);
        assert!((found.bias - DVector::from_vec(vec![0.0, 2.0])).amax() < 1e-2);
    }

    #[test]
    fn all_components_together_keep_everything_and_the_first_most() {
        let rows = inputs();
        let found = components(&rows, 3);
        let (centred, _) = centred(&rows);
        let kept = (&centred * &found.axes) * found.axes.transpose();
        assert!((kept - centred).amax() < 1e-9);
        assert!(found.deviations.is_sorted_by(|a, b| a >= b));
    }
}
