//! What `--out` names, and that it is no input.

use super::CliError;
use std::path::{Path, PathBuf};

/// What a command writes, told from the name given with `--out`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OutKind {
    Folder,
    Png,
    Jpeg,
    Gif,
    Apng,
    Tokens,
}

impl OutKind {
    const ALL: [OutKind; 6] = [
        OutKind::Folder,
        OutKind::Png,
        OutKind::Jpeg,
        OutKind::Gif,
        OutKind::Apng,
        OutKind::Tokens,
    ];

    fn extensions(self) -> &'static [&'static str] {
        match self {
            OutKind::Folder => &[],
            OutKind::Png => &["png"],
            OutKind::Jpeg => &["jpg", "jpeg"],
            OutKind::Gif => &["gif"],
            OutKind::Apng => &["apng"],
            OutKind::Tokens => &["safetensors"],
        }
    }

    fn words(self) -> String {
        match self {
            OutKind::Folder => "a folder".to_owned(),
            _ => self
                .extensions()
                .iter()
                .map(|extension| format!(".{extension}"))
                .collect::<Vec<_>>()
                .join(", "),
        }
    }

    /// The kind that `out` names, of those a command can write. A folder that exists is a folder whatever its name.
    pub(crate) fn of(out: &Path, allowed: &[OutKind]) -> Result<OutKind, CliError> {
        let extension = out
            .extension()
            .map(|extension| extension.to_string_lossy().to_lowercase());
        let kind = match extension {
            _ if out.is_dir() => Some(OutKind::Folder),
            None => Some(OutKind::Folder),
            Some(extension) => OutKind::ALL
                .into_iter()
                .find(|kind| kind.extensions().contains(&extension.as_str())),
        };
        kind.filter(|kind| allowed.contains(kind)).ok_or_else(|| {
            let words: Vec<String> = allowed.iter().map(|kind| kind.words()).collect();
            CliError::usage(format!(
                "--out {}: this command writes {}",
                out.display(),
                words.join(", ")
            ))
        })
    }
}

/// Refuses an output that is one of the inputs, through whatever link.
pub(crate) fn guard(out: &Path, inputs: &[&Path]) -> Result<(), CliError> {
    let Ok(out_file) = out.canonicalize() else {
        return Ok(()); // not there yet, so it is nobody's input
    };
    let is_input = |input: &&&Path| input.canonicalize().is_ok_and(|input| input == out_file);
    match inputs.iter().find(is_input) {
        Some(_) => Err(CliError::WouldOverwriteInput(out.to_path_buf())),
        None => Ok(()),
    }
}

/// Makes the folder that results go into.
pub(crate) fn make_folder(folder: &Path) -> Result<(), CliError> {
    if folder.exists() && !folder.is_dir() {
        return Err(CliError::NotAFolder(folder.to_path_buf()));
    }
    std::fs::create_dir_all(folder).map_err(|source| CliError::Folder {
        path: folder.to_path_buf(),
        source,
    })
}

/// `<folder>/<stem>.png` for each picture; refuses two pictures of one name.
pub(crate) fn png_names<'a>(
    folder: &Path,
    pictures: impl Iterator<Item = (&'a str, &'a Path)>,
) -> Result<Vec<PathBuf>, CliError> {
    let mut taken: std::collections::HashMap<PathBuf, &Path> = std::collections::HashMap::new();
    let mut names = Vec::new();
    for (stem, source) in pictures {
        let name = folder.join(format!("{stem}.png"));
        if let Some(first) = taken.insert(name.clone(), source) {
            return Err(CliError::SameOutput {
                first: first.to_path_buf(),
                second: source.to_path_buf(),
                output: name,
            });
        }
        names.push(name);
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extension_tells_what_is_written() {
        let all = OutKind::ALL;
        assert_eq!(OutKind::of(Path::new("a.PNG"), &all).unwrap(), OutKind::Png);
        assert_eq!(OutKind::of(Path::new("a.jpeg"), &all).unwrap(), OutKind::Jpeg);
        assert_eq!(OutKind::of(Path::new("frames"), &all).unwrap(), OutKind::Folder);
        let error = OutKind::of(Path::new("a.webp"), &[OutKind::Png, OutKind::Folder]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains(".png, a folder"), "{error}");
    }

    #[test]
    fn an_input_is_never_an_output() {
        let folder = tempfile::tempdir().unwrap();
        let input = folder.path().join("a.png");
        std::fs::write(&input, b"x").unwrap();
        let same = folder.path().join(".").join("a.png");
        assert!(guard(&same, &[&input]).is_err());
        assert!(guard(&folder.path().join("b.png"), &[&input]).is_ok());
    }

    #[test]
    fn two_pictures_of_one_name_are_refused() {
        let (a, b) = (Path::new("x/cat.jpg"), Path::new("y/cat.png"));
        assert!(png_names(Path::new("o"), [("cat", a), ("cat", b)].into_iter()).is_err());
        assert_eq!(
            png_names(Path::new("o"), [("cat", a)].into_iter()).unwrap(),
            [Path::new("o/cat.png")]
        );
    }
}
