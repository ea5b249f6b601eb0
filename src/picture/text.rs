//! Text inside picture files: iTXt chunks in PNG, APP15 segments in JPEG.
//!
//! A JPEG segment holds less than 64 KiB, so a text is cut into pieces. Each piece begins with [`JPEG_MARK`], the
//! keyword and a zero byte, then, as big-endian u32, its index, the number of pieces, the length of the whole text,
//! and the first 8 bytes of the whole text's SHA-256.

use super::PictureError;
use img_parts::jpeg::{Jpeg, JpegSegment, markers};
use png::text_metadata::ITXtChunk;
use sha2::{Digest, Sha256};
use std::io::Cursor;

const JPEG_MARK: &[u8] = b"softscope text\0";
/// Largest piece of a text: with its head it stays under the 65533 bytes a segment holds.
const PIECE_BYTES: usize = 65_000;
const MAX_KEYWORD_BYTES: usize = 79;
/// A text that unpacks to more is refused: a few bytes of a hostile file could claim any size.
const MAX_TEXT_BYTES: usize = 256 << 20;

const PNG_SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
const JPEG_SIGNATURE: &[u8] = b"\xff\xd8";

/// The text stored under `keyword` by [`super::to_png`] or [`super::to_jpeg`], if there is one. A file that is neither
/// PNG nor JPEG has none. An error where the text is there but not whole.
pub fn embedded_text(bytes: &[u8], keyword: &str) -> Result<Option<String>, PictureError> {
    if bytes.starts_with(PNG_SIGNATURE) {
        png_text(bytes, keyword)
    } else if bytes.starts_with(JPEG_SIGNATURE) {
        jpeg_text(bytes, keyword)
    } else {
        Ok(None)
    }
}

/// Keywords that both formats hold.
pub(super) fn check_keyword(keyword: &str) -> Result<(), PictureError> {
    let is_printable = keyword
        .bytes()
        .all(|byte| byte == b' ' || byte.is_ascii_graphic());
    if is_printable && (1..=MAX_KEYWORD_BYTES).contains(&keyword.len()) {
        Ok(())
    } else {
        Err(PictureError::Keyword {
            keyword: keyword.to_owned(),
        })
    }
}

fn damaged(keyword: &str, reason: impl Into<String>) -> PictureError {
    PictureError::DamagedText {
        keyword: keyword.to_owned(),
        reason: reason.into(),
    }
}

// ---- PNG

fn png_text(bytes: &[u8], keyword: &str) -> Result<Option<String>, PictureError> {
    if !png_has_text(bytes, keyword) {
        return Ok(None);
    }
    // The decoder leaves out chunks whose checksum is wrong: what was seen above and is not delivered is damaged.
    let limits = png::Limits {
        bytes: MAX_TEXT_BYTES,
    };
    let mut reader = png::Decoder::new_with_limits(Cursor::new(bytes), limits)
        .read_info()
        .map_err(|error| damaged(keyword, error.to_string()))?;
    let find = |chunks: &[ITXtChunk]| chunks.iter().find(|chunk| chunk.keyword == keyword).cloned();
    let mut chunk = find(&reader.info().utf8_text);
    if chunk.is_none() {
        // Other programs may put it after the pixels.
        reader
            .finish()
            .map_err(|error| damaged(keyword, error.to_string()))?;
        chunk = find(&reader.info().utf8_text);
    }
    let mut chunk = chunk.ok_or_else(|| damaged(keyword, "its checksum is wrong"))?;
    chunk
        .decompress_text_with_limit(MAX_TEXT_BYTES)
        .and_then(|()| chunk.get_text())
        .map(Some)
        .map_err(|error| damaged(keyword, error.to_string()))
}

/// Whether an iTXt chunk of that keyword begins anywhere in the chunk list.
fn png_has_text(bytes: &[u8], keyword: &str) -> bool {
    let mut rest = bytes.get(PNG_SIGNATURE.len()..).unwrap_or_default();
    while let Some((head, body)) = rest.split_first_chunk::<8>() {
        let [a, b, c, d, kind @ ..] = *head;
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let is_ours = || {
            body.strip_prefix(keyword.as_bytes())
                .is_some_and(|after| after.starts_with(&[0]))
        };
        if kind == *b"iTXt" && is_ours() {
            return true;
        }
        // The checksum takes 4 bytes more.
        rest = body.get(length.saturating_add(4)..).unwrap_or_default();
    }
    false
}

// ---- JPEG

