//! Chance that is the same everywhere.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// 0..count in an order that seed and stream decide.
pub(crate) fn shuffled(count: usize, seed: u64, stream: u64) -> Vec<usize> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(stream);
    let mut order: Vec<usize> = (0..count).collect();
    for last in (1..count).rev() {
        let unit = (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        order.swap(last, ((unit * (last + 1) as f64) as usize).min(last));
    }
    order
}

/// All of 0..count, far neighbours first.
pub(crate) fn mixed_order(count: usize) -> impl Iterator<Item = usize> {
    let mut step = (count as f64 * 0.618_034) as usize;
    let common = |mut a: usize, mut b: usize| {
        while b > 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    while count > 1 && common(count, step.max(1)) != 1 {
        step += 1;
    }
    (0..count).map(move |index| (index * step.max(1)) % count.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_holds_everything_once_and_depends_on_the_seed() {
        let order = shuffled(50, 3, 1);
        assert_eq!(order, shuffled(50, 3, 1));
        assert!(order != shuffled(50, 4, 1) && order != shuffled(50, 3, 2));
        let mut sorted = order;
        sorted.sort_unstable();
        assert_eq!(sorted, (0..50).collect::<Vec<_>>());
        assert!(shuffled(0, 1, 1).is_empty());
    }

    #[test]
    fn every_point_is_drawn_once() {
        for count in [0, 1, 2, 3, 8, 97, 100] {
            let mut order: Vec<usize> = mixed_order(count).collect();
            order.sort_unstable();
            assert_eq!(order, (0..count).collect::<Vec<_>>());
        }
    }
}
