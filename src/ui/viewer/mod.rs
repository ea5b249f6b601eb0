//! The centre: original, reconstruction and edited picture under one zoom and pan.
//!
//! [`Viewer::ui`] lays out the mode bar, the picture areas and the read-out. `geometry` says where pixels are,
//! `panes` turns pointer and keys into zoom and pan, `scene` says what is painted, `gpu` and `mesh` paint it, `marks` and
//! `divider` are drawn over it.

mod brush;
mod controls;
mod divider;
mod geometry;
mod gpu;
mod marks;
mod mesh;
mod panes;
mod scene;
mod texels;

use crate::picture::Rgb8;
use crate::ui::theme;
pub use brush::{BrushInput, ViewerBrush};
use egui::{Pos2, Ui, pos2, vec2};
use std::sync::Arc;

/// How pictures are put beside or over each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CompareMode {
    /// Every layer in a cell of its own.
    #[default]
    SideBySide,
    /// Two layers in one place with a divider between.
    Wipe,
    /// Two layers in one place, one at a time.
    Flip,
    /// The difference of two layers in false colour.
    Difference,
}

/// One picture on show. The same `Arc` means the same pixels: textures are updated only when it changes.
#[derive(Debug, Clone, Default)]
pub struct Layer {
    /// Such as "original", "reconstruction", "edited".
    pub name: String,
    /// Under the picture, such as "PSNR 21.7 dB  SSIM 0.61".
    pub caption: String,
    /// The pixels, or `None` while there are none.
    pub picture: Option<Arc<Rgb8>>,
    /// What to say while there is no picture.
    pub empty_text: String,
    /// A remark in a pill beside the name, such as "preview".
    pub badge: Option<String>,
}

/// What the viewer remembers between frames (zoom, pan, mode, wipe position, which pair is compared, textures).
pub struct Viewer {
    /// How the layers are compared.
    pub mode: CompareMode,
    /// A heat map over the last layer that has a picture: values 0..1 in rows from the top, as many as that picture
    /// has pixels or as any square grid has cells. A map of another size is not shown.
    pub overlay: Option<Arc<Vec<f32>>>,
    /// Shows one picture alone: no ways to compare are offered.
    pub is_plain: bool,
    /// A brush that draws over the pictures instead of moving them.
    pub brush: Option<ViewerBrush>,
    view: geometry::View,
    /// Columns of the picture that gave the shape last; 0 before the first.
    columns: f32,
    /// A zoom asked for between two frames.
    asked_zoom: Option<panes::ZoomRequest>,
    /// Where the divider stands, 0..1 of the visible part of the pictures.
    wipe: f32,
    /// Whether the second of the pair is shown in flip mode.
    is_flipped: bool,
    /// The pair that was chosen, as indices of layers; `None` follows the layers.
    pair: Option<(usize, usize)>,
    difference: texels::DifferenceScale,
    /// Where the keys have moved the brush to, 0..1 of the picture.
    brush_at: Pos2,
    painter: scene::ScenePainter,
}

impl Default for Viewer {
    /// A viewer for any renderer, see [`Viewer::new`].
    fn default() -> Self {
        Self {
            mode: CompareMode::default(),
            overlay: None,
            is_plain: false,
            brush: None,
            view: geometry::View::default(),
            columns: 0.0,
            asked_zoom: None,
            wipe: 0.5,
            is_flipped: true,
            pair: None,
            difference: texels::DifferenceScale {
                gain: 4.0,
                signed: false,
            },
            brush_at: pos2(0.5, 0.5),
            painter: scene::ScenePainter::default(),
        }
    }
}

/// What the pointer did.
#[derive(Debug, Clone, Default)]
pub struct ViewerResponse {
    /// Pixel (column, row) of the model's square under the pointer.
    pub pixel: Option<(u32, u32)>,
    /// Index of the layer under the pointer: in wipe mode the one on that side, in difference mode the second.
    pub layer: Option<usize>,
    /// What was done with the brush, where there is one.
    pub brush: Option<BrushInput>,
}

