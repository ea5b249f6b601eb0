//! Pictures of the collection.

use super::textures::Textures;
use crate::document::{CollectedPicture, Collection, Workspace};
use crate::ui::library::open_sample;
use egui::{ColorImage, Context, TextureId, TextureOptions};
use std::sync::Arc;

/// The thumbnail of a picture as a texture.
pub(super) fn picture_texture(
    textures: &mut Textures<Collection>,
    ctx: &Context,
    collection: &Arc<Collection>,
    picture: usize,
) -> Option<TextureId> {
    let thumbnail = &collection.pictures.get(picture)?.thumbnail;
    Some(
        textures.get(ctx, collection, picture, TextureOptions::LINEAR, || {
            let size = [thumbnail.width() as usize, thumbnail.height() as usize];
            ColorImage::from_rgb(size, thumbnail.as_bytes())
        }),
    )
}

/// Makes a picture of the collection the one that is worked on.
pub(super) fn show_collected(workspace: &mut Workspace, picture: &CollectedPicture) {
    let subject = picture.subject.filter(|id| workspace.subject(*id).is_some());
    match (subject, &picture.path) {
        (Some(id), _) => workspace.set_active(id),
        (None, Some(path)) => open_sample(workspace, path),
        (None, None) => {}
    }
}
