//! Softscope: a desktop microscope for the latent tokens of SoftVQ-VAE (arXiv 2412.10958).
//!
//! The rooms and the one direction of their arrows are mapped in ARCHITECTURE.md:
//! `tokenizer`, `generator` <- `latent`, `analysis`, `picture` <- `engine` <- `document` <- `ui`, `cli`,
//! with `tokenizer` <- `hub` <- `document`.

pub mod analysis;
pub mod bench;
pub mod cli;
pub mod document;
pub mod engine;
pub mod generator;
pub mod hub;
mod kernel;
pub mod latent;
pub mod picture;
pub mod tokenizer;
pub mod trainer;
pub mod ui;
