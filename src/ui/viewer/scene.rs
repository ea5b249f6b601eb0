//! What a picture area shows, independent of how it is painted.

use super::gpu::GpuPainter;
use super::mesh::MeshPainter;
use super::texels::DifferenceScale;
use crate::picture::Rgb8;
use egui::{Painter, Rect};
use std::sync::Arc;

/// A picture and the place its texture is kept in: the index of its layer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) slot: usize,
    pub(super) picture: &'a Arc<Rgb8>,
    /// Whether the heat map lies over it.
    pub(super) heated: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Content<'a> {
    Single(Source<'a>),
    Wipe {
        left: Source<'a>,
        right: Source<'a>,
        /// In points from the left of the screen.
        divider_x: f32,
    },
    Difference {
        a: Source<'a>,
        b: Source<'a>,
        scale: DifferenceScale,
    },
}

/// One picture area.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scene<'a> {
    /// The cell, in points. Nothing is painted outside.
    pub(super) cell: Rect,
    /// Where the whole picture lies, in points; reaches over the cell when magnified.
    pub(super) place: Rect,
    pub(super) content: Content<'a>,
    pub(super) heat: Option<&'a Arc<Vec<f32>>>,
}

/// Paints scenes with what the window's renderer offers.
pub(super) enum ScenePainter {
    /// egui runs on wgpu: own textures and a shader.
    Gpu(Box<GpuPainter>),
    /// Any renderer: egui textures, differences computed here.
    Mesh(MeshPainter),
}

impl Default for ScenePainter {
    fn default() -> Self {
        Self::Mesh(MeshPainter::default())
    }
}

impl ScenePainter {
    pub(super) fn paint(&mut self, painter: &Painter, scene: &Scene<'_>) {
        let painter = painter.with_clip_rect(painter.clip_rect().intersect(scene.cell));
        match self {
            Self::Gpu(gpu) => gpu.paint(&painter, scene),
            Self::Mesh(mesh) => mesh.paint(&painter, scene),
        }
    }

    /// Frees the textures of layers that have no picture any more.
    pub(super) fn retain(&mut self, is_used: impl Fn(usize) -> bool) {
        match self {
            Self::Gpu(gpu) => gpu.retain(is_used),
            Self::Mesh(mesh) => mesh.retain(is_used),
        }
    }
}
