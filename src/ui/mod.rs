//! The window (eframe, egui): draws the workspace and turns hands into edits.

mod actions;
mod app;
mod clipboard;
mod column;
mod command_palette;
mod commands;
mod comparison;
mod dial;
mod dialogs;
mod fuzzy;
mod generate;
pub mod glossary;
mod hand;
mod help;
mod hover_ask;
pub mod inspector;
pub mod interpolation;
mod launch;
mod layers;
mod library;
mod menu;
mod models_view;
mod notices;
pub mod selection;
mod settings;
mod shown_tokens;
mod status_bar;
pub mod theme;
pub mod token_strip;
pub mod viewer;

pub use app::{SoftscopeApp, Tab};
pub use commands::{Command, Group, Situation};
pub use launch::{Start, run};
pub use settings::{Settings, ThemeChoice};
