//! `softscope bench [--model M]… [--generator G] [--token-cost] [--against PYTHON]`

use super::context::Context;
use super::error::CliError;
use super::table::Table;
use crate::bench::{
    self, AgainstError, BatchBench, Comparison, DragLatency, Effort, GeneratorBench, LoadBench, LoadTurns,
    ModelBench, Preflight, PreviewedDrag, Stage, TokenCost,
};
use crate::engine::{Precision, RunOptions};
use crate::picture::{self, Fit, Planar, Rgb8};
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Time for each stage, seconds
    #[arg(long, value_name = "S", default_value_t = 2.0, value_parser = seconds)]
    seconds: f64,
    /// Positions of the scripted drag
    #[arg(long, value_name = "N", default_value_t = 200)]
    drag: usize,
    /// Time the steps of a generator too
    #[arg(long, value_name = "G")]
    generator: Option<String>,
    /// Time a SiT of the published width over 32 to 1024 tokens too
    #[arg(long)]
    token_cost: bool,
    /// Run the same models in PyTorch too, by turns: a Python that has torch, or `pytorch` for python3
    #[arg(long, value_name = "PYTHON")]
    against: Option<PathBuf>,
}

impl Args {
    fn python(&self) -> Option<&Path> {
        let given = self.against.as_deref()?;
        Some(if given == Path::new("pytorch") {
            Path::new("python3")
        } else {
            given
        })
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (0.0..=3600.0).contains(&value) => Ok(value),
        _ => Err("a number of seconds from 0 to 3600".to_owned()),
    }
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), CliError> {
    let effort = Effort {
        per_stage: Duration::from_secs_f64(args.seconds),
        drag_positions: args.drag,
    };
    let options = context.run_options();
    let tokenizers = context.all_model_files()?;
    let generator = args.generator.as_ref();
    let generator = generator
        .map(|name| context.places().resolve_model(name))
        .transpose()?;
    let preflight = Preflight {
        tokenizers: &tokenizers,
        generator: generator.as_ref(),
        python: args.python(),
    };
    preflight.check(&options)?;
    let mut models = Vec::new();
    for files in tokenizers {
        context.note(&format!("Measuring {}", files.name));
        let progress = context.progress("Loading");
        let mut model = bench::measure(&files, &options, effort, |side| input(context, side), &progress)?;
        if let Some(python) = args.python() {
            model.against = against(context, &options, |options| {
                bench::compare(python, &files, options, effort.per_stage, |side| {
                    input(context, side)
                })
            })?;
        }
        models.push(model);
    }
    let mut text = text(&models);
    let mut json = serde_json::json!({ "command": "bench", "models": models });
    if let Some(files) = generator {
        let mut generator = bench::measure_generator(&files, &options, effort.per_stage)?;
        if let Some(python) = args.python() {
            generator.against = against(context, &options, |options| {
                bench::compare_generator(python, &files, options, effort.per_stage)
            })?;
        }
        text.push_str(&generator_text(&generator));
        json["generator"] = serde_json::json!(generator);
    }
    if args.token_cost {
        context.note("Measuring a SiT by its number of tokens");
        let costs = bench::token_costs(&options, &bench::TOKEN_COUNTS, effort.per_stage)?;
        text.push_str(&token_cost_text(&costs));
        json["token_costs"] = serde_json::json!(costs);
    }
    context.results(&text, &json)
}

/// A model in PyTorch, in the precision that was asked for or in both.
fn against(
    context: &Context,
    options: &RunOptions,
    compare: impl Fn(&RunOptions) -> Result<Comparison, AgainstError>,
) -> Result<Vec<Comparison>, CliError> {
    let precisions: &[Precision] = match options.precision {
        Precision::Auto => &[Precision::F32, Precision::Bf16],
        Precision::F32 => &[Precision::F32],
        Precision::Bf16 => &[Precision::Bf16],
    };
    let compare = |precision: &Precision| {
        context.note("Measuring beside PyTorch");
        Ok(compare(&RunOptions {
            precision: *precision,
            ..*options
        })?)
    };
    precisions.iter().map(compare).collect()
}

