//! Names, and the rows they name: a chain in which each link vouches for the next, so that a name
//! which is not found is proven not to exist, as in DNSSEC's authenticated denial. Without that a
//! damaged page of an index would silently say "unknown", and a record would be written twice.
//!
//! What a name leads to is not vouched for here: the row there says which name it has, and has a
//! checksum of its own.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::row::{Result, Sum, Table, Trouble, run};
use crate::{Alias, Key};

/// A name in the file: what sort of thing it names, and what that is called.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name(Vec<u8>);

impl Name {
    pub(super) const BEGINNING: Name = Name(Vec::new());

    pub(super) fn key(key: &Key) -> Self {
        Self::new(b'k', key.as_str().as_bytes())
    }

    pub(super) fn alias(alias: &[u8; 16]) -> Self {
        Self::new(b'a', alias)
    }

    pub(super) fn before(key: &Key) -> Self {
        Self::new(b'b', key.as_str().as_bytes())
    }

    pub(super) fn discovery(list: &str, item: &str) -> Self {
        let mut name = vec![b'd'];
        name.extend_from_slice(&(list.len() as u32).to_be_bytes());
        name.extend_from_slice(list.as_bytes());
        name.extend_from_slice(item.as_bytes());
        Self(name)
    }

    pub(super) fn meta(name: &str) -> Self {
        Self::new(b'm', name.as_bytes())
    }

    pub(super) fn stage(name: &str) -> Self {
        Self::new(b's', name.as_bytes())
    }

    fn new(sort: u8, name: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(1 + name.len());
        bytes.push(sort);
        bytes.extend_from_slice(name);
        Self(bytes)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Which table it leads to.
    pub(super) fn table(&self) -> Option<Table> {
        match self.0.first()? {
            b'k' | b'a' => Some(Table::Entry),
            b'b' => Some(Table::BeforeImage),
            b'd' => Some(Table::Discovery),
            b'm' => Some(Table::Meta),
            b's' => Some(Table::Stage),
            _ => None,
        }
    }

    /// The alias, if it is one.
    pub(super) fn as_alias(&self) -> Option<Alias> {
        match self.0.split_first()? {
            (b'a', alias) => alias.try_into().ok().map(Alias::from_bytes),
            _ => None,
        }
    }

    /// As errors show it: keys and names are no person's data, and an alias is a digest.
    fn shown(&self) -> String {
        match (self.as_alias(), self.0.split_first()) {
            (Some(alias), _) => format!("{alias:?}"),
            (None, Some((_, name))) => format!("key {}", String::from_utf8_lossy(name)),
            (None, None) => "the beginning".to_owned(),
        }
    }
}

/// A place in the chain: a name and the row it leads to.
pub(super) type Place = (Name, i64);

/// One link of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) name: Name,
    pub(super) row: i64,
    sum: i64,
}

impl Link {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { name: Name(row.get(0)?), row: row.get(1)?, sum: row.get(2)? })
    }

    /// Does `next` follow this link, with nothing between?
    fn leads_to(&self, next: Option<&Link>) -> bool {
        self.sum == i64::from(sum(&self.name, self.row, next.map(|it| (&it.name, it.row))))
    }
}

fn sum(name: &Name, row: i64, next: Option<(&Name, i64)>) -> i32 {
    let mut sum = Sum::of(Table::Name);
    sum.add(ValueRef::Blob(&name.0));
    sum.add(ValueRef::Integer(row));
    match next {
        Some((name, row)) => {
            sum.add(ValueRef::Blob(&name.0));
            sum.add(ValueRef::Integer(row));
        }
        None => sum.add(ValueRef::Null),
    }
    sum.end()
}

/// That a name is damaged, or what stands around it.
pub(super) fn damaged(name: &Name) -> Trouble {
    Table::Name.damaged(name.shown(), "what is named here and what is not cannot be told")
}

/// Begins an empty chain.
pub(super) fn begin(db: &Connection) -> Result<()> {
    write(db, &Name::BEGINNING, 0, None, true)
}

/// The row with a name, which no other has; `None` is proven.
pub(super) fn find(db: &Connection, name: &Name) -> Result<Option<i64>> {
    let found = db
        .prepare_cached("SELECT row FROM name WHERE name = ?1 LIMIT 1")?
        .query_row([&name.0], |row| row.get(0))
        .optional()?;
    if found.is_none() {
        neighbours(db, name, 0)?;
    }
    Ok(found)
}

/// All rows with a name, in their order; that there are no others is proven.
pub(super) fn find_all(db: &Connection, name: &Name) -> Result<Vec<i64>> {
    let mut last = before(db, name, 0)?;
    let mut found = Vec::new();
    let mut select =
        db.prepare_cached("SELECT name, row, sum FROM name WHERE name >= ?1 ORDER BY name, row")?;
    let mut rows = select.query([&name.0])?;
    loop {
        let next = rows.next()?.map(Link::read).transpose()?;
        join(name, &last, next.as_ref())?;
        match next {
            Some(next) if next.name == *name => {
                found.push(next.row);
                last = next;
            }
            _ => return Ok(found),
        }
    }
}

/// The last link before a place in the chain and the first at it or after it, which are proven to be
/// neighbours.
pub(super) fn neighbours(db: &Connection, name: &Name, row: i64) -> Result<(Place, Option<Place>)> {
    let (before, after) = (before(db, name, row)?, at_or_after(db, name, row)?);
    join(name, &before, after.as_ref())?;
    Ok(((before.name, before.row), after.map(|it| (it.name, it.row))))
}

/// Writes a link, which is new or takes the place of what it was.
pub(super) fn write(
    db: &Connection,
    name: &Name,
    row: i64,
    next: Option<(&Name, i64)>,
    new: bool,
) -> Result<()> {
    let sql = match new {
        true => "INSERT INTO name (name, row, sum) VALUES (?1, ?2, ?3)",
        false => "UPDATE name SET sum = ?3 WHERE name = ?1 AND row = ?2",
    };
    run(db, sql, params![name.0, row, sum(name, row, next)])
}

/// All links, in their order, each with whether it leads to the next.
pub(super) fn each(db: &Connection, mut each: impl FnMut(&Link, bool) -> Result<()>) -> Result<()> {
    let mut select = db.prepare_cached("SELECT name, row, sum FROM name ORDER BY name, row")?;
    let mut rows = select.query([])?;
    let mut last: Option<Link> = None;
    loop {
        let next = rows.next()?.map(Link::read).transpose()?;
        if let Some(last) = &last {
            each(last, last.leads_to(next.as_ref()))?;
        }
        if next.is_none() {
            return Ok(());
        }
        last = next;
    }
}

fn join(asked: &Name, link: &Link, next: Option<&Link>) -> Result<()> {
    if link.leads_to(next) { Ok(()) } else { Err(damaged(asked)) }
}

fn before(db: &Connection, name: &Name, row: i64) -> Result<Link> {
    db.prepare_cached(
        "SELECT name, row, sum FROM name WHERE (name, row) < (?1, ?2)
         ORDER BY name DESC, row DESC LIMIT 1",
    )?
    .query_row(params![name.0, row], Link::read)
    .optional()?
    .ok_or_else(|| damaged(name))
}

fn at_or_after(db: &Connection, name: &Name, row: i64) -> Result<Option<Link>> {
    let link = db
        .prepare_cached(
            "SELECT name, row, sum FROM name WHERE (name, row) >= (?1, ?2)
             ORDER BY name, row LIMIT 1",
        )?
        .query_row(params![name.0, row], Link::read)
        .optional()?;
    Ok(link)
}
