//! Principal components, as files.

use super::text;
use crate::analysis::Components;
use crate::document::Direction;

/// `components.csv`, `pca-1.json` and so on; `directions` are of the components.
pub fn component_files(found: &Components, directions: &[Direction]) -> Vec<(String, Vec<u8>)> {
    let table = [text("components.csv", components_csv(found))].into_iter();
    let files = directions.iter().enumerate();
    let files = files.map(|(place, direction)| text(&format!("pca-{}.json", place + 1), direction.to_json()));
    table.chain(files).collect()
}

fn components_csv(found: &Components) -> String {
    let mut text = "component,deviation,share_of_variance\n".to_owned();
    for (index, (deviation, share)) in found.deviations.iter().zip(&found.shares).enumerate() {
        text.push_str(&format!("{},{deviation},{share}\n", index + 1));
    }
    text
}
