//! A report as one page that needs nothing beside it: tables, pictures and plots inline.

mod date;
mod page;
mod plot;

pub use date::utc_date;
pub use page::{Report, ReportBlock, ReportSection, ReportTable, report_html};
pub use plot::{LinePlot, PlotLine, line_plot};
