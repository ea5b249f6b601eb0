//! A map as files: a table of all tokens, and pictures of every plane in every colouring.

use super::{ColourBy, MapStage, TokenMap, TokenPlane};
use crate::document::{DocumentError, FactorValues, ScatterSheet, csv_field, scatter_sheet};
use crate::picture::{self, Rgb8};

impl TokenMap {
    /// `map.csv` and a PNG for each plane and colouring.
    ///
    /// # Errors
    /// A picture that cannot be written.
    pub fn files(&self) -> Result<Vec<(String, Vec<u8>)>, DocumentError> {
        let mut files = vec![("map.csv".to_owned(), self.csv().into_bytes())];
        for (name, sheet) in self.sheets()? {
            files.push((name, picture::to_png(&sheet, &[])?));
        }
        Ok(files)
    }

    /// Every token of every stage with its places; the label is that of the first factor.
    pub fn csv(&self) -> String {
        let mut text = "file,label,token,entropy_nats,stage,pca_x,pca_y,tsne_x,tsne_y\n".to_owned();
        let labels = self.labels();
        for plane in &self.planes {
            for (index, (point, [x, y])) in self.points.iter().zip(&*plane.pca).enumerate() {
                let file = self.pictures.get(point.picture).map_or("", String::as_str);
                let label = labels.get(point.picture).copied().unwrap_or_default();
                let entropy = point
                    .entropy_nats
                    .map(|entropy| entropy.to_string())
                    .unwrap_or_default();
                let place = plane
                    .tsne_of(index)
                    .map_or_else(|| ",".to_owned(), |[x, y]| format!("{x},{y}"));
                text.push_str(&format!(
                    "{},{},{},{entropy},{},{x},{y},{place}\n",
                    csv_field(file),
                    csv_field(label),
                    point.token,
                    plane.stage.name()
                ));
            }
        }
        text
    }

    /// The label of each picture by the first factor; none where that is a number.
    fn labels(&self) -> Vec<&str> {
        match self.factors.first().map(|factor| &factor.values) {
            Some(FactorValues::Labels { names, of }) => of
                .iter()
                .map(|label| names.get(*label).map_or("", String::as_str))
                .collect(),
            _ => Vec::new(),
        }
    }

    /// Every plane in every colouring but by picture, with file names.
    ///
    /// # Errors
    /// The built-in font cannot be read.
    pub fn sheets(&self) -> Result<Vec<(String, Rgb8)>, DocumentError> {
        let mut sheets = Vec::new();
        for plane in &self.planes {
            let shares = plane.pca_shares.map(|share| format!("{:.1} %", 100.0 * share));
            let note = format!(
                "{} tokens; {} and {} of the variance",
                plane.pca.len(),
                shares[0],
                shares[1]
            );
            sheets.extend(self.coloured(plane, "pca", &note, &plane.pca, 1)?);
            if !plane.tsne.is_empty() {
                let note = format!("t-SNE of {} of {} tokens", plane.tsne.len(), plane.pca.len());
                sheets.extend(self.coloured(plane, "tsne", &note, &plane.tsne, plane.tsne_step)?);
            }
        }
        Ok(sheets)
    }

    fn coloured(
        &self,
        plane: &TokenPlane,
        method: &str,
        note: &str,
        places: &[[f64; 2]],
        step: usize,
    ) -> Result<Vec<(String, Rgb8)>, DocumentError> {
        let stage = plane.stage.name();
        let when = match plane.stage {
            MapStage::H => "before",
            MapStage::Z => "after",
        };
        let by = ColourBy::all(self).into_iter();
        // The first factor is what tables call the label.
        let shown =
            by.filter(|by| matches!(by, ColourBy::Factor(0) | ColourBy::Position | ColourBy::Entropy));
        shown
            .map(|by| {
                let found = self.colours(by, (0..self.points.len()).step_by(step.max(1)));
                let name = match by {
                    ColourBy::Factor(_) => "label",
                    other => other.name(self),
                };
                let sheet = scatter_sheet(&ScatterSheet {
                    title: &format!("Tokens {when} the quantiser ({stage}), {method}, by {name}"),
                    note,
                    points: places,
                    colours: &found.colours,
                    legend: &found.legend,
                })?;
                Ok((format!("{stage}-{method}-{name}.png"), sheet))
            })
            .collect()
    }
}
