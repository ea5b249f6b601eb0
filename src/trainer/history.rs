//! The curves of a run, short however long it is.

use super::{Evaluation, Terms};

/// Points that a curve has at most.
const MOST_POINTS: usize = 1024;
/// A smoothed curve is the mean over about this part of a curve.
const SMOOTHED_PART: usize = 24;
/// Columns of a log that are neither a term nor a figure of held-out pictures.
const OTHER_COLUMNS: [&str; 6] = [
    "step",
    "pictures",
    "seconds",
    "pictures_per_second",
    "learning_rate",
    "gradient_norm",
];

/// A value over the steps of a run: means over runs of steps, which grow as the curve does.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// Name of the value in the log.
    pub name: String,
    points: Vec<Sum>,
    /// Steps that one point is the mean of.
    width: u64,
    last: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Sum {
    bucket: u64,
    count: f64,
    steps: f64,
    values: f64,
}

impl Curve {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            points: Vec::new(),
            width: 1,
            last: None,
        }
    }

    /// Adds the value after `step` steps, which do not fall; what is no number is left out.
    fn push(&mut self, step: u64, value: f64) {
        if !value.is_finite() {
            return;
        }
        self.last = Some(value);
        self.add(Sum {
            bucket: step / self.width,
            count: 1.0,
            steps: step as f64,
            values: value,
        });
        if self.points.len() > MOST_POINTS {
            self.width *= 2;
            for mut point in std::mem::take(&mut self.points) {
                point.bucket /= 2;
                self.add(point);
            }
        }
    }

    fn add(&mut self, point: Sum) {
        match self.points.last_mut() {
            Some(last) if last.bucket == point.bucket => {
                last.count += point.count;
                last.steps += point.steps;
                last.values += point.values;
            }
            _ => self.points.push(point),
        }
    }

    /// The value that was added last.
    pub fn last(&self) -> Option<f64> {
        self.last
    }

    /// Pairs of step and value, by step.
    pub fn points(&self) -> impl Iterator<Item = [f64; 2]> {
        let mean = |point: &Sum| [point.steps / point.count, point.values / point.count];
        self.points.iter().map(mean)
    }

    /// The same with the noise taken out: each point is a mean that leans on the points before it.
    pub fn smoothed(&self) -> impl Iterator<Item = [f64; 2]> {
        let kept = 1.0 - 1.0 / (self.points.len() / SMOOTHED_PART).max(1) as f64;
        let (mut sum, mut weight) = (0.0, 0.0);
        self.points().map(move |[step, value]| {
            sum = kept * sum + value;
            weight = kept * weight + 1.0;
            [step, sum / weight]
        })
    }
}

/// Everything of a run that is drawn over its steps.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    /// Terms of the loss, the weighted sum first.
    pub terms: Vec<Curve>,
    /// Figures of held-out pictures.
    pub figures: Vec<Curve>,
}

impl History {
    /// Takes in the terms of a step.
    pub fn add_terms(&mut self, step: u64, terms: &Terms) {
        for (name, value) in terms.named() {
            push(&mut self.terms, name, step, value);
        }
    }

    /// Takes in the figures of held-out pictures after `step` steps.
    pub fn add_figures(&mut self, step: u64, figures: &Evaluation) {
        for (name, value) in figures.named() {
            push(&mut self.figures, name, step, value);
        }
    }

    /// The curves of a `log.csv`, read by its head; rows that are cut off or after `last_step` are left out.
    pub fn from_log(text: &str, last_step: u64) -> Self {
        let mut history = Self::default();
        let mut lines = text.lines();
        let head: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
        let figures = Evaluation::default().named();
        for line in lines {
            let row: Vec<&str> = line.split(',').collect();
            let step = row.first().and_then(|step| step.parse().ok());
            let Some(step) = step.filter(|step| *step <= last_step && row.len() == head.len()) else {
                continue;
            };
            for (name, text) in head.iter().zip(row) {
                let Ok(value) = text.parse::<f64>() else {
                    continue;
                };
                if figures.iter().any(|(figure, _)| figure == name) {
                    push(&mut history.figures, name, step, value);
                } else if !OTHER_COLUMNS.contains(name) {
                    push(&mut history.terms, name, step, value);
                }
            }
        }
        history
    }

    /// The last value of a figure of held-out pictures.
    pub fn figure(&self, name: &str) -> Option<f64> {
        self.figures.iter().find(|curve| curve.name == name)?.last()
    }
}

fn push(curves: &mut Vec<Curve>, name: &str, step: u64, value: f64) {
    let place = match curves.iter().position(|curve| curve.name == name) {
        Some(place) => place,
        None => {
            curves.push(Curve::new(name));
            curves.len() - 1
        }
    };
    if let Some(curve) = curves.get_mut(place) {
        curve.push(step, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_steps_stay_few_points_with_the_right_means() {
        let mut curve = Curve::new("loss");
        for step in 1..=1_000_000 {
            curve.push(step, step as f64);
        }
        let points: Vec<[f64; 2]> = curve.points().collect();
        assert!(
            (MOST_POINTS / 2..=MOST_POINTS).contains(&points.len()),
            "{}",
            points.len()
        );
        // The value is the step, so that the mean of one is the mean of the other.
        assert!(points.iter().all(|[step, value]| (step - value).abs() < 1e-6));
        assert!(points.is_sorted_by(|a, b| a[0] < b[0]));
        assert_eq!(curve.last(), Some(1_000_000.0));
    }

    #[test]
    fn smoothing_takes_noise_out_and_leaves_a_constant_alone() {
        let mut noisy = Curve::new("loss");
        let mut constant = Curve::new("mse");
        for step in 0..1000 {
            noisy.push(step, if step % 2 == 0 { 1.0 } else { 3.0 });
            constant.push(step, 0.25);
        }
        assert!(
            noisy
                .smoothed()
                .skip(200)
                .all(|[_, value]| (value - 2.0).abs() < 0.1)
        );
        assert!(constant.smoothed().all(|[_, value]| (value - 0.25).abs() < 1e-12));
    }

    #[test]
    fn a_log_is_read_by_its_head_up_to_the_step_that_was_saved() {
        let text = "step,pictures,learning_rate,loss,new_term,photograph_psnr_db,perplexity\n\
                    10,160,1e-3,0.5,-2.5,,\n\
                    20,320,1e-3,0.25,-3,18.5,40\n\
                    30,480,1e-3,0.1,-4,19,41\n\
                    40,64";
        let history = History::from_log(text, 20);
        let names: Vec<&str> = history.terms.iter().map(|curve| curve.name.as_str()).collect();
        assert_eq!(names, ["loss", "new_term"]);
        assert_eq!(
            history.terms[0].points().collect::<Vec<_>>(),
            [[10.0, 0.5], [20.0, 0.25]]
        );
        assert_eq!(history.figure("photograph_psnr_db"), Some(18.5));
        assert_eq!(history.figure("composite_psnr_db"), None);
        assert_eq!(History::from_log("", 5), History::default());
    }
}
