use crate::document::extension::lower_extension;
use crate::document::{DocumentError, write_atomically, write_folder_atomically};
use crate::latent::{BlendMode, Edit, TokenSource};
use crate::picture::{self, Rgb8};
use std::path::Path;

/// Time each frame of an animation is shown.
const FRAME_MS: u16 = 60;

/// What an interpolation becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnimationFormat {
    /// An animated GIF: 256 colours a frame.
    Gif,
    /// An animated PNG, lossless.
    Apng,
    /// A folder of numbered PNG files.
    Frames,
    /// One PNG with the frames side by side.
    Strip,
}

impl AnimationFormat {
    /// By the extension of the name: `.gif`, `.apng`, `.png` for a strip, none for a folder of frames.
    pub fn of(path: &Path) -> Result<Self, DocumentError> {
        match lower_extension(path).as_deref() {
            Some("gif") => Ok(Self::Gif),
            Some("apng") => Ok(Self::Apng),
            Some("png") => Ok(Self::Strip),
            None => Ok(Self::Frames),
            Some(_) => Err(DocumentError::UnknownExtension {
                path: path.to_path_buf(),
                expected: ".gif, .apng, .png (a strip) or no extension (a folder of frames)",
            }),
        }
    }
}

/// Bytes ready to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExportedFiles {
    /// One file.
    File(Vec<u8>),
    /// A folder of files: name and bytes.
    Folder(Vec<(String, Vec<u8>)>),
}

impl ExportedFiles {
    /// Writes all or nothing.
    pub fn write(&self, path: &Path) -> Result<(), DocumentError> {
        match self {
            Self::File(bytes) => write_atomically(path, bytes),
            Self::Folder(files) => write_folder_atomically(path, files),
        }
    }
}

/// The edit that makes each of `frames` frames from the tokens of the first picture: t from 0 to 1, both ends included.
/// `tokens` empty means all `token_count`.
pub fn interpolation_edits(
    with: &TokenSource,
    tokens: &[usize],
    token_count: usize,
    mode: BlendMode,
    frames: usize,
) -> Result<Vec<Edit>, DocumentError> {
    if frames < 2 {
        return Err(DocumentError::Mismatch(format!(
            "an interpolation needs at least 2 frames, not {frames}"
        )));
    }
    let tokens: Vec<usize> = if tokens.is_empty() {
        (0..token_count).collect()
    } else {
        tokens.to_vec()
    };
    let last = (frames - 1) as f32;
    Ok((0..frames)
        .map(|frame| Edit::Blend {
            with: with.clone(),
            tokens: tokens.clone(),
            t: frame as f32 / last,
            mode,
        })
        .collect())
}

/// Equally sized frames in the form `format`.
pub fn animation_bytes(frames: &[Rgb8], format: AnimationFormat) -> Result<ExportedFiles, DocumentError> {
    match format {
        AnimationFormat::Gif => Ok(ExportedFiles::File(picture::to_gif(frames, FRAME_MS)?)),
        AnimationFormat::Apng => Ok(ExportedFiles::File(picture::to_apng(frames, FRAME_MS)?)),
        AnimationFormat::Strip => Ok(ExportedFiles::File(picture::to_png(&strip(frames), &[])?)),
        AnimationFormat::Frames => {
            let digits = frames.len().saturating_sub(1).to_string().len().max(3);
            let file = |(index, frame): (usize, &Rgb8)| {
                Ok((format!("{index:0digits$}.png"), picture::to_png(frame, &[])?))
            };
            frames
                .iter()
                .enumerate()
                .map(file)
                .collect::<Result<_, DocumentError>>()
                .map(ExportedFiles::Folder)
        }
    }
}

fn strip(frames: &[Rgb8]) -> Rgb8 {
    let width = frames.iter().map(Rgb8::width).sum();
    let height = frames.iter().map(Rgb8::height).max().unwrap_or(0);
    let mut strip = Rgb8::filled(width, height, [0; 3]);
    let mut left = 0;
    for frame in frames {
        strip.paste(frame, left, 0);
        left += frame.width();
    }
    strip
}
