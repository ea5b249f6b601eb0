//! `softscope decode F.safetensors --out X`

use super::context::{Context, model_json};
use super::error::CliError;
use super::inputs;
use super::outputs::{self, OutKind};
use crate::document::{
    self, AnimationFormat, ExportedFiles, TensorData, TensorEntry, TokenFile, tensors_to_bytes,
};
use crate::engine::ModelInfo;
use crate::latent::Tokens;
use crate::picture::{self, Planar, Rgb8};
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Tokens: a .safetensors with `z` f32 `[N,L,D]`; `F.safetensors#2` takes one picture of it
    #[arg(value_name = "F.safetensors")]
    tokens: PathBuf,
    /// .safetensors for `dec` f32 `[N,3,H,W]` unclamped; .png for one picture (several stand side by side); or a folder
    #[arg(long, value_name = "X")]
    out: PathBuf,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), CliError> {
    let kind = OutKind::of(&args.out, &[OutKind::Tokens, OutKind::Png, OutKind::Folder])?;
    let (file, number) = inputs::split_number(&args.tokens);
    outputs::guard(&args.out, &[&file])?;
    let runner = context.open_model()?;
    let info = runner.info();
    let tokens = chosen(document::read_tokens(&file, Some(&info.space))?, &file, number)?;

    let rows: Vec<&Tokens> = tokens.states.iter().map(|state| &state.z).collect();
    let decoded = context.decode(&runner, &rows)?;
    let pictures = || decoded.iter().map(Planar::to_rgb8).collect::<Vec<Rgb8>>();
    let exported = match kind {
        OutKind::Tokens => ExportedFiles::File(tensor_bytes(&decoded, &tokens.names, info)?),
        OutKind::Png => document::animation_bytes(&pictures(), AnimationFormat::Strip)?,
        _ => {
            let names = file_names(&tokens.names).into_iter().zip(pictures());
            let files = names.map(|(name, picture)| Ok((name, picture::to_png(&picture, &[])?)));
            ExportedFiles::Folder(files.collect::<Result<_, CliError>>()?)
        }
    };
    exported.write(&args.out)?;

    context.note(&format!(
        "Wrote {}: {}",
        args.out.display(),
        inputs::count(decoded.len())
    ));
    let json = serde_json::json!({
        "command": "decode",
        "model": model_json(info),
        "out": args.out,
        "pictures": tokens.names,
    });
    context.results("", &json)
}

/// All pictures of a token file, or the one with this number.
fn chosen(mut tokens: TokenFile, file: &Path, number: Option<usize>) -> Result<TokenFile, CliError> {
    let Some(index) = number else { return Ok(tokens) };
    let count = tokens.states.len();
    if index >= count {
        return Err(CliError::NoSuchPicture {
            path: file.to_path_buf(),
            index,
            count,
        });
    }
    tokens.states = vec![tokens.states.swap_remove(index)];
    tokens.names = vec![tokens.names.swap_remove(index)];
    Ok(tokens)
}

/// `dec` f32 `[N,3,H,W]` with what it was decoded from.
fn tensor_bytes(decoded: &[Planar], names: &[String], info: &ModelInfo) -> Result<Vec<u8>, CliError> {
    let first = decoded.first().ok_or(CliError::Nothing)?;
    let values: Vec<f32> = decoded.iter().flat_map(|planar| &planar.data).copied().collect();
    let shape = vec![decoded.len(), 3, first.height as usize, first.width as usize];
    let metadata = BTreeMap::from([
        ("model".to_owned(), info.hash.clone()),
        ("names".to_owned(), serde_json::json!(names).to_string()),
    ]);
    Ok(tensors_to_bytes(
        vec![TensorEntry {
            key: "dec",
            shape,
            data: TensorData::F32(&values),
        }],
        &metadata,
    ))
}

/// `<name>.png` for each picture; numbers where the names in the file are no plain, different names.
fn file_names(names: &[String]) -> Vec<String> {
    let stem = |name: &String| {
        let path = Path::new(name);
        let is_plain = path.components().count() == 1 && path.file_name().is_some();
        path.file_stem()
            .filter(|_| is_plain)
            .map(|stem| format!("{}.png", stem.to_string_lossy()))
    };
    let stems: Option<Vec<String>> = names.iter().map(stem).collect();
    match stems {
        Some(stems) if stems.iter().collect::<HashSet<_>>().len() == stems.len() => stems,
        _ => (0..names.len()).map(|index| format!("{index:04}.png")).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_after_the_pictures_where_that_is_safe() {
        let names = |names: &[&str]| file_names(&names.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(names(&["cat.jpg", "dog.png"]), ["cat.png", "dog.png"]);
        assert_eq!(names(&["cat.jpg", "cat.png"]), ["0000.png", "0001.png"]);
        assert_eq!(names(&["../cat.jpg"]), ["0000.png"]);
        assert_eq!(names(&[".."]), ["0000.png"]);
    }
}
