//! `softscope models download ID` and `softscope models remove ID`

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::transfer_bar::TransferBar;
use crate::hub::{self, ModelId};
use serde_json::json;

pub(super) fn download(context: &Context, id: &str, revision: Option<&str>) -> Result<(), CliError> {
    let id: ModelId = id.parse()?;
    let settings = &context.places().hub;
    let bar = TransferBar::start(!context.is_quiet());
    let done = hub::download(settings, &id, revision.unwrap_or(hub::DEFAULT_REVISION), &bar)?;
    drop(bar);
    let size = format!("{:.1} MB", done.total_bytes as f64 / 1e6);
    let how = if done.received_bytes == 0 {
        "was complete already"
    } else {
        "is complete"
    };
    let text = format!(
        "{id} {how}: {size} in {}\nUse it with `--model {id}`\n",
        done.folder.display()
    );
    let json = json!({
        "command": "models download",
        "id": id.to_string(),
        "revision": done.revision,
        "commit": done.commit,
        "folder": done.folder,
        "config": done.files.config,
        "weights": done.files.weights,
        "total_bytes": done.total_bytes,
        "received_bytes": done.received_bytes,
    });
    context.results(&text, &json)
}

pub(super) fn remove(context: &Context, name: &str, revision: Option<&str>) -> Result<(), CliError> {
    let id = match name.parse::<ModelId>() {
        Ok(id) => id,
        Err(error) => return Err(not_from_the_hub(context, name).unwrap_or_else(|| error.into())),
    };
    let removed = context.places().hub.require_cache()?.remove(&id, revision)?;
    let text = format!(
        "Removed {id}: {:.1} MB are free again\n",
        removed.freed_bytes as f64 / 1e6
    );
    let json = json!({
        "command": "models remove",
        "id": id.to_string(),
        "snapshots": removed.snapshots,
        "freed_bytes": removed.freed_bytes,
    });
    context.results(&text, &json)
}

/// For the name of a model that lies in a folder of its own.
fn not_from_the_hub(context: &Context, name: &str) -> Option<CliError> {
    let model = context
        .places()
        .models()
        .into_iter()
        .find(|model| model.name == name)?;
    Some(CliError::NotFromTheHub {
        name: model.name,
        folder: model.files.config.parent()?.to_path_buf(),
    })
}