impl Viewer {
    /// With wgpu the pictures are drawn by a shader in egui's render pass (which must have one sample per pixel and
    /// no depth buffer, as eframe's has by default). `None`, for another renderer, draws them as egui textures.
    pub fn new(wgpu: Option<&egui_wgpu::RenderState>) -> Self {
        let painter = match wgpu {
            Some(state) => scene::ScenePainter::Gpu(Box::new(gpu::GpuPainter::new(state))),
            None => scene::ScenePainter::default(),
        };
        Self {
            painter,
            ..Self::default()
        }
    }

    /// Shows the whole picture again.
    pub fn fit(&mut self) {
        self.view.fit();
    }

    /// Shows one pixel of the pictures on one pixel of the screen.
    pub fn actual_size(&mut self) {
        self.asked_zoom = Some(panes::ZoomRequest::Scale(1.0));
    }

    /// `layers`: original, reconstruction, edited, in this order. Takes all the space that is left in `ui`.
    pub fn ui(&mut self, ui: &mut Ui, layers: &[Layer]) -> ViewerResponse {
        self.painter
            .retain(|slot| layers.get(slot).is_some_and(|layer| layer.picture.is_some()));
        let footer_height = theme::ROW_HEIGHT + ui.spacing().item_spacing.y;
        let outcome = ui.vertical(|ui| {
            let zoom_request = self.toolbar_ui(ui, layers).or(self.asked_zoom.take());
            let size = ui.available_size() - vec2(0.0, footer_height);
            let shown = self.panes_ui(ui, size.max(vec2(1.0, 1.0)), layers, zoom_request);
            self.footer_ui(ui, layers, &shown);
            shown
        });
        let shown = outcome.inner;
        ViewerResponse {
            pixel: shown.pixel,
            layer: shown.layer,
            brush: shown.brush,
        }
    }

    /// The mode that is shown: one picture cannot be compared.
    fn mode_for(&self, layers: &[Layer]) -> CompareMode {
        if layers.len() < 2 {
            CompareMode::SideBySide
        } else {
            self.mode
        }
    }

    /// The layers that wipe, flip and difference compare: those chosen, else reconstruction and edited where there is
    /// an edited picture, else original and reconstruction.
    fn compared(&self, layers: &[Layer]) -> (usize, usize) {
        let has_picture = |index: usize| layers.get(index).is_some_and(|layer| layer.picture.is_some());
        match self.pair {
            Some((a, b)) if a < layers.len() && b < layers.len() => (a, b),
            _ if has_picture(1) && has_picture(2) => (1, 2),
            _ => (0, 1.min(layers.len().saturating_sub(1))),
        }
    }

    /// The layer that the heat map lies over.
    fn heated(layers: &[Layer]) -> Option<usize> {
        layers.iter().rposition(|layer| layer.picture.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layers(with_picture: [bool; 3]) -> Vec<Layer> {
        let picture = Arc::new(Rgb8::new(1, 1, vec![0; 3]).unwrap());
        with_picture
            .map(|has| Layer {
                picture: has.then(|| Arc::clone(&picture)),
                ..Default::default()
            })
            .to_vec()
    }

    #[test]
    fn pair_follows_the_layers_until_it_is_chosen() {
        let mut viewer = Viewer::default();
        assert_eq!(viewer.compared(&layers([true, true, false])), (0, 1));
        assert_eq!(viewer.compared(&layers([true, true, true])), (1, 2));
        viewer.pair = Some((0, 2));
        assert_eq!(viewer.compared(&layers([true, true, true])), (0, 2));
        assert_eq!(
            viewer.compared(&layers([true, true, true])[..2]),
            (0, 1),
            "the chosen one is gone"
        );
        assert_eq!(viewer.compared(&[]), (0, 0));
    }

    #[test]
    fn heat_lies_over_the_last_picture() {
        assert_eq!(Viewer::heated(&layers([true, true, false])), Some(1));
        assert_eq!(Viewer::heated(&layers([false, false, false])), None);
    }
}
