/// Why a picture could not be read, made or written.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// The file system refused.
    #[error("cannot read '{name}': {source}; check that the file exists and that you may read it")]
    Unreadable {
        /// File.
        name: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// A folder, a pipe or a device.
    #[error("'{name}' is not a file: give a picture file")]
    NotAFile {
        /// Path.
        name: String,
    },
    /// No bytes.
    #[error("'{name}' is empty: the file may not have been written or downloaded to its end")]
    Empty {
        /// File.
        name: String,
    },
    /// Not a picture, or of a kind that is not read.
    #[error("'{name}' is not a picture of a known kind: use PNG, JPEG, WebP, GIF, BMP or TIFF")]
    UnknownFormat {
        /// File.
        name: String,
    },
    /// A picture of a kind, or a variant of a kind, that is not read.
    #[error("'{name}' cannot be read: {reason}; save it as PNG, JPEG, WebP, GIF, BMP or TIFF in RGB")]
    Unsupported {
        /// File.
        name: String,
        /// What is not read.
        reason: String,
    },
    /// A picture file that breaks off or holds nonsense.
    #[error("'{name}' is damaged: {reason}; get a fresh copy or save it again with another program")]
    Damaged {
        /// File.
        name: String,
        /// Where decoding failed.
        reason: String,
    },
    /// More pixels than are decoded.
    #[error(
        "'{name}' is too large: {width} x {height} pixels; at most {max_megapixels} megapixels and {max_megabytes} MB \
         decoded are read, so make it smaller first"
    )]
    TooLarge {
        /// File.
        name: String,
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
        /// Limit of width times height, in millions.
        max_megapixels: u64,
        /// Limit of the decoded size in 2^20 bytes.
        max_megabytes: u64,
    },
    /// A file larger than is read into memory.
    #[error("'{name}' is too large: {megabytes} MB; picture files of at most {max_megabytes} MB are read")]
    FileTooLarge {
        /// File.
        name: String,
        /// Its size in 2^20 bytes.
        megabytes: u64,
        /// Limit in 2^20 bytes.
        max_megabytes: u64,
    },
    /// A picture without pixels.
    #[error("'{name}' has no pixels ({width} x {height}): both sides must be at least 1")]
    ZeroSize {
        /// File.
        name: String,
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// Pixels that do not make up the size.
    #[error("a picture of {width} x {height} pixels takes {expected} values, {found} were given")]
    BufferLength {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
        /// 3 * width * height.
        expected: u64,
        /// As given.
        found: usize,
    },
    /// The encoder of a format refused.
    #[error("cannot write the picture as {format}: {reason}")]
    Encode {
        /// PNG, JPEG, GIF or APNG.
        format: &'static str,
        /// What it says.
        reason: String,
    },
    /// A JPEG quality outside its range.
    #[error("JPEG quality {quality} does not exist: use 1 to 100")]
    Quality {
        /// As given.
        quality: u8,
    },
    /// An animation without frames.
    #[error("an animation needs at least one frame")]
    NoFrames,
    /// Frames of different sizes.
    #[error(
        "frame {frame} is {width} x {height} pixels, the first is {expected_width} x {expected_height}: use one size"
    )]
    FrameSize {
        /// Index from 0.
        frame: usize,
        /// Its columns.
        width: u32,
        /// Its rows.
        height: u32,
        /// Columns of the first.
        expected_width: u32,
        /// Rows of the first.
        expected_height: u32,
    },
    /// A keyword that a picture file cannot hold.
    #[error("'{keyword}' cannot name a text in a picture: use 1 to 79 printable ASCII characters")]
    Keyword {
        /// As given.
        keyword: String,
    },
    /// A text that is there but not whole.
    #[error(
        "the text '{keyword}' in the picture is damaged: {reason}; use a copy that no other program has changed"
    )]
    DamagedText {
        /// Its keyword.
        keyword: String,
        /// What is wrong.
        reason: String,
    },
}
