//! A report as one page that needs nothing beside it: tables, pictures and plots inline. It is measured turn by turn
//! ([`ReportTask`]), one part a model, and put together at the end.

mod date;
mod measured;
mod page;
mod plot;
mod sections;
mod steps;
mod task;
mod whole;

pub use date::utc_date;
pub use page::{Report, ReportBlock, ReportSection, ReportTable, report_html};
pub use plot::{LinePlot, PlotLine, line_plot};
pub use steps::ReportStage;
pub use task::ReportTask;
pub use whole::{REPORT_FILE, ReportOrder, ReportPart, report_page};
