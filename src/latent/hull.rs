//! Projection onto the convex hull of a segment's codewords.

use super::{Codebook, Mixture, mixture};

/// Nearest mixture of the codewords of a segment to `z`.
#[derive(Debug, Clone)]
pub struct HullProjection {
    /// The weights of the projected row; at most D + 1 are above 0.
    pub mixture: Mixture,
    /// The projected row, D values.
    pub z: Vec<f32>,
    /// Euclidean distance from the row to the hull (to the projection found).
    pub distance: f32,
    /// Frank-Wolfe duality gap on half the squared distance: how far from optimal at most.
    pub gap: f32,
    /// Codewords tried until the gap was small enough.
    pub steps: usize,
}

/// Vertices tried before the search ends with what it has. A projection takes about 2 D.
const MAX_STEPS: usize = 2000;
/// The search ends when the gap is this small against the squared size of the problem.
const GAP_TOLERANCE: f64 = 1e-10;
/// A pivot below this, relative to the largest, means that a codeword adds no direction to those in use.
const PIVOT_FLOOR: f64 = 1e-12;

/// Projects a row onto the convex hull of a segment's codewords: the weights w >= 0, sum 1, least |z - w C|.
///
/// Wolfe's algorithm for the nearest point of a polytope (Math. Programming 11, 1976): a set of affinely independent
/// codewords grows by the one that points most against the residual and shrinks where its affine optimum leaves the
/// simplex, so that it ends at the optimum in few steps instead of creeping up to it. A segment that does not exist
/// gives a mixture without weights at infinite distance.
pub fn project_onto_hull(codebook: &Codebook, segment: usize, z: &[f32]) -> HullProjection {
    let codewords = codebook.segment(segment).unwrap_or_default();
    let search = Search::new(codewords, codebook.dim.max(1), z);
    let Some((active, gap, steps)) = search.run() else {
        let mixture = Mixture {
            segment,
            weights: Vec::new().into(),
        };
        return HullProjection {
            mixture,
            z: z.to_vec(),
            distance: f32::INFINITY,
            gap: f32::INFINITY,
            steps: 0,
        };
    };
    let mut weights = vec![0.0f32; codebook.size];
    for corner in &active {
        if let Some(slot) = weights.get_mut(corner.codeword) {
            *slot = corner.weight as f32;
        }
    }
    let mixture = Mixture {
        segment,
        weights: weights.into(),
    };
    let projected = codebook.mix(&mixture);
    let squared: f64 = projected
        .iter()
        .zip(z)
        .map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2))
        .sum();
    HullProjection {
        mixture,
        z: projected,
        distance: squared.sqrt() as f32,
        gap: gap as f32,
        steps,
    }
}

/// A codeword in use, shifted so that the row to project lies at the origin.
struct Corner {
    codeword: usize,
    shifted: Vec<f64>,
    weight: f64,
}

struct Search<'a> {
    codewords: &'a [f32],
    dim: usize,
    target: Vec<f32>,
}

impl<'a> Search<'a> {
    fn new(codewords: &'a [f32], dim: usize, z: &[f32]) -> Self {
        Self {
            codewords,
            dim,
            target: z.to_vec(),
        }
    }

    /// The corners of the optimum with their weights, the gap and the steps taken; `None` without codewords.
    fn run(&self) -> Option<(Vec<Corner>, f64, usize)> {
        let mut scores = vec![0.0f32; self.codewords.len() / self.dim];
        let mut active = vec![self.nearest_codeword()?];
        let scale = squared_norm(&self.to_f64(&self.target))
            .max(squared_norm(&active.first()?.shifted))
            .max(1e-30);
        let mut gap = f64::INFINITY;
        let mut steps = 0;
        while steps < MAX_STEPS {
            steps += 1;
            let residual = combine(&active, self.dim);
            let entering = self.most_opposed(&residual, &mut scores)?;
            gap = (squared_norm(&residual) - dot(&residual, &entering.shifted)).max(0.0);
            let is_known = active.iter().any(|corner| corner.codeword == entering.codeword);
            if gap <= GAP_TOLERANCE * scale || is_known {
                break;
            }
            active.push(entering);
            if !shrink_to_optimum(&mut active) {
                break;
            }
        }
        Some((active, gap, steps))
    }

    fn to_f64(&self, row: &[f32]) -> Vec<f64> {
        row.iter().map(|value| f64::from(*value)).collect()
    }

    fn corner(&self, codeword: usize, weight: f64) -> Option<Corner> {
        let row = self.codewords.chunks_exact(self.dim).nth(codeword)?;
        let shifted = row
            .iter()
            .zip(&self.target)
            .map(|(c, z)| f64::from(*c) - f64::from(*z))
            .collect();
        Some(Corner {
            codeword,
            shifted,
            weight,
        })
    }

