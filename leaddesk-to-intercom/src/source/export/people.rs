//! The contacts and leads of a folder.

use std::path::PathBuf;
use std::sync::Arc;

use leaddesk_client::export::{self, Kind, ListRows, Position, Row};
use leaddesk_client::{Contact, ContactId, Error, ListRow, Unreadable};
use migrate_core::{Record, SourceError, SourceExt as _};

use super::tables::{Rows, Table, Tables};
use super::{CallLog, File, Folder, unreadable};
use crate::source::export::labels::Labels;
use crate::source::lists::Lists;
use crate::source::{ListedContact, Routes, keys};

impl Folder {
    /// The contacts of `contacts.csv`, the leads of `leads.csv`, and whom only `calling_lists/*.csv` name, with what the
    /// lists and the call logs say of them. Rows of one id are one record. Who is in both tables is a lead, and has of
    /// `contacts.csv` what `leads.csv` does not say.
    ///
    /// # Errors
    /// When a table, a calling list or a call log cannot be read to its end.
    pub fn contacts(&self) -> Result<Routes<ListedContact>, SourceError> {
        let own = Some(self.path("calls.csv")).filter(|path| path.exists());
        let own = own.map(|path| Table::of_calls(path, &self.written));
        let logs: Vec<Table<_>> = own.into_iter().chain(self.call_log()).collect();
        let leads = Some(self.path("leads.csv")).filter(|path| path.exists());
        // The leads come first, so that what they say counts.
        let named = leads.into_iter().chain([self.path("contacts.csv")]);
        let mut tables: Vec<Table<Contact>> =
            named.map(|path| Table::of_contacts(path, &self.written)).collect();
        let (last, lists) = (tables.len() - 1, self.lists(&tables)?);
        tables.extend(lists.rest.into_iter().map(|path| self.list_table(path, &lists.unnamed)));
        let known =
            Known { lists: lists.known, log: CallLog::read(&logs)?, labels: Labels::read(self)? };
        let paths: Vec<PathBuf> = tables.iter().map(|table| table.path().clone()).collect();
        let (tables, known) = (Arc::new(Tables::new(tables)?), Arc::new(known));
        let file = |at: usize| {
            let (tables, known) = (tables.clone(), known.clone());
            let record = move |contact| known.record(contact, at < last);
            File::new(paths[at].clone(), at, move || Ok(tables.clone()), record).boxed()
        };
        let mut routes = Routes::new().and("contacts", file(last));
        if last > 0 {
            routes = routes.and("leads", file(0));
        }
        let lists = last + 1..paths.len();
        if lists.is_empty() {
            return Ok(routes);
        }
        let name = |at: usize| paths[at].file_name().unwrap_or_default().to_string_lossy();
        let lists = lists.fold(Routes::new(), |lists, at| lists.and(name(at), file(at)));
        Ok(routes.and("calling_lists", lists.boxed()))
    }

    /// What the calling lists say, and what is to be read of them besides: whom no table names, and what cannot be read.
    fn lists(&self, tables: &[Table<Contact>]) -> Result<Listed, SourceError> {
        let (mut known, mut torn) = (Lists::default(), Vec::new());
        let files = self.list_files()?;
        for path in &files {
            let unusable = |error| self.written.unusable(path, error);
            let mut is_torn = false;
            let rows = export::calling_list(path, &self.written.settings).map_err(unusable)?;
            for row in rows {
                let row = row.map_err(unusable)?;
                match row.body.as_ref().ok().map(|listed| (number(listed), listed)) {
                    Some((Some(id), listed)) => known.add(id, listed),
                    Some((None, listed)) if is_heading(row.record, listed) => {}
                    _ => is_torn = true,
                }
            }
            torn.extend(is_torn.then(|| path.clone()));
        }
        known.settle();
        let mut named = Vec::new();
        for table in tables.iter().filter(|_| !files.is_empty()) {
            table.each(|contact, _| named.extend(contact.id.as_str().parse::<u64>().ok()))?;
        }
        named.sort_unstable();
        let unnamed: Vec<u64> = known.ids().filter(|id| named.binary_search(id).is_err()).collect();
        let rest = if unnamed.is_empty() { torn } else { files };
        Ok(Listed { known, unnamed: unnamed.into(), rest })
    }

