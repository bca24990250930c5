//! The unfinished outputs of this process that nobody can continue, so that a process that ends at
//! once can remove them.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::files;

static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// An unfinished output begins.
pub fn begin(partial: &Path) {
    with(|all| all.push(partial.to_owned()));
}

/// It is finished, removed, or kept for a later run.
pub fn end(partial: &Path) {
    with(|all| {
        if let Some(place) = all.iter().position(|path| path == partial) {
            all.swap_remove(place);
        }
    });
}

/// Removes all of them. The process ends now: what cannot be removed, the next run discards.
pub fn remove_all() {
    with(|all| all.drain(..).for_each(|partial| drop(files::remove(&partial))));
}

fn with(change: impl FnOnce(&mut Vec<PathBuf>)) {
    change(&mut UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner));
}
