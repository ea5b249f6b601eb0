//! `softscope generate --generator G [--class C]… [--vary IN | --fill IN --tokens LIST] --out X`

mod start;

use super::context::{BATCH, Context, model_json};
use super::error::CliError;
use super::inputs;
use super::outputs::{self, OutKind};
use super::table::Table;
use crate::document::{
    self, AnimationFormat, ExportedFiles, GENERATION_KEYWORD, GenerationRecord, LatentNoise, TensorData,
    TensorEntry, class_name, class_of, tensors_to_bytes,
};
use crate::engine::{
    Control, GeneratorInfo, GeneratorRunner, ModelInfo, Runner, check_generator_fits, tokens_of_latents,
};
use crate::generator::{GeneratorArgs, Guidance, Noise, Original, Path as FlowPath, Settings, Solver, Start};
use crate::latent::Tokens;
use crate::picture::{self, Planar, Rgb8};
use crate::tokenizer::{ModelArgs, ModelFiles};
use clap::ValueEnum;
use start::{GivenStart, StartArgs};
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// SiT or DiT: name of an installed one, folder, checkpoint file or hub id
    #[arg(long, value_name = "G")]
    generator: String,
    /// A class by number or name; give it again for more. Without it pictures of no class
    #[arg(long = "class", value_name = "C", conflicts_with = "latents")]
    classes: Vec<String>,
    /// Sampling steps
    #[arg(long, value_name = "N", default_value = "250")]
    steps: NonZeroUsize,
    /// Scale of classifier-free guidance; 1 is none
    #[arg(long, value_name = "S", default_value_t = 1.0)]
    cfg: f64,
    /// Guidance acts from this time on (0 is data, 1 is noise)
    #[arg(long, value_name = "A", default_value_t = 0.0)]
    guidance_low: f64,
    /// Guidance acts up to this time
    #[arg(long, value_name = "B", default_value_t = 1.0)]
    guidance_high: f64,
    /// Interpolant of a SiT (if not given the one it says it was trained on, else linear), noise schedule of a DiT
    /// (cosine if not given)
    #[arg(long, value_enum)]
    path: Option<PathArg>,
    /// How steps are made; sde for a SiT and ddpm for a DiT if not given
    #[arg(long, value_enum)]
    sampler: Option<SamplerArg>,
    /// Seed of the first picture; each further one takes the next number
    #[arg(long, value_name = "N", default_value_t = 0, conflicts_with = "latents")]
    seed: u64,
    /// Pictures of each class
    #[arg(long, value_name = "N", default_value = "1", conflicts_with = "latents")]
    count: NonZeroUsize,
    /// Noise and classes from a file: `z0` f32 `[N,L,D]`, `y` i64 `[N]` and for sde and ddpm `noise` f32 `[steps,N,L,D]`
    #[arg(long, value_name = "F.safetensors")]
    latents: Option<PathBuf>,
    #[command(flatten)]
    start: StartArgs,
    /// .safetensors for `sample` f64 `[N,L,D]` before the latent scale and shift, `z` and `dec`; .png for one picture
    /// (several stand side by side); or a folder
    #[arg(long, value_name = "X")]
    out: PathBuf,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum PathArg {
    Linear,
    Cosine,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SamplerArg {
    /// SiT: Euler steps of the probability-flow ODE
    Ode,
    /// SiT: Heun's steps of the same
    Heun,
    /// SiT: stochastic, Euler-Maruyama
    Sde,
    /// DiT: ancestral
    Ddpm,
}

impl Args {
    fn settings(&self, generator: &GeneratorInfo) -> Settings {
        let usual = Settings::of_generator(generator.class, &generator.args);
        Settings {
            solver: self.sampler.map_or(usual.solver, |sampler| match sampler {
                SamplerArg::Ode => Solver::Euler,
                SamplerArg::Heun => Solver::Heun,
                SamplerArg::Sde => Solver::Sde,
                SamplerArg::Ddpm => Solver::Ddpm,
            }),
            path: self.path.map_or(usual.path, |path| match path {
                PathArg::Linear => FlowPath::Linear,
                PathArg::Cosine => FlowPath::Cosine,
            }),
            steps: self.steps.get(),
            guidance: Guidance {
                scale: self.cfg,
                low: self.guidance_low,
                high: self.guidance_high,
            },
        }
    }
}

/// A picture to be made.
struct Wanted {
    label: u32,
    /// `None` where its noise was given.
    seed: Option<u64>,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), CliError> {
    let kind = OutKind::of(&args.out, &[OutKind::Tokens, OutKind::Png, OutKind::Folder])?;
    args.start.check()?;
    let (input, _) = args.start.input().map(inputs::split_number).unwrap_or_default();
    let sources: Vec<&Path> = args
        .latents
        .iter()
        .chain([&input])
        .map(PathBuf::as_path)
        .collect();
    outputs::guard(&args.out, &sources)?;
    let files = context.places().resolve_model(&args.generator)?;
    // What does not go together is said before gigabytes are read.
    let generator_args = GeneratorArgs::read(&files.config)?;
    let given = args.latents.as_deref().map(document::read_latents).transpose()?;
    let wanted = match &given {
        Some(given) => given_pictures(given, &generator_args, args)?,
        None => seeded_pictures(&generator_args, args)?,
    };
    let needs_tokens_only = kind == OutKind::Tokens && args.start.input().is_none();
    let decoder = decoder(context, &files, &generator_args, needs_tokens_only)?;
    let start = match &decoder {
        Some(runner) => args.start.read(context, runner)?,
        None => None,
    };
    let generator = context.open_generator(&files)?;
    let settings = args.settings(generator.info());
    let report = Report {
        generator: generator.info(),
        model: decoder.as_ref().map(|runner| &**runner.info()),
        settings: &settings,
        wanted: &wanted,
        start: start.as_ref(),
    };

    let origin = Origin {
        latents: given.as_ref(),
        start: start.as_ref(),
        model: report.model,
    };
    let samples = sample(context, &generator, settings, &wanted, &origin)?;
    let (tokens, decoded) = match &decoder {
        Some(runner) => {
            let mut tokens = tokens_of_latents(&samples, runner.info());
            if let Some(start) = &start {
                tokens.iter_mut().for_each(|z| start.from.restore_held(z));
            }
            let decoded = context.decode(runner, &tokens.iter().collect::<Vec<_>>())?;
            (tokens, decoded)
        }
        None => (Vec::new(), Vec::new()),
    };
    report
        .files(kind, &samples, &tokens, &decoded)?
        .write(&args.out)?;
    context.note(&format!(
        "Wrote {}: {}",
        args.out.display(),
        inputs::count(wanted.len())
    ));
    context.results(&report.text(), &report.json(&args.out))
}

/// The tokenizer that decodes what is generated. Where none was asked for and the one that ships does not fit, tokens
/// can still be written: then there is none.
fn decoder(
    context: &Context,
    generator: &ModelFiles,
    args: &GeneratorArgs,
    needs_tokens_only: bool,
) -> Result<Option<Runner>, CliError> {
    let files = context.model_files()?;
    let model = ModelArgs::read(&files.config)?;
    let shape = (&*files.name, model.num_latent_tokens, model.codebook_embed_dim);
    match check_generator_fits(&generator.name, args, shape) {
        Ok(()) => Ok(Some(context.open_files(&files)?)),
        Err(mismatch) if context.model_name().is_none() && needs_tokens_only => {
            context.note(&format!("Nothing is decoded: {mismatch}"));
            Ok(None)
        }
        Err(mismatch) => Err(mismatch.into()),
    }
}

/// The pictures of every class, seeds counted on.
fn seeded_pictures(generator: &GeneratorArgs, args: &Args) -> Result<Vec<Wanted>, CliError> {
    let mut labels = Vec::new();
    for class in &args.classes {
        labels.push(class_of(class, generator)?);
    }
    if labels.is_empty() {
        labels.push(generator.null_label().ok_or_else(|| {
            CliError::usage("this generator makes no pictures without a class: give one with --class")
        })?);
    }
    let count = args.count.get();
    let each = labels.iter().flat_map(|label| std::iter::repeat_n(*label, count));
    Ok(each
        .zip(0_u64..)
        .map(|(label, index)| Wanted {
            label,
            seed: Some(args.seed.wrapping_add(index)),
        })
        .collect())
}

/// The pictures whose noise a file gives.
fn given_pictures(
    given: &LatentNoise,
    generator: &GeneratorArgs,
    args: &Args,
) -> Result<Vec<Wanted>, CliError> {
    if generator.token_shape() != Some((given.token_count, given.dim)) {
        return Err(CliError::LatentsDoNotFit {
            path: args.latents.clone().unwrap_or_default(),
            found: (given.token_count, given.dim),
            generator: args.generator.clone(),
            expected: generator.token_shape().unwrap_or_default(),
        });
    }
    Ok(given
        .labels
        .iter()
        .map(|label| Wanted {
            label: *label,
            seed: None,
        })
        .collect())
}

/// The noise of the pictures from `first` on.
fn noise(wanted: &[Wanted], first: usize, given: Option<&LatentNoise>) -> Noise {
    let count = wanted.len();
    let part = |of_all: &[Vec<f32>]| -> Vec<f32> {
        of_all.iter().skip(first).take(count).flatten().copied().collect()
    };
    match given {
        Some(given) => Noise::Given {
            start: part(&given.start),
            draws: given.draws.iter().map(|draw| part(draw)).collect(),
        },
        None => Noise::Seeds(wanted.iter().filter_map(|picture| picture.seed).collect()),
    }
}

/// Where a run begins.
struct Origin<'a> {
    latents: Option<&'a LatentNoise>,
    start: Option<&'a GivenStart>,
    model: Option<&'a ModelInfo>,
}

