//! Models from a hub: a server on this machine that behaves, and that misbehaves in every way a network can.

// A test stops at the first surprise, in its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unreachable)]

mod cache;
mod catalogue;
mod faults;
mod hub;
mod program;
mod refusals;
mod server;
mod sharded;
mod tiny;
mod transfers;
mod window;
