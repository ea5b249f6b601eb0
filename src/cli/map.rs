//! `softscope map FOLDER --out DIR`

use super::context::{Context, model_json};
use super::error::CliError;
use super::inputs::{self, Batches};
use super::options::FitArg;
use super::outputs;
use crate::document::{Labelled, MappedPicture, TokenMap, write_folder_atomically};
use crate::latent::LatentState;
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
    let progress = context.progress("Laying out the tokens");
    let mapped = mapped(&labelled, &states);
    let mut map = TokenMap::new(&mapped, &labelled.factors)
        .ok_or_else(|| CliError::TooFewPictures("a map takes at least two tokens".to_owned()))?;
    if !args.no_tsne {
        map.lay_out(&mapped, args.most, &|share| progress.watch(share));
    }
    drop(progress);
    map.notes().iter().for_each(|note| context.note(note));
    let files = map.files()?;
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
            "stage": plane.stage.name(),
            "pca_shares_of_variance": plane.pca_shares,
            "tsne_tokens": plane.tsne.len(),
            "tsne_every": plane.tsne_step,
        })).collect::<Vec<_>>(),
    });
    context.results(&text(&map), &json)
}

/// Pictures as a map takes them. `states` belong to `labelled`.
fn mapped<'a>(labelled: &'a Labelled, states: &'a [LatentState]) -> Vec<MappedPicture<'a>> {
    labelled
        .pictures
        .iter()
        .zip(states)
        .map(|(picture, state)| MappedPicture::of_state(&picture.name, state))
        .collect()
}

fn text(map: &TokenMap) -> String {
    let mut text = String::new();
    for plane in &map.planes {
        let [first, second] = plane.pca_shares.map(|share| 100.0 * share);
        text.push_str(&format!(
            "{}: {} tokens, two principal components with {first:.1} % and {second:.1} % of the variance; t-SNE of {}\n",
            plane.stage.name(),
            plane.pca.len(),
            plane.tsne.len()
        ));
    }
    text
}