    fn nearest_codeword(&self) -> Option<Corner> {
        let distance =
            |row: &[f32]| -> f32 { row.iter().zip(&self.target).map(|(c, z)| (c - z) * (c - z)).sum() };
        let rows = self.codewords.chunks_exact(self.dim).map(distance).enumerate();
        let (nearest, _) = rows.min_by(|(_, a), (_, b)| a.total_cmp(b))?;
        self.corner(nearest, 1.0)
    }

    /// The codeword with the least inner product with the residual.
    fn most_opposed(&self, residual: &[f64], scores: &mut [f32]) -> Option<Corner> {
        let query: Vec<f32> = residual.iter().map(|value| *value as f32).collect();
        mixture::similarities(self.codewords, self.dim, &query, scores);
        let (lowest, _) = scores
            .iter()
            .enumerate()
            .min_by(|(_, a), (_, b)| a.total_cmp(b))?;
        self.corner(lowest, 0.0)
    }
}

/// Moves the weights to the optimum of the affine hull, dropping corners on the way wherever a weight reaches 0.
/// False when the newest corner adds no direction, so that the search has nowhere to go.
fn shrink_to_optimum(active: &mut Vec<Corner>) -> bool {
    loop {
        let Some(optimum) = affine_optimum(active) else {
            active.retain(|corner| corner.weight > 0.0);
            return false;
        };
        if optimum.iter().all(|weight| *weight > 0.0) {
            for (corner, weight) in active.iter_mut().zip(optimum) {
                corner.weight = weight;
            }
            return true;
        }
        let blocking = |(corner, goal): (&Corner, &f64)| corner.weight / (corner.weight - goal);
        let falling = active
            .iter()
            .zip(&optimum)
            .filter(|(corner, goal)| **goal <= 0.0 && corner.weight > **goal);
        let step = falling.map(blocking).fold(1.0f64, f64::min);
        for (corner, goal) in active.iter_mut().zip(&optimum) {
            corner.weight += step * (goal - corner.weight);
            // The corner that stopped the step reaches 0 up to rounding.
            if *goal <= 0.0 && corner.weight <= 1e-12 {
                corner.weight = 0.0;
            }
        }
        let before = active.len();
        active.retain(|corner| corner.weight > 0.0);
        if active.len() == before || active.is_empty() {
            return false;
        }
        renormalise(active);
    }
}

fn renormalise(active: &mut [Corner]) {
    let sum: f64 = active.iter().map(|corner| corner.weight).sum();
    for corner in active {
        corner.weight /= sum;
    }
}

/// Weights, summing to 1 and of any sign, of the point of the corners' affine hull nearest to the origin: the solution
/// of (P P' + 1 1') u = 1, divided by its sum. `None` when the corners are affinely dependent.
fn affine_optimum(active: &[Corner]) -> Option<Vec<f64>> {
    let size = active.len();
    let scale = active
        .iter()
        .map(|corner| squared_norm(&corner.shifted))
        .fold(0.0, f64::max)
        .max(1e-30);
    let mut matrix: Vec<Vec<f64>> = Vec::with_capacity(size);
    for (row, corner) in active.iter().enumerate() {
        let products = active
            .iter()
            .take(row + 1)
            .map(|other| dot(&corner.shifted, &other.shifted) + scale);
        matrix.push(products.collect());
    }
    let solution = solve_positive_definite(matrix, vec![1.0; size])?;
    let sum: f64 = solution.iter().sum();
    (sum > 0.0).then(|| solution.iter().map(|value| value / sum).collect())
}

/// Solves A x = b by Cholesky; `matrix` holds the lower triangle of A, row by row. `None` when a pivot vanishes.
fn solve_positive_definite(mut matrix: Vec<Vec<f64>>, mut right: Vec<f64>) -> Option<Vec<f64>> {
    let size = right.len();
    let largest = matrix
        .iter()
        .filter_map(|row| row.last())
        .copied()
        .fold(0.0, f64::max);
    for row in 0..size {
        for column in 0..=row {
            let known = dot(&matrix[row][..column], &matrix[column][..column]);
            let rest = matrix[row][column] - known;
            if column < row {
                matrix[row][column] = rest / matrix[column][column];
            } else if rest > PIVOT_FLOOR * largest {
                matrix[row][row] = rest.sqrt();
            } else {
                return None;
            }
        }
    }
    for row in 0..size {
        right[row] = (right[row] - dot(&matrix[row][..row], &right[..row])) / matrix[row][row];
    }
    for row in (0..size).rev() {
        let known: f64 = (row + 1..size)
            .map(|below| matrix[below][row] * right[below])
            .sum();
        right[row] = (right[row] - known) / matrix[row][row];
    }
    Some(right)
}

/// The point that the weights give.
fn combine(active: &[Corner], dim: usize) -> Vec<f64> {
    let mut point = vec![0.0; dim];
    for corner in active {
        for (sum, value) in point.iter_mut().zip(&corner.shifted) {
            *sum += corner.weight * value;
        }
    }
    point
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn squared_norm(row: &[f64]) -> f64 {
    dot(row, row)
}
