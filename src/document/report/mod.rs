//! A report as one page that needs nothing beside it: tables, pictures and plots inline.

mod date;
mod page;
mod plot;

pub use date::utc_date;
pub use page::{Block, Report, Section, Table, report_html};
pub use plot::{Line, LinePlot, line_plot};
