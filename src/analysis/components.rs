//! Principal components.

use nalgebra::{DMatrix, SymmetricEigen};

/// Principal components of rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Components {
    /// Mean of the rows, F values.
    pub mean: Vec<f64>,
    /// Unit directions, F values each, the one with the largest deviation first; the largest value of each is above 0.
    pub directions: Vec<Vec<f64>>,
    /// Standard deviation of the rows along each direction (over N).
    pub deviations: Vec<f64>,
    /// Share of the whole variance along each direction.
    pub shares: Vec<f64>,
}

/// A variance this small against the whole is rounding.
const ROUNDING: f64 = 1e-12;

/// The first `count` principal components of N rows of F values; fewer where the rows span fewer. `None` under two
/// rows, where lengths differ, or where a value is not finite.
pub fn principal_components(rows: &[&[f32]], count: usize) -> Option<Components> {
    let width = rows.first()?.len();
    let is_usable = |row: &&[f32]| row.len() == width && row.iter().all(|value| value.is_finite());
    if rows.len() < 2 || width == 0 || !rows.iter().all(is_usable) {
        return None;
    }
    let examples = rows.len();
    let mut mean = vec![0.0; width];
    for row in rows {
        for (sum, value) in mean.iter_mut().zip(*row) {
            *sum += f64::from(*value) / examples as f64;
        }
    }
    let x = DMatrix::from_fn(examples, width, |row, column| {
        f64::from(rows[row][column]) - mean[column]
    });
    let is_wide = width > examples;
    let products = if is_wide { &x * x.transpose() } else { x.tr_mul(&x) };
    let variance = products.trace();
    let squares: f64 = rows
        .iter()
        .flat_map(|row| row.iter())
        .map(|value| f64::from(*value).powi(2))
        .sum();
    if variance <= ROUNDING * squares {
        return Some(Components {
            mean,
            directions: Vec::new(),
            deviations: Vec::new(),
            shares: Vec::new(),
        });
    }
    let eigen = SymmetricEigen::new(products);
    let mut order: Vec<(usize, f64)> = eigen.eigenvalues.iter().copied().enumerate().collect();
    order.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    order.retain(|(_, eigenvalue)| *eigenvalue > ROUNDING * variance);
    order.truncate(count);
    let direction = |(index, _): &(usize, f64)| {
        let vector = eigen.eigenvectors.column(*index);
        let vector = if is_wide {
            x.tr_mul(&vector)
        } else {
            vector.into_owned()
        };
        let vector = vector.column(0).into_owned();
        let largest = vector.iter().copied().fold(0.0_f64, |largest, value| {
            if value.abs() > largest.abs() {
                value
            } else {
                largest
            }
        });
        let scale = largest.signum() / vector.norm().max(f64::MIN_POSITIVE);
        vector.iter().map(|value| value * scale).collect()
    };
    Some(Components {
        directions: order.iter().map(direction).collect(),
        deviations: order
            .iter()
            .map(|(_, value)| (value / examples as f64).sqrt())
            .collect(),
        shares: order.iter().map(|(_, value)| value / variance).collect(),
        mean,
    })
}

impl Components {
    /// Coordinates of a row along the directions.
    pub fn coordinates(&self, row: &[f32]) -> Vec<f64> {
        let along = |direction: &Vec<f64>| {
            row.iter()
                .zip(self.mean.iter().zip(direction))
                .map(|(value, (mean, along))| (f64::from(*value) - mean) * along)
                .sum()
        };
        self.directions.iter().map(along).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(count: usize, width: usize) -> Vec<Vec<f32>> {
        let noise = |index: usize| ((index * 7919 + 11) % 2003) as f32 / 2003.0 - 0.5;
        (0..count)
            .map(|row| {
                let strong = 10.0 * noise(row + 900);
                (0..width)
                    .map(|column| noise(row * width + column) + strong * (column % 2) as f32)
                    .collect()
            })
            .collect()
    }

    #[test]
    fn deviations_are_those_of_the_coordinates_and_directions_are_orthogonal() {
        // More rows than values, and fewer.
        for (count, width) in [(40, 6), (6, 40)] {
            let rows = rows(count, width);
            let rows: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
            let found = principal_components(&rows, 4).unwrap();
            assert_eq!(found.directions.len(), 4);
            let coordinates: Vec<Vec<f64>> = rows.iter().map(|row| found.coordinates(row)).collect();
            for place in 0..4 {
                let squares: f64 = coordinates.iter().map(|row| row[place].powi(2)).sum();
                let deviation = (squares / count as f64).sqrt();
                assert!((deviation - found.deviations[place]).abs() < 1e-6);
                for other in 0..4 {
                    let dot: f64 = found.directions[place]
                        .iter()
                        .zip(&found.directions[other])
                        .map(|(a, b)| a * b)
                        .sum();
                    assert!((dot - f64::from(u8::from(place == other))).abs() < 1e-6);
                }
            }
            assert!(found.shares.is_sorted_by(|a, b| a >= b) && found.shares[0] > 0.5);
        }
    }

    #[test]
    fn rows_on_a_line_have_one_component() {
        let rows: Vec<Vec<f32>> = (0..5)
            .map(|step| vec![step as f32, 2.0 * step as f32, 1.0])
            .collect();
        let rows: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
        let found = principal_components(&rows, 3).unwrap();
        assert_eq!(found.directions.len(), 1);
        assert!((found.shares[0] - 1.0).abs() < 1e-9 && (found.deviations[0] - 10.0_f64.sqrt()).abs() < 1e-6);
        assert!(principal_components(&rows[..1], 1).is_none());
        assert!(
            principal_components(&[rows[1]; 4], 2)
                .unwrap()
                .directions
                .is_empty()
        );
    }
}
