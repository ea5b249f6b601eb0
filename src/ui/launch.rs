//! Opening the window on whatever the machine has: a GPU through wgpu, else OpenGL, else wgpu in software, else words
//! that say what is missing.

use super::app::{self, SoftscopeApp};
use super::settings::{STORAGE_KEY, Settings};
use super::start_times::StartTimes;
use crate::document::{DocumentError, Places, Workspace};
use crate::engine::{Engine, RunOptions};
use crate::tokenizer::ModelFiles;
use eframe::{NativeOptions, Renderer};
use egui_wgpu::WgpuSetup;
use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

/// What every message about a missing window ends with.
const ADVICE: &str = "The commands work without a window: see `softscope --help`.";
/// Names the one way to draw that is tried: `wgpu` or `opengl`.
const RENDERER_VARIABLE: &str = "SOFTSCOPE_RENDERER";

/// A way to draw the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Drawing {
    /// wgpu on a graphics card.
    Gpu,
    /// egui's OpenGL painter. Without a graphics card it draws a frame several times faster than wgpu does.
    OpenGl,
    /// wgpu on whatever there is.
    Wgpu,
}

impl Drawing {
    fn name(self) -> &'static str {
        match self {
            Self::Gpu => "graphics card",
            Self::OpenGl => "OpenGL",
            Self::Wgpu => "wgpu",
        }
    }
    /// The ways to try, in this order.
    fn attempts(wanted: Option<&str>) -> Vec<Self> {
        match wanted {
            Some("wgpu") => vec![Self::Wgpu],
            Some("opengl") => vec![Self::OpenGl],
            _ => vec![Self::Gpu, Self::OpenGl, Self::Wgpu],
        }
    }
}

/// Why a window did not open or did not stay.
enum Failure {
    /// The display cannot be reached; no other way to draw will help.
    Display(String),
    /// This way to draw does not work here.
    Drawing(String),
    /// It was open and died.
    Died(String),
}

/// What the window opens with.
#[derive(Debug, Clone, Default)]
pub struct Start {
    /// Pictures, recipe pictures, sessions, folders; the first sample where there are none.
    pub files: Vec<PathBuf>,
    /// The model; the one that ships where none is named.
    pub model: Option<ModelFiles>,
    /// How models run.
    pub options: RunOptions,
    /// Most memory for the weights of models kept open, bytes; `None` leaves it to the settings.
    pub memory_limit: Option<u64>,
}

/// A workspace that loads its model and its first picture while the window is still being made.
struct Early {
    workspace: Workspace,
    opened: Result<(), DocumentError>,
    /// Empty until there is a window to wake.
    ctx: Arc<OnceLock<egui::Context>>,
}

impl Early {
    fn new(start: Start) -> Self {
        let ctx = Arc::new(OnceLock::new());
        let wake = || {
            let ctx: Arc<OnceLock<egui::Context>> = Arc::clone(&ctx);
            move || ctx.get().into_iter().for_each(egui::Context::request_repaint)
        };
        let engine = Engine::start(start.options, wake());
        let mut workspace = Workspace::new(engine, Places::find(), wake());
        if let Some(bytes) = start.memory_limit {
            workspace.set_memory_limit(bytes);
        }
        let opened = app::open_in(&mut workspace, start.model, start.files);
        Self {
            workspace,
            opened,
            ctx,
        }
    }
}

