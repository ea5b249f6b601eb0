//! Reading single tensors of a `.safetensors` file and writing one with the same bytes every time.
//!
//! The header alone is read first, so that a file of gigabytes with nothing of use in it costs nothing, and only the
//! tensors asked for are read after it.

use super::TokenFileError;
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};

/// Longest header taken for real; the format's own limit.
const MAX_HEADER_BYTES: u64 = 100_000_000;

/// What can be read and sought in.
pub(super) trait ReadSeek: Read + Seek {}
impl<T: Read + Seek> ReadSeek for T {}

/// An open file whose header was read and checked against its length.
pub(super) struct TensorFile<'a> {
    name: String,
    reader: Box<dyn ReadSeek + 'a>,
    header: Metadata,
    data_start: u64,
}

impl<'a> TensorFile<'a> {
    /// `name` is for messages.
    pub(super) fn open(name: String, mut reader: Box<dyn ReadSeek + 'a>) -> Result<Self, TokenFileError> {
        let lying = |reason: String| TokenFileError::Header {
            file: name.clone(),
            reason,
        };
        let io = |source| TokenFileError::Io {
            file: name.clone(),
            source,
        };
        let file_len = reader.seek(SeekFrom::End(0)).map_err(io)?;
        reader.rewind().map_err(io)?;
        if file_len < 8 {
            return Err(lying(format!("it is {file_len} bytes long")));
        }
        let mut length = [0; 8];
        reader.read_exact(&mut length).map_err(io)?;
        let header_len = u64::from_le_bytes(length);
        if header_len > MAX_HEADER_BYTES || header_len > file_len - 8 {
            return Err(lying(format!(
                "it claims a header of {header_len} bytes in a file of {file_len}"
            )));
        }
        let mut header = vec![0; usize::try_from(header_len).map_err(|error| lying(error.to_string()))?];
        reader.read_exact(&mut header).map_err(io)?;
        let header: Metadata = serde_json::from_slice(&header).map_err(|error| lying(error.to_string()))?;
        let data_start = 8 + header_len;
        let data_len = header.data_len() as u64;
        if data_len != file_len - data_start {
            let found = file_len - data_start;
            return Err(lying(format!(
                "its header describes {data_len} bytes of tensors, {found} are there"
            )));
        }
        Ok(Self {
            name,
            reader,
            header,
            data_start,
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn contains(&self, key: &str) -> bool {
        self.header.info(key).is_some()
    }

    /// Keys of all tensors, sorted.
    pub(super) fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = self.header.tensors().into_keys().collect();
        keys.sort();
        keys
    }

    /// A text of the header's metadata.
    pub(super) fn metadata(&self, key: &str) -> Option<&str> {
        self.header.metadata().as_ref()?.get(key).map(String::as_str)
    }

    /// Shape and bytes of a tensor that must have this type and number of axes; `axes` names them for the message.
    pub(super) fn bytes(
        &mut self,
        key: &str,
        dtype: Dtype,
        axes: &'static str,
        rank: usize,
    ) -> Result<(Vec<usize>, Vec<u8>), TokenFileError> {
        let Some(info) = self.header.info(key).cloned() else {
            return Err(TokenFileError::Missing {
                file: self.name.clone(),
                key: key.to_owned(),
                found: self.keys().join(", "),
            });
        };
        if info.dtype != dtype || info.shape.len() != rank || info.shape.contains(&0) {
            return Err(TokenFileError::Tensor {
                file: self.name.clone(),
                key: key.to_owned(),
                expected: format!("{dtype:?} {axes}, no axis empty"),
                found: describe(&info),
            });
        }
        let (start, end) = info.data_offsets;
        let mut bytes = vec![0; end - start];
        self.reader
            .seek(SeekFrom::Start(self.data_start + start as u64))
            .and_then(|_| self.reader.read_exact(&mut bytes))
            .map_err(|source| TokenFileError::Io {
                file: self.name.clone(),
                source,
            })?;
        Ok((info.shape, bytes))
    }

    /// An f32 tensor; every value must be finite.
    pub(super) fn f32(
        &mut self,
        key: &str,
        axes: &'static str,
        rank: usize,
    ) -> Result<(Vec<usize>, Vec<f32>), TokenFileError> {
        let (shape, bytes) = self.bytes(key, Dtype::F32, axes, rank)?;
        let values: Vec<f32> = bytes
            .as_chunks::<4>()
            .0
            .iter()
            .map(|chunk| f32::from_le_bytes(*chunk))
            .collect();
        match values.iter().position(|value| !value.is_finite()) {
            Some(place) => {
                let value = values.get(place).copied().unwrap_or(f32::NAN);
                Err(TokenFileError::NotFinite {
                    file: self.name.clone(),
                    key: key.to_owned(),
                    place,
                    value,
                })
            }
            None => Ok((shape, values)),
        }
    }
}

fn describe(info: &TensorInfo) -> String {
    format!("{:?} {:?}", info.dtype, info.shape)
}

/// A tensor to be written.
pub struct TensorEntry<'a> {
    /// Key in the file.
    pub key: &'a str,
    /// Its axes.
    pub shape: Vec<usize>,
    /// Its values, row-major.
    pub data: TensorData<'a>,
}

/// Values of a tensor to be written.
pub enum TensorData<'a> {
    /// 64-bit integers.
    I64(&'a [i64]),
    /// 64-bit floats.
    F64(&'a [f64]),
    /// 32-bit floats.
    F32(&'a [f32]),
    /// Bytes.
    U8(&'a [u8]),
}

impl TensorData<'_> {
    fn name(&self) -> &'static str {
        match self {
            Self::I64(_) => "I64",
            Self::F64(_) => "F64",
            Self::F32(_) => "F32",
            Self::U8(_) => "U8",
        }
    }

    fn value_bytes(&self) -> usize {
        match self {
            Self::I64(_) | Self::F64(_) => 8,
            Self::F32(_) => 4,
            Self::U8(_) => 1,
        }
    }

    fn len_bytes(&self) -> usize {
        let values = match self {
            Self::I64(values) => values.len(),
            Self::F64(values) => values.len(),
            Self::F32(values) => values.len(),
            Self::U8(values) => values.len(),
        };
        values * self.value_bytes()
    }

    fn append_to(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::I64(values) => values.iter().for_each(|value| bytes.extend(value.to_le_bytes())),
            Self::F64(values) => values.iter().for_each(|value| bytes.extend(value.to_le_bytes())),
            Self::F32(values) => values.iter().for_each(|value| bytes.extend(value.to_le_bytes())),
            Self::U8(values) => bytes.extend_from_slice(values),
        }
    }
}

/// Bytes of a `.safetensors` file. The safetensors crate keeps metadata in a hash map, whose order differs from run
/// to run; here the same tensors and texts give the same bytes.
pub fn tensors_to_bytes(mut tensors: Vec<TensorEntry<'_>>, metadata: &BTreeMap<String, String>) -> Vec<u8> {
    // Widest values first, then by key: every tensor starts aligned, as readers that map the file want it.
    tensors.sort_by(|a, b| {
        b.data
            .value_bytes()
            .cmp(&a.data.value_bytes())
            .then(a.key.cmp(b.key))
    });
    let mut header = Map::new();
    if !metadata.is_empty() {
        header.insert("__metadata__".to_owned(), json!(metadata));
    }
    let mut offset = 0;
    for tensor in &tensors {
        let end = offset + tensor.data.len_bytes();
        header.insert(
            tensor.key.to_owned(),
            json!({"dtype": tensor.data.name(), "shape": tensor.shape, "data_offsets": [offset, end]}),
        );
        offset = end;
    }
    let mut header = Value::Object(header).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut bytes = Vec::with_capacity(8 + header.len() + offset);
    bytes.extend((header.len() as u64).to_le_bytes());
    bytes.append(&mut header);
    tensors
        .iter()
        .for_each(|tensor| tensor.data.append_to(&mut bytes));
    bytes
}
