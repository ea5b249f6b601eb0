//! `softscope atlas FOLDER --out DIR`

use super::context::{Context, model_json};
use super::error::CliError;
use super::inputs::{self, Batches, PictureInput};
use super::options::FitArg;
use super::outputs;
use super::progress::Progress;
use super::table::Table;
use crate::analysis::{CodewordUse, UsageCounter};
use crate::document::{
    self, Atlas, AtlasDraft, CodewordFindings, Labelled, SweepRow, SweepSheet, write_folder_atomically,
};
use crate::engine::{Runner, Sharpness};
use crate::latent::LatentState;
use std::path::PathBuf;

/// Lines of a table on the terminal.
const SHOWN: usize = 12;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Folder of pictures, or of sub-folders with pictures
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// Folder for usage.csv, segments.csv, pairs.csv, users.csv, atlas.png, and of a SoftVQ model sweep.png and
    /// sweep.csv
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// How many of the most used codewords the sheet shows
    #[arg(long, value_name = "N", default_value_t = 16)]
    top: usize,
    /// How many of the tokens that use a codeword most are shown beside it
    #[arg(long, value_name = "N", default_value_t = 5)]
    users: usize,
    /// Picture of the sweep from soft to hard; the folder's first if not given
    #[arg(long, value_name = "PICTURE")]
    sweep: Option<PathBuf>,
    /// How a picture becomes the model's square
    #[arg(long, value_enum, default_value_t = FitArg::Crop)]
    fit: FitArg,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), CliError> {
    let Labelled {
        pictures, left_out, ..
    } = Labelled::of_folder(&args.folder)?;
    left_out.iter().for_each(|note| context.note(note));
    let mut sources = inputs::paths(&pictures);
    sources.extend(args.sweep.as_deref());
    outputs::guard(&args.out, &sources)?;
    let runner = context.open_model()?;
    let progress = context.progress("Encoding");
    let mut states = Vec::with_capacity(pictures.len());
    Batches::new(&runner, &pictures, args.fit, &progress).encode(|_, state| {
        states.push(state);
        Ok(())
    })?;
    let atlas = atlas(&runner, &pictures, &states, args, &progress)?;
    drop(progress);
    let files = files(&atlas, &pictures)?;
    write_folder_atomically(&args.out, &files)?;
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    context.note(&format!("Wrote {}: {}", args.out.display(), names.join(", ")));
    let shown: Vec<&CodewordUse> = atlas.codewords.iter().take(args.top).collect();
    let json = serde_json::json!({
        "command": "atlas",
        "model": model_json(runner.info()),
        "out": args.out,
        "pictures": pictures.len(),
        "segments": atlas.segments,
        "codewords": shown,
        "pairs": atlas.pairs.iter().take(SHOWN).collect::<Vec<_>>(),
        "sweep": atlas.sweep.as_ref().map(|sweep| sweep.rows.iter().map(SweepRow::json).collect::<Vec<_>>()),
    });
    context.results(&text(&atlas, pictures.len()), &json)
}

/// Counts, draws and sweeps. `states` belong to `pictures`.
fn atlas(
    runner: &Runner,
    pictures: &[PictureInput],
    states: &[LatentState],
    args: &Args,
    progress: &Progress,
) -> Result<Atlas, CliError> {
    let info = runner.info();
    let codebook = info.space.codebook().ok_or_else(|| CliError::NoCodebook {
        model: info.name.clone(),
        class: info.class.to_string(),
    })?;
    let mut counter = UsageCounter::new(codebook, args.users.max(1));
    states.iter().for_each(|state| counter.add(state));
    let mut draft = AtlasDraft::new(&counter, args.top);
    let z_of = |picture: usize| Some(&states.get(picture)?.z);
    while draft.decode_next(runner, z_of, progress)? {}
    let swept = match &args.sweep {
        Some(path) => inputs::gather(std::slice::from_ref(path))?,
        None => pictures.first().cloned().into_iter().collect(),
    };
    let is_soft = info.space.mixing().is_some();
    let sweep = match swept.first().filter(|_| is_soft) {
        Some(picture) => Some(sweep(runner, picture, args.fit, progress)?),
        None => None,
    };
    Ok(draft.finish(info, pictures, (args.users, args.fit.into()), sweep)?)
}

fn sweep(
    runner: &Runner,
    picture: &PictureInput,
    fit: FitArg,
    progress: &Progress,
) -> Result<SweepSheet, CliError> {
    let crop = picture.crop(runner.info(), fit.into())?;
    let state = inputs::encode_crop(runner, &crop, progress)?;
    let tau = runner.info().args.tau as f32;
    let swept = runner.swept_pictures(&state, &Sharpness::sweep(tau), progress)?;
    Ok(document::sweep_sheet(&crop, &picture.name, tau, &swept)?)
}

fn files(atlas: &Atlas, pictures: &[PictureInput]) -> Result<Vec<(String, Vec<u8>)>, CliError> {
    let names: Vec<String> = pictures.iter().map(|picture| picture.name.clone()).collect();
    let mut files = document::codeword_files(&CodewordFindings {
        codewords: &atlas.codewords,
        segments: &atlas.segments,
        pairs: &atlas.pairs,
        pictures: &names,
        sheet: &atlas.sheet,
    })?;
    if let Some(sweep) = &atlas.sweep {
        files.extend(document::sweep_files(sweep)?);
    }
    Ok(files)
}

fn text(atlas: &Atlas, pictures: usize) -> String {
    let mut segments = Table::new(&["segment", "tokens", "in use", "never first", "dead"]);
    for of in &atlas.segments {
        segments.push(vec![
            of.segment.to_string(),
            of.tokens.to_string(),
            format!("{:.1}", of.perplexity),
            of.never_first.to_string(),
            of.dead.to_string(),
        ]);
    }
    let mut codewords = Table::new(&["codeword", "mean weight", "times first", "most in"]);
    for of in atlas.codewords.iter().take(SHOWN) {
        let most = of.users.first();
        codewords.push(vec![
            format!("{}:{}", of.segment, of.codeword),
            format!("{:.3} %", 100.0 * of.mean_weight),
            of.times_first.to_string(),
            most.map_or_else(String::new, |user| {
                format!("picture {} token {}", user.picture, user.token)
            }),
        ]);
    }
    let mut text = format!(
        "{}\nover {}. in use: exp of the entropy of the mean weights. never first: never the heaviest codeword of a token; \
         dead: that, and a mean weight under a hundredth of an even share\n\n{}",
        segments.render(),
        inputs::count(pictures),
        codewords.render()
    );
    if let Some(sweep) = &atlas.sweep {
        let mut table = Table::new(&["sharpness", "entropy nats", "PSNR dB"]);
        sweep.rows.iter().for_each(|row| table.push(row.cells().to_vec()));
        text.push_str(&format!("\n{}", table.render()));
    }
    text
}
