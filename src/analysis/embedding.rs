//! Many values in the plane.

use super::{Watch, principal_components};
use bhtsne::tSNE;
use std::collections::HashMap;

/// Neighbours that a point is to have in effect, where there are points enough.
const PERPLEXITY: f64 = 30.0;
/// Speed against accuracy of Barnes-Hut.
const THETA: f64 = 0.5;
/// Passes, and those of them that exaggerate what is near.
const EPOCHS: usize = 750;
const EXAGGERATED: usize = 250;
/// Passes between two looks at whether to stop. After each the search goes on from where the points are, its momentum at
/// rest.
const STRETCH: usize = 50;
/// Momentum while near points are exaggerated, and after.
const MOMENTUM: (f64, f64) = (0.5, 0.8);
/// Spread of the points at the start, as small as the method wants it.
const START_DEVIATION: f64 = 1e-4;
/// Fewer points have no neighbourhoods.
const FEWEST: usize = 12;

/// t-SNE (van der Maaten, JMLR 15, 2014) of N rows in the plane by the Euclidean distance, from the two principal
/// components and on one thread, so that the same rows give the same picture. Perplexity 30, or a quarter of the points.
/// Equal rows count once and share a place. `None` for under twelve different rows, and when told to stop.
pub fn tsne(rows: &[&[f32]], watch: Watch<'_>) -> Option<Vec<[f64; 2]>> {
    let (distinct, of_row) = distinct(rows);
    if distinct.len() < FEWEST {
        return None;
    }
    let places = match rayon::ThreadPoolBuilder::new().num_threads(1).build() {
        Ok(alone) => alone.install(|| lay_out(&distinct, watch))?,
        Err(_) => lay_out(&distinct, watch)?,
    };
    of_row
        .into_iter()
        .map(|index| places.get(index).copied())
        .collect()
}

/// Different rows, and which of them each row is.
fn distinct<'a>(rows: &[&'a [f32]]) -> (Vec<&'a [f32]>, Vec<usize>) {
    let mut seen: HashMap<Vec<u32>, usize> = HashMap::new();
    let mut distinct = Vec::new();
    let of_row = rows.iter().map(|row| {
        let bits = row.iter().map(|value| value.to_bits()).collect();
        *seen.entry(bits).or_insert_with(|| {
            distinct.push(*row);
            distinct.len() - 1
        })
    });
    let of_row = of_row.collect();
    (distinct, of_row)
}

fn lay_out(rows: &[&[f32]], watch: Watch<'_>) -> Option<Vec<[f64; 2]>> {
    let components = principal_components(rows, 2)?;
    let unit = START_DEVIATION / components.deviations.first()?;
    let start: Vec<f64> = rows
        .iter()
        .flat_map(|row| {
            let mut along = components.coordinates(row).into_iter().map(|value| unit * value);
            [along.next().unwrap_or(0.0), along.next().unwrap_or(0.0)]
        })
        .collect();
    let distance = |a: &&[f32], b: &&[f32]| {
        let squares = a.iter().zip(*b).map(|(a, b)| f64::from(a - b).powi(2));
        squares.sum::<f64>().sqrt()
    };
    let mut search: tSNE<'_, f64, &[f32]> = tSNE::new(rows);
    search
        .perplexity(PERPLEXITY.min(rows.len() as f64 / 4.0))
        .epochs(STRETCH);
    let mut places = start;
    for done in (0..EPOCHS).step_by(STRETCH) {
        let (lies_until, momentum) = if done < EXAGGERATED {
            (EPOCHS, MOMENTUM.0)
        } else {
            (0, MOMENTUM.1)
        };
        search
            .initial_embedding(places)
            .stop_lying_epoch(lies_until)
            .momentum(momentum)
            .barnes_hut(THETA, distance);
        places = search.embedding();
        if !watch((done + STRETCH) as f32 / EPOCHS as f32) {
            return None;
        }
    }
    Some(places.as_chunks::<2>().0.to_vec())
}

/// The two first principal components of N rows in the plane; a missing component is 0. `None` under two rows.
pub fn principal_plane(rows: &[&[f32]]) -> Option<(Vec<[f64; 2]>, [f64; 2])> {
    let components = principal_components(rows, 2)?;
    let two = |values: &[f64]| [0, 1].map(|place| values.get(place).copied().unwrap_or(0.0));
    let places = rows.iter().map(|row| two(&components.coordinates(row))).collect();
    Some((places, two(&components.shares)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three clouds in five dimensions, far apart.
    fn clouds() -> Vec<Vec<f32>> {
        let noise = |index: usize| ((index * 7919 + 5) % 2003) as f32 / 2003.0 - 0.5;
        (0..90)
            .map(|index| {
                let mut row: Vec<f32> = (0..5).map(|place| noise(index * 5 + place)).collect();
                row[index % 3] += 20.0;
                row
            })
            .collect()
    }

    #[test]
    fn neighbours_stay_neighbours() {
        let rows = clouds();
        let rows: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
        let places = tsne(&rows, &|_| true).unwrap();
        assert_eq!(tsne(&rows, &|_| true).unwrap(), places, "the same every time");
        let distance = |a: [f64; 2], b: [f64; 2]| (a[0] - b[0]).hypot(a[1] - b[1]);
        for (index, place) in places.iter().enumerate() {
            let nearest = (0..places.len())
                .filter(|other| *other != index)
                .min_by(|a, b| distance(places[*a], *place).total_cmp(&distance(places[*b], *place)))
                .unwrap();
            assert_eq!(nearest % 3, index % 3, "point {index}");
        }
    }

    #[test]
    fn it_stops_halfway_when_told_to() {
        let rows = clouds();
        let rows: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
        let told = std::sync::Mutex::new(Vec::new());
        let stopped = tsne(&rows, &|share| {
            told.lock().unwrap().push(share);
            share < 0.4
        });
        let told = told.into_inner().unwrap();
        assert!(stopped.is_none() && told.is_sorted());
        assert_eq!(told.iter().filter(|share| **share >= 0.4).count(), 1, "{told:?}");
    }

    #[test]
    fn too_few_points_and_points_on_one_spot_have_no_picture() {
        let rows = clouds();
        let rows: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
        assert!(tsne(&rows[..11], &|_| true).is_none());
        assert!(tsne(&[rows[0]; 30], &|_| true).is_none());
        let twice = [rows.as_slice(), rows.as_slice()].concat();
        let places = tsne(&twice, &|_| true).unwrap();
        assert_eq!(places[..90], places[90..]);
        let (places, shares) = principal_plane(&rows).unwrap();
        assert!(places.len() == 90 && shares[0] + shares[1] > 0.9);
    }
}
