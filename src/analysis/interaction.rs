//! What tokens do together that they do not do alone.

use super::influence::STEPS;

/// What each pair of tokens changes beyond the sum of both alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Interactions {
    /// The tokens of rows and columns.
    tokens: Vec<usize>,
    /// [S, S] for S tokens; the diagonal holds what each token changes alone.
    values: Vec<f64>,
}

/// One pair.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct PairChange {
    /// Token index.
    pub a: usize,
    /// Token index, above `a`.
    pub b: usize,
    /// Mean absolute value of what the pair changes beyond the sum of both alone, in steps of 8-bit values.
    pub change: f64,
}

/// Mean absolute value over pixels and channels of f(all) - f(without a) - f(without b) + f(without both), in steps of
/// 8-bit values: 0 where a decoder adds its tokens up. Every slice is `[3, H, W]` in the network's units.
pub(crate) fn beyond_the_sum(all: &[f32], without_a: &[f32], without_b: &[f32], without_both: &[f32]) -> f64 {
    let pairs = all.iter().zip(without_a).zip(without_b.iter().zip(without_both));
    let sum: f64 = pairs
        .map(|((all, a), (b, both))| f64::from(all - a - b + both).abs())
        .sum();
    STEPS * sum / all.len().max(1) as f64
}

/// Mean absolute difference over pixels and channels in steps of 8-bit values.
pub(crate) fn mean_change(all: &[f32], without: &[f32]) -> f64 {
    let sum: f64 = all
        .iter()
        .zip(without)
        .map(|(all, without)| f64::from(all - without).abs())
        .sum();
    STEPS * sum / all.len().max(1) as f64
}

impl Interactions {
    /// Nothing known yet but the tokens' own changes, in steps of 8-bit values.
    pub(crate) fn new(tokens: &[usize], own: &[f64]) -> Self {
        let size = tokens.len();
        let mut values = vec![0.0; size * size];
        for (slot, own) in values.iter_mut().step_by(size + 1).zip(own) {
            *slot = *own;
        }
        Self {
            tokens: tokens.to_vec(),
            values,
        }
    }

    /// Sets the pair of places `row` and `column` in the list of tokens.
    pub(crate) fn set(&mut self, row: usize, column: usize, change: f64) {
        let size = self.tokens.len();
        for place in [row * size + column, column * size + row] {
            if let Some(slot) = self.values.get_mut(place) {
                *slot = change;
            }
        }
    }

    /// The tokens of rows and columns (S).
    pub fn tokens(&self) -> &[usize] {
        &self.tokens
    }

    /// `[S, S]`, symmetric, in steps of 8-bit values; the diagonal holds what each token changes alone.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// All pairs, the strongest first.
    pub fn pairs(&self) -> Vec<PairChange> {
        let size = self.tokens.len();
        let mut pairs: Vec<PairChange> = Vec::with_capacity(size * size / 2);
        for (row, (a, values)) in self
            .tokens
            .iter()
            .zip(self.values.chunks_exact(size.max(1)))
            .enumerate()
        {
            let above = self.tokens.iter().zip(values).skip(row + 1);
            pairs.extend(above.map(|(b, change)| PairChange {
                a: *a,
                b: *b,
                change: *change,
            }));
        }
        pairs.sort_by(|a, b| b.change.total_cmp(&a.change));
        pairs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_has_no_interaction_and_a_product_has() {
        // f = a + b, at a = 0.5, b = 0.25, zero for what is left out.
        let add = |a: f32, b: f32| vec![a + b; 3];
        let multiply = |a: f32, b: f32| vec![a * b; 3];
        let of = |f: &dyn Fn(f32, f32) -> Vec<f32>| {
            beyond_the_sum(&f(0.5, 0.25), &f(0.0, 0.25), &f(0.5, 0.0), &f(0.0, 0.0))
        };
        assert!(of(&add).abs() < 1e-6);
        assert!((of(&multiply) - STEPS * 0.125).abs() < 1e-6);
        assert!((mean_change(&[0.5, -0.5], &[0.25, 0.0]) - STEPS * 0.375).abs() < 1e-9);
    }

    #[test]
    fn pairs_come_strongest_first_and_once() {
        let mut found = Interactions::new(&[2, 5, 9], &[7.0, 8.0, 9.0]);
        found.set(0, 2, 1.5);
        found.set(2, 1, 2.5);
        assert_eq!(found.values(), [7.0, 0.0, 1.5, 0.0, 8.0, 2.5, 1.5, 2.5, 9.0]);
        let pairs: Vec<(usize, usize)> = found.pairs().iter().map(|pair| (pair.a, pair.b)).collect();
        assert_eq!(pairs, [(5, 9), (2, 9), (2, 5)]);
        assert!(Interactions::new(&[], &[]).pairs().is_empty());
    }
}
