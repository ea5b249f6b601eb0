//! Pictures as own wgpu textures, put together by a shader inside egui's render pass.
//!
//! The pipeline is shared by all viewers of a window through the renderer's callback resources. Textures belong to
//! their viewer and go with it.

use super::scene::{Content, Scene, Source};
use super::texels::{self, Origin};
use crate::picture::Rgb8;
use crate::ui::theme;
use egui::{Color32, ColorImage, PaintCallbackInfo, Painter};
use egui_wgpu::{CallbackResources, CallbackTrait, RenderState};
use std::collections::HashMap;
use std::sync::Arc;
use wgpu::util::DeviceExt as _;

const MODE_PICTURE: u32 = 0;
const MODE_DIFFERENCE: u32 = 1;
const MODE_SIGNED_DIFFERENCE: u32 = 2;
const HEAT_ON_FIRST: u32 = 1;
const HEAT_ON_SECOND: u32 = 2;

/// More samples per axis and screen pixel are not taken: by then the picture is a thumbnail.
const MAX_TAPS: u32 = 8;
/// Entries of a colour map's row.
const MAP_ENTRIES: u32 = 256;

/// `Scene` of picture.wgsl.
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
struct Uniforms {
    origin: [f32; 2],
    extent: [f32; 2],
    divider: f32,
    gain: f32,
    mode: u32,
    heat_on: u32,
    taps: u32,
    linear_target: u32,
    padding: [u32; 2],
}

/// What all viewers of a window share.
struct Shared {
    pipeline: wgpu::RenderPipeline,
    layout: wgpu::BindGroupLayout,
    /// Row 0: magnitude, row 1: signed.
    maps: wgpu::TextureView,
    /// Stands where a scene has no heat map.
    no_heat: wgpu::TextureView,
}

struct PictureTexture {
    origin: Origin<Rgb8>,
    texture: wgpu::Texture,
    view: wgpu::TextureView,
}

struct HeatTexture {
    origin: Origin<Vec<f32>>,
    view: wgpu::TextureView,
}

pub(super) struct GpuPainter {
    device: wgpu::Device,
    queue: wgpu::Queue,
    linear_target: bool,
    shared: Arc<Shared>,
    pictures: HashMap<usize, PictureTexture>,
    heat: Option<HeatTexture>,
}

impl GpuPainter {
    pub(super) fn new(state: &RenderState) -> Self {
        let resources = &mut state.renderer.write().callback_resources;
        let shared = resources
            .entry::<Arc<Shared>>()
            .or_insert_with(|| Arc::new(Shared::new(&state.device, &state.queue, state.target_format)));
        Self {
            device: state.device.clone(),
            queue: state.queue.clone(),
            linear_target: state.target_format.is_srgb(),
            shared: Arc::clone(shared),
            pictures: HashMap::new(),
            heat: None,
        }
    }

    pub(super) fn retain(&mut self, is_used: impl Fn(usize) -> bool) {
        self.pictures.retain(|slot, _| is_used(*slot));
    }

    /// `painter` is clipped to the scene's cell.
    pub(super) fn paint(&mut self, painter: &Painter, scene: &Scene<'_>) {
        let pixels_per_point = painter.ctx().pixels_per_point();
        let (first, second, divider_x, mode, gain) = match scene.content {
            Content::Single(source) => (source, source, f32::INFINITY, MODE_PICTURE, 1.0),
            Content::Wipe {
                left,
                right,
                divider_x,
            } => (left, right, divider_x, MODE_PICTURE, 1.0),
            Content::Difference { a, b, scale } => {
                let mode = if scale.signed {
                    MODE_SIGNED_DIFFERENCE
                } else {
                    MODE_DIFFERENCE
                };
                (a, b, f32::INFINITY, mode, scale.gain)
            }
        };
        let extent = scene.place.size() * pixels_per_point;
        let heat = scene.heat.and_then(|heat| self.heat_view(heat, first.picture));
        let heat_on = match &heat {
            Some(_) => u32::from(first.heated) * HEAT_ON_FIRST + u32::from(second.heated) * HEAT_ON_SECOND,
            None => 0,
        };
        let uniforms = Uniforms {
            origin: (scene.place.min.to_vec2() * pixels_per_point).into(),
            extent: extent.into(),
            // Finite, for shaders need not know infinity.
            divider: (divider_x * pixels_per_point).min(f32::MAX),
            gain,
            mode,
            heat_on,
            taps: taps(first.picture, extent).max(taps(second.picture, extent)),
            linear_target: u32::from(self.linear_target),
            padding: [0; 2],
        };
        let first = self.picture_view(first);
        let second = self.picture_view(second);
        let heat = heat.unwrap_or_else(|| self.shared.no_heat.clone());
        let bindings = self
            .shared
            .bind(&self.device, &uniforms, [&first, &second, &heat]);
        let callback = SceneCallback {
            shared: Arc::clone(&self.shared),
            bindings,
        };
        painter.add(egui_wgpu::Callback::new_paint_callback(scene.cell, callback));
    }

