//! Questions for a path: the system's file dialog on a thread of its own, or a small window with a path field where the
//! system has none. The window never waits for either.

mod prompt;
mod question;
mod system;
mod typed;

use prompt::{PathPrompt, PromptOutcome};
pub(super) use question::{ExportKind, Question};
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};
use system::{block_on, system_dialog};
pub(super) use typed::typed_path;

/// A dialog that a person closes stays open longer than this; one that never appeared is "cancelled" sooner.
const SHORTEST_CANCEL: Duration = Duration::from_millis(250);

/// The paths a person gave; never empty.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    /// What was asked.
    pub(super) question: Question,
    /// One path, or several for [`Question::Pictures`].
    pub(super) paths: Vec<PathBuf>,
}

/// Where the system's dialog opens.
#[derive(Debug, Clone)]
struct Proposal {
    folder: Option<PathBuf>,
    file_name: String,
}

enum Reply {
    Paths(Vec<PathBuf>),
    Cancelled,
    /// Closed before a person could have seen it.
    NeverShown,
}

/// Open questions for paths.
pub(super) struct Dialogs {
    sender: mpsc::Sender<(Question, Proposal, Reply)>,
    receiver: mpsc::Receiver<(Question, Proposal, Reply)>,
    is_open: bool,
    /// The system was asked and has no dialog.
    is_system_missing: bool,
    prompt: Option<PathPrompt>,
    last_folder: Option<PathBuf>,
}

impl Default for Dialogs {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel();
        Self {
            sender,
            receiver,
            is_open: false,
            is_system_missing: false,
            prompt: None,
            last_folder: None,
        }
    }
}

impl Dialogs {
    /// Asks for a path. `file_name` is proposed where something is saved. `use_system`: through the system's dialog.
    pub(super) fn ask(&mut self, ctx: &egui::Context, question: Question, file_name: &str, use_system: bool) {
        if self.is_open {
            return;
        }
        let proposal = Proposal {
            folder: self.last_folder.clone().or_else(|| std::env::current_dir().ok()),
            file_name: file_name.to_owned(),
        };
        if use_system && !self.is_system_missing {
            self.is_open = self.ask_system(ctx.clone(), question, proposal.clone());
        }
        if !self.is_open {
            self.prompt = Some(PathPrompt::new(question, &proposal, self.is_system_missing));
        }
    }

    /// False when no thread could be started.
    fn ask_system(&self, ctx: egui::Context, question: Question, proposal: Proposal) -> bool {
        // Made here, for macOS wants its dialogs made on the main thread; awaited elsewhere.
        let dialog = system_dialog(question, &proposal);
        let reply = Closing {
            sender: self.sender.clone(),
            ctx,
            question,
            proposal,
            reply: Some(Reply::Cancelled),
        };
        thread::Builder::new()
            .name("file dialog".to_owned())
            .spawn(move || {
                let mut reply = reply;
                let asked = Instant::now();
                let paths = block_on(dialog);
                reply.reply = Some(match paths {
                    paths if !paths.is_empty() => Reply::Paths(paths),
                    _ if asked.elapsed() < SHORTEST_CANCEL => Reply::NeverShown,
                    _ => Reply::Cancelled,
                });
            })
            .is_ok()
    }

    /// Answers that have come in. Never waits.
    pub(super) fn poll(&mut self) -> Vec<Answer> {
        let mut answers = Vec::new();
        while let Ok((question, proposal, reply)) = self.receiver.try_recv() {
            self.is_open = false;
            match reply {
                Reply::Paths(paths) => answers.push(self.answer(question, paths)),
                Reply::Cancelled => {}
                Reply::NeverShown => {
                    self.is_system_missing = true;
                    self.prompt = Some(PathPrompt::new(question, &proposal, true));
                }
            }
        }
        answers
    }

    fn answer(&mut self, question: Question, paths: Vec<PathBuf>) -> Answer {
        let paths: Vec<PathBuf> = paths
            .into_iter()
            .map(|path| question.with_extension(path))
            .collect();
        if let Some(folder) = paths.first().and_then(|path| path.parent()) {
            self.last_folder = Some(folder.to_owned());
        }
        Answer { question, paths }
    }

    /// Closes the path window; false when none was open.
    pub(super) fn close_prompt(&mut self) -> bool {
        self.prompt.take().is_some()
    }

    /// Draws the path window where one is open.
    pub(super) fn ui(&mut self, ctx: &egui::Context) -> Option<Answer> {
        let prompt = self.prompt.as_mut()?;
        match prompt.ui(ctx) {
            PromptOutcome::Open => None,
            PromptOutcome::Cancelled => {
                self.prompt = None;
                None
            }
            PromptOutcome::Path(path) => {
                let question = prompt.question;
                self.prompt = None;
                Some(self.answer(question, vec![path]))
            }
        }
    }
}

/// Sends the reply when the dialog's thread ends, also when it ends by a panic.
struct Closing {
    sender: mpsc::Sender<(Question, Proposal, Reply)>,
    ctx: egui::Context,
    question: Question,
    proposal: Proposal,
    reply: Option<Reply>,
}

impl Drop for Closing {
    fn drop(&mut self) {
        if let Some(reply) = self.reply.take() {
            // The window may be gone already: then nobody waits for the answer.
            let _ = self.sender.send((self.question, self.proposal.clone(), reply));
            self.ctx.request_repaint();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dialog_that_dies_counts_as_cancelled() {
        let mut dialogs = Dialogs {
            is_open: true,
            ..Dialogs::default()
        };
        let proposal = Proposal {
            folder: None,
            file_name: String::new(),
        };
        let closing = Closing {
            sender: dialogs.sender.clone(),
            ctx: egui::Context::default(),
            question: Question::Pictures,
            proposal,
            reply: Some(Reply::Cancelled),
        };
        drop(closing);
        assert!(dialogs.poll().is_empty());
        assert!(!dialogs.is_open);
    }
}
