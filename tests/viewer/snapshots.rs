//! What the viewer and the theme look like.

use crate::bench::{Setup, bench, layers, side_by_side, strict};
use egui::{Theme, vec2};
use egui_kittest::kittest::Queryable as _;
use egui_kittest::{Harness, SnapshotResults};
use softscope::ui::theme::{self, icon};
use softscope::ui::viewer::{CompareMode, Layer};
use std::sync::Arc;

#[test]
fn snapshots_of_every_mode_and_theme() {
    let modes = [
        ("side_by_side", CompareMode::SideBySide),
        ("wipe", CompareMode::Wipe),
        ("flip", CompareMode::Flip),
        ("difference", CompareMode::Difference),
    ];
    let mut results = SnapshotResults::new();
    for (theme_name, theme) in [("dark", Theme::Dark), ("light", Theme::Light)] {
        for (mode_name, mode) in modes {
            let mut harness = bench(
                Setup {
                    theme,
                    ..Default::default()
                },
                mode,
                layers(),
            );
            results.add(harness.try_snapshot_options(format!("viewer_{mode_name}_{theme_name}"), &strict()));
        }
    }
}

#[test]
fn snapshots_at_two_pixels_per_point() {
    let mut results = SnapshotResults::new();
    for (name, mode) in [
        ("side_by_side", CompareMode::SideBySide),
        ("wipe", CompareMode::Wipe),
    ] {
        let setup = Setup {
            pixels_per_point: 2.0,
            size: vec2(640.0, 320.0),
            ..Default::default()
        };
        let mut harness = bench(setup, mode, layers());
        results.add(harness.try_snapshot_options(format!("viewer_{name}_2x"), &strict()));
    }
}

#[test]
fn snapshot_of_the_read_out_at_high_zoom() {
    let mut harness = side_by_side();
    let area = harness.get_by_label("original picture").rect();
    for _ in 0..8 {
        harness.get_by_label("Zoom in").click();
        harness.run();
    }
    harness.hover_at(area.center() + vec2(20.0, 12.0));
    harness.run();
    harness.snapshot_options("viewer_read_out", &strict());
}

#[test]
fn snapshot_of_missing_pictures_in_a_narrow_place() {
    let mut layers = layers();
    layers[1].picture = None;
    layers[1].empty_text = "Encode the picture to see what the tokens keep of it.".to_owned();
    layers[2] = Layer {
        name: "edited".to_owned(),
        empty_text: "Select a token and change it.".to_owned(),
        ..Default::default()
    };
    let setup = Setup {
        size: vec2(420.0, 560.0),
        ..Default::default()
    };
    let mut harness = bench(setup, CompareMode::SideBySide, layers);
    harness.get_by_label("Select a token and change it.");
    harness.snapshot_options("viewer_empty_narrow", &strict());
}

#[test]
fn snapshot_of_a_signed_difference() {
    let mut harness = bench(Setup::default(), CompareMode::Difference, layers());
    harness.get_by_label("signed").click();
    harness.remove_cursor();
    harness.run();
    harness.snapshot_options("viewer_difference_signed", &strict());
}

#[test]
fn snapshot_of_a_heat_map() {
    let mut harness = side_by_side();
    let ramp = (0..16 * 16).map(|index| (index % 16) as f32 / 15.0).collect();
    harness.state_mut().viewer.overlay = Some(Arc::new(ramp));
    harness.run();
    harness.snapshot_options("viewer_heat_map", &strict());
}

/// One of everything the theme styles.
fn gallery_ui(ui: &mut egui::Ui, (checked, number, text): &mut (bool, f32, String)) {
    let (whole, ground) = (ui.ctx().content_rect(), ui.visuals().panel_fill);
    ui.painter().with_clip_rect(whole).rect_filled(whole, 0.0, ground);
    ui.heading("Token 5");
    ui.label(theme::muted(
        "mixture of 64 codewords, entropy 3.1 nat, effective 22.2",
    ));
    ui.horizontal(|ui| {
        for (icon, label) in [(icon::UNDO, "Undo"), (icon::REDO, "Redo"), (icon::RESET, "Reset")] {
            theme::icon_button(ui, icon, label);
        }
        theme::labelled_icon_button(ui, icon::EXPORT, "Export", false, false);
        theme::labelled_icon_button(ui, icon::COLUMNS, "Side by side", true, false);
        let _ = ui.button("Apply");
        ui.add_enabled(false, egui::Button::new("Apply"));
        theme::badge_ui(ui, "preview");
    });
    ui.horizontal(|ui| {
        ui.checkbox(checked, "signed");
        let _ = ui.radio(true, "spherical");
        let _ = ui.radio(false, "linear");
        ui.add(egui::Slider::new(number, 0.0..=1.0).text("tau"));
        let combo = egui::ComboBox::from_label("colour")
            .selected_text("entropy")
            .icon(theme::combo_caret);
        combo.show_ui(ui, |_| {});
    });
    ui.horizontal(|ui| {
        let label = ui.label("Path");
        ui.text_edit_singleline(text).labelled_by(label.id);
        ui.add(egui::ProgressBar::new(0.4).desired_width(120.0).text("41 %"));
    });
    ui.separator();
    ui.horizontal(|ui| {
        let colours = theme::palette(ui.visuals());
        ui.colored_label(colours.success, format!("{} exact", icon::CHECK));
        ui.colored_label(colours.warning, format!("{} blurry", icon::WARNING));
        ui.colored_label(colours.error, format!("{} not read", icon::ERROR));
        ui.hyperlink_to("SoftVQ-VAE", "https://arxiv.org/abs/2412.10958");
        ui.label(egui::RichText::new("decode.0.weight").monospace());
    });
    theme::legend_ui(ui, "entropy", 0, 4.2);
    theme::legend_signed_ui(ui, "value", -3, 3);
    ui.horizontal(|ui| {
        for segment in 0..8 {
            let (rect, _) = ui.allocate_exact_size(vec2(24.0, 12.0), egui::Sense::hover());
            ui.painter().rect_filled(rect, 2.0, theme::segment(segment));
        }
    });
    ui.horizontal_wrapped(|ui| {
        ui.label(egui::RichText::new(icon::ALL.join(" ")).size(theme::TEXT_SIZES[2]));
    });
}

#[test]
fn snapshots_of_the_theme() {
    let mut results = SnapshotResults::new();
    for (name, theme) in [("dark", Theme::Dark), ("light", Theme::Light)] {
        let mut harness = Harness::builder()
            .with_size(vec2(640.0, 360.0))
            .with_theme(theme)
            .with_render_cursor(false)
            .with_context_setup(theme::install)
            .wgpu()
            .build_ui_state(gallery_ui, (true, 0.35, "models/starter".to_owned()));
        results.add(harness.try_snapshot_options(format!("viewer_theme_{name}"), &strict()));
    }
}
