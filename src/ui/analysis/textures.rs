//! The pictures of a result as textures, each made once.

use crate::engine::Analysed;
use egui::{ColorImage, Context, TextureHandle, TextureId, TextureOptions};
use std::collections::HashMap;
use std::sync::Arc;

/// Textures of the newest result that was asked for.
pub(super) struct Textures<T = Analysed> {
    of: Option<Arc<T>>,
    handles: HashMap<usize, TextureHandle>,
}

impl<T> Default for Textures<T> {
    fn default() -> Self {
        Self {
            of: None,
            handles: HashMap::new(),
        }
    }
}

impl<T> Textures<T> {
    /// The texture `key` of `found`; those of another result are dropped.
    pub(super) fn get(
        &mut self,
        ctx: &Context,
        found: &Arc<T>,
        key: usize,
        options: TextureOptions,
        make: impl FnOnce() -> ColorImage,
    ) -> TextureId {
        if !self.of.as_ref().is_some_and(|of| Arc::ptr_eq(of, found)) {
            self.handles.clear();
            self.of = Some(Arc::clone(found));
        }
        self.handles
            .entry(key)
            .or_insert_with(|| ctx.load_texture("analysis", make(), options))
            .id()
    }
}
