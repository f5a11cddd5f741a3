//! Lists that come in pages.

use std::fmt;
use std::future::Future;
use std::hash::Hash;
use std::pin::Pin;
use std::task::{Context, Poll};

use desk_client_core::{Call, EmptyPage, Reply, elements};
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
    /// The id of the first element, by which a page that comes twice is noticed.
    first: Option<String>,
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
                Ok(desk_client_core::Page::new(vec![page], next))
            }
        })
    }

    /// A list that is not described as paged. A cursor is followed all the same: one call more is
    /// better than a list that is silently cut.
    pub(crate) fn whole(client: &IntercomClient, key: &'static str, call: Call) -> Self
    where
        T: DeserializeOwned,
    {
        Self::cursors(client, key, move |cursor| {
            Ok(call.clone().query_opt("starting_after", cursor))
        })
    }

    /// A list by page number, from 1 on.
    pub(crate) fn numbers(client: &IntercomClient, key: &'static str, call: Call) -> Self
    where
        T: DeserializeOwned,
    {
        let client = client.clone();
        Self::walk(1, move |number: u64| {
            let (client, call) = (client.clone(), call.clone().query("page", number));
            async move {
                let reply = client.send(call).await?;
                let page: Page<T> = read(&reply, key)?;
                let next = has_next_number(&reply, number)?.then_some(number + 1);
                let first = page.first.clone();
                Ok(desk_client_core::Page::new(vec![page], next).with_mark(first))
            }
        })
    }

    /// Walks from `first` on, with the guards of the mechanism. It sees each page as one element.
    fn walk<C, F, Fut>(first: C, fetch: F) -> Self
    where
        C: Hash + Clone + Send + 'static,
        F: Fn(C) -> Fut + Send + 'static,
        Fut: Future<Output = Result<desk_client_core::Page<Page<T>, C>, Error>> + Send + 'static,
    {
        let pages = desk_client_core::pages(first, EmptyPage::GoesOn, move |cursor| {
            let page = fetch(cursor);
            async move { page.await.map_err(Error::into_core) }
        });
        Self(desk_client_core::items(pages).map_err(Error::from).boxed())
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
fn read<T: DeserializeOwned>(reply: &Reply, key: &str) -> Result<Page<T>, Error> {
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
    let first = list.first().and_then(id_of);
    let items = elements(list).into_iter().map(|element| {
        element.map_err(|fault| {
            let (index, id, why) = (fault.index, fault.id.unwrap_or_default(), fault.reason);
            let detail = format!("element {index} of `{key}`, id `{id}`: {why}");
            Error::from(reply.unexpected(detail))
        })
    });
    Ok(Page {
        items: items.collect(),
        next: envelope.get("pages").and_then(|pages| next_cursor(&pages["next"])),
        total_count: envelope.get("total_count").and_then(Value::as_u64),
        first,
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
        return match cursor {
            Value::String(cursor) if !cursor.is_empty() => Some(cursor.clone()),
            Value::Number(cursor) => Some(cursor.to_string()),
            _ => None,
        };
    }
    let url = Url::parse(next.as_str()?).ok()?;
    let cursor = url.query_pairs().find(|(name, _)| name == "starting_after");
    cursor.map(|(_, cursor)| cursor.into_owned())
}

/// Whether page `number` of a list by number has a successor.
fn has_next_number(reply: &Reply, number: u64) -> Result<bool, Error> {
    let envelope: Value = reply.json()?;
    let pages = &envelope["pages"];
    let counted = pages["total_pages"].as_u64();
    Ok(counted.map_or(!pages["next"].is_null(), |total| number < total))
}
