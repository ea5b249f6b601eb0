//! The device that is to be used (`SOFTSCOPE_TEST_DEVICE`), against the authors' numbers and against the CPU. A line on
//! standard error says which one it was.
//!
//! In f32 the contract's figures hold on every device: they leave room for sums in another order, and would not for
//! products of fewer bits (TF32 keeps 10 of 23).

// A test stops at the first surprise, in its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unreachable)]

#[path = "../support/mod.rs"]
mod support;

mod absent;
mod derivatives;
mod forward;
mod sampling;
mod shipped;
mod threads;
