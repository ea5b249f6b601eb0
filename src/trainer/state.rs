//! A run between two sittings: weights, moments, averages, how far it is.

use super::adversary::{self, Adversary, SavedAdversary};
use super::optimiser::Parameter;
use super::values::{gradient_values, with_values};
use super::{LecamAverages, TrainConfig, TrainError};
use crate::document::{TensorData, TensorEntry, tensors_to_bytes};
use crate::tokenizer::parameter_shapes;
use candle_core::{Device, Tensor, Var};
use safetensors::{Dtype, SafeTensors};
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::Path;

const STEP: &str = "softscope_train_step";
const CONFIG: &str = "softscope_train_config";
const LECAM: &str = "softscope_train_lecam";

/// Bytes of a header that are read at most; the format allows no more.
const LONGEST_HEADER: u64 = 100_000_000;

/// What the file keeps of each parameter, as a prefix of its key.
const WEIGHT: &str = "weight.";
const FIRST_MOMENT: &str = "first_moment.";
const SECOND_MOMENT: &str = "second_moment.";
const AVERAGE: &str = "average.";
/// Prefix of what a discriminator changes without gradients.
const BUFFER: &str = "discriminator_buffer.";

/// Prefix of those keys that no model asks for.
const PROJECTION: &str = "projection.";

/// What a run was started with, as its state keeps it beside the weights.
pub(super) trait Record: Sized {
    fn to_text(&self) -> Result<String, String>;
    fn parse(text: &str) -> Result<Self, String>;
    /// The parameters that belong to it.
    fn shapes(&self) -> Result<BTreeMap<String, Vec<usize>>, String>;
}

impl Record for TrainConfig {
    fn to_text(&self) -> Result<String, String> {
        self.to_toml()
    }

    fn parse(text: &str) -> Result<Self, String> {
        Self::parse(text)
    }

    fn shapes(&self) -> Result<BTreeMap<String, Vec<usize>>, String> {
        parameter_shapes(&self.model.args(), self.model.class.into())
    }
}

/// A run as it was saved.
#[derive(Debug)]
pub(super) struct Saved<R> {
    /// Steps done.
    pub(super) step: u64,
    pub(super) config: R,
    pub(super) parameters: Vec<Parameter>,
    pub(super) adversary: SavedAdversary,
}

/// The state file after `step` steps. What is drawn next follows from the seed and the step, so no generator has a
/// state to keep.
pub(super) fn state_bytes(
    step: u64,
    config: &impl Record,
    parameters: &[Parameter],
    adversary: Option<&Adversary>,
) -> Result<Vec<u8>, TrainError> {
    let opponents = adversary.map_or(&[][..], |adversary| &adversary.optimiser.parameters);
    let parameters: Vec<&Parameter> = parameters.iter().chain(opponents).collect();
    let mut weights = Vec::with_capacity(parameters.len());
    for parameter in &parameters {
        weights.push(with_values(parameter.var.as_tensor(), <[f32]>::to_vec)?);
    }
    let mut keys = Vec::new();
    for (parameter, weights) in parameters.iter().zip(&weights) {
        let shape = parameter.var.dims();
        for (prefix, values) in [
            (WEIGHT, weights.as_slice()),
            (FIRST_MOMENT, &parameter.first_moment),
            (SECOND_MOMENT, &parameter.second_moment),
            (AVERAGE, &parameter.average),
        ] {
            keys.push((format!("{prefix}{}", parameter.key), shape.to_vec(), values));
        }
    }
    let mut buffers = Vec::new();
    for (key, tensor) in adversary.map(Adversary::buffers).unwrap_or_default() {
        buffers.push((format!("{BUFFER}{key}"), gradient_values(&tensor)?));
    }
    let of_buffers = buffers.iter().map(|(key, values)| TensorEntry {
        key,
        shape: vec![values.len()],
        data: TensorData::F32(values),
    });
    let entries = keys
        .iter()
        .map(|(key, shape, values)| TensorEntry {
            key,
            shape: shape.clone(),
            data: TensorData::F32(values),
        })
        .chain(of_buffers)
        .collect();
    let text = config.to_text().map_err(|reason| TrainError::State {
        path: "the state".into(),
        reason,
    })?;
    let mut metadata = BTreeMap::from([(STEP.to_owned(), step.to_string()), (CONFIG.to_owned(), text)]);
    if let Some(Adversary { averages, .. }) = adversary {
        // Written so that the same number is read again.
        metadata.insert(
            LECAM.to_owned(),
            format!("{:?} {:?}", averages.real, averages.fake),
        );
    }
    Ok(tensors_to_bytes(entries, &metadata))
}

/// `model.safetensors` of the averaged weights.
pub(super) fn model_bytes(parameters: &[Parameter]) -> Vec<u8> {
    let entries = parameters
        .iter()
        .map(|parameter| TensorEntry {
            key: &parameter.key,
            shape: parameter.var.dims().to_vec(),
            data: TensorData::F32(&parameter.average),
        })
        .collect();
    let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    tensors_to_bytes(entries, &metadata)
}

