//! A report of the folder that was collected last: listed by a file job, measured by the engine behind everything a person
//! waits for, drawn and written by a file job.

use super::{CollectionSource, NoticeKind, Workspace};
use crate::document::{
    DocumentError, Labelled, REPORT_FILE, ReportOrder, ReportStage, ReportTask, report_html, report_page,
    write_folder_atomically,
};
use crate::engine::{ModelInfo, Request, Stamp, Work, WorkJob, WorkKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// How far a report is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReportProgress {
    /// Share done, 0..1.
    pub fraction: f32,
    /// What is being done, in words.
    pub doing: &'static str,
}

/// Reports of a workspace.
#[derive(Default)]
pub(super) struct Reporting {
    under_way: Option<UnderWay>,
    /// The page that was written last.
    last: Option<PathBuf>,
    /// Tells an answer of a file job for a report that was given up.
    serial: u64,
}

struct UnderWay {
    order: ReportOrder,
    out: PathBuf,
    model: Arc<ModelInfo>,
    /// `None` until the pictures are listed.
    measuring: Option<Measuring>,
}

struct Measuring {
    labelled: Arc<Labelled>,
    task: Arc<Mutex<ReportTask>>,
    stage: ReportStage,
    job: WorkJob,
    /// `None` once all is measured and the page is being written.
    running: Option<Stamp>,
}

impl Workspace {
    /// The folder a report would be of: the one that was collected last.
    pub fn reported_folder(&self) -> Option<&Path> {
        match &self.collection_order()?.source {
            CollectionSource::Folder(folder) => Some(folder),
            CollectionSource::Library => None,
        }
    }

    /// Measures all there is to measure of the folder collected last and writes the page into the folder `out`, in the
    /// background; a report on its way is given up. The same page as `softscope report FOLDER --out OUT` makes.
    pub fn make_report(&mut self, out: &Path) {
        let fit = self.collection_order().map(|order| order.fit).unwrap_or_default();
        let folder = self.reported_folder().map(Path::to_path_buf);
        let (Some(folder), Some(model)) = (folder, self.model.clone()) else {
            self.notice(NoticeKind::Error, NOTHING);
            return;
        };
        self.cancel_report();
        self.reporting.under_way = Some(UnderWay {
            order: ReportOrder {
                fit,
                ..ReportOrder::new(folder.clone())
            },
            out: out.to_path_buf(),
            model,
            measuring: None,
        });
        let serial = self.reporting.serial;
        self.background(
            move || Labelled::of_folder(&folder),
            move |workspace, labelled| workspace.take_reported(serial, labelled),
        );
    }

    /// How far the report on its way is; `None` where none is.
    pub fn reporting(&self) -> Option<ReportProgress> {
        let under_way = self.reporting.under_way.as_ref()?;
        Some(match &under_way.measuring {
            None => ReportProgress {
                fraction: 0.0,
                doing: "listing pictures",
            },
            Some(measuring) => ReportProgress {
                fraction: measuring.job.fraction(),
                doing: measuring.stage.name(),
            },
        })
    }

    /// The page that was written last.
    pub fn last_report(&self) -> Option<&Path> {
        self.reporting.last.as_deref()
    }

    /// Gives up the report on its way. Nothing is written of it.
    pub fn cancel_report(&mut self) {
        self.reporting.serial += 1;
        if self.reporting.under_way.take().is_some() {
            self.engine.cancel_work(WorkKind::Report);
        }
    }

    /// The report on its way, if `serial` is of it.
    fn report_under_way(&mut self, serial: u64) -> Option<&mut UnderWay> {
        let is_its = self.reporting.serial == serial;
        self.reporting.under_way.as_mut().filter(|_| is_its)
    }

    fn take_reported(&mut self, serial: u64, labelled: Result<Labelled, DocumentError>) {
        let Some(under_way) = self.report_under_way(serial) else {
            return;
        };
        let labelled = match labelled {
            Ok(labelled) => Arc::new(labelled),
            Err(error) => {
                self.cancel_report();
                self.error(&error);
                return;
            }
        };
        let task = ReportTask::new(under_way.order.clone(), Arc::clone(&labelled));
        let stage = task.stage();
        let task = Arc::new(Mutex::new(task));
        let job = WorkJob::new(WorkKind::Report, Arc::clone(&task) as Arc<Mutex<dyn Work>>);
        under_way.measuring = Some(Measuring {
            labelled,
            task,
            stage,
            job: job.clone(),
            running: None,
        });
        let stamp = self.engine.submit(Request::Work(job));
        if let Some(measuring) = self.measuring() {
            measuring.running = Some(stamp);
        }
    }

    fn measuring(&mut self) -> Option<&mut Measuring> {
        self.reporting.under_way.as_mut()?.measuring.as_mut()
    }

    /// Whether `stamp` is the work that is waited for; it is no longer.
    fn end_measuring(&mut self, stamp: Stamp) -> bool {
        self.measuring()
            .is_some_and(|measuring| measuring.running.take_if(|running| *running == stamp).is_some())
    }

    /// Everything is measured: the page is drawn and written.
    pub(super) fn take_measured(&mut self, stamp: Stamp) {
        if !self.end_measuring(stamp) {
            return;
        }
        let serial = self.reporting.serial;
        let Some(UnderWay {
            order,
            out,
            model,
            measuring: Some(measuring),
        }) = &self.reporting.under_way
        else {
            return;
        };
        let (task, labelled) = (Arc::clone(&measuring.task), Arc::clone(&measuring.labelled));
        let (folder, out, model) = (order.folder.clone(), out.clone(), Arc::clone(model));
        self.background(
            move || {
                let part = task
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .take_part(&model)?;
                let page = report_html(&report_page(&[part], &labelled, &folder))?;
                Ok((out, page.into_bytes()))
            },
            move |workspace, page| workspace.take_page(serial, page),
        );
    }

    fn take_page(&mut self, serial: u64, page: Result<(PathBuf, Vec<u8>), DocumentError>) {
        if self.report_under_way(serial).is_none() {
            return;
        }
        self.reporting.under_way = None;
        let (out, page) = match page {
            Ok(page) => page,
            Err(error) => {
                self.error(&error);
                return;
            }
        };
        self.background(
            move || {
                let path = out.join(REPORT_FILE);
                let written = write_folder_atomically(&out, &[(REPORT_FILE.to_owned(), page)]);
                (path, written)
            },
            |workspace, (path, written)| {
                if written.is_ok() {
                    workspace.reporting.last = Some(path.clone());
                }
                workspace.tell_saved(&path, written);
            },
        );
    }

    pub(super) fn take_report_failure(&mut self, stamp: Stamp, message: &str) {
        if self.end_measuring(stamp) {
            self.cancel_report();
            self.notice(NoticeKind::Error, format!("The report was not made: {message}"));
        }
    }

    pub(super) fn take_report_cancelled(&mut self, stamp: Stamp) {
        if self.end_measuring(stamp) {
            self.cancel_report();
        }
    }

    /// A file job ended unexpectedly, and it may have been this one's.
    pub(super) fn reporting_lost_a_job(&mut self) {
        let is_of_a_job = |under_way: &UnderWay| {
            let measuring = under_way.measuring.as_ref();
            measuring.is_none_or(|measuring| measuring.running.is_none())
        };
        if self.reporting.under_way.as_ref().is_some_and(is_of_a_job) {
            self.cancel_report();
        }
    }
}

const NOTHING: &str = "A report is of a folder: open a model and collect a folder of pictures first.";
