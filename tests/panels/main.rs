//! The token panels under a hand: found by accessible name, on a real workspace with a real model.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers may stop at the first surprise, as tests may

mod bench;
mod classes;
mod editing;
mod interpolating;
mod selecting;
#[path = "../support/mod.rs"]
mod support;