/// The first sample photograph, or a gradient where none ships: the time does not depend on what is in the picture.
fn input(context: &Context, side: u32) -> Planar {
    let sample = context
        .places()
        .sample_pictures()
        .iter()
        .find_map(|path| picture::open(path).ok());
    let picture = sample.unwrap_or_else(|| gradient(side));
    Planar::from_rgb8(&picture::fit(&picture, side, Fit::Crop))
}

fn gradient(side: u32) -> Rgb8 {
    let side = side.max(1);
    let level = |at: u32| (at * 255 / side) as u8;
    let data = (0..side)
        .flat_map(|y| (0..side).flat_map(move |x| [level(x), level(y), 128]))
        .collect();
    Rgb8::new(side, side, data).unwrap_or_else(|_| Rgb8::filled(side, side, [128; 3]))
}

fn text(models: &[ModelBench]) -> String {
    models.iter().map(model_text).collect::<Vec<_>>().join("\n")
}

fn model_text(model: &ModelBench) -> String {
    let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let mut lines = format!(
        "{} ({}) on {}, {}, {} threads\npeak of large matrix products there: {:.0} GFLOP/s\nweights: {:.0} MiB\n",
        model.model,
        model.hash,
        model.device,
        model.precision,
        model.threads,
        model.peak_gflop_per_s,
        mebibytes(model.weight_bytes)
    );
    if let Some(peak) = model.preview_peak_gop_per_s {
        lines.push_str(&format!("peak in 8 bits: {peak:.0} Gop/s\n"));
    }
    if let Some(bytes) = model.peak_memory_bytes {
        lines.push_str(&format!("peak memory: {:.0} MiB\n", mebibytes(bytes)));
    }
    lines.push('\n');
    lines.push_str(&stages_table(&model.stages));
    lines.push('\n');
    lines.push_str(&load_text(&model.load));
    lines.push('\n');
    lines.push_str(&drag_text("request to picture", &model.drag));
    lines.push('\n');
    lines.push_str(&previewed_text(&model.previewed_drag));
    lines.push_str(&batch_text(&model.batch));
    for comparison in &model.against {
        lines.push('\n');
        lines.push_str(&comparison_text(comparison));
    }
    lines
}

fn comparison_text(comparison: &Comparison) -> String {
    let mut table = Table::new(&[
        "stage",
        "ours ms",
        "PyTorch ms",
        "speed",
        "of medians",
        "difference",
    ]);
    for stage in &comparison.stages {
        table.push(vec![
            stage.stage.to_owned(),
            format!("{:.2}", stage.ours.best_ms),
            format!("{:.2}", stage.theirs.best_ms),
            format!("{:.2} x", stage.speed_ratio),
            format!("{:.2} x", stage.median_ratio),
            format!("{:.0e}", stage.difference),
        ]);
    }
    let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let ours = comparison
        .our_peak_bytes
        .map_or_else(|| "-".to_owned(), |bytes| format!("{:.0} MiB", mebibytes(bytes)));
    format!(
        "beside PyTorch {}, {}, by turns:\n{}peak memory: ours {ours}, PyTorch {:.0} MiB\n",
        comparison.torch,
        comparison.precision,
        table.render(),
        mebibytes(comparison.their_peak_bytes)
    )
}

fn generator_text(generator: &GeneratorBench) -> String {
    let mut lines = format!(
        "\n{} ({}) on {}, {}: a step of one picture takes {:.1} ms (median {:.1}), loading {:.0} ms\n",
        generator.generator,
        generator.hash,
        generator.device,
        generator.precision,
        generator.step.best_ms,
        generator.step.median_ms,
        generator.load_ms
    );
    for comparison in &generator.against {
        lines.push_str("\na guided evaluation of one picture, ");
        lines.push_str(&comparison_text(comparison));
    }
    lines
}

