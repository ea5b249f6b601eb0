//! `softscope map FOLDER --out DIR`

use super::context::{Context, model_json};
use super::error::CliError;
use super::inputs::{self, Batches, PictureInput};
use super::options::FitArg;
use super::outputs;
use super::progress::Progress;
use crate::analysis::{category_colours, heat_colours, mixture_figures, principal_plane, tsne};
use crate::document::{self, ScatterSheet, csv_field, write_folder_atomically};
use crate::document::{FactorValues, Labelled};
use crate::latent::LatentState;
use crate::picture;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Folder of pictures, each labelled by its table labels.tsv or labels.csv or, without one, by the sub-folder it lies
    /// in
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// Folder for map.csv and pictures of the plane
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Most tokens that take part in t-SNE; of more every so many-th is taken, and it is said
    #[arg(long, value_name = "N", default_value_t = 4000)]
    most: usize,
    /// Principal components alone, without t-SNE
    #[arg(long)]
    no_tsne: bool,
    /// How a picture becomes the model's square
    #[arg(long, value_enum, default_value_t = FitArg::Crop)]
    fit: FitArg,
}

/// One token of one picture.
struct Point {
    picture: usize,
    token: usize,
    label: usize,
    entropy_nats: Option<f64>,
}

/// The tokens of one stage in the plane.
pub(super) struct Plane {
    /// "h" before the quantiser, "z" after it.
    pub(super) stage: &'static str,
    /// Principal components, every token.
    pca: Vec<[f64; 2]>,
    /// Shares of the variance.
    pca_shares: [f64; 2],
    /// t-SNE, of every `step`-th token.
    tsne: Vec<[f64; 2]>,
    step: usize,
}

/// All that a map shows.
pub(super) struct TokenMap {
    points: Vec<Point>,
    labels: Vec<String>,
    token_count: usize,
    pub(super) planes: Vec<Plane>,
}

/// Colours with their meaning.
type Legend = Vec<([u8; 3], String)>;

/// What points are coloured by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ColourBy {
    Label,
    Position,
    Entropy,
}

impl ColourBy {
    fn name(self) -> &'static str {
        match self {
            Self::Label => "label",
            Self::Position => "position",
            Self::Entropy => "entropy",
        }
    }
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), CliError> {
    let labelled = Labelled::of_folder(&args.folder)?;
    outputs::guard(&args.out, &inputs::paths(&labelled.pictures))?;
    labelled.left_out.iter().for_each(|note| context.note(note));
    let runner = context.open_model()?;
    let progress = context.progress("Encoding");
    let mut states = Vec::with_capacity(labelled.pictures.len());
    Batches::new(&runner, &labelled.pictures, args.fit, &progress).encode(|_, state| {
        states.push(state);
        Ok(())
    })?;
    drop(progress);
    let most = if args.no_tsne { 0 } else { args.most };
    let progress = context.progress("Laying out the tokens");
    let map = TokenMap::new(&labelled, &states, most, &progress)?;
    drop(progress);
    map.notes().iter().for_each(|note| context.note(note));
    let mut files = vec![("map.csv".to_owned(), map.csv(&labelled.pictures).into_bytes())];
    for (name, sheet) in map.sheets()? {
        files.push((name, picture::to_png(&sheet, &[])?));
    }
    write_folder_atomically(&args.out, &files)?;
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    context.note(&format!("Wrote {}: {}", args.out.display(), names.join(", ")));
    let json = serde_json::json!({
        "command": "map",
        "model": model_json(runner.info()),
        "out": args.out,
        "pictures": labelled.pictures.len(),
        "tokens": map.points.len(),
        "planes": map.planes.iter().map(|plane| serde_json::json!({
            "stage": plane.stage,
            "pca_shares_of_variance": plane.pca_shares,
            "tsne_tokens": plane.tsne.len(),
            "tsne_every": plane.step,
        })).collect::<Vec<_>>(),
    });
    context.results(&map.text(), &json)
}

