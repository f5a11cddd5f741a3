//! A ledger that is thrown away: dry runs and verifications go through all stages, and their books
//! grow with the account, so they are kept on the disk as well.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use migrate_core::ledger::Binding;
use migrate_core::{Ledger, SqliteLedger};

use crate::state::StateDir;

use super::finish::Unfinished;

/// A ledger in a folder of its own, which goes when this is dropped. What a killed process left
/// behind of a dry run goes when the next one is opened; that of a verification is gone on with. The lock
/// of the real ledger keeps out others.
pub(super) struct Scratch {
    pub(super) ledger: Arc<dyn Ledger>,
    // After the ledger, so that its files are closed before they go.
    folder: Folder,
}

struct Folder {
    path: PathBuf,
    is_kept: bool,
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.is_kept {
            return;
        }
        if let Err(error) = remove(&self.path) {
            tracing::debug!(%error, "the scratch folder stays until the next start");
        }
    }
}

impl Scratch {
    pub(super) async fn open(state: &StateDir) -> Result<Self, Unfinished> {
        Self::sweep(state)?;
        Self::at(folder_in(state), false).await
    }

    /// The ledger of a verification: the one that was cut off, if there is one, unless it is to be
    /// begun anew.
    pub(super) async fn of_verification(state: &StateDir, anew: bool) -> Result<Self, Unfinished> {
        let path = state.file("verification");
        if anew {
            remove(&path).map_err(unmade)?;
        }
        Self::at(path, true).await
    }

    /// It has served, and goes.
    pub(super) fn done(mut self) {
        self.folder.is_kept = false;
    }

    async fn at(path: PathBuf, is_kept: bool) -> Result<Self, Unfinished> {
        let path = StateDir::create(path).map_err(unmade)?.path().to_owned();
        let folder = Folder { path, is_kept };
        let file = folder.path.join("ledger.sqlite");
        let binding = Binding::new("scratch", "scratch", "scratch");
        let opened = tokio::task::spawn_blocking(move || SqliteLedger::open(file, &binding));
        let opened = opened.await.map_err(|error| unmade(io::Error::other(error)))?;
        Ok(Self { ledger: Arc::new(opened.map_err(Unfinished::ledger)?), folder })
    }

    /// Removes what a killed process left behind.
    pub(super) fn sweep(state: &StateDir) -> Result<(), Unfinished> {
        remove(&folder_in(state))
            .map_err(|error| Unfinished::state("the scratch folder cannot be removed", &error))
    }
}

fn unmade(error: io::Error) -> Unfinished {
    Unfinished::state("the scratch ledger cannot be made", &error)
}

fn folder_in(state: &StateDir) -> PathBuf {
    state.file("scratch")
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use migrate_core::ledger::Change;
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn it_begins_empty_and_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::create(dir.path().join("state")).unwrap();
        let folder = folder_in(&state);
        StateDir::create(&folder).unwrap();
        std::fs::write(folder.join("ledger.sqlite"), "left by a killed process").unwrap();

        for _ in 0..2 {
            let scratch = Scratch::open(&state).await.unwrap();
            assert_eq!(scratch.ledger.meta("x").await.unwrap(), None);
            let kept = Change::Meta { name: "x".into(), value: Some(json!(1)) };
            scratch.ledger.commit(vec![kept]).await.unwrap();
            drop(scratch);
            assert!(!folder.exists());
        }
        StateDir::create(&folder).unwrap();
        Scratch::sweep(&state).unwrap();
        assert!(!folder.exists());
    }
}
