//! `softscope compare A B [--map F.png]` and `softscope compare A --models M1,M2,…`

use super::context::{Context, model_json};
use super::error::CliError;
use super::inputs::{self, Batches};
use super::metrics;
use super::options::FitArg;
use super::outputs::{self, OutKind};
use super::table::Table;
use crate::analysis::{self, PictureMetrics};
use crate::document::{self, AnimationFormat};
use crate::picture::{self, Rgb8};
use std::path::PathBuf;

/// A difference of a quarter of the range is shown brightest: reconstructions rarely differ by more.
const MAP_GAIN: f32 = 4.0;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The picture that is measured against
    #[arg(value_name = "A")]
    reference: PathBuf,
    /// The picture that is measured, of the same size
    #[arg(
        value_name = "B",
        required_unless_present = "models",
        conflicts_with = "models"
    )]
    other: Option<PathBuf>,
    /// Measure A's reconstruction by each of these models instead
    #[arg(long, value_name = "M1,M2,…", value_delimiter = ',')]
    models: Vec<String>,
    /// Also write the absolute difference as a false-colour picture, brightest at a quarter of the range and more;
    /// with several models side by side
    #[arg(long, value_name = "F.png")]
    map: Option<PathBuf>,
    /// How A becomes a model's square, with --models
    #[arg(long, value_enum, default_value_t = FitArg::Crop)]
    fit: FitArg,
}

/// One line of the result.
struct Compared {
    name: String,
    reference: Rgb8,
    other: Rgb8,
    metrics: PictureMetrics,
    /// Facts of the model, where one made the picture.
    model: Option<serde_json::Value>,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), CliError> {
    if let Some(map) = &args.map {
        OutKind::of(map, &[OutKind::Png])?;
        let mut sources = vec![args.reference.as_path()];
        sources.extend(args.other.as_deref());
        outputs::guard(map, &sources)?;
    }
    let rows = match &args.other {
        Some(other) => vec![pictures(args, other)?],
        None => args
            .models
            .iter()
            .map(|model| by_model(context, args, model))
            .collect::<Result<Vec<_>, _>>()?,
    };
    if let Some(map) = &args.map {
        let maps = rows
            .iter()
            .filter_map(|row| analysis::difference_map(&row.reference, &row.other, MAP_GAIN));
        document::animation_bytes(&maps.collect::<Vec<_>>(), AnimationFormat::Strip)?.write(map)?;
        context.note(&format!("Wrote {}", map.display()));
    }

    let mut table = Table::new(&metrics::header(if args.other.is_some() {
        "picture"
    } else {
        "model"
    }));
    for row in &rows {
        table.push(metrics::row(&row.name, &row.metrics));
    }
    let text = format!("{}\n{}\n", table.render(), metrics::CONVENTIONS);
    let results: Vec<_> = rows
        .iter()
        .map(|row| {
            let mut json = metrics::json(&row.metrics);
            json["name"] = row.name.as_str().into();
            if let Some(model) = &row.model {
                json["model"] = model.clone();
            }
            json
        })
        .collect();
    let json = serde_json::json!({
        "command": "compare",
        "reference": args.reference,
        "conventions": metrics::conventions_json(),
        "results": results,
        "map": args.map,
    });
    context.results(&text, &json)
}

fn pictures(args: &Args, other: &std::path::Path) -> Result<Compared, CliError> {
    let a = picture::open(&args.reference)?;
    let b = picture::open(other)?;
    let size = |picture: &Rgb8| (picture.width(), picture.height());
    if size(&a) != size(&b) {
        return Err(CliError::DifferentSizes {
            a: args.reference.clone(),
            a_size: size(&a),
            b: other.to_path_buf(),
            b_size: size(&b),
        });
    }
    let metrics = analysis::compare(&a, &b).ok_or_else(|| CliError::TooSmall(args.reference.clone()))?;
    Ok(Compared {
        name: other.display().to_string(),
        reference: a,
        other: b,
        metrics,
        model: None,
    })
}

fn by_model(context: &Context, args: &Args, model: &str) -> Result<Compared, CliError> {
    let pictures = inputs::gather(std::slice::from_ref(&args.reference))?;
    let [_] = pictures.as_slice() else {
        return Err(CliError::SeveralPictures {
            path: args.reference.clone(),
            count: pictures.len(),
        });
    };
    let runner = context.open_files(&context.places().resolve_model(model)?)?;
    let progress = context.progress(&format!("Reconstructing with {model}"));
    let mut compared = None;
    Batches::new(&runner, &pictures, args.fit, &progress).reconstruct(|picture, crop, reconstruction| {
        let metrics = analysis::compare(crop, reconstruction)
            .ok_or_else(|| CliError::TooSmall(picture.path.clone()))?;
        compared = Some(Compared {
            name: model.to_owned(),
            reference: crop.clone(),
            other: reconstruction.clone(),
            metrics,
            model: Some(model_json(runner.info())),
        });
        Ok(())
    })?;
    compared.ok_or_else(|| CliError::EmptyFolder(args.reference.clone()))
}
