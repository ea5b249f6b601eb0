//! A folder of pictures in the workspace: collected, given up, encoded by another model.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unreachable)] // a test stops at the first surprise

use softscope::document::{
    CollectionOrder, CollectionSource, Export, FactorValues, FindingsPart, FoundProbes, Import, NoticeKind,
    Places, REPORT_FILE, Workspace,
};
use softscope::engine::{Engine, NoControl, RunOptions, Runner};
use softscope::picture::{self, Fit, Planar, Rgb8};
use softscope::tokenizer::ModelFiles;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

#[path = "support/fixtures.rs"]
mod fixtures;

const SOFT: &str = "a3_softvq_nol2";
const KL: &str = "a4_kl16_vit";

const OPTIONS: RunOptions = RunOptions {
    device: softscope::engine::DeviceChoice::Cpu,
    precision: softscope::engine::Precision::F32,
    threads: Some(1),
};

/// A workspace with a small model open and a folder `pictures` of two kinds.
struct Bench {
    folder: TempDir,
    workspace: Workspace,
}

impl Bench {
    fn new(each: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for set in [SOFT, KL] {
            fixtures::write_model(&fixtures::folder(set), &folder.path().join(set));
        }
        for kind in ["bright", "dark"] {
            for number in 0..each {
                let path = folder.path().join(format!("pictures/{kind}/{number:02}.png"));
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                let png = picture::to_png(&pattern(number, kind == "bright"), &[]).unwrap();
                std::fs::write(path, png).unwrap();
            }
        }
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
        bench.open(SOFT);
        bench
    }

    fn files(&self, set: &str) -> ModelFiles {
        ModelFiles::locate(&self.folder.path().join(set)).unwrap()
    }

    fn open(&mut self, set: &str) {
        let files = self.files(set);
        self.workspace.open_model(files);
        self.workspace.settle();
    }

    fn order(&self) -> CollectionOrder {
        CollectionOrder::new(CollectionSource::Folder(self.folder.path().join("pictures")))
    }
}

fn pattern(number: u32, is_bright: bool) -> Rgb8 {
    let (side, base) = (48, if is_bright { 150 } else { 20 });
    let pixel = |index: u32| {
        let (x, y) = (index % side, index / side);
        let value = base + ((x * (number + 2) / 7 + y * 3) % 90) as u8;
        [value, value / 2 + 30, 255 - value]
    };
    Rgb8::new(side, side, (0..side * side).flat_map(pixel).collect()).unwrap()
}

#[test]
fn a_folder_is_collected_with_its_labels_and_what_cannot_be_read_is_told() {
    let mut bench = Bench::new(6);
    std::fs::write(bench.folder.path().join("pictures/bright/03.png"), b"no picture").unwrap();
    bench.workspace.collect(bench.order());
    assert_eq!(bench.workspace.collecting().unwrap().name, "pictures");
    let notices = bench.workspace.settle();
    assert_eq!(bench.workspace.collecting(), None);
    let told = notices.last().unwrap();
    assert!(
        told.kind == NoticeKind::Warning && told.text.contains("03.png"),
        "{told:?}"
    );
    let collection = bench.workspace.collection().unwrap();
    assert_eq!(
        (
            collection.found,
            collection.pictures.len(),
            collection.left_out.len()
        ),
        (12, 11, 1)
    );
    let FactorValues::Labels { names, of } = &collection.factors[0].values else {
        panic!("labels")
    };
    assert_eq!(names, &["bright", "dark"]);
    assert_eq!(of.iter().filter(|label| **label == 0).count(), 5);

    let runner = Runner::open(&bench.files(SOFT), &OPTIONS, &NoControl).unwrap();
    let side = runner.info().args.image_size as u32;
    for index in [2, 9] {
        let found = &collection.pictures[index];
        let crop = picture::fit(
            &picture::open(found.path.as_ref().unwrap()).unwrap(),
            side,
            Fit::Crop,
        );
        let state = runner
            .encode(&[Planar::from_rgb8(&crop)], &NoControl)
            .unwrap()
            .remove(0);
        let is_near = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
        assert!(
            is_near(&found.z.values, &state.z.values),
            "{index}: z of {}",
            found.name
        );
        assert!(is_near(
            &found.h.as_ref().unwrap().values,
            &state.h.as_ref().unwrap().values
        ));
        assert_eq!(found.mixtures.len(), state.z.count);
        let heaviest = softscope::analysis::top_codewords(state.mixture(1).unwrap(), 1)[0];
        assert_eq!(found.mixtures[1].codeword, heaviest.0);
        assert!(found.thumbnail.width() <= 64);
    }
    let segments = collection.usage.as_ref().unwrap().segments();
    assert_eq!(
        segments.iter().map(|segment| segment.tokens).sum::<usize>(),
        collection.total_tokens()
    );
}