impl Origin<'_> {
    /// Pictures that are sampled together: those made from given tokens one by one, as the window makes them.
    fn batch(&self) -> usize {
        if self.start.is_some() { 1 } else { BATCH }
    }

    fn original(&self) -> Option<Original> {
        let (start, model) = self.start.zip(self.model)?;
        Some(start.from.original(model))
    }
}

/// Runs the sampler, a few pictures at a time; latents of all pictures one after the other.
fn sample(
    context: &Context,
    generator: &GeneratorRunner,
    settings: Settings,
    wanted: &[Wanted],
    origin: &Origin<'_>,
) -> Result<Vec<f64>, CliError> {
    let progress = context.progress("Generating");
    let mut samples = Vec::new();
    for (batch_index, batch) in wanted.chunks(origin.batch()).enumerate() {
        let first = batch_index * origin.batch();
        let start = Start {
            labels: batch.iter().map(|picture| picture.label).collect(),
            noise: noise(batch, first, origin.latents),
            original: origin.original(),
        };
        let mut sampler = generator.sampler(settings, start)?;
        progress.enter(first, batch.len(), wanted.len());
        while !sampler.is_finished() {
            generator.step(&mut sampler, &progress)?;
            progress.progress(sampler.done() as f32 / sampler.total() as f32);
        }
        samples.extend_from_slice(sampler.state());
    }
    Ok(samples)
}

