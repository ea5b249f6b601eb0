//! Codewords and directions of a folder in the workspace: counted, found, saved, applied, and the files they become.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unreachable)] // a test stops at the first surprise

use softscope::analysis::{UsageCounter, mean_difference, principal_components};
use softscope::document::{
    Collection, CollectionOrder, CollectionSource, DirectionFigures, DirectionOrder, Export, FindingsPart,
    FoundDirections, Import, NoticeKind, Places, Workspace,
};
use softscope::engine::{Ablation, AnalysisKind, Engine, NoControl, RunOptions, Runner};
use softscope::latent::{DirectionSource, Edit};
use softscope::picture::{self, Fit, Mask, Planar, Rgb8};
use softscope::tokenizer::ModelFiles;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use tempfile::TempDir;

#[path = "support/fixtures.rs"]
mod fixtures;
#[path = "support/kinds.rs"]
mod kinds;

const SOFT: &str = "a3_softvq_nol2";

const OPTIONS: RunOptions = RunOptions {
    device: softscope::engine::DeviceChoice::Cpu,
    precision: softscope::engine::Precision::F32,
    threads: Some(1),
};

/// A workspace with a small model open and a folder of bright and dark pictures collected.
struct Bench {
    folder: TempDir,
    workspace: Workspace,
}

