//! What tokens mean: derivatives against finite differences, and every figure against its definition by brute force on
//! small models.

// A test stops at the first surprise, in its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod analysing;
mod gradients;
mod painting;
mod structure;
mod workspace;

use support::models;
