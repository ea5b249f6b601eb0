//! Runs the real program: every command on the goldens' tiny models, on the model and the pictures that ship, and on
//! input that is wrong.

// A test stops at the first surprise, in its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod attribute;
mod bench;
mod checking;
mod classes;
mod commands;
mod comparing;
mod errors;
#[path = "../support/fixtures.rs"]
mod fixtures;
mod generating;
mod goldens;
mod meaning;
mod support;
