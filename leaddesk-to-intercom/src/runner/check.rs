//! `status --check`: a look at the whole ledger.

use std::io;

use migrate_core::SqliteLedger;
use migrate_core::ledger::CheckReport;

use crate::state::StateDir;

use super::finish::{Exit, Unfinished};

/// Problems that are told one by one.
const TOLD: usize = 20;

/// Looks at all of the ledger of a state directory. A run may be under way on it.
///
/// # Errors
/// Where there is no ledger, or anything is wrong with it, which is told.
pub async fn check(state: &StateDir) -> Result<CheckReport, Unfinished> {
    let path = state.ledger();
    let looked = tokio::task::spawn_blocking(move || SqliteLedger::check(path));
    let report = looked
        .await
        .map_err(|error| {
            Unfinished::state("the ledger cannot be looked at", &io::Error::other(error))
        })?
        .map_err(Unfinished::ledger)?;
    if report.is_sound() {
        return Ok(report);
    }
    let told = report.problems.iter().take(TOLD).map(|problem| format!("; {problem}"));
    let message = format!(
        "the ledger {} is damaged: put back a copy of it, all of its files together. {} problems \
         were found{}{}",
        state.ledger().display(),
        report.problems.len(),
        told.collect::<String>(),
        if report.problems.len() > TOLD { "; and more" } else { "" },
    );
    Err(Unfinished { exit: Exit::Failed, message })
}
