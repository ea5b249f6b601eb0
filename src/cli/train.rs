//! `train`: a tokenizer, or a generator of its tokens, from folders of pictures.

mod generator;

use super::context::Context;
use super::error::CliError;
use crate::engine::Control;
use crate::trainer::{self, Evaluation, GeneratorTrainConfig, Run, TrainConfig};
use serde_json::json;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The configuration, a TOML file; with a table `generator` it trains a SiT on a tokenizer's tokens
    #[arg(long, value_name = "T.toml")]
    config: PathBuf,
    /// Folders of pictures, with those in their sub-folders; one with `train` and `val` inside says itself what is held
    /// out
    #[arg(long, value_name = "DIR", num_args = 1.., required = true)]
    data: Vec<PathBuf>,
    /// Folder that takes checkpoint, log and sample sheets
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Go on with the run that lies in --out
    #[arg(long)]
    resume: bool,
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<(), CliError> {
    if let Some(config) = GeneratorTrainConfig::read(&args.config)? {
        return generator::run(context, args, config);
    }
    let mut config = TrainConfig::read(&args.config)?;
    if let Some(threads) = context.run_options().threads {
        config.threads = threads;
    }
    config.device = context.device_or(config.device);
    let run = Run {
        config,
        data: args.data.clone(),
        out: args.out.clone(),
        is_resumed: args.resume,
    };
    let is_stopping = stop_on_interrupt()?;
    let progress = context.progress("Training");
    let per_step = run.config.pictures_per_step() as f64;
    let mut sitting = (Instant::now(), 0);
    let outcome = run.perform(&mut |news| {
        match news {
            trainer::Progress::Read {
                photographs,
                cutouts,
                steps_done,
            } => {
                progress.note(&format!(
                    "{photographs} photographs and {cutouts} cut-outs; {steps_done} steps done before"
                ));
                sitting = (Instant::now(), steps_done);
            }
            trainer::Progress::Step(report) => {
                progress.progress((report.step + 1) as f32 / run.config.steps as f32);
            }
            trainer::Progress::Evaluated(figures) => {
                progress.note(&words(figures));
            }
            trainer::Progress::Saved => {}
        }
        if is_stopping.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })?;
    drop(progress);
    let (started, steps_before) = sitting;
    let pictures = (outcome.steps - steps_before) as f64 * per_step;
    let rate = pictures / started.elapsed().as_secs_f64().max(1e-9);
    let figures = &outcome.evaluation;
    let is_done = outcome.steps >= run.config.steps;
    let mut text = format!(
        "{} steps, {rate:.1} pictures a second; {}\n{}\n",
        outcome.steps,
        words(figures),
        args.out.display()
    );
    if !is_done {
        text.push_str("Stopped before the end; go on with --resume\n");
    }
    let json = json!({
        "out": args.out,
        "steps": outcome.steps,
        "is_done": is_done,
        "pictures_per_second": rate,
        "photograph_psnr_db": finite(figures.photograph_psnr_db),
        "composite_psnr_db": finite(figures.composite_psnr_db),
        "perplexity": figures.perplexity,
        "top_weight": figures.top_weight,
        "codebook_used": figures.codebook_used,
    });
    context.results(&text, &json)
}

/// Becomes true at the first Ctrl-C (or a plain `kill`); a second one ends the program at once.
fn stop_on_interrupt() -> Result<Arc<AtomicBool>, CliError> {
    let is_stopping = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        flag::register_conditional_shutdown(signal, 1, Arc::clone(&is_stopping))
            .and_then(|_| flag::register(signal, Arc::clone(&is_stopping)))
            .map_err(CliError::Signals)?;
    }
    Ok(is_stopping)
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

fn words(figures: &Evaluation) -> String {
    let decibels = |value: f64| {
        finite(value).map_or_else(|| "none held out".to_owned(), |value| format!("{value:.2} dB"))
    };
    format!(
        "photographs {}, composites {}, {:.1} codewords a token, {:.0} % of the codebook used",
        decibels(figures.photograph_psnr_db),
        decibels(figures.composite_psnr_db),
        figures.perplexity,
        100.0 * figures.codebook_used
    )
}
