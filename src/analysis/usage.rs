//! Which codewords pictures are made of.

use crate::latent::{Assignment, Codebook, LatentState, Mixture};
use std::collections::HashMap;

use super::top_codewords;

/// A codeword whose mean weight is under this share of an even one, and which never was the heaviest, is dead.
const DEAD_SHARE: f64 = 0.01;
/// Codewords of a token that count as used together.
pub const PAIR_DEPTH: usize = 8;

/// A token that uses a codeword.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct CodewordUser {
    /// Number of the picture, in the order they were added.
    pub picture: usize,
    /// Token index.
    pub token: usize,
    /// Weight of the codeword in the token, 0..1.
    pub weight: f32,
}

/// What became of one codeword.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct CodewordUse {
    /// Codebook segment.
    pub segment: usize,
    /// Codeword of the segment.
    pub codeword: usize,
    /// Mean weight over the tokens of the segment.
    pub mean_weight: f64,
    /// Tokens of which it is the heaviest codeword.
    pub times_first: usize,
    /// Whether it was never the heaviest and its mean weight is under a hundredth of an even share.
    pub is_dead: bool,
    /// The tokens that use it most, the heaviest first.
    pub users: Vec<CodewordUser>,
}

/// Figures of one segment.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct SegmentUse {
    /// Codebook segment.
    pub segment: usize,
    /// Tokens seen.
    pub tokens: usize,
    /// exp of the entropy of the mean weights: how many codewords are used on the whole, 1..n.
    pub perplexity: f64,
    /// Codewords that were never the heaviest of a token.
    pub never_first: usize,
    /// Codewords that are dead.
    pub dead: usize,
}

/// Two codewords of one segment in the same tokens.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct CodewordPair {
    /// Codebook segment.
    pub segment: usize,
    /// Codeword.
    pub a: usize,
    /// Codeword, above `a`.
    pub b: usize,
    /// Mean over the segment's tokens of the product of both weights, where both are among the token's
    /// [`PAIR_DEPTH`] heaviest.
    pub together: f64,
    /// `together` over the product of both mean weights: above 1 where they come together more than by chance.
    pub lift: f64,
}

/// Counts what codewords tokens use.
#[derive(Debug, Clone)]
pub struct UsageCounter {
    segments: usize,
    size: usize,
    kept_users: usize,
    pictures: usize,
    /// Of each segment.
    tokens: Vec<usize>,
    /// [K, n] sums of weights.
    weights: Vec<f64>,
    /// [K, n].
    firsts: Vec<usize>,
    /// [K, n] lists, the heaviest first.
    users: Vec<Vec<CodewordUser>>,
    pairs: HashMap<(usize, usize, usize), f64>,
}

impl UsageCounter {
    /// Nothing seen yet; of each codeword `kept_users` tokens are kept.
    pub fn new(codebook: &Codebook, kept_users: usize) -> Self {
        let all = codebook.segments * codebook.size;
        Self {
            segments: codebook.segments,
            size: codebook.size,
            kept_users,
            pictures: 0,
            tokens: vec![0; codebook.segments],
            weights: vec![0.0; all],
            firsts: vec![0; all],
            users: vec![Vec::new(); all],
            pairs: HashMap::new(),
        }
    }

    /// Adds the next picture; tokens without codewords are passed over.
    pub fn add(&mut self, state: &LatentState) {
        for (token, assignment) in state.assignments.iter().enumerate() {
            match assignment {
                Some(Assignment::Soft(mixture)) => self.add_mixture(token, mixture),
                Some(Assignment::Hard(codeword)) => {
                    self.count(0, *codeword, token, 1.0);
                    self.first(0, *codeword);
                }
                None => {}
            }
        }
        self.pictures += 1;
    }

    fn add_mixture(&mut self, token: usize, mixture: &Mixture) {
        for (codeword, weight) in mixture.weights.iter().enumerate() {
            self.count(mixture.segment, codeword, token, *weight);
        }
        let top = top_codewords(mixture, PAIR_DEPTH);
        if let Some((codeword, _)) = top.first() {
            self.first(mixture.segment, *codeword);
        }
        for (index, (a, weight)) in top.iter().enumerate() {
            for (b, other) in top.iter().skip(index + 1) {
                let key = (mixture.segment, *a.min(b), *a.max(b));
                *self.pairs.entry(key).or_default() += f64::from(*weight) * f64::from(*other);
            }
        }
    }

    fn count(&mut self, segment: usize, codeword: usize, token: usize, weight: f32) {
        let place = segment * self.size + codeword;
        let (Some(sum), Some(users)) = (self.weights.get_mut(place), self.users.get_mut(place)) else {
            return;
        };
        *sum += f64::from(weight);
        let rank = users.partition_point(|user| user.weight >= weight);
        if rank < self.kept_users && weight > 0.0 {
            let picture = self.pictures;
            users.insert(
                rank,
                CodewordUser {
                    picture,
                    token,
                    weight,
                },
            );
            users.truncate(self.kept_users);
        }
    }

    fn first(&mut self, segment: usize, codeword: usize) {
        if let Some(count) = self.firsts.get_mut(segment * self.size + codeword) {
            *count += 1;
        }
        if let Some(count) = self.tokens.get_mut(segment) {
            *count += 1;
        }
    }

    /// Every codeword, the one with the largest mean weight first.
    pub fn codewords(&self) -> Vec<CodewordUse> {
        let mut all: Vec<CodewordUse> = (0..self.segments)
            .flat_map(|segment| (0..self.size).map(move |codeword| (segment, codeword)))
            .map(|(segment, codeword)| self.codeword(segment, codeword))
            .collect();
        all.sort_by(|a, b| b.mean_weight.total_cmp(&a.mean_weight));
        all
    }