    /// The texture of a layer, written anew only where its picture is another one than before.
    fn picture_view(&mut self, source: Source<'_>) -> wgpu::TextureView {
        if let Some(kept) = self.pictures.get(&source.slot)
            && kept.origin.is(source.picture)
        {
            return kept.view.clone();
        }
        let image = texels::within(source.picture, self.device.limits().max_texture_dimension_2d);
        let size = image.size.map(|side| side as u32);
        let texture = match self.pictures.remove(&source.slot) {
            Some(kept) if [kept.texture.width(), kept.texture.height()] == size => kept.texture,
            _ => create_texture(&self.device, "picture", size, wgpu::TextureFormat::Rgba8Unorm),
        };
        write_texture(&self.queue, &texture, bytemuck::cast_slice(&image.pixels));
        let view = texture.create_view(&Default::default());
        let origin = Origin::of(source.picture);
        self.pictures.insert(
            source.slot,
            PictureTexture {
                origin,
                texture,
                view: view.clone(),
            },
        );
        view
    }

    /// `None` where the heat map fits neither `picture` nor a square or is too large for the device.
    fn heat_view(&mut self, heat: &Arc<Vec<f32>>, picture: &Rgb8) -> Option<wgpu::TextureView> {
        if let Some(kept) = &self.heat
            && kept.origin.is(heat)
        {
            return Some(kept.view.clone());
        }
        let size = texels::heat_size(heat.len(), picture)?;
        if size
            .into_iter()
            .any(|side| side > self.device.limits().max_texture_dimension_2d)
        {
            return None;
        }
        let texture = create_texture(&self.device, "heat map", size, wgpu::TextureFormat::R8Unorm);
        let bytes: Vec<u8> = heat.iter().map(|value| texels::heat_byte(*value)).collect();
        write_texture(&self.queue, &texture, &bytes);
        let view = texture.create_view(&Default::default());
        self.heat = Some(HeatTexture {
            origin: Origin::of(heat),
            view: view.clone(),
        });
        Some(view)
    }
}

/// Samples per axis that meet every pixel of `picture` when it is shown on `extent` screen pixels.
fn taps(picture: &Rgb8, extent: egui::Vec2) -> u32 {
    let ratio = (picture.width() as f32 / extent.x).max(picture.height() as f32 / extent.y);
    // A little more than 1 comes from rounding, not from a reduction.
    ((ratio - 0.01).ceil() as u32).clamp(1, MAX_TAPS)
}

fn create_texture(
    device: &wgpu::Device,
    label: &str,
    [width, height]: [u32; 2],
    format: wgpu::TextureFormat,
) -> wgpu::Texture {
    device.create_texture(&wgpu::TextureDescriptor {
        label: Some(label),
        size: wgpu::Extent3d {
            width,
            height,
            depth_or_array_layers: 1,
        },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format,
        usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST,
        view_formats: &[],
    })
}

/// `texels` fill the whole texture, rows from the top, without gaps.
fn write_texture(queue: &wgpu::Queue, texture: &wgpu::Texture, texels: &[u8]) {
    let texel_bytes = texture.format().block_copy_size(None).unwrap_or(1);
    queue.write_texture(
        texture.as_image_copy(),
        texels,
        wgpu::TexelCopyBufferLayout {
            offset: 0,
            bytes_per_row: Some(texel_bytes * texture.width()),
            rows_per_image: None,
        },
        texture.size(),
    );
}

/// The colour maps of the theme, one row each.
fn colour_maps() -> ColorImage {
    let row = |colour: fn(f32) -> Color32| {
        (0..MAP_ENTRIES).map(move |entry| colour(entry as f32 / (MAP_ENTRIES - 1) as f32))
    };
    let pixels = row(theme::magnitude).chain(row(theme::signed_gradient)).collect();
    ColorImage::new([MAP_ENTRIES as usize, 2], pixels)
}

impl Shared {
    fn new(device: &wgpu::Device, queue: &wgpu::Queue, target: wgpu::TextureFormat) -> Self {
        let layout = bind_group_layout(device);
        let pipeline = pipeline(device, &layout, target);
        let maps = create_texture(
            device,
            "colour maps",
            [MAP_ENTRIES, 2],
            wgpu::TextureFormat::Rgba8Unorm,
        );
        write_texture(queue, &maps, bytemuck::cast_slice(&colour_maps().pixels));
        // wgpu zeroes new textures.
        let no_heat = create_texture(device, "no heat map", [1, 1], wgpu::TextureFormat::R8Unorm);
        Self {
            pipeline,
            layout,
            maps: maps.create_view(&Default::default()),
            no_heat: no_heat.create_view(&Default::default()),
        }
    }

