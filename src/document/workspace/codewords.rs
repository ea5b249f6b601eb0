//! What the collection's codewords are used for, counted in the background.

use super::Workspace;
use super::exporting::{ExportTask, MakeFiles};
use crate::analysis::{CodewordAtlas, CodewordUse};
use crate::document::atlas::alone_in_place;
use crate::document::{
    CODEWORD_PAIRS, CodewordFindings, CodewordSheetRow, Collection, DocumentError, ExportedFiles,
    PictureInput, codeword_files, codeword_sheet,
};
use crate::engine::{DecodeJob, ModelInfo};
use crate::latent::LatentState;
use crate::picture::{Fit, Rgb8};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Codewords on the sheet.
const ON_SHEET: usize = 16;

/// What was counted of the collection that is held.
#[derive(Default)]
pub(super) struct Counting {
    of: Option<Arc<Collection>>,
    counted: Option<Arc<CodewordAtlas>>,
}

/// The picture of a user of a codeword, still to be read where it is a file.
struct User {
    stem: String,
    picture: UserPicture,
}

enum UserPicture {
    File(PathBuf),
    Crop(Arc<Rgb8>),
}

/// A row of the sheet before its decode is there.
struct SheetRow {
    codeword: CodewordUse,
    users: Vec<User>,
}

impl Workspace {
    /// What the tokens of the collection are made of; counted in the background when first asked for, `None` until then,
    /// without a collection, and of a model without codewords.
    pub fn codeword_atlas(&mut self) -> Option<Arc<CodewordAtlas>> {
        let collection = self.collection()?;
        let is_same = |of: &Arc<Collection>| Arc::ptr_eq(of, collection);
        if !self.counting.of.as_ref().is_some_and(is_same) {
            let collection = Arc::clone(collection);
            self.counting = Counting {
                of: Some(Arc::clone(&collection)),
                counted: None,
            };
            self.background(
                move || {
                    let usage = collection.usage.as_ref();
                    let counted = usage.map(|usage| Arc::new(CodewordAtlas::new(usage, CODEWORD_PAIRS)));
                    (collection, counted)
                },
                |workspace, (collection, counted)| {
                    let is_same = |of: &Arc<Collection>| Arc::ptr_eq(of, &collection);
                    if workspace.counting.of.as_ref().is_some_and(is_same) {
                        workspace.counting.counted = counted;
                    }
                },
            );
        }
        self.counting.counted.clone()
    }

    /// What was counted, if it is of the collection that is held.
    pub(super) fn counted(&self) -> Option<(&Arc<Collection>, &Arc<CodewordAtlas>)> {
        let (of, collection) = (self.counting.of.as_ref()?, self.collection()?);
        let counted = self.counting.counted.as_ref()?;
        Arc::ptr_eq(of, collection).then_some((collection, counted))
    }

    /// The files of `softscope atlas` but for its sweep.
    pub(super) fn codewords_task(&self, path: PathBuf) -> Option<ExportTask> {
        let (collection, atlas) = self.counted()?;
        let model = Arc::clone(self.model.as_ref()?);
        let used = atlas
            .codewords
            .iter()
            .filter(|codeword| !codeword.users.is_empty());
        let (waiting, rows): (Vec<DecodeJob>, Vec<SheetRow>) = used
            .take(ON_SHEET)
            .filter_map(|codeword| {
                let job = in_place(&model, collection, codeword)?;
                let users = codeword.users.iter();
                let users = users.filter_map(|user| self.user(collection, user.picture));
                let row = SheetRow {
                    codeword: codeword.clone(),
                    users: users.collect(),
                };
                Some((job, row))
            })
            .unzip();
        let fit = self
            .collection_order()
            .map_or_else(Fit::default, |order| order.fit);
        let (atlas, collection) = (Arc::clone(atlas), Arc::clone(collection));
        let make_files: MakeFiles = Box::new(move |frames| {
            let rows = rows.iter().zip(frames).map(|(row, frame)| {
                let users = row.users.iter().map(|user| user.read(&model, fit));
                Ok(CodewordSheetRow {
                    codeword: &row.codeword,
                    in_place: (*frame.picture).clone(),
                    users: users.collect::<Result<_, DocumentError>>()?,
                })
            });
            let sheet = codeword_sheet(rows.collect::<Result<_, DocumentError>>()?, Collection::USERS)?;
            let pictures: Vec<String> = collection
                .pictures
                .iter()
                .map(|picture| picture.name.clone())
                .collect();
            codeword_files(&CodewordFindings {
                codewords: &atlas.codewords,
                segments: &atlas.segments,
                pairs: &atlas.pairs,
                pictures: &pictures,
                sheet: &sheet,
            })
            .map(ExportedFiles::Folder)
        });
        Some(ExportTask::new(path, waiting.into(), Vec::new(), make_files))
    }

    fn user(&self, collection: &Collection, picture: usize) -> Option<User> {
        let picture = collection.pictures.get(picture)?;
        let stem = Path::new(&picture.name).file_stem();
        let stem = stem.map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
        let crop = picture.subject.and_then(|id| self.subject(id)?.crop.clone());
        let picture = match (crop, &picture.path) {
            (Some(crop), _) => UserPicture::Crop(crop),
            (None, Some(path)) => UserPicture::File(path.clone()),
            (None, None) => UserPicture::Crop(Arc::clone(&picture.thumbnail)),
        };
        Some(User { stem, picture })
    }
}

impl User {
    /// The model's square with the name it is shown under.
    fn read(&self, model: &ModelInfo, fit: Fit) -> Result<(Rgb8, String), DocumentError> {
        let crop = match &self.picture {
            UserPicture::Crop(crop) => (**crop).clone(),
            UserPicture::File(path) => PictureInput::file(path.clone()).crop(model, fit)?,
        };
        Ok((crop, self.stem.clone()))
    }
}

/// The tokens of the picture that uses a codeword most, with the codeword alone in the place of that token.
fn in_place(model: &ModelInfo, collection: &Collection, codeword: &CodewordUse) -> Option<DecodeJob> {
    let z_of = |picture: usize| Some(&collection.pictures.get(picture)?.z);
    let z = alone_in_place(model.space.codebook()?, codeword, z_of)?;
    Some(DecodeJob {
        base: Arc::new(LatentState::from_z(z)),
        edits: Arc::from([]),
        reference: None,
    })
}
