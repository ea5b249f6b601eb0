use crate::runs::pictures;
use softscope::trainer::{DataConfig, DataFolders, Library, Loader};
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