/// What was made, and how.
struct Report<'a> {
    generator: &'a GeneratorInfo,
    /// `None` where nothing is decoded.
    model: Option<&'a ModelInfo>,
    settings: &'a Settings,
    wanted: &'a [Wanted],
    /// `None` for pictures made from noise.
    start: Option<&'a GivenStart>,
}

impl Report<'_> {
    fn files(
        &self,
        kind: OutKind,
        samples: &[f64],
        tokens: &[Tokens],
        decoded: &[Planar],
    ) -> Result<ExportedFiles, CliError> {
        let pictures = || decoded.iter().map(Planar::to_rgb8_generation);
        Ok(match kind {
            OutKind::Tokens => ExportedFiles::File(self.tensors(samples, tokens, decoded)),
            OutKind::Png => {
                document::animation_bytes(&pictures().collect::<Vec<Rgb8>>(), AnimationFormat::Strip)?
            }
            _ => {
                let files = self.wanted.iter().enumerate().zip(pictures());
                let files = files.map(|((index, wanted), picture)| {
                    let text = serde_json::json!(self.record(wanted)).to_string();
                    let png = picture::to_png(&picture, &[(GENERATION_KEYWORD, &text)])?;
                    Ok((format!("{}.png", self.stem(index, wanted)), png))
                });
                ExportedFiles::Folder(files.collect::<Result<_, CliError>>()?)
            }
        })
    }

    /// `sample` f64, `y` i64, and what was decoded: `z` and `dec` f32.
    fn tensors(&self, samples: &[f64], tokens: &[Tokens], decoded: &[Planar]) -> Vec<u8> {
        let wanted = self.wanted;
        let labels: Vec<i64> = wanted.iter().map(|wanted| i64::from(wanted.label)).collect();
        let names: Vec<String> = (wanted.iter().enumerate())
            .map(|(index, wanted)| self.stem(index, wanted))
            .collect();
        let records: Vec<_> = wanted.iter().map(|wanted| self.record(wanted)).collect();
        let mut metadata = BTreeMap::from([
            (
                GENERATION_KEYWORD.to_owned(),
                serde_json::json!(records).to_string(),
            ),
            ("names".to_owned(), serde_json::json!(names).to_string()),
        ]);
        let entry = |key, shape, data| TensorEntry { key, shape, data };
        let latent_shape = self.generator.args.latent_shape(wanted.len());
        let z: Vec<f32> = tokens.iter().flat_map(|tokens| &tokens.values).copied().collect();
        let dec: Vec<f32> = decoded.iter().flat_map(|planar| &planar.data).copied().collect();
        let mut entries = vec![
            entry("sample", latent_shape.clone(), TensorData::F64(samples)),
            entry("y", vec![labels.len()], TensorData::I64(&labels)),
        ];
        if let Some((model, first)) = self.model.zip(decoded.first()) {
            metadata.insert("model".to_owned(), model.hash.clone());
            let shape = vec![decoded.len(), 3, first.height as usize, first.width as usize];
            entries.push(entry("z", latent_shape, TensorData::F32(&z)));
            entries.push(entry("dec", shape, TensorData::F32(&dec)));
        }
        tensors_to_bytes(entries, &metadata)
    }

    /// Name of a picture: its number, class and seed.
    fn stem(&self, index: usize, wanted: &Wanted) -> String {
        let class = match self.class(wanted) {
            Some(class) => format!("class{class}"),
            None => "no-class".to_owned(),
        };
        let seed = wanted.seed.map(|seed| format!("_seed{seed}")).unwrap_or_default();
        format!("{index:04}_{class}{seed}")
    }

    /// `None` for the label that means no class.
    fn class(&self, wanted: &Wanted) -> Option<u32> {
        Some(wanted.label).filter(|label| Some(*label) != self.generator.args.null_label())
    }

    fn record(&self, wanted: &Wanted) -> GenerationRecord {
        let class = self.class(wanted);
        GenerationRecord {
            generator: self.generator.name.clone(),
            generator_hash: self.generator.hash.clone(),
            model: self.model.map(|model| model.hash.clone()),
            class,
            class_name: class
                .and_then(|class| class_name(class, &self.generator.args))
                .map(str::to_owned),
            seed: wanted.seed,
            settings: *self.settings,
            start: self.start.map(|start| start.record.clone()),
        }
    }

    fn json(&self, out: &Path) -> serde_json::Value {
        let pictures = self.wanted.iter().enumerate().map(|(index, wanted)| {
            let class = self.class(wanted);
            serde_json::json!({
                "name": self.stem(index, wanted),
                "class": class,
                "class_name": class.and_then(|class| class_name(class, &self.generator.args)),
                "seed": wanted.seed,
            })
        });
        serde_json::json!({
            "command": "generate",
            "model": self.model.map(model_json),
            "generator": {
                "name": self.generator.name,
                "hash": self.generator.hash,
                "class": self.generator.class.to_string(),
                "parameters": self.generator.parameter_count,
            },
            "settings": self.settings,
            "start": self.start.map(|start| &start.record),
            "out": out,
            "pictures": pictures.collect::<Vec<_>>(),
        })
    }

    fn text(&self) -> String {
        let mut table = Table::new(&["picture", "class", "seed"]);
        for (index, wanted) in self.wanted.iter().enumerate() {
            let class = self.class(wanted);
            let named = class.and_then(|class| class_name(class, &self.generator.args));
            table.push(vec![
                self.stem(index, wanted),
                match (class, named) {
                    (None, _) => "none".to_owned(),
                    (Some(class), None) => class.to_string(),
                    (Some(class), Some(name)) => format!("{class} {name}"),
                },
                wanted
                    .seed
                    .map_or_else(|| "given".to_owned(), |seed| seed.to_string()),
            ]);
        }
        table.render()
    }
}
