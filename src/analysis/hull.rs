//! How far tokens lie from any mixture of their codewords.

use crate::latent::{LatentSpace, LatentState, project_onto_hull, segment_behind};

/// How far a token lies from the nearest mixture of its segment's codewords.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct HullGauge {
    /// Euclidean distance to the mixture found; 0 for a token on its mixture.
    pub distance: f32,
    /// `distance` over the latent deviation; `None` where the model has none.
    pub distance_sigma: Option<f32>,
    /// `distance` over the token's norm; `None` for a token of norm 0.
    pub distance_share: Option<f32>,
    /// Duality gap on half the squared distance: no mixture lies nearer than sqrt(distance^2 - 2 gap).
    pub gap: f32,
    /// Codewords tried; 0 for a token on its mixture.
    pub steps: usize,
}

impl HullGauge {
    /// No mixture lies nearer than this.
    pub fn least_distance(&self) -> f32 {
        (self.distance.powi(2) - 2.0 * self.gap).max(0.0).sqrt()
    }
}

/// The gauge of one token; `None` in classes whose tokens are no mixtures. `original` is the picture's state before any
/// edit.
pub fn hull_gauge(
    space: &LatentSpace,
    original: &LatentState,
    state: &LatentState,
    token: usize,
) -> Option<HullGauge> {
    let codebook = space.mixing()?;
    let (distance, gap, steps) = if state.mixture(token).is_some() {
        (0.0, 0.0, 0)
    } else {
        let segment = segment_behind(codebook, original, state, token);
        let found = project_onto_hull(codebook, segment, state.z.row(token));
        (found.distance, found.gap, found.steps)
    };
    let squares = state.z.row(token).iter().map(|value| f64::from(*value).powi(2));
    let norm = squares.sum::<f64>().sqrt() as f32;
    let over = |unit: f32| (unit > 0.0).then(|| distance / unit);
    Some(HullGauge {
        distance,
        distance_sigma: over(space.std),
        distance_share: over(norm),
        gap,
        steps,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latent::{Assignment, Bottleneck, Codebook, Mixture, Tokens};

    /// Codewords at the corners of a triangle in the plane.
    fn space() -> LatentSpace {
        let corners = vec![0.0, 0.0, 2.0, 0.0, 0.0, 2.0];
        LatentSpace {
            token_count: 3,
            dim: 2,
            bottleneck: Bottleneck::Soft(Codebook::new(1, 3, 2, false, 0.1, corners).unwrap()),
            mean: 0.0,
            std: 0.5,
        }
    }

    #[test]
    fn the_distance_is_that_of_a_search_over_all_mixtures() {
        let rows = [[3.0, 1.0], [0.5, 0.5], [-1.0, -1.0]];
        let state = LatentState::from_z(Tokens::new(3, 2, rows.concat()).unwrap());
        for (token, row) in rows.iter().enumerate() {
            let gauge = hull_gauge(&space(), &state, &state, token).unwrap();
            let steps = 400;
            let mixtures = (0..=steps).flat_map(|a| (0..=steps - a).map(move |b| (a, b)));
            let nearest = mixtures
                .map(|(a, b)| {
                    let [x, y] = [a, b].map(|weight| 2.0 * weight as f32 / steps as f32);
                    (x - row[0]).hypot(y - row[1])
                })
                .fold(f32::INFINITY, f32::min);
            assert!((gauge.distance - nearest).abs() < 1e-2, "{gauge:?} {nearest}");
            assert!(gauge.least_distance() <= gauge.distance && gauge.least_distance() <= nearest + 1e-4);
            assert!(gauge.steps > 0);
            assert_eq!(gauge.distance_sigma, Some(gauge.distance / 0.5));
            let norm = row[0].hypot(row[1]);
            assert!((gauge.distance_share.unwrap() - gauge.distance / norm).abs() < 1e-6);
        }
    }

    #[test]
    fn a_token_on_its_mixture_takes_no_search_and_other_classes_have_no_hull() {
        let mut state = LatentState::from_z(Tokens::new(3, 2, vec![0.0; 6]).unwrap());
        state.assignments = vec![
            Some(Assignment::Soft(Mixture {
                segment: 0,
                weights: [1.0, 0.0, 0.0].as_slice().into(),
            }));
            3
        ];
        let gauge = hull_gauge(&space(), &state, &state, 1).unwrap();
        assert_eq!(
            (gauge.distance, gauge.steps, gauge.distance_share),
            (0.0, 0, None)
        );
        let values = LatentSpace {
            bottleneck: Bottleneck::Identity,
            ..space()
        };
        assert_eq!(hull_gauge(&values, &state, &state, 1), None);
    }
}
