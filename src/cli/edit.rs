//! `softscope edit IN --recipe R.json --out X`

use super::context::{Context, model_json};
use super::error::CliError;
use super::inputs;
use super::options::FitArg;
use super::outputs;
use super::progress::Progress;
use crate::document::{
    self, DocumentError, EditedFormat, EditedPicture, GenerationRecord, Recipe, write_atomically,
};
use crate::engine::Runner;
use crate::latent::{Edit, LatentState};
use crate::picture::{self, Fit, Planar, Rgb8};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A picture, tokens (.safetensors with `z`), or a picture exported with its recipe inside
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// The edits: a recipe (.json) or an exported picture with one inside; without it the recipe inside IN is replayed
    #[arg(long, value_name = "R")]
    recipe: Option<PathBuf>,
    /// .png or .jpg with the recipe inside, or .safetensors for the edited `z` f32 `[1,L,D]`
    #[arg(long, value_name = "X")]
    out: PathBuf,
    /// How a picture becomes the model's square
    #[arg(long, value_enum, default_value_t = FitArg::Crop)]
    fit: FitArg,
}

/// What the edits start from.
struct Base {
    name: String,
    /// The model's square; `None` for a token file.
    crop: Option<Rgb8>,
    state: LatentState,
    /// The recipe inside the input.
    recipe: Option<Recipe>,
    /// How the picture was generated, where the input says so.
    generation: Option<GenerationRecord>,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), CliError> {
    let format = EditedFormat::of(&args.out).map_err(|error| CliError::usage(error.to_string()))?;
    let (file, _) = inputs::split_number(&args.input);
    let mut sources = vec![file.as_path()];
    sources.extend(args.recipe.as_deref());
    outputs::guard(&args.out, &sources)?;
    let given = args.recipe.as_deref().map(read_recipe).transpose()?;

    let runner = context.open_model()?;
    let info = runner.info();
    if let Some(recipe) = &given {
        recipe.check_model(&info.hash)?;
    }
    let progress = context.progress("Editing");
    let base = read_base(&runner, &args.input, args.fit.into(), &progress)?;
    let (recipe, folder) = match (given, base.recipe) {
        (Some(recipe), _) => (recipe, args.recipe.as_deref().and_then(Path::parent)),
        (None, Some(recipe)) => (recipe, file.parent()),
        (None, None) => return Err(CliError::NoRecipe(args.input.clone())),
    };
    let recipe = ready(
        recipe,
        folder.unwrap_or(Path::new("")),
        context,
        &runner,
        args.fit.into(),
        &progress,
    )?;
    let state = document::apply_edits(&info.space, &base.state, &recipe.edits)?;
    drop(progress);
    let decoded = context.decode(&runner, &[&state.z])?;
    let picture = decoded.first().map(Planar::to_rgb8).ok_or(CliError::Nothing)?;

    let edited = EditedPicture {
        picture: &picture,
        crop: base.crop.as_ref(),
        state: &state,
        recipe: &recipe,
        name: &base.name,
        generation: base.generation.as_ref(),
    };
    write_atomically(&args.out, &document::edited_bytes(&edited, format)?)?;
    context.note(&format!(
        "Wrote {}: {} edits applied",
        args.out.display(),
        recipe.edits.len()
    ));
    let json = serde_json::json!({
        "command": "edit",
        "model": model_json(info),
        "input": args.input,
        "out": args.out,
        "edits": recipe.edits.iter().map(Edit::label).collect::<Vec<_>>(),
    });
    context.results("", &json)
}

/// The tokens of one picture after the recipe inside it, where it has one.
pub(super) fn edited_state(
    context: &Context,
    runner: &Runner,
    input: &Path,
    fit: Fit,
    progress: &Progress,
) -> Result<LatentState, CliError> {
    let base = read_base(runner, input, fit, progress)?;
    let Some(recipe) = base.recipe else {
        return Ok(base.state);
    };
    let folder = input.parent().unwrap_or(Path::new(""));
    let recipe = ready(recipe, folder, context, runner, fit, progress)?;
    Ok(document::apply_edits(
        &runner.info().space,
        &base.state,
        &recipe.edits,
    )?)
}

/// A recipe from a file of its own or from inside an exported picture.
fn read_recipe(path: &Path) -> Result<Recipe, CliError> {
    let bytes = document::read_file(path)?;
    let name = path.display().to_string();
    if path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("json"))
    {
        let text = String::from_utf8_lossy(&bytes);
        return Ok(Recipe::from_json(&text).map_err(|source| DocumentError::RecipeIn { name, source })?);
    }
    document::source_from_bytes(&bytes, &name)?
        .recipe
        .ok_or_else(|| CliError::NoRecipe(path.to_path_buf()))
}

fn read_base(runner: &Runner, input: &Path, fit: Fit, progress: &Progress) -> Result<Base, CliError> {
    let (file, _) = inputs::split_number(input);
    let name = inputs::file_name(&file);
    if document::is_tensor_file(&file) || file.is_dir() {
        let (state, generation) = inputs::read_generated(runner, input, fit, progress)?;
        return Ok(Base {
            name,
            crop: None,
            state,
            recipe: None,
            generation,
        });
    }
    if !file.exists() {
        return Err(DocumentError::Missing(file).into());
    }
    let source = document::read_source(&file)?;
    if let Some(recipe) = &source.recipe {
        recipe.check_model(&runner.info().hash)?;
    }
    let crop = picture::fit(&source.picture, inputs::side(runner.info()), fit);
    let state = inputs::encode_crop(runner, &crop, progress)?;
    Ok(Base {
        name,
        crop: Some(crop),
        state,
        recipe: source.recipe,
        generation: source.generation,
    })
}

/// The recipe with everything inside that it needs, and the mark of the model it is applied with.
fn ready(
    mut recipe: Recipe,
    folder: &Path,
    context: &Context,
    runner: &Runner,
    fit: Fit,
    progress: &Progress,
) -> Result<Recipe, CliError> {
    recipe.resolve(folder, &mut |path| {
        let state = inputs::read_state(runner, path, fit, progress);
        Ok(state
            .map_err(|error| DocumentError::Mismatch(error.to_string()))?
            .z)
    })?;
    recipe.resolve_directions(context.places())?;
    recipe.model = Some(runner.info().hash.clone());
    Ok(recipe)
}
