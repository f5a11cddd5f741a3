//! Lists that come in pages.

use std::fmt;
use std::future::Future;
use std::hash::Hash;
use std::pin::Pin;
use std::task::{Context, Poll};

use desk_client_core::{Call, EmptyPage, Reply};
use futures::stream::{self, BoxStream, Stream, StreamExt, TryStreamExt};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use url::Url;

use crate::client::IntercomClient;
use crate::error::Error;

/// One page of a list.
#[derive(Debug)]
#[non_exhaustive]
pub struct Page<T> {
    /// The elements, each readable or not: one that is not leaves the others alone.
    pub items: Vec<Result<T, Error>>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<String>,
    /// How many elements the whole list has, where Intercom says so.
    pub total_count: Option<u64>,
}

/// A list, fetched page by page as it is polled. Nothing is sent before.
///
/// An error ends the stream. So does a cursor that comes back, since the list would never end.
#[must_use = "a stream does nothing unless polled"]
pub struct Pages<T>(BoxStream<'static, Result<Page<T>, Error>>);

impl<T: Send + 'static> Pages<T> {
    /// The elements one by one. An element that cannot be read is an error, after which the stream
    /// goes on; a page that cannot be had is an error, after which it ends.
    pub fn items(self) -> BoxStream<'static, Result<T, Error>> {
        self.map_ok(|page| stream::iter(page.items)).try_flatten().boxed()
    }

    /// All elements at once.
    ///
    /// # Errors
    /// The first page that cannot be had, or the first element that cannot be read.
    pub async fn all(self) -> Result<Vec<T>, Error> {
        self.items().try_collect().await
    }

    /// Walks from `first` on; `fetch` gives a page, its mark, and where to go on.
    pub(crate) fn walk<C, F, Fut>(first: C, fetch: F) -> Self
    where
        C: Hash + Clone + Send + 'static,
        F: Fn(C) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(Page<T>, Option<C>), Error>> + Send + 'static,
    {
        let pages = desk_client_core::pages(first, EmptyPage::GoesOn, move |cursor| {
            let page = fetch(cursor);
            async move {
                let (page, next) = page.await.map_err(Error::into_core)?;
                Ok(desk_client_core::Page::new(vec![page], next))
            }
        });
        Self(desk_client_core::items(pages).map_err(Error::from).boxed())
    }

    /// A list with cursors, whose page after a cursor is what `call` asks for.
    pub(crate) fn cursors(
        client: &IntercomClient,
        key: &'static str,
        call: impl Fn(Option<&str>) -> Result<Call, Error> + Send + 'static,
    ) -> Self
    where
        T: DeserializeOwned,
    {
        let client = client.clone();
        Self::walk(None, move |cursor: Option<String>| {
            let (client, call) = (client.clone(), call(cursor.as_deref()));
            async move {
                let page: Page<T> = read(&client.send(call?).await?, key)?;
                let next = page.next.clone().map(Some);
                Ok((page, next))
            }
        })
    }
}

impl<T> Stream for Pages<T> {
    type Item = Result<Page<T>, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(context)
    }
}

impl<T> fmt::Debug for Pages<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pages")
    }
}

/// Reads a page whose elements stand under `key`, or under `data`, as they do in some versions.
pub(crate) fn read<T: DeserializeOwned>(reply: &Reply, key: &str) -> Result<Page<T>, Error> {
    let mut envelope: Map<String, Value> = reply.json()?;
    let list = envelope.remove(key).or_else(|| envelope.remove("data"));
    let list = match list {
        Some(Value::Array(list)) => list,
        Some(Value::Null) => Vec::new(),
        // A list that is not there is no empty list.
        _ => {
            return Err(reply.unexpected(format!("there is no list at `{key}`")).into());
        }
    };
    let items = list.into_iter().enumerate().map(|(index, element)| {
        let id = id_of(&element);
        T::deserialize(element).map_err(|_| {
            // The cause would quote the value.
            let which = id.unwrap_or_default();
            let detail = format!("element {index} of `{key}` cannot be read, id `{which}`");
            Error::from(reply.unexpected(detail))
        })
    });
    Ok(Page {
        items: items.collect(),
        next: envelope.get("pages").and_then(|pages| next_cursor(&pages["next"])),
        total_count: envelope.get("total_count").and_then(Value::as_u64),
    })
}

fn id_of(element: &Value) -> Option<String> {
    let id = match element.get("id")? {
        Value::String(id) => id.clone(),
        other => other.to_string(),
    };
    desk_client_core::safe_code(&id)
}

/// The cursor of the next page: `{"starting_after": ..}`, or a URL that holds it.
fn next_cursor(next: &Value) -> Option<String> {
    if let Some(cursor) = next.get("starting_after") {
        return cursor.as_str().filter(|cursor| !cursor.is_empty()).map(str::to_owned);
    }
    let url = Url::parse(next.as_str()?).ok()?;
    let cursor = url.query_pairs().find(|(name, _)| name == "starting_after");
    cursor.map(|(_, cursor)| cursor.into_owned())
}

/// Whether page `number` of a list by number has a successor.
pub(crate) fn has_next_number(reply: &Reply, number: u64) -> Result<bool, Error> {
    let envelope: Value = reply.json()?;
    let pages = &envelope["pages"];
    let counted = pages["total_pages"].as_u64();
    Ok(counted.map_or(!pages["next"].is_null(), |total| number < total))
}
