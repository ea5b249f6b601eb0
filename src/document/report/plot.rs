use super::page::escaped;
use crate::analysis::category_colours;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 320.0;
/// Room for the numbers left, right, above and below.
const MARGIN: (f64, f64, f64, f64) = (64.0, 16.0, 32.0, 44.0);
/// Numbers along each axis.
const TICKS: usize = 5;

/// A named line.
#[derive(Debug, Clone)]
pub struct PlotLine {
    /// What it is.
    pub name: String,
    /// Its points; what is not finite is left out.
    pub points: Vec<[f64; 2]>,
}

/// Lines over one pair of axes.
#[derive(Debug, Clone)]
pub struct LinePlot {
    /// What is shown.
    pub title: String,
    /// Name of the horizontal axis.
    pub across: String,
    /// Name of the vertical axis.
    pub up: String,
    /// The lines.
    pub lines: Vec<PlotLine>,
}

/// The plot as SVG, each line in a colour of its own, with a legend.
pub fn line_plot(plot: &LinePlot) -> String {
    let axes = Axes::of(plot);
    let colours = category_colours(plot.lines.len());
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" font-family=\"system-ui,sans-serif\" font-size=\"12\">\
         <text x=\"{}\" y=\"16\" font-size=\"14\">{}</text>",
        MARGIN.0,
        escaped(&plot.title)
    );
    axes.push_grid(&mut svg, plot);
    for (index, (line, [red, green, blue])) in plot.lines.iter().zip(colours).enumerate() {
        let finite = line
            .points
            .iter()
            .filter(|point| point.iter().all(|value| value.is_finite()));
        let points: Vec<String> = finite
            .map(|[x, y]| format!("{:.1},{:.1}", axes.x(*x), axes.y(*y)))
            .collect();
        let colour = format!("rgb({red},{green},{blue})");
        svg.push_str(&format!(
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" points=\"{}\"/>",
            points.join(" ")
        ));
        let y = MARGIN.2 + 16.0 * (index as f64 + 1.0);
        svg.push_str(&format!(
            "<text x=\"{}\" y=\"{y}\" text-anchor=\"end\" fill=\"{colour}\">{}</text>",
            WIDTH - MARGIN.1 - 4.0,
            escaped(&line.name)
        ));
    }
    svg + "</svg>"
}

/// From figures to the drawing.
struct Axes {
    across: (f64, f64),
    up: (f64, f64),
}

impl Axes {
    fn of(plot: &LinePlot) -> Self {
        let range = |axis: usize| {
            let all = plot.lines.iter().flat_map(|line| &line.points);
            let finite = all.map(|point| point[axis]).filter(|value| value.is_finite());
            let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
                (low.min(value), high.max(value))
            });
            match (low.is_finite(), high > low) {
                (true, true) => (low, high),
                (true, false) => (low - 0.5, low + 0.5),
                _ => (0.0, 1.0),
            }
        };
        Self {
            across: range(0),
            up: range(1),
        }
    }

    fn x(&self, value: f64) -> f64 {
        let (low, high) = self.across;
        MARGIN.0 + (value - low) / (high - low) * (WIDTH - MARGIN.0 - MARGIN.1)
    }

    fn y(&self, value: f64) -> f64 {
        let (low, high) = self.up;
        HEIGHT - MARGIN.3 - (value - low) / (high - low) * (HEIGHT - MARGIN.2 - MARGIN.3)
    }

    fn push_grid(&self, svg: &mut String, plot: &LinePlot) {
        let (left, right) = (MARGIN.0, WIDTH - MARGIN.1);
        let (top, bottom) = (MARGIN.2, HEIGHT - MARGIN.3);
        for tick in 0..TICKS {
            let share = tick as f64 / (TICKS - 1) as f64;
            let at = |(low, high): (f64, f64)| low + share * (high - low);
            let (x, y) = (self.x(at(self.across)), self.y(at(self.up)));
            svg.push_str(&format!(
                "<path stroke=\"#ddd\" d=\"M{left} {y:.1}H{right}M{x:.1} {top}V{bottom}\"/>\
                 <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
                 <text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                left - 6.0,
                y + 4.0,
                number(at(self.up)),
                bottom + 16.0,
                number(at(self.across))
            ));
        }
        svg.push_str(&format!(
            "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\" fill=\"#606068\">{}</text>\
             <text transform=\"translate(14 {}) rotate(-90)\" text-anchor=\"middle\" fill=\"#606068\">{}</text>",
            f64::midpoint(left, right),
            HEIGHT - 8.0,
            escaped(&plot.across),
            f64::midpoint(top, bottom),
            escaped(&plot.up)
        ));
    }
}

/// Short, with what matters of it.
fn number(value: f64) -> String {
    let size = value.abs();
    if size >= 100.0 || value == value.round() && size < 1e6 {
        format!("{value:.0}")
    } else if size >= 1.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.3}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_a_line_lie_in_the_corners_and_gaps_are_left_out() {
        let plot = LinePlot {
            title: "a & b".to_owned(),
            across: "kept".to_owned(),
            up: "dB".to_owned(),
            lines: vec![PlotLine {
                name: "one".to_owned(),
                points: vec![[0.0, 10.0], [1.0, f64::INFINITY], [2.0, 30.0]],
            }],
        };
        let svg = line_plot(&plot);
        assert!(svg.contains("points=\"64.0,276.0 704.0,32.0\""), "{svg}");
        assert!(svg.contains("a &amp; b") && svg.ends_with("</svg>"));
        let empty = line_plot(&LinePlot {
            lines: vec![],
            ..plot
        });
        assert!(!empty.contains("NaN") && !empty.contains("inf"));
    }
}
