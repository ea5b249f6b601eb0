//! All tokens of many pictures in the plane, before and after the quantiser.

mod colours;
mod files;

use super::{CollectedPicture, Collection, Factor};
use crate::analysis::{Watch, mixture_figures, principal_plane, tsne};
use crate::latent::LatentState;
pub use colours::{ColourBy, PointColours};
use std::sync::Arc;

/// Where in the model tokens are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MapStage {
    /// Before the quantiser.
    H,
    /// After it.
    Z,
}

impl MapStage {
    /// "h" or "z".
    pub fn name(self) -> &'static str {
        match self {
            Self::H => "h",
            Self::Z => "z",
        }
    }
}

/// One token of one picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MapPoint {
    /// Place of the picture among those mapped.
    pub picture: usize,
    /// Token index.
    pub token: usize,
    /// Entropy of its mixture, nats, where it is one.
    pub entropy_nats: Option<f64>,
}

/// The tokens of one stage in the plane.
#[derive(Debug, Clone)]
pub struct TokenPlane {
    /// Which stage.
    pub stage: MapStage,
    /// The two first principal components, one place for each point of the map.
    pub pca: Arc<[[f64; 2]]>,
    /// Their shares of the variance, 0..1.
    pub pca_shares: [f64; 2],
    /// t-SNE of every [`TokenPlane::tsne_step`]-th point; empty before it is laid out, and of too few tokens.
    pub tsne: Arc<[[f64; 2]]>,
    /// 0 before t-SNE was tried.
    pub tsne_step: usize,
}

impl TokenPlane {
    /// Where t-SNE puts point `index`, if it took part.
    pub fn tsne_of(&self, index: usize) -> Option<&[f64; 2]> {
        let takes_part = self.tsne_step > 0 && index.is_multiple_of(self.tsne_step);
        self.tsne
            .get(index / self.tsne_step.max(1))
            .filter(|_| takes_part)
    }
}

/// All that a map shows.
#[derive(Debug, Clone)]
pub struct TokenMap {
    /// L, tokens of a picture.
    pub token_count: usize,
    /// Names of the pictures.
    pub pictures: Arc<[String]>,
    /// Picture after picture, token after token.
    pub points: Arc<[MapPoint]>,
    /// What is known of the pictures: one value for each, each.
    pub factors: Arc<[Factor]>,
    /// The stages that are known, h before z.
    pub planes: Vec<TokenPlane>,
}

/// The tokens of a picture as a map takes them.
#[derive(Debug, Clone)]
pub struct MappedPicture<'a> {
    name: &'a str,
    /// L rows each; `None` where a row is not known.
    h: Option<Vec<&'a [f32]>>,
    z: Vec<&'a [f32]>,
    /// Of the tokens that are mixtures, nats.
    entropies: Vec<Option<f64>>,
}

impl<'a> MappedPicture<'a> {
    /// Of a picture just encoded.
    pub fn of_state(name: &'a str, state: &'a LatentState) -> Self {
        let tokens = 0..state.z.count;
        let entropy = |token| Some(mixture_figures(state.mixture(token)?).entropy_nats);
        Self {
            name,
            h: tokens.clone().map(|token| state.h_row(token)).collect(),
            z: tokens.clone().map(|token| state.z.row(token)).collect(),
            entropies: tokens.map(entropy).collect(),
        }
    }

    /// Of a collected picture.
    pub fn of_collected(picture: &'a CollectedPicture) -> Self {
        let tokens = 0..picture.z.count;
        let h = picture.h.as_ref();
        let entropy = |token: usize| Some(picture.mixtures.get(token)?.entropy_nats);
        Self {
            name: &picture.name,
            h: h.map(|h| tokens.clone().map(|token| h.row(token)).collect()),
            z: tokens.clone().map(|token| picture.z.row(token)).collect(),
            entropies: tokens.map(entropy).collect(),
        }
    }
}

impl TokenMap {
    /// The tokens of a collection by their principal components.
    pub fn of_collection(collection: &Collection) -> Option<Self> {
        let pictures: Vec<MappedPicture<'_>> = collection
            .pictures
            .iter()
            .map(MappedPicture::of_collected)
            .collect();
        Self::new(&pictures, &collection.factors)
    }

