//! Running the program and reading what it wrote.

use crate::fixtures;
use safetensors::{Dtype, SafeTensors};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// What a run left.
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(
            self.code,
            Some(0),
            "stdout:\n{}\nstderr:\n{}",
            self.stdout,
            self.stderr
        );
        self
    }

    /// The one JSON object of a `--json` run.
    #[track_caller]
    pub(crate) fn json(self) -> serde_json::Value {
        let run = self.ok();
        serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error} in\n{}", run.stdout))
    }

    /// A failed run with this exit code, one line on stderr that holds all of `words`, and no backtrace.
    #[track_caller]
    pub(crate) fn fails(self, code: i32, words: &[&str]) {
        assert_eq!(self.stdout, "", "a failed run has no results");
        self.fails_after_results(code, words);
    }

    /// The same of a run that failed in part; gives back its results.
    #[track_caller]
    pub(crate) fn fails_after_results(self, code: i32, words: &[&str]) -> String {
        assert_eq!(
            self.code,
            Some(code),
            "stdout:\n{}\nstderr:\n{}",
            self.stdout,
            self.stderr
        );
        let message = self.stderr.trim_end();
        assert_eq!(message.lines().count(), 1, "one line, not:\n{message}");
        assert!(message.starts_with("softscope: "), "{message}");
        for word in words {
            assert!(message.contains(word), "`{word}` is not in: {message}");
        }
        self.stdout
    }
}

/// The program with `arguments`, without a display and away from the user's own data.
pub(crate) fn command(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_softscope"));
    command
        .args(arguments)
        .env("SOFTSCOPE_HOME", env!("CARGO_MANIFEST_DIR"))
        .env(
            "SOFTSCOPE_DATA",
            std::env::temp_dir().join("softscope-tests-without-data"),
        )
        .env("RUST_BACKTRACE", "1")
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .env_remove("WAYLAND_SOCKET");
    command
}

pub(crate) fn run(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Run {
    let output = command(arguments).output().unwrap();
    Run {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// `run!["encode", &path, "--out", out]` with anything that is a path or text.
#[macro_export]
macro_rules! run {
    ($($argument:expr),+ $(,)?) => {
        $crate::support::run([$(std::ffi::OsString::from(&$argument)),+])
    };
}

pub(crate) fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("assets/samples")
        .join(name)
}

/// Everything in `folder`, temporary names included.
pub(crate) fn entries(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A safetensors file in memory.
pub(crate) struct Tensors {
    bytes: Vec<u8>,
}

impl Tensors {
    pub(crate) fn open(path: &Path) -> Self {
        Self {
            bytes: std::fs::read(path).unwrap(),
        }
    }

    fn parsed(&self) -> SafeTensors<'_> {
        SafeTensors::deserialize(&self.bytes).unwrap()
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = self
            .parsed()
            .names()
            .into_iter()
            .map(ToString::to_string)
            .collect();
        keys.sort();
        keys
    }

    pub(crate) fn metadata(&self, key: &str) -> Option<String> {
        let (_, header) = SafeTensors::read_metadata(&self.bytes).unwrap();
        header.metadata().as_ref()?.get(key).cloned()
    }

    #[track_caller]
    pub(crate) fn shape(&self, key: &str) -> Vec<usize> {
        self.parsed().tensor(key).unwrap().shape().to_vec()
    }

    #[track_caller]
    pub(crate) fn f32(&self, key: &str) -> Vec<f32> {
        let tensors = self.parsed();
        let tensor = tensors.tensor(key).unwrap();
        assert_eq!(tensor.dtype(), Dtype::F32, "{key}");
        tensor
            .data()
            .as_chunks::<4>()
            .0
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect()
    }

    #[track_caller]
    pub(crate) fn i64(&self, key: &str) -> Vec<i64> {
        let tensors = self.parsed();
        let tensor = tensors.tensor(key).unwrap();
        assert_eq!(tensor.dtype(), Dtype::I64, "{key}");
        tensor
            .data()
            .as_chunks::<8>()
            .0
            .iter()
            .map(|bytes| i64::from_le_bytes(*bytes))
            .collect()
    }

    /// Shape and bytes of a tensor, for writing it elsewhere.
    pub(crate) fn raw(&self, key: &str) -> (Dtype, Vec<usize>, Vec<u8>) {
        let tensors = self.parsed();
        let tensor = tensors.tensor(key).unwrap();
        (tensor.dtype(), tensor.shape().to_vec(), tensor.data().to_vec())
    }
}

#[track_caller]
pub(crate) fn assert_close(what: &str, found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let differences = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
    let largest = differences.fold(0.0, |largest: f32, difference| {
        if difference.is_nan() {
            f32::NAN
        } else {
            largest.max(difference)
        }
    });
    assert!(
        largest <= tolerance,
        "{what}: largest difference {largest:e} over {tolerance:e}"
    );
}

/// A tiny golden set, its sizes merged into its configuration.
pub(crate) struct Golden {
    pub(crate) model: TempDir,
    pub(crate) io: PathBuf,
    pub(crate) meta: serde_json::Value,
}

/// `None`, said aloud, where the goldens are not at hand.
pub(crate) fn golden(set: &str) -> Option<Golden> {
    let shared = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/goldens/tiny"));
    let folder = match fixtures::folder(set) {
        copy if copy.is_dir() => copy,
        _ => shared.join(set),
    };
    if !folder.is_dir() {
        eprintln!(
            "SKIPPED: {} is not here, nothing was compared with the reference",
            folder.display()
        );
        return None;
    }
    let (model, meta) = with_sizes(&folder);
    Some(Golden {
        model,
        io: folder.join("io.safetensors"),
        meta,
    })
}

/// A small model that comes with the sources, its sizes merged into its configuration.
pub(crate) fn fixture_model(set: &str) -> TempDir {
    with_sizes(&fixtures::folder(set)).0
}

/// A copy of the set in `folder`, its sizes merged into its configuration, and its description.
fn with_sizes(folder: &Path) -> (TempDir, serde_json::Value) {
    let model = tempfile::tempdir().unwrap();
    let meta = fixtures::write_model(folder, model.path());
    (model, meta)
}
