//! The directory of a zip archive as PyTorch writes it: stored entries, zip64 where needed.

use super::{IndexError, malformed};
use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

const END_SIGNATURE: [u8; 4] = *b"PK\x05\x06";
const END64_LOCATOR_SIGNATURE: [u8; 4] = *b"PK\x06\x07";
const END64_SIGNATURE: [u8; 4] = *b"PK\x06\x06";
const CENTRAL_SIGNATURE: [u8; 4] = *b"PK\x01\x02";
const LOCAL_SIGNATURE: [u8; 4] = *b"PK\x03\x04";
const END_BYTES: usize = 22;
const LONGEST_COMMENT: usize = 0xFFFF;
const ZIP64_EXTRA: u16 = 1;

/// Place of an archive member.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member {
    /// Bytes of its content.
    pub(super) length: u64,
    local_header: u64,
    is_compressed: bool,
}

/// Little-endian fields of a byte slice; a field outside of it is an error, not a panic.
struct Fields<'bytes>(&'bytes [u8]);

impl Fields<'_> {
    fn bytes<const N: usize>(&self, at: usize) -> Result<[u8; N], IndexError> {
        self.0
            .get(at..at.saturating_add(N))
            .and_then(|slice| slice.try_into().ok())
            .ok_or_else(|| malformed("its zip directory is cut off"))
    }
    fn u16(&self, at: usize) -> Result<u16, IndexError> {
        self.bytes(at).map(u16::from_le_bytes)
    }
    fn u32(&self, at: usize) -> Result<u32, IndexError> {
        self.bytes(at).map(u32::from_le_bytes)
    }
    fn u64(&self, at: usize) -> Result<u64, IndexError> {
        self.bytes(at).map(u64::from_le_bytes)
    }
}

fn read_at(file: &mut File, at: u64, length: usize) -> Result<Vec<u8>, IndexError> {
    file.seek(SeekFrom::Start(at))?;
    let mut bytes = vec![0; length];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Reads the archive's directory: members by name.
pub(super) fn read_directory(
    file: &mut File,
    file_length: u64,
) -> Result<HashMap<String, Member>, IndexError> {
    let (start, length) = locate_directory(file, file_length)?;
    if start.checked_add(length).is_none_or(|end| end > file_length) {
        return Err(malformed("its zip directory lies outside of the file"));
    }
    let length = usize::try_from(length).map_err(|_| malformed("its zip directory is too large"))?;
    let bytes = read_at(file, start, length)?;
    let mut members = HashMap::new();
    let mut at = 0;
    while at + 46 <= bytes.len() {
        let fields = Fields(&bytes[at..]);
        if fields.bytes(0)? != CENTRAL_SIGNATURE {
            break;
        }
        let name_length = usize::from(fields.u16(28)?);
        let extra_length = usize::from(fields.u16(30)?);
        let comment_length = usize::from(fields.u16(32)?);
        let name = bytes
            .get(at + 46..at + 46 + name_length)
            .ok_or_else(|| malformed("its zip directory is cut off"))?;
        let extra = bytes
            .get(at + 46 + name_length..at + 46 + name_length + extra_length)
            .unwrap_or_default();
        members.insert(
            String::from_utf8_lossy(name).into_owned(),
            member(&fields, extra)?,
        );
        at += 46 + name_length + extra_length + comment_length;
    }
    Ok(members)
}

fn member(fields: &Fields<'_>, extra: &[u8]) -> Result<Member, IndexError> {
    let stored = u64::from(fields.u32(20)?);
    let mut length = u64::from(fields.u32(24)?);
    let mut local_header = u64::from(fields.u32(42)?);
    // Zip64: the fields that hold all ones follow in the extra field, in this order.
    let wide = |value: u64| value == u64::from(u32::MAX);
    if wide(length) || wide(local_header) || wide(stored) {
        let extra = Fields(zip64_extra(extra)?);
        let mut at = 0;
        for (needed, target) in [(wide(length), Some(&mut length)), (wide(stored), None)] {
            if needed {
                if let Some(target) = target {
                    *target = extra.u64(at)?;
                }
                at += 8;
            }
        }
        if wide(local_header) {
            local_header = extra.u64(at)?;
        }
    }
    Ok(Member {
        length,
        local_header,
        is_compressed: fields.u16(10)? != 0,
    })
}

fn zip64_extra(extra: &[u8]) -> Result<&[u8], IndexError> {
    let mut at = 0;
    while at + 4 <= extra.len() {
        let fields = Fields(&extra[at..]);
        let length = usize::from(fields.u16(2)?);
        if fields.u16(0)? == ZIP64_EXTRA {
            return extra
                .get(at + 4..at + 4 + length)
                .ok_or_else(|| malformed("its zip directory is cut off"));
        }
        at += 4 + length;
    }
    Err(malformed("its zip directory lacks a 64-bit size"))
}

/// Position and length of the directory, from the record at the archive's end.
fn locate_directory(file: &mut File, file_length: u64) -> Result<(u64, u64), IndexError> {
    let tail_length = file_length.min((END_BYTES + LONGEST_COMMENT) as u64);
    let tail_start = file_length - tail_length;
    let tail = read_at(file, tail_start, tail_length as usize)?;
    let at = tail
        .windows(4)
        .rposition(|window| window == END_SIGNATURE)
        .ok_or_else(|| malformed("the zip archive has no end; it is damaged or not fully downloaded"))?;
    let end = Fields(&tail[at..]);
    let (length, start) = (end.u32(12)?, end.u32(16)?);
    if start != u32::MAX && length != u32::MAX {
        return Ok((u64::from(start), u64::from(length)));
    }
    let locator_at = (tail_start + at as u64)
        .checked_sub(20)
        .ok_or_else(|| malformed("zip64 record missing"))?;
    let locator = read_at(file, locator_at, 20)?;
    let locator = Fields(&locator);
    if locator.bytes(0)? != END64_LOCATOR_SIGNATURE {
        return Err(malformed("the zip archive lacks its 64-bit directory"));
    }
    let record = read_at(file, locator.u64(8)?, 56)?;
    let record = Fields(&record);
    if record.bytes(0)? != END64_SIGNATURE {
        return Err(malformed("the zip archive lacks its 64-bit directory"));
    }
    Ok((record.u64(48)?, record.u64(40)?))
}

/// Position of a member's first byte of content.
pub(super) fn content_offset(
    file: &mut File,
    file_length: u64,
    name: &str,
    member: Member,
) -> Result<u64, IndexError> {
    if member.is_compressed {
        return Err(malformed(format!(
            "`{name}` is compressed inside the archive; PyTorch stores it as it is"
        )));
    }
    let header = read_at(file, member.local_header, 30)?;
    let fields = Fields(&header);
    if fields.bytes(0)? != LOCAL_SIGNATURE {
        return Err(malformed(format!("`{name}` is not where the zip directory says")));
    }
    let offset = member
        .local_header
        .checked_add(30 + u64::from(fields.u16(26)?) + u64::from(fields.u16(28)?))
        .filter(|offset| {
            offset
                .checked_add(member.length)
                .is_some_and(|end| end <= file_length)
        })
        .ok_or_else(|| malformed(format!("`{name}` reaches over the end of the file")))?;
    Ok(offset)
}
