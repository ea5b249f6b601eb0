//! The plots of a run: the loss by step, and figures of held-out pictures by step.

use super::terms;
use super::words::three_figures;
use crate::trainer::{Curve, History};
use crate::ui::axis::even_marks;
use crate::ui::fact;
use crate::ui::glossary;
use crate::ui::theme;
use egui::{Color32, ComboBox, Sense, Ui, vec2};
use egui_plot::{GridInput, GridMark, HoverPosition, Line, Plot, PlotPoints, Points};

/// Smallest size of a value on the logarithmic axis.
const FLOOR: f64 = 1e-9;
/// With fewer points each is marked.
const FEW_POINTS: usize = 40;
/// What is left of a colour in a line as it was measured.
const FAINTNESS: f32 = 0.35;

/// What the plots remember between frames.
#[derive(Default)]
pub(super) struct Curves {
    /// The figure on show; `None`: the first one.
    figure: Option<String>,
}

/// A line of a plot.
struct Drawn<'a> {
    curve: &'a Curve,
    name: String,
    colour: Color32,
    /// Drawn with its sign turned, for a logarithm has none of what is below 0.
    is_turned: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Scale {
    Plain,
    Logarithmic,
}

impl Scale {
    fn height(self, value: f64) -> f64 {
        match self {
            Self::Plain => value,
            Self::Logarithmic => value.abs().max(FLOOR).log10(),
        }
    }

    fn value(self, height: f64) -> f64 {
        match self {
            Self::Plain => height,
            Self::Logarithmic => 10.0_f64.powf(height),
        }
    }
}

impl Curves {
    /// Draws both plots side by side, `height` high with their captions.
    pub(super) fn ui(&mut self, ui: &mut Ui, history: &History, height: f32) {
        ui.columns(2, |columns| {
            if let [left, right] = columns {
                loss_ui(left, history, height);
                self.figures_ui(right, history, height);
            }
        });
    }

    fn figures_ui(&mut self, ui: &mut Ui, history: &History, height: f32) {
        let top = ui.next_widget_position().y;
        let groups = groups(history);
        let chosen = groups
            .iter()
            .find(|group| Some(&group.key) == self.figure.as_ref())
            .or(groups.first());
        ui.horizontal_wrapped(|ui| {
            let title = chosen.map_or_else(|| "PSNR, dB".to_owned(), |group| group.title.clone());
            ComboBox::from_id_salt("figure of held-out pictures")
                .selected_text(title)
                .icon(theme::combo_caret)
                .show_ui(ui, |ui| {
                    for group in &groups {
                        let is_chosen = chosen.is_some_and(|chosen| chosen.key == group.key);
                        if ui.selectable_label(is_chosen, &group.title).clicked() {
                            self.figure = Some(group.key.clone());
                        }
                    }
                })
                .response
                .accessible_name("figure of held-out pictures");
            if let Some(group) = chosen {
                legend_ui(ui, &group.lines);
            }
        });
        let left = height - (ui.next_widget_position().y - top);
        let lines = chosen.map_or(&[][..], |group| group.lines.as_slice());
        if lines.is_empty() {
            waiting_ui(
                ui,
                left,
                "Measured from time to time, on pictures that are held out.",
            );
        } else {
            plot_ui(ui, "held-out figures", left, lines, Scale::Plain);
        }
    }
}

fn loss_ui(ui: &mut Ui, history: &History, height: f32) {
    let top = ui.next_widget_position().y;
    let lines: Vec<Drawn<'_>> = history
        .terms
        .iter()
        .enumerate()
        .map(|(index, curve)| {
            let is_turned = curve.last().is_some_and(|last| last < 0.0);
            let name = plain_name(&curve.name);
            Drawn {
                curve,
                name: if is_turned {
                    format!("\u{2212}{name}")
                } else {
                    name
                },
                colour: theme::segment(index),
                is_turned,
            }
        })
        .collect();
    ui.horizontal_wrapped(|ui| {
        glossary::named_term_label(ui, "loss and terms", terms::LOSS);
        legend_ui(ui, &lines);
    });
    let left = height - (ui.next_widget_position().y - top);
    if lines.is_empty() {
        waiting_ui(ui, left, "The first step is on its way.");
    } else {
        plot_ui(ui, "loss", left, &lines, Scale::Logarithmic);
    }
}

