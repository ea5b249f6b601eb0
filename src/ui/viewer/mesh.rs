//! Pictures as egui textures, for renderers other than wgpu.

use super::scene::{Content, Scene, Source};
use super::texels::{self, DifferenceScale, Origin};
use crate::picture::Rgb8;
use crate::ui::theme;
use egui::{Color32, ColorImage, Painter, Rect, TextureFilter, TextureHandle, TextureOptions, pos2};
use std::collections::HashMap;
use std::sync::Arc;

/// Pixels stay visible when magnified and do not flicker when reduced.
const PIXELS: TextureOptions = TextureOptions {
    magnification: TextureFilter::Nearest,
    minification: TextureFilter::Linear,
    ..TextureOptions::LINEAR
};
const WHOLE: Rect = Rect {
    min: pos2(0.0, 0.0),
    max: pos2(1.0, 1.0),
};
/// Half the heat map's colour, half the picture's.
const HEAT_TINT: Color32 = Color32::from_rgba_premultiplied(128, 128, 128, 128);

/// The difference computed last and what of.
struct KeptDifference {
    a: Origin<Rgb8>,
    b: Origin<Rgb8>,
    scale: DifferenceScale,
    texture: TextureHandle,
}

#[derive(Default)]
pub(super) struct MeshPainter {
    pictures: HashMap<usize, (Origin<Rgb8>, TextureHandle)>,
    difference: Option<KeptDifference>,
    heat: Option<(Origin<Vec<f32>>, TextureHandle)>,
}

impl MeshPainter {
    pub(super) fn retain(&mut self, is_used: impl Fn(usize) -> bool) {
        self.pictures.retain(|slot, _| is_used(*slot));
    }

    /// `painter` is clipped to the scene's cell.
    pub(super) fn paint(&mut self, painter: &Painter, scene: &Scene<'_>) {
        match scene.content {
            Content::Single(source) => self.paint_source(painter, scene, source),
            Content::Wipe {
                left,
                right,
                divider_x,
            } => {
                let clip = painter.clip_rect();
                let left_side = Rect {
                    max: pos2(divider_x.min(clip.right()), clip.bottom()),
                    ..clip
                };
                let right_side = Rect {
                    min: pos2(divider_x.max(clip.left()), clip.top()),
                    ..clip
                };
                self.paint_source(&painter.with_clip_rect(left_side), scene, left);
                self.paint_source(&painter.with_clip_rect(right_side), scene, right);
            }
            Content::Difference { a, b, scale } => {
                let texture = self.difference_texture(painter.ctx(), a.picture, b.picture, scale);
                painter.image(texture, scene.place, WHOLE, Color32::WHITE);
            }
        }
    }

    fn paint_source(&mut self, painter: &Painter, scene: &Scene<'_>, source: Source<'_>) {
        let texture = self.picture_texture(painter.ctx(), source);
        painter.image(texture, scene.place, WHOLE, Color32::WHITE);
        let heat = scene.heat.filter(|_| source.heated);
        if let Some(texture) = heat.and_then(|heat| self.heat_texture(painter.ctx(), heat, source.picture)) {
            painter.image(texture, scene.place, WHOLE, HEAT_TINT);
        }
    }

    fn picture_texture(&mut self, ctx: &egui::Context, source: Source<'_>) -> egui::TextureId {
        let max_side = max_side(ctx);
        let texels = || texels::within(source.picture, max_side);
        let (origin, texture) = self.pictures.entry(source.slot).or_insert_with(|| {
            let name = format!("picture {}", source.slot);
            (
                Origin::of(source.picture),
                ctx.load_texture(name, texels(), PIXELS),
            )
        });
        if !origin.is(source.picture) {
            texture.set(texels(), PIXELS);
            *origin = Origin::of(source.picture);
        }
        texture.id()
    }

    fn difference_texture(
        &mut self,
        ctx: &egui::Context,
        a: &Arc<Rgb8>,
        b: &Arc<Rgb8>,
        scale: DifferenceScale,
    ) -> egui::TextureId {
        if let Some(kept) = &self.difference
            && kept.a.is(a)
            && kept.b.is(b)
            && kept.scale == scale
        {
            return kept.texture.id();
        }
        let image = texels::reduced_to(texels::difference(a, b, scale), max_side(ctx));
        let texture = match self.difference.take() {
            Some(KeptDifference { mut texture, .. }) => {
                texture.set(image, PIXELS);
                texture
            }
            None => ctx.load_texture("difference", image, PIXELS),
        };
        let id = texture.id();
        self.difference = Some(KeptDifference {
            a: Origin::of(a),
            b: Origin::of(b),
            scale,
            texture,
        });
        id
    }

    fn heat_texture(
        &mut self,
        ctx: &egui::Context,
        heat: &Arc<Vec<f32>>,
        picture: &Rgb8,
    ) -> Option<egui::TextureId> {
        if let Some((origin, texture)) = &self.heat
            && origin.is(heat)
        {
            return Some(texture.id());
        }
        let [width, height] = texels::heat_size(heat.len(), picture)?;
        let pixels = heat.iter().map(|value| theme::magnitude(*value)).collect();
        let image = texels::reduced_to(
            ColorImage::new([width as usize, height as usize], pixels),
            max_side(ctx),
        );
        let texture = ctx.load_texture("heat map", image, TextureOptions::LINEAR);
        let id = texture.id();
        self.heat = Some((Origin::of(heat), texture));
        Some(id)
    }
}

fn max_side(ctx: &egui::Context) -> u32 {
    u32::try_from(ctx.input(|input| input.max_texture_side)).unwrap_or(u32::MAX)
}
