//! Cursors: opaque to the client, and still right when objects came or went in between.

use serde_json::{Map, Value, json};

use super::Failure;

pub(super) const MOST_PER_PAGE: usize = 150;

/// Where an object stands in a list: what it is sorted by, then its number or id.
pub(super) type Position = (i64, String);

/// The page asked for.
#[derive(Debug)]
pub(super) struct Paging {
    per_page: usize,
    after: Option<Position>,
    /// Pages left out before the first one shown, where pages are numbered.
    skipped: usize,
}

impl Paging {
    /// From query parameters.
    pub(super) fn from_query(
        per_page: Option<&str>,
        starting_after: Option<&str>,
        default: usize,
    ) -> Result<Self, Failure> {
        let per_page = match per_page {
            None => default,
            Some(text) => text
                .parse()
                .map_err(|_| Failure::invalid("per_page is invalid"))?,
        };
        Self::new(per_page, starting_after)
    }

    /// The page of this number, counted from 1: some lists are paged so, and end with an empty page.
    pub(super) fn at_page(mut self, page: Option<&str>) -> Result<Self, Failure> {
        if let Some(page) = page {
            let page: usize = page
                .parse()
                .map_err(|_| Failure::invalid("page is invalid"))?;
            self.skipped = page.saturating_sub(1);
        }
        Ok(self)
    }

    /// From a search body's `pagination`.
    pub(super) fn from_body(body: &Map<String, Value>, default: usize) -> Result<Self, Failure> {
        let pagination = match body.get("pagination") {
            None | Some(Value::Null) => return Self::new(default, None),
            Some(Value::Object(pagination)) => pagination,
            Some(_) => return Err(Failure::invalid("pagination must be an object")),
        };
        let per_page = match pagination.get("per_page") {
            None | Some(Value::Null) => default,
            Some(value) => value
                .as_u64()
                .ok_or_else(|| Failure::invalid("per_page must be an integer"))?
                as usize,
        };
        Self::new(
            per_page,
            pagination.get("starting_after").and_then(Value::as_str),
        )
    }

    fn new(per_page: usize, starting_after: Option<&str>) -> Result<Self, Failure> {
        if per_page == 0 || per_page > MOST_PER_PAGE {
            return Err(Failure::invalid(format!(
                "per_page must be between 1 and {MOST_PER_PAGE}"
            )));
        }
        let cursor = starting_after.filter(|cursor| !cursor.is_empty());
        let decoded = |cursor: &str| {
            let (by, id) = cursor.strip_prefix("after.")?.split_once('.')?;
            Some((by.parse().ok()?, id.to_owned()))
        };
        let after = cursor.map(|cursor| {
            decoded(cursor).ok_or_else(|| Failure::invalid("starting_after is invalid"))
        });
        Ok(Self {
            per_page,
            after: after.transpose()?,
            skipped: 0,
        })
    }

    /// The objects of this page out of all of them, which must be sorted by position, and `pages`.
    pub(super) fn cut<'a, T>(
        &self,
        all: &'a [(Position, T)],
        descending: bool,
    ) -> (Vec<&'a T>, Value) {
        let start = match &self.after {
            None => 0,
            Some(after) if descending => all.partition_point(|(position, _)| position >= after),
            Some(after) => all.partition_point(|(position, _)| position <= after),
        };
        let start = (start + self.skipped.saturating_mul(self.per_page)).min(all.len());
        let end = (start + self.per_page).min(all.len());
        let shown = &all[start..end];
        let total_pages = all.len().div_ceil(self.per_page);
        let mut pages = json!({
            "type": "pages",
            "page": start / self.per_page + 1,
            "per_page": self.per_page,
            "total_pages": total_pages,
        });
        if let (true, Some(((by, id), _)), Value::Object(fields)) =
            (end < all.len(), shown.last(), &mut pages)
        {
            let next =
                json!({"per_page": self.per_page, "starting_after": format!("after.{by}.{id}")});
            fields.insert("next".into(), next);
        }
        (shown.iter().map(|(_, object)| object).collect(), pages)
    }
}
