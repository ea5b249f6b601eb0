//! Questions for a path: the system's file dialog on a thread of its own, or a small window with a path field where the
//! system has none. The window never waits for either.

use crate::document::{AnimationFormat, FindingsPart};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake};
use std::thread;
use std::time::{Duration, Instant};

/// A dialog that a person closes stays open longer than this; one that never appeared is "cancelled" sooner.
const SHORTEST_CANCEL: Duration = Duration::from_millis(250);

/// A file that is written from the active picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ExportKind {
    /// PNG or JPEG with the recipe inside.
    Picture,
    /// The comparison sheet.
    Sheet,
    /// The edit list as JSON.
    Recipe,
    /// The edited tokens as safetensors.
    Tokens,
    /// The compared models' reconstructions.
    ModelSheet,
    /// The compared models' figures as CSV.
    ModelTable,
    /// What was measured of tokens, as a folder.
    Findings(FindingsPart),
    /// The interpolation to the second picture.
    Interpolation(AnimationFormat),
}

/// What a path is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Question {
    /// Pictures, recipe pictures, token files.
    Pictures,
    /// A session to open.
    Session,
    /// A checkpoint file.
    Model,
    /// A folder with a model.
    ModelFolder,
    /// A folder with a generator.
    GeneratorFolder,
    /// A folder of pictures whose tokens are collected.
    CollectionFolder,
    /// A folder for a report.
    Report,
    /// A folder of pictures to train on.
    TrainingFolder,
    /// A folder for what training writes.
    TrainingResults,
    /// A configuration of a training run.
    TrainingConfig,
    /// Where to save the session.
    SaveSession,
    /// Where to export to.
    Export(ExportKind),
}

/// Extensions that a dialog offers, under a name.
type Filter = (&'static str, &'static [&'static str]);

impl Question {
    fn title(self) -> &'static str {
        match self {
            Self::Pictures => "Open pictures",
            Self::Session => "Open session",
            Self::Model => "Open model checkpoint",
            Self::ModelFolder => "Open model folder",
            Self::GeneratorFolder => "Open generator folder",
            Self::CollectionFolder => "Collect folder of pictures",
            Self::Report => "Choose folder for the report",
            Self::TrainingFolder => "Add folder of pictures",
            Self::TrainingResults => "Choose folder for results",
            Self::TrainingConfig => "Choose training configuration",
            Self::SaveSession => "Save session",
            Self::Export(ExportKind::Picture) => "Export edited picture",
            Self::Export(ExportKind::Sheet) => "Export comparison sheet",
            Self::Export(ExportKind::ModelSheet) => "Export model sheet",
            Self::Export(ExportKind::ModelTable) => "Export model table",
            Self::Export(ExportKind::Recipe) => "Export recipe",
            Self::Export(ExportKind::Tokens) => "Export tokens",
            Self::Export(ExportKind::Findings(_)) => "Export findings",
            Self::Export(ExportKind::Interpolation(_)) => "Export interpolation",
        }
    }
    fn filters(self) -> &'static [Filter] {
        match self {
            Self::Pictures => &[
                (
                    "Pictures",
                    &["png", "jpg", "jpeg", "webp", "gif", "bmp", "tif", "tiff"],
                ),
                ("All files", &["*"]),
            ],
            Self::Session | Self::SaveSession => &[("Softscope session", &["softscope"])],
            Self::Model => &[
                ("Checkpoints", &["safetensors", "pt", "pth", "bin"]),
                ("All files", &["*"]),
            ],
            Self::ModelFolder
            | Self::GeneratorFolder
            | Self::CollectionFolder
            | Self::Report
            | Self::TrainingFolder
            | Self::TrainingResults => &[],
            Self::TrainingConfig => &[("Configuration", &["toml"]), ("All files", &["*"])],
            Self::Export(ExportKind::Picture) => &[
                ("PNG with recipe", &["png"]),
                ("JPEG with recipe", &["jpg", "jpeg"]),
            ],
            Self::Export(ExportKind::ModelTable) => &[("Table", &["csv"])],
            Self::Export(ExportKind::Recipe) => &[("Recipe", &["json"])],
            Self::Export(ExportKind::Tokens) => &[("Tokens", &["safetensors"])],
            Self::Export(ExportKind::Interpolation(AnimationFormat::Gif)) => &[("GIF", &["gif"])],
            Self::Export(ExportKind::Findings(_) | ExportKind::Interpolation(AnimationFormat::Frames)) => &[],
            Self::Export(ExportKind::Sheet | ExportKind::ModelSheet | ExportKind::Interpolation(_)) => {
                &[("PNG", &["png"])]
            }
        }
    }
    fn is_save(self) -> bool {
        matches!(self, Self::SaveSession | Self::Export(_))
    }
    /// `path` with the extension this question stands for, where a person typed none of those it offers.
    fn with_extension(self, path: PathBuf) -> PathBuf {
        let offered: Vec<&str> = self
            .filters()
            .iter()
            .flat_map(|(_, extensions)| extensions.iter().copied())
            .collect();
        let Some(&standard) = offered.first() else {
            return path;
        };
        let is_offered = path
            .extension()
            .and_then(|extension| extension.to_str())
            .is_some_and(|extension| offered.iter().any(|offer| extension.eq_ignore_ascii_case(offer)));
        if !self.is_save() || is_offered {
            return path;
        }
        let mut name = path.into_os_string();
        name.push(".");
        name.push(standard);
        PathBuf::from(name)
    }
}

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

type PathsFuture = Pin<Box<dyn Future<Output = Vec<PathBuf>> + Send>>;