    fn codeword(&self, segment: usize, codeword: usize) -> CodewordUse {
        let place = segment * self.size + codeword;
        let mean_weight = self.mean_weight(segment, codeword);
        let times_first = self.firsts.get(place).copied().unwrap_or(0);
        CodewordUse {
            segment,
            codeword,
            mean_weight,
            times_first,
            is_dead: times_first == 0 && mean_weight < DEAD_SHARE / self.size as f64,
            users: self.users.get(place).cloned().unwrap_or_default(),
        }
    }

    fn mean_weight(&self, segment: usize, codeword: usize) -> f64 {
        let sum = self
            .weights
            .get(segment * self.size + codeword)
            .copied()
            .unwrap_or(0.0);
        sum / self.tokens.get(segment).copied().unwrap_or(0).max(1) as f64
    }

    /// Every segment.
    pub fn segments(&self) -> Vec<SegmentUse> {
        let segment = |segment: usize| {
            let uses = (0..self.size).map(|codeword| self.codeword(segment, codeword));
            let (mut entropy, mut never_first, mut dead) = (0.0, 0, 0);
            for codeword in uses {
                if codeword.mean_weight > 0.0 {
                    entropy -= codeword.mean_weight * codeword.mean_weight.ln();
                }
                never_first += usize::from(codeword.times_first == 0);
                dead += usize::from(codeword.is_dead);
            }
            SegmentUse {
                segment,
                tokens: self.tokens.get(segment).copied().unwrap_or(0),
                perplexity: entropy.exp(),
                never_first,
                dead,
            }
        };
        (0..self.segments).map(segment).collect()
    }

    /// The `count` pairs that come together most; none where every token is one codeword.
    pub fn pairs(&self, count: usize) -> Vec<CodewordPair> {
        let pair = |(&(segment, a, b), sum): (&(usize, usize, usize), &f64)| {
            let together = sum / self.tokens.get(segment).copied().unwrap_or(0).max(1) as f64;
            let by_chance = self.mean_weight(segment, a) * self.mean_weight(segment, b);
            CodewordPair {
                segment,
                a,
                b,
                together,
                lift: together / by_chance.max(f64::MIN_POSITIVE),
            }
        };
        let mut pairs: Vec<CodewordPair> = self.pairs.iter().map(pair).collect();
        let place = |pair: &CodewordPair| (pair.segment, pair.a, pair.b);
        pairs.sort_by(|a, b| b.together.total_cmp(&a.together).then(place(a).cmp(&place(b))));
        pairs.truncate(count);
        pairs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latent::Tokens;

    fn state(mixtures: &[(usize, [f32; 3])]) -> LatentState {
        let z = Tokens::new(mixtures.len(), 1, vec![0.0; mixtures.len()]).unwrap();
        let assignment = |(segment, weights): &(usize, [f32; 3])| {
            Some(Assignment::Soft(Mixture {
                segment: *segment,
                weights: weights.as_slice().into(),
            }))
        };
        LatentState {
            assignments: mixtures.iter().map(assignment).collect(),
            ..LatentState::from_z(z)
        }
    }

    fn codebook() -> Codebook {
        Codebook::new(2, 3, 1, false, 1.0, vec![0.0; 6]).unwrap()
    }

    #[test]
    fn weights_firsts_users_and_pairs_are_counted() {
        let mut counter = UsageCounter::new(&codebook(), 1);
        counter.add(&state(&[(0, [0.5, 0.5, 0.0]), (1, [0.0, 0.2, 0.8])]));
        counter.add(&state(&[(0, [1.0, 0.0, 0.0]), (1, [0.0, 0.4, 0.6])]));
        let all = counter.codewords();
        let of = |segment: usize, codeword: usize| {
            all.iter()
                .find(|found| (found.segment, found.codeword) == (segment, codeword))
                .unwrap()
        };
        assert!((of(0, 0).mean_weight - 0.75).abs() < 1e-6 && of(0, 0).times_first == 2);
        assert_eq!(
            of(0, 0).users,
            [CodewordUser {
                picture: 1,
                token: 0,
                weight: 1.0
            }]
        );
        assert_eq!(
            of(1, 1).users,
            [CodewordUser {
                picture: 1,
                token: 1,
                weight: 0.4
            }]
        );
        assert!(of(0, 2).is_dead && of(1, 0).is_dead && !of(0, 1).is_dead);
        assert_eq!((all[0].segment, all[0].codeword), (0, 0));
        let segments = counter.segments();
        assert_eq!(
            (segments[0].tokens, segments[0].dead, segments[0].never_first),
            (2, 1, 2)
        );
        let expected = -(0.75_f64 * 0.75_f64.ln() + 0.25 * 0.25_f64.ln());
        assert!((segments[0].perplexity - expected.exp()).abs() < 1e-6);
        let pairs = counter.pairs(2);
        assert_eq!((pairs[0].segment, pairs[0].a, pairs[0].b), (1, 1, 2));
        assert!((pairs[0].together - (0.16 + 0.24) / 2.0).abs() < 1e-6);
        assert!((pairs[0].lift - 0.2 / (0.3 * 0.7)).abs() < 1e-5);
    }

    #[test]
    fn a_hard_token_is_one_codeword() {
        let z = Tokens::new(2, 1, vec![0.0; 2]).unwrap();
        let mut counter = UsageCounter::new(&codebook(), 2);
        counter.add(&LatentState {
            assignments: vec![Some(Assignment::Hard(2)), None],
            ..LatentState::from_z(z)
        });
        let all = counter.codewords();
        assert_eq!(
            (all[0].codeword, all[0].mean_weight, all[0].times_first),
            (2, 1.0, 1)
        );
        assert!(counter.pairs(5).is_empty());
    }
}
