//! Losses and gradients against the authors' numbers and finite differences; runs that are interrupted and go on, in the
//! background too; data that does not depend on threads; configurations that are wrong.

// A test stops at the first surprise, in its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unreachable)]

#[path = "../support/mod.rs"]
mod support;

mod adversarial;
mod background;
mod config;
mod data;
mod generator;
mod gradients;
mod perceptual;
mod program;
mod runs;
mod start;