impl TokenMap {
    /// Lays the tokens of all pictures out, before the quantiser where that is known and after it; t-SNE of at most
    /// `most_tsne`.
    pub(super) fn new(
        labelled: &Labelled,
        states: &[LatentState],
        most_tsne: usize,
        progress: &Progress,
    ) -> Result<Self, CliError> {
        let (labels, of_picture) = match labelled.factors.first().map(|factor| &factor.values) {
            Some(FactorValues::Labels { names, of }) => (names.clone(), of.clone()),
            _ => (Vec::new(), Vec::new()),
        };
        let points = states.iter().enumerate().flat_map(|(picture, state)| {
            let label = of_picture.get(picture).copied().unwrap_or(0);
            (0..state.z.count).map(move |token| Point {
                picture,
                token,
                label,
                entropy_nats: state
                    .mixture(token)
                    .map(|mixture| mixture_figures(mixture).entropy_nats),
            })
        });
        let of_z: Vec<&[f32]> = states
            .iter()
            .flat_map(|state| (0..state.z.count).map(|token| state.z.row(token)))
            .collect();
        let of_h: Option<Vec<&[f32]>> = states
            .iter()
            .flat_map(|state| (0..state.z.count).map(|token| state.h_row(token)))
            .collect();
        let stages = [("h", of_h), ("z", Some(of_z))];
        let mut planes = Vec::new();
        for (index, (stage, rows)) in stages.into_iter().enumerate() {
            let Some(rows) = rows else { continue };
            progress.enter(index, 1, 2);
            planes.push(Plane::new(stage, &rows, most_tsne, progress)?);
        }
        Ok(Self {
            points: points.collect(),
            labels,
            token_count: states.first().map_or(0, |state| state.z.count),
            planes,
        })
    }

    /// What is left out, in words.
    pub(super) fn notes(&self) -> Vec<String> {
        let note = |plane: &Plane| match (plane.tsne.len(), plane.step) {
            (_, 0) => None,
            (0, _) => Some(format!("{}: too few different tokens for t-SNE", plane.stage)),
            (_, 1) => None,
            (count, step) => Some(format!(
                "{}: t-SNE shows {count} of {} tokens, every {step}th; raise --most for more",
                plane.stage,
                self.points.len()
            )),
        };
        self.planes.iter().filter_map(note).collect()
    }

