//! What was counted of codewords, to be looked up by codeword.

use super::{CodewordPair, CodewordUse, SegmentUse, UsageCounter};
use std::collections::HashMap;

/// Codewords that are kept as going with one.
const PARTNERS: usize = 8;

/// Which codewords pictures are made of.
#[derive(Debug, Clone)]
pub struct CodewordAtlas {
    /// Every codeword, the one used most first.
    pub codewords: Vec<CodewordUse>,
    /// Every segment.
    pub segments: Vec<SegmentUse>,
    /// The pairs that come together most.
    pub pairs: Vec<CodewordPair>,
    ranks: HashMap<(usize, usize), usize>,
    partners: HashMap<(usize, usize), Vec<CodewordPair>>,
}

impl CodewordAtlas {
    /// Sorts out what was counted; the `kept_pairs` strongest pairs are kept.
    pub fn new(counter: &UsageCounter, kept_pairs: usize) -> Self {
        let codewords = counter.codewords();
        let ranks = codewords
            .iter()
            .enumerate()
            .map(|(rank, codeword)| ((codeword.segment, codeword.codeword), rank))
            .collect();
        let mut pairs = counter.pairs(usize::MAX);
        let mut partners: HashMap<(usize, usize), Vec<CodewordPair>> = HashMap::new();
        for pair in &pairs {
            for codeword in [pair.a, pair.b] {
                let of_codeword = partners.entry((pair.segment, codeword)).or_default();
                if of_codeword.len() < PARTNERS {
                    of_codeword.push(*pair);
                }
            }
        }
        pairs.truncate(kept_pairs);
        Self {
            codewords,
            segments: counter.segments(),
            pairs,
            ranks,
            partners,
        }
    }

    /// The place of a codeword among [`Self::codewords`]; 0 is the one used most.
    pub fn rank(&self, segment: usize, codeword: usize) -> Option<usize> {
        self.ranks.get(&(segment, codeword)).copied()
    }

    /// The pairs of a codeword that come together most, the strongest first; up to eight.
    pub fn partners(&self, segment: usize, codeword: usize) -> &[CodewordPair] {
        self.partners.get(&(segment, codeword)).map_or(&[], Vec::as_slice)
    }

    /// The codewords that are dead.
    pub fn dead(&self) -> impl Iterator<Item = &CodewordUse> {
        self.codewords.iter().filter(|codeword| codeword.is_dead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latent::{Assignment, Codebook, LatentState, Mixture, Tokens};

    const SIZE: usize = 40;

    /// Pictures of one token each that mixes a few of the codewords.
    fn mixtures() -> Vec<Vec<f32>> {
        let weight = |picture: usize, codeword: usize| {
            let noise = (picture * 7919 + codeword * 104_729) % 101;
            if noise < 70 { 0.0 } else { noise as f32 }
        };
        (0..30)
            .map(|picture| {
                let weights: Vec<f32> = (0..SIZE).map(|codeword| weight(picture, codeword)).collect();
                let sum: f32 = weights.iter().sum();
                weights.iter().map(|weight| weight / sum).collect()
            })
            .collect()
    }

    #[test]
    fn ranks_and_partners_are_those_of_a_search_over_all_pairs() {
        let codebook = Codebook::new(1, SIZE, 1, false, 1.0, vec![0.0; SIZE]).unwrap();
        let mut counter = UsageCounter::new(&codebook, 2);
        for weights in mixtures() {
            let mixture = Mixture {
                segment: 0,
                weights: weights.into(),
            };
            counter.add(&LatentState {
                assignments: vec![Some(Assignment::Soft(mixture))],
                ..LatentState::from_z(Tokens::new(1, 1, vec![0.0]).unwrap())
            });
        }
        let atlas = CodewordAtlas::new(&counter, 5);
        assert_eq!(atlas.pairs, counter.pairs(5));
        assert_eq!(atlas.segments, counter.segments());
        for (rank, codeword) in atlas.codewords.iter().enumerate() {
            assert_eq!(atlas.rank(0, codeword.codeword), Some(rank));
        }
        assert_eq!(atlas.rank(0, SIZE), None);
        assert!(atlas.dead().all(|codeword| codeword.times_first == 0));
        for codeword in 0..SIZE {
            let mut expected = counter.pairs(usize::MAX);
            expected.retain(|pair| pair.a == codeword || pair.b == codeword);
            expected.truncate(PARTNERS);
            assert_eq!(atlas.partners(0, codeword), expected);
        }
        assert!(atlas.partners(1, 0).is_empty());
    }
}