/// Steps done and the configuration of a state file, from its header alone.
///
/// # Errors
/// An unreadable or damaged file.
pub(super) fn read_progress(path: &Path) -> Result<(u64, TrainConfig), TrainError> {
    let header = read_header(path).map_err(|source| TrainError::Read {
        path: path.to_owned(),
        source,
    })?;
    progress(&header).map_err(|reason| damaged(path, &reason))
}

fn read_header(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let mut length = [0; 8];
    file.read_exact(&mut length)?;
    let mut header = Vec::new();
    file.take(u64::from_le_bytes(length).min(LONGEST_HEADER))
        .read_to_end(&mut header)?;
    Ok(header)
}

fn progress(header: &[u8]) -> Result<(u64, TrainConfig), String> {
    let header: serde_json::Value = serde_json::from_slice(header).map_err(|error| error.to_string())?;
    let text = |key: &str| {
        let text = header.pointer(&format!("/__metadata__/{key}"));
        text.and_then(serde_json::Value::as_str)
            .ok_or_else(|| format!("`{key}` is missing"))
    };
    Ok((parse_step(text(STEP)?)?, TrainConfig::parse(text(CONFIG)?)?))
}

fn parse_step(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|error| format!("`{STEP}` is no number: {error}"))
}

fn damaged(path: &Path, reason: &str) -> TrainError {
    TrainError::State {
        path: path.to_owned(),
        reason: format!("{reason}; the run cannot be continued from this file"),
    }
}

/// Reads a state file.
///
/// # Errors
/// An unreadable or damaged file.
pub(super) fn read_state<R: Record>(path: &Path) -> Result<Saved<R>, TrainError> {
    let bytes = std::fs::read(path).map_err(|source| TrainError::Read {
        path: path.to_owned(),
        source,
    })?;
    parse(&bytes).map_err(|reason| damaged(path, &reason))
}

fn parse<R: Record>(bytes: &[u8]) -> Result<Saved<R>, String> {
    let words = |error: safetensors::SafeTensorError| error.to_string();
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(words)?;
    let file = SafeTensors::deserialize(bytes).map_err(words)?;
    let text = |key: &str| {
        let texts = header.metadata().as_ref();
        texts
            .and_then(|texts| texts.get(key).cloned())
            .ok_or_else(|| format!("`{key}` is missing"))
    };
    let step = parse_step(&text(STEP)?)?;
    let config = R::parse(&text(CONFIG)?)?;
    let mut shapes = config.shapes()?;
    for (name, tensor) in file.iter() {
        let key = name.strip_prefix(WEIGHT).unwrap_or_default();
        if key.starts_with(PROJECTION) || key.starts_with(adversary::PREFIX) {
            shapes.insert(key.to_owned(), tensor.shape().to_vec());
        }
    }
    let parameters: Vec<Parameter> = shapes
        .into_iter()
        .map(|(key, shape)| {
            let values = |prefix: &str| values(&file, &format!("{prefix}{key}"), &shape);
            let weights = values(WEIGHT)?;
            let (first, second, average) = (values(FIRST_MOMENT)?, values(SECOND_MOMENT)?, values(AVERAGE)?);
            let parameter = Tensor::from_vec(weights, shape.as_slice(), &Device::Cpu)
                .and_then(|weights| Parameter::new(key.clone(), Var::from_tensor(&weights)?));
            let mut parameter = parameter.map_err(|error| error.to_string())?;
            parameter.first_moment = first;
            parameter.second_moment = second;
            parameter.average = average;
            Ok(parameter)
        })
        .collect::<Result<_, String>>()?;
    let (opponents, parameters) = parameters
        .into_iter()
        .partition(|parameter| parameter.key.starts_with(adversary::PREFIX));
    let mut buffers = HashMap::new();
    for (name, tensor) in file.iter() {
        if let Some(key) = name.strip_prefix(BUFFER) {
            let values = values(&file, name, tensor.shape())?;
            let tensor = Tensor::from_vec(values, tensor.shape(), &Device::Cpu);
            buffers.insert(key.to_owned(), tensor.map_err(|error| error.to_string())?);
        }
    }
    let averages = match text(LECAM) {
        Ok(text) => averages(&text)?,
        Err(_) => LecamAverages::default(),
    };
    Ok(Saved {
        step,
        config,
        parameters,
        adversary: SavedAdversary {
            parameters: opponents,
            buffers,
            averages,
        },
    })
}

fn averages(text: &str) -> Result<LecamAverages, String> {
    let mut numbers = text.split(' ').map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(real)), Some(Ok(fake))) => Ok(LecamAverages { real, fake }),
        _ => Err(format!("`{LECAM}` is \"{text}\", not two numbers")),
    }
}

fn values(file: &SafeTensors<'_>, key: &str, shape: &[usize]) -> Result<Vec<f32>, String> {
    let tensor = file.tensor(key).map_err(|_| format!("`{key}` is missing"))?;
    if tensor.dtype() != Dtype::F32 || tensor.shape() != shape {
        return Err(format!(
            "`{key}` is {:?} {:?}, not F32 {shape:?}",
            tensor.dtype(),
            tensor.shape()
        ));
    }
    let words = tensor.data().as_chunks::<4>().0;
    Ok(words.iter().map(|word| f32::from_le_bytes(*word)).collect())
}