fn token_cost_text(costs: &[TokenCost]) -> String {
    let best_ms = |tokens: usize| {
        let cost = costs.iter().find(|cost| cost.tokens == tokens);
        cost.map_or(f64::NAN, |cost| cost.evaluation.best_ms)
    };
    let mut table = Table::new(&["tokens", "best ms", "median ms", "of 32 tokens"]);
    for cost in costs {
        table.push(vec![
            cost.tokens.to_string(),
            format!("{:.2}", cost.evaluation.best_ms),
            format!("{:.2}", cost.evaluation.median_ms),
            format!("{:.1} x", cost.evaluation.best_ms / best_ms(32)),
        ]);
    }
    format!(
        "\none evaluation of two blocks of SiT-XL (width 1152), by the length of the sequence:\n{}\
         256 tokens over 32: {:.1} x; 1024 tokens over 64: {:.1} x. The paper's throughput gains, whole pictures on a \
         GPU: up to 18 x at 256 pixels and 55 x at 512\n",
        table.render(),
        best_ms(256) / best_ms(32),
        best_ms(1024) / best_ms(64)
    )
}

fn stages_table(stages: &[Stage]) -> String {
    let mut table = Table::new(&[
        "stage",
        "best ms",
        "median ms",
        "runs",
        "GFLOP",
        "GFLOP/s",
        "of peak",
    ]);
    let figure = |value: Option<f64>, decimals: usize| {
        value.map_or_else(|| "-".to_owned(), |value| format!("{value:.decimals$}"))
    };
    for stage in stages {
        table.push(vec![
            stage.stage.to_owned(),
            format!("{:.3}", stage.timing.best_ms),
            format!("{:.3}", stage.timing.median_ms),
            stage.timing.runs.to_string(),
            figure(stage.gflop, 3),
            figure(stage.gflop_per_s, 1),
            figure(stage.peak_ratio.map(|ratio| 100.0 * ratio), 0)
                + if stage.peak_ratio.is_some() { " %" } else { "" },
        ]);
    }
    table.render()
}

fn load_text(load: &LoadBench) -> String {
    let line = |place: &str, turns: &LoadTurns| {
        format!(
            "weights {place}: read once in {:.0} ms (median {:.0}), loaded in {:.0} ms ({:.0}): {:.2} of reading, by medians\n",
            turns.read.best_ms, turns.read.median_ms, turns.load.best_ms, turns.load.median_ms, turns.of_read
        )
    };
    let cold = load.cold.as_ref().map(|turns| line("on disk", turns));
    line("in the file cache", &load.warm) + &cold.unwrap_or_default()
}

fn previewed_text(drag: &PreviewedDrag) -> String {
    format!(
        "{} positions decoded ahead in {:.1} ms\n{}{}",
        drag.positions_ahead,
        drag.ahead_ms,
        drag_text("request to preview", &drag.preview),
        drag_text("request to exact picture", &drag.exact)
    )
}

fn batch_text(batch: &BatchBench) -> String {
    format!(
        "{} positions in one batch: {:.2} ms each (median {:.2}), one by one {:.2} ({:.2}): {:.2} x, of medians {:.2} x\n",
        batch.positions,
        batch.together.best_ms,
        batch.together.median_ms,
        batch.one_by_one.best_ms,
        batch.one_by_one.median_ms,
        batch.speed_ratio,
        batch.median_ratio
    )
}

fn drag_text(what: &str, drag: &DragLatency) -> String {
    let mut lines = format!(
        "drag of {} positions, {what}: best {:.2}, median {:.2}, 95 % {:.2}, worst {:.2} ms\n",
        drag.positions, drag.best_ms, drag.median_ms, drag.p95_ms, drag.worst_ms
    );
    for (bound, count) in drag.histogram.iter().filter(|(_, count)| *count > 0) {
        let bin = bound.map_or_else(|| "more".to_owned(), |bound| format!("under {bound} ms"));
        lines.push_str(&format!("  {bin:>15}  {count}\n"));
    }
    lines
}