/// Opens the window. Blocks until it closes.
///
/// # Errors
/// A message for a person: there is no display, no renderer works, or the window died.
pub fn run(start: &Start) -> Result<(), String> {
    let began = Instant::now();
    check_display(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))?;
    let wanted = std::env::var(RENDERER_VARIABLE).ok();
    let early = Arc::new(Mutex::new(Some(Early::new(start.clone()))));
    let mut refusals = Vec::new();
    for drawing in Drawing::attempts(wanted.as_deref()) {
        match open_window(
            drawing,
            Opening {
                start: start.clone(),
                early: Arc::clone(&early),
                began,
            },
        ) {
            Ok(()) => return Ok(()),
            Err(Failure::Display(reason)) => {
                return Err(format!("The display cannot be reached: {reason}. {ADVICE}"));
            }
            Err(Failure::Died(reason)) => {
                return Err(format!(
                    "The window stopped: {reason}. The next start offers to bring back what was open."
                ));
            }
            Err(Failure::Drawing(reason)) => refusals.push(format!("{}: {reason}", drawing.name())),
        }
    }
    Err(format!(
        "No window can be opened here ({}). A graphics driver or its libraries may be missing (README, set-up). {ADVICE}",
        refusals.join("; ")
    ))
}

/// What a window opens with.
struct Opening {
    start: Start,
    /// Taken by the window that opens; shared, for several ways to draw may be tried.
    early: Arc<Mutex<Option<Early>>>,
    began: Instant,
}

/// On Linux the window system ends the program where there is none, so it is asked for first.
fn check_display(is_set: impl Fn(&str) -> bool) -> Result<(), String> {
    let is_needed = cfg!(all(unix, not(target_os = "macos")));
    if is_needed
        && !["DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET"]
            .into_iter()
            .any(is_set)
    {
        return Err(format!(
            "There is no display (neither DISPLAY nor WAYLAND_DISPLAY is set). {ADVICE}"
        ));
    }
    Ok(())
}

/// Runs the window until it closes.
fn open_window(drawing: Drawing, opening: Opening) -> Result<(), Failure> {
    let was_open = Arc::new(AtomicBool::new(false));
    let is_standing = Arc::clone(&was_open);
    let window = move || {
        let create = move |creation: &eframe::CreationContext<'_>| {
            let app = app(creation, opening);
            is_standing.store(true, Ordering::Relaxed);
            Ok(Box::new(app) as Box<dyn eframe::App>)
        };
        eframe::run_native("Softscope", native_options(drawing), Box::new(create))
    };
    // Missing libraries make the window crates panic; a person gets words, not a backtrace.
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let outcome = panic::catch_unwind(AssertUnwindSafe(window));
    panic::set_hook(hook);
    let failure = match outcome {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(error)) => failure_of(&error),
        Err(payload) => Failure::Drawing(panic_text(payload.as_ref())),
    };
    Err(match failure {
        Failure::Drawing(reason) if was_open.load(Ordering::Relaxed) => Failure::Died(reason),
        failure => failure,
    })
}

fn failure_of(error: &eframe::Error) -> Failure {
    let text = error.to_string();
    match error {
        // winit puts the place in its own source before the reason.
        eframe::Error::Winit(_) | eframe::Error::WinitEventLoop(_) => {
            Failure::Display(text.rsplit(": ").next().unwrap_or(&text).to_owned())
        }
        _ => Failure::Drawing(text),
    }
}

fn panic_text(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or(payload.downcast_ref::<&str>().copied());
    text.unwrap_or("a fault in the window")
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}

fn native_options(drawing: Drawing) -> NativeOptions {
    let mut options = NativeOptions {
        renderer: match drawing {
            Drawing::Gpu | Drawing::Wgpu => Renderer::Wgpu,
            Drawing::OpenGl => Renderer::Glow,
        },
        viewport: egui::ViewportBuilder::default()
            .with_title("Softscope")
            .with_app_id("softscope")
            .with_inner_size([1280.0, 800.0])
            .with_min_inner_size([960.0, 600.0])
            .with_icon(icon()),
        ..NativeOptions::default()
    };
    if drawing == Drawing::Gpu
        && let WgpuSetup::CreateNew(setup) = &mut options.wgpu_options.wgpu_setup
    {
        setup.native_adapter_selector = Some(Arc::new(graphics_card));
    }
    options
}

