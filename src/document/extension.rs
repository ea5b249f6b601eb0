use std::ffi::OsStr;
use std::path::Path;

/// The extension of a name in lower case: `PNG` is `png`.
pub(super) fn lower_extension(path: &Path) -> Option<String> {
    path.extension()
        .and_then(OsStr::to_str)
        .map(str::to_ascii_lowercase)
}
