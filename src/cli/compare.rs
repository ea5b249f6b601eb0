//! `softscope compare A B [--map F.png]` and `softscope compare PICTURE… --models M1,M2,…`

mod models;

use super::context::Context;
use super::error::CliError;
use super::metrics;
use super::options::FitArg;
use super::outputs::{self, OutKind};
use super::table::Table;
use crate::analysis::{self, PictureMetrics};
use crate::document::{self, AnimationFormat, MOST_COMPARED};
use crate::picture::{self, Rgb8};
use std::path::{Path, PathBuf};

/// A difference of a quarter of the range is shown brightest: reconstructions rarely differ by more.
const MAP_GAIN: f32 = 4.0;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Two pictures of one size: the one that is measured against, and the one that is measured. With --models any
    /// pictures, folders of pictures, or a .safetensors with `x` or `x_u8`
    #[arg(value_name = "PICTURE", required = true)]
    pictures: Vec<PathBuf>,
    /// Measure how up to four models reconstruct the pictures instead, each at its own size against the picture fitted
    /// to that size
    #[arg(long, value_name = "M1,M2,…", value_delimiter = ',')]
    models: Vec<String>,
    /// Also write the absolute difference as a false-colour picture, brightest at a quarter of the range and more;
    /// with several models side by side
    #[arg(long, value_name = "F.png")]
    map: Option<PathBuf>,
    /// Also write the figures as a table, one line a picture and model, then mean and deviation of each model; with
    /// --models
    #[arg(long, value_name = "F.csv", requires = "models")]
    csv: Option<PathBuf>,
    /// Also write the pictures beside what each model made of them, of up to 16 pictures; with --models
    #[arg(long, value_name = "F.png", requires = "models")]
    sheet: Option<PathBuf>,
    /// How a picture becomes a model's square, with --models
    #[arg(long, value_enum, default_value_t = FitArg::Crop)]
    fit: FitArg,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), CliError> {
    for picture in [&args.map, &args.sheet].into_iter().flatten() {
        OutKind::of(picture, &[OutKind::Png])?;
    }
    if args.models.len() > MOST_COMPARED {
        return Err(CliError::usage(format!(
            "--models names {}, and at most {MOST_COMPARED} can be compared",
            args.models.len()
        )));
    }
    match (args.models.as_slice(), args.pictures.as_slice()) {
        ([], [a, b]) => two_pictures(context, args, a, b),
        ([], given) => Err(CliError::usage(format!(
            "two pictures can be compared, not {}; to compare models on pictures name them with --models",
            given.len()
        ))),
        _ => models::run(context, args),
    }
}

/// Refuses to write over a picture that is read.
fn guard_outputs(args: &Args, sources: &[&Path]) -> Result<(), CliError> {
    [&args.map, &args.csv, &args.sheet]
        .into_iter()
        .flatten()
        .try_for_each(|output| outputs::guard(output, sources))
}

fn two_pictures(context: &Context, args: &Args, a: &Path, b: &Path) -> Result<(), CliError> {
    guard_outputs(args, &[a, b])?;
    let (reference, other) = (picture::open(a)?, picture::open(b)?);
    let size = |picture: &Rgb8| (picture.width(), picture.height());
    if size(&reference) != size(&other) {
        return Err(CliError::DifferentSizes {
            a: a.to_path_buf(),
            a_size: size(&reference),
            b: b.to_path_buf(),
            b_size: size(&other),
        });
    }
    let figures = measure(&reference, &other, a)?;
    if let Some(map) = &args.map {
        write_map(context, map, &[(reference, other)])?;
    }
    let name = b.display().to_string();
    let mut table = Table::new(&metrics::header("picture"));
    table.push(metrics::row(&name, &figures));
    let text = format!("{}\n{}\n", table.render(), metrics::CONVENTIONS);
    let mut result = metrics::json(&figures);
    result["name"] = name.into();
    let json = serde_json::json!({
        "command": "compare",
        "reference": a,
        "conventions": metrics::conventions_json(),
        "results": [result],
        "map": args.map,
    });
    context.results(&text, &json)
}

fn measure(reference: &Rgb8, other: &Rgb8, path: &Path) -> Result<PictureMetrics, CliError> {
    analysis::compare(reference, other).ok_or_else(|| CliError::TooSmall(path.to_path_buf()))
}

/// Writes the difference of each pair, side by side.
fn write_map(context: &Context, map: &Path, pairs: &[(Rgb8, Rgb8)]) -> Result<(), CliError> {
    let maps: Vec<Rgb8> = pairs
        .iter()
        .filter_map(|(reference, other)| analysis::difference_map(reference, other, MAP_GAIN))
        .collect();
    document::animation_bytes(&maps, AnimationFormat::Strip)?.write(map)?;
    context.note(&format!("Wrote {}", map.display()));
    Ok(())
}
