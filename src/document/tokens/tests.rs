use super::*;
use crate::document::{TensorData, TensorEntry, TokenFileOptions, tensors_to_bytes, tokens_to_bytes};
use crate::latent::Codebook;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn space() -> LatentSpace {
    let stored = vec![1.0, 0.0, 0.0, 1.0, -1.0, 0.0, 0.6, 0.8, 0.0, -1.0, 0.8, 0.6];
    let codebook = Codebook::new(2, 3, 2, true, 0.1, stored).unwrap();
    LatentSpace {
        token_count: 4,
        dim: 2,
        codebook,
        mean: 0.0,
        std: 1.0,
    }
}

/// What the encoder and quantiser give for `h`.
fn encoded(values: Vec<f32>) -> LatentState {
    let space = space();
    let h = Tokens {
        count: 4,
        dim: 2,
        values,
    };
    let mixture = |token| {
        let segment = space.codebook.segment_of(token, 4);
        posterior(&space.codebook, segment, h.row(token), space.codebook.tau)
    };
    let mixtures: Vec<Mixture> = (0..4).map(mixture).collect();
    let values = mixtures
        .iter()
        .flat_map(|mixture| space.codebook.mix(mixture))
        .collect();
    let z = Tokens {
        count: 4,
        dim: 2,
        values,
    };
    LatentState {
        h: Some(h),
        z,
        mixtures: mixtures.into_iter().map(Some).collect(),
    }
}

proptest! {
    #[test]
    fn states_come_back_bit_for_bit(rows in prop::collection::vec(prop::collection::vec(0.1f32..2.0, 8), 1..4)) {
        let states: Vec<LatentState> = rows.into_iter().map(encoded).collect();
        let names: Vec<String> = (0..states.len()).map(|index| format!("\"{index}\" é.png")).collect();
        for with_weights in [true, false] {
            let options =
                TokenFileOptions { with_weights, model: Some("abc"), names: &names, fit: Some(Fit::Pad) };
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
    state.mixtures[2] = None;
    let bytes = tokens_to_bytes(&[state.clone()], &TokenFileOptions::default()).unwrap();
    let read = tokens_from_bytes(&bytes, "a/tok.safetensors", Some(&space())).unwrap();
    assert_eq!(read.states, [state]);
    assert_eq!(read.names, ["tok"]);
}

#[test]
fn a_swapped_token_keeps_the_mixture_of_its_old_segment() {
    let mut state = encoded(vec![0.9, 0.1, 0.2, 0.8, 0.5, 0.4, 0.3, 0.7]);
    state.mixtures.swap(0, 3);
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
