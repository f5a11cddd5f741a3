//! Numbers that called, or were called, and are nobody's.

use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use leaddesk_client::{Call, CallId};
use migrate_core::ledger::LedgerError;
use migrate_core::{Alias, Cursor, Estimate, Key, Ledger, Page, Record, Source, SourceError};

use super::keys;
use crate::value::{Country, Phone};

/// Calls, and before each that no contact can be found for, one record of its number, under [`keys::caller`].
///
/// Whether there is a contact is read from the ledger, where contacts and leads are by then: one that waits in a queue
/// counts as there, and so does a number that several share, since what is missing is then no contact. A number that
/// became a record of its own in an earlier run stays one.
#[derive(Clone)]
pub struct Callers<S> {
    calls: S,
    ledger: Arc<dyn Ledger>,
    country: Country,
}

impl<S> std::fmt::Debug for Callers<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Callers").field("country", &self.country).finish_non_exhaustive()
    }
}

impl<S> Callers<S> {
    /// The calls of a source, read after the contacts that this ledger knows.
    pub fn new(calls: S, ledger: Arc<dyn Ledger>, country: Country) -> Self {
        Self { calls, ledger, country }
    }

    /// A page of calls, with what comes before each.
    pub(super) async fn page(&self, page: Page<Call>) -> Result<Page<Call>, SourceError> {
        let numbers: Vec<Option<String>> = page
            .items
            .iter()
            .map(|item| {
                let number = item.as_ref().ok()?.body.number.as_ref()?;
                Phone::parse(number.reveal(), self.country).e164().map(str::to_owned)
            })
            .collect();
        let contact = |call: &Call| call.contact_id.as_ref().map(keys::contact);
        let (mut named, mut aliases) = (Vec::new(), Vec::new());
        for (item, number) in page.items.iter().zip(&numbers) {
            let (Ok(call), Some(number)) = (item, number) else { continue };
            named.extend([keys::caller(number), call.key.clone()]);
            named.extend(contact(&call.body));
            aliases.push(keys::phone(number));
        }
        let (there, known) = self.known(&named, &aliases).await.map_err(|error| {
            SourceError::unavailable("the ledger could not be read").because(error)
        })?;
        let mut items = Vec::with_capacity(page.items.len());
        for (item, number) in page.items.into_iter().zip(numbers) {
            if let (Ok(call), Some(number)) = (&item, number) {
                let caller = keys::caller(&number);
                let is_somebodys = there.contains(&call.key)
                    || contact(&call.body).is_some_and(|key| there.contains(&key))
                    || known.contains(&keys::phone(&number));
                if there.contains(&caller) || !is_somebodys {
                    let mut body = Call::new(CallId::new(caller.id()));
                    body.number = call.body.number.clone();
                    items.push(Ok(Record::new(caller, body)));
                }
            }
            items.push(item);
        }
        let Page { next, mark, unchanged, .. } = page;
        Ok(Page { items, next, mark, unchanged })
    }

    /// Which of these the ledger knows; of calls, those that are in Intercom already, whose contact is not asked for
    /// any more.
    async fn known(
        &self,
        named: &[Key],
        aliases: &[Alias],
    ) -> Result<(Vec<Key>, Vec<Alias>), LedgerError> {
        if aliases.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        let there = self.ledger.entries(named).await?.into_iter().flatten();
        let there = there.filter(|entry| entry.key.kind() != "call" || entry.target.is_some());
        let there = there.map(|entry| entry.key).collect();
        let known = self.ledger.known_as(aliases).await?;
        let known = aliases.iter().zip(known).filter(|(_, entries)| !entries.is_empty());
        Ok((there, known.map(|(alias, _)| *alias).collect()))
    }
}

impl<S: Source<Record = Call> + Clone + 'static> Source for Callers<S> {
    type Record = Call;

    fn read(&self, from: Option<Cursor>) -> BoxStream<'static, Result<Page<Call>, SourceError>> {
        let state = (self.clone(), self.calls.read(from));
        stream::try_unfold(state, |(callers, mut pages)| async {
            let Some(page) = pages.next().await else { return Ok(None) };
            let page = callers.page(page?).await?;
            Ok(Some((page, (callers, pages))))
        })
        .boxed()
    }

    fn estimate(&self) -> Estimate {
        match self.calls.estimate() {
            Estimate::Exactly(calls) | Estimate::About(calls) => Estimate::About(calls),
            _ => Estimate::Unknown,
        }
    }
}