/// Figures that are drawn together.
struct Group<'a> {
    key: String,
    title: String,
    lines: Vec<Drawn<'a>>,
}

/// One plot for a figure of photographs and of composites, one for every other figure.
fn groups(history: &History) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for curve in &history.figures {
        let (key, of) = split(&curve.name);
        let place = match groups.iter().position(|group| group.key == key) {
            Some(place) => place,
            None => {
                groups.push(Group {
                    key: key.to_owned(),
                    title: title(key),
                    lines: Vec::new(),
                });
                groups.len() - 1
            }
        };
        if let Some(group) = groups.get_mut(place) {
            let colour = theme::segment(group.lines.len());
            let name = of.map_or_else(|| title(key), str::to_owned);
            group.lines.push(Drawn {
                curve,
                name,
                colour,
                is_turned: false,
            });
        }
    }
    groups
}

/// `photograph_psnr_db` is `psnr_db` of "photographs".
fn split(name: &str) -> (&str, Option<&'static str>) {
    if let Some(key) = name.strip_prefix("photograph_") {
        (key, Some("photographs"))
    } else if let Some(key) = name.strip_prefix("composite_") {
        (key, Some("composites"))
    } else {
        (name, None)
    }
}

fn title(key: &str) -> String {
    match key {
        "psnr_db" => "PSNR, dB".to_owned(),
        "perplexity" => terms::PERPLEXITY.name.to_owned(),
        "codebook_used" => terms::CODEBOOK_USED.name.to_owned(),
        "top_weight" => "largest weight".to_owned(),
        other => plain_name(other),
    }
}

fn plain_name(name: &str) -> String {
    name.replace('_', " ")
}

