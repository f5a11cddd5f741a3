//! One CSV file as a source of records.

use std::path::PathBuf;
use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use leaddesk_client::export::Position;
use migrate_core::{Cursor, Estimate, Page, Record, Source, SourceError};

use super::tables::{Body, Opened, Tables};
use super::unread_row;
use crate::source::PAGE;
use crate::source::stamp::stamp;

/// The records of a CSV file, a page at a time. The cursor is the place of a row, as
/// `<byte>:<record number>@<state of the file>`. A file that has changed since begins anew: what
/// was read before is known to the ledger, so that costs time and no writes.
pub struct File<T> {
    path: PathBuf,
    open: Arc<Open<T>>,
}

/// Opens the file at its first row.
type Open<T> = dyn Fn() -> Result<Box<dyn Pages<T>>, SourceError> + Send + Sync;

impl<T> std::fmt::Debug for File<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("File").field("path", &self.path).finish_non_exhaustive()
    }
}

impl<T: 'static> File<T> {
    /// One of several tables, which are asked for whenever it is read, and what its records become.
    pub(super) fn new<B: Body>(
        path: PathBuf,
        table: usize,
        tables: impl Fn() -> Result<Arc<Tables<B>>, SourceError> + Send + Sync + 'static,
        record: impl Fn(B) -> Record<T> + Send + Sync + 'static,
    ) -> Self {
        let record: Arc<dyn Fn(B) -> Record<T> + Send + Sync> = Arc::new(record);
        let open = move || {
            let open_file = OpenFile { rows: tables()?.open(table)?, record: record.clone() };
            Ok(Box::new(open_file) as Box<dyn Pages<T>>)
        };
        Self { path, open: Arc::new(open) }
    }
}

/// A file at a row.
trait Pages<T>: Send {
    fn resume(&mut self, position: Position) -> Result<(), SourceError>;
    fn page(&mut self) -> Result<Page<T>, SourceError>;
}

struct OpenFile<B, T> {
    rows: Opened<B>,
    record: Arc<dyn Fn(B) -> Record<T> + Send + Sync>,
}

impl<B: Body, T> Pages<T> for OpenFile<B, T> {
    fn resume(&mut self, position: Position) -> Result<(), SourceError> {
        self.rows.resume(position)
    }

    /// A page of rows is read in a fraction of a millisecond, so this blocks nobody for long.
    fn page(&mut self) -> Result<Page<T>, SourceError> {
        let mut items = Vec::with_capacity(PAGE);
        let mut next = None;
        for _ in 0..PAGE {
            let Some((following, body)) = self.rows.next()? else {
                return Ok(Page::new(items, None));
            };
            next = Some(Cursor::new(format!("{}:{}", following.byte, following.record)));
            match body {
                Ok(body) => items.extend(body.map(|body| Ok((self.record)(body)))),
                Err(bad) => items.push(Err(unread_row(bad))),
            }
        }
        Ok(Page::new(items, next))
    }
}

impl<T: Send + 'static> Source for File<T> {
    type Record = T;

    fn read(&self, from: Option<Cursor>) -> BoxStream<'static, Result<Page<T>, SourceError>> {
        let (path, open) = (self.path.clone(), self.open.clone());
        let start = move || {
            let stamp = stamp(&path);
            let mut pages = open()?;
            if let Some(position) = from.as_ref().and_then(|cursor| position(cursor, &stamp)) {
                pages.resume(position)?;
            }
            Ok((pages, stamp))
        };
        let opened = stream::once(async move { start() });
        opened
            .flat_map(|opened| match opened {
                Err(error) => stream::once(async { Err(error) }).boxed(),
                Ok(state) => stream::try_unfold(Some(state), |state| async {
                    let Some((mut pages, stamp)) = state else { return Ok(None) };
                    let mut page = pages.page()?;
                    let place = page.next.take();
                    page.next = place.map(|at| Cursor::new(format!("{}@{stamp}", at.as_str())));
                    let rest = page.next.is_some().then_some((pages, stamp));
                    Ok(Some((page, rest)))
                })
                .boxed(),
            })
            .boxed()
    }

    /// Rows are not counted, since that would take reading them all.
    fn estimate(&self) -> Estimate {
        Estimate::Unknown
    }
}

/// The place that a cursor names, if the file is still as it was.
fn position(cursor: &Cursor, stamp: &str) -> Option<Position> {
    let (place, was) = cursor.as_str().split_once('@')?;
    let (byte, record) = place.split_once(':').filter(|_| was == stamp)?;
    Some(Position::new(byte.parse().ok()?, record.parse().ok()?))
}
