//! What a run does where its file says nothing.

use super::{
    DataConfig, GroundColours, Learns, LinearStart, ModelConfig, NearStart, OptimiserConfig, OptimiserKind,
    OutputConfig, StartConfig, StartKind, TrainConfig, TrainedClass,
};
use crate::engine::DeviceChoice;
use crate::tokenizer::{Products, VitSize};
use crate::trainer::LossConfig;

/// Part of a picture's side that a cut-out may reach over the edge where nothing else is said.
pub(in crate::trainer) const CUTOUT_OVERHANG: f64 = 0.05;

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            seed: 1,
            steps: 20_000,
            threads: 0,
            device: DeviceChoice::Auto,
            products: Products::F32,
            learns: Learns::default(),
            model: ModelConfig::default(),
            start: StartConfig::default(),
            data: DataConfig::default(),
            loss: LossConfig::default(),
            optimiser: OptimiserConfig::default(),
            output: OutputConfig::default(),
        }
    }
}

impl Default for ModelConfig {
    fn default() -> Self {
        let vit = VitSize {
            embed_dim: 192,
            depth: 6,
            num_heads: 3,
        };
        Self {
            class: TrainedClass::default(),
            image_size: 128,
            patch_size: 16,
            tokens: 32,
            channels: 64,
            codebooks: 1,
            codebook_size: 1024,
            codebook_l2_norm: true,
            tau: 0.03,
            encoder: vit,
            decoder: vit,
        }
    }
}

impl Default for StartConfig {
    fn default() -> Self {
        Self {
            from: None,
            kind: StartKind::default(),
            tau: 0.07,
            tau_steps: 3500,
            linear: LinearStart::default(),
            near: NearStart::default(),
        }
    }
}

impl Default for LinearStart {
    fn default() -> Self {
        Self {
            patch_scale: 0.08,
            patch_evenness: 0.3,
            token_level: 3.0,
            token_evenness: 0.5,
            codeword_level: 0.3,
            decoder_scale: 0.05,
        }
    }
}

impl Default for NearStart {
    fn default() -> Self {
        Self {
            position_scale: 0.5,
            fastest_wave: 2.0,
            wave_ratio: 10.0,
            attention_gain: 0.8,
            post_quant_scale: 6.0,
            layer_scale: 1.0,
            patch_scale: 0.5,
            patch_evenness: 0.75,
            pixel_scale: 0.3,
        }
    }
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            composite_share: 0.5,
            plain_ground_share: 0.4,
            package_cap: 0.4,
            smallest_crop: 0.8,
            cutout_size: [0.35, 1.0],
            cutout_turn_degrees: 25.0,
            cutout_overhang: CUTOUT_OVERHANG,
            ground_colours: GroundColours::Any,
            held_out_share: 0.1,
            threads: 1,
            batches_ahead: 4,
        }
    }
}

impl Default for OptimiserConfig {
    fn default() -> Self {
        Self {
            kind: OptimiserKind::AdamW,
            batch: 16,
            parts: 2,
            accumulate: 1,
            learning_rate: 6e-4,
            warmup_steps: 300,
            final_share: 0.02,
            beta1: 0.9,
            beta2: 0.95,
            epsilon: 1e-8,
            weight_decay: 0.01,
            clip: 1.0,
            ema: 0.999,
        }
    }
}

impl Default for OutputConfig {
    fn default() -> Self {
        Self {
            log_every: 20,
            evaluate_every: 500,
            checkpoint_every: 500,
            evaluated_pictures: 64,
        }
    }
}
