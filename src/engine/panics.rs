//! A fault in one task must not end the thread that carries all of them.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `task`; a panic in it becomes its text.
pub(crate) fn contained<T>(task: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(task)).map_err(|payload| text(payload.as_ref()))
}

/// What a panic said: `panic!` carries a `String` or a literal, anything else has no text.
fn text(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "a fault without a message".to_owned())
}
