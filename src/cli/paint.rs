//! `softscope paint IN --mask M.png --target T.png --tokens LIST|all|best:K --out X`

use super::context::{Context, model_json};
use super::error::CliError;
use super::inputs;
use super::options::{FitArg, TokenList};
use super::outputs;
use crate::document::{self, EditedFormat, EditedPicture, Recipe, write_atomically};
use crate::engine::{NearHull, PaintFigures, PaintJob, PaintSettings, PaintTokens};
use crate::latent::Edit;
use crate::picture::{self, Planar};
use clap::ValueEnum;
use std::path::{Path, PathBuf};
use std::time::Instant;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A picture, or tokens (.safetensors with `z`)
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// The region: a picture, painted white on black or opaque on transparent
    #[arg(long, value_name = "M.png")]
    mask: PathBuf,
    /// What the region is to look like: the picture painted over, or any other
    #[arg(long, value_name = "T.png")]
    target: PathBuf,
    /// Tokens that may move: a list such as 0,3,8-11, `all`, or `best:K` for the K with the largest gradient
    #[arg(long, value_name = "LIST", default_value = "all")]
    tokens: Moving,
    /// .png or .jpg with the recipe inside, .safetensors for the `z`, or .json for the recipe alone
    #[arg(long, value_name = "X")]
    out: PathBuf,
    /// How the tokens are kept near their codewords
    #[arg(long, value_enum, default_value_t = Hull::Penalty)]
    hull: Hull,
    /// Weight of `--hull penalty`
    #[arg(long, value_name = "W", default_value_t = PaintSettings::PENALTY)]
    hull_weight: f64,
    /// Steps of the search
    #[arg(long, value_name = "N", default_value_t = PaintSettings::default().steps)]
    steps: usize,
    /// Size of the first step, in units of the spread of the tokens' values
    #[arg(long, value_name = "S", default_value_t = PaintSettings::default().rate)]
    rate: f64,
    /// Weight of keeping the rest as it is, against the region
    #[arg(long, value_name = "W", default_value_t = PaintSettings::default().hold)]
    hold: f64,
    /// How a picture becomes the model's square
    #[arg(long, value_enum, default_value_t = FitArg::Crop)]
    fit: FitArg,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Hull {
    /// Free
    Free,
    /// By a penalty on the distance to the nearest mixture
    Penalty,
    /// The outcome is mixtures of codewords
    Project,
}

/// Which tokens may move, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Moving {
    Best(usize),
    List(TokenList),
}

impl std::str::FromStr for Moving {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim().strip_prefix("best:") {
            Some(count) => match count.trim().parse() {
                Ok(count) if count > 0 => Ok(Self::Best(count)),
                _ => Err(format!(
                    "`{text}`: write best:K with K at least 1, such as best:4"
                )),
            },
            None => Ok(Self::List(text.parse()?)),
        }
    }
}

impl Moving {
    fn of(&self, count: usize) -> Result<PaintTokens, CliError> {
        Ok(match self {
            Self::Best(best) => PaintTokens::Best(*best),
            Self::List(TokenList::All) => PaintTokens::All,
            Self::List(list) => PaintTokens::List(list.of(count)?),
        })
    }
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), CliError> {
    let is_recipe = args
        .out
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let format = if is_recipe {
        None
    } else {
        Some(EditedFormat::of(&args.out).map_err(|error| CliError::usage(error.to_string()))?)
    };
    let is_usable = args.rate > 0.0 && args.hold >= 0.0 && args.hull_weight >= 0.0;
    if !is_usable || !(args.rate + args.hold + args.hull_weight).is_finite() {
        return Err(CliError::usage(
            "--rate must be above 0, --hold and --hull-weight at least 0",
        ));
    }
    let (file, _) = inputs::split_number(&args.input);
    outputs::guard(&args.out, &[&file, &args.mask, &args.target])?;
    let runner = context.open_model()?;
    let (info, fit) = (runner.info(), args.fit.into());
    let side = inputs::side(info);
    let progress = context.progress("Painting");
    let (state, crop) = inputs::read_with_crop(&runner, &args.input, fit, &progress)?;
    let target = picture::fit(&picture::open(&args.target)?, side, fit);
    let job = PaintJob {
        start: state.z.clone(),
        target: Planar::from_rgb8(&target),
        mask: inputs::read_mask(&args.mask, side, fit)?,
        tokens: args.tokens.of(info.space.token_count)?,
        settings: PaintSettings {
            near_hull: match args.hull {
                Hull::Free => NearHull::Free,
                Hull::Penalty => NearHull::Penalty(args.hull_weight),
                Hull::Project => NearHull::Project,
            },
            steps: args.steps,
            rate: args.rate,
            hold: args.hold,
        },
    };
    let started = Instant::now();
    let painting = runner.paint(job, &progress)?;
    let seconds = started.elapsed().as_secs_f64();
    drop(progress);
    let recipe = Recipe {
        model: Some(info.hash.clone()),
        edits: vec![painting.edit()],
    };
    let state = document::apply_edits(&info.space, &state, &recipe.edits)?;
    let bytes = match format {
        None => recipe.to_json().into_bytes(),
        Some(format) => {
            let decoded = context.decode(&runner, &[&state.z])?;
            let picture = decoded.first().map(Planar::to_rgb8).ok_or(CliError::Nothing)?;
            let edited = EditedPicture {
                picture: &picture,
                crop: crop.as_ref(),
                state: &state,
                recipe: &recipe,
                name: &inputs::file_name(&file),
                generation: None,
            };
            document::edited_bytes(&edited, format)?
        }
    };
    write_atomically(&args.out, &bytes)?;
    context.note(&format!(
        "Wrote {} in {seconds:.2} s of searching",
        args.out.display()
    ));
    let (_, after) = painting.best();
    let json = serde_json::json!({
        "command": "paint",
        "model": model_json(info),
        "input": args.input,
        "out": args.out,
        "tokens": painting.tokens(),
        "steps": args.steps,
        "before": painting.first(),
        "after": after,
        "seconds": seconds,
        "edits": recipe.edits.iter().map(Edit::label).collect::<Vec<_>>(),
    });
    context.results(
        &text(painting.tokens(), painting.first(), after, &args.out),
        &json,
    )
}

fn text(tokens: &[usize], before: Option<PaintFigures>, after: Option<PaintFigures>, out: &Path) -> String {
    let figures = |figures: Option<PaintFigures>| {
        figures.map_or_else(
            || "not measured".to_owned(),
            |figures| format!("region {:.2}, rest {:.2}", figures.region, figures.rest),
        )
    };
    format!(
        "{}: {} tokens moved\nbefore: {}\nafter:  {}\nroot mean square difference from the target in the region, and from \
         the decode before in the rest, in steps of 8-bit values\n",
        out.display(),
        tokens.len(),
        figures(before),
        figures(after)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_so_many_or_a_list() {
        assert_eq!("best:4".parse(), Ok(Moving::Best(4)));
        assert_eq!("all".parse(), Ok(Moving::List(TokenList::All)));
        assert!(matches!("0,3-5".parse(), Ok(Moving::List(TokenList::Some(_)))));
        for wrong in ["best:0", "best:", "best:x", "some"] {
            assert!(wrong.parse::<Moving>().is_err(), "{wrong}");
        }
    }
}