/// The segments that hold a text.
pub(super) fn text_segments(keyword: &str, text: &str) -> Result<Vec<JpegSegment>, PictureError> {
    check_keyword(keyword)?;
    let too_long = || PictureError::Encode {
        format: "JPEG",
        reason: format!(
            "the text '{keyword}' has {} bytes, at most {MAX_TEXT_BYTES} are written",
            text.len()
        ),
    };
    if text.len() > MAX_TEXT_BYTES {
        return Err(too_long());
    }
    let length = u32::try_from(text.len()).map_err(|_| too_long())?;
    let pieces: Vec<&[u8]> = if text.is_empty() {
        vec![&[]]
    } else {
        text.as_bytes().chunks(PIECE_BYTES).collect()
    };
    let count = u32::try_from(pieces.len()).map_err(|_| too_long())?;
    let whole = Whole {
        pieces: count,
        bytes: length,
        digest: digest(text.as_bytes()),
    };
    let segment = |(index, content): (u32, &[u8])| {
        let mut contents = [JPEG_MARK, keyword.as_bytes(), b"\0"].concat();
        Piece {
            index,
            whole,
            content,
        }
        .write(&mut contents);
        JpegSegment::new_with_contents(markers::APP15, contents.into())
    };
    Ok((0..count).zip(pieces).map(segment).collect())
}

/// What each piece says of the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Whole {
    pieces: u32,
    bytes: u32,
    digest: u64,
}

/// One piece of a text.
struct Piece<'a> {
    index: u32,
    whole: Whole,
    content: &'a [u8],
}

impl<'a> Piece<'a> {
    fn write(&self, segment: &mut Vec<u8>) {
        for number in [self.index, self.whole.pieces, self.whole.bytes] {
            segment.extend_from_slice(&number.to_be_bytes());
        }
        segment.extend_from_slice(&self.whole.digest.to_be_bytes());
        segment.extend_from_slice(self.content);
    }

    fn read(bytes: &'a [u8]) -> Option<Self> {
        let (index, bytes) = bytes.split_first_chunk()?;
        let (pieces, bytes) = bytes.split_first_chunk()?;
        let (length, bytes) = bytes.split_first_chunk()?;
        let (digest, content) = bytes.split_first_chunk()?;
        let whole = Whole {
            pieces: u32::from_be_bytes(*pieces),
            bytes: u32::from_be_bytes(*length),
            digest: u64::from_be_bytes(*digest),
        };
        Some(Self {
            index: u32::from_be_bytes(*index),
            whole,
            content,
        })
    }
}

/// The first 8 bytes of the SHA-256, as a big-endian number.
fn digest(text: &[u8]) -> u64 {
    Sha256::digest(text)
        .iter()
        .take(8)
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn jpeg_text(bytes: &[u8], keyword: &str) -> Result<Option<String>, PictureError> {
    // What cannot be taken apart has no text; the picture's own decoder says what is wrong with it.
    let Ok(jpeg) = Jpeg::from_bytes(bytes.to_vec().into()) else {
        return Ok(None);
    };
    let mut pieces = Vec::new();
    for segment in jpeg.segments_by_marker(markers::APP15) {
        let after_mark = segment.contents().strip_prefix(JPEG_MARK);
        let after_keyword = after_mark.and_then(|rest| rest.strip_prefix(keyword.as_bytes()));
        if let Some(rest) = after_keyword.and_then(|rest| rest.strip_prefix(b"\0".as_slice())) {
            pieces.push(Piece::read(rest).ok_or_else(|| damaged(keyword, "a piece breaks off"))?);
        }
    }
    if pieces.is_empty() {
        return Ok(None);
    }
    join_pieces(keyword, pieces).map(Some)
}

fn join_pieces(keyword: &str, mut pieces: Vec<Piece>) -> Result<String, PictureError> {
    pieces.sort_by_key(|piece| piece.index);
    let whole = pieces
        .first()
        .map(|piece| piece.whole)
        .ok_or_else(|| damaged(keyword, "it has no pieces"))?;
    let fits = |(place, piece): (u32, &Piece)| piece.whole == whole && piece.index == place;
    if pieces.len() != whole.pieces as usize || !(0..).zip(&pieces).all(fits) {
        let reason = format!(
            "{} pieces were found where {} belong together",
            pieces.len(),
            whole.pieces
        );
        return Err(damaged(keyword, reason));
    }
    let text = pieces
        .iter()
        .map(|piece| piece.content)
        .collect::<Vec<_>>()
        .concat();
    if text.len() != whole.bytes as usize || digest(&text) != whole.digest {
        return Err(damaged(keyword, "its checksum is wrong"));
    }
    String::from_utf8(text).map_err(|error| damaged(keyword, error.to_string()))
}

/// Whether the picture data of a JPEG goes on to its end marker. Only the scan is searched: an embedded thumbnail has
/// an end marker of its own.
pub(super) fn jpeg_is_complete(bytes: &[u8]) -> bool {
    const END: [u8; 2] = [0xff, markers::EOI];
    let mut rest = bytes.get(JPEG_SIGNATURE.len()..).unwrap_or_default();
    // Segments up to the scan: 0xff, marker, big-endian length that counts itself.
    while let Some((&[lead, marker, high, low], _)) = rest.split_first_chunk::<4>() {
        if lead != 0xff || marker == 0xff {
            // Fill and stray bytes between segments are allowed.
            rest = rest.get(1..).unwrap_or_default();
        } else if marker == markers::SOS {
            return rest.windows(END.len()).any(|pair| pair == END);
        } else {
            let length = usize::from(u16::from_be_bytes([high, low]));
            rest = rest.get(2 + length..).unwrap_or_default();
        }
    }
    false
}
