//! Calls by their keys, for trying a few of many again.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use leaddesk_client::{Call, CallId, OriginalClient};
use migrate_core::{
    Cursor, Estimate, Key, Lookup, Page, Record, Source, SourceError, SourceExt as _, Unreadable,
};

use super::fetch::{Got, fetch};
use crate::source::{Callers, PAGE, keys};

/// All calls, of which those with an id that LeadDesk gave can be had one by one. The others are met
/// by reading everything. Before a call that is had either way comes the record of its number, where
/// the source makes one.
#[derive(Clone)]
pub struct CallLookup {
    all: Arc<dyn Source<Record = Call>>,
    by_id: Option<(OriginalClient, usize)>,
    callers: Option<Callers<()>>,
}

impl std::fmt::Debug for CallLookup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CallLookup").field("by_id", &self.by_id.is_some()).finish_non_exhaustive()
    }
}

impl CallLookup {
    /// A look-up that reads everything, whatever is asked for.
    pub fn through(all: impl Source<Record = Call> + 'static) -> Self {
        Self { all: all.boxed(), by_id: None, callers: None }
    }

    /// The same, which asks the API for the calls that have an id, at most `concurrency` at once.
    /// A call log on disk may know of a call what the API does not, so it is for accounts without.
    #[must_use]
    pub fn by_id(mut self, client: OriginalClient, concurrency: usize) -> Self {
        self.by_id = Some((client, concurrency));
        self
    }

    /// The same, which makes records of numbers that are nobody's of the calls that it asks the API for.
    #[must_use]
    pub fn with_callers(mut self, callers: Callers<()>) -> Self {
        self.callers = Some(callers);
        self
    }
}

impl Source for CallLookup {
    type Record = Call;

    fn read(&self, from: Option<Cursor>) -> BoxStream<'static, Result<Page<Call>, SourceError>> {
        self.all.read(from)
    }

    fn estimate(&self) -> Estimate {
        self.all.estimate()
    }
}

impl Lookup for CallLookup {
    fn lookup(&self, wanted: Vec<Key>) -> BoxStream<'static, Result<Page<Call>, SourceError>> {
        let id = |key: &Key| key.id().parse::<u64>().ok().filter(|id| keys::call(id) == *key);
        let (ids, others): (Vec<Key>, Vec<Key>) = match self.by_id {
            Some(_) => wanted.into_iter().partition(|key| id(key).is_some()),
            None => (Vec::new(), wanted),
        };
        let ids: Vec<u64> = ids.iter().filter_map(id).collect();
        let by_id = match self.by_id.clone() {
            Some((client, concurrency)) => {
                let callers = self.callers.clone();
                let page = move |ids| {
                    let (client, callers) = (client.clone(), callers.clone());
                    async move {
                        let page = page(client, concurrency, ids).await?;
                        match callers {
                            Some(callers) => callers.page(page).await,
                            None => Ok(page),
                        }
                    }
                };
                stream::iter(batches(ids)).then(page).boxed()
            }
            None => stream::empty().boxed(),
        };
        if others.is_empty() {
            return by_id;
        }
        let others: BTreeSet<Key> = others.into_iter().collect();
        let met = self.all.read(None).map(move |page| page.map(|page| only(page, &others)));
        by_id.chain(met).boxed()
    }
}

/// Those of a page that are wanted, each with the record of its number before it, if there is one.
fn only(mut page: Page<Call>, wanted: &BTreeSet<Key>) -> Page<Call> {
    let mut caller = None;
    let mut kept = Vec::new();
    for item in page.items {
        let key = match &item {
            Ok(record) => &record.key,
            Err(unreadable) => &unreadable.key,
        };
        if key.kind() == keys::CALLER {
            caller = Some(item);
            continue;
        }
        let before = caller.take();
        if wanted.contains(key) {
            kept.extend(before);
            kept.push(item);
        }
    }
    page.items = kept;
    page
}

fn batches(ids: Vec<u64>) -> Vec<Vec<u64>> {
    ids.chunks(PAGE).map(<[u64]>::to_vec).collect()
}

async fn page(
    client: OriginalClient,
    concurrency: usize,
    ids: Vec<u64>,
) -> Result<Page<Call>, SourceError> {
    let call = |id: u64| {
        let client = client.clone();
        async move { client.call(&CallId::new(id)).await }
    };
    let got = fetch(&ids, concurrency, call).await?.into_iter();
    let items = got.filter_map(|(id, got)| match got {
        Got::Record(call) => Some(Ok(Record::new(keys::call(id), call))),
        Got::Missing => None,
        Got::Unreadable(reason) => Some(Err(Unreadable::new(keys::call(id), reason))),
    });
    Ok(Page::new(items, None))
}
