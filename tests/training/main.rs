//! Losses and gradients against the authors' numbers and finite differences; runs that are interrupted and go on, in the
//! background too; data that does not depend on threads; configurations that are wrong.

// A test stops at the first surprise, in its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unreachable)]

#[path = "../support/mod.rs"]
mod support;

mod background;
mod config;
mod data;
mod gradients;
mod program;
mod runs;
