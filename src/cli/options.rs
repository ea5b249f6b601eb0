//! Options that several commands share, and how their values are written on the command line.

use crate::engine::{Ablation, DeviceChoice, Precision, RunOptions};
use crate::latent::BlendMode;
use crate::picture::Fit;
use clap::ValueEnum;
use std::num::NonZeroUsize;

/// Options of every command.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct GlobalArgs {
    /// Name of a model at hand (see `softscope models list`), folder, checkpoint file or hub id; the shipped one if not given
    #[arg(long, global = true, value_name = "M")]
    pub(crate) model: Vec<String>,
    /// Where the model runs
    #[arg(long, global = true, value_enum, default_value_t = DeviceArg::Auto)]
    pub(crate) device: DeviceArg,
    /// Number format of the model's products
    #[arg(long, global = true, value_enum, default_value_t = PrecisionArg::Auto)]
    pub(crate) precision: PrecisionArg,
    /// CPU threads; the fastest of a few measured counts if not given
    #[arg(long, global = true, value_name = "N")]
    pub(crate) threads: Option<NonZeroUsize>,
    /// Most memory that the weights of models kept open, a generator's included, may take, such as 6GiB or 800MB; half of the machine's if not given
    #[arg(long, global = true, value_name = "SIZE")]
    pub(crate) memory_limit: Option<MemorySize>,
    /// No progress and no notes on stderr
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// Results as one JSON object on stdout
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

impl GlobalArgs {
    pub(crate) fn run_options(&self) -> RunOptions {
        RunOptions {
            device: match self.device {
                DeviceArg::Auto => DeviceChoice::Auto,
                DeviceArg::Cpu => DeviceChoice::Cpu,
                DeviceArg::Cuda => DeviceChoice::Cuda,
                DeviceArg::Metal => DeviceChoice::Metal,
            },
            precision: match self.precision {
                PrecisionArg::Auto => Precision::Auto,
                PrecisionArg::F32 => Precision::F32,
                PrecisionArg::Bf16 => Precision::Bf16,
            },
            threads: self.threads.map(NonZeroUsize::get),
        }
    }
}

/// An amount of memory in bytes, written with its unit: `6GiB`, `800 MB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MemorySize(pub(crate) u64);

/// Units of memory, binary and decimal; the longer names first, for all end in B.
const MEMORY_UNITS: [(&str, u64); 7] = [
    ("KIB", 1 << 10),
    ("MIB", 1 << 20),
    ("GIB", 1 << 30),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("B", 1),
];

impl std::str::FromStr for MemorySize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let upper = text.trim().to_ascii_uppercase();
        let split = MEMORY_UNITS
            .iter()
            .find_map(|(name, unit)| Some((upper.strip_suffix(name)?, *unit)));
        let bytes = split.and_then(|(number, unit)| {
            let bytes = number.trim().parse::<f64>().ok()? * unit as f64;
            (bytes >= 1.0 && bytes < u64::MAX as f64).then_some(bytes as u64)
        });
        bytes.map(MemorySize).ok_or_else(|| {
            format!("`{text}` is no amount of memory; write a number and a unit, such as 6GiB or 800MB")
        })
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum DeviceArg {
    /// CUDA or Metal where built in and present, else the CPU
    Auto,
    Cpu,
    Cuda,
    Metal,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum PrecisionArg {
    /// Whatever never changes a figure reported as exact
    Auto,
    F32,
    Bf16,
}

/// How a picture of any shape becomes the model's square.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum FitArg {
    /// Box halving, bicubic, centre crop: the reference's evaluation crop
    Crop,
    /// Bicubic to the square, aspect ratio lost
    Stretch,
    /// Bicubic so that the longer side fits, on mid grey
    Pad,
}

impl FitArg {
    /// The name that files carry.
    pub(crate) fn name(self) -> &'static str {
        match self {
            FitArg::Crop => "crop",
            FitArg::Stretch => "stretch",
            FitArg::Pad => "pad",
        }
    }
}

impl From<FitArg> for Fit {
    fn from(fit: FitArg) -> Self {
        match fit {
            FitArg::Crop => Fit::Crop,
            FitArg::Stretch => Fit::Stretch,
            FitArg::Pad => Fit::Pad,
        }
    }
}

