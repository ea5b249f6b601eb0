use super::*;
use crate::document::{TensorData, TensorEntry, TokenFileOptions, tensors_to_bytes, tokens_to_bytes};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn space() -> LatentSpace {
    let stored = vec![1.0, 0.0, 0.0, 1.0, -1.0, 0.0, 0.6, 0.8, 0.0, -1.0, 0.8, 0.6];
    let codebook = Codebook::new(2, 3, 2, true, 0.1, stored).unwrap();
    LatentSpace {
        token_count: 4,
        dim: 2,
        bottleneck: Bottleneck::Soft(codebook),
        mean: 0.0,
        std: 1.0,
    }
}

/// What the encoder and quantiser give for `h`.
fn encoded(values: Vec<f32>) -> LatentState {
    let space = space();
    let codebook = space.mixing().unwrap();
    let h = Tokens {
        count: 4,
        dim: 2,
        values,
    };
    let mixture = |token| {
        let segment = codebook.segment_of(token, 4);
        posterior(codebook, segment, h.row(token), codebook.tau)
    };
    let mixtures: Vec<Mixture> = (0..4).map(mixture).collect();
    let values = mixtures
        .iter()
        .flat_map(|mixture| codebook.mix(mixture))
        .collect();
    let z = Tokens {
        count: 4,
        dim: 2,
        values,
    };
    LatentState {
        h: Some(h),
        z,
        assignments: mixtures
            .into_iter()
            .map(|mixture| Some(Assignment::Soft(mixture)))
            .collect(),
    }
}

proptest! {
    #[test]
    fn states_come_back_bit_for_bit(rows in prop::collection::vec(prop::collection::vec(0.1f32..2.0, 8), 1..4)) {
        let states: Vec<LatentState> = rows.into_iter().map(encoded).collect();
        let names: Vec<String> = (0..states.len()).map(|index| format!("\"{index}\" é.png")).collect();
        for with_weights in [true, false] {
            let options =
                TokenFileOptions { with_weights, model: Some("abc"), names: &names, fit: Some(Fit::Pad), generations: &[] };
            let bytes = tokens_to_bytes(&states, &options).unwrap();
            prop_assert_eq!(&bytes, &tokens_to_bytes(&states, &options).unwrap());
            let read = tokens_from_bytes(&bytes, "t", Some(&space())).unwrap();
            prop_assert_eq!(&read.states, &states);
            prop_assert_eq!((read.model.as_deref(), read.fit, &read.names), (Some("abc"), Some(Fit::Pad), &names));
            let other = safetensors::SafeTensors::deserialize(&bytes).unwrap();
            prop_assert_eq!(other.tensor("indices").unwrap().shape().to_vec(), vec![states.len(), 4]);
            prop_assert_eq!(other.tensor("weights").is_ok(), with_weights);
        }
    }
}

#[test]
fn a_token_moved_off_its_mixture_has_none_when_read_back() {
    let mut state = encoded(vec![0.5; 8]);
    state.z.row_mut(2)[0] += 0.5;
    state.assignments[2] = None;
    let bytes = tokens_to_bytes(&[state.clone()], &TokenFileOptions::default()).unwrap();
    let read = tokens_from_bytes(&bytes, "a/tok.safetensors", Some(&space())).unwrap();
    assert_eq!(read.states, [state]);
    assert_eq!(read.names, ["tok"]);
}

#[test]
fn a_swapped_token_keeps_the_mixture_of_its_old_segment() {
    let mut state = encoded(vec![0.9, 0.1, 0.2, 0.8, 0.5, 0.4, 0.3, 0.7]);
    state.assignments.swap(0, 3);
    for rows in [&mut state.z, state.h.as_mut().unwrap()] {
        let (first, last) = (rows.row(0).to_vec(), rows.row(3).to_vec());
        rows.row_mut(0).copy_from_slice(&last);
        rows.row_mut(3).copy_from_slice(&first);
    }
    for with_weights in [true, false] {
        let options = TokenFileOptions {
            with_weights,
            ..TokenFileOptions::default()
        };
        let bytes = tokens_to_bytes(&[state.clone()], &options).unwrap();
        assert_eq!(
            tokens_from_bytes(&bytes, "t", Some(&space())).unwrap().states,
            [state.clone()]
        );
    }
}