#[test]
fn a_limit_takes_pictures_evenly_and_says_so() {
    let mut bench = Bench::new(6);
    let order = CollectionOrder {
        most: 4,
        ..bench.order()
    };
    bench.workspace.collect(order);
    bench.workspace.settle();
    let collection = bench.workspace.collection().unwrap();
    assert_eq!((collection.found, collection.pictures.len()), (12, 4));
    assert!(
        collection.left_out[0].contains("8 pictures of 12"),
        "{:?}",
        collection.left_out
    );
    let FactorValues::Labels { of, .. } = &collection.factors[0].values else {
        panic!("labels")
    };
    assert_eq!(of, &[0, 0, 1, 1]);
}

#[test]
fn a_collection_is_given_up_halfway_and_the_old_one_stays() {
    let mut bench = Bench::new(20);
    let few = CollectionOrder {
        most: 2,
        ..bench.order()
    };
    bench.workspace.collect(few);
    bench.workspace.settle();
    bench.workspace.collect(bench.order());
    while bench
        .workspace
        .collecting()
        .is_some_and(|progress| progress.done == 0)
    {
        bench.workspace.update();
        std::thread::yield_now();
    }
    let progress = bench
        .workspace
        .collecting()
        .expect("forty pictures take several turns");
    assert!(
        progress.total == 40 && progress.done < 40 && progress.fraction < 1.0,
        "{progress:?}"
    );
    bench.workspace.cancel();
    assert_eq!(bench.workspace.collecting(), None);
    assert_eq!(bench.workspace.collection().unwrap().pictures.len(), 2);
}

#[test]
fn another_model_drops_the_collection_which_is_made_again_on_demand() {
    let mut bench = Bench::new(3);
    assert!(!bench.workspace.collect_again(), "nothing was collected yet");
    bench.workspace.collect(bench.order());
    bench.workspace.settle();
    let hash = bench.workspace.collection().unwrap().model.clone();
    bench.open(KL);
    assert!(bench.workspace.collection().is_none());
    assert!(bench.workspace.collect_again());
    bench.workspace.settle();
    let collection = bench.workspace.collection().unwrap();
    assert_ne!(collection.model, hash);
    assert!(collection.usage.is_none() && collection.pictures[0].mixtures.is_empty());
    assert_eq!(
        collection.pictures[0].h.as_ref().unwrap().dim,
        2 * collection.dim,
        "mean and variance"
    );
    // A model that comes while pictures are encoded makes what is under way void.
    bench.workspace.collect(bench.order());
    bench.open(SOFT);
    assert!(bench.workspace.collection().is_none() && bench.workspace.collecting().is_none());
}

#[test]
fn the_library_is_collected_as_it_stands() {
    let mut bench = Bench::new(2);
    for kind in ["bright", "dark"] {
        bench
            .workspace
            .import(Import::Path(bench.folder.path().join("pictures").join(kind)));
        bench.workspace.settle();
    }
    bench
        .workspace
        .collect(CollectionOrder::new(CollectionSource::Library));
    bench.workspace.settle();
    let collection = bench.workspace.collection().unwrap();
    assert_eq!(
        (collection.name.as_str(), collection.pictures.len()),
        ("library", 4)
    );
    let subject = bench.workspace.subjects()[3].clone();
    assert_eq!(collection.pictures[3].subject, Some(subject.id));
    let encoded = &subject.encoded.unwrap().state.z.values;
    let distance = encoded.iter().zip(&collection.pictures[3].z.values);
    assert!(distance.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) < 1e-5);
    assert!(!collection.factors.is_empty());
}

#[test]
fn nothing_is_collected_without_a_model_or_pictures() {
    let mut bench = Bench::new(1);
    let nowhere = CollectionSource::Folder(Path::new("/there/is/no/such/folder").to_owned());
    bench.workspace.collect(CollectionOrder::new(nowhere));
    let told = bench.workspace.settle();
    assert!(
        told[0].kind == NoticeKind::Error && told[0].text.contains("such/folder"),
        "{told:?}"
    );
    assert!(bench.workspace.collecting().is_none() && !bench.workspace.is_busy());
}

/// The files of a folder by name.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read(path).unwrap())
        })
        .collect();
    files.sort();
    files
}

impl Bench {
    fn collect(&mut self) {
        self.workspace.collect(self.order());
        self.workspace.settle();
    }