/// The best adapter that is no software renderer.
fn graphics_card(
    adapters: &[wgpu::Adapter],
    surface: Option<&wgpu::Surface<'_>>,
) -> Result<wgpu::Adapter, String> {
    adapters
        .iter()
        .filter(|adapter| surface.is_none_or(|surface| adapter.is_surface_supported(surface)))
        .filter_map(|adapter| Some((rank(&adapter.get_info())?, adapter)))
        .min_by_key(|(rank, _)| *rank)
        .map(|(_, adapter)| adapter.clone())
        .ok_or_else(|| "there is none, or it has no driver".to_owned())
}

/// Lower is better; `None` for a software renderer.
fn rank(info: &wgpu::AdapterInfo) -> Option<(bool, u8)> {
    let kind = match info.device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu | wgpu::DeviceType::Other => 2,
        wgpu::DeviceType::Cpu => return None,
    };
    Some((info.backend == wgpu::Backend::Gl, kind))
}

fn app(creation: &eframe::CreationContext<'_>, opening: Opening) -> SoftscopeApp {
    let settings: Settings = creation
        .storage
        .and_then(|storage| eframe::get_value(storage, STORAGE_KEY))
        .unwrap_or_default();
    let early = opening
        .early
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    let early = early.unwrap_or_else(|| Early::new(opening.start.clone()));
    let ctx = &creation.egui_ctx;
    // Nobody else sets it: each window takes a workspace of its own.
    let _ = early.ctx.set(ctx.clone());
    let chosen = settings.memory_limit_bytes();
    if let Some(bytes) = chosen.filter(|_| opening.start.memory_limit.is_none()) {
        early.workspace.set_memory_limit(bytes);
    }
    let render_state = creation.wgpu_render_state.as_ref();
    let mut app = SoftscopeApp::new(ctx, render_state, early.workspace, settings);
    app.state.start_times = Some(StartTimes::since(opening.began));
    app.begin(early.opened);
    app
}

/// A row of tokens as bars, the fifth one lit.
fn icon() -> egui::IconData {
    const SIDE: u32 = 64;
    const HEIGHTS: [u32; 6] = [20, 34, 26, 44, 52, 30];
    let mut rgba = Vec::with_capacity((SIDE * SIDE * 4) as usize);
    for y in 0..SIDE {
        for x in 0..SIDE {
            let bar = (x.saturating_sub(5) / 9) as usize;
            let is_in_bar = x >= 5
                && (x - 5) % 9 < 7
                && HEIGHTS
                    .get(bar)
                    .is_some_and(|&height| SIDE - 6 - y.min(SIDE - 6) < height);
            rgba.extend(match (is_in_bar && y < SIDE - 6, bar) {
                (false, _) => [24, 24, 27, 255],
                (true, 4) => [255, 176, 0, 255],
                (true, _) => [120, 170, 220, 255],
            });
        }
    }
    egui::IconData {
        rgba,
        width: SIDE,
        height: SIDE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(all(unix, not(target_os = "macos")))]
    fn without_a_display_the_message_points_to_the_commands() {
        let message = check_display(|_| false).unwrap_err();
        assert!(
            message.contains("no display") && message.contains("softscope --help"),
            "{message}"
        );
        assert_eq!(check_display(|name| name == "WAYLAND_DISPLAY"), Ok(()));
    }

    #[test]
    fn a_wanted_renderer_is_the_only_one_tried() {
        assert_eq!(Drawing::attempts(Some("opengl")), [Drawing::OpenGl]);
        assert_eq!(Drawing::attempts(None).first(), Some(&Drawing::Gpu));
        assert_eq!(Drawing::attempts(Some("unknown")), Drawing::attempts(None));
    }

    #[test]
    fn a_panic_becomes_one_line() {
        let payload = panic::catch_unwind(|| panic!("first {}\nsecond", 1)).unwrap_err();
        assert_eq!(panic_text(payload.as_ref()), "first 1");
        assert_eq!(panic_text(&7_u8), "a fault in the window");
    }

    #[test]
    fn the_icon_is_whole() {
        let icon = icon();
        assert_eq!(icon.rgba.len(), (icon.width * icon.height * 4) as usize);
    }
}
