//! Writes PyTorch's zipped format by hand: the opcodes that `torch.save` writes for a state dict.

use candle_core::Tensor;
use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::path::Path;

/// Where the state dict lies in the saved object.
#[derive(Clone, Copy)]
pub(crate) enum Nesting {
    Root,
    /// Under this key, beside an epoch counter and an optimizer's state.
    Under(&'static str),
    /// Under this key, with a prefix before each of its own keys.
    Wrapped(&'static str, &'static str),
}

pub(crate) fn write(path: &Path, tensors: &HashMap<String, Tensor>, nesting: Nesting) {
    write_archive(path, tensors, nesting, false);
}

/// Every matrix is stored column by column, as a transposed view is saved.
pub(crate) fn write_transposed(path: &Path, tensors: &HashMap<String, Tensor>) {
    write_archive(path, tensors, Nesting::Root, true);
}

fn write_archive(path: &Path, tensors: &HashMap<String, Tensor>, nesting: Nesting, is_transposed: bool) {
    let tensors: BTreeMap<&String, &Tensor> = tensors.iter().collect();
    let mut pickle = vec![0x80, 2];
    let prefix = match nesting {
        Nesting::Root => {
            state_dict(&mut pickle, &tensors, "", is_transposed);
            None
        }
        Nesting::Under(key) => Some((key, "")),
        Nesting::Wrapped(key, prefix) => Some((key, prefix)),
    };
    if let Some((key, prefix)) = prefix {
        pickle.extend(*b"}(");
        text(&mut pickle, "epoch");
        pickle.extend([b'K', 7]);
        text(&mut pickle, "optimizer");
        pickle.extend(*b"}(");
        text(&mut pickle, "lr");
        pickle.push(b'G');
        pickle.extend(1e-4_f64.to_be_bytes());
        text(&mut pickle, "betas");
        pickle.extend(*b"N\x88\x86u");
        text(&mut pickle, key);
        state_dict(&mut pickle, &tensors, prefix, is_transposed);
        pickle.push(b'u');
    }
    pickle.push(b'.');

    let mut members = vec![("archive/data.pkl".to_owned(), pickle)];
    for (index, tensor) in tensors.values().enumerate() {
        let stored = if is_transposed && tensor.rank() == 2 {
            tensor.t().unwrap()
        } else {
            (*tensor).clone()
        };
        let values: Vec<f32> = stored.flatten_all().unwrap().to_vec1().unwrap();
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        members.push((format!("archive/data/{index}"), bytes));
    }
    members.push(("archive/version".to_owned(), b"3\n".to_vec()));
    write_zip(path, &members);
}

fn state_dict(pickle: &mut Vec<u8>, tensors: &BTreeMap<&String, &Tensor>, prefix: &str, is_transposed: bool) {
    pickle.extend(b"ccollections\nOrderedDict\n)R(");
    for (index, (key, tensor)) in tensors.iter().enumerate() {
        text(pickle, &format!("{prefix}{key}"));
        pickle.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        text(pickle, "storage");
        pickle.extend(b"ctorch\nFloatStorage\n");
        text(pickle, &index.to_string());
        text(pickle, "cpu");
        int(pickle, tensor.elem_count());
        pickle.extend(b"tQK\x00");
        let dims = tensor.dims();
        tuple(pickle, dims);
        let mut strides = tensor.stride().to_vec();
        if is_transposed && dims.len() == 2 {
            strides = vec![1, dims[0]];
        }
        tuple(pickle, &strides);
        // requires_grad, and an empty OrderedDict of hooks
        pickle.extend(b"\x89ccollections\nOrderedDict\n)RtR");
    }
    pickle.push(b'u');
    // state_dict() carries `_metadata`, which is set by BUILD
    pickle.extend(*b"}(");
    text(pickle, "_metadata");
    pickle.extend(*b"}ub");
}

fn text(pickle: &mut Vec<u8>, text: &str) {
    pickle.push(b'X');
    pickle.extend((text.len() as u32).to_le_bytes());
    pickle.extend(text.bytes());
}

fn int(pickle: &mut Vec<u8>, value: usize) {
    pickle.push(b'J');
    pickle.extend((value as i32).to_le_bytes());
}

fn tuple(pickle: &mut Vec<u8>, values: &[usize]) {
    pickle.push(b'(');
    for value in values {
        int(pickle, *value);
    }
    pickle.push(b't');
}

/// Stored members, each padded to 64 bytes as PyTorch pads them. Check sums are left at 0: nothing reads them.
fn write_zip(path: &Path, members: &[(String, Vec<u8>)]) {
    let mut archive = Vec::new();
    let mut directory = Vec::new();
    for (name, content) in members {
        let start = archive.len() as u32;
        let padding = (64 - (archive.len() + 30 + name.len()) % 64) % 64;
        let sizes = [0, content.len() as u32, content.len() as u32]
            .map(u32::to_le_bytes)
            .concat();
        archive.extend(b"PK\x03\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00");
        archive.extend(&sizes);
        archive.extend((name.len() as u16).to_le_bytes());
        archive.extend((padding as u16).to_le_bytes());
        archive.extend(name.bytes());
        archive.extend(vec![0; padding]);
        archive.extend(content);

        directory.extend(b"PK\x01\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00");
        directory.extend(&sizes);
        directory.extend((name.len() as u16).to_le_bytes());
        directory.extend([0; 12]);
        directory.extend(start.to_le_bytes());
        directory.extend(name.bytes());
    }
    let (start, length) = (archive.len() as u32, directory.len() as u32);
    archive.extend(directory);
    archive.extend(b"PK\x05\x06\x00\x00\x00\x00");
    archive.extend([(members.len() as u16).to_le_bytes(); 2].concat());
    archive.extend(length.to_le_bytes());
    archive.extend(start.to_le_bytes());
    archive.extend([0, 0]);
    std::fs::File::create(path).unwrap().write_all(&archive).unwrap();
}
