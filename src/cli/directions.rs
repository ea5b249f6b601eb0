//! `softscope directions WITH WITHOUT --out F.json` and `softscope directions FOLDER --pca K --out DIR`

use super::context::{Context, model_json};
use super::error::CliError;
use super::inputs::{self, Batches};
use super::options::FitArg;
use super::outputs;
use super::table::Table;
use crate::analysis::{Components, MeanDifference, Separation, mean_difference, principal_components};
use crate::document::{
    Direction, DirectionOrigin, component_files, write_atomically, write_folder_atomically,
};
use crate::engine::Runner;
use clap::ValueEnum;
use serde_json::json;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Two folders, of pictures with a property and of pictures without it; with --pca one folder
    #[arg(value_name = "FOLDER", required = true, num_args = 1..=2)]
    folders: Vec<PathBuf>,
    /// The direction (.json, as a recipe's `direction` takes it); with --pca a folder for pca-1.json and so on and
    /// components.csv
    #[arg(long, value_name = "X")]
    out: PathBuf,
    /// The K principal components of the folder's tokens instead, in units of their deviation
    #[arg(long, value_name = "K")]
    pca: Option<usize>,
    /// Principal components of what
    #[arg(long, value_enum, default_value_t = Of::Pictures, requires = "pca")]
    of: Of,
    /// Also save it under this name, by which a recipe's `direction` finds it; with --pca NAME-1 and so on
    #[arg(long, value_name = "NAME")]
    save: Option<String>,
    /// Share of each folder that is held out and that the figures are of
    #[arg(long, value_name = "S", default_value_t = 0.3)]
    held_out: f64,
    /// Seed of what is held out
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// How a picture becomes the model's square
    #[arg(long, value_enum, default_value_t = FitArg::Crop)]
    fit: FitArg,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Of {
    /// All tokens of a picture together: L rows of D values
    Pictures,
    /// Single tokens, wherever they stand: one row of D values, used on every token
    Tokens,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), CliError> {
    let sources: Vec<&Path> = args.folders.iter().map(PathBuf::as_path).collect();
    outputs::guard(&args.out, &sources)?;
    match (args.pca, args.folders.as_slice()) {
        (Some(0), _) => Err(CliError::usage("--pca 0: ask for at least one component")),
        (Some(count), [folder]) => components(context, args, folder, count),
        (Some(_), _) => Err(CliError::usage("--pca takes one folder")),
        (None, [with, without]) => difference(context, args, with, without),
        (None, _) => Err(CliError::usage(
            "two folders are needed, of pictures with a property and without it; or --pca K with one",
        )),
    }
}

/// L x D values of each picture of a folder.
fn encode(context: &Context, runner: &Runner, folder: &Path, fit: FitArg) -> Result<Vec<Vec<f32>>, CliError> {
    let pictures = inputs::gather(&[folder.to_path_buf()])?;
    let progress = context.progress(&format!("Encoding {}", folder.display()));
    let mut rows = Vec::with_capacity(pictures.len());
    Batches::new(runner, &pictures, fit, &progress).encode(|_, state| {
        rows.push(state.z.values);
        Ok(())
    })?;
    Ok(rows)
}

fn difference(context: &Context, args: &Args, with: &Path, without: &Path) -> Result<(), CliError> {
    if !(args.held_out > 0.0 && args.held_out < 1.0) {
        return Err(CliError::usage(format!(
            "--held-out {}: a share between 0 and 1",
            args.held_out
        )));
    }
    let runner = context.open_model()?;
    let space = &runner.info().space;
    let first = encode(context, &runner, with, args.fit)?;
    let second = encode(context, &runner, without, args.fit)?;
    let found = mean_difference(&first, &second, space.dim, args.held_out, args.seed).ok_or_else(|| {
        CliError::TooFewPictures(format!(
            "{} and {} hold {} and {}; a direction takes at least two of each",
            with.display(),
            without.display(),
            inputs::count(first.len()),
            inputs::count(second.len())
        ))
    })?;
    let from: Vec<String> = args
        .folders
        .iter()
        .map(|folder| folder.display().to_string())
        .collect();
    let direction = Direction::of_difference(&found, origin(&runner, &from));
    let text = direction.to_json();
    write_atomically(&args.out, text.as_bytes())?;
    context.note(&format!("Wrote {}", args.out.display()));
    save(context, args.save.as_deref(), &text)?;
    let mut json = json!({
        "command": "directions",
        "model": model_json(runner.info()),
        "out": args.out,
    });
    for (key, value) in direction.about {
        if key != "model" {
            json[key] = value;
        }
    }
    context.results(&difference_text(&found), &json)
}

