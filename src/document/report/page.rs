use crate::document::DocumentError;
use crate::picture::{self, Rgb8};

/// A page.
#[derive(Debug, Clone)]
pub struct Report {
    /// Its title.
    pub title: String,
    /// Under the title: names and values.
    pub facts: Vec<(String, String)>,
    /// Parts in order.
    pub sections: Vec<ReportSection>,
}

/// A part of a page.
#[derive(Debug, Clone)]
pub struct ReportSection {
    /// Its heading.
    pub title: String,
    /// What is shown and how to read it.
    pub explanation: String,
    /// The command that gives the same figures.
    pub command: Option<String>,
    /// What is shown.
    pub blocks: Vec<ReportBlock>,
}

/// Something shown.
#[derive(Debug, Clone)]
pub enum ReportBlock {
    /// Words.
    Text(String),
    /// Figures.
    Table(ReportTable),
    /// A picture with a line under it.
    Picture(Rgb8, String),
    /// A picture as PNG bytes with a line under it.
    Png(Vec<u8>, String),
    /// A plot as SVG.
    Plot(String),
}

/// Rows under a header.
#[derive(Debug, Clone, Default)]
pub struct ReportTable {
    /// Names of the columns.
    pub header: Vec<String>,
    /// Cells, row by row.
    pub rows: Vec<Vec<String>>,
}

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:1080px;margin:2rem auto;padding:0 1rem;color:#18181c;\
    background:#fafafa}h1,h2{line-height:1.2}h2{margin-top:2.5rem;border-top:1px solid #ddd;padding-top:1rem}\
    table{border-collapse:collapse;margin:1rem 0;font-variant-numeric:tabular-nums}td,th{padding:.2rem .7rem;\
    border-bottom:1px solid #ddd;text-align:right}td:first-child,th:first-child{text-align:left}\
    code{background:#eee;padding:.15rem .4rem;border-radius:3px}figure{margin:1rem 0}img,svg{max-width:100%;height:auto}\
    figcaption{color:#606068}dt{float:left;clear:left;width:10rem;color:#606068}dd{margin-left:10.5rem}";

/// One HTML page with everything inside.
///
/// # Errors
/// A picture that cannot be written as PNG.
pub fn report_html(report: &Report) -> Result<String, DocumentError> {
    let title = escaped(&report.title);
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title><style>{STYLE}</style></head>\n\
         <body><h1>{title}</h1>\n<dl>"
    );
    for (name, value) in &report.facts {
        page.push_str(&format!("<dt>{}</dt><dd>{}</dd>", escaped(name), escaped(value)));
    }
    page.push_str("</dl>\n");
    for section in &report.sections {
        page.push_str(&format!(
            "<section><h2>{}</h2>\n<p>{}</p>\n",
            escaped(&section.title),
            escaped(&section.explanation)
        ));
        for block in &section.blocks {
            push_block(&mut page, block)?;
        }
        if let Some(command) = &section.command {
            page.push_str(&format!("<p>The same by <code>{}</code></p>\n", escaped(command)));
        }
        page.push_str("</section>\n");
    }
    page.push_str("</body></html>\n");
    Ok(page)
}

fn push_block(page: &mut String, block: &ReportBlock) -> Result<(), DocumentError> {
    match block {
        ReportBlock::Text(text) => page.push_str(&format!("<p>{}</p>\n", escaped(text))),
        ReportBlock::Table(table) => push_table(page, table),
        ReportBlock::Picture(picture, caption) => push_figure(page, &picture::to_png(picture, &[])?, caption),
        ReportBlock::Png(bytes, caption) => push_figure(page, bytes, caption),
        ReportBlock::Plot(svg) => page.push_str(&format!("<figure>{svg}</figure>\n")),
    }
    Ok(())
}

fn push_figure(page: &mut String, png: &[u8], caption: &str) {
    let caption = escaped(caption);
    page.push_str(&format!(
        "<figure><img alt=\"{caption}\" src=\"data:image/png;base64,{}\"><figcaption>{caption}</figcaption></figure>\n",
        base64::encode(png)
    ));
}

fn push_table(page: &mut String, table: &ReportTable) {
    let row = |cells: &[String], tag: &str| -> String {
        let cells = cells
            .iter()
            .map(|cell| format!("<{tag}>{}</{tag}>", escaped(cell)));
        format!("<tr>{}</tr>\n", cells.collect::<String>())
    };
    page.push_str("<table>\n");
    page.push_str(&row(&table.header, "th"));
    for cells in &table.rows {
        page.push_str(&row(cells, "td"));
    }
    page.push_str("</table>\n");
}

/// Text that a page shows as it is.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_become_markup_and_pictures_are_inside() {
        let picture = Rgb8::filled(2, 2, [1, 2, 3]);
        let report = Report {
            title: "<script>".to_owned(),
            facts: vec![("a&b".to_owned(), "\"c\"".to_owned())],
            sections: vec![ReportSection {
                title: "One".to_owned(),
                explanation: "What it is.".to_owned(),
                command: Some("softscope report <folder>".to_owned()),
                blocks: vec![
                    ReportBlock::Picture(picture.clone(), "two by two".to_owned()),
                    ReportBlock::Table(ReportTable {
                        header: vec!["x".to_owned()],
                        rows: vec![vec!["<1".to_owned()]],
                    }),
                ],
            }],
        };
        let page = report_html(&report).unwrap();
        assert!(!page.contains("<script>") && page.contains("&lt;script&gt;") && page.contains("a&amp;b"));
        let png = base64::encode(picture::to_png(&picture, &[]).unwrap());
        assert!(page.contains(&format!("data:image/png;base64,{png}")));
        assert!(page.contains("<td>&lt;1</td>") && page.contains("softscope report &lt;folder&gt;"));
        assert!(!page.contains("http"), "nothing is fetched");
    }
}
