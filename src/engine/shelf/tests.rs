use super::*;
use crate::engine::painting::PaintRun;
use crate::engine::worker::tests::info;
use crate::engine::{AnalyseJob, Analysed, Control, EngineError, ModelInfo, PaintStep, Work, WorkTurn};
use crate::latent::{LatentState, Tokens};
use crate::picture::Planar;
use tempfile::TempDir;

/// A model that only takes memory.
struct Weights(Arc<ModelInfo>);

impl Backend for Weights {
    fn info(&self) -> &Arc<ModelInfo> {
        &self.0
    }
    fn encode(&self, _: Planar, _: &dyn Control) -> Result<LatentState, EngineError> {
        Err(EngineError::NoModel)
    }
    fn decode(&self, _: &Tokens, _: &dyn Control) -> Result<Planar, EngineError> {
        Err(EngineError::NoModel)
    }
    fn analyse(&self, _: &AnalyseJob, _: &dyn Control) -> Result<Analysed, EngineError> {
        Err(EngineError::NoModel)
    }
    fn work(&self, _: &mut dyn Work, _: &dyn Control) -> Result<WorkTurn, EngineError> {
        Err(EngineError::NoModel)
    }
    fn paint(&self, _: &mut PaintRun, _: &dyn Control) -> Result<PaintStep, EngineError> {
        Err(EngineError::NoModel)
    }
}

/// A shelf and the files of the models on it.
struct Bench {
    shelf: Shelf,
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        Self {
            shelf: Shelf::default(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn write(&self, name: &str, byte_count: usize) {
        std::fs::write(self.folder.path().join(name), vec![0; byte_count]).unwrap();
    }

    fn key(&self, name: &str) -> ShelfKey {
        ShelfKey::of(&ModelFiles {
            name: name.to_owned(),
            config: self.folder.path().join("config.json"),
            weights: self.folder.path().join(name),
        })
    }

    /// Puts a model there whose weights take as many bytes as its file.
    fn add(&mut self, name: &str, byte_count: usize) -> Arc<dyn Backend> {
        self.write(name, byte_count);
        let facts = ModelInfo {
            weight_bytes: byte_count as u64,
            ..info(name)
        };
        let model: Arc<dyn Backend> = Arc::new(Weights(Arc::new(facts)));
        let key = self.key(name);
        self.shelf.put(key, Arc::clone(&model));
        model
    }

    fn names(&self) -> Vec<&str> {
        let names = self.shelf.models.iter();
        names.map(|shelved| shelved.key.name.as_str()).collect()
    }
}

fn names(left: &[Eviction]) -> Vec<&str> {
    left.iter().map(|eviction| eviction.model.as_str()).collect()
}

#[test]
fn the_model_used_least_recently_leaves_first() {
    let mut bench = Bench::new();
    for name in ["a", "b", "c"] {
        bench.add(name, 100);
    }
    assert!(bench.shelf.take(&bench.key("a")).is_some());
    bench.write("d", 150);
    let left = bench.shelf.make_room(&bench.key("d"), 300);
    assert_eq!(
        names(&left),
        ["b", "c"],
        "150 of 300 are free with one of the three"
    );
    assert_eq!(bench.names(), ["a"]);
    let text = left[0].to_string();
    for part in ["b (0.0 MiB)", "least recently", "--memory-limit"] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
}

#[test]
fn nothing_leaves_while_all_fit() {
    let mut bench = Bench::new();
    bench.add("a", 100);
    bench.add("b", 100);
    bench.write("c", 100);
    assert_eq!(bench.shelf.make_room(&bench.key("c"), 300), []);
    assert_eq!(bench.shelf.trim(200), []);
}

#[test]
fn the_model_in_use_never_leaves() {
    let mut bench = Bench::new();
    let a = bench.add("a", 100);
    bench.shelf.set_in_use(a);
    bench.add("b", 100);
    bench.write("c", 1000);
    assert_eq!(names(&bench.shelf.make_room(&bench.key("c"), 50)), ["b"]);
    assert_eq!(bench.shelf.trim(0), []);
    assert_eq!(bench.names(), ["a"]);
    let c = bench.add("c", 1000);
    bench.shelf.set_in_use(c);
    assert_eq!(
        names(&bench.shelf.trim(1050)),
        ["a"],
        "it is no longer the one in use"
    );
}

#[test]
fn a_generator_takes_its_part_and_tokenizers_leave_earlier() {
    let mut bench = Bench::new();
    let a = bench.add("a", 100);
    bench.shelf.set_in_use(a);
    bench.add("b", 100);
    bench.add("c", 100);
    assert_eq!(bench.shelf.trim(300), []);
    bench.shelf.set_generator_bytes(50);
    assert_eq!(names(&bench.shelf.trim(300)), ["b"]);
    bench.write("d", 60);
    assert_eq!(
        names(&bench.shelf.make_room(&bench.key("d"), 300)),
        ["c"],
        "100 + 100 + 50 leave less than 60 of 300"
    );
    bench.shelf.set_generator_bytes(1000);
    assert_eq!(bench.shelf.trim(300), [], "neither of the two in use leaves");
    assert_eq!(bench.names(), ["a"]);
}

#[test]
fn a_shelved_model_comes_back_as_it_was() {
    let mut bench = Bench::new();
    let a = bench.add("a", 100);
    bench.add("b", 100);
    let again = bench.shelf.take(&bench.key("a")).unwrap();
    assert!(Arc::ptr_eq(&a, &again), "the same model, so the same hash");
    assert_eq!(bench.names(), ["b", "a"]);
    assert!(bench.shelf.take(&bench.key("c")).is_none());
}

#[test]
fn a_file_that_changed_is_another_model_and_the_old_one_leaves() {
    let mut bench = Bench::new();
    bench.add("a", 100);
    bench.write("a", 101);
    let changed = bench.key("a");
    assert!(bench.shelf.take(&changed).is_none());
    let left = bench.shelf.make_room(&changed, u64::MAX);
    assert_eq!(names(&left), ["a"]);
    assert_eq!(left[0].reason, EvictionReason::FilesChanged);
    assert!(left[0].to_string().contains("changed"), "{}", left[0]);
}

#[test]
fn the_old_version_of_the_model_in_use_leaves_once_the_new_one_is_in_use() {
    let mut bench = Bench::new();
    let old = bench.add("a", 100);
    bench.shelf.set_in_use(old);
    bench.write("a", 101);
    assert_eq!(bench.shelf.make_room(&bench.key("a"), u64::MAX), []);
    let new = bench.add("a", 101);
    bench.shelf.set_in_use(new);
    assert_eq!(names(&bench.shelf.trim(u64::MAX)), ["a"]);
    assert_eq!(bench.names(), ["a"]);
}

#[test]
fn a_configuration_that_changed_counts_too() {
    let mut bench = Bench::new();
    bench.add("a", 100);
    bench.write("config.json", 10);
    assert!(bench.shelf.take(&bench.key("a")).is_none());
}

#[test]
fn sizes_are_in_the_unit_a_person_reads() {
    assert_eq!(size_text(54_946_816), "52.4 MiB");
    assert_eq!(size_text(1_825_361_100), "1.7 GiB");
}
