//! `train` with a configuration that has a table `generator`: a SiT on a tokenizer's tokens.

use super::{Args, finite, stop_on_interrupt};
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::engine::Control;
use crate::trainer::{GeneratorProgress, GeneratorRun, GeneratorTrainConfig};
use serde_json::json;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use std::time::Instant;

pub(super) fn run(context: &Context, args: &Args, mut config: GeneratorTrainConfig) -> Result<(), CliError> {
    if let Some(threads) = context.run_options().threads {
        config.threads = threads;
    }
    config.device = context.device_or(config.device);
    let run = GeneratorRun {
        tokenizer: context.places().resolve_model(&config.tokenizer)?,
        config,
        data: args.data.clone(),
        out: args.out.clone(),
        is_resumed: args.resume,
    };
    let is_stopping = stop_on_interrupt()?;
    let progress = context.progress("Training");
    let per_step = (run.config.optimiser.batch * run.config.optimiser.accumulate) as f64;
    let mut steps_before = 0;
    let mut first_step_done: Option<Instant> = None;
    let outcome = run.perform(&mut |news| {
        match news {
            GeneratorProgress::Read {
                pictures,
                classes,
                left_out,
                steps_done,
            } => {
                progress.note(&format!(
                    "{pictures} pictures of {} classes ({}), {left_out} without a class left out; {steps_done} steps \
                     done before",
                    classes.len(),
                    classes.join(", ")
                ));
                steps_before = steps_done;
            }
            GeneratorProgress::Encoded(share) => progress.progress(share),
            GeneratorProgress::Step(report) => {
                first_step_done.get_or_insert_with(Instant::now);
                progress.progress((report.step + 1) as f32 / run.config.steps as f32);
            }
            GeneratorProgress::Evaluated(loss) => progress.note(&words(loss)),
        }
        if is_stopping.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })?;
    drop(progress);
    let seconds = first_step_done.map_or(0.0, |first| first.elapsed().as_secs_f64());
    // The first step is where the clock begins.
    let samples = (outcome.steps - steps_before).saturating_sub(1) as f64 * per_step;
    let rate = samples / seconds.max(1e-9);
    let is_done = outcome.steps >= run.config.steps;
    let mut text = format!(
        "{} steps, {rate:.1} samples a second; {}\n{}\n",
        outcome.steps,
        words(outcome.held_out_loss),
        args.out.display()
    );
    if !is_done {
        text.push_str("Stopped before the end; go on with --resume\n");
    }
    let json = json!({
        "out": args.out,
        "steps": outcome.steps,
        "is_done": is_done,
        "samples_per_second": rate,
        "held_out_loss": finite(outcome.held_out_loss),
    });
    context.results(&text, &json)
}

fn words(held_out_loss: f64) -> String {
    match finite(held_out_loss) {
        Some(loss) => format!("loss {loss:.4} on held-out pictures"),
        None => "nothing measured on held-out pictures".to_owned(),
    }
}
