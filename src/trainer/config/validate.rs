//! Values with which no run can be.

use super::{StartKind, TrainConfig};
use crate::trainer::start;

impl TrainConfig {
    /// Refuses values with which no run can be.
    ///
    /// # Errors
    /// A message that names the key.
    pub fn validate(&self) -> Result<(), String> {
        if i64::try_from(self.seed).is_err() {
            return Err(format!("`seed` is {}; it must be below 2^63", self.seed));
        }
        self.model.args().validate()?;
        self.validate_counts()?;
        self.validate_shares()?;
        self.validate_sizes()?;
        self.loss.validate()?;
        let [smallest, largest] = self.data.cutout_size;
        if !(smallest > 0.0 && smallest <= largest && largest <= 4.0) {
            return Err(format!(
                "`data.cutout_size` is [{smallest}, {largest}]; it must rise within 0 to 4"
            ));
        }
        let vits = [("encoder", self.model.encoder), ("decoder", self.model.decoder)];
        if let Some((side, size)) = vits.into_iter().find(|(_, size)| size.embed_dim % 4 != 0) {
            return Err(format!(
                "`model.{side}.embed_dim` is {}; positions need a multiple of 4",
                size.embed_dim
            ));
        }
        if !(self.start.tau.is_finite() && self.start.tau > 0.0) {
            return Err(format!("`start.tau` is {}; it must be above 0", self.start.tau));
        }
        if self.start.kind == StartKind::Linear {
            start::linear_fits(&self.model)?;
        }
        let parts = self.optimiser.parts;
        if !self.optimiser.batch.is_multiple_of(parts) {
            return Err(format!(
                "`optimiser.parts` is {parts}, which does not divide `optimiser.batch` {}",
                self.optimiser.batch
            ));
        }
        Ok(())
    }

    fn validate_counts(&self) -> Result<(), String> {
        let counts = [
            ("steps", self.steps),
            ("optimiser.batch", self.optimiser.batch as u64),
            ("optimiser.parts", self.optimiser.parts as u64),
            ("optimiser.accumulate", self.optimiser.accumulate as u64),
            ("data.threads", self.data.threads as u64),
            ("data.batches_ahead", self.data.batches_ahead as u64),
            ("output.log_every", self.output.log_every),
            ("output.evaluate_every", self.output.evaluate_every),
            ("output.checkpoint_every", self.output.checkpoint_every),
        ];
        match counts.into_iter().find(|(_, count)| *count == 0) {
            Some((key, _)) => Err(format!("`{key}` is 0; it must be at least 1")),
            None => Ok(()),
        }
    }

    fn validate_shares(&self) -> Result<(), String> {
        let (data, optimiser) = (&self.data, &self.optimiser);
        let shares = [
            ("data.composite_share", data.composite_share, true),
            ("data.plain_ground_share", data.plain_ground_share, true),
            ("data.package_cap", data.package_cap, false),
            ("data.smallest_crop", data.smallest_crop, false),
            ("data.held_out_share", data.held_out_share, true),
            ("data.cutout_overhang", data.cutout_overhang, true),
            ("optimiser.final_share", optimiser.final_share, true),
            ("optimiser.beta1", optimiser.beta1, true),
            ("optimiser.beta2", optimiser.beta2, true),
            ("optimiser.ema", optimiser.ema, true),
        ];
        for (key, value, may_be_zero) in shares {
            if !(0.0..=1.0).contains(&value) || (value <= 0.0 && !may_be_zero) {
                return Err(format!("`{key}` is {value}; it must be from 0 to 1"));
            }
        }
        Ok(())
    }

    fn validate_sizes(&self) -> Result<(), String> {
        let optimiser = &self.optimiser;
        let (linear, near) = (&self.start.linear, &self.start.near);
        let sizes = [
            ("optimiser.learning_rate", optimiser.learning_rate),
            ("optimiser.epsilon", optimiser.epsilon),
            ("optimiser.weight_decay", optimiser.weight_decay),
            ("optimiser.clip", optimiser.clip),
            ("data.cutout_turn_degrees", self.data.cutout_turn_degrees),
            ("start.linear.patch_scale", linear.patch_scale),
            ("start.linear.patch_evenness", linear.patch_evenness),
            ("start.linear.token_level", linear.token_level),
            ("start.linear.token_evenness", linear.token_evenness),
            ("start.linear.codeword_level", linear.codeword_level),
            ("start.linear.decoder_scale", linear.decoder_scale),
            ("start.near.position_scale", near.position_scale),
            ("start.near.fastest_wave", near.fastest_wave),
            ("start.near.wave_ratio", near.wave_ratio),
            ("start.near.attention_gain", near.attention_gain),
            ("start.near.post_quant_scale", near.post_quant_scale),
            ("start.near.layer_scale", near.layer_scale),
            ("start.near.patch_scale", near.patch_scale),
            ("start.near.patch_evenness", near.patch_evenness),
            ("start.near.pixel_scale", near.pixel_scale),
        ];
        for (key, value) in sizes {
            if !(value.is_finite() && value >= 0.0) {
                return Err(format!("`{key}` is {value}; it must be 0 or more"));
            }
        }
        Ok(())
    }
}
