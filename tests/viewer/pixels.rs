//! That the pixels on screen are the ones they should be.

use crate::bench::{
    BACKS, SIDE, Setup, assert_near, at_pixel, bench, colour_bytes, edited, fitted, layers, original,
    picture, reconstruction, rendered,
};
use egui::{Vec2, pos2, vec2};
use egui_kittest::kittest::Queryable as _;
use softscope::picture::Rgb8;
use softscope::ui::theme;
use softscope::ui::viewer::{CompareMode, Layer};
use std::sync::Arc;

#[test]
fn bytes_come_out_unchanged() {
    for back in BACKS {
        for pixels_per_point in [1.0, 1.5, 2.0] {
            let setup = Setup {
                back,
                pixels_per_point,
                ..Default::default()
            };
            let mut harness = bench(setup, CompareMode::SideBySide, layers());
            let area = harness.get_by_label("original picture").rect();
            for (column, row) in [(0, 0), (63, 63), (40, 24), (17, 50)] {
                let found = rendered(&mut harness, at_pixel(fitted(area), column, row));
                assert_eq!(
                    found,
                    original(column, row),
                    "{column} {row} at {pixels_per_point}"
                );
            }
        }
    }
}

#[test]
fn one_to_one_shows_every_byte() {
    for back in BACKS {
        let mut harness = bench(
            Setup {
                back,
                ..Default::default()
            },
            CompareMode::SideBySide,
            layers(),
        );
        harness.get_by_label("1:1").click();
        harness.run();
        let area = harness.get_by_label("original picture").rect();
        let corner = area.center() - Vec2::splat(SIDE as f32 / 2.0);
        let corner = pos2(corner.x.round() as u32 as f32, corner.y.round() as u32 as f32);
        let image = harness.render().unwrap();
        for (x, y) in (0..SIDE).flat_map(|y| (0..SIDE).map(move |x| (x, y))) {
            let pixel = image.get_pixel(corner.x as u32 + x, corner.y as u32 + y);
            assert_eq!([pixel[0], pixel[1], pixel[2]], original(x, y), "{x} {y}");
        }
    }
}

#[test]
fn a_reduced_picture_is_averaged_not_dropped() {
    // Alternating columns: any sampler that skips texels shows black or white.
    let stripes = picture(|x, _| if x % 2 == 0 { [255; 3] } else { [0; 3] });
    let layer = Layer {
        name: "stripes".to_owned(),
        picture: Some(stripes),
        ..Default::default()
    };
    let setup = Setup {
        size: vec2(420.0, 140.0),
        ..Default::default()
    };
    let mut harness = bench(setup, CompareMode::SideBySide, vec![layer]);
    let area = harness.get_by_label("stripes picture").rect();
    assert!(
        area.height() <= 32.0,
        "the picture must be reduced by two or more: {area}"
    );
    let grey = rendered(&mut harness, area.center() + vec2(0.3, 0.0));
    assert!(grey[0].abs_diff(128) < 40, "{grey:?}");
}

#[test]
fn difference_is_the_map_of_the_mean_level_times_the_gain() {
    for back in BACKS {
        let mut harness = bench(
            Setup {
                back,
                ..Default::default()
            },
            CompareMode::Difference,
            layers(),
        );
        let area = fitted(
            harness
                .get_by_label("difference of reconstruction and edited picture")
                .rect(),
        );
        let mean = |(a, b): ([u8; 3], [u8; 3])| -> f32 {
            a.iter()
                .zip(b)
                .map(|(a, b)| f32::from(a.abs_diff(b)))
                .sum::<f32>()
                / (3.0 * 255.0)
        };
        for (column, row) in [(12, 50), (40, 10)] {
            let expected = theme::magnitude(4.0 * mean((reconstruction(column, row), edited(column, row))));
            let found = rendered(&mut harness, at_pixel(area, column, row));
            assert_near(found, colour_bytes(expected));
        }
    }
}

#[test]
fn a_new_picture_replaces_the_old_one() {
    for back in BACKS {
        let mut harness = bench(
            Setup {
                back,
                ..Default::default()
            },
            CompareMode::SideBySide,
            layers(),
        );
        let area = fitted(harness.get_by_label("edited picture").rect());
        let place = at_pixel(area, 30, 30);
        assert_eq!(rendered(&mut harness, place), edited(30, 30));
        harness.state_mut().layers[2].picture = Some(picture(|_, _| [1, 2, 3]));
        harness.run();
        assert_eq!(rendered(&mut harness, place), [1, 2, 3]);
        harness.state_mut().layers[2].picture = None;
        harness.run();
        harness.state_mut().layers[2].picture = Some(picture(|_, _| [9, 8, 7]));
        harness.run();
        assert_eq!(rendered(&mut harness, place), [9, 8, 7]);
    }
}

#[test]
fn heat_map_is_half_laid_over_the_last_picture_only() {
    for back in BACKS {
        let mut harness = bench(
            Setup {
                back,
                ..Default::default()
            },
            CompareMode::SideBySide,
            layers(),
        );
        harness.state_mut().viewer.overlay = Some(Arc::new(vec![1.0; (SIDE * SIDE) as usize]));
        harness.run();
        let last = fitted(harness.get_by_label("edited picture").rect());
        let first = fitted(harness.get_by_label("original picture").rect());
        assert_eq!(rendered(&mut harness, at_pixel(first, 30, 30)), original(30, 30));
        let hot = colour_bytes(theme::magnitude(1.0));
        let below = edited(30, 30);
        let mixed = [0, 1, 2].map(|channel| hot[channel].midpoint(below[channel]));
        assert_near(rendered(&mut harness, at_pixel(last, 30, 30)), mixed);

        harness.state_mut().viewer.overlay = Some(Arc::new(vec![1.0; 7]));
        harness.run();
        assert_eq!(
            rendered(&mut harness, at_pixel(last, 30, 30)),
            below,
            "a map of no square is left out"
        );
    }
}

#[test]
fn odd_input_is_shown_without_trouble() {
    let thin = Arc::new(Rgb8::new(1, 500, vec![80; 1500]).unwrap());
    let wide = Arc::new(Rgb8::new(9000, 1, vec![90; 27000]).unwrap());
    let layers = [thin, wide]
        .map(|picture| Layer {
            picture: Some(picture),
            ..Default::default()
        })
        .to_vec();
    for back in BACKS {
        for size in [vec2(300.0, 200.0), vec2(40.0, 30.0)] {
            for mode in [
                CompareMode::SideBySide,
                CompareMode::Wipe,
                CompareMode::Difference,
            ] {
                let setup = Setup {
                    back,
                    size,
                    ..Default::default()
                };
                let mut harness = bench(setup, mode, layers.clone());
                harness.render().unwrap();
            }
        }
        bench(
            Setup {
                back,
                ..Default::default()
            },
            CompareMode::Wipe,
            Vec::new(),
        )
        .render()
        .unwrap();
    }
}