fn space_of(bottleneck: Bottleneck) -> LatentSpace {
    LatentSpace {
        bottleneck,
        ..space()
    }
}

fn rows(dim: usize, values: Vec<f32>) -> Tokens {
    Tokens::new(4, dim, values).unwrap()
}

/// Written, read back, and the keys of the file.
fn round_trip(space: &LatentSpace, state: &LatentState) -> (LatentState, Vec<String>) {
    let options = TokenFileOptions {
        with_weights: true,
        ..TokenFileOptions::default()
    };
    let bytes = tokens_to_bytes(std::slice::from_ref(state), &options).unwrap();
    let read = tokens_from_bytes(&bytes, "t", Some(space)).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut keys: Vec<String> = file.names().iter().map(ToString::to_string).collect();
    keys.sort();
    (read.states[0].clone(), keys)
}

#[test]
fn codewords_of_a_hard_quantiser_come_back() {
    let codebook = Codebook::new(1, 3, 2, true, 0.1, vec![1.0, 0.0, 0.0, 1.0, -1.0, 0.0]).unwrap();
    let space = space_of(Bottleneck::Hard(codebook));
    let mut state = LatentState {
        h: Some(rows(2, vec![0.5, 0.1, 0.1, 0.9, -2.0, 0.1, 0.3, 0.2])),
        z: rows(2, vec![1.0, 0.0, 0.0, 1.0, -1.0, 0.0, 1.0, 0.0]),
        assignments: [0, 1, 2, 0]
            .map(|codeword| Some(Assignment::Hard(codeword)))
            .to_vec(),
    };
    assert_eq!(
        round_trip(&space, &state),
        (state.clone(), ["h", "indices", "z"].map(str::to_owned).to_vec())
    );
    // A token between codewords has no index, so the file has none.
    state.z.row_mut(1)[0] = 0.4;
    state.assignments[1] = None;
    assert_eq!(
        round_trip(&space, &state),
        (state.clone(), ["h", "z"].map(str::to_owned).to_vec())
    );
}

#[test]
fn distributions_come_back_and_lie_beside_the_encoder_output() {
    let space = space_of(Bottleneck::Gaussian);
    let h: Vec<f32> = (0..16).map(|index| index as f32 * 10.0 - 80.0).collect();
    let means: Vec<f32> = h.chunks(4).flat_map(|row| row[..2].to_vec()).collect();
    let state = LatentState {
        h: Some(rows(4, h)),
        z: rows(2, means.clone()),
        assignments: vec![None; 4],
    };
    let keys = ["h", "logvar", "mean", "z"].map(str::to_owned).to_vec();
    assert_eq!(round_trip(&space, &state), (state.clone(), keys));

    let bytes = tokens_to_bytes(std::slice::from_ref(&state), &TokenFileOptions::default()).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let floats = |key: &str| -> Vec<f32> {
        let tensor = file.tensor(key).unwrap();
        assert_eq!(tensor.shape(), [1, 4, 2]);
        let bytes = tensor.data().chunks(4);
        bytes
            .map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()))
            .collect()
    };
    assert_eq!(floats("mean"), means);
    assert_eq!(
        floats("logvar"),
        [-30.0, -30.0, -20.0, -10.0, 20.0, 20.0, 20.0, 20.0]
    );

    // Without a model the width tells; a file of another class's width is refused by a model.
    assert_eq!(tokens_from_bytes(&bytes, "t", None).unwrap().states, [state]);
    let error = tokens_from_bytes(&bytes, "t", Some(&space_of(Bottleneck::Identity)))
        .unwrap_err()
        .to_string();
    assert!(error.contains("\"h\"") && error.contains("[1, 4, 2]"), "{error}");
}

