//! The fonts that ship with the program, see assets/fonts/README.md.

use egui::{FontData, FontDefinitions, FontFamily, FontTweak};
use std::sync::Arc;

const TEXT: &str = "InterTabular-Regular";
const STRONG: &str = "InterTabular-SemiBold";
const ICONS: &str = "Phosphor";

/// The family of headings and emphasised figures.
pub fn strong_family() -> FontFamily {
    FontFamily::Name("strong".into())
}

/// Inter with tabular figures for text, Phosphor for icons, egui's own fonts behind both for what they lack.
pub(super) fn definitions() -> FontDefinitions {
    let mut fonts = FontDefinitions::default();
    let shipped: [(&str, &'static [u8], FontTweak); 3] = [
        (
            TEXT,
            include_bytes!("../../../assets/fonts/InterTabular-Regular.otf"),
            FontTweak::default(),
        ),
        (
            STRONG,
            include_bytes!("../../../assets/fonts/InterTabular-SemiBold.otf"),
            FontTweak::default(),
        ),
        (
            ICONS,
            include_bytes!("../../../assets/fonts/Phosphor.ttf"),
            // The icons sit on the base line; this centres them on the text's x-height.
            FontTweak {
                y_offset_factor: 0.05,
                scale: 1.1,
                ..Default::default()
            },
        ),
    ];
    for (name, bytes, tweak) in shipped {
        fonts.font_data.insert(
            name.to_owned(),
            Arc::new(FontData::from_static(bytes).tweak(tweak)),
        );
    }
    let fallback = fonts
        .families
        .get(&FontFamily::Proportional)
        .cloned()
        .unwrap_or_default();
    let family = |first: &str| -> Vec<String> {
        [first, ICONS]
            .into_iter()
            .map(str::to_owned)
            .chain(fallback.iter().cloned())
            .collect()
    };
    fonts.families.insert(FontFamily::Proportional, family(TEXT));
    fonts.families.insert(strong_family(), family(STRONG));
    fonts
        .families
        .entry(FontFamily::Monospace)
        .or_default()
        .insert(1, ICONS.to_owned());
    fonts
}
