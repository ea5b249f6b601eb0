//! `softscope interpolate A B --frames N [--mode linear|slerp] [--tokens LIST] --out X`

use super::context::{Context, model_json};
use super::error::CliError;
use super::inputs;
use super::options::{FitArg, ModeArg, TokenList};
use super::outputs::{self, OutKind};
use crate::document::{self, AnimationFormat, TokenFileOptions, write_atomically};
use crate::latent::Tokens;
use crate::picture::{Planar, Rgb8};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The picture or token file to start from
    #[arg(value_name = "A")]
    from: PathBuf,
    /// The picture or token file to end at
    #[arg(value_name = "B")]
    to: PathBuf,
    /// Frames in all, both ends included
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(2..))]
    frames: u16,
    /// How the values between are taken
    #[arg(long, value_enum, default_value_t = ModeArg::Linear)]
    mode: ModeArg,
    /// Only these tokens move, such as `0,3,8-11`
    #[arg(long, value_name = "LIST", default_value = "all")]
    tokens: TokenList,
    /// A folder for numbered PNG, .png for one strip, .gif, .apng, or .safetensors for `z` f32 `[N,L,D]`
    #[arg(long, value_name = "X")]
    out: PathBuf,
    /// How pictures become the model's square
    #[arg(long, value_enum, default_value_t = FitArg::Crop)]
    fit: FitArg,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), CliError> {
    let kind = OutKind::of(
        &args.out,
        &[
            OutKind::Folder,
            OutKind::Png,
            OutKind::Gif,
            OutKind::Apng,
            OutKind::Tokens,
        ],
    )?;
    let (from, to) = (
        inputs::split_number(&args.from).0,
        inputs::split_number(&args.to).0,
    );
    outputs::guard(&args.out, &[&from, &to])?;
    let runner = context.open_model()?;
    let info = runner.info();
    let tokens = args.tokens.of(info.space.token_count)?;

    let progress = context.progress("Encoding");
    let start = inputs::read_state(&runner, &args.from, args.fit.into(), &progress)?;
    let end = inputs::read_state(&runner, &args.to, args.fit.into(), &progress)?;
    drop(progress);
    let target = document::embedded(&end.z, None);
    let count = usize::from(args.frames);
    let steps =
        document::interpolation_edits(&target, &tokens, info.space.token_count, args.mode.into(), count)?;
    let frames = steps
        .iter()
        .map(|step| document::apply_edits(&info.space, &start, std::slice::from_ref(step)))
        .collect::<Result<Vec<_>, _>>()?;

    match animation_format(kind) {
        None => {
            let options = TokenFileOptions {
                model: Some(&info.hash),
                ..TokenFileOptions::default()
            };
            write_atomically(&args.out, &document::tokens_to_bytes(&frames, &options)?)?;
        }
        Some(format) => {
            let tokens: Vec<&Tokens> = frames.iter().map(|frame| &frame.z).collect();
            let pictures: Vec<Rgb8> = context
                .decode(&runner, &tokens)?
                .iter()
                .map(Planar::to_rgb8)
                .collect();
            document::animation_bytes(&pictures, format)?.write(&args.out)?;
        }
    }

    context.note(&format!("Wrote {}: {} frames", args.out.display(), frames.len()));
    let json = serde_json::json!({
        "command": "interpolate",
        "model": model_json(info),
        "from": args.from,
        "to": args.to,
        "out": args.out,
        "frames": frames.len(),
        "tokens": tokens,
    });
    context.results("", &json)
}

/// `None` for tokens, which are not decoded.
fn animation_format(kind: OutKind) -> Option<AnimationFormat> {
    match kind {
        OutKind::Gif => Some(AnimationFormat::Gif),
        OutKind::Apng => Some(AnimationFormat::Apng),
        OutKind::Png => Some(AnimationFormat::Strip),
        OutKind::Folder => Some(AnimationFormat::Frames),
        OutKind::Tokens | OutKind::Jpeg => None,
    }
}
