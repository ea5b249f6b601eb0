//! The released models and their published figures.

use crate::tokenizer::ModelClass;

/// Bytes of a stored weight: all are released as f32.
const WEIGHT_BYTES: u64 = 4;

/// A released tokenizer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TokenizerEntry {
    /// Id on the hub.
    pub id: &'static str,
    /// SoftVQ or AE (MAETok).
    pub class: ModelClass,
    /// Side of its pictures, pixels.
    pub image_size: usize,
    /// L: tokens of a picture.
    pub token_count: usize,
    /// D: values of a token.
    pub token_dim: usize,
    /// Weights in use, encoder and decoder together, computed from the configuration.
    pub parameter_count: u64,
    /// Reconstruction FID on the ImageNet validation set.
    pub rfid: f32,
    /// The generators made for its tokens.
    pub generators: &'static [GeneratorEntry],
}

/// A released generator.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GeneratorEntry {
    /// Id on the hub.
    pub id: &'static str,
    /// SiT-XL or DiT-XL.
    pub architecture: &'static str,
    /// Weights, computed from the configuration.
    pub parameter_count: u64,
    /// Generation FID over 50 000 samples without guidance, where it was published.
    pub gfid: Option<f32>,
    /// The same with guidance.
    pub gfid_guided: f32,
}

impl TokenizerEntry {
    /// What its weights take at least, in the file and in memory.
    pub fn size_bytes(&self) -> u64 {
        self.parameter_count * WEIGHT_BYTES
    }
}

impl GeneratorEntry {
    /// What its weights take at least, in the file and in memory.
    pub fn size_bytes(&self) -> u64 {
        self.parameter_count * WEIGHT_BYTES
    }
}

const fn softvq(
    id: &'static str,
    image_size: usize,
    (token_count, token_dim): (usize, usize),
    parameter_count: u64,
    rfid: f32,
    generators: &'static [GeneratorEntry],
) -> TokenizerEntry {
    TokenizerEntry {
        id,
        class: ModelClass::SoftVq,
        image_size,
        token_count,
        token_dim,
        parameter_count,
        rfid,
        generators,
    }
}

const fn maetok(
    id: &'static str,
    image_size: usize,
    parameter_count: u64,
    rfid: f32,
    generators: &'static [GeneratorEntry],
) -> TokenizerEntry {
    TokenizerEntry {
        class: ModelClass::Ae,
        ..softvq(id, image_size, (128, 32), parameter_count, rfid, generators)
    }
}

const fn sit(id: &'static str, parameter_count: u64, gfid: Option<f32>, gfid_guided: f32) -> GeneratorEntry {
    GeneratorEntry {
        id,
        architecture: "SiT-XL",
        parameter_count,
        gfid,
        gfid_guided,
    }
}

const fn dit(id: &'static str, parameter_count: u64, gfid_guided: f32) -> GeneratorEntry {
    GeneratorEntry {
        architecture: "DiT-XL",
        ..sit(id, parameter_count, None, gfid_guided)
    }
}

/// Every released tokenizer with its generators: figures as their authors publish them. The ids of the generators
/// follow the authors' naming rule.
pub const CATALOGUE: [TokenizerEntry; 10] = [
    softvq(
        "SoftVQVAE/softvq-l-64",
        256,
        (64, 32),
        608_136_992,
        0.61,
        &[
            sit("SoftVQVAE/sit-xl_softvq-l-64", 674_926_880, Some(5.35), 1.86),
            dit("SoftVQVAE/dit-xl_softvq-l-64", 674_963_776, 2.93),
        ],
    ),
    softvq(
        "SoftVQVAE/softvq-bl-64",
        256,
        (64, 32),
        390_546_976,
        0.65,
        &[sit(
            "SoftVQVAE/sit-xl_softvq-bl-64",
            674_926_880,
            Some(5.80),
            1.88,
        )],
    ),
    softvq(
        "SoftVQVAE/softvq-b-64",
        256,
        (64, 32),
        172_973_088,
        0.88,
        &[sit("SoftVQVAE/sit-xl_softvq-b-64", 674_926_880, Some(5.98), 1.78)],
    ),
    softvq(
        "SoftVQVAE/softvq-l-32",
        256,
        (32, 64),
        609_152_832,
        0.74,
        &[
            sit("SoftVQVAE/sit-xl_softvq-l-32", 674_963_776, Some(7.59), 2.44),
            dit("SoftVQVAE/dit-xl_softvq-l-32", 675_037_568, 3.69),
        ],
    ),
    softvq(
        "SoftVQVAE/softvq-bl-32",
        256,
        (32, 64),
        391_571_008,
        0.68,
        &[sit(
            "SoftVQVAE/sit-xl_softvq-bl-32",
            674_963_776,
            Some(7.67),
            2.44,
        )],
    ),
    softvq(
        "SoftVQVAE/softvq-b-32",
        256,
        (32, 64),
        173_997_120,
        0.89,
        &[sit("SoftVQVAE/sit-xl_softvq-b-32", 674_963_776, Some(7.99), 2.51)],
    ),
    softvq(
        "SoftVQVAE/softvq-bl-64-512",
        512,
        (64, 32),
        391_923_232,
        0.71,
        &[sit("SoftVQVAE/sit-xl_softvq-bl-64-512", 674_926_880, None, 2.21)],
    ),
    softvq(
        "SoftVQVAE/softvq-l-32-512",
        512,
        (32, 64),
        610_725_696,
        0.64,
        &[sit("SoftVQVAE/sit-xl_softvq-l-32-512", 674_963_776, None, 4.23)],
    ),
    maetok(
        "MAETok/maetok-b-128",
        256,
        173_051_936,
        0.48,
        &[sit("MAETok/sit-xl_maetok-b-128", 675_000_608, None, 1.67)],
    ),
    maetok(
        "MAETok/maetok-b-128-512",
        512,
        173_641_760,
        0.62,
        &[sit("MAETok/sit-xl_maetok-b-128-512", 675_000_608, None, 1.69)],
    ),
];
