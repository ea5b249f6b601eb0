//! Colours, fonts, icons and spacing: the one place the window's looks come from.

mod colormap;
mod fonts;
pub mod icon;
mod palette;
mod widgets;

pub use colormap::{magnitude, segment, signed};
pub use fonts::strong_family;
pub use palette::{DARK, LIGHT, Palette, palette};
pub(crate) use widgets::BADGE_PADDING;
pub use widgets::{
    badge_ui, combo_caret, icon_button, labelled_icon_button, legend_signed_ui, legend_ui, muted,
    signed_gradient, strong,
};

use egui::style::{ScrollStyle, Selection, WidgetVisuals, Widgets};
use egui::{
    Color32, CornerRadius, FontFamily, FontId, Margin, Shadow, Stroke, Style, TextStyle, Theme, Visuals,
};

/// The grid that every distance is a multiple of, in points.
pub const GRID: f32 = 4.0;
/// Height of buttons, fields and rows, in points.
pub const ROW_HEIGHT: f32 = 6.0 * GRID;
/// Text sizes in points: captions, text, headings.
pub const TEXT_SIZES: [f32; 3] = [11.0, 13.0, 17.0];

/// Corner of buttons, fields and pictures, in points.
const CORNER: u8 = 4;
/// Corner of windows, menus and popups, in points.
const OUTER_CORNER: u8 = 6;

/// Installs fonts (text and icons), spacing (a grid of 4), three text sizes, light and dark visuals.
pub fn install(ctx: &egui::Context) {
    ctx.set_fonts(fonts::definitions());
    for (theme, palette) in [(Theme::Dark, &DARK), (Theme::Light, &LIGHT)] {
        ctx.style_mut_of(theme, |style| {
            set_text_styles(style);
            set_spacing(style);
            style.visuals = visuals(theme, palette);
        });
    }
}

fn set_text_styles(style: &mut Style) {
    let [small, body, heading] = TEXT_SIZES;
    style.text_styles = [
        (TextStyle::Small, FontId::new(small, FontFamily::Proportional)),
        (TextStyle::Body, FontId::new(body, FontFamily::Proportional)),
        (TextStyle::Button, FontId::new(body, FontFamily::Proportional)),
        (TextStyle::Monospace, FontId::new(body, FontFamily::Monospace)),
        (TextStyle::Heading, FontId::new(heading, strong_family())),
    ]
    .into();
}

fn set_spacing(style: &mut Style) {
    let spacing = &mut style.spacing;
    spacing.item_spacing = egui::vec2(2.0 * GRID, GRID);
    spacing.button_padding = egui::vec2(2.0 * GRID, GRID);
    spacing.interact_size = egui::vec2(ROW_HEIGHT, ROW_HEIGHT);
    spacing.window_margin = Margin::same(12);
    spacing.menu_margin = Margin::same(4);
    spacing.indent = 4.0 * GRID;
    spacing.slider_width = 30.0 * GRID;
    spacing.slider_rail_height = GRID;
    spacing.combo_width = 24.0 * GRID;
    spacing.icon_width = 4.0 * GRID;
    spacing.icon_width_inner = 2.0 * GRID;
    spacing.icon_spacing = 1.5 * GRID;
    spacing.tooltip_width = 90.0 * GRID;
    spacing.scroll = ScrollStyle::thin();
    style.interaction.tooltip_delay = 0.4;
    style.interaction.selectable_labels = false;
    style.animation_time = 0.08;
}

