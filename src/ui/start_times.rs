//! How long a start took, from the call to the first reconstruction on show.

use crate::document::Workspace;
use std::time::{Duration, Instant};

/// Times since the start, as each is reached.
#[derive(Debug)]
pub(super) struct StartTimes {
    began: Instant,
    window: Option<Duration>,
    model: Option<Duration>,
    picture: Option<Duration>,
}

impl StartTimes {
    pub(super) fn since(began: Instant) -> Self {
        Self {
            began,
            window: None,
            model: None,
            picture: None,
        }
    }

    /// Call at the end of each frame: notes what is on show for the first time. True when that was the last of it.
    pub(super) fn note(&mut self, workspace: &Workspace) -> bool {
        if self.picture.is_some() {
            return false;
        }
        let now = self.began.elapsed();
        let has_picture = workspace
            .active()
            .is_some_and(|subject| subject.encoded.is_some());
        self.window.get_or_insert(now);
        if workspace.model().is_some() {
            self.model.get_or_insert(now);
        }
        self.picture = has_picture.then_some(now);
        has_picture
    }

    /// In words, as far as it is known.
    pub(super) fn text(&self) -> String {
        let reached = [
            ("window", self.window),
            ("model", self.model),
            ("first reconstruction", self.picture),
        ];
        let parts: Vec<String> = reached
            .into_iter()
            .filter_map(|(what, time)| Some(format!("{what} after {:.2} s", time?.as_secs_f64())))
            .collect();
        format!("This start: {}", parts.join(", "))
    }
}
