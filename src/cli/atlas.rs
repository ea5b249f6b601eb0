//! `softscope atlas FOLDER --out DIR`

use super::context::{Context, model_json};
use super::error::CliError;
use super::inputs::{self, Batches, PictureInput};
use super::options::FitArg;
use super::outputs;
use super::progress::Progress;
use super::table::Table;
use crate::analysis::{CodewordPair, CodewordUse, CodewordUser, SegmentUse, UsageCounter, compare};
use crate::document::Labelled;
use crate::document::{self, csv_field, write_folder_atomically};
use crate::engine::{Runner, Sharpness, SweepStep};
use crate::latent::{LatentState, Tokens};
use crate::picture::{self, Planar, Rgb8};
use std::path::PathBuf;

/// Pairs of codewords in the file.
const PAIRS: usize = 200;
/// Lines of a table on the terminal.
const SHOWN: usize = 12;
/// Temperatures of the sweep, as multiples of the model's own.
const SWEEP: [f32; 9] = [16.0, 8.0, 4.0, 2.0, 1.0, 0.5, 0.25, 0.125, 0.0625];

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Folder of pictures, or of sub-folders with pictures
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// Folder for usage.csv, segments.csv, pairs.csv, users.csv, atlas.png, and of a SoftVQ model sweep.png and
    /// sweep.csv
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// How many of the most used codewords the sheet shows
    #[arg(long, value_name = "N", default_value_t = 16)]
    top: usize,
    /// How many of the tokens that use a codeword most are shown beside it
    #[arg(long, value_name = "N", default_value_t = 5)]
    users: usize,
    /// Picture of the sweep from soft to hard; the folder's first if not given
    #[arg(long, value_name = "PICTURE")]
    sweep: Option<PathBuf>,
    /// How a picture becomes the model's square
    #[arg(long, value_enum, default_value_t = FitArg::Crop)]
    fit: FitArg,
}

/// What a folder's pictures are made of.
pub(super) struct Atlas {
    pub(super) codewords: Vec<CodewordUse>,
    pub(super) segments: Vec<SegmentUse>,
    pub(super) pairs: Vec<CodewordPair>,
    pub(super) sheet: Rgb8,
    pub(super) sweep: Option<Sweep>,
}

/// A picture from soft to hard.
pub(super) struct Sweep {
    pub(super) sheet: Rgb8,
    pub(super) rows: Vec<SweepRow>,
}

pub(super) struct SweepRow {
    name: String,
    entropy_nats: f64,
    psnr_db: Option<f64>,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), CliError> {
    let pictures = Labelled::of_folder(&args.folder)?.pictures;
    let mut sources = inputs::paths(&pictures);
    sources.extend(args.sweep.as_deref());
    outputs::guard(&args.out, &sources)?;
    let runner = context.open_model()?;
    let progress = context.progress("Encoding");
    let mut states = Vec::with_capacity(pictures.len());
    Batches::new(&runner, &pictures, args.fit, &progress).encode(|_, state| {
        states.push(state);
        Ok(())
    })?;
    let sweep = args
        .sweep
        .as_ref()
        .map(|path| inputs::gather(std::slice::from_ref(path)))
        .transpose()?;
    let shown = Shown {
        top: args.top,
        users: args.users,
        sweep: sweep.as_ref().and_then(|pictures| pictures.first()),
        fit: args.fit,
    };
    let atlas = atlas(&runner, &pictures, &states, &shown, &progress)?;
    drop(progress);
    let files = files(&atlas, &pictures)?;
    write_folder_atomically(&args.out, &files)?;
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    context.note(&format!("Wrote {}: {}", args.out.display(), names.join(", ")));
    let shown: Vec<&CodewordUse> = atlas.codewords.iter().take(args.top).collect();
    let json = serde_json::json!({
        "command": "atlas",
        "model": model_json(runner.info()),
        "out": args.out,
        "pictures": pictures.len(),
        "segments": atlas.segments,
        "codewords": shown,
        "pairs": atlas.pairs.iter().take(SHOWN).collect::<Vec<_>>(),
        "sweep": atlas.sweep.as_ref().map(|sweep| sweep.rows.iter().map(SweepRow::json).collect::<Vec<_>>()),
    });
    context.results(&text(&atlas, pictures.len()), &json)
}

/// What is asked of an atlas.
pub(super) struct Shown<'a> {
    pub(super) top: usize,
    pub(super) users: usize,
    pub(super) sweep: Option<&'a PictureInput>,
    pub(super) fit: FitArg,
}

