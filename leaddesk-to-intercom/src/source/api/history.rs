//! The calls of each number, as the REST API's GDPR history has them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryStreamExt as _};
use leaddesk_client::rest::HistoryCall;
use leaddesk_client::{Call, CallId, OriginalClient, Personal, RestClient};
use migrate_core::ledger::{LedgerError, Scan};
use migrate_core::{
    Cursor, Estimate, Item, Key, Ledger, Page, Record, Source, SourceError, Unreadable,
};
use serde_json::Value;

use super::contacts::Contacts;
use super::fetch::{Got, fetch};
use crate::config::{Config, GdprDuration};
use crate::source::{Findings, keys};
use crate::stage;
use crate::value::{Country, Phone, Zone, time};

/// Numbers that are asked for before a page is given out. Each may have any number of calls.
const AT_ONCE: usize = 25;

/// The agents' calls with each number of the contacts.
///
/// The history is seen in third-party code only (`GET /gdpr/contact?phone=`), and its calls have no ids. A call is known
/// by its own number and the second of its `created_at` ([`keys::call_of`]), so that the history of another number of
/// the same person may name it again. Whether a history holds calls with other numbers of the person is unverified; both
/// are read alike.
///
/// Nobody keeps the numbers: they are those of the calling lists' exports, read anew (two calls a list) before the first
/// history. That such an export has a row for each number of a contact is implied by its columns and unverified; whoever
/// has none there is asked for. The numbers are read in the order of their digests, and the cursor is the last of these.
#[derive(Clone)]
pub struct History {
    client: RestClient,
    contacts: Contacts,
    concurrency: usize,
    country: Country,
    zone: Zone,
    duration: GdprDuration,
    findings: Findings,
    /// A pilot's: only the numbers of whom this ledger knows.
    known_in: Option<Arc<dyn Ledger>>,
}

impl std::fmt::Debug for History {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("History").field("concurrency", &self.concurrency).finish_non_exhaustive()
    }
}

impl History {
    /// The histories behind the REST API, of the numbers that the Original API's calling lists have.
    pub fn new(
        client: RestClient,
        original: OriginalClient,
        config: &Config,
        findings: Findings,
    ) -> Self {
        let source = &config.source;
        Self {
            client,
            // What cannot be read of a list is told where the contacts are read.
            contacts: Contacts::new(original, source.concurrency, Findings::default()),
            concurrency: source.concurrency,
            country: source.default_country,
            zone: source.time_zone,
            duration: source.calls.gdpr_duration,
            findings,
            known_in: None,
        }
    }

    /// The same for a pilot: only numbers of the contacts that are in the destination by this ledger, and none that
    /// another contact has as well.
    #[must_use]
    pub fn of_pilot(mut self, ledger: Arc<dyn Ledger>) -> Self {
        self.known_in = Some(ledger);
        self
    }

