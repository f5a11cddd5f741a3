//! Calls by their ids.

use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use leaddesk_client::{Call, CallId, OriginalClient};
use migrate_core::{Cursor, Estimate, Page, Record, Source, SourceError, Unreadable};

use super::fetch::{Got, fetch};
use super::ids::{Feed, Ids};
use crate::source::{Findings, PAGE, keys};

/// The calls that an id leads to. An id without a call is no record, but a finding.
#[derive(Clone)]
pub struct Calls {
    client: OriginalClient,
    concurrency: usize,
    ids: Ids,
    findings: Findings,
}

impl std::fmt::Debug for Calls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Calls").field("ids", &self.ids).finish_non_exhaustive()
    }
}

impl Calls {
    /// The calls of these ids, at most `concurrency` requests at once.
    pub fn new(client: OriginalClient, concurrency: usize, ids: Ids, findings: Findings) -> Self {
        Self { client, concurrency, ids, findings }
    }

    async fn page(&self, feed: &mut Feed) -> Result<(Page<Call>, bool), SourceError> {
        let batch = feed.batch(PAGE).await?;
        let ids: Vec<u64> = batch.ids.iter().filter_map(|id| id.as_ref().ok().copied()).collect();
        let mut items: Vec<_> = batch.ids.into_iter().filter_map(Result::err).map(Err).collect();
        let call = |id: u64| async move { self.client.call(&CallId::new(id)).await };
        for (id, got) in fetch(&ids, self.concurrency, call).await? {
            match got {
                Got::Record(call) => items.push(Ok(Record::new(keys::call(id), call))),
                Got::Missing => self.findings.add(self.ids.missing(), 1),
                Got::Unreadable(reason) => items.push(Err(Unreadable::new(keys::call(id), reason))),
            }
        }
        let next = batch.next.map(|at| match feed.stamp() {
            Some(stamp) => Cursor::new(format!("{at}@{stamp}")),
            None => Cursor::new(at.to_string()),
        });
        let more = next.is_some();
        Ok((Page::new(items, next), more))
    }
}

impl Source for Calls {
    type Record = Call;

    fn read(&self, from: Option<Cursor>) -> BoxStream<'static, Result<Page<Call>, SourceError>> {
        let (calls, at) = (self.clone(), from.and_then(|cursor| self.ids.place(&cursor)));
        stream::once(async move { calls.ids.open(at).map(|feed| (calls, feed)) })
            .flat_map(|opened| match opened {
                Err(error) => stream::once(async { Err(error) }).boxed(),
                Ok(state) => stream::try_unfold(Some(state), |state| async {
                    let Some((calls, mut feed)) = state else { return Ok(None) };
                    let (page, more) = calls.page(&mut feed).await?;
                    Ok(Some((page, more.then_some((calls, feed)))))
                })
                .boxed(),
            })
            .boxed()
    }

    fn estimate(&self) -> Estimate {
        match &self.ids {
            // Nobody knows how many of them are holes.
            Ids::Range(range) => Estimate::About(range.count()),
            Ids::Discovered(..) | Ids::Listed(_) => Estimate::Unknown,
        }
    }
}
