//! What call logs say of contacts.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use leaddesk_client::export::{self, ExportSettings};
use migrate_core::SourceError;

use super::{settings, unusable};
use crate::config::Config;
use crate::source::ListedContact;
use crate::source::lists::Lists;

/// The campaigns of all calls to each contact, and the result of the last, as call logs say. They are read once, before
/// the contacts; what is kept depends on how many contacts and campaigns there are, and not on the calls. A call that
/// names no contact by its id says nothing here.
#[derive(Clone, Default)]
pub struct CallLog(Arc<Lists>);

impl CallLog {
    /// What the call log of a configuration says, `source.calls.csv`; nothing where there is none.
    ///
    /// # Errors
    /// When the file cannot be read to its end.
    pub fn of(config: &Config) -> Result<Self, SourceError> {
        let Some(csv) = &config.source.calls.csv else { return Ok(Self::default()) };
        Self::read(&[config.resolve(csv)], &settings(config)?)
    }

    pub(super) fn read(logs: &[PathBuf], settings: &ExportSettings) -> Result<Self, SourceError> {
        let mut lists = Lists::default();
        for path in logs {
            let unusable = |error| unusable(path, error);
            for row in export::calls(path, settings).map_err(unusable)? {
                // What cannot be read is told when the calls are.
                if let Ok(call) = row.map_err(unusable)?.body {
                    lists.add_call(&call);
                }
            }
        }
        lists.settle();
        Ok(Self(Arc::new(lists)))
    }

    /// A contact with what the logs add to what its calling lists know.
    pub(in crate::source) fn complete(
        &self,
        id: Option<u64>,
        listed: ListedContact,
    ) -> ListedContact {
        self.0.complete(id, listed)
    }
}

impl fmt::Debug for CallLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallLog").finish_non_exhaustive()
    }
}
