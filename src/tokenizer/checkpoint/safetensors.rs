//! The header of a safetensors file, believed only as far as the file reaches.

use super::{Entry, IndexError, StoredType, malformed};
use safetensors::tensor::{Dtype, Metadata};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

/// Bytes of the length that precedes the header.
const LENGTH_BYTES: u64 = 8;
/// The format's own limit.
const LARGEST_HEADER_BYTES: u64 = 100_000_000;

fn header_length(file: &mut File) -> Result<u64, IndexError> {
    let mut length = [0_u8; LENGTH_BYTES as usize];
    file.seek(SeekFrom::Start(0))?;
    file.read_exact(&mut length)?;
    Ok(u64::from_le_bytes(length))
}

/// Whether the header's length fits into the file and a JSON object begins after it.
pub(super) fn is_plausible(file: &mut File, file_length: u64) -> Result<bool, IndexError> {
    if file_length <= LENGTH_BYTES {
        return Ok(false);
    }
    let header = header_length(file)?;
    let mut first = [0_u8];
    file.read_exact(&mut first)?;
    Ok(header <= file_length - LENGTH_BYTES && first == *b"{")
}

pub(super) fn read_index(file: &mut File, file_length: u64) -> Result<BTreeMap<String, Entry>, IndexError> {
    let header_bytes = header_length(file)?;
    let available = file_length.saturating_sub(LENGTH_BYTES);
    if header_bytes > available.min(LARGEST_HEADER_BYTES) {
        return Err(malformed(format!(
            "not a safetensors file: it claims a header of {header_bytes} bytes, {available} bytes follow"
        )));
    }
    let mut header = Vec::new();
    file.take(header_bytes).read_to_end(&mut header)?;
    // Deserialising validates: ranges follow each other without gap or overlap and fit shape times type.
    let metadata: Metadata = serde_json::from_slice(&header)
        .map_err(|cause| malformed(format!("its safetensors header is not valid ({cause})")))?;
    let data_start = LENGTH_BYTES + header_bytes;
    let data_bytes = file_length - data_start.min(file_length);
    if metadata.data_len() as u64 != data_bytes {
        return Err(malformed(format!(
            "its header announces {} bytes of weights and {data_bytes} follow; \
             the file is damaged or not fully downloaded",
            metadata.data_len()
        )));
    }
    let entries = metadata.tensors().into_iter().map(|(key, info)| {
        let stored_type = stored_type(info.dtype);
        let entry = Entry {
            stored_type,
            span: info.shape.iter().product(),
            shape: info.shape.clone(),
            shard: 0,
            offset: data_start + info.data_offsets.0 as u64,
            strides: None,
        };
        (key, entry)
    });
    Ok(entries.collect())
}

fn stored_type(dtype: Dtype) -> StoredType {
    match dtype {
        Dtype::F64 => StoredType::F64,
        Dtype::F32 => StoredType::F32,
        Dtype::F16 => StoredType::F16,
        Dtype::BF16 => StoredType::Bf16,
        _ => StoredType::Other,
    }
}
