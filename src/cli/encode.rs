//! `softscope encode IN… --out F.safetensors [--weights]`

use super::context::{Context, model_json};
use super::error::CliError;
use super::inputs::{self, Batches};
use super::options::FitArg;
use super::outputs::{self, OutKind};
use crate::document::{TokenFileOptions, TokenFileWriter, write_atomically};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Pictures, folders of pictures, or a .safetensors with `x` f32 `[N,3,H,W]` in -1..1 or `x_u8` u8 `[N,H,W,3]`
    #[arg(value_name = "IN", required = true)]
    inputs: Vec<PathBuf>,
    /// Where the tokens go (.safetensors): `h` and `z` f32 `[N,L,D]`; of SoftVQ and VQ models `indices` i64 `[N,L]`, of
    /// KL models `mean` and `logvar` f32 `[N,L,D]` (their `h` is twice as wide)
    #[arg(long, value_name = "F.safetensors")]
    out: PathBuf,
    /// Also write `weights` f32 `[N,L,n]`, the whole mixture of every token; SoftVQ only
    #[arg(long)]
    weights: bool,
    /// How pictures become the model's square
    #[arg(long, value_enum, default_value_t = FitArg::Crop)]
    fit: FitArg,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), CliError> {
    OutKind::of(&args.out, &[OutKind::Tokens])?;
    let pictures = inputs::gather(&args.inputs)?;
    outputs::guard(&args.out, &inputs::paths(&pictures))?;
    let runner = context.open_model()?;
    let info = runner.info();

    let names: Vec<String> = pictures.iter().map(|picture| picture.name.clone()).collect();
    let mut file = TokenFileWriter::new(TokenFileOptions {
        with_weights: args.weights,
        model: Some(&info.hash),
        names: &names,
        fit: Some(args.fit.into()),
        generations: &[],
    });
    let progress = context.progress("Encoding");
    Batches::new(&runner, &pictures, args.fit, &progress).encode(|_, state| Ok(file.push(&state)?))?;
    drop(progress);
    write_atomically(&args.out, &file.to_bytes()?)?;

    context.note(&format!(
        "Wrote {}: the tokens of {}",
        args.out.display(),
        inputs::count(pictures.len())
    ));
    let json = serde_json::json!({
        "command": "encode",
        "model": model_json(info),
        "out": args.out,
        "pictures": names,
        "fit": args.fit.name(),
        "tokens": info.space.token_count,
        "dim": info.space.dim,
    });
    context.results("", &json)
}
