//! Pictures of a collection on their way from the file to their tokens.

use super::CollectionOrder;
use crate::analysis::UsageCounter;
use crate::document::{CollectedPicture, Collection, DocumentError, Factor, Labelled, PictureInput};
use crate::engine::{Control, EngineError, ModelInfo, Part, Runner, SubjectId, Work, WorkTurn};
use crate::latent::LatentState;
use crate::picture::{self, Fit, Planar, Rgb8};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A picture that is not read yet.
pub(super) enum Listed {
    File(PictureInput),
    Subject {
        id: SubjectId,
        name: String,
        path: Option<PathBuf>,
        crop: Arc<Rgb8>,
    },
}

/// A picture that is not encoded yet.
pub(super) struct ReadPicture {
    pub(super) index: usize,
    pub(super) name: String,
    pub(super) path: Option<PathBuf>,
    pub(super) subject: Option<SubjectId>,
    pub(super) thumbnail: Rgb8,
    pub(super) planar: Planar,
}

/// A listing and what is known of its pictures.
pub(super) struct Listing {
    pub(super) pictures: VecDeque<(usize, Listed)>,
    pub(super) factors: Vec<Factor>,
    pub(super) found: usize,
    pub(super) left_out: Vec<String>,
}

/// What the engine works on: each turn encodes the pictures that were read.
pub(super) struct CollectWork {
    pub(super) read: Vec<ReadPicture>,
    /// With their indices in the listing.
    pub(super) done: Vec<(usize, CollectedPicture)>,
    pub(super) usage: Option<UsageCounter>,
    pub(super) total: usize,
}

impl Work for CollectWork {
    fn turn(&mut self, model: &Runner, control: &dyn Control) -> Result<WorkTurn, EngineError> {
        let share = |pictures: usize| pictures as f32 / self.total.max(1) as f32;
        let part = Part {
            whole: control,
            from: share(self.done.len()),
            to: share(self.done.len() + self.read.len()),
        };
        let planars: Vec<Planar> = self.read.iter().map(|read| read.planar.clone()).collect();
        let states = model.encode(&planars, &part)?;
        for (read, state) in self.read.drain(..).zip(states) {
            if let Some(usage) = &mut self.usage {
                usage.add(&state);
            }
            self.done.push(read.with_tokens(state));
        }
        Ok(WorkTurn::Done)
    }
}

impl ReadPicture {
    fn with_tokens(self, state: LatentState) -> (usize, CollectedPicture) {
        let picture = CollectedPicture::new(self.name, self.path, self.subject, self.thumbnail, state);
        (self.index, picture)
    }
}

impl Listed {
    pub(super) fn read(
        self,
        index: usize,
        model: &ModelInfo,
        fit: Fit,
    ) -> Result<ReadPicture, DocumentError> {
        let thumbnail = |crop: &Rgb8| picture::thumbnail(crop, Collection::THUMBNAIL);
        Ok(match self {
            Self::File(input) => {
                let prepared = input.prepare(model, fit)?;
                ReadPicture {
                    index,
                    thumbnail: thumbnail(&prepared.crop),
                    planar: prepared.planar,
                    name: input.name,
                    path: Some(input.path),
                    subject: None,
                }
            }
            Self::Subject { id, name, path, crop } => ReadPicture {
                index,
                thumbnail: thumbnail(&crop),
                planar: Planar::from_rgb8(&crop),
                name,
                path,
                subject: Some(id),
            },
        })
    }
}

impl Listing {
    pub(super) fn of_folder(order: &CollectionOrder, folder: &Path) -> Result<Self, DocumentError> {
        let labelled = Labelled::of_folder(folder)?;
        let found = labelled.pictures.len();
        let Labelled {
            pictures,
            factors,
            left_out,
        } = labelled.thinned(order.most.max(1));
        Ok(Self {
            pictures: pictures.into_iter().map(Listed::File).enumerate().collect(),
            factors,
            found,
            left_out,
        })
    }
}