/// Names with their colours and last values.
fn legend_ui(ui: &mut Ui, lines: &[Drawn<'_>]) {
    for line in lines {
        let Some(last) = line.curve.last() else {
            continue;
        };
        let value = if line.is_turned { -last } else { last };
        fact::ui(ui, Some(line.colour), &line.name, &three_figures(value));
    }
}

fn waiting_ui(ui: &mut Ui, height: f32, text: &str) {
    let size = vec2(ui.available_width(), height.max(1.0));
    let (rect, _) = ui.allocate_exact_size(size, Sense::hover());
    ui.painter().rect_filled(rect, 4.0, ui.visuals().extreme_bg_color);
    let mut inside = ui.new_child(egui::UiBuilder::new().max_rect(rect));
    inside.centered_and_justified(|ui| ui.label(theme::muted(text)));
}

fn plot_ui(ui: &mut Ui, id: &str, height: f32, lines: &[Drawn<'_>], scale: Scale) {
    let plot = Plot::new(id)
        .height(height.max(60.0))
        .allow_scroll(false)
        .allow_boxed_zoom(false)
        .show_crosshair(false)
        .set_margin_fraction(vec2(0.02, 0.08))
        .grid_color(theme::palette(ui.visuals()).border)
        .grid_fade(0.0)
        .y_axis_min_width(40.0)
        .x_grid_spacer(|input| even_marks(&input))
        .x_axis_formatter(|mark: GridMark, _| step_text(mark.value))
        .y_axis_formatter(move |mark: GridMark, _| axis_text(scale.value(mark.value)))
        .label_formatter(move |position| {
            let (name, position) = match position {
                HoverPosition::NearDataPoint {
                    plot_name, position, ..
                } => (*plot_name, position),
                HoverPosition::Elsewhere { .. } => return None,
            };
            let value = three_figures(scale.value(position.y));
            Some(format!("step {:.0}\n{name} {value}", position.x))
        });
    let plot = plot.y_grid_spacer(move |input| match scale {
        Scale::Plain => even_marks(&input),
        Scale::Logarithmic => decades(&input),
    });
    plot.show(ui, |plot| {
        let heights = |points: Vec<[f64; 2]>| -> Vec<[f64; 2]> {
            let place = |[step, value]: [f64; 2]| [step, scale.height(value)];
            points.into_iter().map(place).collect()
        };
        for line in lines {
            let measured = heights(line.curve.points().collect());
            let is_short = measured.len() < FEW_POINTS;
            let faint = line.colour.gamma_multiply(FAINTNESS);
            let raw = Line::new(
                format!("{}, measured", line.name),
                PlotPoints::from(measured.clone()),
            );
            plot.line(raw.color(faint).width(1.0).allow_hover(false));
            let strong = match scale {
                Scale::Logarithmic => heights(line.curve.smoothed().collect()),
                Scale::Plain => measured,
            };
            if is_short {
                let points = Points::new(line.name.clone(), PlotPoints::from(strong.clone()));
                plot.points(points.color(line.colour).radius(2.5));
            }
            let strong = Line::new(line.name.clone(), PlotPoints::from(strong));
            plot.line(strong.color(line.colour).width(2.0));
        }
    });
}

/// Powers of ten, and 2 and 5 times them where the axis shows few.
fn decades(input: &GridInput) -> Vec<GridMark> {
    let (low, high) = input.bounds;
    let digits: &[f64] = if high - low > 3.0 {
        &[1.0]
    } else {
        &[1.0, 2.0, 5.0]
    };
    let decades = (low.floor().max(-12.0) as i32)..=(high.ceil().min(12.0) as i32);
    let marks = decades.flat_map(|decade| {
        digits.iter().map(move |digit| GridMark {
            value: f64::from(decade) + digit.log10(),
            step_size: 1.0,
        })
    });
    marks.filter(|mark| (low..=high).contains(&mark.value)).collect()
}

/// "0.05", "20", "0.0002".
fn axis_text(value: f64) -> String {
    let digits = (-value.abs().max(FLOOR).log10().floor() as i32).clamp(0, 6);
    let text = format!("{value:.*}", digits as usize + 1);
    match text.trim_end_matches('0').trim_end_matches('.') {
        "" | "-" => "0".to_owned(),
        text => text.to_owned(),
    }
}

/// "500", "20k", "1.5M"; nothing between two steps.
fn step_text(step: f64) -> String {
    match step {
        step if step < 0.0 || step.fract() != 0.0 => String::new(),
        step if step >= 1e6 => format!("{}M", step / 1e6),
        step if step >= 1e4 => format!("{}k", step / 1e3),
        step => format!("{step}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_short_and_exact() {
        assert_eq!(axis_text(0.05), "0.05");
        assert_eq!(axis_text(20.0), "20");
        assert_eq!(axis_text(0.0002), "0.0002");
        assert_eq!(axis_text(17.5), "17.5");
        assert_eq!(axis_text(0.0), "0");
        assert_eq!(step_text(500.0), "500");
        assert_eq!(step_text(20_000.0), "20k");
        assert_eq!(step_text(1_500_000.0), "1.5M");
        assert_eq!(step_text(0.5), "");
    }

    #[test]
    fn figures_of_both_kinds_of_pictures_share_a_plot_whatever_they_are() {
        let text = "step,loss,photograph_psnr_db,composite_psnr_db,perplexity\n10,1,20,21,5\n";
        let history = History::from_log(text, 10);
        let groups = groups(&history);
        let titles: Vec<&str> = groups.iter().map(|group| group.title.as_str()).collect();
        assert_eq!(titles, ["PSNR, dB", "codewords a token"]);
        let names: Vec<&str> = groups[0].lines.iter().map(|line| line.name.as_str()).collect();
        assert_eq!(names, ["photographs", "composites"]);
    }

    #[test]
    fn a_logarithmic_height_goes_back_to_its_value() {
        let scale = Scale::Logarithmic;
        assert!((scale.value(scale.height(-2.5)) - 2.5).abs() < 1e-12, "its size");
        assert!(scale.height(0.0).is_finite());
    }

    #[test]
    fn a_logarithmic_axis_has_decades() {
        let values = |marks: Vec<GridMark>| -> Vec<f64> { marks.iter().map(|mark| mark.value).collect() };
        let input = |low, high| GridInput {
            bounds: (low, high),
            base_step_size: 0.1,
        };
        assert_eq!(values(decades(&input(-4.5, 0.2))), [-4.0, -3.0, -2.0, -1.0, 0.0]);
        assert_eq!(decades(&input(-2.2, 0.1)).len(), 7, "with 2 and 5 between them");
    }
}
