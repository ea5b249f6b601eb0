use crate::runs::pictures;
use softscope::trainer::{DataConfig, DataFolders, GroundColours, Library, Loader};
use std::sync::Arc;

#[test]
fn batches_do_not_depend_on_threads_or_interruptions() {
    let folder = pictures();
    let found = DataFolders::find(&[folder.path().to_owned()], 0.0).unwrap();
    let config = |threads| DataConfig {
        threads,
        batches_ahead: 2,
        ..DataConfig::default()
    };
    let library = Arc::new(Library::read(&found.train, 32, &config(1)).unwrap());
    assert!(library.photograph_count() > 0 && library.cutout_count() > 0);
    let batches = |threads, first| {
        let mut loader = Loader::start(&library, &config(threads), 3, 4, 32, first).unwrap();
        (0..6).map(|_| loader.next_batch().unwrap()).collect::<Vec<_>>()
    };
    let alone = batches(1, 0);
    assert_eq!(alone, batches(3, 0));
    assert_eq!(alone[2..], batches(2, 2)[..4]);
    assert_ne!(alone[0].values, alone[1].values);
    for batch in &alone {
        assert_eq!(batch.values.len(), 4 * 3 * 32 * 32);
        assert!(batch.values.iter().all(|value| (-1.0..=1.0).contains(value)));
    }
}

#[test]
fn a_file_that_is_no_picture_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("broken.png"), b"not a picture").unwrap();
    let found = DataFolders::find(&[folder.path().to_owned()], 0.0).unwrap();
    let error = Library::read(&found.train, 32, &DataConfig::default()).unwrap_err();
    assert!(error.to_string().contains("broken.png"), "{error}");
    let error = DataFolders::find(&[folder.path().join("nowhere")], 0.0).unwrap_err();
    assert!(error.to_string().contains("nowhere"), "{error}");
}

#[test]
fn what_is_known_of_a_composite_is_what_it_shows() {
    let folder = pictures();
    let found = DataFolders::find(&[folder.path().to_owned()], 0.0).unwrap();
    let config = DataConfig::default();
    let library = Library::read(&found.train, 64, &config).unwrap();
    let (mut plain, mut sizes) = (0, Vec::new());
    for index in 0..40 {
        let known = library.labelled_composite(7, index, 64, &config).unwrap();
        assert_eq!(known.picture, library.composite_picture(7, index, 64, &config));
        let [x, y] = known.placement.centre.map(|share| (64.0 * share) as u32);
        let number: u8 = known.cutout.file_stem().unwrap().to_str().unwrap()["cutout".len()..]
            .parse()
            .unwrap();
        let [red, green, _] = known.picture.pixel(x.min(63), y.min(63)).unwrap();
        assert!(
            red.abs_diff(200) <= 3 && green.abs_diff(30 * number) <= 3,
            "picture {index}: {red} {green}"
        );
        plain += usize::from(known.is_plain);
        sizes.push(known.placement.size);
    }
    assert!((1..40).contains(&plain), "both kinds of ground");
    let [smallest, largest] = config.cutout_size;
    assert!(sizes.iter().all(|size| (smallest..=largest).contains(size)));
    let opaque = Library::read(&found.train[8..9], 64, &config).unwrap();
    assert_eq!((opaque.cutout_count(), opaque.photograph_count()), (0, 1));
    assert!(opaque.labelled_composite(7, 0, 64, &config).is_none());
}

#[test]
fn a_pale_ground_is_pale_and_a_cutout_stays_inside_where_it_has_to() {
    let folder = pictures();
    let found = DataFolders::find(&[folder.path().to_owned()], 0.0).unwrap();
    let config = DataConfig {
        plain_ground_share: 1.0,
        ground_colours: GroundColours::Pale,
        cutout_overhang: 0.0,
        cutout_turn_degrees: 0.0,
        cutout_size: [0.3, 0.6],
        ..DataConfig::default()
    };
    let library = Library::read(&found.train, 64, &config).unwrap();
    let mut grounds = Vec::new();
    for index in 0..40 {
        let known = library.labelled_composite(7, index, 64, &config).unwrap();
        let half = known.placement.size / 2.0;
        let is_inside = |centre: &f64| (half - 1e-9..=1.0 - half + 1e-9).contains(centre);
        assert!(
            known.placement.centre.iter().all(is_inside),
            "{:?}",
            known.placement
        );
        let [x, y] = known
            .placement
            .centre
            .map(|place| if place < 0.5 { 63 } else { 0 });
        grounds.push(known.picture.pixel(x, y).unwrap());
    }
    assert!(grounds.iter().flatten().all(|value| *value >= 215), "{grounds:?}");
    grounds.sort_unstable();
    grounds.dedup();
    assert!(grounds.len() > 20, "grounds differ");
}