/// Counts, draws and sweeps. `states` belong to `pictures`.
pub(super) fn atlas(
    runner: &Runner,
    pictures: &[PictureInput],
    states: &[LatentState],
    shown: &Shown<'_>,
    progress: &Progress,
) -> Result<Atlas, CliError> {
    let info = runner.info();
    let codebook = info.space.codebook().ok_or_else(|| CliError::NoCodebook {
        model: info.name.clone(),
        class: info.class.to_string(),
    })?;
    let mut counter = UsageCounter::new(codebook, shown.users.max(1));
    states.iter().for_each(|state| counter.add(state));
    let codewords = counter.codewords();
    let sheet = sheet(runner, pictures, states, &codewords, shown, progress)?;
    let is_soft = info.space.mixing().is_some();
    let sweep = match shown.sweep.or(pictures.first()).filter(|_| is_soft) {
        Some(picture) => Some(sweep(runner, picture, shown.fit, progress)?),
        None => None,
    };
    Ok(Atlas {
        segments: counter.segments(),
        pairs: counter.pairs(PAIRS),
        codewords,
        sheet,
        sweep,
    })
}

/// A row for each codeword: the picture that uses it most with the codeword itself in that token's place, then the
/// pictures that use it most.
fn sheet(
    runner: &Runner,
    pictures: &[PictureInput],
    states: &[LatentState],
    codewords: &[CodewordUse],
    shown: &Shown<'_>,
    progress: &Progress,
) -> Result<Rgb8, CliError> {
    let used: Vec<&CodewordUse> = codewords
        .iter()
        .filter(|codeword| !codeword.users.is_empty())
        .take(shown.top)
        .collect();
    let mut cells = Vec::new();
    for codeword in used {
        let Some(most) = codeword.users.first() else {
            continue;
        };
        if let Some(z) = in_place(runner, states, codeword, most) {
            let decoded = runner.decode(&[&z], progress)?;
            let picture = decoded.first().map(Planar::to_rgb8).ok_or(CliError::Nothing)?;
            let name = format!(
                "{}:{} in token {}",
                codeword.segment, codeword.codeword, most.token
            );
            cells.push((picture, name));
        }
        let mut row = Vec::new();
        for user in &codeword.users {
            if let Some(picture) = pictures.get(user.picture) {
                let caption = format!("token {}: {:.2}  {}", user.token, user.weight, picture.stem);
                row.push((picture.crop(runner.info(), shown.fit.into())?, caption));
            }
        }
        let side = inputs::side(runner.info());
        row.resize_with(shown.users.max(1), || {
            (Rgb8::filled(side, side, [250; 3]), String::new())
        });
        cells.extend(row);
    }
    Ok(document::contact_sheet(&cells, shown.users.max(1) as u32 + 1)?)
}

/// The tokens of the picture that uses a codeword most, with the codeword alone in the place of that token.
fn in_place(
    runner: &Runner,
    states: &[LatentState],
    codeword: &CodewordUse,
    most: &CodewordUser,
) -> Option<Tokens> {
    let codebook = runner.info().space.codebook()?;
    let mut z = states.get(most.picture)?.z.clone();
    z.row_mut(most.token)
        .copy_from_slice(codebook.codeword(codeword.segment, codeword.codeword)?);
    Some(z)
}

fn sweep(
    runner: &Runner,
    picture: &PictureInput,
    fit: FitArg,
    progress: &Progress,
) -> Result<Sweep, CliError> {
    let crop = picture.crop(runner.info(), fit.into())?;
    let state = inputs::encode_crop(runner, &crop, progress)?;
    let tau = runner.info().args.tau as f32;
    let steps: Vec<Sharpness> = SWEEP
        .iter()
        .map(|factor| Sharpness::Tau(tau * factor))
        .chain([Sharpness::Hard])
        .collect();
    let found = runner.sharpness_sweep(&state, &steps, progress)?;
    let mut cells = vec![(crop.clone(), picture.name.clone())];
    let mut rows = Vec::new();
    for SweepStep {
        sharpness,
        entropy_nats,
        picture,
    } in found
    {
        let picture = picture.to_rgb8();
        let psnr_db = compare(&crop, &picture)
            .map(|metrics| metrics.psnr_db)
            .filter(|psnr| psnr.is_finite());
        let name = match sharpness {
            Sharpness::Tau(of) if of == tau => format!("tau {of:.4} (own)"),
            Sharpness::Tau(of) => format!("tau {of:.4}"),
            Sharpness::Hard => "hard".to_owned(),
        };
        cells.push((picture, name.clone()));
        rows.push(SweepRow {
            name,
            entropy_nats,
            psnr_db,
        });
    }
    let columns = cells.len() as u32;
    Ok(Sweep {
        sheet: document::contact_sheet(&cells, columns)?,
        rows,
    })
}