    fn list_table(&self, path: PathBuf, unnamed: &Arc<[u64]>) -> Table<Contact> {
        let unnamed = unnamed.clone();
        Table::new(path, &self.written, move |path, settings| {
            let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let rows = export::calling_list(path, settings)?;
            Ok(Unnamed { rows, ids: unnamed.clone(), file })
        })
    }

    fn list_files(&self) -> Result<Vec<PathBuf>, SourceError> {
        let dir = self.path("calling_lists");
        if !dir.is_dir() {
            return Ok(Vec::new());
        }
        let entries = std::fs::read_dir(&dir).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let entries = entries.map_err(|error| unreadable(&dir).because(error))?;
        let paths = entries.into_iter().map(|entry| entry.path());
        let mut paths: Vec<PathBuf> =
            paths.filter(|path| path.extension().is_some_and(|it| it == "csv")).collect();
        paths.sort();
        Ok(paths)
    }
}

/// The calling lists of a folder.
struct Listed {
    known: Lists,
    /// The ids of those whom no table names, in order.
    unnamed: Arc<[u64]>,
    /// The files that are read once more, for these and for what cannot be read.
    rest: Vec<PathBuf>,
}

/// What other files say of contacts.
struct Known {
    lists: Lists,
    log: CallLog,
    labels: Labels,
}

impl Known {
    fn record(&self, contact: Contact, is_lead: bool) -> Record<ListedContact> {
        let (key, id) = (keys::contact(&contact.id), contact.id.as_str().parse().ok());
        let listed = self.lists.listed(id, self.labels.put(contact));
        let listed = self.log.complete(id, listed);
        Record::new(key, if is_lead { listed.listed_as_lead() } else { listed })
    }
}

/// The rows of a calling list whose contact no table names, each as what it tells of that, and those that cannot be read.
struct Unnamed {
    rows: ListRows<std::fs::File>,
    ids: Arc<[u64]>,
    file: String,
}

impl Unnamed {
    fn wants(&self, row: &Row<ListRow>) -> bool {
        let Ok(listed) = &row.body else { return true };
        match number(listed) {
            Some(id) => self.ids.binary_search(&id).is_ok(),
            None => !is_heading(row.record, listed),
        }
    }

    fn contact(&self, row: Row<ListRow>) -> Row<Contact> {
        let record = row.record;
        row.and_then(|listed| match number(&listed) {
            Some(id) => {
                let mut contact = Contact::from(listed);
                contact.id = ContactId::new(id);
                Ok(contact)
            }
            None => Err(Unreadable::new(
                &self.file,
                record,
                "the row names a contact by an id that is no number",
            )),
        })
    }
}

impl Iterator for Unnamed {
    type Item = Result<Row<Contact>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.rows.next()? {
                Ok(row) if self.wants(&row) => return Some(Ok(self.contact(row))),
                Ok(_) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

impl Rows<Contact> for Unnamed {
    fn resume(&mut self, position: Position) -> Result<(), Error> {
        self.rows.resume_at(position)
    }
}

/// The contact's id, which LeadDesk numbers; doubled it is a number as well.
fn number(row: &ListRow) -> Option<u64> {
    row.contact_id.as_str().parse().ok().filter(|id| *id <= u64::MAX / 2)
}

/// The API's exports have no heading; a screen's may have one.
fn is_heading(record: u64, row: &ListRow) -> bool {
    let field = || Kind::Contacts.field(row.contact_id.as_str(), &[]);
    record == 1 && field().is_some_and(|field| field == "id")
}