fn visuals(theme: Theme, palette: &Palette) -> Visuals {
    let base = match theme {
        Theme::Dark => Visuals::dark(),
        Theme::Light => Visuals::light(),
    };
    let shadow_alpha = if theme == Theme::Dark { 110 } else { 36 };
    Visuals {
        weak_text_color: Some(palette.muted),
        widgets: widgets(palette),
        selection: Selection {
            bg_fill: palette.accent_soft,
            stroke: Stroke::new(1.0, palette.on_accent_soft),
        },
        hyperlink_color: palette.accent,
        faint_bg_color: palette.panel.lerp_to_gamma(palette.raised, 0.4),
        extreme_bg_color: palette.sunken,
        code_bg_color: palette.raised,
        warn_fg_color: palette.warning,
        error_fg_color: palette.error,
        window_corner_radius: CornerRadius::same(OUTER_CORNER),
        menu_corner_radius: CornerRadius::same(OUTER_CORNER),
        window_fill: palette.popup,
        window_stroke: Stroke::new(1.0, palette.border),
        window_shadow: shadow(8, 24, shadow_alpha),
        popup_shadow: shadow(4, 12, shadow_alpha),
        panel_fill: palette.panel,
        indent_has_left_vline: false,
        slider_trailing_fill: true,
        handle_shape: egui::style::HandleShape::Rect { aspect_ratio: 0.4 },
        disabled_alpha: 0.4,
        ..base
    }
}

fn shadow(offset_y: i8, blur: u8, alpha: u8) -> Shadow {
    Shadow {
        offset: [0, offset_y],
        blur,
        spread: 0,
        color: Color32::from_black_alpha(alpha),
    }
}

fn widgets(palette: &Palette) -> Widgets {
    let state = |ground: Color32, frame: Color32, content: Color32| WidgetVisuals {
        bg_fill: ground,
        weak_bg_fill: ground,
        bg_stroke: Stroke::new(1.0, frame),
        fg_stroke: Stroke::new(1.0, content),
        corner_radius: CornerRadius::same(CORNER),
        expansion: 0.0,
    };
    Widgets {
        noninteractive: state(palette.panel, palette.border, palette.text),
        inactive: state(palette.raised, palette.border, palette.text),
        hovered: state(palette.raised_hover, palette.border_strong, palette.strong),
        active: state(palette.raised_hover, palette.accent, palette.strong),
        open: state(palette.raised, palette.border_strong, palette.strong),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> egui::Context {
        let ctx = egui::Context::default();
        install(&ctx);
        ctx.run_ui(Default::default(), |_| {})
            .drop_without_applying_deltas();
        ctx
    }

    #[test]
    fn figures_have_one_width() {
        let ctx = context();
        for family in [FontFamily::Proportional, strong_family()] {
            let font = FontId::new(13.0, family);
            let width = |text: &str| {
                ctx.fonts_mut(|fonts| {
                    fonts
                        .layout_no_wrap(text.to_owned(), font.clone(), Color32::WHITE)
                        .size()
                        .x
                })
            };
            let of_zeros = width("0000000000");
            for digit in '1'..='9' {
                let text: String = std::iter::repeat_n(digit, 10).collect();
                assert!((width(&text) - of_zeros).abs() < 0.01, "{digit}");
            }
            assert!(
                (width("\u{2007}\u{2007}") - width("00")).abs() < 0.01,
                "figure space"
            );
        }
    }

    #[test]
    fn every_icon_is_in_the_icon_font() {
        let ctx = context();
        let only_icons = egui::FontDefinitions {
            families: [(FontFamily::Proportional, vec!["Phosphor".to_owned()])].into(),
            ..fonts::definitions()
        };
        ctx.set_fonts(only_icons);
        ctx.run_ui(Default::default(), |_| {})
            .drop_without_applying_deltas();
        let font = FontId::new(13.0, FontFamily::Proportional);
        for name in icon::ALL {
            assert!(
                ctx.fonts_mut(|fonts| fonts.has_glyphs(&font, name)),
                "{:04X?}",
                name.chars().next()
            );
        }
    }

    #[test]
    fn distances_keep_to_the_grid() {
        let mut style = Style::default();
        set_spacing(&mut style);
        let spacing = &style.spacing;
        for distance in [
            spacing.item_spacing.x,
            spacing.item_spacing.y,
            spacing.button_padding.x,
            spacing.interact_size.y,
            spacing.indent,
            spacing.slider_width,
            spacing.combo_width,
        ] {
            assert!((distance / GRID).fract().abs() < f32::EPSILON, "{distance}");
        }
    }
}