fn system_dialog(question: Question, proposal: &Proposal) -> PathsFuture {
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

fn block_on<T>(mut future: Pin<Box<dyn Future<Output = T> + Send>>) -> T {
    let waker = Arc::new(Unpark(thread::current())).into();
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}

/// A small window with a path field.
struct PathPrompt {
    question: Question,
    text: String,
    is_system_missing: bool,
    /// The path names a file that saving would replace.
    replaces: bool,
    is_new: bool,
}

enum PromptOutcome {
    Open,
    Cancelled,
    Path(PathBuf),
}

impl PathPrompt {
    fn new(question: Question, proposal: &Proposal, is_system_missing: bool) -> Self {
        let path = match &proposal.folder {
            Some(folder) if question.is_save() => folder.join(&proposal.file_name),
            Some(folder) => folder.join(""),
            None => PathBuf::from(&proposal.file_name),
        };
        let mut prompt = Self {
            question,
            text: path.display().to_string(),
            is_system_missing,
            replaces: false,
            is_new: true,
        };
        prompt.look();
        prompt
    }

    fn look(&mut self) {
        let path = self.question.with_extension(typed_path(&self.text));
        self.replaces = self.question.is_save() && path.is_file();
    }

    fn ui(&mut self, ctx: &egui::Context) -> PromptOutcome {
        let mut is_open = true;
        let mut outcome = PromptOutcome::Open;
        egui::Window::new(self.question.title())
            .id(egui::Id::unique("path prompt"))
            .open(&mut is_open)
            .collapsible(false)
            .resizable(false)
            .default_width(480.0)
            .anchor(egui::Align2::CENTER_TOP, [0.0, 96.0])
            .show(ctx, |ui| outcome = self.contents_ui(ui));
        if !is_open {
            return PromptOutcome::Cancelled;
        }
        outcome
    }

    fn contents_ui(&mut self, ui: &mut egui::Ui) -> PromptOutcome {
        if self.is_system_missing {
            ui.label(
                "This system shows no file dialog (no desktop portal and no zenity), so the path is asked for here.",
            );
        }
        let field = ui
            .add(
                egui::TextEdit::singleline(&mut self.text)
                    .hint_text("path")
                    .desired_width(f32::INFINITY)
                    .cursor_at_end(true),
            )
            .accessible_name("Path");
        if field.changed() {
            self.look();
        }
        let is_entered = field.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
        let is_escaped = ui.input(|input| input.key_pressed(egui::Key::Escape));
        if std::mem::take(&mut self.is_new) {
            field.request_focus();
        }
        if self.replaces {
            ui.colored_label(
                ui.visuals().warn_fg_color,
                "A file of this name is there and will be replaced.",
            );
        }
        let mut is_confirmed = is_entered;
        let mut is_cancelled = is_escaped;
        ui.horizontal(|ui| {
            let verb = if self.question.is_save() { "Save" } else { "Open" };
            let can_confirm = !self.text.trim().is_empty();
            is_confirmed |= ui.add_enabled(can_confirm, egui::Button::new(verb)).clicked();
            is_confirmed &= can_confirm;
            is_cancelled |= ui.button("Cancel").clicked();
        });
        if is_confirmed {
            PromptOutcome::Path(typed_path(&self.text))
        } else if is_cancelled {
            PromptOutcome::Cancelled
        } else {
            PromptOutcome::Open
        }
    }
}

/// A path as a person types or pastes it: quotes and `file://` taken off, `~` is the home folder.
pub(super) fn typed_path(text: &str) -> PathBuf {
    let text = text.trim();
    let unquoted = ['"', '\'']
        .iter()
        .find_map(|&quote| text.strip_prefix(quote)?.strip_suffix(quote))
        .unwrap_or(text);
    if let Some(url) = unquoted.strip_prefix("file://") {
        return PathBuf::from(percent_decoded(url));
    }
    match (unquoted.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => Path::new(unquoted).to_owned(),
    }
}

/// `%20` and the like of a file URL as characters; what is no valid escape stays.
fn percent_decoded(url: &str) -> String {
    let bytes = url.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&first, tail)) = rest.split_first() {
        let escaped = (first == b'%')
            .then(|| tail.get(..2))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push(escaped.unwrap_or(first));
        rest = if escaped.is_some() {
            tail.get(2..).unwrap_or_default()
        } else {
            tail
        };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_as_people_paste_them() {
        assert_eq!(typed_path("  \"a b.png\" "), PathBuf::from("a b.png"));
        assert_eq!(typed_path("'x.png'"), PathBuf::from("x.png"));
        assert_eq!(
            typed_path("file:///pictures/a%20b%C3%A9.png"),
            PathBuf::from("/pictures/a bé.png")
        );
        assert_eq!(
            typed_path("file:///pictures/100%.png"),
            PathBuf::from("/pictures/100%.png")
        );
        assert_eq!(typed_path("/pictures/~/x"), PathBuf::from("/pictures/~/x"));
    }

    #[test]
    fn a_missing_extension_is_added_only_where_something_is_saved() {
        let picture = Question::Export(ExportKind::Picture);
        assert_eq!(picture.with_extension("a".into()), PathBuf::from("a.png"));
        assert_eq!(picture.with_extension("a.JPEG".into()), PathBuf::from("a.JPEG"));
        assert_eq!(picture.with_extension("a.v2".into()), PathBuf::from("a.v2.png"));
        assert_eq!(Question::Pictures.with_extension("a".into()), PathBuf::from("a"));
        let frames = Question::Export(ExportKind::Interpolation(AnimationFormat::Frames));
        assert_eq!(frames.with_extension("frames".into()), PathBuf::from("frames"));
    }

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