impl SweepRow {
    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::json!({"name": self.name, "entropy_nats": self.entropy_nats, "psnr_db": self.psnr_db})
    }

    pub(super) fn cells(&self) -> [String; 3] {
        let psnr = self.psnr_db.map_or_else(String::new, |psnr| format!("{psnr:.2}"));
        [self.name.clone(), format!("{:.3}", self.entropy_nats), psnr]
    }
}

fn files(atlas: &Atlas, pictures: &[PictureInput]) -> Result<Vec<(String, Vec<u8>)>, CliError> {
    let text = |name: &str, text: String| (name.to_owned(), text.into_bytes());
    let mut files = vec![
        text("usage.csv", usage_csv(&atlas.codewords)),
        text("segments.csv", segments_csv(&atlas.segments)),
        text("pairs.csv", pairs_csv(&atlas.pairs)),
        text("users.csv", users_csv(&atlas.codewords, pictures)),
        ("atlas.png".to_owned(), picture::to_png(&atlas.sheet, &[])?),
    ];
    if let Some(sweep) = &atlas.sweep {
        files.push(("sweep.png".to_owned(), picture::to_png(&sweep.sheet, &[])?));
        let rows = sweep.rows.iter().map(|row| row.cells().join(",") + "\n");
        files.push(text(
            "sweep.csv",
            "tau,entropy_nats,psnr_db\n".to_owned() + &rows.collect::<String>(),
        ));
    }
    Ok(files)
}

fn usage_csv(codewords: &[CodewordUse]) -> String {
    let mut text = "segment,codeword,mean_weight,times_first,dead\n".to_owned();
    for CodewordUse {
        segment,
        codeword,
        mean_weight,
        times_first,
        is_dead,
        ..
    } in codewords
    {
        text.push_str(&format!(
            "{segment},{codeword},{mean_weight},{times_first},{is_dead}\n"
        ));
    }
    text
}

fn segments_csv(segments: &[SegmentUse]) -> String {
    let mut text = "segment,tokens,perplexity,never_first,dead\n".to_owned();
    for SegmentUse {
        segment,
        tokens,
        perplexity,
        never_first,
        dead,
    } in segments
    {
        text.push_str(&format!("{segment},{tokens},{perplexity},{never_first},{dead}\n"));
    }
    text
}

fn pairs_csv(pairs: &[CodewordPair]) -> String {
    let mut text = "segment,a,b,together,lift\n".to_owned();
    for CodewordPair {
        segment,
        a,
        b,
        together,
        lift,
    } in pairs
    {
        text.push_str(&format!("{segment},{a},{b},{together},{lift}\n"));
    }
    text
}

fn users_csv(codewords: &[CodewordUse], pictures: &[PictureInput]) -> String {
    let mut text = "segment,codeword,file,token,weight\n".to_owned();
    for codeword in codewords {
        for user in &codeword.users {
            let file = pictures
                .get(user.picture)
                .map_or("", |picture| picture.name.as_str());
            text.push_str(&format!(
                "{},{},{},{},{}\n",
                codeword.segment,
                codeword.codeword,
                csv_field(file),
                user.token,
                user.weight
            ));
        }
    }
    text
}

fn text(atlas: &Atlas, pictures: usize) -> String {
    let mut segments = Table::new(&["segment", "tokens", "in use", "never first", "dead"]);
    for of in &atlas.segments {
        segments.push(vec![
            of.segment.to_string(),
            of.tokens.to_string(),
            format!("{:.1}", of.perplexity),
            of.never_first.to_string(),
            of.dead.to_string(),
        ]);
    }
    let mut codewords = Table::new(&["codeword", "mean weight", "times first", "most in"]);
    for of in atlas.codewords.iter().take(SHOWN) {
        let most = of.users.first();
        codewords.push(vec![
            format!("{}:{}", of.segment, of.codeword),
            format!("{:.3} %", 100.0 * of.mean_weight),
            of.times_first.to_string(),
            most.map_or_else(String::new, |user| {
                format!("picture {} token {}", user.picture, user.token)
            }),
        ]);
    }
    let mut text = format!(
        "{}\nover {}. in use: exp of the entropy of the mean weights. never first: never the heaviest codeword of a token; \
         dead: that, and a mean weight under a hundredth of an even share\n\n{}",
        segments.render(),
        inputs::count(pictures),
        codewords.render()
    );
    if let Some(sweep) = &atlas.sweep {
        let mut table = Table::new(&["sharpness", "entropy nats", "PSNR dB"]);
        sweep.rows.iter().for_each(|row| table.push(row.cells().to_vec()));
        text.push_str(&format!("\n{}", table.render()));
    }
    text
}