    fn csv(&self, pictures: &[PictureInput]) -> String {
        let mut text = "file,label,token,entropy_nats,stage,pca_x,pca_y,tsne_x,tsne_y\n".to_owned();
        for plane in &self.planes {
            for (index, (point, [x, y])) in self.points.iter().zip(&plane.pca).enumerate() {
                let file = pictures
                    .get(point.picture)
                    .map_or("", |picture| picture.name.as_str());
                let label = self.labels.get(point.label).map_or("", String::as_str);
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
                    plane.stage
                ));
            }
        }
        text
    }

    /// Every plane in every colouring, with file names.
    pub(super) fn sheets(&self) -> Result<Vec<(String, picture::Rgb8)>, CliError> {
        let mut sheets = Vec::new();
        for plane in &self.planes {
            let shares = plane.pca_shares.map(|share| format!("{:.1} %", 100.0 * share));
            let note = format!(
                "{} tokens; {} and {} of the variance",
                plane.pca.len(),
                shares[0],
                shares[1]
            );
            let all: Vec<usize> = (0..plane.pca.len()).collect();
            sheets.extend(self.coloured(plane.stage, "pca", &note, &plane.pca, &all)?);
            if !plane.tsne.is_empty() {
                let shown: Vec<usize> = all.iter().copied().step_by(plane.step.max(1)).collect();
                let note = format!("t-SNE of {} of {} tokens", shown.len(), plane.pca.len());
                sheets.extend(self.coloured(plane.stage, "tsne", &note, &plane.tsne, &shown)?);
            }
        }
        Ok(sheets)
    }

    fn coloured(
        &self,
        stage: &str,
        method: &str,
        note: &str,
        places: &[[f64; 2]],
        shown: &[usize],
    ) -> Result<Vec<(String, picture::Rgb8)>, CliError> {
        let has_entropy = self.points.iter().any(|point| point.entropy_nats.is_some());
        let by = [ColourBy::Label, ColourBy::Position, ColourBy::Entropy];
        by.into_iter()
            .filter(|by| *by != ColourBy::Entropy || has_entropy)
            .map(|by| {
                let (colours, legend) = self.colours(by, shown);
                let when = if stage == "h" { "before" } else { "after" };
                let sheet = document::scatter_sheet(&ScatterSheet {
                    title: &format!(
                        "Tokens {when} the quantiser ({stage}), {method}, by {}",
                        by.name()
                    ),
                    note,
                    points: places,
                    colours: &colours,
                    legend: &legend,
                })?;
                Ok((format!("{stage}-{method}-{}.png", by.name()), sheet))
            })
            .collect()
    }

    /// A colour for each point shown, and what they mean.
    fn colours(&self, by: ColourBy, shown: &[usize]) -> (Vec<[u8; 3]>, Legend) {
        let points: Vec<&Point> = shown.iter().filter_map(|index| self.points.get(*index)).collect();
        let heat = heat_colours();
        let at = |share: f64| {
            heat.get((230.0 * share.clamp(0.0, 1.0)) as usize)
                .copied()
                .unwrap_or_default()
        };
        match by {
            ColourBy::Label => {
                let colours = category_colours(self.labels.len());
                let of = |point: &&Point| colours.get(point.label).copied().unwrap_or_default();
                let legend = colours.iter().copied().zip(self.labels.iter().cloned()).collect();
                (points.iter().map(of).collect(), legend)
            }
            ColourBy::Position => {
                let last = self.token_count.saturating_sub(1).max(1) as f64;
                let of = |token: usize| at(token as f64 / last);
                let names = [0, self.token_count / 2, self.token_count.saturating_sub(1)];
                let legend = names.map(|token| (of(token), format!("token {token}")));
                (
                    points.iter().map(|point| of(point.token)).collect(),
                    legend.to_vec(),
                )
            }
            ColourBy::Entropy => {
                let entropies = points.iter().filter_map(|point| point.entropy_nats);
                let (low, high) = entropies
                    .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), entropy| {
                        (low.min(entropy), high.max(entropy))
                    });
                let of = |entropy: f64| at((entropy - low) / (high - low).max(f64::MIN_POSITIVE));
                let legend = [low, (low + high) / 2.0, high]
                    .map(|entropy| (of(entropy), format!("{entropy:.2} nats")));
                let colour = |point: &&Point| point.entropy_nats.map_or([200; 3], of);
                (points.iter().map(colour).collect(), legend.to_vec())
            }
        }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for plane in &self.planes {
            let [first, second] = plane.pca_shares.map(|share| 100.0 * share);
            text.push_str(&format!(
                "{}: {} tokens, two principal components with {first:.1} % and {second:.1} % of the variance; t-SNE of {}\n",
                plane.stage,
                plane.pca.len(),
                plane.tsne.len()
            ));
        }
        text
    }
}

impl Plane {
    fn new(
        stage: &'static str,
        rows: &[&[f32]],
        most_tsne: usize,
        progress: &Progress,
    ) -> Result<Self, CliError> {
        use crate::engine::Control;
        let (pca, pca_shares) = principal_plane(rows)
            .ok_or_else(|| CliError::TooFewPictures("a map takes at least two tokens".to_owned()))?;
        let step = match most_tsne {
            0 => 0,
            most => rows.len().div_ceil(most).max(1),
        };
        let shown: Vec<&[f32]> = if step == 0 {
            Vec::new()
        } else {
            rows.iter().copied().step_by(step).collect()
        };
        Ok(Self {
            stage,
            pca,
            pca_shares,
            tsne: tsne(&shown, &|share| progress.progress(share)).unwrap_or_default(),
            step,
        })
    }

    /// Where t-SNE puts token `index` of all, if it took part.
    fn tsne_of(&self, index: usize) -> Option<&[f64; 2]> {
        let takes_part = self.step > 0 && index.is_multiple_of(self.step);
        self.tsne.get(index / self.step.max(1)).filter(|_| takes_part)
    }
}
