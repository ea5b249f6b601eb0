//! What the window remembers between runs.

use super::train::choices::TrainChoices;
use crate::analysis::TokenQuantity;

/// The key the settings are stored under.
pub(super) const STORAGE_KEY: &str = "settings";

/// The window's colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThemeChoice {
    /// As the system says.
    #[default]
    System,
    /// Always dark.
    Dark,
    /// Always light.
    Light,
}

impl From<ThemeChoice> for egui::ThemePreference {
    fn from(choice: ThemeChoice) -> Self {
        match choice {
            ThemeChoice::System => Self::System,
            ThemeChoice::Dark => Self::Dark,
            ThemeChoice::Light => Self::Light,
        }
    }
}

/// What the window remembers between runs. A field that an older version did not write has its default.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Settings {
    /// The window's colours.
    pub theme: ThemeChoice,
    /// Scale of text and buttons; 1 is what the screen asks for.
    pub ui_scale: f32,
    /// What the token strip is coloured by.
    pub quantity: TokenQuantity,
    /// The library is on show.
    pub shows_library: bool,
    /// The inspector is on show.
    pub shows_inspector: bool,
    /// Frames of an exported interpolation, both ends included.
    pub interpolation_frames: usize,
    /// Ask for paths through the system's dialogs.
    pub use_system_dialogs: bool,
    /// Blends of positions decoded ahead stand for the picture while a number is dragged.
    pub previews_while_dragging: bool,
    /// Pictures of the library are encoded before anybody looks at them.
    pub encodes_ahead: bool,
    /// Most memory for the weights of models kept open, in MiB; `None`: half of the machine's.
    pub memory_limit_mib: Option<u64>,
    /// The form of the view Train.
    pub train: TrainChoices,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            theme: ThemeChoice::default(),
            ui_scale: 1.0,
            quantity: TokenQuantity::Entropy,
            shows_library: true,
            shows_inspector: true,
            interpolation_frames: 25,
            use_system_dialogs: true,
            previews_while_dragging: true,
            encodes_ahead: true,
            memory_limit_mib: None,
            train: TrainChoices::default(),
        }
    }
}

impl Settings {
    /// The smallest and the largest scale of text and buttons.
    pub const UI_SCALES: std::ops::RangeInclusive<f32> = 0.5..=3.0;

    /// Most memory for the weights of models kept open, in bytes, where it was chosen.
    pub fn memory_limit_bytes(&self) -> Option<u64> {
        self.memory_limit_mib.map(|mib| mib.saturating_mul(1 << 20))
    }

    /// Scales text and buttons by a step of 10 %, within [`Self::UI_SCALES`].
    pub fn step_ui_scale(&mut self, steps: f32) {
        let scale = ((self.ui_scale * 10.0).round() + steps) / 10.0;
        self.ui_scale = scale.clamp(*Self::UI_SCALES.start(), *Self::UI_SCALES.end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_another_version_are_read() {
        let older: Settings = serde_json::from_str(r#"{"theme": "light", "gone": 1}"#).unwrap();
        assert_eq!(
            older,
            Settings {
                theme: ThemeChoice::Light,
                ..Settings::default()
            }
        );
    }

    #[test]
    fn the_scale_moves_in_tenths_and_stops() {
        let mut settings = Settings::default();
        settings.step_ui_scale(1.0);
        assert_eq!(settings.ui_scale, 1.1);
        for _ in 0..50 {
            settings.step_ui_scale(-1.0);
        }
        assert_eq!(settings.ui_scale, 0.5);
    }
}
