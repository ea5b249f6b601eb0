//! A viewer on synthetic pictures, drawn by the software renderer.

use egui::{Color32, Pos2, Rect, Theme, Vec2, vec2};
use egui_kittest::wgpu::{WgpuTestRenderer, create_render_state, default_wgpu_setup};
use egui_kittest::{Harness, SnapshotOptions};
use egui_wgpu::{RenderState, Renderer, RendererOptions};
use softscope::picture::Rgb8;
use softscope::ui::theme;
use softscope::ui::viewer::{CompareMode, Layer, Viewer, ViewerResponse};
use std::sync::Arc;

pub(crate) const SIDE: u32 = 64;

pub(crate) struct Bench {
    pub(crate) viewer: Viewer,
    pub(crate) layers: Vec<Layer>,
    pub(crate) response: ViewerResponse,
}

/// How the pictures are painted.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Back {
    /// By the shader.
    Gpu,
    /// By the shader into a target that converts from linear to sRGB by itself.
    GpuLinear,
    /// As egui textures.
    Mesh,
}

pub(crate) fn picture(colour: impl Fn(u32, u32) -> [u8; 3]) -> Arc<Rgb8> {
    let data = (0..SIDE)
        .flat_map(|y| (0..SIDE).map(move |x| (x, y)))
        .flat_map(|(x, y)| colour(x, y));
    Arc::new(Rgb8::new(SIDE, SIDE, data.collect()).unwrap())
}

/// A gradient with a disc, told apart pixel by pixel.
pub(crate) fn original(x: u32, y: u32) -> [u8; 3] {
    let in_disc = (x as f32 - 40.0).hypot(y as f32 - 24.0) < 14.0;
    if in_disc {
        [226, 120 + x as u8, 40]
    } else {
        [2 * x as u8, 3 * y as u8, 150]
    }
}

pub(crate) fn reconstruction(x: u32, y: u32) -> [u8; 3] {
    let [r, g, b] = original(x / 4 * 4, y / 4 * 4);
    [r, g.saturating_add(6), b]
}

pub(crate) fn edited(x: u32, y: u32) -> [u8; 3] {
    let [r, g, b] = reconstruction(x, y);
    if x < 24 && y > 36 {
        [r.saturating_add(50), g, b / 2]
    } else {
        [r, g, b]
    }
}

pub(crate) fn layers() -> Vec<Layer> {
    let layer = |name: &str, caption: &str, colour: fn(u32, u32) -> [u8; 3]| Layer {
        name: name.to_owned(),
        caption: caption.to_owned(),
        picture: Some(picture(colour)),
        ..Default::default()
    };
    vec![
        layer("original", "64 × 64", original),
        layer("reconstruction", "PSNR 24.1 dB  SSIM 0.71", reconstruction),
        Layer {
            badge: Some("preview".to_owned()),
            ..layer("edited", "PSNR 21.7 dB  SSIM 0.66", edited)
        },
    ]
}

#[derive(Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) back: Back,
    pub(crate) theme: Theme,
    pub(crate) size: Vec2,
    pub(crate) pixels_per_point: f32,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            back: Back::Gpu,
            theme: Theme::Dark,
            size: vec2(760.0, 360.0),
            pixels_per_point: 1.0,
        }
    }
}

pub(crate) const BACKS: [Back; 3] = [Back::Gpu, Back::GpuLinear, Back::Mesh];

fn render_state(back: Back) -> RenderState {
    let options = RendererOptions::PREDICTABLE;
    let mut state = create_render_state(default_wgpu_setup(), options);
    if back == Back::GpuLinear {
        state.target_format = wgpu::TextureFormat::Rgba8UnormSrgb;
        let renderer = Renderer::new(&state.device, state.target_format, options);
        *state.renderer.write() = renderer;
    }
    state
}

pub(crate) fn bench(setup: Setup, mode: CompareMode, layers: Vec<Layer>) -> Harness<'static, Bench> {
    let state = render_state(setup.back);
    let mut viewer = Viewer::new((setup.back != Back::Mesh).then_some(&state));
    viewer.mode = mode;
    let bench = Bench {
        viewer,
        layers,
        response: ViewerResponse::default(),
    };
    Harness::builder()
        .with_size(setup.size)
        .with_pixels_per_point(setup.pixels_per_point)
        .with_theme(setup.theme)
        .with_render_cursor(false)
        .with_context_setup(theme::install)
        .renderer(WgpuTestRenderer::from_render_state(state))
        .build_ui_state(
            |ui, bench: &mut Bench| {
                let (whole, ground) = (ui.ctx().content_rect(), ui.visuals().panel_fill);
                ui.painter().with_clip_rect(whole).rect_filled(whole, 0.0, ground);
                bench.response = bench.viewer.ui(ui, &bench.layers);
            },
            bench,
        )
}

pub(crate) fn side_by_side() -> Harness<'static, Bench> {
    bench(Setup::default(), CompareMode::SideBySide, layers())
}

/// A missing widget differs in far more than a handful of pixels.
pub(crate) fn strict() -> SnapshotOptions {
    SnapshotOptions::new().threshold(0.6).max_failed_pixels(8)
}

/// Where a layer's picture lies in its area when it fits: the largest square in the middle.
pub(crate) fn fitted(area: Rect) -> Rect {
    Rect::from_center_size(area.center(), Vec2::splat(area.size().min_elem()))
}

pub(crate) fn at_pixel(place: Rect, column: u32, row: u32) -> Pos2 {
    place.min + vec2(column as f32 + 0.5, row as f32 + 0.5) * place.size() / SIDE as f32
}

pub(crate) fn rendered(harness: &mut Harness<'_, Bench>, at: Pos2) -> [u8; 3] {
    let scale = harness.ctx.pixels_per_point();
    let image = harness.render().unwrap();
    let pixel = image.get_pixel((at.x * scale) as u32, (at.y * scale) as u32);
    [pixel[0], pixel[1], pixel[2]]
}

pub(crate) fn colour_bytes(colour: Color32) -> [u8; 3] {
    [colour.r(), colour.g(), colour.b()]
}

pub(crate) fn assert_near(found: [u8; 3], expected: [u8; 3]) {
    let is_near = found
        .iter()
        .zip(expected)
        .all(|(found, expected)| found.abs_diff(expected) <= 2);
    assert!(is_near, "{found:?} is not near {expected:?}");
}