#[test]
fn plain_values_come_back() {
    let state = LatentState {
        h: Some(rows(2, vec![0.5; 8])),
        z: rows(2, vec![0.5; 8]),
        assignments: vec![None; 4],
    };
    let keys = ["h", "z"].map(str::to_owned).to_vec();
    assert_eq!(round_trip(&space_of(Bottleneck::Identity), &state), (state, keys));
}

fn told(entries: Vec<TensorEntry<'_>>) -> String {
    let bytes = tensors_to_bytes(entries, &BTreeMap::new());
    tokens_from_bytes(&bytes, "t.safetensors", Some(&space()))
        .unwrap_err()
        .to_string()
}

#[test]
fn errors_name_file_key_and_what_was_expected() {
    let zeros = [0.0f32; 64];
    let f32s = |key, shape: [usize; 3]| {
        let count: usize = shape.iter().product();
        TensorEntry {
            key,
            shape: shape.to_vec(),
            data: TensorData::F32(&zeros[..count]),
        }
    };
    let missing = told(vec![f32s("x", [1, 4, 2])]);
    assert!(
        missing.contains("t.safetensors has no \"z\"; it holds: x"),
        "{missing}"
    );
    let shape = told(vec![f32s("z", [1, 5, 2])]);
    assert!(
        shape.contains("[N, 4, 2]") && shape.contains("[1, 5, 2]"),
        "{shape}"
    );
    let empty = told(vec![f32s("z", [0, 4, 2])]);
    assert!(empty.contains("no axis empty"), "{empty}");
    let h = told(vec![f32s("z", [1, 4, 2]), f32s("h", [1, 4, 1])]);
    assert!(h.contains("\"h\"") && h.contains("[1, 4, 1]"), "{h}");
    let dtype = told(vec![TensorEntry {
        key: "z",
        shape: vec![1, 4, 2],
        data: TensorData::I64(&[0; 8]),
    }]);
    assert!(
        dtype.contains("I64") && dtype.contains("F32 [N, L, D]"),
        "{dtype}"
    );
}

#[test]
fn inputs_of_both_kinds_are_the_same_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let picture = Rgb8::new(2, 1, vec![0, 128, 255, 1, 2, 3]).unwrap();
    let planar = Planar::from_rgb8(&picture);
    let write = |name: &str, entry| {
        let path = folder.path().join(name);
        std::fs::write(&path, tensors_to_bytes(vec![entry], &BTreeMap::new())).unwrap();
        path
    };
    let bytes: Vec<u8> = picture.as_bytes().repeat(2);
    let floats: Vec<f32> = planar.data.repeat(2);
    let x_u8 = write(
        "u8.safetensors",
        TensorEntry {
            key: "x_u8",
            shape: vec![2, 1, 2, 3],
            data: TensorData::U8(&bytes),
        },
    );
    let x = write(
        "f32.safetensors",
        TensorEntry {
            key: "x",
            shape: vec![2, 3, 1, 2],
            data: TensorData::F32(&floats),
        },
    );
    assert_eq!(read_inputs(&x_u8).unwrap(), [planar.clone(), planar.clone()]);
    assert_eq!(read_inputs(&x).unwrap(), [planar.clone(), planar]);
    assert!(holds_inputs(&x).unwrap());
    let turned = write(
        "turned.safetensors",
        TensorEntry {
            key: "x",
            shape: vec![2, 1, 2, 3],
            data: TensorData::F32(&floats),
        },
    );
    assert!(
        read_inputs(&turned)
            .unwrap_err()
            .to_string()
            .contains("[N, 3, H, W]")
    );
    let neither = write(
        "neither.safetensors",
        TensorEntry {
            key: "y",
            shape: vec![1],
            data: TensorData::U8(&[0]),
        },
    );
    assert!(
        read_inputs(&neither)
            .unwrap_err()
            .to_string()
            .contains("\"x\" or \"x_u8\"")
    );
}
