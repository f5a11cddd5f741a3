//! What call logs say of contacts.

use std::fmt;
use std::sync::Arc;

use leaddesk_client::Call;
use migrate_core::SourceError;

use super::call_log;
use super::tables::Table;
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
        let log = call_log(config)?;
        let logs: Vec<Table<Call>> =
            log.into_iter().map(|(path, written)| Table::of_calls(path, &written)).collect();
        Self::read(&logs)
    }

    pub(super) fn read(logs: &[Table<Call>]) -> Result<Self, SourceError> {
        let mut lists = Lists::default();
        for log in logs {
            log.each(|call, _| lists.add_call(&call))?;
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
