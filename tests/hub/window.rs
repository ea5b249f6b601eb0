//! The Models view under a person's hands, against a hub on this machine.

use crate::hub::{Hub, ID};
use crate::server::{Cut, Reply};
use crate::tiny;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use softscope::document::{Places, Workspace};
use softscope::engine::{Engine, RunOptions};
use softscope::hub::Settings as HubSettings;
use softscope::ui::{Settings, SoftscopeApp};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};

type Window = Harness<'static, SoftscopeApp>;

/// The Models view, with nothing on this machine but what `settings` lead to.
fn open(data: &Path, settings: &HubSettings) -> Window {
    let places = Places {
        shipped_models: None,
        installed_models: data.join("installed"),
        samples: None,
        data: data.join("data"),
        hub: settings.clone(),
    };
    let builder = Harness::builder()
        .with_size(egui::vec2(1280.0, 1400.0))
        .with_max_steps(16);
    let mut window = builder.build_eframe(move |creation| {
        let options = RunOptions {
            threads: Some(1),
            ..RunOptions::default()
        };
        let workspace = Workspace::new(Engine::start(options, || ()), places, || ());
        let render_state = creation.wgpu_render_state.as_ref();
        SoftscopeApp::new(&creation.egui_ctx, render_state, workspace, Settings::default())
    });
    settle(&mut window);
    click(&mut window, "Models");
    window
}

fn settle(window: &mut Window) {
    window.run();
    window.state_mut().settle();
    window.run();
}

#[track_caller]
fn click(window: &mut Window, label: &str) {
    window.get_by_label(label).click();
    settle(window);
}

/// Types an id into its field and leaves the button to be pressed.
fn type_id(window: &mut Window, id: &str) {
    let field = window.get_by_label("Id of a model on the hub");
    field.focus();
    field.type_text(id);
    window.run();
}

fn notices(window: &Window) -> String {
    window.state().notices().collect::<Vec<_>>().join("\n")
}

#[test]
fn a_typed_id_is_downloaded_opened_and_removed() {
    let hub = Hub::new(tiny::whole());
    let mut window = open(hub.folder.path(), &hub.settings);
    assert!(window.query_by_label(&format!("Open {ID}")).is_none());
    type_id(&mut window, ID);
    click(&mut window, "Download this id");
    assert!(
        notices(&window).contains("owner/tiny is here"),
        "{}",
        notices(&window)
    );
    click(&mut window, &format!("Open {ID}"));
    let model = window.state().workspace().model().unwrap();
    assert_eq!(model.name, ID);

    click(&mut window, &format!("Remove {ID}"));
    click(&mut window, "Keep");
    assert!(hub.repository().exists() && window.query_by_label("Keep").is_none());
    click(&mut window, &format!("Remove {ID}"));
    click(&mut window, "Remove the model");
    assert!(!hub.repository().exists());
    assert!(window.query_by_label(&format!("Open {ID}")).is_none());
    assert!(
        notices(&window).contains("are free again"),
        "{}",
        notices(&window)
    );
}

#[test]
fn a_download_can_be_stopped_and_gone_on_with() {
    let (sender, stalled) = mpsc::channel();
    let sender = Mutex::new(sender);
    let is_slow = Arc::new(AtomicBool::new(true));
    let slow = Arc::clone(&is_slow);
    let hub = Hub::with(tiny::whole(), move |request, reply| {
        if request.method == "GET" && request.path.starts_with("/bytes/") && slow.load(Ordering::SeqCst) {
            let _ = sender.lock().unwrap().send(());
            return reply.cut(1000, Cut::Stall);
        }
        reply
    });
    let mut settings = hub.settings.clone();
    settings.timeouts.stall = std::time::Duration::from_secs(3600);
    let mut window = open(hub.folder.path(), &settings);
    type_id(&mut window, ID);
    window.get_by_label("Download this id").click();
    window.run();
    stalled.recv().unwrap();
    window.run();
    window.get_by_label(&format!("Stop downloading {ID}")).click();
    settle(&mut window);
    assert!(window.query_by_label(&format!("Open {ID}")).is_none());
    is_slow.store(false, Ordering::SeqCst);
    click(&mut window, &format!("Go on downloading {ID}"));
    assert!(window.query_by_label(&format!("Open {ID}")).is_some());
}

#[test]
fn a_window_that_closes_does_not_wait_for_its_download() {
    let (sender, stalled) = mpsc::channel();
    let sender = Mutex::new(sender);
    let hub = Hub::with(tiny::whole(), move |request, reply| {
        if request.path.starts_with("/bytes/") {
            let _ = sender.lock().unwrap().send(());
            return reply.cut(1000, Cut::Stall);
        }
        reply
    });
    let mut settings = hub.settings.clone();
    settings.timeouts.stall = std::time::Duration::from_secs(3600);
    let mut window = open(hub.folder.path(), &settings);
    type_id(&mut window, ID);
    window.get_by_label("Download this id").click();
    window.run();
    stalled.recv().unwrap();
    // Hangs where the download is waited for.
    drop(window);
}

#[test]
fn what_goes_wrong_is_told_and_can_be_tried_again() {
    let hub = Hub::with(tiny::whole(), |_, _| {
        Reply::new(404).header("X-Error-Code", "RepoNotFound")
    });
    let mut window = open(hub.folder.path(), &hub.settings);
    type_id(&mut window, "nonsense");
    click(&mut window, "Download this id");
    assert!(window.query_by_label_contains("write owner/name").is_some());
    type_id(&mut window, "x");
    click(&mut window, "Download MAETok/maetok-b-128");
    assert!(notices(&window).contains("check the id"), "{}", notices(&window));
    assert!(
        window
            .query_by_label("Go on downloading MAETok/maetok-b-128")
            .is_some()
    );
    click(&mut window, "Take MAETok/maetok-b-128 off this list");
    assert!(
        window
            .query_by_label("Go on downloading MAETok/maetok-b-128")
            .is_none()
    );
}

#[test]
fn parts_of_an_earlier_run_are_offered() {
    let hub = Hub::new(tiny::whole());
    let blobs = hub.repository().join("blobs");
    std::fs::create_dir_all(&blobs).unwrap();
    std::fs::write(blobs.join("abc.incomplete"), vec![0; 5000]).unwrap();
    let mut window = open(hub.folder.path(), &hub.settings);
    click(&mut window, &format!("Go on downloading {ID}"));
    assert!(window.query_by_label(&format!("Open {ID}")).is_some());
}

#[test]
fn offline_nothing_is_offered_for_download() {
    let hub = Hub::new(tiny::whole());
    let mut settings = hub.settings.clone();
    settings.is_offline = true;
    let mut window = open(hub.folder.path(), &settings);
    assert!(window.query_by_label_contains("HF_HUB_OFFLINE").is_some());
    click(&mut window, "Download MAETok/maetok-b-128");
    assert!(hub.server.log().is_empty());
}
