//! The picture viewer and the theme as a person sees and uses them.
//!
//! Run with UPDATE_SNAPSHOTS=1 to write the snapshots that differ.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unreachable)] // a test stops at the first surprise

mod bench;
mod hands;
mod pixels;
mod snapshots;
