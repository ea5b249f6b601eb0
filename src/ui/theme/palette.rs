//! The colours of both themes. Greys are neutral, for a tinted surround would tint the pictures.

use egui::{Color32, Visuals};

/// The named colours of one theme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Palette {
    /// Panels and the window.
    pub panel: Color32,
    /// In text fields and behind plots.
    pub sunken: Color32,
    /// Around pictures.
    pub surround: Color32,
    /// Buttons at rest.
    pub raised: Color32,
    /// Buttons under the pointer.
    pub raised_hover: Color32,
    /// Popups, menus and tooltips.
    pub popup: Color32,
    /// Lines between panels, frames of fields.
    pub border: Color32,
    /// Frames that must be seen: hovered fields, the ring of a plot.
    pub border_strong: Color32,
    /// Text.
    pub text: Color32,
    /// Captions, hints, units. At least 4.5 : 1 on [`Self::panel`].
    pub muted: Color32,
    /// Headings and what is active.
    pub strong: Color32,
    /// The one accent: selection, focus, the filled part of sliders.
    pub accent: Color32,
    /// A quiet ground in the accent's hue: selected rows and buttons, the preview badge.
    pub accent_soft: Color32,
    /// Text on [`Self::accent_soft`].
    pub on_accent_soft: Color32,
    /// It worked.
    pub success: Color32,
    /// It needs attention.
    pub warning: Color32,
    /// It failed.
    pub error: Color32,
}

const fn rgb(hex: u32) -> Color32 {
    Color32::from_rgb((hex >> 16) as u8, (hex >> 8) as u8, hex as u8)
}

/// The dark theme.
pub const DARK: Palette = Palette {
    panel: rgb(0x1C1C1C),
    sunken: rgb(0x121212),
    surround: rgb(0x121212),
    raised: rgb(0x2B2B2B),
    raised_hover: rgb(0x373737),
    popup: rgb(0x242424),
    border: rgb(0x3C3C3C),
    border_strong: rgb(0x5A5A5A),
    text: rgb(0xD2D2D2),
    muted: rgb(0x9A9A9A),
    strong: rgb(0xF4F4F4),
    accent: rgb(0x5B9DF5),
    accent_soft: rgb(0x2A5284),
    on_accent_soft: rgb(0xDCEBFF),
    success: rgb(0x52C58A),
    warning: rgb(0xE8A93C),
    error: rgb(0xFF7B72),
};

/// The light theme.
pub const LIGHT: Palette = Palette {
    panel: rgb(0xF4F4F4),
    sunken: rgb(0xFFFFFF),
    surround: rgb(0xE4E4E4),
    raised: rgb(0xE4E4E4),
    raised_hover: rgb(0xD8D8D8),
    popup: rgb(0xFFFFFF),
    border: rgb(0xCACACA),
    border_strong: rgb(0x8E8E8E),
    text: rgb(0x2A2A2A),
    muted: rgb(0x626262),
    strong: rgb(0x101010),
    accent: rgb(0x1D66C9),
    accent_soft: rgb(0xB9D5F7),
    on_accent_soft: rgb(0x0D3A75),
    success: rgb(0x1A7445),
    warning: rgb(0x8F5400),
    error: rgb(0xBF2419),
};

/// The colours that go with these visuals.
pub fn palette(visuals: &Visuals) -> &'static Palette {
    if visuals.dark_mode { &DARK } else { &LIGHT }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// WCAG 2.1 contrast ratio.
    fn contrast(a: Color32, b: Color32) -> f32 {
        let luminance = |colour: Color32| {
            let linear = egui::Rgba::from(colour);
            0.2126 * linear.r() + 0.7152 * linear.g() + 0.0722 * linear.b()
        };
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn text_is_readable_on_every_ground_it_stands_on() {
        for palette in [DARK, LIGHT] {
            for ground in [palette.panel, palette.sunken, palette.popup] {
                for text in [
                    palette.text,
                    palette.muted,
                    palette.success,
                    palette.warning,
                    palette.error,
                    palette.accent,
                ] {
                    assert!(contrast(text, ground) >= 4.5, "{text:?} on {ground:?}");
                }
            }
            for ground in [palette.raised, palette.raised_hover] {
                assert!(contrast(palette.text, ground) >= 4.5, "text on {ground:?}");
            }
            assert!(contrast(palette.muted, palette.surround) >= 4.5);
            assert!(contrast(palette.on_accent_soft, palette.accent_soft) >= 4.5);
        }
    }

    #[test]
    fn greys_are_neutral() {
        for palette in [DARK, LIGHT] {
            for grey in [
                palette.panel,
                palette.sunken,
                palette.raised,
                palette.popup,
                palette.border,
            ] {
                assert!(grey.r() == grey.g() && grey.g() == grey.b(), "{grey:?}");
            }
        }
    }
}