    /// `textures`: first picture, second picture, heat map.
    fn bind(
        &self,
        device: &wgpu::Device,
        uniforms: &Uniforms,
        textures: [&wgpu::TextureView; 3],
    ) -> wgpu::BindGroup {
        let buffer = device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
            label: Some("picture scene"),
            contents: bytemuck::bytes_of(uniforms),
            usage: wgpu::BufferUsages::UNIFORM,
        });
        let [first, second, heat] = textures.map(wgpu::BindingResource::TextureView);
        let resources = [
            buffer.as_entire_binding(),
            first,
            second,
            heat,
            wgpu::BindingResource::TextureView(&self.maps),
        ];
        let entries: Vec<_> = (0..)
            .zip(resources)
            .map(|(binding, resource)| wgpu::BindGroupEntry { binding, resource })
            .collect();
        device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("picture scene"),
            layout: &self.layout,
            entries: &entries,
        })
    }
}

/// Binding 0: uniforms; 1 to 4: first and second picture, heat map, colour maps.
fn bind_group_layout(device: &wgpu::Device) -> wgpu::BindGroupLayout {
    let uniforms = wgpu::BindingType::Buffer {
        ty: wgpu::BufferBindingType::Uniform,
        has_dynamic_offset: false,
        min_binding_size: std::num::NonZeroU64::new(size_of::<Uniforms>() as u64),
    };
    let texture = wgpu::BindingType::Texture {
        sample_type: wgpu::TextureSampleType::Float { filterable: false },
        view_dimension: wgpu::TextureViewDimension::D2,
        multisampled: false,
    };
    let entries: Vec<_> = (0..)
        .zip([uniforms, texture, texture, texture, texture])
        .map(|(binding, ty)| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::FRAGMENT,
            ty,
            count: None,
        })
        .collect();
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: Some("picture scene"),
        entries: &entries,
    })
}

fn pipeline(
    device: &wgpu::Device,
    layout: &wgpu::BindGroupLayout,
    target: wgpu::TextureFormat,
) -> wgpu::RenderPipeline {
    let module = device.create_shader_module(wgpu::include_wgsl!("picture.wgsl"));
    let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: Some("picture scene"),
        bind_group_layouts: &[Some(layout)],
        immediate_size: 0,
    });
    device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
        label: Some("picture scene"),
        layout: Some(&layout),
        vertex: wgpu::VertexState {
            module: &module,
            entry_point: Some("vertex"),
            compilation_options: Default::default(),
            buffers: &[],
        },
        primitive: wgpu::PrimitiveState::default(),
        depth_stencil: None,
        multisample: wgpu::MultisampleState::default(),
        fragment: Some(wgpu::FragmentState {
            module: &module,
            entry_point: Some("fragment"),
            compilation_options: Default::default(),
            targets: &[Some(wgpu::ColorTargetState {
                format: target,
                blend: Some(wgpu::BlendState::PREMULTIPLIED_ALPHA_BLENDING),
                write_mask: wgpu::ColorWrites::ALL,
            })],
        }),
        multiview_mask: None,
        cache: None,
    })
}

/// One scene, ready to be drawn.
struct SceneCallback {
    shared: Arc<Shared>,
    bindings: wgpu::BindGroup,
}

impl CallbackTrait for SceneCallback {
    fn paint(&self, _: PaintCallbackInfo, pass: &mut wgpu::RenderPass<'static>, _: &CallbackResources) {
        pass.set_pipeline(&self.shared.pipeline);
        pass.set_bind_group(0, &self.bindings, &[]);
        pass.draw(0..3, 0..1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taps_meet_every_pixel() {
        let picture = Rgb8::new(512, 512, vec![0; 512 * 512 * 3]).unwrap();
        assert_eq!(taps(&picture, egui::vec2(512.0, 512.0)), 1);
        assert_eq!(taps(&picture, egui::vec2(511.9, 511.9)), 1);
        assert_eq!(taps(&picture, egui::vec2(300.0, 300.0)), 2);
        assert_eq!(taps(&picture, egui::vec2(10.0, 10.0)), MAX_TAPS);
        assert_eq!(taps(&picture, egui::vec2(4000.0, 4000.0)), 1);
    }

    #[test]
    fn maps_are_the_theme_s() {
        let maps = colour_maps();
        assert_eq!(maps.pixels[255], theme::magnitude(1.0));
        assert_eq!(maps.pixels[256], theme::signed(-1.0));
    }
}
