//! Contacts: the ids of all calling lists, and each contact by its id.

use std::collections::{BTreeSet, HashSet};

use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryStreamExt as _};
use leaddesk_client::export::ListExport;
use leaddesk_client::{CallingList, CallingListId, ContactFilter, ContactId, OriginalClient};
use migrate_core::{Cursor, Estimate, Item, Page, Record, Source, SourceError, Unreadable};

use super::changed::{Known, Reading};
use super::fetch::{Got, fetch};
use crate::source::error::stop;
use crate::source::export::CallLog;
use crate::source::lists::Lists;
use crate::source::{Findings, ListedContact, PAGE, keys};
use crate::value::{Country, Phone};

/// All contacts of an account, in the order of their ids.
///
/// LeadDesk has no list of all contacts. `contact find` names the ids of one calling list; whether it
/// names them all is unknown, so they are put together with those of the list's export, and when
/// there are still fewer than `contact find` says there are, reading stops before the first contact:
/// a migration that is short of contacts must not look complete.
///
/// The ids of all lists are read before the first contact (two calls a list), so that a contact in
/// two lists is one record with what both know of it, and the order is the same in every run. The
/// cursor is the last id. A contact that is gone when it is read, is a finding.
///
/// Where something is [known](Self::known) of an earlier reading, those who have not changed since are
/// named without being read.
#[derive(Clone)]
pub struct Contacts {
    client: OriginalClient,
    concurrency: usize,
    findings: Findings,
    log: CallLog,
    known: Option<Known>,
}

impl std::fmt::Debug for Contacts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Contacts").field("concurrency", &self.concurrency).finish_non_exhaustive()
    }
}

impl Contacts {
    /// The contacts behind a client, at most `concurrency` calls at once.
    pub fn new(client: OriginalClient, concurrency: usize, findings: Findings) -> Self {
        Self {
            client,
            concurrency: concurrency.max(1),
            findings,
            log: CallLog::default(),
            known: None,
        }
    }

    /// The same, with what a call log says of them: of the campaigns before a contact's last call, the API tells nothing.
    #[must_use]
    pub fn with_call_log(mut self, log: CallLog) -> Self {
        self.log = log;
        self
    }

    /// The same, where something is known of earlier readings: as far as that tells who has not
    /// changed, they are named without being read.
    #[must_use]
    pub fn known(mut self, known: Known) -> Self {
        self.known = Some(known);
        self
    }

    pub(super) fn findings(&self) -> &Findings {
        &self.findings
    }

    /// The ids of all lists, and what their exports say of them.
    pub(super) async fn index(&self) -> Result<Index, SourceError> {
        let lists = self.lists().await?;
        let mut replies = stream::iter(lists)
            .map(|list| async move { self.list(&list.id).await })
            .buffered(self.concurrency.min(LISTS_AT_ONCE));
        let mut index = Index::default();
        while let Some((ids, export)) = replies.try_next().await? {
            // A row that cannot be read may be anybody's.
            let is_torn = self.known.is_some() && export.rows().any(|row| row.is_err());
            let mut met = HashSet::new();
            for row in export.rows() {
                let Ok(row) = row else {
                    self.findings.add("rows of calling list exports could not be read", 1);
                    continue;
                };
                let id = number(&row.contact_id)?;
                index.ids.push(id);
                index.lists.add(id, &row);
                if let Some(known) = &self.known {
                    met.insert(id);
                    if is_torn || known.may_have_changed(&row) {
                        index.changed.push(id);
                    }
                }
            }
            for id in ids {
                index.ids.push(id);
                if !met.contains(&id) && self.known.is_some() {
                    // No row says when it changed.
                    index.changed.push(id);
                }
            }
        }
        for ids in [&mut index.ids, &mut index.changed] {
            ids.sort_unstable();
            ids.dedup();
            ids.shrink_to_fit();
        }
        index.lists.settle();
        Ok(index)
    }

    /// Every number of every contact, as digits of E.164, each once and in no order. They are those of the lists'
    /// exports, which have a row for each number; whoever has no row there is asked for.
    ///
    /// Of a pilot, `only` those of its contacts, and of these none that somebody else has as well: whose calls they are
    /// is known when everybody is read.
    pub(super) async fn numbers(
        &self,
        country: Country,
        only: Option<&BTreeSet<u64>>,
    ) -> Result<Vec<u64>, SourceError> {
        let lists = self.lists().await?;
        let mut replies = stream::iter(lists)
            .map(|list| async move { self.list(&list.id).await })
            .buffered(self.concurrency.min(LISTS_AT_ONCE));
        let is_wanted = |id: u64| only.is_none_or(|only| only.contains(&id));
        let (mut numbers, mut of_others, mut silent) = (Vec::new(), Vec::new(), Vec::new());
        while let Some((ids, export)) = replies.try_next().await? {
            let mut met = HashSet::new();
            for row in export.rows().flatten() {
                if let Some(phone) = &row.phone {
                    let id = number(&row.contact_id)?;
                    let into = if is_wanted(id) { &mut numbers } else { &mut of_others };
                    into.extend(numbers_in(phone.reveal(), country));
                    met.insert(id);
                }
            }
            silent.extend(ids.into_iter().filter(|id| !met.contains(id)));
        }
        silent.retain(|id| is_wanted(*id));
        silent.sort_unstable();
        silent.dedup();
        let contact = |id: u64| async move { self.client.contact(&ContactId::new(id)).await };
        for ids in silent.chunks(PAGE) {
            for (_, got) in fetch(ids, self.concurrency, contact).await? {
                if let Got::Record(contact) = got {
                    for phone in contact.phones() {
                        numbers.extend(numbers_in(phone.reveal(), country));
                    }
                }
            }
        }
        numbers.sort_unstable();
        numbers.dedup();
        of_others.sort_unstable();
        numbers.retain(|number| of_others.binary_search(number).is_err());
        Ok(numbers)
    }

