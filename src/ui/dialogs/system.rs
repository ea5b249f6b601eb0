//! The system's file dialog, made on one thread and waited for on another.

use super::{Proposal, Question};
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake};
use std::thread;

pub(super) type PathsFuture = Pin<Box<dyn Future<Output = Vec<PathBuf>> + Send>>;

pub(super) fn system_dialog(question: Question, proposal: &Proposal) -> PathsFuture {
    let mut dialog = rfd::AsyncFileDialog::new().set_title(question.title());
    for (name, extensions) in question.filters() {
        dialog = dialog.add_filter(*name, extensions);
    }
    if let Some(folder) = &proposal.folder {
        dialog = dialog.set_directory(folder);
    }
    if question.is_save() {
        dialog = dialog.set_file_name(&proposal.file_name);
    }
    let one = |handle: Option<rfd::FileHandle>| {
        handle
            .map(|handle| handle.path().to_owned())
            .into_iter()
            .collect()
    };
    match question {
        Question::Pictures => {
            let files = dialog.pick_files();
            Box::pin(async move {
                files
                    .await
                    .unwrap_or_default()
                    .iter()
                    .map(|file| file.path().to_owned())
                    .collect()
            })
        }
        Question::ModelFolder
        | Question::GeneratorFolder
        | Question::CollectionFolder
        | Question::Report
        | Question::TrainingFolder
        | Question::TrainingResults => {
            let folder = dialog.pick_folder();
            Box::pin(async move { one(folder.await) })
        }
        Question::Session | Question::Model | Question::TrainingConfig => {
            let file = dialog.pick_file();
            Box::pin(async move { one(file.await) })
        }
        Question::SaveSession | Question::Export(_) => {
            let file = dialog.save_file();
            Box::pin(async move { one(file.await) })
        }
    }
}

struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

pub(super) fn block_on<T>(mut future: Pin<Box<dyn Future<Output = T> + Send>>) -> T {
    let waker = Arc::new(Unpark(thread::current())).into();
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}