    /// The numbers with their digests, in the order of these.
    async fn numbers(&self) -> Result<Vec<Number>, SourceError> {
        let only = match &self.known_in {
            Some(ledger) => Some(in_place(&**ledger).await.map_err(|error| {
                SourceError::unavailable("the ledger could not be read").because(error)
            })?),
            None => None,
        };
        let numbers = self.contacts.numbers(self.country, only.as_ref()).await?;
        let mut numbers: Vec<Number> =
            numbers.into_iter().map(|number| (digest(&e164(number)), number)).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// The calls of the numbers after this one, and the last number asked for, if there are more.
    async fn page(
        &self,
        numbers: &[Number],
        after: Option<u64>,
    ) -> Result<(Page<Call>, Option<u64>), SourceError> {
        let start =
            after.map_or(0, |after| numbers.partition_point(|(digest, _)| *digest <= after));
        let end = numbers.len().min(start + AT_ONCE);
        let last = numbers[start..end].last().map(|(digest, _)| *digest);
        let last = last.filter(|_| end < numbers.len());
        let numbers: Vec<String> =
            numbers[start..end].iter().map(|(_, number)| e164(*number)).collect();
        let history = |number: String| async move { self.client.gdpr_history(&number).await };
        let mut items = Vec::new();
        for (asked, got) in fetch(&numbers, self.concurrency, history).await? {
            let calls = match got {
                Got::Record(calls) => calls,
                // Nothing is held about anybody with this number.
                Got::Missing => Vec::new(),
                Got::Unreadable(reason) => {
                    items.push(Err(Unreadable::new(keys::history(&asked), reason)));
                    continue;
                }
            };
            self.findings.share(SHARE, u64::from(!calls.is_empty()), 1);
            items.extend(self.records(&asked, calls));
        }
        Ok((Page::new(items, last.map(|digest| Cursor::new(digest.to_string()))), last))
    }

    fn records(&self, asked: &str, calls: Elements<HistoryCall>) -> Vec<Item<Call>> {
        let mut met: BTreeMap<(String, Option<i64>), Vec<HistoryCall>> = BTreeMap::new();
        let mut items = Vec::with_capacity(calls.len());
        for call in calls {
            let call = match call {
                Ok(call) => call,
                Err(bad) => {
                    let history = keys::history(asked);
                    let key = Key::new("history", format_args!("{}:{}", history.id(), bad.record));
                    items.push(Err(Unreadable::new(key, bad.reason)));
                    continue;
                }
            };
            let (number, at) = self.place(&call, asked);
            let same = met.entry((number.clone(), at)).or_default();
            // What is said twice in the same words is one call.
            if same.contains(&call) {
                continue;
            }
            same.push(call.clone());
            let nth = u32::try_from(same.len()).unwrap_or(u32::MAX);
            let key = keys::call_of(&number, at, nth);
            let call = self.call(CallId::new(key.id()), call);
            items.push(Ok(Record::new(key, call)));
        }
        items
    }

    /// The number and the time by which a call is known. Without either there is none to be sure of: it stands under the
    /// number that was asked for, and waits in a queue.
    fn place(&self, call: &HistoryCall, asked: &str) -> (String, Option<i64>) {
        let number = call.phone_number.as_ref().map_or("", |number| number.reveal());
        let number = Phone::parse(number, self.country);
        let at = time::parse(call.created_at.text(), self.zone).ok().flatten();
        match number.e164() {
            Some(e164) => (e164.to_owned(), at.map(|at| at.utc().timestamp())),
            None => (asked.to_owned(), None),
        }
    }

    /// The same call in the form in which calls with ids come.
    fn call(&self, id: CallId, history: HistoryCall) -> Call {
        let mut extra = history.extra.into_inner();
        let mut call = Call::new(id);
        call.created_at = history.created_at;
        call.number = history.phone_number;
        call.record_file = history.call_recording;
        call.comment = history.comment;
        call.direction = history.direction;
        let seconds = history.duration.as_deref().and_then(|text| text.trim().parse().ok());
        let seconds = seconds.filter(|_| self.duration == GdprDuration::Seconds);
        call.talk_time = seconds;
        let duration = history.duration.filter(|_| seconds.is_none());
        for (name, text) in
            [("result", history.result), ("status", history.status), ("duration", duration)]
        {
            extra.extend(text.map(|text| (name.to_owned(), Value::String(text))));
        }
        call.extra = Personal::new(extra);
        call
    }
}

/// The contacts and leads that are in the destination.
async fn in_place(ledger: &dyn Ledger) -> Result<BTreeSet<u64>, LedgerError> {
    let mut ids = BTreeSet::new();
    for stage in [stage::CONTACTS, stage::LEADS] {
        let mut scan = Scan::of(stage);
        loop {
            let rows = ledger.scan(&scan).await?;
            let Some((last, _)) = rows.last() else { break };
            scan.after = Some(*last);
            let there = rows.into_iter().map(|(_, entry)| entry);
            let there = there.filter(|it| it.target.is_some() && it.key.kind() == keys::CONTACT);
            ids.extend(there.filter_map(|entry| entry.key.id().parse::<u64>().ok()));
        }
    }
    Ok(ids)
}

/// A number behind its digest.
type Number = (u64, u64);

fn e164(number: u64) -> String {
    format!("+{number}")
}

/// A place in an order that tells nothing of the numbers, since cursors stand in the ledger.
fn digest(e164: &str) -> u64 {
    let bytes = *keys::phone(e164).as_bytes();
    bytes.iter().take(8).fold(0, |digest, byte| (digest << 8) | u64::from(*byte))
}

type Elements<T> = Vec<Result<T, leaddesk_client::Unreadable>>;

/// What the plan says of this route.
const SHARE: &str = "numbers of contacts have calls in the history by number (gdpr_history)";

impl Source for History {
    type Record = Call;

    fn read(&self, from: Option<Cursor>) -> BoxStream<'static, Result<Page<Call>, SourceError>> {
        let after: Option<u64> = from.and_then(|cursor| cursor.as_str().parse().ok());
        let history = self.clone();
        let opened = async move { history.numbers().await.map(|numbers| (history, numbers)) };
        stream::once(opened)
            .map_ok(move |(history, numbers)| {
                stream::try_unfold(Some((history, numbers, after)), |place| async {
                    let Some((history, numbers, after)) = place else { return Ok(None) };
                    let (page, last) = history.page(&numbers, after).await?;
                    Ok(Some((page, last.map(|last| (history, numbers, Some(last))))))
                })
            })
            .try_flatten()
            .boxed()
    }

    /// How many calls a number has is known when it has been asked for.
    fn estimate(&self) -> Estimate {
        Estimate::Unknown
    }
}

#[cfg(test)]
mod tests;