    /// What a command writes of the bench's folder with the bench's model.
    fn command(&self, name: &str, further: &[&str]) -> Vec<(String, Vec<u8>)> {
        let out = self.folder.path().join(format!("command-{name}"));
        let run = Command::new(env!("CARGO_BIN_EXE_softscope"))
            .arg(name)
            .arg(self.folder.path().join("pictures"))
            .arg("--out")
            .arg(&out)
            .arg("--model")
            .arg(self.folder.path().join(SOFT))
            .args(["--threads", "1"])
            .args(further)
            .env("SOFTSCOPE_DATA", self.folder.path().join("data"))
            .output()
            .unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        files(&out)
    }

    /// What the workspace writes of a part.
    fn export(&mut self, part: FindingsPart) -> Vec<(String, Vec<u8>)> {
        let path = self.folder.path().join(format!("{part:?}"));
        self.workspace.export(Export::Findings {
            path: path.clone(),
            part,
        });
        let notices = self.workspace.settle();
        assert_eq!(notices[0].kind, NoticeKind::Done, "{notices:?}");
        files(&path)
    }
}

#[test]
fn a_map_and_probes_are_written_as_the_commands_write_them() {
    let mut bench = Bench::new(20);
    bench.collect();
    bench.workspace.map_tokens(200);
    bench.workspace.probe_tokens(0);
    assert!(bench.workspace.is_busy() && bench.workspace.mapping().is_some());
    bench.workspace.settle();
    assert!(bench.workspace.mapping().is_none() && bench.workspace.probing().is_none());
    let map = bench.workspace.token_map().unwrap();
    assert_eq!(map.points.len(), 40 * map.token_count);
    assert!(map.planes.iter().all(|plane| !plane.tsne.is_empty()));
    let FoundProbes::Labels { probes, .. } = &bench.workspace.probes().unwrap().found[0].probes else {
        panic!("labels")
    };
    assert_eq!(probes.all.hits.share, 1.0, "brightness is easy to read");
    assert_eq!(
        bench.export(FindingsPart::Map),
        bench.command("map", &["--most", "200"])
    );
    assert_eq!(bench.export(FindingsPart::Probes), bench.command("probe", &[]));
}

#[test]
fn a_layout_is_given_up_halfway_and_leaves_the_components() {
    let mut bench = Bench::new(20);
    bench.collect();
    bench.workspace.map_tokens(usize::MAX);
    while bench.workspace.token_map().is_none() {
        bench.workspace.update();
        std::thread::yield_now();
    }
    bench.workspace.cancel_mapping();
    bench.workspace.settle();
    assert!(bench.workspace.mapping().is_none());
    let map = bench.workspace.token_map().unwrap();
    assert!(
        map.planes
            .iter()
            .all(|plane| plane.tsne.is_empty() && plane.pca.len() == map.points.len())
    );
    bench.open(KL);
    assert!(bench.workspace.token_map().is_none(), "of another model's tokens");
    bench.workspace.map_tokens(100);
    assert_eq!(bench.workspace.settle()[0].kind, NoticeKind::Error);
}

#[test]
fn a_report_is_the_page_that_the_command_makes() {
    let mut bench = Bench::new(10);
    bench.collect();
    let out = bench.folder.path().join("report");
    bench.workspace.make_report(&out);
    assert_eq!(bench.workspace.reporting().unwrap().fraction, 0.0);
    // A person who works meanwhile comes first, and the report is none the worse for it.
    bench
        .workspace
        .import(Import::Path(bench.folder.path().join("pictures/dark/03.png")));
    let notices = bench.workspace.settle();
    assert!(bench.workspace.reporting().is_none());
    assert!(
        notices.iter().all(|notice| notice.kind == NoticeKind::Done),
        "{notices:?}"
    );
    assert_eq!(
        bench.workspace.last_report(),
        Some(out.join(REPORT_FILE).as_path())
    );
    let page = files(&out);
    let command = bench.command("report", &[]);
    assert!(page == command, "the same bytes");
}

#[test]
fn a_report_is_given_up_and_nothing_is_written() {
    let mut bench = Bench::new(4);
    assert!(bench.workspace.reported_folder().is_none());
    let out = bench.folder.path().join("report");
    bench.workspace.make_report(&out);
    assert_eq!(
        bench.workspace.settle()[0].kind,
        NoticeKind::Error,
        "of no folder"
    );
    bench.collect();
    bench.workspace.make_report(&out);
    while bench
        .workspace
        .reporting()
        .is_some_and(|report| report.fraction == 0.0)
    {
        bench.workspace.update();
        std::thread::yield_now();
    }
    bench.workspace.cancel_report();
    bench.workspace.settle();
    assert!(bench.workspace.reporting().is_none() && !out.exists());
    assert!(bench.workspace.last_report().is_none());
}