fn origin<'a>(runner: &'a Runner, from: &'a [String]) -> DirectionOrigin<'a> {
    DirectionOrigin {
        model: &runner.info().hash,
        dim: runner.info().space.dim,
        from,
    }
}

fn save(context: &Context, name: Option<&str>, text: &str) -> Result<(), CliError> {
    if let Some(name) = name {
        let path = context.places().save_direction(name, text)?;
        context.note(&format!("Saved as \"{name}\": {}", path.display()));
    }
    Ok(())
}

fn difference_text(found: &MeanDifference) -> String {
    let mut table = Table::new(&["tokens", "area", "accuracy", "95 % interval"]);
    let mut push = |name: String, separation: &Separation| {
        let hits = separation.hits;
        let percent = |share: f64| format!("{:.1} %", 100.0 * share);
        table.push(vec![
            name,
            format!("{:.3}", separation.area),
            percent(hits.share),
            format!("{} to {}", percent(hits.interval.0), percent(hits.interval.1)),
        ]);
    };
    push("all".to_owned(), &found.whole);
    let mut order: Vec<(usize, &Separation)> = found.tokens.iter().enumerate().collect();
    order.sort_by(|(_, a), (_, b)| b.area.total_cmp(&a.area));
    for (token, separation) in order {
        push(token.to_string(), separation);
    }
    format!(
        "{}\narea under the ROC curve (0.5 is chance) and accuracy at the midpoint, on {} held-out pictures ({} with, {} \
         without) that the means do not know\n",
        table.render(),
        found.whole.hits.tested,
        found.held_out.0,
        found.held_out.1
    )
}

fn components(context: &Context, args: &Args, folder: &Path, count: usize) -> Result<(), CliError> {
    let runner = context.open_model()?;
    let space = &runner.info().space;
    let rows = encode(context, &runner, folder, args.fit)?;
    let width = match args.of {
        Of::Pictures => space.token_count * space.dim,
        Of::Tokens => space.dim,
    };
    let examples: Vec<&[f32]> = rows
        .iter()
        .flat_map(|row| row.chunks_exact(width.max(1)))
        .collect();
    let found = principal_components(&examples, count).ok_or_else(|| {
        CliError::TooFewPictures(format!(
            "{} holds one picture; components take at least two",
            folder.display()
        ))
    })?;
    if found.directions.len() < count {
        context.note(&format!(
            "{} of {count} components: {} span no more",
            found.directions.len(),
            inputs::count(rows.len())
        ));
    }
    let from = [folder.display().to_string()];
    let directions = Direction::of_components(&found, origin(&runner, &from), rows.len());
    for (index, direction) in directions.iter().enumerate() {
        let name = args.save.as_ref().map(|name| format!("{name}-{}", index + 1));
        save(context, name.as_deref(), &direction.to_json())?;
    }
    let files = component_files(&found, &directions);
    write_folder_atomically(&args.out, &files)?;
    context.note(&format!(
        "Wrote {}: components.csv and {} directions",
        args.out.display(),
        found.directions.len()
    ));
    let json = json!({
        "command": "directions",
        "model": model_json(runner.info()),
        "out": args.out,
        "pictures": rows.len(),
        "deviations": found.deviations,
        "shares_of_variance": found.shares,
    });
    context.results(&components_text(&found), &json)
}

fn components_text(found: &Components) -> String {
    let mut table = Table::new(&["component", "deviation", "share of variance", "together"]);
    let mut together = 0.0;
    for (index, (deviation, share)) in found.deviations.iter().zip(&found.shares).enumerate() {
        together += share;
        table.push(vec![
            (index + 1).to_string(),
            format!("{deviation:.4}"),
            format!("{:.1} %", 100.0 * share),
            format!("{:.1} %", 100.0 * together),
        ]);
    }
    format!(
        "{}\na direction at amount 1 moves by one standard deviation\n",
        table.render()
    )
}
