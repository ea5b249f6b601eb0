//! Colours of a map's points, with what they mean.

use super::TokenMap;
use crate::analysis::{category_colours, heat_colours};
use crate::document::{Factor, FactorValues};

/// Part of the map of heat that stands out from the ground.
const HEAT: f64 = 230.0;
/// What has no value.
const NONE: [u8; 3] = [200; 3];

/// What points are coloured by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColourBy {
    /// A factor of the pictures, by its place.
    Factor(usize),
    /// The token's index.
    Position,
    /// The entropy of its mixture.
    Entropy,
    /// The picture it is of.
    Picture,
}

/// A colour for each point, and what colours mean.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PointColours {
    /// One for each point asked for.
    pub colours: Vec<[u8; 3]>,
    /// Colours with their meaning.
    pub legend: Vec<([u8; 3], String)>,
}

impl ColourBy {
    /// What a map can be coloured by.
    pub fn all(map: &TokenMap) -> Vec<Self> {
        let has_entropy = map.points.iter().any(|point| point.entropy_nats.is_some());
        let factors = (0..map.factors.len()).map(Self::Factor);
        factors
            .chain([Self::Position])
            .chain(has_entropy.then_some(Self::Entropy))
            .chain([Self::Picture])
            .collect()
    }

    /// In a word.
    pub fn name(self, map: &TokenMap) -> &str {
        match self {
            Self::Factor(index) => map.factors.get(index).map_or("label", |factor| &factor.name),
            Self::Position => "position",
            Self::Entropy => "entropy",
            Self::Picture => "picture",
        }
    }
}

impl TokenMap {
    /// The colours of the points `shown`, by their places in the map.
    pub fn colours(&self, by: ColourBy, shown: impl Iterator<Item = usize>) -> PointColours {
        let points: Vec<_> = shown.filter_map(|index| self.points.get(index)).collect();
        match by {
            ColourBy::Factor(index) => {
                let of_pictures = self.factors.get(index).map(of_factor).unwrap_or_default();
                let of = |picture: usize| of_pictures.colours.get(picture).copied().unwrap_or(NONE);
                PointColours {
                    colours: points.iter().map(|point| of(point.picture)).collect(),
                    legend: of_pictures.legend,
                }
            }
            ColourBy::Position => {
                let last = self.token_count.saturating_sub(1).max(1) as f64;
                let of = |token: usize| heat(token as f64 / last);
                let names = [0, self.token_count / 2, self.token_count.saturating_sub(1)];
                PointColours {
                    colours: points.iter().map(|point| of(point.token)).collect(),
                    legend: names.map(|token| (of(token), format!("token {token}"))).to_vec(),
                }
            }
            ColourBy::Entropy => {
                let entropies: Vec<Option<f64>> = points.iter().map(|point| point.entropy_nats).collect();
                of_numbers(&entropies, |entropy| format!("{entropy:.2} nats"))
            }
            ColourBy::Picture => {
                let colours = category_colours(self.pictures.len());
                let of = |picture: usize| colours.get(picture).copied().unwrap_or(NONE);
                PointColours {
                    colours: points.iter().map(|point| of(point.picture)).collect(),
                    legend: colours
                        .iter()
                        .copied()
                        .zip(self.pictures.iter().cloned())
                        .collect(),
                }
            }
        }
    }
}

/// A colour for each picture.
fn of_factor(factor: &Factor) -> PointColours {
    match &factor.values {
        FactorValues::Labels { names, of } => {
            let colours = category_colours(names.len());
            let colour = |label: &usize| colours.get(*label).copied().unwrap_or(NONE);
            PointColours {
                colours: of.iter().map(colour).collect(),
                legend: colours.iter().copied().zip(names.iter().cloned()).collect(),
            }
        }
        FactorValues::Numbers(numbers) => {
            let numbers: Vec<Option<f64>> = numbers.iter().copied().map(Some).collect();
            of_numbers(&numbers, |number| format!("{number:.3}"))
        }
    }
}

fn of_numbers(numbers: &[Option<f64>], name: impl Fn(f64) -> String) -> PointColours {
    let known = numbers.iter().flatten();
    let (low, high) = known.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), number| {
        (low.min(*number), high.max(*number))
    });
    let of = |number: f64| heat((number - low) / (high - low).max(f64::MIN_POSITIVE));
    let legend = [low, f64::midpoint(low, high), high].map(|number| (of(number), name(number)));
    PointColours {
        colours: numbers.iter().map(|number| number.map_or(NONE, of)).collect(),
        legend: if low.is_finite() {
            legend.to_vec()
        } else {
            Vec::new()
        },
    }
}

fn heat(share: f64) -> [u8; 3] {
    let colours = heat_colours();
    colours
        .get((HEAT * share.clamp(0.0, 1.0)) as usize)
        .copied()
        .unwrap_or(NONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_have_a_colour_each_and_numbers_a_place_on_the_scale() {
        let texts = ["a", "b", "a"].map(str::to_owned);
        let labels = of_factor(&Factor::of_texts("x", &texts));
        assert!(labels.colours[0] == labels.colours[2] && labels.colours[0] != labels.colours[1]);
        assert_eq!(labels.legend[1], (category_colours(2)[1], "b".to_owned()));
        let numbers = of_numbers(&[Some(1.0), None, Some(3.0)], |number| format!("{number}"));
        assert_eq!(numbers.colours, [heat(0.0), NONE, heat(1.0)]);
        assert_eq!(numbers.legend[1], (heat(0.5), "2".to_owned()));
        assert!(of_numbers(&[None], |_| String::new()).legend.is_empty());
    }
}
