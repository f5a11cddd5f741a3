//! Many records by id or by number, some at a time.

use std::future::Future;

use futures::StreamExt as _;
use futures::stream;
use leaddesk_client::Error;
use migrate_core::SourceError;

use crate::source::error::{Trouble, stop, trouble};

/// What came of asking for one record.
pub(super) enum Got<T> {
    Record(T),
    /// LeadDesk knows no record of this id.
    Missing,
    /// It is there and cannot be read, for this reason.
    Unreadable(String),
}

/// Asks for records, `concurrency` at a time, and gives them in the order of their ids.
///
/// A fault that one record meets while others of the same batch are answered is that record's own:
/// the client has tried often enough. When none is answered, LeadDesk itself is out of reach.
pub(super) async fn fetch<I, T, F>(
    ids: &[I],
    concurrency: usize,
    get: impl Fn(I) -> F,
) -> Result<Vec<(I, Got<T>)>, SourceError>
where
    I: Clone,
    F: Future<Output = Result<T, Error>>,
{
    let mut replies = stream::iter(ids.iter().cloned())
        .map(|id| {
            let reply = get(id.clone());
            async move { (id, reply.await) }
        })
        .buffered(concurrency.max(1));

    let mut answered = false;
    let mut faults = Vec::new();
    let mut got = Vec::with_capacity(ids.len());
    while let Some((id, reply)) = replies.next().await {
        let outcome = match reply {
            Ok(record) => Got::Record(record),
            Err(error) => match trouble(&error) {
                Trouble::Missing => Got::Missing,
                Trouble::Record => Got::Unreadable(error.to_string()),
                Trouble::Fault => {
                    let reason = error.to_string();
                    faults.push(error);
                    got.push((id, Got::Unreadable(reason)));
                    continue;
                }
                Trouble::All => return Err(stop(error)),
            },
        };
        answered = true;
        got.push((id, outcome));
    }
    match faults.pop() {
        Some(error) if !answered => Err(stop(error)),
        _ => Ok(got),
    }
}
