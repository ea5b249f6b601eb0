//! Generators: the network, and guided runs to their end.

use crate::support::chosen::device;
use crate::support::sampled::{sampled, sampled_in};
use candle_core::DType;

/// Relative RMS of predictions in bf16: three times what PyTorch's own bf16 is off by.
const BF16: f64 = 0.025;

#[test]
fn network_output_matches_the_reference() {
    for set in ["c1_sit_1d", "c2_sit_1d_qknorm", "c3_sit_2d", "c4_dit_1d"] {
        if let Some(golden) = sampled(set, &device()) {
            golden.check_network(set);
        }
    }
}

#[test]
fn bf16_is_close_in_every_variant() {
    for set in ["c1_sit_1d", "c2_sit_1d_qknorm", "c3_sit_2d", "c4_dit_1d"] {
        if let Some(golden) = sampled_in(set, &device(), DType::BF16) {
            let error = golden.network_error();
            eprintln!("{set}: {error:.1e}");
            assert!(error < BF16, "{set} is off by {error}");
        }
    }
}

#[test]
fn samplers_of_a_sit_end_where_the_reference_ends() {
    for set in ["c1_sit_1d", "c2_sit_1d_qknorm"] {
        if let Some(golden) = sampled(set, &device()) {
            golden.check_flow(set);
        }
    }
}

#[test]
fn ancestral_sampling_of_a_dit_follows_the_reference() {
    if let Some(golden) = sampled("c4_dit_1d", &device()) {
        golden.check_ancestral();
    }
}
