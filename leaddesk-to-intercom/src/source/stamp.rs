//! Whether a file is still the one that was being read.

use std::path::Path;
use std::time::UNIX_EPOCH;

/// The state of a file: its length and when it was last changed. A place in the file is worth
/// something only together with it. Empty where the file tells neither.
pub(super) fn stamp(path: &Path) -> String {
    let Ok(found) = path.metadata() else { return String::new() };
    let changed = found.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    format!("{}-{}", found.len(), changed.unwrap_or_default().as_nanos())
}
