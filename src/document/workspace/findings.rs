//! Exports of what was measured of the active picture: the files that the commands of the same name write.

use super::exporting::{ExportTask, MakeFiles};
use super::{Workspace, analysing::Kept};
use crate::analysis::TokenInfluence;
use crate::document::{
    DocumentError, ExportedFiles, FindingsPart, GradientFindings, InfluenceFindings, StructureFindings,
    influence_files, structure_files, sweep_files, sweep_sheet,
};
use crate::engine::{Analysed, AnalysisKind, InfluenceFound};
use crate::picture::Rgb8;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

type Files = Vec<(String, Vec<u8>)>;
type MakeFolder = Box<dyn FnOnce() -> Result<Files, DocumentError> + Send>;

impl Workspace {
    /// Whether anything of `part` was measured, of the active picture or of the collection.
    pub fn has_findings(&self, part: FindingsPart) -> bool {
        match part {
            FindingsPart::Codewords => self.counted().is_some(),
            FindingsPart::Directions => self.found_directions().is_some(),
            FindingsPart::Map => self.token_map().is_some(),
            FindingsPart::Probes => self.probes().is_some(),
            FindingsPart::Pixels => self.brush().is_some() && self.kept(AnalysisKind::Influence).is_some(),
            _ => part.kinds().iter().any(|kind| self.kept(*kind).is_some()),
        }
    }

    pub(super) fn findings_task(
        &self,
        part: FindingsPart,
        path: PathBuf,
    ) -> Result<ExportTask, DocumentError> {
        let make_folder = match part {
            FindingsPart::Codewords => return self.codewords_task(path).ok_or_else(nothing),
            FindingsPart::Directions => self.directions_folder(),
            FindingsPart::Map => self.map_folder(),
            FindingsPart::Probes => self.probes_folder(),
            FindingsPart::Influence => self.influence_folder(),
            FindingsPart::Pixels => self.pixels_folder(),
            FindingsPart::Structure => self.structure_folder(),
            FindingsPart::Sweep => self.sweep_folder(),
        };
        let make_folder = make_folder.ok_or_else(nothing)?;
        let make_files: MakeFiles = Box::new(move |_| make_folder().map(ExportedFiles::Folder));
        Ok(ExportTask::new(path, VecDeque::new(), Vec::new(), make_files))
    }

    fn model_hash(&self) -> String {
        self.model
            .as_ref()
            .map(|model| model.hash.clone())
            .unwrap_or_default()
    }

    fn influence_folder(&self) -> Option<MakeFolder> {
        let Kept { found, picture, .. } = self.kept(AnalysisKind::Influence)?;
        let (found, decoded, model) = (Arc::clone(found), Arc::clone(picture), self.model_hash());
        Some(Box::new(move || match &*found {
            Analysed::Influence(found) => {
                let [ablation, gradient] = [&found.by_ablation.ranking, &found.by_gradient.ranking];
                influence_files(&influence_findings(found, &decoded, [ablation, gradient]), &model)
            }
            _ => Err(not_measured()),
        }))
    }

    /// The same with both rankings under the brush, and what the gradient says of a random move, where that is known.
    fn pixels_folder(&self) -> Option<MakeFolder> {
        let Kept { found, picture, .. } = self.kept(AnalysisKind::Influence)?;
        let mask = Arc::clone(self.brush()?);
        let brush = self.kept(AnalysisKind::Brush).map(|kept| Arc::clone(&kept.found));
        let (found, decoded, model) = (Arc::clone(found), Arc::clone(picture), self.model_hash());
        Some(Box::new(move || {
            let Analysed::Influence(found) = &*found else {
                return Err(not_measured());
            };
            let rankings = found
                .maps
                .each_ref()
                .map(|maps| maps.ranking_within(&mask).unwrap_or_default());
            let [ablation, gradient] = &rankings;
            let sensitivity = match brush.as_deref() {
                Some(Analysed::Brush(brush)) if Arc::ptr_eq(&brush.mask, &mask) => {
                    Some(brush.sensitivity.as_slice())
                }
                _ => None,
            };
            let findings = InfluenceFindings {
                sensitivity,
                ..influence_findings(found, &decoded, [ablation, gradient])
            };
            influence_files(&findings, &model)
        }))
    }

    fn structure_folder(&self) -> Option<MakeFolder> {
        let kinds = [AnalysisKind::Pairs, AnalysisKind::Orders, AnalysisKind::Spectra];
        let [pairs, orders, spectra] = kinds.map(|kind| self.kept(kind).map(|kept| Arc::clone(&kept.found)));
        if pairs.is_none() && orders.is_none() && spectra.is_none() {
            return None;
        }
        let model = self.model_hash();
        Some(Box::new(move || {
            let spectra: Option<Vec<(usize, Vec<f64>)>> = match spectra.as_deref() {
                Some(Analysed::Spectra(spectra)) => Some(spectra.iter().cloned().enumerate().collect()),
                _ => None,
            };
            let found = StructureFindings {
                interactions: match pairs.as_deref() {
                    Some(Analysed::Pairs(pairs)) => Some(pairs),
                    _ => None,
                },
                orders: match orders.as_deref() {
                    Some(Analysed::Orders(orders)) => Some(orders),
                    _ => None,
                },
                spectra: spectra.as_deref(),
            };
            structure_files(&found, &model)
        }))
    }

    fn directions_folder(&self) -> Option<MakeFolder> {
        let found = Arc::clone(self.found_directions()?);
        Some(Box::new(move || Ok(found.files())))
    }

    fn map_folder(&self) -> Option<MakeFolder> {
        let map = Arc::clone(self.token_map()?);
        Some(Box::new(move || map.files()))
    }

    fn probes_folder(&self) -> Option<MakeFolder> {
        let probes = Arc::clone(self.probes()?);
        Some(Box::new(move || probes.files()))
    }

    fn sweep_folder(&self) -> Option<MakeFolder> {
        let kept = self.kept(AnalysisKind::Sweep)?;
        let (found, subject) = (Arc::clone(&kept.found), self.active()?);
        let crop = Arc::clone(subject.crop.as_ref().unwrap_or(&kept.picture));
        let name = subject.name.clone();
        let tau = self.model.as_ref()?.args.tau as f32;
        Some(Box::new(move || match &*found {
            Analysed::Sweep(swept) => sweep_files(&sweep_sheet(&crop, &name, tau, swept)?),
            _ => Err(not_measured()),
        }))
    }
}

/// `rankings` are by ablation and by the gradient.
fn influence_findings<'a>(
    found: &'a InfluenceFound,
    decoded: &'a Rgb8,
    rankings: [&'a [TokenInfluence]; 2],
) -> InfluenceFindings<'a> {
    let [ablation, gradient] = &*found.maps;
    let [by_ablation, by_gradient] = rankings;
    InfluenceFindings {
        decoded,
        maps: ablation,
        ranking: by_ablation,
        gradient: Some(GradientFindings {
            maps: gradient,
            ranking: by_gradient,
            agreement: &found.agreement,
        }),
        sensitivity: None,
    }
}

fn nothing() -> DocumentError {
    DocumentError::Mismatch("nothing of this is measured yet: measure it, then export it".to_owned())
}

fn not_measured() -> DocumentError {
    DocumentError::Mismatch("the measurement is of another kind: measure it again".to_owned())
}