    async fn lists(&self) -> Result<Vec<CallingList>, SourceError> {
        let lists = self.client.calling_lists().await.map_err(stop)?;
        lists.into_iter().collect::<Result<Vec<_>, _>>().map_err(|bad| {
            SourceError::refused("LeadDesk names a calling list without a usable id").because(bad)
        })
    }

    async fn list(&self, id: &CallingListId) -> Result<(Vec<u64>, ListExport), SourceError> {
        let ids =
            self.client.find_contacts(&ContactFilter::in_list(id.clone())).await.map_err(stop)?;
        let ids = ids.iter().map(number).collect::<Result<_, _>>()?;
        let export = self.client.calling_list_export(id).await.map_err(stop)?;
        Ok((ids, export))
    }

    /// The page of the contacts after `after`.
    async fn page(
        &self,
        index: &Index,
        after: Option<u64>,
    ) -> Result<(Page<ListedContact>, Option<u64>), SourceError> {
        let start = after.map_or(0, |after| index.ids.partition_point(|id| *id <= after));
        let ids = &index.ids[start..index.ids.len().min(start + PAGE)];
        let items = self.fetched(index, ids).await?;
        let last = ids.last().copied().filter(|_| start + ids.len() < index.ids.len());
        let next = last.map(|last| Cursor::new(last.to_string()));
        Ok((Page::new(items, next), last))
    }

    /// The contacts of these ids, save those that are gone.
    pub(super) async fn fetched(
        &self,
        index: &Index,
        ids: &[u64],
    ) -> Result<Vec<Item<ListedContact>>, SourceError> {
        let contact = |id: u64| async move { self.client.contact(&ContactId::new(id)).await };
        let mut items = Vec::with_capacity(ids.len());
        for (id, got) in fetch(ids, self.concurrency, contact).await? {
            let key = keys::contact(id);
            match got {
                Got::Record(contact) => {
                    let listed = index.lists.listed(Some(id), contact);
                    items.push(Ok(Record::new(key, self.log.complete(Some(id), listed))));
                }
                Got::Missing => {
                    self.findings.add("contacts of calling lists were gone when they were read", 1)
                }
                Got::Unreadable(reason) => items.push(Err(Unreadable::new(key, reason))),
            }
        }
        Ok(items)
    }
}

/// Calling lists that are held at once, each with a line of text for every number in it.
const LISTS_AT_ONCE: usize = 4;

/// What all calling lists say, in the order of the contacts' ids.
#[derive(Default)]
pub(super) struct Index {
    pub(super) ids: Vec<u64>,
    lists: Lists,
    /// Those who may have changed since an earlier reading; nobody where nothing is known of one.
    changed: Vec<u64>,
}

impl Index {
    pub(super) fn may_have_changed(&self, id: u64) -> bool {
        self.changed.binary_search(&id).is_ok()
    }
}

/// The digits of the numbers in a text.
fn numbers_in(text: &str, country: Country) -> impl Iterator<Item = u64> {
    let phones = Phone::parse_all(text, country).into_iter();
    phones.filter_map(|phone| phone.e164()?.get(1..)?.parse().ok())
}

fn number(id: &ContactId) -> Result<u64, SourceError> {
    id.as_str().parse().map_err(|_| {
        SourceError::refused(
            "LeadDesk names a contact whose id is no whole number; its API is known to number them",
        )
    })
}

impl Source for Contacts {
    type Record = ListedContact;

    fn read(
        &self,
        from: Option<Cursor>,
    ) -> BoxStream<'static, Result<Page<ListedContact>, SourceError>> {
        let known = self.known.as_ref().filter(|known| known.leaves_out(from.as_ref()));
        if let Some(known) = known {
            let reading = Reading::open(self.clone(), known.clone(), from);
            let pages = stream::once(reading);
            return pages
                .map_ok(|reading| stream::try_unfold(reading, Reading::next))
                .try_flatten()
                .boxed();
        }
        let after: Option<u64> = from.and_then(|cursor| cursor.as_str().parse().ok());
        let contacts = self.clone();
        let opened = async move { contacts.index().await.map(|index| (contacts, index)) };
        stream::once(opened)
            .map_ok(move |(contacts, index)| {
                let place = Some((contacts, index, after));
                stream::try_unfold(place, |place| async {
                    let Some((contacts, index, after)) = place else { return Ok(None) };
                    let (page, last) = contacts.page(&index, after).await?;
                    Ok(Some((page, last.map(|last| (contacts, index, Some(last))))))
                })
            })
            .try_flatten()
            .boxed()
    }

    /// Knowing how many there are takes as many calls as finding them.
    fn estimate(&self) -> Estimate {
        Estimate::Unknown
    }
}