/// What takes the place of a token.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct AblationArgs {
    /// What takes the place of each token in turn
    #[arg(long, value_enum, default_value_t = AblationArg::Mean)]
    ablation: AblationArg,
    /// Strength of `--ablation noise`, in units of the latent's deviation
    #[arg(long, value_name = "S", default_value_t = 1.0)]
    sigma: f32,
    /// Seed of everything random
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum AblationArg {
    /// The data-set mean of the latent
    Mean,
    /// Zero
    Zero,
    /// The token with Gaussian noise on it
    Noise,
}

impl AblationArgs {
    pub(crate) fn ablation(&self) -> Ablation {
        match self.ablation {
            AblationArg::Mean => Ablation::Mean,
            AblationArg::Zero => Ablation::Zero,
            AblationArg::Noise => Ablation::Noise {
                sigma: self.sigma,
                seed: self.seed,
            },
        }
    }

    /// As written on the command line.
    pub(crate) fn name(&self) -> &'static str {
        match self.ablation {
            AblationArg::Mean => "mean",
            AblationArg::Zero => "zero",
            AblationArg::Noise => "noise",
        }
    }
}

/// How values between two rows are taken.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum ModeArg {
    /// (1 - t) a + t b
    Linear,
    /// Along the great circle between the two rows
    Slerp,
}

impl From<ModeArg> for BlendMode {
    fn from(mode: ModeArg) -> Self {
        match mode {
            ModeArg::Linear => BlendMode::Linear,
            ModeArg::Slerp => BlendMode::Slerp,
        }
    }
}

/// Tokens by index: `all`, or numbers and inclusive ranges such as `0,3,8-11`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TokenList {
    All,
    Some(Vec<usize>),
}

/// More tokens than any model has; keeps a mistyped range from filling the memory.
const LARGEST_TOKEN: usize = 65_535;

impl std::str::FromStr for TokenList {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.trim() == "all" {
            return Ok(TokenList::All);
        }
        let number = |part: &str| {
            let number = part
                .trim()
                .parse::<usize>()
                .ok()
                .filter(|&token| token <= LARGEST_TOKEN);
            number.ok_or_else(|| format!("`{part}` is no token index; write a list such as 0,3,8-11 or all"))
        };
        let mut tokens = Vec::new();
        for part in text.split(',') {
            let (first, last) = match part.split_once('-') {
                Some((first, last)) => (number(first)?, number(last)?),
                None => (number(part)?, number(part)?),
            };
            if last < first {
                return Err(format!("the range `{part}` runs backwards"));
            }
            tokens.extend(
                (first..=last)
                    .filter(|token| !tokens.contains(token))
                    .collect::<Vec<_>>(),
            );
        }
        Ok(TokenList::Some(tokens))
    }
}

impl TokenList {
    /// The tokens meant, of `count`. The error names the first one that does not exist.
    pub(crate) fn of(&self, count: usize) -> Result<Vec<usize>, super::CliError> {
        match self {
            TokenList::All => Ok((0..count).collect()),
            TokenList::Some(tokens) => match tokens.iter().find(|&&token| token >= count) {
                Some(token) => Err(super::CliError::NoSuchToken { token: *token, count }),
                None => Ok(tokens.clone()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_lists_take_numbers_and_ranges_once() {
        assert_eq!("all".parse(), Ok(TokenList::All));
        assert_eq!(
            "0, 3,8-11,9".parse(),
            Ok(TokenList::Some(vec![0, 3, 8, 9, 10, 11]))
        );
        for wrong in ["", "a", "3-1", "1-", "-1", "0-99999999999", "1,,2"] {
            assert!(wrong.parse::<TokenList>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn memory_is_given_with_its_unit() {
        for (text, bytes) in [
            ("6GiB", 6 << 30),
            ("1.5 gib", 3 << 29),
            ("800MB", 800_000_000),
            ("64 KiB", 65_536),
            ("100B", 100),
        ] {
            assert_eq!(text.parse(), Ok(MemorySize(bytes)), "{text}");
        }
        for wrong in [
            "", "6", "GiB", "-1GiB", "0MB", "NaNGB", "infGB", "1e30GB", "6 apples",
        ] {
            assert!(wrong.parse::<MemorySize>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_token_that_does_not_exist_is_named() {
        let list: TokenList = "1,40".parse().unwrap();
        assert_eq!(list.of(41).unwrap(), vec![1, 40]);
        assert!(list.of(32).unwrap_err().to_string().contains("40"));
    }
}