impl Bench {
    fn new(each: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fixtures::write_model(&fixtures::folder(SOFT), &folder.path().join(SOFT));
        kinds::write_kinds(&folder.path().join("pictures"), each);
        let data = folder.path().join("data");
        let places = Places {
            shipped_models: None,
            installed_models: data.join("models"),
            samples: None,
            hub: softscope::hub::Settings::offline_in(data.join("hub")),
            data,
        };
        let workspace = Workspace::new(Engine::start(OPTIONS, || ()), places, || ());
        let mut bench = Self { folder, workspace };
        let files = bench.model();
        bench.workspace.open_model(files);
        bench.settle();
        let pictures = bench.path("pictures");
        bench
            .workspace
            .collect(CollectionOrder::new(CollectionSource::Folder(pictures)));
        bench.settle();
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn model(&self) -> ModelFiles {
        ModelFiles::locate(&self.path(SOFT)).unwrap()
    }

    /// Settles; anything but good news fails the test.
    fn settle(&mut self) {
        let notices = self.workspace.settle();
        assert!(
            notices.iter().all(|notice| notice.kind == NoticeKind::Done),
            "{notices:?}"
        );
    }

    fn collection(&self) -> Arc<Collection> {
        Arc::clone(self.workspace.collection().unwrap())
    }

    /// The places of the pictures of a kind.
    fn places(&self, kind: &str) -> Vec<usize> {
        let is_of_kind = |path: &Path| path.parent().unwrap().ends_with(kind);
        let collection = self.collection();
        let pictures = collection.pictures.iter().enumerate();
        pictures
            .filter(|(_, picture)| is_of_kind(picture.path.as_ref().unwrap()))
            .map(|(place, _)| place)
            .collect()
    }

    fn between_kinds(&self) -> DirectionOrder {
        DirectionOrder::Difference {
            with: self.places("bright"),
            without: self.places("dark"),
            names: ["bright", "dark"].map(str::to_owned),
            held_out_share: 0.3,
            seed: 0,
        }
    }

    fn find(&mut self, order: DirectionOrder) -> Arc<FoundDirections> {
        self.workspace.find_directions(order);
        assert!(self.workspace.is_finding_directions());
        self.settle();
        assert!(!self.workspace.is_finding_directions());
        Arc::clone(self.workspace.found_directions().unwrap())
    }

    fn saved_names(&mut self) -> Vec<String> {
        self.workspace.saved_directions();
        self.settle();
        let saved = self.workspace.saved_directions();
        saved.iter().map(|saved| saved.name.clone()).collect()
    }

    fn export(&mut self, export: Export) {
        self.workspace.export(export);
        self.settle();
    }

    fn run(&self, arguments: &[&dyn AsRef<std::ffi::OsStr>]) {
        let output = Command::new(env!("CARGO_BIN_EXE_softscope"))
            .args(arguments)
            .arg("--model")
            .arg(self.path(SOFT))
            .env("SOFTSCOPE_DATA", self.path("data"))
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

/// The tokens of a picture by the model itself.
fn encoded(runner: &Runner, path: &Path) -> softscope::latent::LatentState {
    let side = runner.info().args.image_size as u32;
    let crop = picture::fit(&picture::open(path).unwrap(), side, Fit::Crop);
    runner
        .encode(&[Planar::from_rgb8(&crop)], &NoControl)
        .unwrap()
        .pop()
        .unwrap()
}

#[test]
fn codewords_are_counted_as_over_the_pictures_one_by_one() {
    let mut bench = Bench::new(4);
    assert!(
        bench.workspace.codeword_atlas().is_none(),
        "it is counted meanwhile"
    );
    bench.settle();
    let atlas = bench.workspace.codeword_atlas().unwrap();
    let runner = Runner::open(&bench.model(), &OPTIONS, &NoControl).unwrap();
    let codebook = runner.info().space.codebook().unwrap();
    let mut counter = UsageCounter::new(codebook, Collection::USERS);
    for picture in &bench.collection().pictures {
        counter.add(&encoded(&runner, picture.path.as_ref().unwrap()));
    }
    let expected = counter.codewords();
    assert_eq!(atlas.codewords.len(), expected.len());
    for codeword in &expected {
        let rank = atlas.rank(codeword.segment, codeword.codeword).unwrap();
        let found = &atlas.codewords[rank];
        // Pictures that are encoded together differ from single ones by rounding.
        assert!((found.mean_weight - codeword.mean_weight).abs() < 1e-6);
        assert_eq!(found.times_first, codeword.times_first);
    }
    let dead = expected.iter().filter(|codeword| codeword.is_dead).count();
    assert_eq!(atlas.dead().count(), dead);
    assert_eq!(atlas.segments.len(), counter.segments().len());
}

#[test]
fn the_atlas_is_written_as_the_command_writes_it() {
    let mut bench = Bench::new(3);
    assert!(!bench.workspace.has_findings(FindingsPart::Codewords));
    bench.workspace.codeword_atlas();
    bench.settle();
    assert!(bench.workspace.has_findings(FindingsPart::Codewords));
    let (window, command) = (bench.path("window"), bench.path("command"));
    bench.export(Export::Findings {
        path: window.clone(),
        part: FindingsPart::Codewords,
    });
    bench.run(&[
        &"atlas",
        &bench.path("pictures"),
        &"--threads",
        &"1",
        &"--out",
        &command,
    ]);
    let mut names: Vec<String> = std::fs::read_dir(&window)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let expected = ["atlas.png", "pairs.csv", "segments.csv", "usage.csv", "users.csv"];
    assert_eq!(names, expected);
    for name in names {
        let [found, expected] = [&window, &command].map(|folder| std::fs::read(folder.join(&name)).unwrap());
        assert!(found == expected, "{name} differs");
    }
}

#[test]
fn a_direction_between_two_kinds_states_how_well_it_separates() {
    let mut bench = Bench::new(8);
    let found = bench.find(bench.between_kinds());
    let collection = bench.collection();
    let rows = |kind: &str| -> Vec<Vec<f32>> {
        let places = bench.places(kind);
        let pictures = places.iter().map(|place| &collection.pictures[*place]);
        pictures.map(|picture| picture.z.values.clone()).collect()
    };
    let expected = mean_difference(&rows("bright"), &rows("dark"), collection.dim, 0.3, 0).unwrap();
    assert_eq!(found.figures, DirectionFigures::Difference(expected.clone()));
    assert_eq!(found.directions[0].vector.values, expected.vector);
    assert_eq!(expected.whole.area, 1.0, "bright and dark are told apart");
    assert_eq!(found.pictures, 16);

    let found = bench.find(DirectionOrder::Components {
        count: 3,
        of_tokens: false,
    });
    let rows = collection.rows();
    let rows: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
    let expected = principal_components(&rows, 3).unwrap();
    assert_eq!(found.figures, DirectionFigures::Components(expected));
    assert_eq!(found.directions.len(), 3);
    let found = bench.find(DirectionOrder::Components {
        count: 2,
        of_tokens: true,
    });
    assert_eq!(found.directions[0].vector.count, 1, "one row, for every token");

    bench.workspace.find_directions(DirectionOrder::Difference {
        with: vec![0],
        without: vec![1, 2],
        names: Default::default(),
        held_out_share: 0.3,
        seed: 0,
    });
    let notices = bench.workspace.settle();
    assert!(
        matches!(&notices[..], [notice] if notice.text.contains("at least two of each")),
        "{notices:?}"
    );
    assert_eq!(
        bench.workspace.found_directions().unwrap().directions.len(),
        2,
        "what was there stays"
    );
}

#[test]
fn a_search_that_was_given_up_leaves_nothing() {
    let mut bench = Bench::new(4);
    bench.workspace.find_directions(bench.between_kinds());
    bench.workspace.cancel_directions();
    assert!(!bench.workspace.is_finding_directions());
    bench.settle();
    assert!(bench.workspace.found_directions().is_none());
}

#[test]
fn a_saved_direction_moves_other_pictures_and_a_recipe_gives_the_same_bytes() {
    let mut bench = Bench::new(5);
    assert_eq!(bench.saved_names(), Vec::<String>::new());
    let found = bench.find(bench.between_kinds());
    let direction = &found.directions[0];
    bench.workspace.save_direction(direction, " light ");
    bench.settle();
    assert_eq!(bench.saved_names(), ["light"]);

    let picture = bench.path("pictures/dark/dark-01.png");
    bench.workspace.import(Import::Path(picture.clone()));
    bench.settle();
    let by_name = Edit::Direction {
        source: DirectionSource::Name("light".to_owned()),
        amount: 1.5,
    };
    bench.workspace.edit(by_name);
    bench.settle();
    let vector = direction.vector.to_rows();
    let subject = bench.workspace.active().unwrap();
    let (before, after) = (
        &subject.encoded.as_ref().unwrap().state.z,
        &subject.edited.as_ref().unwrap().state.z,
    );
    for ((before, after), step) in before
        .values
        .iter()
        .zip(&after.values)
        .zip(&direction.vector.values)
    {
        assert!((before + 1.5 * step - after).abs() < 1e-5);
    }
    assert!((bench.workspace.moved_along(&vector) - 1.5).abs() < 1e-6);
    bench.export(Export::Edited {
        path: bench.path("window.png"),
    });
    let recipe = bench.path("recipe.json");
    let text = format!(
        r#"{{"softscope_recipe": 1, "model": "{}", "edits": [{{"type": "direction", "name": "light", "amount": 1.5}}]}}"#,
        bench.workspace.model().unwrap().hash
    );
    std::fs::write(&recipe, text).unwrap();
    let out = bench.path("command.png");
    bench.run(&[
        &"edit",
        &picture,
        &"--recipe",
        &recipe,
        &"--threads",
        &"1",
        &"--out",
        &out,
    ]);
    let [window, command] =
        ["window.png", "command.png"].map(|name| std::fs::read(bench.path(name)).unwrap());
    assert!(window == command, "the window's file differs from the command's");

    bench.workspace.undo();
    bench.settle();
    assert_eq!(bench.workspace.moved_along(&vector), 0.0);

    bench.workspace.rename_direction("light", "brightness");
    bench.settle();
    assert_eq!(bench.saved_names(), ["brightness"]);
    bench.workspace.edit(Edit::Direction {
        source: DirectionSource::Name("light".to_owned()),
        amount: 1.0,
    });
    let notices = bench.workspace.settle();
    assert!(
        matches!(&notices[..], [notice] if notice.text.contains("\"light\"")),
        "the old name is forgotten: {notices:?}"
    );
    bench.workspace.delete_direction("brightness");
    bench.settle();
    assert_eq!(bench.saved_names(), Vec::<String>::new());
}

#[test]
fn what_tokens_do_under_the_brush_is_written_as_the_command_writes_it() {
    let mut bench = Bench::new(2);
    let picture = bench.path("pictures/bright/bright-00.png");
    bench.workspace.import(Import::Path(picture.clone()));
    bench.settle();
    let side = bench.workspace.model().unwrap().args.image_size as u32;
    let is_white = |index: u32| index % side < side / 3;
    let weights = (0..side * side).map(|index| f32::from(u8::from(is_white(index))));
    let mask = Arc::new(Mask::new(side, side, weights.collect()).unwrap());
    let pixels = (0..side * side).flat_map(|index| [if is_white(index) { 255 } else { 0 }; 3]);
    let file = bench.path("mask.png");
    let painted = Rgb8::new(side, side, pixels.collect()).unwrap();
    std::fs::write(&file, picture::to_png(&painted, &[]).unwrap()).unwrap();

    bench.workspace.analyse(AnalysisKind::Influence, Ablation::Mean);
    bench.settle();
    assert!(!bench.workspace.has_findings(FindingsPart::Pixels));
    bench.workspace.set_brush(Some(mask), true);
    bench.settle();
    assert!(bench.workspace.has_findings(FindingsPart::Pixels));
    let (window, command) = (bench.path("window"), bench.path("command"));
    bench.export(Export::Findings {
        path: window.clone(),
        part: FindingsPart::Pixels,
    });
    bench.run(&[
        &"attribute",
        &picture,
        &"--by",
        &"both",
        &"--mask",
        &file,
        &"--threads",
        &"1",
        &"--out",
        &command,
    ]);
    for name in [
        "gradient.png",
        "influence.csv",
        "influence.png",
        "influence.safetensors",
    ] {
        let [found, expected] = [&window, &command].map(|folder| std::fs::read(folder.join(name)).unwrap());
        assert!(found == expected, "{name} differs");
    }
}