    /// Lays the tokens of all pictures out by their principal components. `factors` hold one value for each of
    /// `pictures`. `None` of fewer than two tokens.
    pub fn new(pictures: &[MappedPicture<'_>], factors: &[Factor]) -> Option<Self> {
        let points = pictures.iter().enumerate().flat_map(|(picture, mapped)| {
            let entropies = mapped.entropies.iter().enumerate();
            entropies.map(move |(token, entropy_nats)| MapPoint {
                picture,
                token,
                entropy_nats: *entropy_nats,
            })
        });
        let planes = Stages::of(pictures).into_iter().map(|(stage, rows)| {
            let (pca, pca_shares) = principal_plane(&rows)?;
            Some(TokenPlane {
                stage,
                pca: pca.into(),
                pca_shares,
                tsne: Arc::default(),
                tsne_step: 0,
            })
        });
        Some(Self {
            token_count: pictures.first().map_or(0, |picture| picture.z.len()),
            planes: planes.collect::<Option<_>>()?,
            points: points.collect(),
            pictures: pictures.iter().map(|picture| picture.name.to_owned()).collect(),
            factors: factors.into(),
        })
    }

    /// Lays the tokens out by t-SNE too, at most `most` of them, evenly; `pictures` are those of the map. `watch` is told
    /// shares of the whole. False when told to stop: then what was laid out stays.
    pub fn lay_out(&mut self, pictures: &[MappedPicture<'_>], most: usize, watch: Watch<'_>) -> bool {
        let stages = Stages::of(pictures);
        let all = stages.len().max(1) as f32;
        for (index, ((_, rows), plane)) in stages.into_iter().zip(&mut self.planes).enumerate() {
            let step = rows.len().div_ceil(most.max(1)).max(1);
            let shown: Vec<&[f32]> = rows.into_iter().step_by(step).collect();
            let share = |share: f32| (index as f32 + share) / all;
            let Some(places) = tsne(&shown, &|done| watch(share(done))) else {
                // Too few tokens is an answer, being told to stop is none.
                if !watch(share(1.0)) {
                    return false;
                }
                plane.tsne_step = step;
                continue;
            };
            plane.tsne = places.into();
            plane.tsne_step = step;
        }
        true
    }

    /// What t-SNE leaves out, in words.
    pub fn notes(&self) -> Vec<String> {
        let note = |plane: &TokenPlane| {
            let stage = plane.stage.name();
            match (plane.tsne.len(), plane.tsne_step) {
                (_, 0) => None,
                (0, _) => Some(format!("{stage}: too few different tokens for t-SNE")),
                (_, 1) => None,
                (count, step) => Some(format!(
                    "{stage}: t-SNE shows {count} of {} tokens, every {step}th; raise --most for more",
                    self.points.len()
                )),
            }
        };
        self.planes.iter().filter_map(note).collect()
    }
}

/// Rows of each stage that is known of all pictures.
struct Stages;

impl Stages {
    fn of<'a>(pictures: &[MappedPicture<'a>]) -> Vec<(MapStage, Vec<&'a [f32]>)> {
        let h: Option<Vec<&[&[f32]]>> = pictures.iter().map(|picture| picture.h.as_deref()).collect();
        let z = pictures.iter().flat_map(|picture| picture.z.iter().copied());
        let h = h.map(|h| (MapStage::H, h.concat()));
        h.into_iter().chain([(MapStage::Z, z.collect())]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latent::Tokens;

    fn states(count: usize) -> Vec<LatentState> {
        let value = |index: usize| ((index * 7919) % 2003) as f32 / 2003.0;
        let state = |picture: usize| {
            let values = (0..8).map(|place| value(8 * picture + place)).collect();
            LatentState::from_z(Tokens::new(4, 2, values).unwrap())
        };
        (0..count).map(state).collect()
    }

    fn mapped(states: &[LatentState]) -> Vec<MappedPicture<'_>> {
        states
            .iter()
            .map(|state| MappedPicture::of_state("a.png", state))
            .collect()
    }

    #[test]
    fn every_token_has_a_place_and_tsne_a_limit() {
        let states = states(10);
        let pictures = mapped(&states);
        let mut map = TokenMap::new(&pictures, &[]).unwrap();
        assert_eq!((map.points.len(), map.planes.len(), map.token_count), (40, 1, 4));
        assert_eq!(map.points[6].token, 2);
        assert!(map.notes().is_empty() && map.planes[0].tsne_of(0).is_none());
        assert!(map.lay_out(&pictures, 20, &|_| true));
        let plane = &map.planes[0];
        assert_eq!((plane.tsne.len(), plane.tsne_step), (20, 2));
        assert!(plane.tsne_of(4).is_some() && plane.tsne_of(5).is_none());
        assert!(map.notes()[0].contains("20 of 40 tokens"));
    }

    #[test]
    fn a_layout_that_is_given_up_leaves_the_components() {
        let states = states(10);
        let pictures = mapped(&states);
        let mut map = TokenMap::new(&pictures, &[]).unwrap();
        assert!(!map.lay_out(&pictures, 40, &|share| share < 0.5));
        assert!(map.planes[0].tsne.is_empty() && map.planes[0].tsne_step == 0);
        assert!(TokenMap::new(&[], &[]).is_none());
    }
}
